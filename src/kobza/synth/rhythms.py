"""Step notation of rhythms, and its readers, for synthetic pieces and re-orchestrated songs.

A *rhythm* is one bar as a string with any number of steps (16 characters in 4 beats are sixteenths, 12 are triplets).
For pitched parts a digit is a degree of the current chord (1 root, 3 third, 5 fifth, 6 sixth, 7 seventh, 8 octave, 9 the
third above it), `x` the whole chord, `X` the same with an accent, `p` a power chord (root, fifth, octave), `s` a strum of
five strings; `-` holds the note, `.` is a rest. For drums `x` is a stroke, `X` an accent, `o` a ghost note.
"""

# ruff: noqa: E501  (tables read best with one row a line)
from __future__ import annotations

from typing import NamedTuple

import numpy as np

DEGREES = {"1": 0, "5": 7, "6": 9, "7": 10, "8": 12}  # semitones above the root; the third depends on the chord

DRUM_KEYS = {
    "kick": 36, "snare": 38, "esnare": 40, "rim": 37, "clap": 39, "hat": 42, "pedal": 44, "open": 46, "ride": 51, "bell": 53,
    "crash": 49, "floor": 41, "low": 45, "mid": 47, "high": 50, "tambourine": 54, "cowbell": 56, "bongo_hi": 60,
    "bongo_lo": 61, "conga_mute": 62, "conga": 63, "conga_lo": 64, "timbale": 65, "agogo": 67, "cabasa": 69, "maracas": 70,
    "guiro": 73, "claves": 75, "block": 76, "triangle": 81, "shaker": 82, "sleigh": 83,
}  # fmt: skip

# Pattern -> voice -> one bar, which has the beats of the style that uses it.
DRUM_PATTERNS: dict[str, dict[str, str]] = {
    "rock": {"kick": "X.......x.x.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
    "rock_ride": {"kick": "X..x..x.x.......", "snare": "....X.......X..o", "ride": "x.x.x.x.x.x.x.x."},
    "pop": {"kick": "X.....x.x.......", "snare": "....x.......x...", "hat": "xoxoxoxoxoxoxoxo"},
    "double_kick": {"kick": "XxxxXxxxXxxxXxxx", "snare": "....X.......X...", "crash": "X.......x.......", "ride": "x...x...x...x..."},
    "blast": {"kick": "X.x.X.x.X.x.X.x.", "snare": ".x.x.x.x.x.x.x.x", "hat": "x.x.x.x.x.x.x.x."},
    "train": {"kick": "x...x...x...x...", "snare": "oxXoooXoooXoooXo", "hat": "..x...x...x...x."},
    "two_step": {"kick": "X.......x.......", "rim": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
    "one_drop": {"kick": "........X.......", "rim": "........X.......", "hat": "x.x.x.x.x.x.x.xo"},
    "steppers": {"kick": "X...x...X...x...", "snare": "........X.......", "hat": "x.xxx.x.x.xxx.x."},
    "ska": {"kick": "X.......x.......", "snare": "....X.......X...", "hat": "..x...x...x...x."},
    "disco": {"kick": "X...X...X...X...", "snare": "....x.......x...", "open": "..x...x...x...x.", "hat": "x.o.x.o.x.o.x.o."},
    "disco_clap": {"kick": "X...X...X...X...", "clap": "....X.......X...", "open": "..X...X...X...X.", "tambourine": "xoxoxoxoxoxoxoxo"},
    "boom_bap": {"kick": "X..x......x..x..", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
    "boom_bap2": {"kick": "X.....xx..x.....", "snare": "....X..o.o..X...", "hat": "x.x.x.xxx.x.x.x."},
    "trap": {"kick": "X.....x...........X.......x.....", "clap": "................X...............", "hat": "x.x.x.x.x.xxx.x.x.x.x.x.xxxxxxxx"},
    "trap2": {"kick": "X...........x.......X...........", "esnare": "................X...............", "hat": "x...x...x.x.x.xxx...x.xxxxxx.x.x"},
    "house": {"kick": "X...X...X...X...", "clap": "....x.......x...", "open": "..x...x...x...x.", "shaker": "oxoxoxoxoxoxoxox"},
    "techno": {"kick": "X...X...X...X...", "hat": "..X...X...X...X.", "rim": "...x..x....x..x.", "pedal": "xxxxxxxxxxxxxxxx"},
    "jungle": {"kick": "X.x.......xx....", "snare": "....X..o.o..X..o", "hat": "x.x.x.x.x.x.x.x.", "ride": "x...x...x...x..."},
    "two_step_dnb": {"kick": "X.........X.....", "snare": "....X.......X...", "hat": "xoxoxoxoxoxoxoxo"},
    "funk": {"kick": "X.x....x..x..x..", "snare": "....X..o.o.oX..o", "hat": "xoxoxoxoxoxoxoXo"},
    "shuffle": {"kick": "X.....x.....", "snare": "...X.....X..", "hat": "x.xx.xx.xx.x"},
    "swing": {"ride": "x..x.xx..x.x", "pedal": "...x.....x..", "kick": "o..o..o..o..", "snare": ".....o.....o"},
    "brushes": {"snare": "o..xooo..xoo", "ride": "x..x.xx..x.x", "pedal": "...x.....x.."},
    "bossa": {"rim": "x..x..x...x..x..", "kick": "x..xx..xx..xx..x", "hat": "xxxxxxxxxxxxxxxx", "shaker": "xoxoxoxoxoxoxoxo"},
    "salsa": {"claves": "x..x..x...x.x...", "conga_mute": "x.x...x.x.x...x.", "conga": "......xx......xx", "cowbell": "x.x.x.x.x.x.x.x.",
              "timbale": "....x...x..x..x.", "guiro": "x..xx..xx..xx..x"},
    "latin": {"conga": "..x...xx..x...xx", "conga_lo": "x...............", "bongo_hi": "xoxoxoxoxoxoxoxo", "maracas": "xxxxxxxxxxxxxxxx", "kick": "x.....x.x.....x."},
    "samba": {"kick": "x..xX..xx..xX..x", "tambourine": "XxxXXxxXXxxXXxxX", "agogo": "x.x..x.x.xx.x.x.", "shaker": "XxxxXxxxXxxxXxxx"},
    "waltz": {"kick": "x...........", "snare": "....o...o...", "hat": "....x...x..."},
    "march": {"kick": "X.......X.......", "snare": "x.xxx.x.x.xxxxxx", "crash": "X.......o......."},
    "tabla": {"conga": "x..xx..xx..x..xx", "bongo_hi": "..x..xx...x.xx..", "conga_lo": "X.......x.....x."},
    "bodhran": {"floor": "X.oxooX.oxoo", "low": "...o.o...o.o"},
    "synthwave": {"kick": "X...X...X...X...", "esnare": "....X.......X...", "hat": "xxxxxxxxxxxxxxxx"},
    "sleigh": {"sleigh": "x.x.x.x.x.x.x.x.", "triangle": "x...............", "kick": "o.......o......."},
    "toms": {"kick": "X...x...X...x...", "floor": "x.xx..x.x.xx..xx", "low": ".x..x.x..x..x...", "high": "......x.......x.", "crash": "X..............."},
    "linear": {"kick": "X..x...x.x...x..", "snare": ".o..X.o.o...X.ox", "hat": "x.x...x...x.x...", "mid": "..........xx....", "high": ".............x.x"},
    "hands": {"conga": "x.x...xxx.x...xx", "conga_lo": "...x.......x....", "bongo_hi": "xoxxoxoxxoxxoxox", "bongo_lo": "....x.......x...", "cabasa": "xxxxxxxxxxxxxxxx"},
    "rolls": {"snare": "XooxooXoXooxxxxx", "kick": "X.......X......."},
}  # fmt: skip


class Note(NamedTuple):
    start: float  # beats
    length: float  # beats
    pitch: int  # MIDI note number
    velocity: int  # 1-127


class Chord(NamedTuple):
    root: int  # pitch class, 0 = C
    third: int  # 3 minor, 4 major


def rhythm_notes(rhythm: str, chords: list[Chord], bar: int, register: tuple[int, int], step: int = 2) -> list[Note]:
    """Plays a rhythm of `bar` beats over `chords`, one for every `step` beats.

    >>> [(note.start, note.pitch) for note in rhythm_notes("1.5.8-..", [Chord(0, 4)], 4, (36, 60), step=4)]
    [(0.0, 36), (1.0, 43), (2.0, 48)]
    """
    notes: list[Note] = []
    low, high = register
    unit = bar / len(rhythm)
    for index in range(int(len(chords) * step / unit + 1e-6)):
        sign = rhythm[index % len(rhythm)]
        if sign in ".-":
            continue
        held = 1
        while index + held < len(chords) * step / unit and rhythm[(index + held) % len(rhythm)] == "-":
            held += 1
        chord = chords[int(index * unit / step)]
        velocity = 112 if sign == "X" else 96
        if sign in "xX":  # all chords within the same octave, so that voices move little between chords
            floor = (low + high) // 2 - 6
            pitches = [floor + (chord.root + d - floor) % 12 for d in (0, chord.third, 7)]
        else:
            degrees = {**DEGREES, "3": chord.third, "9": 12 + chord.third}
            root = low + (chord.root - low) % 12
            voicings = {"p": (0, 7, 12), "s": (0, 7, 12, 12 + chord.third, 19)}
            if sign in voicings:
                pitches = [root + interval for interval in voicings[sign]]
            else:
                pitch = root + degrees[sign]
                pitches = [pitch if pitch <= high else pitch - 12]
        delay = 0.03 if sign == "s" else 0.0  # beats from string to string
        for n, p in enumerate(sorted(pitches)):
            notes.append(Note(index * unit + n * delay, held * unit * 0.95, p, velocity))
    return notes


def drum_notes(pattern: dict[str, str], beats: float, bar: int, rng: np.random.Generator | None = None) -> list[Note]:
    """Repeats a drum pattern for `beats` beats; with `rng`, some fourth bars end with a fill on snare and toms."""
    notes = []
    bars = int(np.ceil(beats / bar))
    fills = {b for b in range(3, bars, 4) if rng is not None and "snare" in pattern and rng.random() < 0.4}
    for index in range(bars):
        for voice, steps in pattern.items():
            for step, sign in enumerate(steps):
                start = index * bar + step * bar / len(steps)
                in_fill = index in fills and start >= (index + 1) * bar - 1
                if sign != "." and start < beats and not in_fill:
                    notes.append(Note(start, 0.2, DRUM_KEYS[voice], {"X": 118, "x": 92, "o": 48}[sign]))
        if index in fills:
            keys = [DRUM_KEYS[voice] for voice in ("snare", "high", "mid", "floor")]
            notes += [Note((index + 1) * bar - 1 + k / 4, 0.2, key, 100) for k, key in enumerate(keys)]
            notes.append(Note((index + 1) * bar, 0.5, DRUM_KEYS["crash"], 100))
    return sorted(n for n in notes if n.start < beats)


def humanize(notes: list[Note], swing: float, bpm: float, rng: np.random.Generator) -> list[Note]:
    """Delays off-beats by `swing` beats, and varies starts (deviation 6 ms) and velocities (deviation 7)."""
    delays = [swing if round(n.start * 4) % 4 == 2 else 0.0 for n in notes]
    shifts = rng.normal(0, 0.006 * bpm / 60, len(notes))
    accents = rng.normal(0, 7, len(notes))
    return [
        n._replace(start=max(n.start + d + m, 0.0), velocity=int(np.clip(n.velocity + a, 20, 127)))
        for n, d, m, a in zip(notes, delays, shifts, accents, strict=True)
    ]
