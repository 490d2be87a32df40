"""The instruments of the synthetic pieces: how each makes a note (`notes.py`), its body filter and its panning."""

# ruff: noqa: E501  (tables read best with one row a line)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from kobza.synth.notes import bar_note, fft_size, string_note, sustained_note


@dataclass(frozen=True)
class Instrument:
    """How an instrument makes a note, and the filter of its body: `formants` over a flat response of `floor`."""

    caption_words: str
    play: Callable[..., np.ndarray]  # see `notes.py`
    register: tuple[int, int]  # lowest and highest MIDI note
    pan: float = 0.0  # -1 left, 1 right
    formants: tuple[tuple[float, float, float], ...] = ()  # Hz, width in Hz, gain
    floor: float = 1.0
    cut: tuple[float, float] = (30.0, 14000.0)  # pass band in Hz
    drive: float = 0.0  # gain of an overdriven amplifier; none where 0
    resonance: float = 0.0  # level of the body's dense resonances (0.12 s) relative to the string
    cache_notes: bool = False  # notes of equal pitch differ little, so each is synthesised once


def apply_body(track: np.ndarray, instrument: Instrument, rate: int) -> np.ndarray:
    """Filters a track (samples,) with the amplifier and the body; peak 1."""
    if instrument.drive:
        track = track / (np.abs(track).max() + 1e-9)
        track = np.tanh(instrument.drive * track + 0.1) - np.tanh(0.1)
    size = fft_size(len(track))
    f = np.fft.rfftfreq(size, 1 / rate)
    body: np.ndarray = np.full(len(f), instrument.floor)
    for center, width, gain in instrument.formants:
        body += gain / (1 + ((f - center) / width) ** 2)
    if instrument.resonance:
        length = int(0.12 * rate)
        ripple = np.random.default_rng(1).standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
        response = np.fft.rfft(ripple, size)
        body = body * (1 + instrument.resonance * response / np.sqrt(np.mean(np.abs(response) ** 2)))
    low, high = instrument.cut
    body /= np.sqrt((1 + (low / np.maximum(f, 1)) ** 6) * (1 + (f / high) ** 8))
    track = np.fft.irfft(np.fft.rfft(track, size) * body, size)[: len(track)]
    return track / (np.abs(track).max() + 1e-9)


def _saw(slope: float = 1.0, count: int = 60) -> tuple[float, ...]:
    """Levels of all harmonics, falling with the exponent `slope`."""
    return tuple(1 / k**slope for k in range(1, count + 1))


def _odd(slope: float = 1.0, count: int = 60, even: float = 0.0) -> tuple[float, ...]:
    """Levels of harmonics of which the even ones have the factor `even`."""
    return tuple((1.0 if k % 2 else even) / k**slope for k in range(1, count + 1))


def _bore(knee: float, count: int = 40) -> tuple[float, ...]:
    """Levels of a brass instrument's harmonics, which fall above number `knee`."""
    return tuple(1 / (1 + (k / knee) ** 2) for k in range(1, count + 1))


def _bell(*partials: tuple[float, float], ring: float) -> tuple[tuple[float, float, float], ...]:
    """Partials (frequency ratio, level) with decay times that fall with frequency from `ring` seconds."""
    return tuple((ratio, gain, ring / ratio**0.7) for ratio, gain in partials)


VIOLIN_BODY = ((280, 40, 1.2), (460, 60, 1.6), (700, 100, 0.8), (1150, 150, 0.8), (2600, 700, 1.6))
# Modes of a tubular bell: frequency relative to the note (an octave below the perceived pitch), level, seconds.
CHIME = (
    (0.62, 0.09, 5),
    (1.22, 0.16, 4),
    (1.98, 0.2, 8),
    (2.92, 0.6, 6),
    (4.02, 1, 4),
    (5.14, 0.5, 1.5),
    (5.24, 0.5, 3),
    (6.38, 0.15, 2),
    (6.58, 0.1, 2),
    (8.02, 0.12, 2),
    (9.54, 0.05, 1.5),
)
AH = ((720, 110, 3.0), (1100, 130, 3.0), (2800, 250, 1.2), (3400, 300, 0.6))
GUITAR_BODY = ((105, 25, 1.0), (210, 35, 1.0), (400, 120, 0.5), (2500, 900, 0.4))
CABINET = ((120, 60, 0.6), (2400, 900, 1.4))
SECTION_CENTS = (-11.0, -4.0, 3.0, 9.0)

INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument("piano", partial(string_note, ring=9, damp=900, fall=1.5, bright=3800, at=0.38, stiff=4e-4, struck=True, contact=0.0007, courses=(-0.6, 0.7), stop=0.37), (36, 88), resonance=0.32, cut=(80, 14000), cache_notes=True),
    "nylon guitar": Instrument("acoustic guitar", partial(string_note, ring=4, damp=1500, bright=1500, at=0.16, knock=0.06), (40, 76), 0.15, GUITAR_BODY, 0.6, (70, 8000), resonance=0.6, cache_notes=True),
    "steel guitar": Instrument("steel-string guitar", partial(string_note, ring=6, damp=1800, bright=1700, at=0.13, stiff=5e-5, knock=0.06), (40, 76), 0.2, GUITAR_BODY, 0.8, (70, 12000), resonance=0.6, cache_notes=True),
    "harp": Instrument("harp", partial(string_note, ring=2.5, damp=350, bright=1500, at=0.5, struck=True, contact=0.003, courses=(0.0, 0.3), stop=0.5), (36, 91), -0.15, resonance=0.3, cache_notes=True),
    "banjo": Instrument("banjo", partial(string_note, ring=3, damp=3000, bright=6000, at=0.08, knock=0.08), (50, 79), 0.25, ((450, 250, 1.0), (1700, 500, 1.0)), 0.6, (150, 9000), resonance=0.5, cache_notes=True),
    "kobza": Instrument("kobza, a Ukrainian lute,", partial(string_note, ring=4, damp=1500, bright=2000, at=0.15, courses=(-2.0, 2.5), knock=0.06), (43, 79), -0.1, GUITAR_BODY, 0.7, (70, 9000), resonance=0.6, cache_notes=True),
    "electric bass": Instrument("bass guitar", partial(string_note, ring=5, damp=500, bright=900, at=0.2, stop=0.05), (28, 50), 0.0, cut=(30, 3500), cache_notes=True),
    "double bass": Instrument("double bass", partial(string_note, ring=1.6, damp=300, bright=500, at=0.3, stop=0.1), (28, 50), 0.1, ((100, 40, 1.0),), cut=(30, 2500), cache_notes=True),
    "distorted guitar": Instrument("distorted electric guitar", partial(string_note, ring=6, damp=2500, bright=5000, at=0.1, stop=0.04), (40, 76), 0.2, CABINET, 0.5, (90, 5000), 20.0, cache_notes=True),
    "clean guitar": Instrument("electric guitar", partial(string_note, ring=4, damp=2000, bright=4500, at=0.13, stop=0.04), (45, 79), -0.25, ((2200, 800, 0.6),), 0.7, (100, 5500), 0.8, cache_notes=True),
    "violin": Instrument("violin", partial(sustained_note, dark=_saw(0.75), bright=_saw(1.3), attack=0.15, release=0.12, vibrato=18, speed=4.8, scoop=2, drift=1, breath=0.03), (55, 91), -0.2, VIOLIN_BODY, 0.16, (280, 3800)),
    "cello": Instrument("cello", partial(sustained_note, dark=_saw(0.8), bright=_saw(1.2), attack=0.12, release=0.15, vibrato=25, speed=4.8, scoop=2, drift=1, breath=0.05), (36, 67), 0.15, cut=(120, 3000), resonance=10.0),
    "strings": Instrument("string orchestra", partial(sustained_note, dark=_saw(0.8), bright=_saw(1.2), attack=0.12, release=0.25, vibrato=22, speed=5, drift=2, breath=0.05, players=SECTION_CENTS), (40, 88), cut=(150, 5000), resonance=8.0),
    "flute": Instrument("flute", partial(sustained_note, dark=_saw(1.9, 12), bright=_saw(1.4, 12), attack=0.12, release=0.08, vibrato=8, tremolo=0.28, speed=5.2, drift=1, breath=0.05, chiff=0.1, hiss=(1000, 5000)), (60, 93), -0.1),
    "clarinet": Instrument("clarinet", partial(sustained_note, dark=_odd(1.6, even=0.05), bright=_odd(1.0, even=0.3), attack=0.04, release=0.07, breath=0.01), (50, 84), 0.1, ((1500, 500, 0.6),), 0.8, (100, 6000)),
    "saxophone": Instrument("saxophone", partial(sustained_note, dark=_saw(1.2), bright=_saw(0.8), attack=0.05, release=0.08, vibrato=16, speed=5.0, scoop=30, breath=0.12, chiff=0.2), (49, 80), 0.1, ((400, 200, 2.0), (2050, 350, 2.0)), 0.25, (100, 7000)),
    "trumpet": Instrument("trumpet", partial(sustained_note, dark=_saw(0.6, 12), bright=_bore(8), attack=0.04, release=0.08, vibrato=7, speed=6.2, scoop=2, drift=1.7, breath=0.04, chiff=0.12), (55, 82), -0.15, ((1500, 700, 1.5),), 1.0, (300, 7100)),
    "trombone": Instrument("trombones", partial(sustained_note, dark=_saw(0.8, 12), bright=_bore(6), attack=0.05, release=0.09, vibrato=4, scoop=2, drift=1.7, breath=0.04, chiff=0.12), (40, 70), 0.2, ((700, 400, 1.0),), 1.0, (150, 6000)),
    "tuba": Instrument("tuba", partial(sustained_note, dark=_saw(1.2, 12), bright=_bore(4), attack=0.05, release=0.08, breath=0.02, chiff=0.1), (29, 53), 0.1, ((250, 150, 1.0),), 0.6, (40, 3000)),
    "accordion": Instrument("accordion", partial(sustained_note, dark=_saw(0.7, 40), attack=0.03, release=0.06, drift=1, breath=0.03, players=(-7.0, 7.0)), (48, 84), 0.0, ((900, 400, 0.8), (2500, 900, 0.6)), 0.6, (150, 9000)),
    "church organ": Instrument("church organ", partial(sustained_note, dark=_saw(1.6, 12), attack=0.05, release=0.25, drift=0.5, chiff=0.03, ranks=(0.5, 1.0, 2.002, 2.997, 4.003)), (36, 79)),
    "electric organ": Instrument("electric organ", partial(sustained_note, dark=(1, 1, 0.8, 0.6, 0, 0.3, 0, 0.5), attack=0.008, release=0.02, vibrato=9, tremolo=0.15, speed=6.6, drift=0, ranks=(0.5, 1.0)), (45, 79), 0.25, drive=1.2),
    "choir": Instrument("choir", partial(sustained_note, dark=_saw(0.9), attack=0.2, release=0.3, vibrato=60, speed=5.4, drift=25, breath=0.3, hiss=(500, 7000), players=(-15.0, -6.0, 4.0, 12.0)), (48, 79), 0.0, AH, 0.03, (200, 7000)),
    "soft choir": Instrument("softly singing choir", partial(sustained_note, dark=_saw(1.0), attack=0.25, release=0.35, vibrato=60, speed=5.2, drift=25, breath=0.3, hiss=(500, 7000), players=(-15.0, -6.0, 4.0, 12.0)), (48, 79), 0.0, AH, 0.03, (200, 6000)),
    "music box": Instrument("music box", partial(bar_note, partials=_bell((1, 1), (6.27, 0.25), (17.5, 0.06), ring=3.5), knock=0.03), (67, 96), cache_notes=True),
    "bells": Instrument("church bells", partial(bar_note, partials=CHIME, knock=0.1, longest=6.0), (53, 77), cache_notes=True),
    "vibraphone": Instrument("vibraphone", partial(bar_note, partials=_bell((1, 1), (3.98, 0.25), (10.1, 0.05), ring=5), tremolo=0.3, knock=0.02), (53, 84), -0.2, cache_notes=True),
    "marimba": Instrument("marimba", partial(bar_note, partials=((1, 1, 1.6), (3.93, 0.3, 0.5), (9.3, 0.1, 0.2)), knock=0.08, longest=2.0), (48, 84), -0.1, resonance=0.4, cache_notes=True),
    "glockenspiel": Instrument("glockenspiel", partial(bar_note, partials=_bell((1, 1), (2.76, 0.5), (5.4, 0.3), (8.93, 0.12), ring=3.5), knock=0.06), (72, 100), 0.2, cache_notes=True),
    "electric piano": Instrument("electric piano", partial(bar_note, partials=((1, 1, 4.0), (2, 0.3, 2.5), (3, 0.1, 1.5), (7.1, 0.12, 0.3)), knock=0.01, tremolo=0.1), (41, 84), 0.15, drive=1.0, cache_notes=True),
    "synth lead": Instrument("synthesizer lead", partial(sustained_note, dark=_saw(1.0), attack=0.008, release=0.08, vibrato=6, drift=0, decay=1.5, players=(-6.0, 6.0)), (55, 88), -0.1),
    "square lead": Instrument("square-wave synthesizer", partial(sustained_note, dark=_odd(1.0), attack=0.003, release=0.02, drift=0), (55, 91), 0.0),
    "synth pad": Instrument("synthesizer pad", partial(sustained_note, dark=_saw(1.9), bright=_saw(1.3), attack=0.8, release=1.0, drift=3, players=(-8.0, -2.0, 3.0, 8.0)), (40, 84), 0.0, cut=(60, 4500)),
    "synth bass": Instrument("synth bass", partial(sustained_note, dark=_saw(1.8), bright=_saw(0.9), attack=0.004, release=0.03, drift=0, decay=0.25), (28, 50), 0.0, cut=(30, 4000)),
    "sub bass": Instrument("sub-bass", partial(sustained_note, dark=(1, 0.25, 0.1, 0.05), attack=0.006, release=0.05, drift=0, decay=0.9), (26, 45), 0.0, cut=(25, 1500), drive=1.5),
}  # fmt: skip
