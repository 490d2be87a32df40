"""Filters: their syntax, what they select, and that SQL selects the same."""

import contextlib
import datetime
import itertools
import os
import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kobza.library import Track
from kobza.library.filters.parser import MAX_DEPTH, FilterError, parse_filter
from kobza.library.filters.tree import (
    NUMBERS,
    OPTIONAL_NUMBERS,
    TEXT,
    And,
    Compare,
    In,
    Not,
    Or,
    matches,
    normalize_tag,
    normalize_text,
    to_sql,
)
from kobza.library.stores import tag_words
from kobza.library.stores.schema import TABLES


def moment(*parts: int) -> float:
    return datetime.datetime(*parts).timestamp()


EIGHTIES = And((Compare("year", "ge", 1980), Compare("year", "le", 1990)))
LEAP_DAYS_END = Compare("added", "lt", moment(2024, 3, 1))
SAMPLE_RATES = (Compare("sample_rate", "ge", 44100), Compare("sample_rate", "lt", 96000))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("year >= 1980", Compare("year", "ge", 1980)),
        ("YEAR<1980", Compare("year", "lt", 1980)),
        ("genre in (jazz, 'hip hop')", In("genre", ("jazz", "hip hop"))),
        ("genre not in (jazz)", Not(In("genre", ("jazz",)))),
        (r"""title = "say \"hi\"" """, Compare("title", "eq", 'say "hi"')),
        ("artist = O'Brien!", Compare("artist", "eq", "O'Brien!")),
        ("artist = !!!", Compare("artist", "eq", "!!!")),
        ("album=''", Compare("album", "eq", "")),
        ("title = 'and'", Compare("title", "eq", "and")),
        ("duration > 90.5", Compare("duration", "gt", 90.5)),
        ("path under /music//x/", Compare("path", "under", "/music/x")),
        ("path under ~/x", Compare("path", "under", os.path.expanduser("~/x"))),
        ("added >= 2024-02-29", Compare("added", "ge", moment(2024, 2, 29))),
        ("added <= 2024-02-29", Compare("added", "lt", moment(2024, 3, 1))),
        (
            "year = 1 or year = 2 and not year = 3",
            Or((Compare("year", "eq", 1), And((Compare("year", "eq", 2), Not(Compare("year", "eq", 3)))))),
        ),
        (
            "(year = 1 or year = 2) and year != 3",
            And((Or((Compare("year", "eq", 1), Compare("year", "eq", 2))), Compare("year", "ne", 3))),
        ),
        ("genre ~ metal", Compare("genre", "contains", "metal")),
        ("genre~metal", Compare("genre", "contains", "metal")),
        ("genre !~ 'heavy metal'", Not(Compare("genre", "contains", "heavy metal"))),
        ("path under ~", Compare("path", "under", os.path.expanduser("~"))),
        ("path = /m/a~1.mp3", Compare("path", "eq", "/m/a~1.mp3")),
        ("title = ~!~", Compare("title", "eq", "~!~")),
        ("year 1980..1990", EIGHTIES),
        ("year = 1980..1990", EIGHTIES),
        ("year != 1980..1990", Not(EIGHTIES)),
        ("year 1980s", And((Compare("year", "ge", 1980), Compare("year", "le", 1989)))),
        ("year 1980.. and bpm ..90.5", And((Compare("year", "ge", 1980), Compare("bpm", "le", 90.5)))),
        ("loudness -20..-14", And((Compare("loudness", "ge", -20), Compare("loudness", "le", -14)))),
        ("duration < 3:30", Compare("duration", "lt", 210)),
        ("added 2024-02-28..2024-02-29", And((Compare("added", "ge", moment(2024, 2, 28)), LEAP_DAYS_END))),
        ("year in (1970, 1980..1990)", Or((In("year", (1970,)), EIGHTIES))),
        ("Album Artist = Ann", Compare("album_artist", "eq", "Ann")),
        ("albumartist=Ann", Compare("album_artist", "eq", "Ann")),
        ("album = artist", Compare("album", "eq", "artist")),
        ("sample rate >= 44100 and samplerate < 96000", And(SAMPLE_RATES)),
        ("track = 7 or track_number = 8", Or((Compare("track_number", "eq", 7), Compare("track_number", "eq", 8)))),
        ("key = Am", Compare("key", "eq", "A minor")),
        ("key in (8A, C)", In("key", ("A minor", "C major"))),
        ("key ~ minor", Compare("key", "contains", "minor")),
    ],
)
def test_parsing(text, tree):
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", "", "The filter is empty"),
        ("year", "at the end", "year must be followed by one of: = != < <= > >= in"),
        ("year >=", "at the end", "a value for year is missing"),
        ("year >= soon", '"soon" (character 9)', "a year, such as 1980"),
        ("year >= 1980.5", '"1980.5" (character 9)', "a year, such as 1980"),
        ("year == 1980", '"==" (character 6)', "one of: = != <"),
        ("mood = sad", '"mood" (character 1)', "one of genre, artist, album, title, album artist, composer, comment"),
        ("year ~ 19", '"~" (character 6)', "one of: = != <"),
        ("genre ~", "at the end", "a value for genre is missing"),
        ("year < 1980..1990", '"<" (character 6)', "a range cannot follow"),
        ("year 1980..soon", '"1980..soon" (character 6)', "must be followed by"),
        ("year = ..", '".." (character 8)', "a year, such as 1980"),
        ("bitrate = high", '"high"', "kbit/s, such as 320"),
        ("path ~ live", '"~" (character 6)', "one of: = != in under"),
        ("genre = hip hop", '"hop" (character 13)', "needs quotes"),
        ("genre < jazz", '"<" (character 7)', "one of: = != ~ !~ in"),
        ("genre under jazz", '"under" (character 7)', "one of: = != ~ !~ in"),
        ("year not > 1980", '">" (character 10)', "must be followed by"),
        ("genre in jazz", '"jazz" (character 10)', "list in brackets"),
        ("genre in ()", '")" (character 11)', "a value for genre is missing"),
        ("genre in (jazz, blues", "at the end", "closing bracket"),
        ("(year = 1980", "at the end", "closing bracket"),
        ("year = 1980)", '")" (character 12)', '"and" or "or"'),
        ("year = 1980 and", "at the end", "a condition starts with"),
        ('artist = "Ann', '""Ann" (character 10)', "quotation mark is not closed"),
        ("added > 2024-02-30", '"2024-02-30" (character 9)', "a date, such as 2024-05-01"),
        ("duration > nan", '"nan"', "seconds, such as 180"),
        ("title = in", '"in" (character 9)', "in quotes it may be anything"),
        ("(" * 9999, f"(character {MAX_DEPTH + 1})", "levels of brackets"),
        ("not " * 9999, "", "levels of brackets"),
        ("year in (" + "1," * 20000 + "1)", "", "more than 10000 values"),
    ],
)
def test_syntax_errors_are_located(text, where, why):
    with pytest.raises(FilterError) as error:
        parse_filter(text)
    assert where in str(error.value) and why in str(error.value) and str(error.value).endswith(".")


TRACKS = [
    Track(
        "/m/a.mp3", "ПІСНЯ", "Ann", genre="Jazz", year=1980, duration=100.0, format="mp3", bitrate=320,
        sample_rate=44100, track_number=3, bpm=120.0, key="A minor", added=moment(2024, 5, 1),
    ),
    Track(
        "/m/ab/c.mp3", "Straße", "Ann", duration=200.5, album_artist="Ann; Bob", format="flac", bitrate=911,
        loudness=-14.0, energy=0.5, added=moment(2024, 5, 1, 23, 59, 59),
    ),
    Track(
        "/m/ab.mp3", "Cafe\N{COMBINING ACUTE ACCENT}", "O'Brien; DROP TABLE tracks", genre="hip hop; Jazz; Café",
        year=1999, composer="J. S. Bach; Ann", comment="50 % _live_; Jazz", added=0.0,
    ),
    Track(
        os.fsdecode(b"/m/\xff/x%_.mp3"), "", "%", genre="blues", year=0, duration=3600.0, bitrate=0, bpm=0.0,
        key="Bb minor", added=moment(2030, 1, 1),
    ),
    Track("/M/a.mp3", "?", "ann", genre="JAZZ", year=2030, duration=1.0, added=moment(2024, 4, 30, 23, 59)),
]  # fmt: skip
CONDITIONS = [
    "genre = jazz", "genre != jazz", "genre = ''", "genre in (BLUES, 'Hip Hop')", "artist = ANN", "artist = '%'",
    "artist = \"o'brien; drop table tracks\"", "title = пісня", "title = STRASSE", "title = CAFÉ", "title = ''",
    "title = \udcff", "album = ''", "year = 1980", "year != 1980", "year in (1980, 0)", "year < 1999",
    "year >= 1999", "not year > 0",
    "duration <= 100", "duration > 200.5", "path under /m", "path under /m/ab", "path under /m/a", "path = /M/a.mp3",
    "path != /m/a.mp3", "path in (/m/a.mp3, /m/ab.mp3)", "path under /", "added >= 2024-05-01", "added = 2024-05-01",
    "added != 2024-05-01", "added < 2024-05-01", "added > 2024-05-01", "added in (2024-05-01, 2024-04-30)",
    "genre = 'jazz; café'", "genre in (café, polka)", "genre ~ az", "genre !~ az", "genre ~ '; '", "genre ~ ''",
    "artist = 'drop table tracks'", "album artist = bob", "albumartist != bob", "composer ~ bach", "comment ~ '%'",
    "comment = jazz", "format = mp3", "bitrate >= 320", "bitrate != 320", "not bitrate > 0", "bpm 100..130",
    "sample rate = 44100", "track 1..5", "key = Am", "key in (8A, 3A)", "key ~ minor", "loudness < -10", "energy 0..1",
    "year 1980s", "year in (1980s, 2030)", "not loudness < 0",
]  # fmt: skip


@pytest.fixture
def select(tmp_path):
    """Which of `TRACKS` a tree finds in a library, by their path."""
    import numpy as np

    from kobza.library import FileState, open_store

    store = open_store(tmp_path / "library")
    vector = np.eye(1, 8, dtype=np.float32)
    for track in TRACKS:
        store.upsert(track, FileState(1, 1, b""), [0.0], vector)

    def select(tree) -> set[str]:
        return {track.path for _, track, _ in store.search(vector[0], 99, tree)}

    yield select
    store.close()


def passing(tree) -> set[str]:
    return {track.path for track in TRACKS if matches(tree, track)}


def test_what_filters_select():
    def found(text: str) -> str:
        return "".join(str(i) for i, track in enumerate(TRACKS) if matches(parse_filter(text), track))

    assert found("genre = 'jazz; café'") == "2" and found("genre in (café)") == "2" and found("comment = jazz") == ""
    assert found("genre ~ hop") == "2" and found("genre !~ jazz") == "13" and found("bpm 0..200") == "03"
    assert found("album artist = bob") == "1" and found("composer = ann") == "2" and found("key = Am") == "0"
    assert found("year 1980s") == "0" and found("not bitrate > 0") == "234"
    assert found("genre = jazz") == "024" and found("title = strasse") == "1" and found("title = café") == "2"
    assert found("year != 1980") == "1234" and found("not year = 1980") == "1234" and found("not year > 0") == "13"
    assert found("year < 1999") == "03" and found("not year < 1999") == "124"
    assert found("path under /m/ab") == "1" and found("path under /m") == "0123" and found("path under /m/a") == ""
    assert found("added = 2024-05-01") == "01" and found("added > 2024-05-01") == "3"
    assert found("artist = ann and (genre = '' or year = 2030)") == "14"


def test_sql_selects_the_same_tracks(select):
    trees = [parse_filter(text) for text in CONDITIONS]
    for text, tree in zip(CONDITIONS, trees, strict=True):
        assert select(tree) == passing(tree), text
        assert select(Not(tree)) == set(t.path for t in TRACKS) - passing(tree), text
    rng = random.Random(0)

    def grown(depth: int):
        kind = rng.choice(["and", "or", "not", "leaf"]) if depth else "leaf"
        if kind == "leaf":
            return rng.choice(trees)
        if kind == "not":
            return Not(grown(depth - 1))
        return (And if kind == "and" else Or)(tuple(grown(depth - 1) for _ in range(rng.randint(1, 4))))

    for _ in range(200):
        tree = grown(4)
        assert select(tree) == passing(tree), tree


TEXTS = st.lists(st.sampled_from(["a", "B", "b", "é", "e", "; ", ";", " ", "%", "'", "Ä", "ß"]), max_size=5).map(
    "".join
)
CONDITION = st.one_of(
    st.builds(Compare, st.sampled_from(TEXT), st.sampled_from(["eq", "ne", "contains"]), TEXTS),
    st.builds(In, st.sampled_from(TEXT), st.lists(TEXTS, max_size=3).map(tuple)),
    st.builds(
        Compare, st.sampled_from(NUMBERS), st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), st.integers(-1, 2)
    ),
    st.builds(In, st.sampled_from(NUMBERS), st.lists(st.integers(-1, 2), max_size=3).map(tuple)),
)
TREE = st.recursive(
    CONDITION,
    lambda part: st.one_of(
        st.builds(Not, part),
        *(st.builds(kind, st.lists(part, min_size=1, max_size=3).map(tuple)) for kind in (And, Or)),
    ),
    max_leaves=6,
)
ROW = st.fixed_dictionaries(
    {field: st.lists(TEXTS, max_size=3).map("; ".join) for field in TEXT}
    | {field: st.none() | st.integers(-1, 2) for field in OPTIONAL_NUMBERS}
    | {field: st.integers(-1, 2) for field in ("duration", "added")}
)


@settings(max_examples=150, deadline=None)
@given(tracks=st.lists(ROW, min_size=1, max_size=6), trees=st.lists(TREE, min_size=5, max_size=20))
def test_sql_is_the_reference_for_any_tree_and_tags(tracks, trees):
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        tag_words.register(db)
        for statement in TABLES.split(";\n"):
            db.execute(statement)
        for i, tags in enumerate(tracks):
            row = tags | {f"folded_{field}": normalize_tag(field, tags[field]) for field in TEXT}
            row |= {"path": str(i).encode(), "size": 0, "mtime_ns": 0, "hash": b""}
            db.execute(f"INSERT INTO tracks ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()])
        for tree in trees:
            condition, values = to_sql(tree)
            found = {int(path) for (path,) in db.execute(f"SELECT path FROM tracks WHERE {condition}", values)}
            assert found == {i for i, tags in enumerate(tracks) if matches(tree, Track(str(i), **tags))}, tree


def test_values_are_never_part_of_the_sql_text():
    tree = Or(tuple(Compare(field, "eq", "x' OR 1=1 --") for field in ("genre", "title", "path")))
    sql, values = to_sql(tree)
    assert "1=1" not in sql and sql.count("?") == len(values) == 4


def test_long_filters(select):
    long = Or(tuple(Compare("year", "eq", i % 1000 + 1980) for i in range(5000)))
    assert select(long) == passing(long)
    listed = In("genre", (*map(str, range(9000)), "JAZZ"))
    assert select(listed) == passing(listed)
    deep = parse_filter("(" * (MAX_DEPTH - 1) + "genre = jazz" + ")" * (MAX_DEPTH - 1))
    assert select(deep) == passing(deep)


def test_normalize_text_ignores_case_in_every_alphabet():
    for one, other in [("Ä", "a\N{COMBINING DIAERESIS}"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("ẞ", "ss"), ("Ї", "ї"), ("ﬁ", "FI")]:
        assert normalize_text(one) == normalize_text(other)
    assert normalize_text("е") != normalize_text("e")  # Cyrillic and Latin
    sqlite3.connect(":memory:").execute("SELECT ?", (normalize_text("\udcff"),))  # not valid UTF-8, and still storable


def test_all_pairs_of_conditions():
    for left, word, right in itertools.product(CONDITIONS, ("and", "OR"), CONDITIONS):
        tree = parse_filter(f"{left} {word} ({right})")
        one, two = parse_filter(left), parse_filter(right)
        for track in TRACKS:
            both = matches(one, track), matches(two, track)
            assert matches(tree, track) == (all(both) if word == "and" else any(both))
