"""A programming error is not a bad file: the run ends with one sentence, and what was stored stays."""

import os

import pytest
from recordings import ToneEmbedder, replace_checkpoint, tone, write

from kobza import MusicLibrary, __version__
from kobza.internal_error import ISSUE_TRACKER, InternalError
from kobza.library.demo import run_demo
from kobza.library.ingest import decode_ahead, decoding, tags


@pytest.fixture
def broken(monkeypatch):
    """As after an update of PyAV that took an argument away: recordings whose name has "broken" in it."""
    decode = decoding.decode

    def decode_with_fault(path, rate, **_):
        if "broken" in str(path):
            raise TypeError("open() got an unexpected keyword argument 'metadata_errors'")
        yield from decode(path, rate)

    monkeypatch.setattr(decoding, "decode", decode_with_fault)
    monkeypatch.setattr(decode_ahead, "CPU_BATCH_WINDOWS", 1)


def check_sentence(said: str, name: str) -> None:
    assert f"Kobza {__version__} " in said and said.endswith(ISSUE_TRACKER) and "\n" not in said
    assert "TypeError (open() got an unexpected keyword argument 'metadata_errors')" in said and name in said


def test_the_run_ends_with_a_sentence_and_nothing_stored_is_lost(kobza, tmp_path, broken):
    for i in range(6):
        write(tmp_path / "music" / f"{i}.flac", tone(300 + i, 25))
    write(tmp_path / "music" / "9 broken.flac", tone(600, 2))
    code, out, err = kobza("index", tmp_path / "music")
    (said,) = err.splitlines()
    check_sentence(said, "9 broken.flac")
    assert (code, out) == (1, "")
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder(), read_only=True) as library:
        assert 4 <= len(library) <= 6  # what was decoded meanwhile may wait for the next run
    os.unlink(tmp_path / "music" / "9 broken.flac")
    assert kobza("sync")[0] == 0


def test_locate(kobza, tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac", tone(300, 2))
    monkeypatch.setattr("av.open", lambda *_, **__: {}["gone"])
    code, _, err = kobza("locate", path, "tone 300")
    assert code == 1 and "KeyError ('gone') in ffmpeg.py" in err and err.endswith(f"{ISSUE_TRACKER}\n")


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), ImportError("no torch"), KeyError("gone")])
def test_whatever_a_command_raises_is_a_sentence(kobza, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(MusicLibrary, "open", fail)
    code, out, err = kobza("info")
    assert (code, out) == (1, "") and err.count("\n") == 1 and err.endswith(f"{ISSUE_TRACKER}\n")
    assert f"kobza: Kobza {__version__} " in err and f"{type(error).__name__} ({error})" in err


def test_the_demo_does_not_say_that_its_album_is_damaged(tmp_path, monkeypatch, broken):
    def write_album(place):
        write(place / "broken.flac", tone(300, 2))
        return []

    monkeypatch.setattr("kobza.library.demo.write_album", write_album)
    replace_checkpoint(monkeypatch)
    with pytest.raises(InternalError) as error:
        run_demo(tmp_path / "demo")
    check_sentence(str(error.value), "broken.flac")


def test_tags(tmp_path, monkeypatch):
    """What mutagen's parsers make of odd bytes costs tags; a fault in what is done with them is no such thing."""
    path = write(tmp_path / "a.flac", tone(300, 2), title="T")

    def parse(*_, **__):
        exec(compile("None.odd", "mutagen/odd.py", "exec"))

    monkeypatch.setattr(tags.mutagen, "File", parse)
    assert tags.read_tags(path).title == "T"  # which FFmpeg read
    monkeypatch.undo()
    monkeypatch.setattr(tags.tag_values, "one_line", lambda _: None + 1)
    with pytest.raises(TypeError):
        tags.read_tags(path)


@pytest.mark.parametrize("error", [ValueError("odd"), ZeroDivisionError(), OSError(5, "Input/output error")])
def test_what_a_bad_file_raises_is_named_and_passed_over(library, tmp_path, monkeypatch, error):
    def decode(*_, **__):
        raise error

    monkeypatch.setattr(decoding, "decode", decode)
    write(tmp_path / "music" / "a.flac", tone(300, 2))
    report = library.add(tmp_path / "music")
    assert len(report.failed) == 1 and "a.flac cannot be" in report.failed[0].reason
