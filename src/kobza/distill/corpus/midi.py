"""Songs in MIDI as training audio without end: read, re-orchestrated (`arranging.py`) and played through a soundfont.

The songs are POP909's (Wang et al., ISMIR 2020). `mido` reads the files and `tinysoundfont` plays them; both are needed
for building a checkpoint only, and are imported where they are used.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kobza.distill.corpus.arranging import Song, arrange
from kobza.distill.corpus.styles import STYLES
from kobza.synth.rhythms import Note

DRUM_CHANNEL = 9  # the tenth, counted from one


def read_song(data: bytes) -> Song:
    """Reads one POP909 file. Its beats are moved so that bars begin at multiples of four (`_bar_offset`)."""
    import mido

    midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    names = {"MELODY": "melody", "BRIDGE": "bridge", "PIANO": "written"}
    parts: dict[str, list[Note]] = {part: [] for part in names.values()}
    bpm = next((60e6 / m.tempo for track in midi.tracks for m in track if m.type == "set_tempo"), 120.0)
    for track in midi.tracks:
        notes, sounding, tick = parts[names.get(track.name.strip(), "written")], {}, 0
        for message in track:
            tick += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            if message.note in sounding:
                start, velocity = sounding.pop(message.note)
                length = max(tick - start, 30) / midi.ticks_per_beat
                notes.append(Note(start / midi.ticks_per_beat, length, message.note, velocity))
            if message.type == "note_on" and message.velocity:
                sounding[message.note] = (tick, message.velocity)
    offset = _bar_offset(parts["written"])
    return Song(bpm, {part: sorted(n._replace(start=n.start - offset) for n in parts[part]) for part in parts})


def _bar_offset(notes: list[Note]) -> float:
    """Beats by which bars are late: the files follow recordings, so neither beat nor bar falls on the MIDI grid.

    The notes' phase within a sixteenth is a circular mean; of the 16 places in the bar the one that carries the most
    weight of low, long notes is taken for the first.
    """
    if not notes:
        return 0.0
    starts = np.array([n.start for n in notes])
    phase = np.angle(np.exp(8j * np.pi * starts).mean()) / (8 * np.pi)
    weight = np.array([min(n.length, 2) * max(72 - n.pitch, 1) for n in notes])
    place = np.round((starts - phase) * 4).astype(int) % 16
    return float(phase + np.bincount(place, weight, 16).argmax() / 4)


class Player:
    """A soundfont (.sf2 or .sf3) held in memory; every `play` starts from silence."""

    def __init__(self, soundfont: Path, sampling_rate: int = 32000, voices: int = 96):
        import tinysoundfont

        self.synth = tinysoundfont.Synth(gain=-12, samplerate=sampling_rate)
        self.font = self.synth.sfload(str(soundfont), max_voices=voices)
        self.sampling_rate = sampling_rate

    def _select(self, channel: int, bank: int, preset: int, drums: bool = False) -> None:
        try:
            self.synth.program_select(channel, self.font, bank, preset, drums)
        except (RuntimeError, ValueError):  # this soundfont has no such preset: its first one of the bank
            self.synth.program_select(channel, self.font, bank if drums else 0, 0, drums)

    def play(
        self, band: list[tuple[int, float, list[Note]]], drums: list[Note], kit: int, bpm: float, seconds: float
    ) -> np.ndarray:
        """`band` holds (program, volume in 0..1, notes in beats) -> mono float32 (seconds * sampling_rate,)."""
        total = round(seconds * self.sampling_rate)
        per_beat = self.sampling_rate * 60 / bpm
        channels = [c for c in range(16) if c != DRUM_CHANNEL]
        events: list[tuple[int, int, int, int, int]] = []  # (sample, 0 off / 1 on, channel, pitch, velocity)
        for channel, (program, volume, notes) in zip(channels, band, strict=False):
            self._select(channel, 0, program)
            self.synth.control_change(channel, 7, int(np.clip(volume * 110, 1, 127)))
            events += _events(notes, channel, per_beat)
        if drums:
            self._select(DRUM_CHANNEL, 128, kit, drums=True)
            self.synth.control_change(DRUM_CHANNEL, 7, 105)
            events += _events(drums, DRUM_CHANNEL, per_beat)
        blocks, now = [], 0
        for at, on, channel, pitch, velocity in sorted(events):
            if at >= total:
                break
            if at > now:
                blocks.append(self._generate(at - now))
                now = at
            if on:
                self.synth.noteon(channel, pitch, velocity)
            else:
                self.synth.noteoff(channel, pitch)
        blocks.append(self._generate(total - now))
        self.synth.sounds_off()
        self._generate(self.sampling_rate // 4)  # lets what still sounds die before the next one
        return np.concatenate(blocks)

    def _generate(self, samples: int) -> np.ndarray:
        """The next `samples` of sound, downmixed: float32 (samples,)."""
        return np.frombuffer(bytes(self.synth.generate(samples)), np.float32).reshape(-1, 2).mean(1)


def _events(notes: list[Note], channel: int, per_beat: float) -> list[tuple[int, int, int, int, int]]:
    on = [(round(n.start * per_beat), 1, channel, n.pitch, n.velocity) for n in notes]
    off = [
        (max(round((n.start + n.length) * per_beat), at[0] + 1), 0, channel, n.pitch, 0)
        for n, at in zip(notes, on, strict=True)
    ]
    return on + off


def add_reverb(sound: np.ndarray, decay: float, mix: float, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Adds a room to (samples,): noise that falls by 60 dB in `decay` seconds, at `mix` times the dry loudness."""
    length = int(decay * sampling_rate)
    tail = rng.standard_normal(length).astype(np.float32) * 10 ** (-3 * np.arange(length, dtype=np.float32) / length)
    size = 1 << (len(sound) + length - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)]
    loudness = np.sqrt(np.mean(np.square(sound)) / max(float(np.mean(np.square(wet))), 1e-12))
    return (sound + mix * loudness * wet).astype(np.float32)


def render_arrangements(
    n: int, seed: int, midi_archive: Path, soundfont: Path, seconds: float = 10.0, sampling_rate: int = 32000
) -> Iterator[tuple[dict, np.ndarray]]:
    """Yields `n` pairs of a recipe and its sound, mono float32 (seconds * sampling_rate,); the same for a seed.

    The recipe says song, style, instruments (General MIDI's names), tempo (beats a minute), mode, kit and peak.
    """
    rng = np.random.default_rng(seed)
    with tarfile.open(midi_archive) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive if m.name.endswith(".mid")}
    names = sorted(files)
    player = Player(soundfont, sampling_rate)
    weights = np.array([style.weight for style in STYLES])
    for _ in range(n):
        sound = np.zeros(0, np.float32)
        while not np.abs(sound).max(initial=0) > 1e-3:  # a soundfont may lack a program
            name, style = names[rng.integers(len(names))], STYLES[rng.choice(len(STYLES), p=weights / weights.sum())]
            recipe, band, drums = arrange(read_song(files[name]), style, seconds, rng)
            kit = int(rng.choice(style.kits))
            sound = player.play(band, drums, kit, recipe["tempo"], seconds)
        reverb = bool(rng.random() < 0.5)
        if reverb:
            sound = add_reverb(sound, float(rng.uniform(0.3, 2.5)), float(rng.uniform(0.05, 0.35)), sampling_rate, rng)
        peak = float(rng.uniform(0.25, 0.98))
        yield recipe | {"song": Path(name).stem, "kit": kit, "peak": peak}, sound * (peak / np.abs(sound).max())
