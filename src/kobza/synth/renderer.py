"""Makes a piece sound: composed (`composing.py`), played note by note (`sound.py`, `drumkit.py`), placed on a stage."""

from __future__ import annotations

import numpy as np

from kobza.synth.composition import harmony, melody, progression
from kobza.synth.drumkit import LEVELS, PANS, VOICES, stroke
from kobza.synth.instruments import INSTRUMENTS, Instrument, finish
from kobza.synth.notes import fft_size
from kobza.synth.pieces import TAIL, Piece, bars_of
from kobza.synth.rhythms import DRUM_PATTERNS, Note, drum_notes, humanize, rhythm_notes
from kobza.synth.styles import RECIPES


def score(piece: Piece) -> tuple[list[tuple[str, float, list[Note]]], list[Note]]:
    """Composes a piece: ([(instrument, volume, notes in beats), ...], drum notes)."""
    recipe, rng = RECIPES[piece.style], np.random.default_rng(piece.seed)
    bars, tonic = bars_of(recipe, piece.tempo), int(rng.integers(12))
    total = bars * recipe.beats
    chords = progression(piece.mode, tonic, bars, rng)
    tail = TAIL * piece.tempo / 60 * 0.8  # beats
    parts, tune = [], []
    for part in recipe.parts:
        instrument = INSTRUMENTS[piece.instruments[part.role]]
        register = part.register or instrument.register
        if part.plays == "melody":
            notes = tune = melody(chords, piece.mode, tonic, register, recipe.beats, recipe.lively, rng)
        elif part.plays == "harmony":
            notes = harmony(tune, piece.mode, tonic, register)
        else:
            notes = rhythm_notes(part.plays, chords, recipe.beats, register, step=recipe.beats)
        notes = [n._replace(length=tail) if n.start == total else n for n in notes if n.start <= total]
        parts.append((piece.instruments[part.role], part.volume, humanize(notes, recipe.swing, piece.tempo, rng)))
    drums: list[Note] = []
    if recipe.drums:
        pattern = DRUM_PATTERNS[str(rng.choice(recipe.drums))]
        drums = humanize(drum_notes(pattern, total + 0.01, recipe.beats, rng), recipe.swing, piece.tempo, rng)
    return parts, drums


def _track(instrument: Instrument, notes: list[tuple[Note, float]], length: int, piece: Piece, rate: int) -> np.ndarray:
    """All notes of one instrument, with their volumes, as one mono track (length,) of peak 1."""
    track, made = np.zeros(length), {}
    for index, (note, volume) in enumerate(notes):
        start, seconds = int(note.start * 60 / piece.tempo * rate), note.length * 60 / piece.tempo
        loud = round(note.velocity / 127 * 4) / 4 if instrument.keeps else note.velocity / 127
        hertz = 440 * 2 ** ((note.pitch - 69) / 12)
        held = round(seconds * 8) / 8 + 0.125 if instrument.keeps else seconds
        if (note.pitch, held, loud) not in made or not instrument.keeps:
            rng = np.random.default_rng([piece.seed, index])
            made[note.pitch, held, loud] = instrument.sound(hertz, held, loud, rate, rng)
        sound = made[note.pitch, held, loud][: max(length - start, 0)]
        track[start : start + len(sound)] += volume * (note.velocity / 127) * sound
    return finish(track, instrument, rate)


def render(piece: Piece, sampling_rate: int = 32000) -> np.ndarray:
    """Composes, plays and mixes: stereo float32 (2, samples) in [-1, 1]; samples = seconds * sampling_rate."""
    rate, length = sampling_rate, round(piece.seconds * sampling_rate)
    recipe = RECIPES[piece.style]
    parts, drums = score(piece)
    mix = np.zeros((2, length))
    for name in dict.fromkeys(name for name, _, _ in parts):
        notes = [(note, volume) for other, volume, played in parts if other == name for note in played]
        instrument = INSTRUMENTS[name]
        track = _track(instrument, notes, length, piece, rate)
        level = max(volume for other, volume, _ in parts if other == name) / (np.sqrt(np.mean(track**2)) + 1e-3)
        pan = instrument.pan if len(set(piece.instruments)) > 1 else 0.0
        mix += 0.15 * level * track * np.sqrt([[1 - pan], [1 + pan]])
    if drums:
        kit = np.zeros((2, length))
        rng, made = np.random.default_rng([piece.seed, 9]), {}
        for note in drums:
            voice = VOICES[note.pitch]
            if note.pitch not in made:
                made[note.pitch] = stroke(note.pitch, recipe.kit, rate, rng) * LEVELS.get(voice, 0.35)
            start, pan = int(note.start * 60 / piece.tempo * rate), PANS.get(voice, 0.0)
            hit = made[note.pitch][: max(length - start, 0)] * (note.velocity / 127) ** 1.5
            kit[:, start : start + len(hit)] += hit * np.sqrt([[1 - pan], [1 + pan]])
        mix += 0.6 * kit / np.abs(kit).max()
    mix = _reverb(mix, recipe.room, rate, piece.seed)
    mix[:, -int(0.8 * rate) :] *= np.cos(np.linspace(0, np.pi / 2, int(0.8 * rate))) ** 2
    return (0.89 * mix / np.abs(mix).max()).astype(np.float32)


def _reverb(mix: np.ndarray, share: float, rate: int, seed: int) -> np.ndarray:
    """A room of 0.6 to 3 seconds, larger as its `share` is: noise that dies away, another
    on each side. (2, n) -> (2, n)."""
    length = int((0.6 + 5 * share) * rate)
    t = np.arange(length) / length
    tail = np.random.default_rng([seed, 3]).standard_normal((2, length)) * 10 ** (-3 * t) * np.minimum(t / 0.01, 1)
    tail = np.cumsum(tail, axis=1) - 0.995 * np.concatenate([np.zeros((2, 1)), np.cumsum(tail, axis=1)[:, :-1]], axis=1)
    size = fft_size(mix.shape[1] + length)
    wet = np.fft.irfft(np.fft.rfft(mix, size) * np.fft.rfft(tail, size), size)[:, : mix.shape[1]]
    return mix + share * wet * np.sqrt(np.mean(mix**2) / (np.mean(wet**2) + 1e-12))
