"""Re-orchestrates a song: one score becomes music of any style. Pure functions of notes and a random generator.

A song is three lists of notes in beats: melody, bridge and accompaniment. Its chords are read off the notes, and a
style (`styles.py`) says who plays what.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kobza.distill.corpus.styles import MONOPHONIC, PROGRAM_NAMES, RANGES, Layer, Style
from kobza.synth.rhythms import DRUM_PATTERNS, Chord, Note, drum_notes, humanise, rhythm_notes

TEMPO_FACTORS = (0.6, 1.5)  # further than this a song no longer sounds played


class Song(NamedTuple):
    bpm: float
    parts: dict[str, list[Note]]  # "melody", "bridge", "written"; beat 0 is the start of a bar


def stretch(song: Song, start: float, beats: float, transpose: int = 0) -> Song:
    """Cuts `beats` from beat `start` on, which becomes 0, and moves every pitch by `transpose` semitones."""
    cut = {
        part: [
            n._replace(start=n.start - start, length=min(n.length, start + beats - n.start), pitch=n.pitch + transpose)
            for n in notes
            if start - 1e-6 <= n.start < start + beats
        ]
        for part, notes in song.parts.items()
    }
    return Song(song.bpm, cut)


def find_chords(song: Song, beats: float, step: int = 2) -> list[Chord]:
    """The major or minor triad that fits the notes best, for every `step` beats."""
    chroma = np.full((int(np.ceil(beats / step)), 12), 1e-3)
    low = np.full(len(chroma), 128)
    for note in (n for notes in song.parts.values() for n in notes if n.start < beats):
        at = min(int(note.start / step), len(chroma) - 1)
        chroma[at, note.pitch % 12] += min(note.length, step)
        low[at] = min(low[at], note.pitch)
    chroma[np.arange(len(low)), low % 12] += np.where(low < 128, 1.0, 0.0)  # the bass names the chord
    fits = np.stack([chroma[:, [r, (r + t) % 12, (r + 7) % 12]].sum(1) for r in range(12) for t in (3, 4)], axis=1)
    chords: list[Chord] = []
    for at, best in enumerate(fits.argmax(1)):
        empty = low[at] == 128 and chords
        chords.append(chords[-1] if empty else Chord(int(best) // 2, 3 + int(best) % 2))
    return chords


def into_range(notes: list[Note], low: int, high: int) -> list[Note]:
    """Moves a part by octaves into [low, high], as a whole first and then note by note where one sticks out."""
    if not notes:
        return []
    shift = 12 * round(((low + high) / 2 - float(np.median([n.pitch for n in notes]))) / 12)
    moved = [n.pitch + shift for n in notes]
    moved = [p + 12 * -((p - low) // 12) if p < low else p - 12 * -((high - p) // 12) if p > high else p for p in moved]
    return [n._replace(pitch=p) for n, p in zip(notes, moved, strict=True)]


def one_voice(notes: list[Note], lowest: bool = False) -> list[Note]:
    """The upper (or lowest) voice: of notes that begin together one is kept, and it ends when the next begins."""
    kept: list[Note] = []
    for note in sorted(notes, key=lambda n: (round(n.start * 8), n.pitch if lowest else -n.pitch)):
        if not kept or round(note.start * 8) > round(kept[-1].start * 8):
            kept.append(note)
    ends = [n.start for n in kept[1:]] + [float("inf")] * bool(kept)
    return [n._replace(length=min(n.length, max(end - n.start, 0.05))) for n, end in zip(kept, ends, strict=True)]


def play_layer(layer: Layer, program: int, song: Song, chords: list[Chord], bar: int) -> list[Note]:
    """What one instrument of a style plays in this stretch of the song."""
    register = layer.register or RANGES.get(program, (48, 84))
    if layer.plays in ("melody", "bridge"):
        order = ("melody", "bridge", "written") if layer.plays == "melody" else ("bridge", "written")
        notes = max((song.parts[p] for p in order), key=lambda p: min(len(p), 6))  # the first that really plays
    elif layer.plays == "written":
        notes = song.parts["written"]
    elif layer.plays == "all":
        notes = [n for part in song.parts.values() for n in part]
        notes = notes if program not in MONOPHONIC else play_layer(Layer((), "melody"), program, song, chords, bar)
    elif layer.plays == "low":
        notes = one_voice(song.parts["written"], lowest=True)
    else:
        return rhythm_notes(layer.plays, chords, bar, register)
    return into_range(one_voice(notes) if program in MONOPHONIC else notes, *register)


def arrange(song: Song, style: Style, seconds: float, rng: np.random.Generator) -> tuple[dict, list, list[Note]]:
    """Chooses tempo, stretch, key and band: (recipe, [(program, volume, notes), ...], drum notes)."""
    wanted = rng.uniform(*style.tempo)
    bpm = min((wanted * f for f in (0.5, 1, 2)), key=lambda b: abs(np.log(b / song.bpm)))  # in half or double time
    bpm = song.bpm * float(np.clip(bpm / song.bpm, *TEMPO_FACTORS))
    grid = 2.0 ** float(np.round(np.log2(wanted / bpm)))  # beats of the style in a beat of the song
    song = Song(
        bpm * grid,
        {p: [n._replace(start=n.start * grid, length=n.length * grid) for n in song.parts[p]] for p in song.parts},
    )
    beats, transpose = seconds * song.bpm / 60, int(rng.integers(-6, 7))
    last = max((n.start for part in song.parts.values() for n in part), default=0.0)
    starts = style.beats * rng.integers(0, max(int((last - beats) / style.beats), 1), 8)
    pieces = [stretch(song, float(start), beats, transpose) for start in starts]
    piece = max(
        pieces,
        key=lambda s: min(len(s.parts["melody"]) + len(s.parts["bridge"]), 12) + min(len(s.parts["written"]), 20),
    )
    chords = find_chords(piece, beats)
    band = []
    for layer in style.layers:
        program = int(rng.choice(layer.programs))
        notes = play_layer(layer, program, piece, chords, style.beats)
        band.append((program, layer.volume * rng.uniform(0.6, 1.1), humanise(notes, style.swing, song.bpm, rng)))
    drums: list[Note] = []
    if style.drums:
        pattern = DRUM_PATTERNS[str(rng.choice(style.drums))]
        drums = humanise(drum_notes(pattern, beats, style.beats, rng), style.swing, song.bpm, rng)
    minor = sum(c.third == 3 for c in chords) * 2 > len(chords)
    names = [PROGRAM_NAMES[program] for program, _, notes in band if notes] + ["drums"] * bool(drums)
    recipe = {"style": style.name, "instruments": list(dict.fromkeys(names)), "tempo": round(song.bpm)}
    return recipe | {"transpose": transpose, "mode": "minor" if minor else "major"}, band, drums
