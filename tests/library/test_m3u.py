"""Playlist files, and which hits are put into them."""

import os
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobza.library import Hit, Track
from kobza.library.search.entries import Entry, entries_of, present_hits
from kobza.library.search.m3u import as_m3u


def locations(data: bytes) -> list[str]:
    return [line for line in data.decode().splitlines() if not line.startswith("#")]


def test_titles_lengths_and_moments():
    entries = [
        Entry(Track("/m/a.flac", "Ой", "Хор", duration=75.6), 12.5, 30.0),
        Entry(Track("/m/b.flac", "two\nlines\t#EXT", duration=0.0)),
        Entry(Track("s3://bucket/c d.flac", "\udcff", duration=3.2)),
    ]
    assert as_m3u(entries).decode().splitlines() == [
        "#EXTM3U",
        "#EXTINF:76,Хор - Ой",
        "#EXTVLCOPT:start-time=12.5",
        "#EXTVLCOPT:stop-time=30",
        "/m/a.flac",
        "#EXTINF:-1,two lines #EXT",
        "/m/b.flac",
        "#EXTINF:3,?",
        "s3://bucket/c d.flac",
    ]
    assert as_m3u([]) == b"#EXTM3U\n"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/m/lists/a.flac", "a.flac"),
        ("/m/jazz/a b.flac", "../jazz/a b.flac"),
        ("/m/lists/#1.flac", "./#1.flac"),
        ("/m/lists/ a.flac", "./ a.flac"),
        ("/m/lists/a: b/c.flac", "./a: b/c.flac"),
        ("/m/lists/a ", "file:///m/lists/a%20"),
        ("/m/lists/a\nb", "file:///m/lists/a%0Ab"),
        ("/m/lists/\udcff", "file:///m/lists/%FF"),
        ("https://host/a.flac", "https://host/a.flac"),
    ],
)
def test_relative_paths(path, line):
    assert as_m3u([Entry(Track(path))], "/m/lists").decode().splitlines()[2] == line


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1), st.booleans())
def test_any_name_is_one_line_that_leads_back_to_it(name, relative):
    name = os.fsdecode(name.encode("utf-8", "surrogatepass"))
    if name in (".", ".."):
        return
    (line,) = as_m3u([Entry(Track(f"/m/{name}"))], "/m" if relative else None).decode().split("\n")[2:-1]
    assert not line.startswith(("#", " ")) and line == line.rstrip()
    url = urllib.parse.urlsplit(line)
    path = os.fsdecode(urllib.parse.unquote_to_bytes(url.path)) if url.scheme == "file" else os.path.join("/m", line)
    assert os.path.normpath(path) == f"/m/{name}"


def test_from_the_moment_or_the_beginning():
    hits = [Hit(0.5, Track("/m/a.flac"), 70.0)]
    assert [entry.start for entry in entries_of(hits, True) + entries_of(hits, False)] == [70.0, 0.0]


def test_missing_files_make_room_for_others(tmp_path):
    """As many as there are, and no search for more than needed."""
    hits = [Hit(1 - i / 100, Track(str(tmp_path / f"{i}.flac")), 0.0) for i in range(20)]
    for i in range(0, 20, 4):
        (tmp_path / f"{i}.flac").touch()
    asked = []

    def find(n):
        asked.append(n)
        return hits[:n]

    def found(k):
        there, left_out = present_hits(find, k)
        return [hits.index(hit) for hit in there], left_out

    assert found(3) == ([0, 4, 8], 6) and asked == [3, 6, 12]
    assert found(1) == ([0], 0)
    assert found(9) == ([0, 4, 8, 12, 16], 15)
    url = Hit(1.0, Track("https://host/a.flac"), 0.0)
    assert present_hits(lambda n: [url][:n], 5) == ([url], 0)


def test_addresses_in_place_of_paths():
    entries = [Entry(Track("/m/a.flac", "A", duration=3.2)), Entry(Track("/m/b.flac#2", "B", start=5, end=9), 5, 9)]
    lines = as_m3u(entries, url_of=lambda track: f"http://host/track/{track.title}").decode()
    assert locations(lines.encode()) == ["http://host/track/A", "http://host/track/B"]
    assert "/m/" not in lines and "start-time=5\n" in lines
