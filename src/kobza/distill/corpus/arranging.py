"""Re-orchestrates a song in a style. Pure functions of notes and a random generator.

A song is three lists of notes in beats: melody, bridge and accompaniment, as POP909 divides it. The chords are
estimated from the notes; a style (`styles.py`) says which instruments play what.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from kobza.distill.corpus.styles import MONOPHONIC, PROGRAM_NAMES, RANGES, ArrangementStyle, Layer
from kobza.synth.rhythms import DRUM_PATTERNS, Chord, Note, drum_notes, humanize, rhythm_notes

TEMPO_FACTORS = (0.6, 1.5)  # beyond these a song no longer sounds natural
NO_NOTE = 128  # above every MIDI note


class Weighted(Protocol):
    @property
    def weight(self) -> float: ...


T = TypeVar("T", bound=Weighted)


class Song(NamedTuple):
    bpm: float
    parts: dict[str, list[Note]]  # "melody", "bridge", "accompaniment"; beat 0 is the start of a bar


class Track(NamedTuple):
    """One instrument of an arrangement."""

    program: int  # General MIDI, from 0
    volume: float  # 0..1
    notes: list[Note]


def draw_weighted(items: Sequence[T], rng: np.random.Generator) -> T:
    """Draws an item with a probability proportional to its weight."""
    weights = np.array([item.weight for item in items])
    return items[rng.choice(len(items), p=weights / weights.sum())]


def cut_excerpt(song: Song, start: float, beats: float, transpose: int = 0) -> Song:
    """Cuts `beats` beats from beat `start` on, which becomes 0, and transposes by `transpose` semitones."""
    end = start + beats
    cut = {
        part: [
            n._replace(start=n.start - start, length=min(n.length, end - n.start), pitch=n.pitch + transpose)
            for n in notes
            if start - 1e-6 <= n.start < end
        ]
        for part, notes in song.parts.items()
    }
    return Song(song.bpm, cut)


def estimate_chords(song: Song, beats: float, step: int = 2) -> list[Chord]:
    """The major or minor triad that fits the notes best, for every `step` beats."""
    chroma = np.full((int(np.ceil(beats / step)), 12), 1e-3)
    lowest = np.full(len(chroma), NO_NOTE)
    for note in (n for notes in song.parts.values() for n in notes if n.start < beats):
        index = min(int(note.start / step), len(chroma) - 1)
        chroma[index, note.pitch % 12] += min(note.length, step)
        lowest[index] = min(lowest[index], note.pitch)
    chroma[np.arange(len(lowest)), lowest % 12] += np.where(lowest < NO_NOTE, 1.0, 0.0)  # the bass is often the root
    fits = np.stack([chroma[:, [r, (r + t) % 12, (r + 7) % 12]].sum(1) for r in range(12) for t in (3, 4)], axis=1)
    chords: list[Chord] = []
    for index, best in enumerate(np.argmax(fits, axis=1)):
        silent = lowest[index] == NO_NOTE
        chords.append(chords[-1] if silent and chords else Chord(int(best) // 2, 3 + int(best) % 2))
    return chords


def move_into_range(notes: list[Note], low: int, high: int) -> list[Note]:
    """Transposes a part by octaves into [low, high]: as a whole, then single notes that are still outside.

    >>> [note.pitch for note in move_into_range([Note(0, 1, pitch, 90) for pitch in (40, 43, 64)], 60, 75)]
    [64, 67, 64]
    """
    if not notes:
        return []
    shift = 12 * round(((low + high) / 2 - float(np.median([n.pitch for n in notes]))) / 12)
    return [n._replace(pitch=_octave_in_range(n.pitch + shift, low, high)) for n in notes]


def _octave_in_range(pitch: int, low: int, high: int) -> int:
    if pitch < low:
        return pitch + 12 * -((pitch - low) // 12)
    if pitch > high:
        return pitch - 12 * -((high - pitch) // 12)
    return pitch


def reduce_to_monophonic(notes: list[Note], lowest: bool = False) -> list[Note]:
    """Keeps the highest (or lowest) of notes that begin together; each ends when the next begins."""
    kept: list[Note] = []
    for note in sorted(notes, key=lambda n: (round(n.start * 8), n.pitch if lowest else -n.pitch)):
        if not kept or round(note.start * 8) > round(kept[-1].start * 8):
            kept.append(note)
    if not kept:
        return []
    ends = [n.start for n in kept[1:]] + [float("inf")]
    return [n._replace(length=min(n.length, max(end - n.start, 0.05))) for n, end in zip(kept, ends, strict=True)]


def play_layer(layer: Layer, program: int, song: Song, chords: list[Chord], bar: int) -> list[Note]:
    """The notes of one instrument of a style for this excerpt of the song."""
    register = layer.register or RANGES.get(program, (48, 84))
    monophonic = program in MONOPHONIC
    if layer.plays in ("melody", "bridge"):
        order = ("melody", "bridge", "accompaniment") if layer.plays == "melody" else ("bridge", "accompaniment")
        notes = max((song.parts[p] for p in order), key=lambda p: min(len(p), 6))  # the first with enough notes
    elif layer.plays == "accompaniment":
        notes = song.parts["accompaniment"]
    elif layer.plays == "all" and monophonic:
        notes = play_layer(Layer((), "melody"), program, song, chords, bar)
    elif layer.plays == "all":
        notes = [n for part in song.parts.values() for n in part]
    elif layer.plays == "low":
        notes = reduce_to_monophonic(song.parts["accompaniment"], lowest=True)
    else:
        return rhythm_notes(layer.plays, chords, bar, register)
    return move_into_range(reduce_to_monophonic(notes) if monophonic else notes, *register)


def instrument_names(tracks: list[Track], drums: list[Note]) -> list[str]:
    """General MIDI's names of the instruments that play, each once, and "drums".

    >>> instrument_names([Track(0, 0.8, [Note(0, 1, 60, 90)]), Track(40, 0.8, [])], [])
    ['acoustic grand piano']
    """
    names = [PROGRAM_NAMES[track.program] for track in tracks if track.notes]
    if drums:
        names.append("drums")
    return list(dict.fromkeys(names))


def _draw_excerpt(song: Song, style: ArrangementStyle, seconds: float, rng: np.random.Generator) -> tuple[Song, int]:
    """Chooses tempo, key and excerpt: the excerpt, in the style's beats, and its transposition in semitones."""
    target_bpm = rng.uniform(*style.tempo)
    bpm = min((target_bpm * f for f in (0.5, 1, 2)), key=lambda b: abs(np.log(b / song.bpm)))  # half or double time
    bpm = song.bpm * float(np.clip(bpm / song.bpm, *TEMPO_FACTORS))
    grid = 2.0 ** float(np.round(np.log2(target_bpm / bpm)))  # beats of the style per beat of the song
    song = Song(
        bpm * grid,
        {p: [n._replace(start=n.start * grid, length=n.length * grid) for n in song.parts[p]] for p in song.parts},
    )
    beats = seconds * song.bpm / 60
    transpose = int(rng.integers(-6, 7))
    last = max((n.start for part in song.parts.values() for n in part), default=0.0)
    starts = style.beats * rng.integers(0, max(int((last - beats) / style.beats), 1), 8)
    excerpts = [cut_excerpt(song, float(start), beats, transpose) for start in starts]
    return max(excerpts, key=_count_useful_notes), transpose


def _count_useful_notes(song: Song) -> int:
    solo = len(song.parts["melody"]) + len(song.parts["bridge"])
    return min(solo, 12) + min(len(song.parts["accompaniment"]), 20)


def arrange(
    song: Song, style: ArrangementStyle, seconds: float, rng: np.random.Generator
) -> tuple[dict[str, Any], list[Track], list[Note]]:
    """Arranges `seconds` of a song: (metadata, a track for each layer of the style, drum notes).

    The metadata are style, instruments, tempo (beats a minute), transpose (semitones) and mode.
    """
    excerpt, transpose = _draw_excerpt(song, style, seconds, rng)
    beats = seconds * excerpt.bpm / 60
    chords = estimate_chords(excerpt, beats)
    tracks = []
    for layer in style.layers:
        program = int(rng.choice(layer.programs))
        notes = play_layer(layer, program, excerpt, chords, style.beats)
        volume = layer.volume * rng.uniform(0.6, 1.1)
        tracks.append(Track(program, volume, humanize(notes, style.swing, excerpt.bpm, rng)))
    drums: list[Note] = []
    if style.drums:
        pattern = DRUM_PATTERNS[str(rng.choice(style.drums))]
        drums = humanize(drum_notes(pattern, beats, style.beats, rng), style.swing, excerpt.bpm, rng)
    minor_chords = sum(chord.third == 3 for chord in chords)
    metadata = {
        "style": style.name,
        "instruments": instrument_names(tracks, drums),
        "tempo": round(excerpt.bpm),
        "transpose": transpose,
        "mode": "minor" if minor_chords * 2 > len(chords) else "major",
    }
    return metadata, tracks, drums
