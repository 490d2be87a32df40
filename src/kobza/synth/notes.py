"""Single notes in numpy, by the physics that makes an instrument recognisable.

- `string`: plucked and struck strings, Karplus and Strong's loop (Computer Music Journal 7(2), 1983) with stiffness.
- `tone`: a wave cycle of given harmonics with vibrato: bowed, blown, sung, reeds, organ pipes, synthesisers.
- `bars`: a sum of decaying inharmonic partials: bells, music box, vibraphone, marimba.

Every one takes (hertz, seconds until the key is let go, loudness in 0..1, sampling rate, generator) and returns a mono
float array with the release at its end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fft_size(n: int) -> int:
    """The next size that is quick to transform: 1, 3 or 5 times a power of two."""
    return min(odd << max(-(-n // odd) - 1, 0).bit_length() for odd in (1, 3, 5))


def fade(length: int, attack: int, release: int) -> np.ndarray:
    """An envelope of `length` samples that rises and falls like half a cosine."""
    envelope = np.ones(length)
    attack, release = min(attack, length), min(release, length)
    envelope[:attack] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(attack) + 0.5) / attack)
    envelope[length - release :] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(release) + 0.5) / release)
    return envelope


def noise(length: int, low: float, high: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit loudness between two frequencies, with soft edges (third order)."""
    size = fft_size(length)
    f = np.fft.rfftfreq(size, 1 / rate)
    shape = 1 / np.sqrt((1 + (low / np.maximum(f, 1)) ** 6) * (1 + (f / high) ** 6))
    made = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * shape, size)[:length]
    return made / (made.std() + 1e-9)


def string(
    hertz: float, seconds: float, loud: float, rate: int, rng: np.random.Generator, *,
    ring: float = 3.0, damp: float = 2500.0, fall: float = 1.0, bright: float = 4000.0, at: float = 0.2,
    stiff: float = 0.0, struck: bool = False, contact: float = 0.0035, knock: float = 0.0,
    courses: Sequence[float] = (0.0,), stop: float = 0.08, longest: float = 4.0,
) -> np.ndarray:  # fmt: skip
    """A plucked or struck string: an excitation E that comes back after every period, Y = E / (1 - H).

    The loop's H delays by one period (a stiff string's partials, k sqrt(1 + stiff k^2), by a phase of its own) and
    loses what makes the sound die: `ring` seconds for 60 dB, half of it at `damp` hertz, ever less above (`fall`, an
    exponent). All is solved at once in the frequency domain, on a circle outside the unit circle so that the
    transform's end does not wrap to its beginning. E: Karplus and Strong's period of noise below `bright` hertz, or if
    `struck` the push of a hammer in `contact` for some seconds; no partial that has a node `at` this part of the length
    sounds. `knock`: the noise of the stroke itself. `courses`: cents by which strings of one note differ.
    """
    length = int(min(seconds + stop, longest) * rate)
    size = fft_size(int(length * 1.1) + 256)
    sigma = 5.0 * rate / size
    f = np.fft.rfftfreq(size, 1 / rate) - 1j * sigma / (2 * np.pi)
    bright = bright * (0.35 + 0.9 * loud)
    if struck:
        width = contact * (110 / hertz) ** 0.35 * (1.3 - 0.6 * loud)  # seconds the hammer stays on the string
        push = np.sin(np.pi * np.arange(max(int(width * rate), 4)) / max(int(width * rate), 4))
    else:
        push = rng.uniform(-1, 1, max(int(rate / hertz), 8)) + 2.0 * (np.arange(max(int(rate / hertz), 8)) < 3)
    push = np.fft.rfft(push, size) / (1 + 1j * f / bright)
    total = np.zeros(size // 2 + 1, complex)
    for n, cents in enumerate(courses):
        h = hertz * 2 ** (cents / 1200)
        k = np.sqrt((np.sqrt(1 + 4 * stiff * (f / h) ** 2) - 1) / (2 * stiff)) if stiff else f / h
        seconds60 = ring * (1 + 0.7 * n) / (1 + (np.abs(f) / damp) ** fall)
        loop = 10 ** (-3 / (h * seconds60)) * np.exp(-2j * np.pi * k)
        total += push * (1 - np.exp(-2j * np.pi * k * at)) / (1 - loop) / (1 + n)
    total[np.abs(f) < 0.5 * hertz] = 0  # a string has no standing displacement
    sound = np.fft.irfft(total, size)[:length] * np.exp(sigma * np.arange(length) / rate)
    sound /= np.abs(sound).max() + 1e-9
    if knock:
        t = np.arange(length) / rate
        sound += knock * loud * noise(length, 150, 7000, rate, rng) * np.exp(-t / 0.015)
    sound *= fade(length, int(0.001 * rate), int(stop * rate))
    return loud * sound / (np.abs(sound).max() + 1e-9)


def cycle(harmonics: Sequence[float] | np.ndarray, hertz: float, rate: int) -> np.ndarray:
    """One cycle of a wave, 2048 samples and one more to close it, of the harmonics that fit under half the rate."""
    fits = np.asarray(harmonics, float)[: max(int(0.45 * rate / hertz), 1)]
    phases = 1j * np.pi * np.arange(len(fits)) ** 2 / max(len(fits), 1)  # Schroeder: a low crest
    wave = np.fft.irfft(np.concatenate([[0], fits * np.exp(phases)]), 2048)
    return np.append(wave, wave[0]) / (np.sqrt(np.mean(wave**2)) + 1e-9)


def glide(length: int, knots: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A slow random walk of unit size with `knots` turns a second: no hand and no breath is quite steady."""
    count = max(int(length / rate * knots) + 2, 3)
    return np.interp(np.arange(length), np.linspace(0, length, count), rng.standard_normal(count))


def tone(
    hertz: float, seconds: float, loud: float, rate: int, rng: np.random.Generator, *,
    dark: Sequence[float], bright: Sequence[float] | None = None, attack: float = 0.05, release: float = 0.1,
    vibrato: float = 0.0, tremolo: float = 0.0, speed: float = 5.5, scoop: float = 0.0, drift: float = 2.0,
    breath: float = 0.0, hiss: tuple[float, float] = (200, 8000), chiff: float = 0.0, decay: float = 0.0,
    players: Sequence[float] = (0.0,), ranks: Sequence[float] = (1.0,),
) -> np.ndarray:  # fmt: skip
    """A held note. Its harmonics go from `dark` to `bright` as it swells; `decay` seconds let it fall again.

    `vibrato` and `drift` in cents, `tremolo` and `breath` as parts of the loudness, `scoop` cents below at the start,
    `chiff` a puff of noise at the start. `players`: cents of each of several players, `ranks`: pitches of one player's
    pipes over the note's own.
    """
    length = int((seconds + release) * rate)
    t = np.arange(length) / rate
    envelope = fade(length, int(attack * rate), int(release * rate))
    swell = envelope * (1 - 0.15 * np.exp(-t / 0.3)) * (0.5 + 0.5 * loud)
    if decay:
        swell = swell * np.exp(-t / decay)
    sound = np.zeros(length)
    for cents in players:
        rise = np.minimum(t / 0.5, 1.0)  # vibrato begins when the note stands
        wobble = np.sin(2 * np.pi * speed * rng.uniform(0.92, 1.08) * t + rng.uniform(0, 6.28)) * rise
        bend = cents + vibrato * wobble + drift * glide(length, 4, rate, rng) - scoop * np.exp(-t / 0.05)
        late = int(rng.uniform(0, 0.03) * rate) if len(players) > 1 else 0
        for rank in ranks:
            phase = rng.random() + np.cumsum(hertz * rank * 2 ** (bend / 1200)) / rate
            place = (phase % 1.0) * 2048
            low = place.astype(np.int32)
            part = place - low
            first = cycle(dark, hertz * rank, rate)
            wave = first[low] * (1 - part) + first[low + 1] * part
            if bright is not None:
                second = cycle(bright, hertz * rank, rate)
                wave = wave * (1 - swell) + swell * (second[low] * (1 - part) + second[low + 1] * part)
            wave *= 1 + tremolo * wobble + 0.05 * glide(length, 8, rate, rng)
            sound[late:] += wave[: length - late]
    sound *= envelope * (np.exp(-t / (2 * decay)) if decay else 1.0) / np.sqrt(len(players) * len(ranks))
    if breath or chiff:
        puff = breath * envelope + chiff * np.exp(-t / 0.04) * np.minimum(t / 0.008, 1)
        sound += noise(length, *hiss, rate, rng) * puff
    return loud * sound * 0.3


def bars(
    hertz: float, seconds: float, loud: float, rate: int, rng: np.random.Generator, *,
    partials: Sequence[tuple[float, float, float]], knock: float = 0.0, tremolo: float = 0.0, longest: float = 4.0,
) -> np.ndarray:  # fmt: skip
    """A struck bar or bell: (frequency over the note's, loudness, seconds for 60 dB) of each partial."""
    length = int(longest * rate)
    t = np.arange(length) / rate
    sound = np.zeros(length)
    for ratio, gain, ring in partials:
        if hertz * ratio < 0.45 * rate:
            until = min(int(ring * 1.2 * rate), length)
            s = t[:until]
            sound[:until] += gain * np.sin(2 * np.pi * hertz * ratio * s + rng.uniform(0, 1)) * 10 ** (-3 * s / ring)
    if knock:
        sound += knock * noise(length, 300, 5000, rate, rng) * np.exp(-t / 0.006)
    sound *= fade(length, int(0.001 * rate), int(0.1 * rate)) * (1 + tremolo * np.sin(2 * np.pi * 5 * t))
    return loud * sound / (np.abs(sound).max() + 1e-9)
