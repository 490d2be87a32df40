"""Synthesises singing: speakers (`SINGER_PACKAGES` of `fetching.py`) sing the melodies of songs in MIDI.

    speech --WORLD--> syllables: envelope, aperiodicity, pitch  \
    song --arrange--> melody, accompaniment                      --> voice (or choir) --> mixed with the accompaniment
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchaudio.functional as AF

from kobza.distill.corpus.arranging import (
    Track,
    arrange,
    draw_weighted,
    instrument_names,
    reduce_to_monophonic,
)
from kobza.distill.corpus.midi import (
    MAX_SILENT_PEAK,
    SoundfontPlayer,
    add_reverb,
    maybe_add_reverb,
    read_archive,
    read_song,
)
from kobza.distill.corpus.styles import STYLES, ArrangementStyle, Layer
from kobza.distill.corpus.syllables import VOCODER_RATE, SpeakerPool, Voice
from kobza.distill.corpus.voice_synthesis import (
    LEVEL,
    VoiceStyle,
    high_overtones,
    join_notes,
    loudness,
    multiply_voice,
    synthesize_line,
)
from kobza.synth.rhythms import Note

PART_RHYTHMS = ("melody", "3-------5-------", "1-------3-------")  # what the parts of a choir sing
CHOIR_PROGRAM = 52  # General MIDI; only its notes are used
MAN, WOMAN, CHILD = Voice
Register = tuple[int, int]  # lowest and highest MIDI note


@dataclass(frozen=True)
class Singer:
    """A soloist or an ensemble."""

    name: str
    voices: tuple[Voice, ...]
    registers: tuple[Register, ...]  # one for each of `voices`
    styles: tuple[str, ...] = ()  # of the accompaniment; empty: any
    vibrato_cents: tuple[float, float] = (15.0, 100.0)
    singers_formant_db: float = 0.0
    parts: int = 1  # voices in harmony
    singers_per_part: int = 1
    a_cappella_share: float = 0.2  # how often without accompaniment
    reverb_seconds: tuple[float, float] = (0.4, 2.0)
    weight: float = 1.0  # how often it is drawn


_CHOIRS = (
    *("church organ", "a cappella choir", "gospel", "orchestra"),
    *("string orchestra", "film", "christmas", "ambient"),
)
_CLASSICAL = ("orchestra", "string orchestra", "string quartet", "church organ", "piano trio", "duet", "film", "waltz")
BASS, TENOR, ALTO, SOPRANO = (45, 64), (48, 67), (57, 76), (60, 79)
TREBLE = (62, 79)
SINGERS = (
    Singer("man", (MAN,), (TENOR,), weight=6),
    Singer("woman", (WOMAN,), (ALTO,), weight=7),
    Singer("child", (CHILD,), (TREBLE,), vibrato_cents=(0, 60), weight=2.5),
    Singer("opera", (MAN, WOMAN), (TENOR, (62, 81)), _CLASSICAL, (70, 130), 10.0, reverb_seconds=(1.0, 2.5), weight=2),
    Singer("choir", (MAN, WOMAN, WOMAN), (BASS, ALTO, SOPRANO), _CHOIRS, (15, 70), 2.0, 3, 4, 0.35, (1.2, 3.5), 3),
    Singer("children's choir", (CHILD,), (TREBLE,), (*_CHOIRS, "march"), (0, 50), 0.0, 2, 4, 0.3, (0.8, 2.5), 1),
    Singer("crowd", (MAN, WOMAN), (BASS, ALTO), (), (0, 60), 0.0, 1, 6, 0.2, (0.5, 2.0), 1),
    Singer("chant", (MAN,), ((43, 60),), ("ambient", "church organ"), (0, 15), 0.0, 1, 5, 0.8, (2.0, 4.0), 1),
)


def assign_parts(singer: Singer, rng: np.random.Generator) -> list[tuple[Voice, Register]]:
    """The voice and register of each part; the first has the melody and is the highest of a choir."""
    if singer.parts == 1:
        index = int(rng.integers(len(singer.voices)))
        return [(singer.voices[index], singer.registers[index])]
    indices = [len(singer.voices) - 1 - part % len(singer.voices) for part in range(singer.parts)]
    return [(singer.voices[index], singer.registers[index]) for index in indices]


def replace_melody(style: ArrangementStyle, parts: list[tuple[Voice, Register]]) -> ArrangementStyle:
    """The style without its own melody, and with the sung parts as its last layers."""
    sung = tuple(
        Layer((CHOIR_PROGRAM,), PART_RHYTHMS[i % len(PART_RHYTHMS)], register=register)
        for i, (_, register) in enumerate(parts)
    )
    return replace(style, layers=tuple(layer for layer in style.layers if layer.plays != "melody") + sung)


def sing_parts(
    singer: Singer,
    parts: list[tuple[Voice, list[Note]]],
    speakers: SpeakerPool,
    seconds: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """All `parts` (voice, notes in seconds), each sung by `singers_per_part`: (samples,) at 24 kHz."""
    total = np.zeros(round(seconds * VOCODER_RATE), np.float32)
    # A single part of several singers is synthesised twice, so that its copies are not all alike.
    lines = 2 if singer.singers_per_part > 1 and len(parts) == 1 else 1
    for voice, notes in parts:
        if not notes:
            continue
        syllable_notes = join_notes(notes, rng)
        speech = speakers.sample(len(syllable_notes), rng)
        style = VoiceStyle(voice, singer.vibrato_cents, singer.singers_formant_db)
        for _ in range(lines):
            line = synthesize_line(notes, syllable_notes, speech, style, seconds, rng)
            total += multiply_voice(line, singer.singers_per_part // lines, rng) * rng.uniform(0.6, 1.0)
    return total


def _record_voices(
    voices: np.ndarray, reverb_seconds: tuple[float, float], sampling_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Resamples voices from 24 kHz and adds reverberation, overtones and noise, as in a recording; at `LEVEL`."""
    voices = AF.resample(torch.from_numpy(voices), VOCODER_RATE, sampling_rate).numpy()
    voices = add_reverb(voices, float(rng.uniform(*reverb_seconds)), float(rng.uniform(0.08, 0.5)), sampling_rate, rng)
    voices += high_overtones(voices, sampling_rate) * rng.choice([0.0, rng.uniform(0.1, 0.5)])
    voices *= LEVEL / max(loudness(voices), 1e-5)
    noise_level = LEVEL * 10 ** (rng.uniform(-70, -30) / 20)
    return voices + (noise_level * rng.standard_normal(len(voices))).astype(np.float32)


def _notes_in_seconds(track: Track, bpm: float, seconds: float) -> list[Note]:
    """The track's monophonic notes in seconds, except those that begin at the very end."""
    beat = 60 / bpm
    return [
        n._replace(start=n.start * beat, length=n.length * beat)
        for n in reduce_to_monophonic(track.notes)
        if n.start * beat < seconds - 0.1
    ]


def _play_accompaniment(
    player: SoundfontPlayer,
    tracks: list[Track],
    drums: list[Note],
    kit: int,
    bpm: float,
    seconds: float,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """The accompaniment, 1 to 13 dB below the voices; None if it is silent."""
    audio = player.play(tracks, drums, kit, bpm, seconds)
    if np.abs(audio).max(initial=0) <= MAX_SILENT_PEAK:  # only the melody plays, or the soundfont lacks a program
        return None
    audio = maybe_add_reverb(audio, player.sampling_rate, rng)
    return audio * (LEVEL / max(loudness(audio), 1e-5) * 10 ** (-rng.uniform(1, 13) / 20))


def render_singing(
    n: int,
    seed: int,
    speakers: SpeakerPool,
    midi_archive: Path,
    soundfont: Path,
    seconds: float = 10.0,
    sampling_rate: int = 32000,
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Yields `n` pairs of metadata and audio, mono float32 (seconds * sampling_rate,); deterministic for a seed.

    The metadata are `arrange`'s, with singer, song, kit and peak; `instruments` is empty for singing without
    accompaniment. Raises ValueError where the archive holds no MIDI file, or no speaker a usable vowel.
    """
    rng = np.random.default_rng(seed)
    files = read_archive(midi_archive)
    names = sorted(files)
    player = SoundfontPlayer(soundfont, sampling_rate)
    rendered = 0
    while rendered < n:
        singer = draw_weighted(SINGERS, rng)
        style = draw_weighted([s for s in STYLES if s.name in singer.styles or not singer.styles], rng)
        parts = assign_parts(singer, rng)
        name = names[rng.integers(len(names))]
        metadata, tracks, drums = arrange(read_song(files[name]), replace_melody(style, parts), seconds, rng)
        kit = int(rng.choice(style.kits))
        bpm = metadata["tempo"]
        tracks, sung_tracks = tracks[: -len(parts)], tracks[-len(parts) :]
        sung = [_notes_in_seconds(track, bpm, seconds) for track in sung_tracks]
        a_cappella = rng.random() < singer.a_cappella_share
        if sum(note.length for note in sung[0]) < seconds / 3:  # hardly any melody in this excerpt
            continue
        voiced_parts = [(voice, notes) for (voice, _), notes in zip(parts, sung, strict=True)]
        voices = sing_parts(singer, voiced_parts, speakers, seconds, rng)
        audio = _record_voices(voices, singer.reverb_seconds, sampling_rate, rng)
        band = None if a_cappella else _play_accompaniment(player, tracks, drums, kit, bpm, seconds, rng)
        if band is not None:
            audio = audio + band
        peak = float(rng.uniform(0.25, 0.98))
        metadata |= {"singer": singer.name, "song": Path(name).stem, "kit": kit, "peak": peak}
        metadata["instruments"] = [] if band is None else instrument_names(tracks, drums)
        yield metadata, (audio * (peak / np.abs(audio).max())).astype(np.float32)
        rendered += 1
