"""A file that failed costs once: it is not read again until it changes, or is asked for."""

import os

import pytest
from recordings import counts, replace_checkpoint, tone, write

from kobza.library import open_store
from kobza.library.ingest import decoding, scan


@pytest.fixture
def bad(tmp_path):
    write(tmp_path / "music" / "good.flac", tone(400, 2))
    path = tmp_path / "music" / "bad.flac"
    path.write_bytes(b"no music at all")
    return path


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The names of the files that were decoded."""
    decode, names = decoding.decode, []

    def noting(path, *args, **kwargs):
        names.append(os.path.basename(path))
        return decode(path, *args, **kwargs)

    monkeypatch.setattr(decoding, "decode", noting)
    return names


def test_it_is_not_decoded_again(library, bad, decoded):
    report = library.add(bad.parent)
    assert counts(report) == (1, 0, 0, 0, 0, 1) and not report.failed[0].is_known
    decoded.clear()
    again = library.sync()
    assert counts(again) == (0, 0, 1, 0, 0, 1) and not decoded
    assert again.failed[0].is_known and again.failed[0].reason == report.failed[0].reason
    assert counts(library.sync(retry=True)) == (0, 0, 1, 0, 0, 1) and decoded == ["bad.flac"]


def test_it_is_read_when_it_changed(library, bad, decoded):
    library.add(bad.parent)
    decoded.clear()
    write(bad, tone(600, 2))
    assert counts(library.sync()) == (1, 0, 1, 0, 0, 0) and decoded == ["bad.flac"]
    assert library.store.failures() == {}


def test_it_is_read_by_another_version(library, bad, decoded, monkeypatch):
    """Which may support its format."""
    library.add(bad.parent)
    decoded.clear()
    monkeypatch.setattr(scan, "__version__", "99")
    assert counts(library.sync()) == (0, 0, 1, 0, 0, 1) and decoded == ["bad.flac"]


def test_it_is_forgotten_with_its_file(library, bad):
    library.add(bad.parent)
    bad.unlink()
    assert counts(library.sync()) == (0, 0, 1, 0, 0, 0) and library.store.failures() == {}
    bad.write_bytes(b"no music again")
    library.sync()
    library.remove(bad.parent)
    assert library.store.failures() == {}


def test_a_track_whose_file_became_bad_stays(library, bad, decoded):
    good = bad.parent / "good.flac"
    library.add(bad.parent)
    good.write_bytes(b"overwritten")
    assert counts(library.sync())[::5] == (0, 2)
    decoded.clear()
    assert counts(library.sync())[::5] == (0, 2) and not decoded
    assert set(library.store.file_states()) == {str(good)}


def test_what_could_not_be_read_is_tried_again(library, bad, monkeypatch):
    """The disk or a permission was at fault and not the file."""
    with monkeypatch.context() as patch:

        def failing(path, *args):
            raise OSError(5, "Input/output error")

        patch.setattr(decoding, "content_hash", failing)
        assert counts(library.add(bad.parent))[::5] == (0, 2) and library.store.failures() == {}
    assert counts(library.sync())[::5] == (1, 1)


def test_the_store_keeps_them(library, bad, tmp_path):
    library.add(bad.parent)
    reader = open_store(tmp_path / "library", read_only=True)
    ((path, failure),) = reader.failures().items()
    assert path == str(bad) and failure.size == 15 and "has no audio stream" in failure.reason
    reader.close()


def test_commands(kobza, bad, monkeypatch):
    replace_checkpoint(monkeypatch)
    (bad.parent / "$RECYCLE.BIN").mkdir()
    (bad.parent / "song.mod").write_bytes(b"x")
    code, out, errors = kobza("index", bad.parent)
    assert code == 0 and out == "1 added, 0 changed, 0 unchanged, 0 moved, 0 removed, 1 failed, 2 skipped\n"
    assert "failed: " in errors and "skipped: trash folder (1), unsupported format .mod (1)" in errors
    code, out, errors = kobza("sync", "--show-skipped")
    assert "failed: " not in errors and "failed before: 1" in errors
    assert f"skipped: {bad.parent / 'song.mod'} (unsupported format .mod)" in errors
    assert "failed: " in kobza("sync", "--retry")[2]
    assert kobza("info", "--failed")[1].startswith(f"{bad} has no audio stream")
    assert "failed       1 (list: kobza info --failed)" in kobza("info")[1]
