"""Whatever the file system and the tags say, the run ends and the file is indexed or named."""

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import ToneEmbedder, counts, tone, write

from kobza import MusicLibrary
from kobza.library import open_store
from kobza.library.ingest.file_status import file_status
from kobza.library.ingest.parquet import export_library, import_library
from kobza.library.ingest.tags import read_tags
from kobza.library.records import FileState, Track
from kobza.library.stores.validation import storable

INTEGERS = st.one_of(
    st.integers(),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**40, 0, -1]),
)
TEXTS = st.one_of(st.text(), st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)), st.just("long"))
LONG = "a\0b" * 3000
FLOATS = st.floats()


@pytest.fixture(scope="module")
def recording():
    with tempfile.TemporaryDirectory() as folder:
        yield write(Path(folder) / "a.wav", tone(440, 1))


@settings(max_examples=60, deadline=None)
@given(INTEGERS, INTEGERS, INTEGERS, INTEGERS, TEXTS, TEXTS, INTEGERS, FLOATS)
def test_any_status_and_any_tags(recording, size, mtime_ns, device, inode, title, genre, year, seconds):
    real_stat, real_tags = os.stat, read_tags

    def odd_stat(path, *args, **kwargs):
        status = real_stat(path, *args, **kwargs)
        if path != str(recording):
            return status
        values = {"st_size": size, "st_mtime_ns": mtime_ns, "st_dev": device, "st_ino": inode, "st_nlink": 1}
        return SimpleNamespace(st_mode=status.st_mode, **values)

    def odd_tags(path, *encoding):
        return replace(
            real_tags(path, *encoding), title=LONG * (title == "long") + title, genre=genre, year=year, seconds=seconds
        )

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("kobza.library.ingest.listing.os.stat", odd_stat),
        mock.patch("kobza.library.ingest.tags.read_tags", odd_tags),
        MusicLibrary.open(folder, ToneEmbedder()) as library,
    ):
        assert counts(library.add(recording)) == (1, 0, 0, 0, 0, 0)
        assert counts(library.sync()) == (0, 0, 1, 0, 0, 0)
        ((track, file_state, _, _),) = library.store.scan()
        assert all(
            -(2**63) <= value < 2**63
            for value in (*file_state[:2], file_state.device, file_state.inode, track.year or 0)
            if value
        )
        assert library.search("tone 440")[0].track == track
        export_library(library.store, Path(folder, "a.parquet"))
        other = open_store(Path(folder, "other"))
        assert import_library(other, Path(folder, "a.parquet")) == 1
        assert next(iter(other.scan()))[0] == track
        other.close()


@settings(deadline=None)
@given(TEXTS, TEXTS, INTEGERS, FLOATS, INTEGERS, INTEGERS)
def test_a_row_of_milvus_holds_any_values(title, genre, year, bpm, size, mtime_ns):
    rows = pytest.importorskip("kobza.library.stores.milvus.rows")
    status = file_status(SimpleNamespace(st_size=size, st_mtime_ns=mtime_ns, st_dev=1, st_ino=2, st_nlink=1))
    track = storable(Track("/a", title, genre=genre, year=year, bpm=bpm, added=0.0))
    row, windows = rows.to_rows(track, FileState(*status[:2], b""), [0.0], ToneEmbedder().embed_text(["a"]), 1)
    for one in (row, *windows):
        values = {name: value for name, value in one.items() if name != "vector"}
        json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
        assert all(-(2**63) <= value < 2**63 for value in values.values() if isinstance(value, int))
        assert all(len(value.encode()) <= rows.MAX_TEXT_BYTES for value in values.values() if isinstance(value, str))


@pytest.mark.parametrize("seconds", [2**33, -(2**33), 2**34 + 1])
def test_times_of_change_on_disc(library, tmp_path, seconds):
    """What the case of 2262 does: the others are indexed, and the next run has nothing to do."""
    for hertz in (200, 400):
        write(tmp_path / "music" / f"{hertz}.flac", tone(hertz, 2))
    os.utime(tmp_path / "music" / "200.flac", (seconds, seconds))
    assert counts(library.add(tmp_path / "music")) == (2, 0, 0, 0, 0, 0)
    assert counts(library.sync()) == (0, 0, 2, 0, 0, 0)


def test_a_path_with_nul(library):
    report = library.add("/music/a\0b.flac")
    assert counts(report) == (0, 0, 0, 0, 0, 1) and "check the path" in report.failed[0].reason
