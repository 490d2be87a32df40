"""Composes chord progressions and melodies."""

from __future__ import annotations

import numpy as np

from kobza.synth.rhythms import Chord, Note

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
NUMERALS = ("i", "ii", "iii", "iv", "v", "vi", "vii")
PROGRESSIONS = {
    "major": ("I V vi IV", "I IV V I", "I vi IV V", "I IV I V", "I iii IV V", "I vi ii V", "vi IV I V"),
    "minor": ("i VI III VII", "i iv V i", "i VII VI V", "i iv VII III", "i VI iv V", "i III VII iv"),
}
# Rhythms of one bar of a melody in sixteenths, by beats of the bar, from few notes to many.
RHYTHM_CELLS = {
    4: (
        "x-------x-------", "x-----------x---", "x---x---x-------", "x-------x---x---", "x---x---x---x---",
        "x-----x-x---x---", "x---x-x-x---x---", "x-x-x---x-x-x---", "x---x-x-x-x-x-x-", "x-xxx-x-x-x-x---",
        "x-x-x-x-x-xxx-x-",
    ),
    3: ("x-----------", "x-------x---", "x---x---x---", "x-----x-x---", "x-x-x---x---", "x-x-x-x-x---"),
}  # fmt: skip


def progression(mode: str, tonic: int, bars: int, rng: np.random.Generator) -> list[Chord]:
    """A chord for each of `bars` bars, in phrases of four that end dominant - tonic, and a last bar of the tonic."""
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
    density: float,
    rng: np.random.Generator,
) -> list[Note]:
    """A melody over `chords`, one for each bar of `bar` beats; `density` in 0..1 chooses how many notes.

    Rhythm cells form a repeated phrase (a b a, then a long note or c). Strong beats take the chord tone nearest to an
    arch over the phrase, the others move by steps of the scale. The last note is the tonic.
    """
    low, high = register
    cells = RHYTHM_CELLS[bar]
    chosen = np.clip(np.round(density * (len(cells) - 1) + rng.normal(0, 0.8, 3)), 0, len(cells) - 1)
    first, second, third = (cells[int(k)] for k in chosen)
    long_note = "x" + "-" * (4 * bar - 1)
    center = (low + high) / 2
    span = min((high - low) / 2, 9)
    notes: list[Note] = []
    pitch = center  # of the note before
    for index, chord in enumerate(chords):
        is_last = index == len(chords) - 1
        cell = (first, second, first, long_note if density < 0.8 else third)[index % 4]
        if is_last:
            cell = long_note
        scale = {(tonic + s) % 12 for s in SCALES[mode]}
        if mode == "minor" and chord.third == 4 and chord.root == (tonic + 7) % 12:
            scale = (scale - {(tonic + 10) % 12}) | {(tonic + 11) % 12}  # the leading note
        tones = {chord.root, (chord.root + chord.third) % 12, (chord.root + 7) % 12}
        steps = [p for p in range(low, high + 1) if p % 12 in scale]
        starts = [k for k, sign in enumerate(cell) if sign == "x"]
        for start, end in zip(starts, [*starts[1:], len(cell)], strict=True):
            position = (index % 4 + start / len(cell)) / 4  # in the phrase, 0..1
            arch = center + span * (np.sin(np.pi * position) - 0.4)
            if is_last:
                pitch = _nearest([p for p in range(low, high + 1) if p % 12 == tonic], pitch)
            elif start % 8 == 0:
                candidates = [p for p in steps if p % 12 in tones and p != pitch] or steps
                pitch = _nearest(candidates, 0.5 * pitch + 0.5 * arch + rng.normal(0, 1.5))
            else:
                current = steps.index(_nearest(steps, pitch))
                move = int(rng.choice((-1, 1, 1, 2) if arch > pitch else (1, -1, -1, -2)))
                pitch = steps[int(np.clip(current + move, 0, len(steps) - 1))]
            velocity = 84 + 14 * np.sin(np.pi * position) + (8 if start == 0 else 0)
            notes.append(Note(index * bar + start / 4, (end - start) / 4 * 0.94, int(pitch), int(velocity)))
    return notes


def _nearest(pitches: list[int], target: float) -> int:
    return min(pitches, key=lambda pitch: abs(pitch - target))


def harmony(notes: list[Note], mode: str, tonic: int, register: tuple[int, int]) -> list[Note]:
    """A second voice, a diatonic third below each note of a melody where the register allows."""
    scale = {(tonic + s) % 12 for s in SCALES[mode]}
    second = []
    for note in notes:
        below = [p for p in range(note.pitch - 5, note.pitch - 2) if p % 12 in scale]
        if below and below[-1] >= register[0]:
            second.append(note._replace(pitch=below[-1], velocity=max(note.velocity - 10, 1)))
    return second
