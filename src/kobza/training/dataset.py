"""Pairs to train and validate on: a sentence and one window of audio.

    Recording --PairDataset--> {"text", "audio", "key"} --PairCollator--> input_ids, attention_mask, input_values, keys

Everything random is a function of (seed, epoch, index) alone, not of the process, the worker or earlier draws, so a
resumed run sees the same pairs as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset
from torchaudio.functional import mask_along_axis

from kobza.audio import AudioError, Source, declared_seconds, excerpt, load_audio
from kobza.augmentation import augment_window
from kobza.data.decoding_check import MIN_SECONDS
from kobza.data.recording_identity import key_rows
from kobza.data.recordings import Recording

RANDOM_TEXTS = ("mix", "varied")
TEXT_KINDS = ("caption", "aspects", *RANDOM_TEXTS)
TEMPLATES = ("Music: {}.", "A track with these qualities: {}.", "A recording described as {}.", "I look for: {}.")
KEPT_ASPECTS_SHARE = 0.7  # of an aspect list, on average, where a random subset of it replaces the caption
# Of 128 bins and 1024 frames; as the AST was trained on AudioSet (arXiv:2104.01778)
MAX_MASKED_BINS = 48
MAX_MASKED_FRAMES = 192


def write_text(recording: Recording, text: str, rng: np.random.Generator | None) -> str:
    """The sentence that goes with a recording.

    Args:
        text: "caption"; "aspects", the whole list as written; "mix", half the time the caption, otherwise a random
            subset of the aspects in random order; "varied", like "mix", but with the caption one of its paraphrases in
            its place, and with the aspects half the time within one of `TEMPLATES`. A recording without one of them
            gets the other.
        rng: None for validation, which always takes the caption.

    >>> write_text(Recording("a.flac", "a.flac", caption="Sad song.", aspects=("slow", "piano")), "aspects", None)
    'Sad song.'
    """
    aspects = recording.aspects or ()
    captions = [recording.caption] if recording.caption else []
    if text == "varied" and captions:
        captions += recording.paraphrases or ()
    if captions and (rng is None or text == "caption"):
        return captions[0]
    if captions and not aspects:
        return _one_of(captions, rng)
    if rng is None or text not in RANDOM_TEXTS:
        return ", ".join(aspects)
    if captions and rng.random() < 0.5:
        return _one_of(captions, rng)
    kept = rng.permutation(len(aspects))[: max(1, rng.binomial(len(aspects), KEPT_ASPECTS_SHARE))]
    phrases = ", ".join(aspects[k] for k in kept)
    if text == "varied" and rng.random() < 0.5:
        return _one_of(TEMPLATES, rng).format(phrases)
    return phrases


def _one_of(texts: Sequence[str], rng: np.random.Generator | None) -> str:
    return texts[0] if rng is None or len(texts) == 1 else texts[int(rng.integers(len(texts)))]


def random_window(source: Source, sampling_rate: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A random excerpt of `seconds`, or all of a shorter recording: (samples,) float32."""
    position = rng.random()  # 0 to 1
    length = declared_seconds(source)
    if length is not None:
        start = position * max(0.0, length - seconds)
        window = excerpt(source, start, seconds, sampling_rate)
        if start == 0 or len(window) == round(seconds * sampling_rate):
            return window
    whole = load_audio(source, sampling_rate)  # the header has no length, or a wrong one
    size = round(seconds * sampling_rate)
    start = int(position * max(0, len(whole) - size))
    return whole[start : start + size]


class PairMaker:
    """Base class of both data sets: turns a recording into an item.

    Args:
        text: see `write_text`.
        train: whether windows and texts are drawn anew in each epoch; otherwise the first window and the caption.
        wave_augment: whether to change each training pair's audio by `augment_window`.

    Items: {"text": str, "audio": (samples,) float32, at most `window_seconds`, "key": the recording's id}, and for
    training "mask_seed", with which the collator draws SpecAugment's masks.
    """

    def __init__(
        self,
        sampling_rate: int = 16000,
        window_seconds: float = 10.0,
        text: str = "caption",
        train: bool = False,
        seed: int = 0,
        wave_augment: bool = False,
    ):
        if text not in TEXT_KINDS:
            raise ValueError(f"There is no text {text!r} to train on: choose one of {', '.join(TEXT_KINDS)}.")
        self.sampling_rate = sampling_rate
        self.window_seconds = window_seconds
        self.text = text
        self.train = train
        self.seed = seed
        self.wave_augment = wave_augment
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # shared with running workers

    def set_epoch(self, epoch: int) -> None:
        """Call it before each epoch."""
        self._epoch.fill_(epoch)

    def make_pair(self, recording: Recording, source: Source, rng: np.random.Generator | None) -> dict:
        """The item of a recording whose audio is in `source`; rng: None for validation."""
        if rng is None:
            audio = excerpt(source, 0.0, self.window_seconds, self.sampling_rate)
        else:
            audio = random_window(source, self.sampling_rate, self.window_seconds, rng)
        if len(audio) < MIN_SECONDS * self.sampling_rate:
            raise AudioError(f"{recording.id} is shorter than {MIN_SECONDS} s: leave it out.")
        if self.wave_augment and rng is not None:
            torch_rng = torch.Generator().manual_seed(int(rng.integers(2**31)))
            audio = augment_window(torch.from_numpy(audio), self.sampling_rate, torch_rng).numpy()
        item = {"text": write_text(recording, self.text, rng), "audio": audio, "key": recording.id}
        return item if rng is None else {**item, "mask_seed": int(rng.integers(2**31))}


class PairDataset(PairMaker, Dataset):
    """Recordings with captions as pairs.

    Args:
        recordings: must be decodable; `check_recordings` leaves out those that are not.
        mixup: share of the training pairs into which another recording is mixed, its text appended to theirs.
        **options: see `PairMaker`.
    """

    def __init__(self, recordings: Sequence[Recording], *args, mixup: float = 0.0, **options):
        super().__init__(*args, **options)
        self.recordings = list(recordings)
        self.mixup = mixup

    def __len__(self) -> int:
        return len(self.recordings)

    @property
    def recording_ids(self) -> list[str]:
        """The id of each pair's recording."""
        return [recording.id for recording in self.recordings]

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, int(self._epoch), index)) if self.train else None
        item = self._load(index, rng)
        if rng is not None and rng.random() < self.mixup:
            other = self._load((index + int(rng.integers(1, max(2, len(self))))) % len(self), rng)
            item["audio"] = mix_audio(item["audio"], other["audio"], rng.uniform(0.3, 0.7))
            item["text"] = f"{item['text'].rstrip('.')}, and {other['text']}"
        return item

    def _load(self, index: int, rng: np.random.Generator | None) -> dict:
        return self.make_pair(self.recordings[index], self.recordings[index].path, rng)


def mix_audio(one: np.ndarray, two: np.ndarray, share: float) -> np.ndarray:
    """`share` of one recording plus the rest of another, scaled to the first one's RMS and cut or looped to fit."""
    two = np.resize(two, len(one)) * (np.sqrt(np.mean(one**2)) / max(float(np.sqrt(np.mean(two**2))), 1e-6))
    return (share * one + (1 - share) * two).clip(-1, 1).astype(np.float32)


class PairCollator:
    """A batch of n pairs as a model's inputs: input_ids and attention_mask (n, tokens), input_values (n, max_length,
    bins), keys and captions (lists of n) and, of a stream, the position after the batch and recordings (n, 2), their
    keys as `kobza.data.recording_identity.key_rows`; these are not for the model.

    Args:
        processor: a `KobzaProcessor`.
        spec_augment: mask one band and one span of frames in each training pair's spectrogram (arXiv:1904.08779).
    """

    def __init__(self, processor, spec_augment: bool = False):
        self.processor, self.spec_augment = processor, spec_augment

    def __call__(self, items: Sequence[dict]) -> dict:
        batch = self.processor(
            text=[item["text"] for item in items],
            audio=[item["audio"] for item in items],
            sampling_rate=self.processor.feature_extractor.sampling_rate,
        )
        if len(batch["input_values"]) != len(items):
            raise ValueError("A recording gives several windows: the data set's window is longer than the model's.")
        del batch["window_counts"]  # one window each
        if self.spec_augment:
            if batch["input_values"].ndim < 3:
                raise ValueError("--spec_augment masks spectrograms; this audio tower takes waveforms: leave it out.")
            for row, item in zip(batch["input_values"], items, strict=True):
                if "mask_seed" in item:
                    row.copy_(mask_spectrogram(row, item["mask_seed"]))
        batch = {**batch, "keys": [item["key"] for item in items], "captions": [item["text"] for item in items]}
        if "position" in items[-1]:
            batch["position"] = items[-1]["position"]
            batch["recordings"] = key_rows([item["recording_keys"] for item in items])
        return batch


def mask_spectrogram(spectrogram: torch.Tensor, seed: int) -> torch.Tensor:
    """SpecAugment of (frames, bins): a random span of frames and a band of bins become 0, which is AudioSet's mean."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return mask_along_axis(mask_along_axis(spectrogram, MAX_MASKED_FRAMES, 0.0, 0), MAX_MASKED_BINS, 0.0, 1)
