"""The library without a query: kobza list, kobza values, and the nearest of a value that no track has."""

import json

import mutagen
import pytest
from recordings import tone, write

from kobza import Track
from kobza.library.filters.parser import parse_filter
from kobza.library.filters.unknown_values import nearest, text_values, unknown_values

TAGS = {
    "a.flac": {"title": "A", "artist": ["Ann", "Bob"], "genre": ["Rock", "Jazz"], "date": "1980"},
    "b.flac": {"title": "B", "artist": "ann", "genre": "Heavy Metal", "date": "1985", "albumartist": "VA"},
    "c.flac": {"title": "C", "artist": "Cy", "genre": "blues", "date": "c. 1990"},
    "d.flac": {"title": "D", "artist": "Bob"},
}


@pytest.fixture
def listed(kobza, tmp_path):
    for i, (name, tags) in enumerate(TAGS.items()):
        file = mutagen.File(write(tmp_path / "music" / name, tone(300 + 50 * i, 2 + i)))
        file.update(tags)
        file.save()
    assert kobza("index", tmp_path / "music")[0] == 0
    return kobza


def titles(output: str) -> str:
    return "".join(line.split()[0] for line in output.splitlines()[1:])


def test_list(listed):
    assert titles(listed("list")[1]) == "ABCD"
    assert titles(listed("list", "--sort", "year-")[1]) == "CBAD"
    assert titles(listed("list", "--sort", "year", "--where", "artist = ann or artist = cy")[1]) == "ABC"
    assert titles(listed("list", "--sort", "duration-", "--where", "not year > 0 or genre ~ bl")[1]) == "DC"
    code, out, _ = listed("list", "--where", "year 1980s and album artist = va", "--json")
    (track,) = json.loads(out)
    assert code == 0 and (track["title"], track["year"], track["format"]) == ("B", 1985, "flac")
    code, out, err = listed("list", "--where", "year > 2000")
    assert (code, out) == (1, "") and "No track passes the filter" in err
    code, _, err = listed("list", "--sort", "mood")
    assert code == 1 and 'no field "mood"' in err and "album artist" in err


def test_values(listed):
    code, out, _ = listed("values", "artist", "--json")
    assert code == 0 and json.loads(out) == [
        {"value": "Ann", "tracks": 2},
        {"value": "Bob", "tracks": 2},
        {"value": "Cy", "tracks": 1},
    ]
    assert "Jazz" in listed("values", "genre", "--where", "year < 1985")[1]
    assert json.loads(listed("values", "year", "--json")[1])[0] == {"value": 1980, "tracks": 1}
    code, _, err = listed("values", "comment")
    assert code == 1 and "No track has a value for comment" in err
    assert listed("values", "mood")[0] == 1


@pytest.mark.parametrize("command", [["list"], ["search", "x"]])
def test_a_value_that_no_track_has(listed, command):
    err = listed(*command, "--where", "genre in (jazz, blus) and artist != Anne")[2]
    assert 'No track has the genre "blus"; the nearest is "blues".' in err and '"jazz"' not in err
    assert 'No track has the artist "Anne"; the nearest is "Ann".' in err
    err = listed(*command, "--where", "genre = metal")[2]
    assert 'the nearest is "Heavy Metal"' in err and "No track passes the filter" in err
    assert 'No track has the genre "xyz"; the commonest are' in listed(*command, "--where", "genre = xyz")[2]
    assert "No track has" not in listed(*command, "--where", "genre = jazz and artist = bob and genre ~ xyz")[2]


def test_values_that_were_found_cost_no_look():
    def select(_):
        raise AssertionError("looked up")

    tracks = [Track("/a", genre="Rock; Jazz", artist="Ann"), Track("/b", genre="Blues")]
    assert (
        unknown_values(parse_filter("genre in (jazz, blues) and not artist = ann and title ~ x"), tracks, select) == []
    )
    assert len(list(text_values(parse_filter("genre in (a, b, '') or (year = 1 and not title != c)")))) == 3


def test_nearest_of_many_values():
    assert nearest("björck", ["Bjork", "Björk", "Blur"])[0] == "Björk"
    assert nearest("queen", [f"Artist {i}" for i in range(2000)]) == []


def test_in_python(library, music):
    library.add(music)
    assert [round(track.duration) for track in library.tracks("duration > 5.5", "duration-")] == [9, 8, 7, 6]
    assert library.values("artist") == [("Tuning Fork", 7)]
    formats = {"flac": 1, "mp3": 1, "vorbis": 1, "opus": 1, "wav": 1, "aac": 1, "wma": 1}
    assert dict(library.values("format")) == formats
    assert library.values("track", "artist = nobody") == []
