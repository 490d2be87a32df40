"""Renders songs from MIDI files as training audio: read, re-orchestrated (`arranging.py`), played with a soundfont.

The songs are POP909's (Wang et al., ISMIR 2020). `mido` reads the files and `tinysoundfont` plays them; both are needed
only to build a checkpoint, so they are imported where they are used.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kobza.distill.corpus.arranging import Song, Track, arrange, draw_weighted
from kobza.distill.corpus.styles import STYLES
from kobza.embedding.checkpoint_folder import one_line
from kobza.errors import KobzaError
from kobza.synth.rhythms import Note

DRUM_CHANNEL = 9  # from 0
MAX_SILENT_PEAK = 1e-3  # a quieter rendering is taken for silence: the soundfont may lack a program
PART_OF_TRACK = {"MELODY": "melody", "BRIDGE": "bridge", "PIANO": "accompaniment"}  # POP909's track names


def read_archive(path: Path) -> dict[str, bytes]:
    """Reads all .mid files of a tar archive by name; raises ValueError if there is none, or it cannot be read."""
    files = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".mid") and "/versions/" not in member.name:
                    content = archive.extractfile(member)
                    if content is not None:
                        files[member.name] = content.read()
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{path} cannot be read ({one_line(error)}): download POP909's archive again.") from error
    if not files:
        raise ValueError(f"{path} holds no .mid file: give POP909's archive, pop909.tar.gz.")
    return files


def read_song(data: bytes) -> Song:
    """Reads one POP909 file. Its beats are shifted so that bars begin at multiples of four (`_bar_offset`)."""
    import mido

    midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    parts: dict[str, list[Note]] = {part: [] for part in PART_OF_TRACK.values()}
    bpm = next((60e6 / m.tempo for track in midi.tracks for m in track if m.type == "set_tempo"), 120.0)
    for track in midi.tracks:
        notes = parts[PART_OF_TRACK.get(track.name.strip(), "accompaniment")]
        sounding: dict[int, tuple[int, int]] = {}  # pitch -> start in ticks, velocity
        tick = 0
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
    offset = _bar_offset(parts["accompaniment"])
    return Song(bpm, {part: sorted(n._replace(start=n.start - offset) for n in parts[part]) for part in parts})


def _bar_offset(notes: list[Note]) -> float:
    """Beats by which bars are late: the files follow recordings, so neither beats nor bars lie on the MIDI grid.

    The notes' phase within a sixteenth is a circular mean. Of the 16 positions in a bar, the downbeat is the one with
    the largest weight of low, long notes.
    """
    if not notes:
        return 0.0
    starts = np.array([n.start for n in notes])
    phase = np.angle(np.exp(8j * np.pi * starts).mean()) / (8 * np.pi)
    weight = np.array([min(n.length, 2) * max(72 - n.pitch, 1) for n in notes])
    position = np.round((starts - phase) * 4).astype(int) % 16
    return float(phase + np.argmax(np.bincount(position, weight, 16)) / 4)


class SoundfontPlayer:
    """Plays notes with a soundfont (.sf2 or .sf3) held in memory; every `play` starts from silence."""

    def __init__(self, soundfont: Path, sampling_rate: int = 32000, voices: int = 96):
        try:
            import tinysoundfont
        except (
            ModuleNotFoundError
        ):  # in no extra, because what it names as its dependencies does not install everywhere
            raise KobzaError("Playing songs needs tinysoundfont: run `pip install --no-deps tinysoundfont`.") from None
        self.synth = tinysoundfont.Synth(gain=-12, samplerate=sampling_rate)
        self.font = self.synth.sfload(str(soundfont), max_voices=voices)
        self.sampling_rate = sampling_rate

    def _select(self, channel: int, bank: int, preset: int, drums: bool = False) -> None:
        try:
            self.synth.program_select(channel, self.font, bank, preset, drums)
        except (RuntimeError, ValueError):  # the soundfont lacks this preset: take the first of the bank
            self.synth.program_select(channel, self.font, bank if drums else 0, 0, drums)

    def play(self, tracks: list[Track], drums: list[Note], kit: int, bpm: float, seconds: float) -> np.ndarray:
        """Plays tracks and drum notes, in beats: mono float32 (seconds * sampling_rate,)."""
        total = round(seconds * self.sampling_rate)
        samples_per_beat = self.sampling_rate * 60 / bpm
        channels = [c for c in range(16) if c != DRUM_CHANNEL]
        events: list[tuple[int, int, int, int, int]] = []
        for channel, (program, volume, notes) in zip(channels, tracks, strict=False):
            self._select(channel, 0, program)
            self.synth.control_change(channel, 7, int(np.clip(volume * 110, 1, 127)))
            events += _note_events(notes, channel, samples_per_beat)
        if drums:
            self._select(DRUM_CHANNEL, 128, kit, drums=True)
            self.synth.control_change(DRUM_CHANNEL, 7, 105)
            events += _note_events(drums, DRUM_CHANNEL, samples_per_beat)
        blocks: list[np.ndarray] = []
        now = 0
        for start, is_on, channel, pitch, velocity in sorted(events):
            if start >= total:
                break
            if start > now:
                blocks.append(self._generate(start - now))
                now = start
            if is_on:
                self.synth.noteon(channel, pitch, velocity)
            else:
                self.synth.noteoff(channel, pitch)
        blocks.append(self._generate(total - now))
        self.synth.sounds_off()
        self._generate(self.sampling_rate // 4)  # releases that would sound into the next call
        return np.concatenate(blocks)

    def _generate(self, samples: int) -> np.ndarray:
        """The next `samples` of audio, downmixed: float32 (samples,)."""
        return np.frombuffer(bytes(self.synth.generate(samples)), np.float32).reshape(-1, 2).mean(1)


def _note_events(notes: list[Note], channel: int, samples_per_beat: float) -> list[tuple[int, int, int, int, int]]:
    """(sample, 1 on or 0 off, channel, pitch, velocity), so that offs sort before ons of the same sample."""
    events = []
    for note in notes:
        start = round(note.start * samples_per_beat)
        end = max(round((note.start + note.length) * samples_per_beat), start + 1)
        events.append((start, 1, channel, note.pitch, note.velocity))
        events.append((end, 0, channel, note.pitch, 0))
    return events


def add_reverb(
    audio: np.ndarray, decay_seconds: float, mix: float, sampling_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Adds reverberation to (samples,): noise that decays by 60 dB in `decay_seconds`, `mix` times as loud."""
    length = int(decay_seconds * sampling_rate)
    tail = rng.standard_normal(length).astype(np.float32) * 10 ** (-3 * np.arange(length, dtype=np.float32) / length)
    size = 1 << (len(audio) + length - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(tail, size), size)[: len(audio)]
    gain = np.sqrt(np.mean(np.square(audio)) / max(float(np.mean(np.square(wet))), 1e-12))
    return (audio + mix * gain * wet).astype(np.float32)


def maybe_add_reverb(audio: np.ndarray, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Adds random reverberation to every second (samples,)."""
    if rng.random() >= 0.5:
        return audio
    return add_reverb(audio, float(rng.uniform(0.3, 2.5)), float(rng.uniform(0.05, 0.35)), sampling_rate, rng)


def render_arrangements(
    n: int, seed: int, midi_archive: Path, soundfont: Path, seconds: float = 10.0, sampling_rate: int = 32000
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Yields `n` pairs of metadata and audio, mono float32 (seconds * sampling_rate,); deterministic for a seed.

    The metadata are `arrange`'s, with song, kit and peak. Raises ValueError where the archive holds no MIDI file.
    """
    rng = np.random.default_rng(seed)
    files = read_archive(midi_archive)
    names = sorted(files)
    player = SoundfontPlayer(soundfont, sampling_rate)
    for _ in range(n):
        audio = np.zeros(0, np.float32)
        while np.abs(audio).max(initial=0) <= MAX_SILENT_PEAK:
            name = names[rng.integers(len(names))]
            style = draw_weighted(STYLES, rng)
            metadata, tracks, drums = arrange(read_song(files[name]), style, seconds, rng)
            kit = int(rng.choice(style.kits))
            audio = player.play(tracks, drums, kit, metadata["tempo"], seconds)
        audio = maybe_add_reverb(audio, sampling_rate, rng)
        peak = float(rng.uniform(0.25, 0.98))
        yield metadata | {"song": Path(name).stem, "kit": kit, "peak": peak}, audio * (peak / np.abs(audio).max())
