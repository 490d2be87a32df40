"""Cuts speech into syllables whose vowel can be held: the material of `singing.py`.

`pyworld` analyses the speech (WORLD, Morise et al. 2016, doi:10.1587/transinf.2015EDP7457; MIT). It is imported where
it is used, because only building a checkpoint needs it.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch
import torchaudio.functional as AF

from kobza.audio import AudioError, load_audio

VOCODER_RATE = 24_000  # Hz
FRAME_SECONDS = 0.005
FFT_SIZE = 1024
G722_RATE = 16_000  # Hz
MAX_ONSET_SECONDS = 0.2  # of consonants before a vowel
MAX_CODA_SECONDS = 0.15  # of consonants after a vowel
MIN_VOWEL_FRAMES = 8  # shorter vowels cannot be held
MAX_VOWEL_FRAMES = 40
MAX_DEPTH_BELOW_PEAK_DB = 25  # quieter vowels than this below the loudest are not used
WOMAN_MIN_HZ = 155.0  # median pitch from which a voice counts as a woman's
CHILD_MIN_HZ = 265.0


class Voice(IntEnum):
    MAN = 0
    WOMAN = 1
    CHILD = 2


class Syllable(NamedTuple):
    """WORLD's analysis of a syllable, in frames of 5 ms at 24 kHz; the vowel is frames `begin` to `end`."""

    envelope: np.ndarray  # (n, 513), log power
    aperiodicity: np.ndarray  # (n, bands), dB, as WORLD codes it
    pitch: np.ndarray  # (n,), Hz, 0 where voiceless
    begin: int
    steady: int  # the frame where the vowel's spectrum changes least
    end: int


def read_clip(path: Path) -> np.ndarray:
    """Reads a recording, also raw G.722 from telephone prompts: (samples,) float64 at 24 kHz. Raises AudioError."""
    if path.suffix != ".g722":
        return load_audio(path, VOCODER_RATE).astype(np.float64)
    frames = av.CodecContext.create("adpcm_g722", "r").decode(av.Packet(path.read_bytes()))
    if not frames:
        raise AudioError(f"{path} holds no audio.")
    audio = np.concatenate([f.to_ndarray().reshape(-1) for f in frames]).astype(np.float32) / 32768
    return AF.resample(torch.from_numpy(audio), G722_RATE, VOCODER_RATE).double().numpy()


def smooth(values: np.ndarray, frames: int) -> np.ndarray:
    """Moving average over time with a Hann window, (n,) -> (n,); the edges are repeated."""
    window = np.hanning(2 * frames + 1)[1:-1]
    return np.convolve(np.pad(values, frames - 1, mode="edge"), window / window.sum(), "valid")


def find_vowels(loudness: np.ndarray, voiced: np.ndarray, depth_db: float = 2.0) -> list[int]:
    """Frames of the voiced peaks of `loudness` (n,) in dB, with a valley of `depth_db` between any two.

    >>> find_vowels(np.array([0, 3, 9, 8.5, 9.5, 2, 6, 1]), np.ones(8, bool))
    [4, 6]
    """
    is_peak = (loudness[1:-1] >= loudness[:-2]) & (loudness[1:-1] > loudness[2:]) & voiced[1:-1]
    peaks: list[int] = []
    for peak in (int(index) for index in np.flatnonzero(is_peak) + 1):
        keep = True
        # Without a valley in between, the louder of two peaks is kept.
        while peaks and loudness[peaks[-1] : peak].min() > min(loudness[peaks[-1]], loudness[peak]) - depth_db:
            if loudness[peaks[-1]] >= loudness[peak]:
                keep = False
                break
            peaks.pop()
        if keep:
            peaks.append(peak)
    return peaks


def cut_syllables(clip: np.ndarray) -> list[Syllable]:
    """Cuts speech at 24 kHz, (samples,), into syllables whose vowel can be held; possibly none."""
    import pyworld

    if len(clip) < VOCODER_RATE // 4:
        return []
    rough, times = pyworld.dio(clip, VOCODER_RATE, f0_floor=60, f0_ceil=700, frame_period=1000 * FRAME_SECONDS)
    pitch = pyworld.stonemask(clip, rough, times, VOCODER_RATE)
    power = pyworld.cheaptrick(clip, pitch, times, VOCODER_RATE, fft_size=FFT_SIZE)
    noise = pyworld.d4c(clip, pitch, times, VOCODER_RATE, threshold=0.0, fft_size=FFT_SIZE)
    aperiodicity = pyworld.code_aperiodicity(noise, VOCODER_RATE)
    loudness = smooth(10 * np.log10(power.sum(1) + 1e-12), 6)
    envelope = np.log(power + 1e-16).astype(np.float32)
    change = smooth(np.abs(np.diff(envelope, axis=0, prepend=envelope[:1])).mean(1), 4) - loudness / 20
    floor = loudness.max() - MAX_DEPTH_BELOW_PEAK_DB
    peaks = [peak for peak in find_vowels(loudness, pitch > 0) if loudness[peak] > floor]
    found = []
    for number, peak in enumerate(peaks):
        holdable = (np.abs(pitch / pitch[peak] - 1) < 0.15) & (loudness > loudness[peak] - 4)
        begin, end = _run_around(holdable, peak)
        begin = max(begin, peak - MAX_VOWEL_FRAMES // 2)
        end = min(end, peak + MAX_VOWEL_FRAMES // 2)
        if end - begin < MIN_VOWEL_FRAMES:
            continue
        before = peaks[number - 1] if number else 0
        after = peaks[number + 1] if number + 1 < len(peaks) else len(loudness)
        onset_valley = before + int(np.argmin(loudness[before : peak + 1]))
        coda_valley = peak + int(np.argmin(loudness[peak:after])) + 1
        first = min(max(onset_valley, begin - round(MAX_ONSET_SECONDS / FRAME_SECONDS)), begin)
        last = max(min(coda_valley, end + round(MAX_CODA_SECONDS / FRAME_SECONDS)), end)
        frames = slice(first, last)
        steady = begin + 2 + int(np.argmin(change[begin + 2 : end - 2]))
        found.append(
            Syllable(envelope[frames], aperiodicity[frames], pitch[frames], begin - first, steady - first, end - first)
        )
    return found


def _run_around(mask: np.ndarray, index: int) -> tuple[int, int]:
    """First and one past the last index of the run of True around `index`."""
    gaps_before = np.flatnonzero(~mask[: index + 1])
    gaps_after = np.flatnonzero(~mask[index:])
    begin = int(gaps_before[-1]) + 1 if len(gaps_before) else 0
    end = index + int(gaps_after[0]) if len(gaps_after) else len(mask)
    return begin, end


class SpeakerPool:
    """Recordings of speech by speaker, cut into syllables on demand; the analyses are kept in memory.

    Args:
        clips: recordings; the first folder below `packages` tells the speaker or two that they belong to.
        rng: draws `clips_per_package` of each package's recordings.
    """

    def __init__(self, clips: list[Path], packages: Path, rng: np.random.Generator, clips_per_package: int = 16):
        groups: dict[str, list[Path]] = {}
        for path in clips:
            groups.setdefault(path.relative_to(packages).parts[0], []).append(path)
        self.groups = [
            [paths[i] for i in rng.permutation(len(paths))[:clips_per_package]] for _, paths in sorted(groups.items())
        ]
        self.cache: dict[Path, list[Syllable]] = {}

    def _syllables(self, path: Path) -> list[Syllable]:
        if path not in self.cache:
            try:
                self.cache[path] = cut_syllables(read_clip(path))
            except AudioError as error:
                print(error)
                self.cache[path] = []
        return self.cache[path]

    def sample(self, count: int, rng: np.random.Generator) -> tuple[Voice, list[Syllable]]:
        """`count` syllables of one random speaker, in the order spoken, and the kind of voice.

        Raises ValueError where no recording has a usable vowel.
        """
        for group in rng.permutation(len(self.groups)):
            voice: Voice | None = None
            syllables: list[Syllable] = []
            for clip in rng.permutation(len(self.groups[group])):
                spoken = self._syllables(self.groups[group][clip])
                if spoken and voice in (None, classify_voice(spoken)):
                    voice = classify_voice(spoken)
                    syllables = syllables + spoken
                if len(syllables) >= count:
                    break
            if voice is not None:
                return voice, [syllables[i % len(syllables)] for i in range(count)]
        raise ValueError("The recordings of speech hold no vowel that can be held: collect other voices.")


def classify_voice(syllables: list[Syllable]) -> Voice:
    """Man, woman or child, by the median pitch of the vowels."""
    pitch = np.median(np.concatenate([s.pitch[s.begin : s.end] for s in syllables]))
    if pitch > CHILD_MIN_HZ:
        return Voice.CHILD
    return Voice.WOMAN if pitch > WOMAN_MIN_HZ else Voice.MAN
