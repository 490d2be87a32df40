"""Synthesises drums from falling sines and filtered noise. Keys are General MIDI's percussion notes."""

# ruff: noqa: E501  (tables read best with one row a line)
from __future__ import annotations

import numpy as np

from kobza.synth.notes import fade, noise
from kobza.synth.rhythms import DRUM_KEYS

VOICES = {key: name for name, key in DRUM_KEYS.items()}


def _skin(hertz: float, drop: float, fall: float, ring: float, rate: int) -> np.ndarray:
    """A membrane: a sine that falls from `drop` times `hertz` in about `fall` seconds and decays by 60 dB in `ring`."""
    t = np.arange(int(ring * rate)) / rate
    phase = np.cumsum(hertz * (1 + (drop - 1) * np.exp(-t / fall))) / rate
    return np.sin(2 * np.pi * phase) * 10 ** (-3 * t / ring)


def _hiss(low: float, high: float, ring: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Noise between two frequencies that decays by 60 dB in `ring` seconds."""
    length = int(ring * rate)
    return noise(length, low, min(high, 0.45 * rate), rate, rng) * 10 ** (-3 * np.arange(length) / length) * 0.35


def _metal(ring: float, rate: int, base: float = 540.0) -> np.ndarray:
    """Six inharmonic square waves through a high-pass filter, as analogue drum machines make cymbals."""
    length = int(ring * rate)
    t = np.arange(length) / rate
    clang = np.zeros(length)
    for ratio in (1.0, 1.34, 1.48, 1.93, 2.54, 2.98):
        clang += np.sign(np.sin(2 * np.pi * base * ratio * t))
    f = np.fft.rfftfreq(length, 1 / rate)
    clang = np.fft.irfft(np.fft.rfft(clang) / (1 + (6500 / np.maximum(f, 1)) ** 4), length)
    return 0.3 * clang / (clang.std() + 1e-9) * 10 ** (-3 * t / ring)


def _cymbal(ring: float, low: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A bronze cymbal: noise with a peak near `low` hertz whose high frequencies decay first."""
    length = int(ring * rate)
    t = np.arange(length) / rate
    f = np.fft.rfftfreq(length, 1 / rate)
    spectrum = np.fft.rfft(rng.standard_normal(length)) / np.sqrt(1 + (low / np.maximum(f, 200)) ** 3)
    bright = np.fft.irfft(spectrum, length) * 10 ** (-6 * t / ring)
    dark = np.fft.irfft(spectrum / (1 + (f / low) ** 2), length) * 10 ** (-3 * t / ring)
    return (bright + 0.6 * dark) * 0.4


def _mix(*parts: np.ndarray) -> np.ndarray:
    audio = np.zeros(max(map(len, parts)))
    for part in parts:
        audio[: len(part)] += part
    return audio


def _delay(audio: np.ndarray, seconds: float, rate: int) -> np.ndarray:
    return np.concatenate([np.zeros(int(seconds * rate)), audio])


TOM_HZ = {
    "floor": 72,
    "low": 95,
    "mid": 110,
    "high": 150,
    "conga_lo": 150,
    "conga": 200,
    "bongo_lo": 290,
    "bongo_hi": 380,
}
TICK_HZ = {"rim": 420, "claves": 2500, "block": 1100, "agogo": 900, "cowbell": 560}
# Seconds for 60 dB, and the spectrum's peak in Hz.
CYMBALS = {
    "hat": (0.28, 5500),
    "pedal": (0.15, 5000),
    "open": (2.2, 5000),
    "ride": (2.2, 4500),
    "bell": (1.8, 3500),
    "crash": (3.0, 3500),
}


def stroke(key: int, kit: str, rate: int, rng: np.random.Generator) -> np.ndarray:
    """One stroke, mono (samples,), peak 1. `kit` is acoustic or electronic."""
    voice = VOICES[key]
    electronic = kit == "electronic"
    if voice == "kick" and electronic:
        audio = _mix(_skin(48, 4.0, 0.035, 0.7, rate), 0.3 * _hiss(1500, 6000, 0.012, rate, rng))
    elif voice == "kick":
        audio = _mix(
            _skin(52, 1.8, 0.02, 0.3, rate),
            0.5 * _skin(105, 1.5, 0.01, 0.12, rate),
            0.25 * _hiss(600, 6000, 0.03, rate, rng),
        )
    elif voice in ("snare", "esnare"):
        skin = _mix(
            _skin(190, 1.25, 0.02, 0.3, rate),
            0.6 * _skin(335, 1.15, 0.02, 0.22, rate),
            0.3 * _skin(505, 1.1, 0.01, 0.15, rate),
        )
        wires = _mix(_hiss(400, 9000, 0.4, rate, rng), 0.8 * _hiss(1500, 14000, 0.12, rate, rng))
        audio = (
            _mix(0.5 * skin, 1.1 * _hiss(900, 11000, 0.22, rate, rng)) if electronic else _mix(0.7 * skin, 0.9 * wires)
        )
    elif voice in TICK_HZ:
        pitch = TICK_HZ[voice]
        audio = _mix(
            _skin(pitch, 1, 0.01, 0.09, rate),
            0.6 * _skin(pitch * 2.13, 1, 0.01, 0.06, rate),
            0.5 * _hiss(900, 8000, 0.03, rate, rng),
        )
    elif voice == "clap":
        burst = _hiss(900, 4500, 0.03, rate, rng)
        audio = _mix(
            burst,
            _delay(burst, 0.011, rate),
            _delay(burst, 0.023, rate),
            _delay(_hiss(900, 5000, 0.25, rate, rng), 0.033, rate),
        )
    elif voice in CYMBALS:
        ring, low = CYMBALS[voice]
        audio = _metal(min(ring / 3, 0.6), rate) if electronic and voice != "crash" else _cymbal(ring, low, rate, rng)
        audio = _mix(audio, 0.4 * _hiss(2000, 12000, 0.015, rate, rng))
    elif voice in TOM_HZ:
        pitch = TOM_HZ[voice]
        ring = 1.3 if pitch < 150 else 0.5
        audio = _mix(
            _skin(pitch, 1.3, 0.06, ring, rate),
            0.4 * _skin(pitch * 1.6, 1.1, 0.03, ring / 3, rate),
            0.6 * _hiss(200, 6000, 0.06, rate, rng),
        )
    else:  # shakers, tambourine, sleigh bells
        audio = _hiss(4000, 14000, 0.15 if voice in ("tambourine", "sleigh") else 0.07, rate, rng)
        audio = _mix(audio * fade(len(audio), int(0.008 * rate), 1), 0.2 * _metal(0.15, rate, 900))
    return audio / (np.abs(audio).max() + 1e-9)


# Level of each voice in the kit, and its position (-1 left, 1 right).
LEVELS = {"kick": 1.0, "snare": 0.75, "esnare": 0.75, "clap": 0.6, "hat": 0.22, "pedal": 0.15, "open": 0.25, "ride": 0.22, "crash": 0.4, "rim": 0.4}  # fmt: skip
PANS = {"hat": 0.3, "pedal": 0.3, "open": 0.3, "ride": -0.35, "crash": -0.25, "high": 0.3, "mid": 0.1, "low": -0.1, "floor": -0.3}  # fmt: skip
