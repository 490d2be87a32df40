"""What the page is told of a hit."""

import json

from hostile import HOSTILE

from kobza.library import Hit, Track
from kobza.library.records import FoundWord
from kobza.webui.folders import Folders
from kobza.webui.records import hit_record

TRACK = Track("/m/Trams/y.mp3", "Night Bus", "The Trams", "Lines", "Jazz; Blues", 1962, 150.0)


def record(hit: Hit) -> dict:
    return hit_record(hit, lambda track: "1f", Folders(["/m"]))


def test_a_hit_says_all_and_no_path():
    word = FoundWord("jaz", "genre", "jazz")
    told = record(Hit(4.1, TRACK, 75.3, 4.1, 2.9, (word,), ("/m/copies/y.flac",)))
    track = told.pop("track")
    assert track == {
        "link": "1f",
        "title": "Night Bus",
        "artist": "The Trams",
        "album": "Lines",
        "folder": "Trams",
        "tags": ["Jazz", "Blues", "1962"],
        "duration": 150.0,
        "start": None,
        "away": True,
        "copies": ["copies/y.flac"],
    }
    words = [{"word": "jaz", "field": "genre", "term": "jazz"}]
    assert told == {"score": 4.1, "match": "strong", "moment": 75.3, "sound": "strong", "words": words}
    assert "/m/" not in json.dumps(record(Hit(4.1, TRACK, 75.3, 4.1, 2.9, (word,), ("/m/copies/y.flac",))))


def test_a_part_of_a_file_has_its_start():
    track = Track("/m/album.flac#3", "Third", duration=100.0, start=200.0, end=300.0)
    assert record(Hit(0.6, track, 20.0))["track"]["start"] == 200.0
    assert record(Hit(0.6, track, 20.0))["match"] is None and record(Hit(0.6, track, 20.0))["words"] == []


def test_any_text_becomes_json():
    bad = "\udce9 \0 \n" + HOSTILE
    told = record(Hit(2.0, Track(f"/m/{bad}/a.mp3", bad, bad, bad, bad), 0.0, 2.0))
    assert HOSTILE in told["track"]["title"] and json.dumps(told, ensure_ascii=False).encode()
