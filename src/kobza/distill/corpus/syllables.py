"""Speech taken apart into syllables that can be held, and the people who speak them: what `singing.py` sings with.

`pyworld` analyses (WORLD, Morise et al. 2016, doi:10.1587/transinf.2015EDP7457; MIT). It is imported where it is used,
as only building a checkpoint needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch
import torchaudio.functional as AF

from kobza.audio import AudioError, load_audio

RATE = 24_000  # of the vocoder
FRAME = 0.005  # seconds
FFT = 1024
ONSET, CODA = 0.2, 0.15  # seconds: the longest consonants that are kept before and after a vowel
VOWEL = (8, 40)  # frames: the shortest vowel that can be held, and the longest piece of one that is
SPEAKERS_HZ = (72.0, 155.0, 265.0)  # median pitch below which there is no speaker, a man, a woman; a child above


class Syllable(NamedTuple):
    """`envelope` (n, 513): log power; `aperiodicity` (n, bands) in dB as WORLD codes it; `pitch` (n,) in Hz, 0 where
    voiceless; the vowel is frames `begin` to `end`, and steadiest at `steady`. Frames are of 5 ms at 24 kHz."""

    envelope: np.ndarray
    aperiodicity: np.ndarray
    pitch: np.ndarray
    begin: int
    steady: int
    end: int


def read_clip(path: Path) -> np.ndarray:
    """A recording at 24 kHz, (samples,) float64; bare G.722 as telephones use, too. Raises AudioError."""
    if path.suffix != ".g722":
        return load_audio(path, RATE).astype(np.float64)
    frames = av.CodecContext.create("adpcm_g722", "r").decode(av.Packet(path.read_bytes()))
    if not frames:
        raise AudioError(f"{path} holds no sound.")
    sound = np.concatenate([f.to_ndarray().reshape(-1) for f in frames]).astype(np.float32) / 32768
    return AF.resample(torch.from_numpy(sound), 16_000, RATE).double().numpy()


def smooth(values: np.ndarray, frames: int) -> np.ndarray:
    """A moving Hann mean over time; the ends are repeated."""
    window = np.hanning(2 * frames + 1)[1:-1]
    return np.convolve(np.pad(values, frames - 1, mode="edge"), window / window.sum(), "valid")


def vowels(loudness: np.ndarray, voiced: np.ndarray, depth: float = 2.0) -> list[int]:
    """Frames of the peaks of `loudness` (n,) in dB where voiced, with a valley of `depth` dB between any two."""
    inner = (loudness[1:-1] >= loudness[:-2]) & (loudness[1:-1] > loudness[2:]) & voiced[1:-1]
    peaks: list[int] = []
    for peak in np.flatnonzero(inner) + 1:
        while peaks and loudness[peaks[-1] : peak].min() > min(loudness[peaks[-1]], loudness[peak]) - depth:
            if loudness[peaks[-1]] >= loudness[peak]:
                break
            peaks.pop()
        else:
            peaks.append(int(peak))
    return peaks


def syllables(clip: np.ndarray) -> list[Syllable]:
    """Cuts speech at 24 kHz, (samples,), into syllables whose vowel can be held; there may be none."""
    import pyworld

    if len(clip) < RATE // 4:
        return []
    rough, times = pyworld.dio(clip, RATE, f0_floor=60, f0_ceil=700, frame_period=1000 * FRAME)
    pitch = pyworld.stonemask(clip, rough, times, RATE)
    envelope = pyworld.cheaptrick(clip, pitch, times, RATE, fft_size=FFT)
    aperiodicity = pyworld.code_aperiodicity(pyworld.d4c(clip, pitch, times, RATE, threshold=0.0, fft_size=FFT), RATE)
    loudness = smooth(10 * np.log10(envelope.sum(1) + 1e-12), 6)
    envelope = np.log(envelope + 1e-16).astype(np.float32)
    change = smooth(np.abs(np.diff(envelope, axis=0, prepend=envelope[:1])).mean(1), 4) - loudness / 20
    floor = loudness.max() - 25
    peaks = [peak for peak in vowels(loudness, pitch > 0) if loudness[peak] > floor]
    found = []
    for at, peak in enumerate(peaks):
        held = (np.abs(pitch / pitch[peak] - 1) < 0.15) & (loudness > loudness[peak] - 4)
        begin = peak - int(np.argmin(held[peak::-1])) + 1 if not held[: peak + 1].all() else 0
        end = peak + int(np.argmin(held[peak:])) if not held[peak:].all() else len(held)
        begin, end = max(begin, peak - VOWEL[1] // 2), min(end, peak + VOWEL[1] // 2)
        if end - begin < VOWEL[0]:
            continue
        before = peaks[at - 1] if at else 0
        after = peaks[at + 1] if at + 1 < len(peaks) else len(loudness)
        first = max(before + int(loudness[before : peak + 1].argmin()), begin - round(ONSET / FRAME))
        last = min(peak + int(loudness[peak:after].argmin()) + 1, end + round(CODA / FRAME))
        first, last = min(first, begin), max(last, end)
        part = slice(first, last)
        steady = begin + 2 + int(change[begin + 2 : end - 2].argmin())
        found.append(
            Syllable(envelope[part], aperiodicity[part], pitch[part], begin - first, steady - first, end - first)
        )
    return found


class Speakers:
    """A few recordings of people speaking, of each folder (a package, so one or two people) the same number.

    What was analysed is kept in memory. `rng` draws the recordings, `clips` of each folder below `packages`.
    """

    def __init__(self, voices: list[Path], packages: Path, rng: np.random.Generator, clips: int = 16):
        groups: dict[str, list[Path]] = {}
        for path in voices:
            groups.setdefault(path.relative_to(packages).parts[0], []).append(path)
        self.groups = [[paths[i] for i in rng.permutation(len(paths))[:clips]] for _, paths in sorted(groups.items())]
        self.known: dict[Path, list[Syllable]] = {}

    def _said(self, path: Path) -> list[Syllable]:
        if path not in self.known:
            try:
                self.known[path] = syllables(read_clip(path))
            except AudioError as error:
                print(error)
                self.known[path] = []
        return self.known[path]

    def speak(self, count: int, rng: np.random.Generator) -> tuple[int, list[Syllable]]:
        """Who speaks (0 man, 1 woman, 2 child) and `count` syllables of this voice, in the order spoken."""
        who, said = -1, []
        for group in rng.permutation(len(self.groups)):
            for clip in rng.permutation(len(self.groups[group])):
                spoken = self._said(self.groups[group][clip])
                if spoken and who in (-1, speaker_of(spoken)):
                    who, said = speaker_of(spoken), said + spoken
                if len(said) >= count:
                    break
            if said:
                return who, [said[i % len(said)] for i in range(count)]
        raise ValueError("Nobody speaks in the recordings of voices: none has a vowel that can be held.")


def speaker_of(spoken: list[Syllable]) -> int:
    """0 man, 1 woman, 2 child, by the median pitch."""
    return int(np.searchsorted(SPEAKERS_HZ, np.median(np.concatenate([s.pitch[s.begin : s.end] for s in spoken])))) - 1
