"""Synthesises a sung line from the syllables of a speaker.

Every note takes the next syllable: consonants keep their speed, the vowel is held, and the pitch is the melody's with
portamento, vibrato and drift. The spectral envelope is warped in frequency, so that one speaker gives voices of men,
women and children. `pyworld` (WORLD, Morise et al. 2016, doi:10.1587/transinf.2015EDP7457; MIT) synthesises; it is
imported where it is used, because only building a checkpoint needs it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kobza.distill.corpus.syllables import FFT_SIZE, FRAME_SECONDS, VOCODER_RATE, Syllable, Voice, smooth
from kobza.synth.rhythms import Note

FORMANT_SCALE = {Voice.MAN: 1.0, Voice.WOMAN: 1.16, Voice.CHILD: 1.32}  # relative to a man's formants
MAX_VOWEL_APERIODICITY_DB = (-25.0, -16.0, -9.0)  # at 3, 6 and 9 kHz: held vowels must not sound noisy
SINGERS_FORMANT_HZ = 2900
LEVEL = 0.1  # loudness (`loudness`) of a synthesised line


class VoiceStyle(NamedTuple):
    voice: Voice
    vibrato_cents: tuple[float, float]
    singers_formant_db: float


def pitch_curve(notes: list[Note], frames: int, vibrato_cents: float, rng: np.random.Generator) -> np.ndarray:
    """Pitch of a sung line in Hz, (frames,); `notes` are monophonic and in seconds."""
    semitones = np.full(frames, float(notes[0].pitch))
    seconds_since_start = np.zeros(frames)
    scoop = np.zeros(frames)
    for note in notes:
        start = min(max(round((note.start - 0.03) / FRAME_SECONDS), 0), frames - 1)
        semitones[start:] = note.pitch
        seconds_since_start[start:] = np.arange(frames - start) * FRAME_SECONDS
        has_scoop = rng.random() < 0.25
        scoop[start:] = rng.uniform(0.3, 2.0) * np.exp(-seconds_since_start[start:] / 0.06) if has_scoop else 0.0
    curve = smooth(semitones - scoop, round(rng.uniform(0.04, 0.11) / FRAME_SECONDS))  # portamento
    vibrato_hz = rng.uniform(5.0, 6.5) + drift(frames, 0.4, 0.3, rng)
    onset = np.clip((seconds_since_start - rng.uniform(0.1, 0.3)) / 0.35, 0, 1)
    curve += vibrato_cents / 100 * onset * np.sin(2 * np.pi * np.cumsum(vibrato_hz) * FRAME_SECONDS)
    curve += drift(frames, 0.12, 0.15, rng) + drift(frames, 0.04, 0.02, rng)
    return 440 * 2 ** ((curve - 69) / 12)


def drift(frames: int, deviation: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of standard deviation `deviation` that changes over about `seconds`, (frames,)."""
    noise = smooth(rng.standard_normal(frames), max(round(seconds / FRAME_SECONDS), 2))
    return deviation * noise / max(float(noise.std()), 1e-6)


def align_syllables(
    notes: list[Note], syllables: list[Syllable], frames: int
) -> list[tuple[int, np.ndarray, Syllable]]:
    """Aligns a syllable with each note: (first output frame, source frames (m,), syllable).

    Consonants keep their speed, those before the vowel come before the beat; the vowel is held where it is steadiest.
    """
    aligned = []
    starts = [round(n.start / FRAME_SECONDS) for n in notes]
    onsets = [s.begin for s in syllables]
    free = 0  # the first output frame that is not taken
    for i, (note, syllable) in enumerate(zip(notes, syllables, strict=False)):
        start = starts[i]
        onset = min(onsets[i], max(start - free, 0))
        end = start + max(round(note.length / FRAME_SECONDS), 8)
        next_onset = frames
        if i + 1 < len(notes):
            next_onset = starts[i + 1] - min(onsets[i + 1], (starts[i + 1] - start) // 3)
        coda = min(len(syllable.pitch) - syllable.end, max(next_onset - start, 8) // 3)
        held = max(min(end, next_onset - coda) - start, 6)
        source = np.concatenate([
            np.arange(syllable.begin - onset, syllable.begin),
            _stretch_vowel(syllable, held),
            np.arange(syllable.end, syllable.end + coda),
        ])  # fmt: skip
        source = source[: max(frames - start + onset, 0)]
        aligned.append((start - onset, source, syllable))
        free = start - onset + len(source)
    return aligned


def _stretch_vowel(syllable: Syllable, frames: int) -> np.ndarray:
    """Source frames of the vowel for `frames` output frames: compressed evenly, or held at the steadiest frame."""
    spoken = syllable.end - syllable.begin
    if frames <= spoken:
        return np.linspace(syllable.begin, syllable.end - 1, frames)
    hold = np.full(frames - spoken, float(syllable.steady))
    return np.concatenate([
        np.arange(syllable.begin, syllable.steady), hold, np.arange(syllable.steady, syllable.end)
    ])  # fmt: skip


def shape_timbre(
    envelope: np.ndarray, formant_scale: float, singers_formant_db: float, rng: np.random.Generator
) -> np.ndarray:
    """Changes the voice of a log power envelope, (n, 513): formant frequencies times `formant_scale`, a boost of the
    singer's formant near 3 kHz, random contrast, movement and spectral tilt."""
    bins = np.arange(FFT_SIZE // 2 + 1)
    warped = np.minimum(bins / formant_scale, FFT_SIZE // 2)
    low = np.floor(warped).astype(int)
    fraction = (warped - low).astype(np.float32)
    envelope = (1 - fraction) * envelope[:, low] + fraction * envelope[:, np.minimum(low + 1, FFT_SIZE // 2)]
    mean = envelope.mean(1, keepdims=True)
    envelope = mean + rng.uniform(0.95, 1.15) * (envelope - mean)
    corners = np.linspace(0, FFT_SIZE // 2, 9)  # slow random changes keep a held vowel from sounding static
    interpolation = np.stack([np.interp(bins, corners, row) for row in np.eye(len(corners))])
    envelope += np.stack([drift(len(envelope), 0.25, 0.06, rng) for _ in corners], 1) @ interpolation
    hertz = bins * VOCODER_RATE / FFT_SIZE
    boost_db = singers_formant_db * np.exp(-(((hertz - SINGERS_FORMANT_HZ) / 500) ** 2))
    tilt_db = rng.uniform(-1, 2.5) * np.log2(np.maximum(hertz, 200) / 200)  # dB an octave: soft to bright
    return envelope + np.log(10) / 10 * (boost_db + tilt_db)


def synthesize_line(
    notes: list[Note],
    syllable_notes: list[Note],
    speech: tuple[Voice, list[Syllable]],
    style: VoiceStyle,
    seconds: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Sings a line: (seconds * 24 kHz,) float32, always of about the same loudness.

    `notes` in seconds give the pitch, one at a time; each of `syllable_notes` takes a syllable (`join_notes`).
    """
    import pyworld

    speaker, syllables = speech
    frames = round(seconds / FRAME_SECONDS)
    envelope, aperiodicity, voiced, gain = _concatenate(align_syllables(syllable_notes, syllables, frames), frames, rng)
    pitch = np.where(voiced, pitch_curve(notes, frames, rng.uniform(*style.vibrato_cents), rng), 0)
    scale = FORMANT_SCALE[style.voice] / FORMANT_SCALE[speaker] * rng.uniform(0.93, 1.07)
    envelope = shape_timbre(envelope, float(np.clip(scale, 0.72, 1.4)), style.singers_formant_db, rng)
    envelope += (2 * np.log(np.maximum(smooth(gain, 3), 1e-4)))[:, None]
    aperiodicity = np.clip(aperiodicity + rng.choice([0.0, rng.uniform(0, 12)]), -60, 0)  # breathiness
    aperiodicity = pyworld.decode_aperiodicity(aperiodicity, VOCODER_RATE, FFT_SIZE)
    power = np.exp(envelope, dtype=np.float64, order="C")
    audio = pyworld.synthesize(pitch, power, aperiodicity, VOCODER_RATE, 1000 * FRAME_SECONDS)
    audio = np.resize(audio, round(seconds * VOCODER_RATE)).astype(np.float32)
    return LEVEL * audio / max(loudness(audio), 1e-5)


def _concatenate(
    aligned: list[tuple[int, np.ndarray, Syllable]], frames: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log power envelope, aperiodicity, voicing and gain of the aligned syllables, each of `frames` frames."""
    envelope = np.full((frames, FFT_SIZE // 2 + 1), -30.0, np.float32)
    aperiodicity = np.zeros((frames, len(MAX_VOWEL_APERIODICITY_DB)))
    voiced = np.zeros(frames, bool)
    gain = np.zeros(frames)
    for first, source, syllable in aligned:
        skip = max(-first, 0)
        first = first + skip
        source = source[skip:]
        if not len(source):
            continue
        low = np.floor(source).astype(int)
        high = np.minimum(low + 1, len(syllable.pitch) - 1)
        fraction = (source - low)[:, None]
        target = slice(first, first + len(source))
        level = np.log(np.exp(syllable.envelope[syllable.begin : syllable.end]).sum(1).mean() + 1e-16)
        envelope[target] = (1 - fraction) * syllable.envelope[low] + fraction * syllable.envelope[high] - level
        aperiodicity[target] = (1 - fraction) * syllable.aperiodicity[low] + fraction * syllable.aperiodicity[high]
        vowel = np.flatnonzero((source >= syllable.begin) & (source < syllable.end)) + first
        aperiodicity[vowel] = np.minimum(aperiodicity[vowel], MAX_VOWEL_APERIODICITY_DB)
        voiced[target] = syllable.pitch[np.round(source).astype(int)] > 0
        gain[target] = 10 ** (rng.uniform(-2.5, 2.5) / 20)
        fade = min(16, len(source) // 3)
        gain[first + len(source) - fade : first + len(source)] *= np.linspace(1, 0, fade)
    return envelope, aperiodicity, voiced, gain


def join_notes(notes: list[Note], rng: np.random.Generator) -> list[Note]:
    """Notes that each take a syllable: some notes continue the vowel of the note before (melisma)."""
    joined: list[Note] = []
    for note in notes:
        is_legato = bool(joined) and note.start - joined[-1].start - joined[-1].length < 0.06
        if is_legato and (rng.random() < 0.12 or note.length < 0.1):
            joined[-1] = joined[-1]._replace(length=note.start + note.length - joined[-1].start)
        else:
            joined.append(note)
    return joined


def loudness(audio: np.ndarray) -> float:
    """Root mean square of the louder half of (samples,), so that pauses do not count."""
    blocks = np.square(audio[: len(audio) // 800 * 800].reshape(-1, 800)).mean(1)
    return float(np.sqrt(np.sort(blocks)[len(blocks) // 2 :].mean())) if len(blocks) else 0.0


def high_overtones(audio: np.ndarray, sampling_rate: int) -> np.ndarray:
    """What speech at 16 kHz lacks above 7 kHz: overtones of the band from 3.5 to 7 kHz, as loud as that band."""
    hertz = np.fft.rfftfreq(len(audio), 1 / sampling_rate)
    band = np.fft.irfft(np.fft.rfft(audio) * ((hertz > 3500) & (hertz < 7000)), len(audio))
    overtones = np.fft.irfft(np.fft.rfft(band * np.abs(band)) * (hertz > 7000), len(audio))
    return (overtones * np.std(band) / max(float(np.std(overtones)), 1e-9)).astype(np.float32)


def multiply_voice(audio: np.ndarray, copies: int, rng: np.random.Generator) -> np.ndarray:
    """Several singers of one part from one, (samples,): copies with a varying delay, and so a varying pitch."""
    step = 1200  # samples, 50 ms: between the points of the delay
    total = audio.copy()
    samples = np.arange(len(audio), dtype=np.float64)
    for _ in range(copies - 1):
        variation = drift(len(audio) // step + 2, 0.003, FRAME_SECONDS * rng.uniform(3, 8), rng)
        delay = rng.uniform(0.005, 0.05) + np.interp(samples, np.arange(len(variation)) * float(step), variation)
        delayed = np.interp(samples - np.maximum(delay, 0) * VOCODER_RATE, samples, audio).astype(np.float32)
        total += delayed * rng.uniform(0.6, 1)
    return total
