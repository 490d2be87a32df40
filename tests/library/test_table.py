"""The table of hits: one line each, within the terminal, and nothing that looks the same."""

import random

import pytest

from kobza.audio import printable
from kobza.cells import cells
from kobza.library.records import Hit, Track
from kobza.library.search.columns import COLUMNS, column_names
from kobza.library.search.table import HITS, Layout, distinctions, link_to, relative_paths, table

TITLES = [
    "Adagio",
    "月の光 ドビュッシー" * 4,
    "שיר לשלום",
    "TITLE " * 16,
    "क्षितिज के पार",
    "🎉👨‍👩‍👧 ❤️",
    "a\nb\x1b[31m",
    "",
]


def hits(count: int = 40) -> list[Hit]:
    random.seed(1)
    return [
        Hit(
            random.random(),
            Track(
                f"/music/{random.choice(TITLES).strip()[:60] or 'x'}/Album {i % 3}/{i:02d} {TITLES[i % 8][:50]}.flac",
                title=TITLES[i % 8],
                artist=random.choice(TITLES),
                album=f"Album {i % 3}",
                genre="Jazz; Blues",
                year=1950 + i,
                duration=i * 100.0,
                bitrate=320,
                loudness=-9.5,
                added=1.7e9,
            ),
            i * 91.0,
            3.0,
            copies=("/music/copy.mp3",) * (i % 4),
        )
        for i in range(count)
    ]


def texts(lines) -> list[str]:
    return ["".join(cell.before + cell.text + cell.after for cell in line) for line in lines]


@pytest.mark.parametrize("width", [20, 33, 40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("columns", [None, [*COLUMNS], ["path"], ["title", "comment", "added", "path"]])
def test_every_hit_is_one_line_that_fits(width, columns):
    found = hits()
    lines = table(found, layout(columns), width, ["/music"])
    assert len(lines) == len(found) + 1
    for line in texts(lines):
        assert cells(line) <= width and "\n" not in line and "\x1b" not in line


@pytest.mark.parametrize("width", [60, 80, 120])
def test_columns_begin_in_the_same_cell_of_every_line(width):
    lines = table(hits(), HITS, width, ["/music"])
    starts = []
    for line in lines:
        at, mine = 0, []
        for cell in line[:-1]:
            at += cells(cell.before + cell.text + cell.after)
            mine.append(at)
        starts.append(mine)
    assert all(mine == starts[0] for mine in starts)


def layout(columns: list[str] | None) -> Layout:
    return Layout(tuple(columns)) if columns else HITS


def heads(width: int | None, columns: list[str] | None = None) -> list[str]:
    return [cell.text for cell in table(hits(), layout(columns), width)[0]]


def test_what_a_narrow_terminal_leaves_out():
    assert heads(120) == heads(80) == ["score", "match", "title", "artist", "moment", "path"]
    assert heads(60) == ["match", "title", "artist", "moment", "path"]
    assert heads(40) == ["match", "title", "moment", "path"] and heads(34) == ["match", "title", "path"]
    assert heads(30, columns=["title", "artist", "year"]) == ["title", "artist", "year"]
    assert [cell.text for cell in table([Hit(0.5, Track("/a.mp3"), 0.0)], width=80)[0]][:2] == ["score", "title"]


def test_without_a_terminal_nothing_is_cut():
    found = hits()
    rows = texts(table(found, HITS, None, ["/music"]))
    assert all(printable(hit.track.path) in row for hit, row in zip(found, rows[1:], strict=True))


def test_paths_are_relative_to_the_folder_that_was_added():
    assert relative_paths(["/music/a/b.mp3"], ["/music"]) == ["a/b.mp3"]
    assert relative_paths(["/music/a/b.mp3", "/usb/a/b.mp3"], ["/music", "/usb"]) == ["music/a/b.mp3", "usb/a/b.mp3"]
    assert relative_paths(["/music/b.mp3"], ["/music/b.mp3"]) == ["b.mp3"]
    assert relative_paths(["/elsewhere/b.mp3"], ["/music"]) == ["/elsewhere/b.mp3"]
    assert relative_paths(["s3://bucket/jazz/b.mp3"], ["s3://bucket/jazz"]) == ["b.mp3"]


def same(*tracks: Track) -> list[str]:
    return distinctions([Hit(0.0, track, 0.0) for track in tracks])


def test_same_titles_are_told_apart():
    def track(path, album="", title="Adagio", artist="Ann"):
        return Track(path, title, artist, album)

    assert same(track("/a/1.mp3"), track("/b/2.mp3", title="Other")) == ["", ""]
    assert same(track("/a/1.mp3"), track("/b/2.mp3", artist="Bob")) == ["", ""]
    assert same(track("/a/1.mp3", "One"), track("/a/2.mp3", "Two"), track("/a/3.mp3", "Two")) == [
        " (One)",
        " (2)",
        " (3)",
    ]
    assert same(track("/a/1.mp3"), track("/b/1.mp3", title="ADAGIO")) == [" (a)", " (b)"]
    assert same(track("/a/03 - Adagio.mp3"), track("/a/07 - Adagio.mp3")) == [" (03)", " (07)"]
    lines = table([Hit(0.0, track(f"/x/{n}.mp3", f"{'Live at the ' * 3}{n}"), 0.0) for n in "ab"], HITS, 60, ["/x"])
    titles = [line[1].text for line in lines[1:]]
    assert len(set(titles)) == 2 and [title[-9:] for title in titles] == ["a) (away)", "b) (away)"]


def test_copies_are_counted_however_narrow_the_terminal():
    copied = Hit(3.0, Track("/m/a/1.mp3", "Live at the Palace of Sports", "Ann"), 0.0, 3.0, copies=("/m/b/1.mp3",) * 2)
    for width in (30, 40, 60, 80, 100):
        assert any(" +2" in cell.text for cell in table([copied], HITS, width, ["/m"])[1]), width


def test_the_path_links_to_the_file_and_without_a_path_the_title_does():
    found = [Hit(0.5, Track("/music/a ü[1].mp3", "T", "A"), 0.0)]
    for columns, linked in ((None, "path"), (["title", "year"], "title")):
        head, line = table(found, layout(columns), 80, ["/music"])
        links = {name.text: cell.link for name, cell in zip(head, line, strict=True) if cell.link}
        assert links == {linked: "file:///music/a%20%C3%BC%5B1%5D.mp3"}
    assert link_to("https://host/a.mp3") == "https://host/a.mp3" and link_to("s3://b/a.mp3") == ""


def test_column_names():
    assert column_names("title, Album Artist,sample-rate,title") == ["title", "album_artist", "sample_rate"]
    with pytest.raises(ValueError, match="no column 'titel'; did you mean title"):
        column_names("titel")
    with pytest.raises(ValueError, match="choose from score, match"):
        column_names(",")


def test_every_field_of_a_track_is_a_column():
    import dataclasses

    assert {field.name for field in dataclasses.fields(Track)} <= set(COLUMNS)
