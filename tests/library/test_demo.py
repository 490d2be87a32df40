import shutil

import numpy as np
import pytest
from recordings import ToneEmbedder, replace_checkpoint
from tiny_clap import make_clap_folder

from kobza.audio import load_audio, windows
from kobza.cli import main
from kobza.embedding.embedder import normalized_mean
from kobza.library.demo import default_demo_folder, run_demo
from kobza.synth.album import DEMO_QUERIES, album, write_album


class OracleEmbedder(ToneEmbedder):
    """Embeds each query as a piece that it describes, or (`sign` -1) as the opposite of that."""

    def __init__(self, folder, sign):
        super().__init__()
        self.folder, self.sign = folder, sign

    def embed_text(self, texts):
        query = next((query for query in DEMO_QUERIES if query.text == texts[0]), None)
        if query is None:  # the reference queries of the calibration
            return super().embed_text(texts)
        piece = next(piece for piece in some_pieces() if query.matches(piece))
        samples = load_audio(self.folder / "album" / f"{piece.name}.flac")
        vectors = self.embed_windows([window for _, window in windows([samples])])
        return self.sign * normalized_mean(vectors)[None]


def some_pieces():
    """The first right piece for each query, and two more: quicker than the whole album."""
    pieces = album()
    right = [next(piece for piece in pieces if query.matches(piece)) for query in DEMO_QUERIES]
    others = [piece for piece in pieces if not any(query.matches(piece) for query in DEMO_QUERIES)]
    return list({piece.name: piece for piece in right + others[:2]}.values())


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    write_album(folder, some_pieces()[2:])
    return folder


@pytest.fixture
def folder(tmp_path, rendered, monkeypatch):
    """A demo folder that an earlier run left unfinished: two pieces are missing."""
    folder = tmp_path / "demo"
    shutil.copytree(rendered, folder / "album")
    monkeypatch.setattr("kobza.library.demo.write_album", lambda album_folder: write_album(album_folder, some_pieces()))
    return folder


def test_counts_correct_answers_and_runs_again(folder, monkeypatch, capsys):
    replace_checkpoint(monkeypatch, lambda: OracleEmbedder(folder, 1))
    assert main(["demo", "--folder", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "8 of 8 queries ranked a correct piece first" in out and out.count("[correct]") == 8
    assert all(query.text in out for query in DEMO_QUERIES)
    assert sum(line.startswith("  ") for line in out.splitlines()) == 24

    monkeypatch.setattr("kobza.library.ingest.decoding.decode", lambda *_: pytest.fail("indexed again"))
    assert main(["demo", "--folder", str(folder)]) == 0
    assert capsys.readouterr().out == out

    replace_checkpoint(monkeypatch, lambda: OracleEmbedder(folder, -1))
    assert main(["demo", "--folder", str(folder)]) == 0
    assert "0 of 8 queries ranked a correct piece first" in capsys.readouterr().out


def test_with_a_real_checkpoint(folder, tiny_checkpoint):
    answers = run_demo(folder, embedder=tiny_checkpoint)
    assert [answer.query for answer in answers] == DEMO_QUERIES
    for answer in answers:
        assert [hit.score for hit, _ in answer.best] == sorted((hit.score for hit, _ in answer.best), reverse=True)
        assert answer.correct == answer.query.matches(answer.best[0][1])
        assert all(np.isfinite(hit.score) and piece.title == hit.track.title for hit, piece in answer.best)
    assert len(list((folder / "album").glob("*.flac"))) == len(some_pieces())


def test_with_a_model_of_another_kind(folder, tmp_path):
    answers = run_demo(folder, embedder=make_clap_folder(tmp_path / "clap"))
    assert [len(answer.best) for answer in answers] == [3] * len(DEMO_QUERIES)


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_demo_folder() == tmp_path / "kobza-demo"
