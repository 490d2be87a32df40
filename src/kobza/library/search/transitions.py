"""How far two tracks are apart for a DJ who mixes one into the other: by tempo and by key."""

import math
from collections.abc import Callable, Sequence

from kobza.library.musical_key import MAJOR_NAMES, MINOR_NAMES, musical_key
from kobza.library.records import LibraryError, Track

UNKNOWN = 0.5  # the distance to a track without the value: neither near nor far
FIFTHS_ON_WHEEL = 12
SEMITONES_OF_A_FIFTH = 7
# Position on the wheel of fifths (Camelot's numbers, from 0); a minor key has that of its relative major.
WHEEL = {f"{MAJOR_NAMES[SEMITONES_OF_A_FIFTH * i % 12]} major": i for i in range(FIFTHS_ON_WHEEL)} | {
    f"{MINOR_NAMES[(9 + SEMITONES_OF_A_FIFTH * i) % 12]} minor": i for i in range(FIFTHS_ON_WHEEL)
}
FARTHEST_KEY_STEPS = 7  # across the wheel, and from major to minor


def tempo_distance(a: float | None, b: float | None) -> float:
    """0 for the same tempo, 1 for the farthest: half an octave. Twice and half the tempo are the same.

    >>> [round(tempo_distance(120, bpm), 2) for bpm in (120, 60, 126, 170)]
    [0.0, 0.0, 0.14, 0.99]
    """
    if not a or not b:
        return UNKNOWN
    octaves = abs(math.log2(a / b)) % 1
    return 2 * min(octaves, 1 - octaves)


def key_steps(a: str, b: str) -> int | None:
    """Steps on the wheel of fifths, plus one from major to minor; None if a key is unknown. Up to 1 mixes well.

    >>> [key_steps("A minor", key) for key in ("A minor", "C major", "E minor", "G major", "Eb minor", "")]
    [0, 1, 1, 2, 6, None]
    """
    first, second = WHEEL.get(musical_key(a)), WHEEL.get(musical_key(b))
    if first is None or second is None:
        return None
    around = abs(first - second)
    modes_differ = musical_key(a).split()[1] != musical_key(b).split()[1]
    return min(around, FIFTHS_ON_WHEEL - around) + modes_differ


def key_distance(a: str, b: str) -> float:
    """`key_steps`, from 0 to 1."""
    steps = key_steps(a, b)
    return UNKNOWN if steps is None else steps / FARTHEST_KEY_STEPS


DISTANCES: dict[str, Callable[[Track, Track], float]] = {
    "tempo": lambda a, b: tempo_distance(a.bpm, b.bpm),
    "key": lambda a, b: key_distance(a.key, b.key),
}


def parse_smooth(text: str) -> tuple[str, ...]:
    """The names of `DISTANCES` in a list such as "tempo,key". LibraryError: another name.

    >>> parse_smooth("tempo, key")
    ('tempo', 'key')
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    check_smooth(names)
    return names


def check_smooth(names: Sequence[str]) -> None:
    """LibraryError: one is not of `DISTANCES`."""
    for name in names:
        if name not in DISTANCES:
            raise LibraryError(f"{name!r} cannot be smoothed; give tempo, key, or tempo,key.")


def is_known(track: Track, names: Sequence[str]) -> bool:
    """Whether the track has all of these values.

    >>> is_known(Track("a.mp3", bpm=120.0), ("tempo", "key"))
    False
    """
    return all(DISTANCES[name](track, track) != UNKNOWN for name in names)


def transition_distance(a: Track, b: Track, names: Sequence[str]) -> float:
    """The sum of these distances."""
    return sum(DISTANCES[name](a, b) for name in names)
