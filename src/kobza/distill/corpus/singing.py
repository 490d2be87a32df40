"""Singing made of free parts: people who speak (`corpus.SINGER_PACKAGES`) sing the melodies of songs in MIDI.

    speech --WORLD--> syllables: envelope, aperiodicity, pitch  \
    song --arrange--> melody, band                               --> voice (or choir) --> mixed over the band

Every note takes the next syllable: its consonants keep their speed, its vowel is held, and its pitch is the melody's
with portamento, vibrato and drift. The envelope is warped in frequency, so that one speaker gives men, women and
children. `pyworld` (WORLD, Morise et al. 2016, doi:10.1587/transinf.2015EDP7457; MIT) analyses and synthesises; it is
imported where it is used, as only building a checkpoint needs it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torchaudio.functional as AF

from kobza.distill.corpus.arranging import arrange, one_voice
from kobza.distill.corpus.midi import Player, add_reverb, read_song
from kobza.distill.corpus.styles import PROGRAM_NAMES, STYLES, Layer, Style
from kobza.distill.corpus.syllables import FFT, FRAME, RATE, Speakers, Syllable, smooth
from kobza.synth.rhythms import Note

TRACT = (1.0, 1.16, 1.32)  # formants of man, woman and child, as multiples of a man's
CLEAR = (-25.0, -16.0, -9.0)  # dB at 3, 6 and 9 kHz: a vowel is no noisier than that
HARMONY = ("melody", "3-------5-------", "1-------3-------")  # what the parts of a choir sing


@dataclass(frozen=True)
class Singer:
    """A way to sing. Who: 0 man, 1 woman, 2 child. Registers are MIDI notes, `vibrato` is in cents."""

    name: str
    who: tuple[int, ...]
    register: tuple[tuple[int, int], ...]  # one for each of `who`
    styles: tuple[str, ...] = ()  # of the band; any where empty
    vibrato: tuple[float, float] = (15.0, 100.0)
    ring: float = 0.0  # dB at 3 kHz, the singer's formant
    parts: int = 1  # voices in harmony
    copies: int = 1  # singers a part
    alone: float = 0.2  # how often without a band
    room: tuple[float, float] = (0.4, 2.0)  # seconds
    weight: float = 1.0


_CHOIRS = (
    "church organ",
    "a cappella choir",
    "gospel",
    "orchestra",
    "string orchestra",
    "film",
    "christmas",
    "ambient",
)
_CLASSICAL = ("orchestra", "string orchestra", "string quartet", "church organ", "piano trio", "duet", "film", "waltz")
SINGERS = (
    Singer("man", (0,), ((48, 67),), weight=6),
    Singer("woman", (1,), ((57, 76),), weight=7),
    Singer("child", (2,), ((62, 79),), vibrato=(0, 60), weight=2.5),
    Singer("opera", (0, 1), ((48, 67), (62, 81)), _CLASSICAL, (70, 130), 10.0, room=(1.0, 2.5), weight=2),
    Singer("choir", (0, 1, 1), ((45, 64), (57, 76), (60, 79)), _CHOIRS, (15, 70), 2.0, 3, 4, 0.35, (1.2, 3.5), 3),
    Singer("children's choir", (2,), ((62, 79),), (*_CHOIRS, "march"), (0, 50), 0.0, 2, 4, 0.3, (0.8, 2.5), 1),
    Singer("crowd", (0, 1), ((45, 64), (57, 76)), (), (0, 60), 0.0, 1, 6, 0.2, (0.5, 2.0), 1),
    Singer("chant", (0,), ((43, 60),), ("ambient", "church organ"), (0, 15), 0.0, 1, 5, 0.8, (2.0, 4.0), 1),
)


def pitch_curve(notes: list[Note], frames: int, vibrato: float, rng: np.random.Generator) -> np.ndarray:
    """Pitch of a sung line in Hz, (frames,); `notes` in seconds, one at a time, `vibrato` in cents."""
    semitones = np.full(frames, float(notes[0].pitch))
    since = np.zeros(frames)
    scoop = np.zeros(frames)
    for note in notes:
        at = min(max(round((note.start - 0.03) / FRAME), 0), frames - 1)
        semitones[at:] = note.pitch
        since[at:] = np.arange(frames - at) * FRAME
        scoop[at:] = rng.uniform(0.3, 2.0) * np.exp(-since[at:] / 0.06) if rng.random() < 0.25 else 0.0
    curve = smooth(semitones - scoop, round(rng.uniform(0.04, 0.11) / FRAME))  # portamento
    rate = rng.uniform(5.0, 6.5) + _drift(frames, 0.4, 0.3, rng)
    grown = np.clip((since - rng.uniform(0.1, 0.3)) / 0.35, 0, 1)
    curve += vibrato / 100 * grown * np.sin(2 * np.pi * np.cumsum(rate) * FRAME)
    curve += _drift(frames, 0.12, 0.15, rng) + _drift(frames, 0.04, 0.02, rng)
    return 440 * 2 ** ((curve - 69) / 12)


def _drift(frames: int, size: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Noise of standard deviation `size` that moves within some `seconds`."""
    noise = smooth(rng.standard_normal(frames), max(round(seconds / FRAME), 2))
    return size * noise / max(float(noise.std()), 1e-6)


def lay_out(notes: list[Note], spoken: list[Syllable], frames: int) -> list[tuple[int, np.ndarray, Syllable]]:
    """Which frame of which syllable sounds when: (first output frame, source frames (m,), syllable) for every note.

    Consonants keep their speed, those at the start come before the beat; the vowel is held where it is steadiest.
    """
    placed = []
    starts = [round(n.start / FRAME) for n in notes]
    onsets = [s.begin for s in spoken]
    free = 0
    for at, (note, said) in enumerate(zip(notes, spoken, strict=False)):
        onset = min(onsets[at], max(starts[at] - free, 0))
        end = starts[at] + max(round(note.length / FRAME), 8)
        follows = (
            starts[at + 1] - min(onsets[at + 1], (starts[at + 1] - starts[at]) // 3) if at + 1 < len(notes) else frames
        )
        coda = min(len(said.pitch) - said.end, max(follows - starts[at], 8) // 3)
        sounding = max(min(end, follows - coda) - starts[at], 6)
        vowel = said.end - said.begin
        if sounding <= vowel:
            middle = np.linspace(said.begin, said.end - 1, sounding)
        else:  # in as spoken, held where the vowel is steadiest, out as spoken
            into, out = np.arange(said.begin, said.steady), np.arange(said.steady, said.end)
            rest = np.full(sounding - vowel, float(said.steady))
            middle = np.concatenate([into, rest, out])
        path = [np.arange(said.begin - onset, said.begin), middle, np.arange(said.end, said.end + coda)]
        source = np.concatenate(path)[: max(frames - starts[at] + onset, 0)]
        placed.append((starts[at] - onset, source, said))
        free = starts[at] - onset + len(source)
    return placed


def coloured(envelope: np.ndarray, tract: float, ring: float, rng: np.random.Generator) -> np.ndarray:
    """Log power, (n, 513), of another throat: formants `tract` times as high, `ring` dB at 3 kHz, soft or bright."""
    bins = np.arange(FFT // 2 + 1)
    warped = np.minimum(bins / tract, FFT // 2)
    low = np.floor(warped).astype(int)
    part = (warped - low).astype(np.float32)
    envelope = (1 - part) * envelope[:, low] + part * envelope[:, np.minimum(low + 1, FFT // 2)]
    mean = envelope.mean(1, keepdims=True)
    envelope = mean + rng.uniform(0.95, 1.15) * (envelope - mean)
    corners = np.linspace(0, FFT // 2, 9)  # a held vowel is never quite the same
    hats = np.stack([np.interp(bins, corners, row) for row in np.eye(len(corners))])
    envelope += np.stack([_drift(len(envelope), 0.25, 0.06, rng) for _ in corners], 1) @ hats
    hertz = bins * RATE / FFT
    rung = ring * np.exp(-(((hertz - 2900) / 500) ** 2))
    tilt = rng.uniform(-1, 2.5) * np.log2(np.maximum(hertz, 200) / 200)  # dB an octave: soft to bright
    return envelope + np.log(10) / 10 * (rung + tilt)


def voice(
    notes: list[Note],
    events: list[Note],
    speech: tuple[int, list[Syllable]],
    who: int,
    singer: Singer,
    seconds: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """One voice sings: (seconds * 24 kHz,) float32, always of about the same loudness.

    `notes` in seconds give the pitch, one at a time; each of `events` (see `syllabic`) takes a syllable.
    """
    import pyworld

    speaker, spoken = speech
    frames = round(seconds / FRAME)
    layout = lay_out(events, spoken, frames)
    envelope = np.full((frames, FFT // 2 + 1), -30.0, np.float32)
    aperiodicity = np.zeros((frames, spoken[0].aperiodicity.shape[1]))
    voiced = np.zeros(frames, bool)
    gain = np.zeros(frames)
    for first, source, said in layout:
        skip = max(-first, 0)
        first, source = first + skip, source[skip:]
        if not len(source):
            continue
        low = np.floor(source).astype(int)
        high, part = np.minimum(low + 1, len(said.pitch) - 1), (source - low)[:, None]
        to = slice(first, first + len(source))
        level = np.log(np.exp(said.envelope[said.begin : said.end]).sum(1).mean() + 1e-16)
        envelope[to] = (1 - part) * said.envelope[low] + part * said.envelope[high] - level
        aperiodicity[to] = (1 - part) * said.aperiodicity[low] + part * said.aperiodicity[high]
        inside = np.flatnonzero((source >= said.begin) & (source < said.end)) + first
        aperiodicity[inside] = np.minimum(aperiodicity[inside], CLEAR)
        voiced[to] = said.pitch[np.round(source).astype(int)] > 0
        gain[to] = 10 ** (rng.uniform(-2.5, 2.5) / 20)
        fade = min(16, len(source) // 3)
        gain[first + len(source) - fade : first + len(source)] *= np.linspace(1, 0, fade)
    pitch = np.where(voiced, pitch_curve(notes, frames, rng.uniform(*singer.vibrato), rng), 0)
    tract = float(np.clip(TRACT[who] / TRACT[speaker] * rng.uniform(0.93, 1.07), 0.72, 1.4))
    envelope = coloured(envelope, tract, singer.ring, rng)
    envelope += (2 * np.log(np.maximum(smooth(gain, 3), 1e-4)))[:, None]
    aperiodicity = np.clip(aperiodicity + rng.choice([0.0, rng.uniform(0, 12)]), -60, 0)  # breath
    wide = pyworld.decode_aperiodicity(aperiodicity, RATE, FFT)
    sound = pyworld.synthesize(pitch, np.exp(envelope, dtype=np.float64, order="C"), wide, RATE, 1000 * FRAME)
    sound = np.resize(sound, round(seconds * RATE)).astype(np.float32)
    return 0.1 * sound / max(loudness(sound), 1e-5)


def syllabic(notes: list[Note], rng: np.random.Generator) -> list[Note]:
    """A note for every syllable: now and then a note goes on with the vowel of the one before."""
    sung: list[Note] = []
    for note in notes:
        joined = sung and note.start - sung[-1].start - sung[-1].length < 0.06
        if joined and (rng.random() < 0.12 or note.length < 0.1):
            sung[-1] = sung[-1]._replace(length=note.start + note.length - sung[-1].start)
        else:
            sung.append(note)
    return sung


def loudness(sound: np.ndarray) -> float:
    """Root mean square of the louder half of (samples,): pauses do not count."""
    blocks = np.square(sound[: len(sound) // 800 * 800].reshape(-1, 800)).mean(1)
    return float(np.sqrt(np.sort(blocks)[len(blocks) // 2 :].mean())) if len(blocks) else 0.0


def brightness(sound: np.ndarray, rate: int) -> np.ndarray:
    """What speech of 16 kHz lacks above 7 kHz: overtones of (samples,) between 3.5 and 7 kHz, as loud as these."""
    hertz = np.fft.rfftfreq(len(sound), 1 / rate)
    high = np.fft.irfft(np.fft.rfft(sound) * ((hertz > 3500) & (hertz < 7000)), len(sound))
    made = np.fft.irfft(np.fft.rfft(high * np.abs(high)) * (hertz > 7000), len(sound))
    return (made * np.std(high) / max(float(np.std(made)), 1e-9)).astype(np.float32)


def section(sound: np.ndarray, copies: int, rng: np.random.Generator) -> np.ndarray:
    """Several singers of one part out of one, (samples,): copies that come late and waver in time, and so in pitch."""
    total, steps = sound.copy(), np.arange(len(sound), dtype=np.float64)
    for _ in range(copies - 1):
        wander = _drift(len(sound) // 1200 + 2, 0.003, FRAME * rng.uniform(3, 8), rng)  # a step is 50 ms
        late = rng.uniform(0.005, 0.05) + np.interp(steps, np.arange(len(wander)) * 1200.0, wander)
        total += np.interp(steps - np.maximum(late, 0) * RATE, steps, sound).astype(np.float32) * rng.uniform(0.6, 1)
    return total


def cast(singer: Singer, rng: np.random.Generator) -> list[tuple[int, tuple[int, int]]]:
    """Who sings each part, and its register; the first has the melody, and is the highest of a choir."""
    if singer.parts == 1:
        index = int(rng.integers(len(singer.who)))
        return [(singer.who[index], singer.register[index])]
    chosen = [len(singer.who) - 1 - part % len(singer.who) for part in range(singer.parts)]
    return [(singer.who[index], singer.register[index]) for index in chosen]


def with_parts(style: Style, parts: list[tuple[int, tuple[int, int]]]) -> Style:
    """The style without its own melody, and with what the parts sing as its last layers."""
    sung = [Layer((52,), HARMONY[at % len(HARMONY)], register=register) for at, (_, register) in enumerate(parts)]
    return replace(style, layers=(*(layer for layer in style.layers if layer.plays != "melody"), *sung))


def perform(
    singer: Singer,
    parts: list[tuple[int, list[Note]]],
    speakers: Speakers,
    seconds: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """All `parts` (who, notes in seconds), each sung by as many as the singer has copies: (samples,) at 24 kHz."""
    total = np.zeros(round(seconds * RATE), np.float32)
    for who, notes in parts:
        if not notes:
            continue
        events = syllabic(notes, rng)
        speech = speakers.speak(len(events), rng)
        lines = 2 if singer.copies > 1 and len(parts) == 1 else 1
        for _ in range(lines):
            line = voice(notes, events, speech, who, singer, seconds, rng)
            total += section(line, singer.copies // lines, rng) * rng.uniform(0.6, 1.0)
    return total


def render_singing(
    n: int,
    seed: int,
    speakers: Speakers,
    midi_archive: Path,
    soundfont: Path,
    seconds: float = 10.0,
    sampling_rate: int = 32000,
) -> Iterator[tuple[dict, np.ndarray]]:
    """Yields `n` pairs of a recipe and its sound, mono float32 (seconds * sampling_rate,); the same for a seed.

    The recipe says singer, style, instruments (General MIDI's names; none where it is sung alone), tempo, mode, song.
    """
    for recipe, sung, played in _stems(n, seed, speakers, midi_archive, soundfont, seconds, sampling_rate):
        sound = sung if played is None else sung + played
        yield recipe, (sound * (recipe["peak"] / np.abs(sound).max())).astype(np.float32)


def _in_a_room(voices: np.ndarray, room: tuple[float, float], rate: int, rng: np.random.Generator) -> np.ndarray:
    """Voices at 24 kHz as a microphone hears them, at `rate`: reverb of `room` seconds, overtones, hiss; at 0.1."""
    voices = AF.resample(torch.from_numpy(voices), RATE, rate).numpy()
    voices = add_reverb(voices, float(rng.uniform(*room)), float(rng.uniform(0.08, 0.5)), rate, rng)
    voices += brightness(voices, rate) * rng.choice([0.0, rng.uniform(0.1, 0.5)])
    voices *= 0.1 / max(loudness(voices), 1e-5)
    hiss = 0.1 * 10 ** (rng.uniform(-70, -30) / 20)
    return voices + (hiss * rng.standard_normal(len(voices))).astype(np.float32)


def _stems(
    n: int, seed: int, speakers: Speakers, midi_archive: Path, soundfont: Path, seconds: float, rate: int
) -> Iterator[tuple[dict, np.ndarray, np.ndarray | None]]:
    """(recipe, voices, band or None), which sound together: the voices at 0.1, the band 1 to 13 dB below."""
    rng = np.random.default_rng(seed)
    with tarfile.open(midi_archive) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive if m.name.endswith(".mid")}
    names, player = sorted(files), Player(soundfont, rate)
    chances = np.array([singer.weight for singer in SINGERS])
    made = 0
    while made < n:
        singer = SINGERS[rng.choice(len(SINGERS), p=chances / chances.sum())]
        fitting = [s for s in STYLES if s.name in singer.styles or not singer.styles]
        weights = np.array([style.weight for style in fitting])
        style = fitting[rng.choice(len(fitting), p=weights / weights.sum())]
        parts = cast(singer, rng)
        name = names[rng.integers(len(names))]
        recipe, band, drums = arrange(read_song(files[name]), with_parts(style, parts), seconds, rng)
        kit, unit = int(rng.choice(style.kits)), 60 / recipe["tempo"]
        band, sung = band[: -len(parts)], [one_voice(notes) for _, _, notes in band[-len(parts) :]]
        timed = [
            [n._replace(start=n.start * unit, length=n.length * unit) for n in notes if n.start * unit < seconds - 0.1]
            for notes in sung
        ]
        alone = rng.random() < singer.alone
        if sum(n.length for n in timed[0]) < seconds / 3:  # the song has hardly a melody here
            continue
        voices = _in_a_room(
            perform(singer, [(who, n) for (who, _), n in zip(parts, timed, strict=True)], speakers, seconds, rng),
            singer.room,
            rate,
            rng,
        )
        played = None
        if not alone:
            played = player.play(band, drums, kit, recipe["tempo"], seconds)
            if not np.abs(played).max(initial=0) > 1e-3:  # the style is all melody, or the soundfont lacks a program
                played = None
        if played is not None:
            if rng.random() < 0.5:
                played = add_reverb(played, float(rng.uniform(0.3, 2.5)), float(rng.uniform(0.05, 0.35)), rate, rng)
            played *= 0.1 / max(loudness(played), 1e-5) * 10 ** (-rng.uniform(1, 13) / 20)
        recipe |= {"singer": singer.name, "song": Path(name).stem, "kit": kit, "peak": float(rng.uniform(0.25, 0.98))}
        heard = [PROGRAM_NAMES[program] for program, _, notes in band if notes] + ["drums"] * bool(drums)
        recipe["instruments"] = list(dict.fromkeys(heard)) if played is not None else []
        yield recipe, voices, played
        made += 1
