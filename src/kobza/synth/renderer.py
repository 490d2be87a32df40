"""Renders a piece: composes it (`composition.py`), plays each note (`notes.py`, `drumkit.py`) and mixes in stereo."""

from __future__ import annotations

import numpy as np

from kobza.synth.composition import harmony, melody, progression
from kobza.synth.drumkit import LEVELS, PANS, VOICES, stroke
from kobza.synth.instruments import INSTRUMENTS, Instrument, apply_body
from kobza.synth.notes import fft_size
from kobza.synth.pieces import TAIL_SECONDS, Piece
from kobza.synth.rhythms import DRUM_PATTERNS, Note, drum_notes, humanize, rhythm_notes
from kobza.synth.styles import STYLES

PEAK = 0.89
FADE_OUT_SECONDS = 0.8


def score(piece: Piece) -> tuple[list[tuple[str, float, list[Note]]], list[Note]]:
    """Composes a piece: ([(instrument, volume, notes in beats), ...], drum notes)."""
    style = STYLES[piece.style]
    rng = np.random.default_rng(piece.seed)
    bars = piece.bars
    tonic = int(rng.integers(12))  # the same number as `piece.tonic`
    total_beats = bars * style.beats
    chords = progression(piece.mode, tonic, bars, rng)
    tail_beats = TAIL_SECONDS * piece.tempo / 60 * 0.8
    parts = []
    tune: list[Note] = []
    for part in style.parts:
        instrument = INSTRUMENTS[piece.instruments[part.role]]
        register = part.register or instrument.register
        if part.plays == "melody":
            notes = tune = melody(chords, piece.mode, tonic, register, style.beats, style.note_density, rng)
        elif part.plays == "harmony":
            notes = harmony(tune, piece.mode, tonic, register)
        else:
            notes = rhythm_notes(part.plays, chords, style.beats, register, step=style.beats)
        notes = [
            n._replace(length=tail_beats) if n.start == total_beats else n for n in notes if n.start <= total_beats
        ]
        parts.append((piece.instruments[part.role], part.volume, humanize(notes, style.swing, piece.tempo, rng)))
    drums: list[Note] = []
    if style.drums:
        pattern = DRUM_PATTERNS[str(rng.choice(style.drums))]
        drums = humanize(drum_notes(pattern, total_beats + 0.01, style.beats, rng), style.swing, piece.tempo, rng)
    return parts, drums


def _render_track(
    instrument: Instrument, notes: list[tuple[Note, float]], length: int, piece: Piece, rate: int
) -> np.ndarray:
    """All notes of one instrument, with their volumes, as one mono track (length,) of peak 1."""
    track = np.zeros(length)
    cache: dict[tuple[int, float, float], np.ndarray] = {}
    for index, (note, volume) in enumerate(notes):
        start = int(note.start * 60 / piece.tempo * rate)
        seconds = note.length * 60 / piece.tempo
        loudness = note.velocity / 127
        if instrument.cache_notes:  # rounded, so that few different notes are synthesised
            seconds = round(seconds * 8) / 8 + 0.125
            loudness = round(loudness * 4) / 4
        key = (note.pitch, seconds, loudness)
        if key not in cache or not instrument.cache_notes:
            rng = np.random.default_rng([piece.seed, index])
            hertz = 440 * 2 ** ((note.pitch - 69) / 12)
            cache[key] = instrument.play(hertz, seconds, loudness, rate, rng)
        audio = cache[key][: max(length - start, 0)]
        track[start : start + len(audio)] += volume * (note.velocity / 127) * audio
    return apply_body(track, instrument, rate)


def _render_drums(drums: list[Note], kit: str, length: int, piece: Piece, rate: int) -> np.ndarray:
    """All strokes of the drum kit, in stereo (2, length)."""
    audio = np.zeros((2, length))
    rng = np.random.default_rng([piece.seed, 9])
    cache: dict[int, np.ndarray] = {}
    for note in drums:
        voice = VOICES[note.pitch]
        if note.pitch not in cache:
            cache[note.pitch] = stroke(note.pitch, kit, rate, rng) * LEVELS.get(voice, 0.35)
        start = int(note.start * 60 / piece.tempo * rate)
        hit = cache[note.pitch][: max(length - start, 0)] * (note.velocity / 127) ** 1.5
        audio[:, start : start + len(hit)] += hit * _pan_gains(PANS.get(voice, 0.0))
    return audio


def _pan_gains(pan: float) -> np.ndarray:
    """Gains of both channels, (2, 1), for -1 (left) to 1 (right)."""
    return np.sqrt([[1 - pan], [1 + pan]])


def render(piece: Piece, sampling_rate: int = 32000) -> np.ndarray:
    """Composes, plays and mixes a piece: stereo float32 (2, samples) in [-1, 1]; samples = seconds * sampling_rate."""
    length = round(piece.seconds * sampling_rate)
    style = STYLES[piece.style]
    parts, drums = score(piece)
    mix = np.zeros((2, length))
    for name in dict.fromkeys(name for name, _, _ in parts):
        notes = [(note, volume) for other, volume, played in parts if other == name for note in played]
        instrument = INSTRUMENTS[name]
        track = _render_track(instrument, notes, length, piece, sampling_rate)
        level = max(volume for other, volume, _ in parts if other == name) / (np.sqrt(np.mean(track**2)) + 1e-3)
        pan = instrument.pan if len(set(piece.instruments)) > 1 else 0.0
        mix += 0.15 * level * track * _pan_gains(pan)
    if drums:
        kit = _render_drums(drums, style.kit, length, piece, sampling_rate)
        mix += 0.6 * kit / np.abs(kit).max()
    mix = _add_reverb(mix, style.reverb, sampling_rate, piece.seed)
    fade = int(FADE_OUT_SECONDS * sampling_rate)
    mix[:, -fade:] *= np.cos(np.linspace(0, np.pi / 2, fade)) ** 2
    return (PEAK * mix / np.abs(mix).max()).astype(np.float32)


def _add_reverb(mix: np.ndarray, share: float, rate: int, seed: int) -> np.ndarray:
    """Adds decaying noise, independent on each side, that is longer for a larger `share`. (2, n) -> (2, n)."""
    length = int((0.6 + 5 * share) * rate)
    t = np.arange(length) / length
    tail = np.random.default_rng([seed, 3]).standard_normal((2, length)) * 10 ** (-3 * t) * np.minimum(t / 0.01, 1)
    tail = np.cumsum(tail, axis=1) - 0.995 * np.concatenate([np.zeros((2, 1)), np.cumsum(tail, axis=1)[:, :-1]], axis=1)
    size = fft_size(mix.shape[1] + length)
    wet = np.fft.irfft(np.fft.rfft(mix, size) * np.fft.rfft(tail, size), size)[:, : mix.shape[1]]
    return mix + share * wet * np.sqrt(np.mean(mix**2) / (np.mean(wet**2) + 1e-12))
