"""Output and errors of the commands search, similar, locate and playlist."""

import contextlib
import json
import sys

import numpy as np
import pytest
from recordings import tone, write

from kobza.commands.arguments import CommandParser, description_argument


@pytest.fixture
def music(kobza, tmp_path):
    """Three tracks and a mix of 70 s with a high tone from 0:20 to 0:40, all indexed."""
    for hertz, genre in ((300, "low"), (1200, "middle"), (4000, "high")):
        tags = {"title": f"Tone {hertz}", "genre": genre, "date": str(1000 + hertz // 10)}
        write(tmp_path / "m" / f"{hertz}.flac", tone(hertz, 4), **tags)
    write(tmp_path / "m" / "mix.flac", np.concatenate([tone(300, 20), tone(4000, 20), tone(300, 30)]))
    assert kobza("index", tmp_path / "m")[0] == 0
    return tmp_path / "m"


def paths(out: str) -> list[str]:
    return [row["path"].rsplit("/", 1)[1] for row in json.loads(out)]


def test_a_leading_minus_is_a_query_term_and_not_an_option(kobza, music):
    for words in (["tone 300", "-tone-4000"], ["-tone-4000 tone 300"], ["-harp", "tone 300"], ["-50s", "tone 300"]):
        code, out, err = kobza("search", *words, "-k2", "--json")
        assert code == 0, err
        assert len(json.loads(out)) == 2
    code, out, _ = kobza("similar", music / "300.flac", "--but", "-harp", "-k", "1", "--json")
    assert code == 0 and len(json.loads(out)) == 1
    code, _, err = kobza("search", "-drums")
    assert code == 1 and "only says what to exclude" in err
    assert kobza("search", "x", "--nonsense")[0] == 2 and kobza("search", "-h")[0] == 0


def test_where_and_by(kobza, music):
    assert set(paths(kobza("search", "tone 300", "--json", "--where", "year >= 1100")[1])) == {"1200.flac", "4000.flac"}
    assert paths(kobza("search", "tone 4000", "--json", "--by", "moment")[1])[:2] == ["4000.flac", "mix.flac"]
    assert paths(kobza("similar", music / "300.flac", "--where", "genre = high", "--json")[1]) == ["4000.flac"]
    code, _, err = kobza("search", "tone 300", "--where", "genre = none")
    assert code == 1 and "No track passes the filter" in err
    code, _, err = kobza("search", "tone 300", "--where", "colour = blue")
    assert code == 1 and "a condition starts with" in err
    assert kobza("search", "tone 300", "--by", "album")[0] == 2


def test_match_is_shown_and_a_note_if_there_is_no_good_one(kobza, music):
    _, out, err = kobza("search", "tone 300")
    assert out.splitlines()[0].split()[:2] == ["score", "match"] and " strong " in out and "good match" not in err
    row = json.loads(kobza("search", "tone 300", "--json")[1])[0]
    assert row["match"] == "strong" and row["strength"] >= 3.25
    _, out, err = kobza("search", "tone 300", "--where", "genre = high")
    assert "No track is a good match; the closest are:" in err and "4000.flac" in out
    assert "match" not in kobza("similar", music / "300.flac")[1].splitlines()[0]
    assert json.loads(kobza("similar", music / "300.flac", "--json")[1])[0]["match"] is None


def test_locate(kobza, music):
    code, out, err = kobza("locate", music / "mix.flac", "tone", "4000")
    bars, times, head, first, *_ = out.splitlines()
    assert code == 0 and not err
    assert bars == "▁▁██▁▁▁" and times.split() == ["0:00", "1:10"]
    assert head.split() == ["moment", "score", "match"] and first.split()[::2] == ["0:20", "strong"]
    rows = json.loads(kobza("locate", music / "mix.flac", "tone 4000", "--from", "0:25", "--to", "50", "--json")[1])
    assert rows["path"] == str(music / "mix.flac")
    assert [row["start"] for row in rows["moments"]] == [20, 30, 40]
    assert set(rows["moments"][0]) == {"start", "end", "score", "strength", "match"}
    _, out, err = kobza("locate", music / "mix.flac", "tone 4000", "--from", "0:50")
    assert "No moment is a good match" in err and out


def test_locating_needs_no_library(kobza, tmp_path):
    path = write(tmp_path / "a.flac", np.concatenate([tone(300, 20), tone(4000, 10)]))
    code, out, _ = kobza("locate", path, "tone 4000", "--json")
    assert code == 0 and json.loads(out)["moments"][2]["match"] == "strong"
    assert not (tmp_path / "library").exists()
    code, _, err = kobza("locate", path, "tone 4000", "--library", tmp_path / "absent")
    assert code == 1 and "There is no library at" in err


def test_locate_plots(kobza, music, tmp_path):
    code, _, err = kobza("locate", music / "mix.flac", "tone 4000 $x$", "--png", tmp_path / "plots" / "a.png")
    assert code == 0, err
    assert (tmp_path / "plots" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_plotting_without_matplotlib_is_an_error_message(kobza, music, monkeypatch):
    monkeypatch.delitem(sys.modules, "kobza.evaluation.plots", raising=False)
    imported = [name for name in sys.modules if name.startswith("matplotlib.")]  # by an earlier test
    for name in ("matplotlib", *imported):
        monkeypatch.setitem(sys.modules, name, None)
    code, _, err = kobza("locate", music / "mix.flac", "tone 4000", "--png", "a.png")
    assert code == 1 and "pip install 'kobza[plot]'" in err


def test_playlist(kobza, music):
    ends = ["--from", music / "300.flac", "--to", music / "4000.flac"]
    assert paths(kobza("playlist", *ends, "--json")[1])[::3] == ["300.flac", "4000.flac"]
    code, out, _ = kobza("playlist", *ends, "-k", 2, "--m3u")
    assert code == 0 and out.splitlines()[2::2] == [str(music / "300.flac"), str(music / "4000.flac")]
    assert paths(kobza("playlist", *ends, "--where", "genre = middle", "--json")[1])[1:-1] == ["1200.flac"]


@pytest.mark.parametrize(
    ("argv", "code", "sentence"),
    [
        (["locate", "{m}/mix.flac", "tone 300", "--from", "2:00"], 1, "ends before 120 s"),
        (
            ["locate", "{m}/mix.flac", "tone 300", "--from", "30", "--to", "20"],
            1,
            "The end (20 s) must be later than the start (30 s)",
        ),
        (["locate", "{m}/mix.flac", "tone 300", "--from", "soon"], 2, "'soon' is not a time"),
        (["locate", "{m}/mix.flac", " "], 1, "description is empty"),
        (["locate", "{m}/absent.flac", "tone 300"], 1, "cannot be read"),
        (["playlist", "--from", "{m}/300.flac", "--to", "{m}/absent.flac"], 1, "is not in the library"),
        (["playlist", "--from", "{m}/300.flac", "--to", "{m}/300.flac"], 1, "both the first and the last"),
        (["playlist", "--from", "{m}/300.flac", "--to", "{m}/mix.flac", "-k", "1"], 1, "k is 1"),
        (["playlist", "--from", "{m}/300.flac"], 2, "--to"),
        (["search", "piano^0"], 1, "must be above 0"),
        (["similar", "{m}/300.flac", "--but", " "], 1, "description is empty"),
    ],
)
def test_errors(kobza, music, argv, code, sentence):
    got, _, err = kobza(*[word.format(m=music) for word in argv])
    assert got == code and sentence in err


def test_query_words_and_options_are_told_apart():
    parser = CommandParser()
    description_argument(parser, "")
    parser.add_argument("-k", type=int)
    args = parser.parse_args(["piano", "-drums", "-50s", "-k20"])
    assert args.k == 20 and args.text == "piano -drums -50s"
    parser.takes_query = False
    with pytest.raises(SystemExit):
        parser.parse_args(["piano", "-drums"])


def test_loading_a_model_is_named(kobza, music, tmp_path, monkeypatch):
    from recordings import ToneEmbedder

    shown: list[str] = []

    @contextlib.contextmanager
    def progress_bar(first):
        yield lambda now: shown.append(now.stage or f"{now.fraction:.0%}")
        shown.append("end")

    monkeypatch.setattr("kobza.terminal.progress_bar", progress_bar)
    other = write(tmp_path / "other.flac", tone(310, 12))
    kobza("search", "tone 300")
    assert shown == []  # the text tower alone is there at once
    kobza("similar", other)
    assert (shown[0], *shown[-2:]) == ("8%", "100%", "end")  # how far it is listened to: the first of 12 s, all
    shown.clear()
    loaded = []

    def load(name, *_):
        loaded.append(name)
        return ToneEmbedder()

    monkeypatch.setattr("kobza.embedding.loader.load_embedder", load)
    monkeypatch.setattr("kobza.embedding.loader.load_text_embedder", load)
    for argv in (("search", "tone 300"), ("similar", other), ("similar", music / "300.flac", "--but", "tone 900")):
        assert kobza(*argv, "--model", "some/clap")[0] == 0
        assert shown[0] == "loading the model some/clap" and shown.pop() == "end" and loaded == ["some/clap"]
        shown.clear()
        loaded.clear()
