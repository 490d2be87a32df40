"""Which of a server's tracks is the one of the library."""

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
