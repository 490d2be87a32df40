"""Synthesises single notes with simple physical models.

- `string_note`: plucked and struck strings, by Karplus and Strong (Computer Music Journal 7(2), 1983) with stiffness.
- `sustained_note`: a wave cycle of given harmonics with vibrato: bowed, blown, sung, reeds, organ pipes, synthesisers.
- `bar_note`: a sum of decaying inharmonic partials: bells, music box, vibraphone, marimba.

Each takes (hertz, seconds until the release, loudness in 0..1, sampling rate, generator) and returns a mono float array
that includes the release.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fft_size(n: int) -> int:
    """The next size with a fast transform: 1, 3 or 5 times a power of two.

    >>> fft_size(1000), fft_size(1100)
    (1024, 1280)
    """
    return min(odd << max(-(-n // odd) - 1, 0).bit_length() for odd in (1, 3, 5))


def fade(length: int, attack: int, release: int) -> np.ndarray:
    """An envelope of `length` samples with raised-cosine attack and release, in samples."""
    envelope = np.ones(length)
    attack, release = min(attack, length), min(release, length)
    envelope[:attack] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(attack) + 0.5) / attack)
    envelope[length - release :] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(release) + 0.5) / release)
    return envelope


def noise(length: int, low: float, high: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit deviation between two frequencies, with third-order slopes."""
    size = fft_size(length)
    f = np.fft.rfftfreq(size, 1 / rate)
    shape = 1 / np.sqrt((1 + (low / np.maximum(f, 1)) ** 6) * (1 + (f / high) ** 6))
    filtered = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * shape, size)[:length]
    return filtered / (filtered.std() + 1e-9)


def string_note(
    hertz: float, seconds: float, loudness: float, rate: int, rng: np.random.Generator, *,
    ring: float = 3.0, damp: float = 2500.0, fall: float = 1.0, bright: float = 4000.0, at: float = 0.2,
    stiff: float = 0.0, struck: bool = False, contact: float = 0.0035, knock: float = 0.0,
    courses: Sequence[float] = (0.0,), stop: float = 0.08, longest: float = 4.0,
) -> np.ndarray:  # fmt: skip
    """A plucked or struck string: an excitation E in a feedback loop H of one period, Y = E / (1 - H).

    H delays by one period (with the phase of a stiff string, whose partials are k sqrt(1 + stiff k^2)) and damps: 60 dB
    in `ring` seconds, half of that at `damp` hertz, falling above with the exponent `fall`. Y is computed in the
    frequency domain, on a circle outside the unit circle to avoid time aliasing. E is a period of noise, low-passed at
    `bright` hertz, or if `struck` the pulse of a hammer that touches the string for about `contact` seconds, at the
    fraction `at` of the length; partials with a node there are silent.

    Args:
        knock: level of the noise of the stroke itself.
        courses: detuning in cents of the strings of one note.
        stop: seconds of the release. longest: seconds after which a note is cut.
    """
    length = int(min(seconds + stop, longest) * rate)
    size = fft_size(int(length * 1.1) + 256)
    sigma = 5.0 * rate / size
    f = np.fft.rfftfreq(size, 1 / rate) - 1j * sigma / (2 * np.pi)
    bright = bright * (0.35 + 0.9 * loudness)
    if struck:
        width = contact * (110 / hertz) ** 0.35 * (1.3 - 0.6 * loudness)  # seconds of contact
        samples = max(int(width * rate), 4)
        pulse = np.sin(np.pi * np.arange(samples) / samples)
    else:
        samples = max(int(rate / hertz), 8)
        pulse = rng.uniform(-1, 1, samples) + 2.0 * (np.arange(samples) < 3)
    excitation = np.fft.rfft(pulse, size) / (1 + 1j * f / bright)
    total = np.zeros(size // 2 + 1, complex)
    for n, cents in enumerate(courses):
        h = hertz * 2 ** (cents / 1200)
        k = np.sqrt((np.sqrt(1 + 4 * stiff * (f / h) ** 2) - 1) / (2 * stiff)) if stiff else f / h
        decay_seconds = ring * (1 + 0.7 * n) / (1 + (np.abs(f) / damp) ** fall)
        loop = 10 ** (-3 / (h * decay_seconds)) * np.exp(-2j * np.pi * k)
        total += excitation * (1 - np.exp(-2j * np.pi * k * at)) / (1 - loop) / (1 + n)
    total[np.abs(f) < 0.5 * hertz] = 0  # no constant displacement
    audio = np.fft.irfft(total, size)[:length] * np.exp(sigma * np.arange(length) / rate)
    audio /= np.abs(audio).max() + 1e-9
    if knock:
        t = np.arange(length) / rate
        audio += knock * loudness * noise(length, 150, 7000, rate, rng) * np.exp(-t / 0.015)
    audio *= fade(length, int(0.001 * rate), int(stop * rate))
    return loudness * audio / (np.abs(audio).max() + 1e-9)


def cycle(harmonics: Sequence[float] | np.ndarray, hertz: float, rate: int) -> np.ndarray:
    """One cycle of a wave, 2048 samples and the first again, of the harmonics below the Nyquist frequency."""
    fits = np.asarray(harmonics, float)[: max(int(0.45 * rate / hertz), 1)]
    phases = 1j * np.pi * np.arange(len(fits)) ** 2 / max(len(fits), 1)  # Schroeder phases: a low crest factor
    wave = np.fft.irfft(np.concatenate([[0], fits * np.exp(phases)]), 2048)
    return np.append(wave, wave[0]) / (np.sqrt(np.mean(wave**2)) + 1e-9)


def glide(length: int, knots: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Slow random variation of unit deviation with `knots` points a second, for unsteady pitch and level."""
    count = max(int(length / rate * knots) + 2, 3)
    return np.interp(np.arange(length), np.linspace(0, length, count), rng.standard_normal(count))


def sustained_note(
    hertz: float, seconds: float, loudness: float, rate: int, rng: np.random.Generator, *,
    dark: Sequence[float], bright: Sequence[float] | None = None, attack: float = 0.05, release: float = 0.1,
    vibrato: float = 0.0, tremolo: float = 0.0, speed: float = 5.5, scoop: float = 0.0, drift: float = 2.0,
    breath: float = 0.0, hiss: tuple[float, float] = (200, 8000), chiff: float = 0.0, decay: float = 0.0,
    players: Sequence[float] = (0.0,), ranks: Sequence[float] = (1.0,),
) -> np.ndarray:  # fmt: skip
    """A sustained note, whose harmonics move from `dark` to `bright` with the loudness.

    Args:
        attack, release, decay: seconds; no decay where 0. speed: of the vibrato in Hz.
        vibrato, drift, scoop: in cents; the scoop is below the pitch at the start.
        tremolo, breath, chiff: relative to the loudness; breath is noise in the band `hiss`, chiff noise at the start.
        players: detuning in cents of several players. ranks: pitches of an organ's pipes relative to the note.
    """
    length = int((seconds + release) * rate)
    t = np.arange(length) / rate
    envelope = fade(length, int(attack * rate), int(release * rate))
    swell = envelope * (1 - 0.15 * np.exp(-t / 0.3)) * (0.5 + 0.5 * loudness)
    if decay:
        swell = swell * np.exp(-t / decay)
    audio = np.zeros(length)
    for cents in players:
        rise = np.minimum(t / 0.5, 1.0)  # vibrato starts late
        wobble = np.sin(2 * np.pi * speed * rng.uniform(0.92, 1.08) * t + rng.uniform(0, 6.28)) * rise
        bend = cents + vibrato * wobble + drift * glide(length, 4, rate, rng) - scoop * np.exp(-t / 0.05)
        late = int(rng.uniform(0, 0.03) * rate) if len(players) > 1 else 0
        for rank in ranks:
            phase = rng.random() + np.cumsum(hertz * rank * np.exp2(bend / 1200)) / rate
            position = (phase - np.floor(phase)) * 2048  # a quarter of the time of `phase % 1`
            low = position.astype(np.int32)
            fraction = position - low
            first = cycle(dark, hertz * rank, rate)
            wave = first[low] * (1 - fraction) + first[low + 1] * fraction
            if bright is not None:
                second = cycle(bright, hertz * rank, rate)
                wave = wave * (1 - swell) + swell * (second[low] * (1 - fraction) + second[low + 1] * fraction)
            wave *= 1 + tremolo * wobble + 0.05 * glide(length, 8, rate, rng)
            audio[late:] += wave[: length - late]
    audio *= envelope * (np.exp(-t / (2 * decay)) if decay else 1.0) / np.sqrt(len(players) * len(ranks))
    if breath or chiff:
        level = breath * envelope + chiff * np.exp(-t / 0.04) * np.minimum(t / 0.008, 1)
        audio += noise(length, *hiss, rate, rng) * level
    return loudness * audio * 0.3


def bar_note(
    hertz: float, seconds: float, loudness: float, rate: int, rng: np.random.Generator, *,
    partials: Sequence[tuple[float, float, float]], knock: float = 0.0, tremolo: float = 0.0, longest: float = 4.0,
) -> np.ndarray:  # fmt: skip
    """A struck bar or bell; `partials` are (frequency relative to the note, level, seconds for 60 dB)."""
    length = int(longest * rate)
    t = np.arange(length) / rate
    audio = np.zeros(length)
    for ratio, gain, ring in partials:
        if hertz * ratio < 0.45 * rate:
            end = min(int(ring * 1.2 * rate), length)
            s = t[:end]
            audio[:end] += gain * np.sin(2 * np.pi * hertz * ratio * s + rng.uniform(0, 1)) * 10 ** (-3 * s / ring)
    if knock:
        audio += knock * noise(length, 300, 5000, rate, rng) * np.exp(-t / 0.006)
    audio *= fade(length, int(0.001 * rate), int(0.1 * rate)) * (1 + tremolo * np.sin(2 * np.pi * 5 * t))
    return loudness * audio / (np.abs(audio).max() + 1e-9)
