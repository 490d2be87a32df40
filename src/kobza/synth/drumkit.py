"""A drum kit in numpy: each stroke from falling sines and coloured noise. Keys are General MIDI's percussion notes."""

# ruff: noqa: E501  (tables read best with one row a line)
from __future__ import annotations

import numpy as np

from kobza.synth.notes import fade, noise
from kobza.synth.rhythms import DRUM_KEYS

VOICES = {key: name for name, key in DRUM_KEYS.items()}


def _skin(hertz: float, drop: float, fall: float, ring: float, rate: int) -> np.ndarray:
    """A struck skin: a sine that falls from `drop` times `hertz` within `fall` seconds and dies by 60 dB in `ring`."""
    t = np.arange(int(ring * rate)) / rate
    phase = np.cumsum(hertz * (1 + (drop - 1) * np.exp(-t / fall))) / rate
    return np.sin(2 * np.pi * phase) * 10 ** (-3 * t / ring)


def _hiss(low: float, high: float, ring: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    length = int(ring * rate)
    return noise(length, low, min(high, 0.45 * rate), rate, rng) * 10 ** (-3 * np.arange(length) / length) * 0.35


def _metal(ring: float, rate: int, rng: np.random.Generator, base: float = 540.0) -> np.ndarray:
    """Six square waves of no common pitch, as an analogue drum machine makes cymbals, through a high-pass."""
    length = int(ring * rate)
    t = np.arange(length) / rate
    clang = sum(np.sign(np.sin(2 * np.pi * base * r * t)) for r in (1.0, 1.34, 1.48, 1.93, 2.54, 2.98))
    size = len(clang)
    f = np.fft.rfftfreq(size, 1 / rate)
    clang = np.fft.irfft(np.fft.rfft(clang) / (1 + (6500 / np.maximum(f, 1)) ** 4), size)
    return 0.3 * clang / (clang.std() + 1e-9) * 10 ** (-3 * t / ring)


def _cymbal(ring: float, low: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Bronze: noise that rises by 6 dB an octave up to `low` hertz and dies first at the top; a stick's tick on it."""
    length = int(ring * rate)
    t = np.arange(length) / rate
    f = np.fft.rfftfreq(length, 1 / rate)
    spectrum = np.fft.rfft(rng.standard_normal(length)) / np.sqrt(1 + (low / np.maximum(f, 200)) ** 3)
    bright = np.fft.irfft(spectrum, length) * 10 ** (-6 * t / ring)
    dark = np.fft.irfft(spectrum / (1 + (f / low) ** 2), length) * 10 ** (-3 * t / ring)
    return (bright + 0.6 * dark) * 0.4


def _mix(*parts: np.ndarray) -> np.ndarray:
    sound = np.zeros(max(map(len, parts)))
    for part in parts:
        sound[: len(part)] += part
    return sound


def _late(sound: np.ndarray, seconds: float, rate: int) -> np.ndarray:
    return np.concatenate([np.zeros(int(seconds * rate)), sound])


TOMS = {
    "floor": 72,
    "low": 95,
    "mid": 110,
    "high": 150,
    "conga_lo": 150,
    "conga": 200,
    "bongo_lo": 290,
    "bongo_hi": 380,
}
TICKS = {"rim": 420, "claves": 2500, "block": 1100, "agogo": 900, "cowbell": 560}
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
    voice, machine = VOICES[key], kit == "electronic"
    if voice == "kick" and machine:
        sound = _mix(_skin(48, 4.0, 0.035, 0.7, rate), 0.3 * _hiss(1500, 6000, 0.012, rate, rng))
    elif voice == "kick":
        sound = _mix(
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
        sound = _mix(0.5 * skin, 1.1 * _hiss(900, 11000, 0.22, rate, rng)) if machine else _mix(0.7 * skin, 0.9 * wires)
    elif voice in TICKS:
        pitch = TICKS[voice]
        sound = _mix(
            _skin(pitch, 1, 0.01, 0.09, rate),
            0.6 * _skin(pitch * 2.13, 1, 0.01, 0.06, rate),
            0.5 * _hiss(900, 8000, 0.03, rate, rng),
        )
    elif voice == "clap":
        burst = _hiss(900, 4500, 0.03, rate, rng)
        sound = _mix(
            burst,
            _late(burst, 0.011, rate),
            _late(burst, 0.023, rate),
            _late(_hiss(900, 5000, 0.25, rate, rng), 0.033, rate),
        )
    elif voice in CYMBALS:
        ring, low = CYMBALS[voice]
        sound = _metal(min(ring / 3, 0.6), rate, rng) if machine and voice != "crash" else _cymbal(ring, low, rate, rng)
        sound = _mix(sound, 0.4 * _hiss(2000, 12000, 0.015, rate, rng))
    elif voice in TOMS:
        pitch, ring = TOMS[voice], 1.3 if TOMS[voice] < 150 else 0.5
        sound = _mix(
            _skin(pitch, 1.3, 0.06, ring, rate),
            0.4 * _skin(pitch * 1.6, 1.1, 0.03, ring / 3, rate),
            0.6 * _hiss(200, 6000, 0.06, rate, rng),
        )
    else:  # shaken and rattled things
        sound = _hiss(4000, 14000, 0.15 if voice in ("tambourine", "sleigh") else 0.07, rate, rng)
        sound = _mix(sound * fade(len(sound), int(0.008 * rate), 1), 0.2 * _metal(0.15, rate, rng, 900))
    return sound / (np.abs(sound).max() + 1e-9)


# How loud each voice stands in the kit, and where (-1 left, 1 right).
LEVELS = {"kick": 1.0, "snare": 0.75, "esnare": 0.75, "clap": 0.6, "hat": 0.22, "pedal": 0.15, "open": 0.25, "ride": 0.22, "crash": 0.4, "rim": 0.4}  # fmt: skip
PANS = {"hat": 0.3, "pedal": 0.3, "open": 0.3, "ride": -0.35, "crash": -0.25, "high": 0.3, "mid": 0.1, "low": -0.1, "floor": -0.3}  # fmt: skip
