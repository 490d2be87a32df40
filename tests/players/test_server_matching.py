"""Which of a server's tracks is the one of the library."""

import dataclasses
import unicodedata

import pytest

from kobza.library import Track
from kobza.players.matching import Candidate, best_match

TRACK = Track("/home/ann/music/Ann/Blue/01 Low.mp3", "Low", "Ann", "Blue", duration=95.4)


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("", "Ann/Blue/01 Low.mp3"),
        Candidate("", "Blue/01 Low.mp3", "another title", duration=95.0),
        Candidate("", "01 Low.mp3", "LOW"),
        Candidate("", "01 Low.mp3"),
        Candidate("", "01 Low.mp3", "01 Low.mp3"),
        Candidate("", "made up/1-Low.mp3", "Low", "ann", duration=97),
        Candidate("", "", "Low", "Ann"),
    ],
)
def test_it_is_the_track(candidate):
    assert best_match(TRACK, [candidate]) == candidate


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("", "Ann/Blue/01 Low.mp3", duration=120.0),
        Candidate("", "01 Low.mp3", "High"),
        Candidate("", "x/Low.mp3", "Low"),
        Candidate("", "x/Low.mp3", "Low", "Bob"),
        Candidate("", "Ann/Blue/02 High.mp3", "High", "Ann", "Blue", 95.0),
    ],
)
def test_it_is_another_track(candidate):
    assert best_match(TRACK, [candidate]) is None


def test_the_nearest_path_wins_and_then_the_tags():
    far, near = Candidate("far", "Red/01 Low.mp3", "Low", "Ann"), Candidate("near", "Blue/01 Low.mp3", "Low", "Ann")
    assert best_match(TRACK, [far, near]) == best_match(TRACK, [near, far]) == near
    album = Candidate("album", "", "Low", "Ann", "Blue")
    assert best_match(TRACK, [Candidate("live", "", "Low", "Ann", "Live"), album]) == album
    assert best_match(TRACK, []) is None


def test_letters_may_be_composed_or_not():
    track = Track("/music/" + unicodedata.normalize("NFD", "Beyoncé/Déjà.mp3"))
    assert best_match(track, [Candidate("1", unicodedata.normalize("NFC", "Beyoncé/Déjà.mp3"))])


def test_a_part_of_a_file_is_in_a_file_that_is_long_enough():
    part = Track("/music/Live/live.flac#2", "Two", "Ann", duration=100.0, start=200.0, end=300.0)
    whole = Candidate("", "Live/live.flac", "Live", duration=400.0)
    assert best_match(part, [whole]) == whole
    itself = Candidate("", "Live/live.cue/track0002", "Two", "Ann", duration=100.0)  # as MPD has it
    assert best_match(part, [itself]) == itself
    for other in (dataclasses.replace(whole, duration=250.0), Candidate("", "", "Two", "Ann", duration=400.0)):
        assert best_match(part, [other]) is None
