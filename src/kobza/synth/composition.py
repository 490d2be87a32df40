"""Writes the notes of a piece: chords that go somewhere, a melody that repeats itself and comes home."""

from __future__ import annotations

import numpy as np

from kobza.synth.rhythms import Chord, Note

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
NUMERALS = ("i", "ii", "iii", "iv", "v", "vi", "vii")
PROGRESSIONS = {
    "major": ("I V vi IV", "I IV V I", "I vi IV V", "I IV I V", "I iii IV V", "I vi ii V", "vi IV I V"),
    "minor": ("i VI III VII", "i iv V i", "i VII VI V", "i iv VII III", "i VI iv V", "i III VII iv"),
}
# One bar of a melody's rhythm, in sixteenths, from few notes to many.
CELLS = {
    4: (
        "x-------x-------", "x-----------x---", "x---x---x-------", "x-------x---x---", "x---x---x---x---",
        "x-----x-x---x---", "x---x-x-x---x---", "x-x-x---x-x-x---", "x---x-x-x-x-x-x-", "x-xxx-x-x-x-x---",
        "x-x-x-x-x-xxx-x-",
    ),
    3: ("x-----------", "x-------x---", "x---x---x---", "x-----x-x---", "x-x-x---x---", "x-x-x-x-x---"),
}  # fmt: skip


def progression(mode: str, tonic: int, bars: int, rng: np.random.Generator) -> list[Chord]:
    """A chord for every bar; phrases of four, the last of which closes dominant - tonic; one more bar of the tonic."""
    phrases = [str(p).split() for p in rng.choice(PROGRESSIONS[mode], 2)]
    names = [phrases[0 if bar // 4 % 4 != 2 else 1][bar % 4] for bar in range(bars)]
    names = [*names[:-1], "V", "I" if mode == "major" else "i"]
    chords = []
    for name in names:
        root = tonic + SCALES[mode][NUMERALS.index(name.lower())]
        chords.append(Chord(root % 12, 4 if name.isupper() else 3))
    return chords


def melody(
    chords: list[Chord],
    mode: str,
    tonic: int,
    register: tuple[int, int],
    bar: int,
    lively: float,
    rng: np.random.Generator,
) -> list[Note]:
    """A melody over one chord a bar of `bar` beats; `lively` in 0..1 chooses how many notes.

    Two rhythm cells make a phrase (a b a and a long note) that returns. Strong beats take the chord's note nearest to
    an arch drawn over the phrase; the others go by step. The last note is the tonic.
    """
    low, high = register
    cells = CELLS[bar]
    at = np.clip(np.round(lively * (len(cells) - 1) + rng.normal(0, 0.8, 3)), 0, len(cells) - 1)
    first, second, third = (cells[int(k)] for k in at)
    long = "x" + "-" * (4 * bar - 1)
    centre, span = (low + high) / 2, min((high - low) / 2, 9)
    notes: list[Note] = []
    pitch = centre
    for index, chord in enumerate(chords):
        last = index == len(chords) - 1
        cell = long if last else (first, second, first, long if lively < 0.8 else third)[index % 4]
        scale = {(tonic + s) % 12 for s in SCALES[mode]}
        if mode == "minor" and chord.third == 4 and chord.root == (tonic + 7) % 12:
            scale = (scale - {(tonic + 10) % 12}) | {(tonic + 11) % 12}  # the leading note
        tones = {chord.root, (chord.root + chord.third) % 12, (chord.root + 7) % 12}
        steps = [p for p in range(low, high + 1) if p % 12 in scale]
        starts = [k for k, sign in enumerate(cell) if sign == "x"]
        for at, until in zip(starts, [*starts[1:], len(cell)], strict=True):
            place = (index % 4 + at / len(cell)) / 4
            arch = centre + span * (np.sin(np.pi * place) - 0.4)
            if last:
                wanted = [p for p in range(low, high + 1) if p % 12 == tonic]
                pitch = min(wanted, key=lambda p: abs(p - pitch))
            elif at % 8 == 0:
                wanted = [p for p in steps if p % 12 in tones and p != pitch] or steps
                aim = 0.5 * pitch + 0.5 * arch + rng.normal(0, 1.5)
                pitch = min(wanted, key=lambda p: abs(p - aim))
            else:
                here = min(range(len(steps)), key=lambda k: abs(steps[k] - pitch))
                move = int(rng.choice((-1, 1, 1, 2) if arch > pitch else (1, -1, -1, -2)))
                pitch = steps[int(np.clip(here + move, 0, len(steps) - 1))]
            loud = 84 + 14 * np.sin(np.pi * place) + (8 if at == 0 else 0)
            notes.append(Note(index * bar + at / 4, (until - at) / 4 * 0.94, int(pitch), int(loud)))
    return notes


def harmony(notes: list[Note], mode: str, tonic: int, register: tuple[int, int]) -> list[Note]:
    """A second voice, a third of the scale below each note of a melody."""
    scale = {(tonic + s) % 12 for s in SCALES[mode]}
    second = []
    for note in notes:
        below = [p for p in range(note.pitch - 5, note.pitch - 2) if p % 12 in scale]
        if below and below[-1] >= register[0]:
            second.append(note._replace(pitch=below[-1], velocity=max(note.velocity - 10, 1)))
    return second
