"""Pairs to train and validate on: a sentence and one window of sound.

    Recording --PairDataset--> {"text", "audio", "key"} --PairCollator--> input_ids, attention_mask, input_values, keys

Whatever is drawn at random is a function of (seed, epoch, index) alone: not of the process, the worker or what came
before, so a run that was interrupted and resumed sees the same pairs as one that was not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset
from torchaudio.functional import mask_along_axis

from kobza.audio import AudioError, Source, declared_seconds, excerpt, load_audio
from kobza.data.decoding_check import MIN_SECONDS
from kobza.data.recordings import Recording

TEXTS = ("caption", "aspects", "mix")
KEPT_ASPECTS = 0.7  # of a list, on average, where a random part of it stands in for the caption
MASKED_BINS, MASKED_FRAMES = 48, 192  # at most, of 128 and 1024: as the AST was trained on AudioSet (arXiv:2104.01778)


def write_text(recording: Recording, text: str, rng: np.random.Generator | None) -> str:
    """The sentence that goes with a recording.

    Args:
        text: "caption"; "aspects", the whole list as it was written; "mix", the caption for one half and for the other
            some of the aspects in any order. What a recording has not got is replaced by the other.
        rng: None for the caption (validation is on captions, whatever is trained on).
    """
    aspects = recording.aspects or ()
    if recording.caption and (rng is None or not aspects or text == "caption"):
        return recording.caption
    if rng is None or text != "mix":
        return ", ".join(aspects)
    if recording.caption and rng.random() < 0.5:
        return recording.caption
    kept = rng.permutation(len(aspects))[: max(1, rng.binomial(len(aspects), KEPT_ASPECTS))]
    return ", ".join(aspects[k] for k in kept)


def random_window(source: Source, sampling_rate: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """`seconds` from anywhere in the recording, or all of a shorter one: (samples,) float32."""
    place, length = rng.random(), declared_seconds(source)
    if length is not None:
        start = place * max(0.0, length - seconds)
        window = excerpt(source, start, seconds, sampling_rate)
        if start == 0 or len(window) == round(seconds * sampling_rate):
            return window
    whole = load_audio(source, sampling_rate)  # no length in the header, or a wrong one
    size = round(seconds * sampling_rate)
    start = int(place * max(0, len(whole) - size))
    return whole[start : start + size]


class Pairs:
    """What the two kinds of data sets share: how a recording becomes an item.

    Args:
        text: see `write_text`.
        train: anything may be drawn anew in each epoch; False: the first window and the caption, always the same.

    Items: {"text": str, "audio": (samples,) float32, at most `window_seconds`, "key": the recording's id}, and for
    training "draw": a number for what is drawn later, by the collator.
    """

    def __init__(
        self,
        sampling_rate: int = 16000,
        window_seconds: float = 10.0,
        text: str = "caption",
        train: bool = False,
        seed: int = 0,
    ):
        if text not in TEXTS:
            raise ValueError(f"There is no text {text!r} to train on: choose one of {', '.join(TEXTS)}.")
        self.sampling_rate, self.window_seconds = sampling_rate, window_seconds
        self.text, self.train, self.seed = text, train, seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # running workers see it change

    def set_epoch(self, epoch: int) -> None:
        """To be called before each epoch."""
        self._epoch.fill_(epoch)

    def pair(self, recording: Recording, source: Source, rng: np.random.Generator | None) -> dict:
        """The item of a recording whose sound is in `source`; rng: None for validation."""
        if rng is None:
            audio = excerpt(source, 0.0, self.window_seconds, self.sampling_rate)
        else:
            audio = random_window(source, self.sampling_rate, self.window_seconds, rng)
        if len(audio) < MIN_SECONDS * self.sampling_rate:
            raise AudioError(f"{recording.id} is shorter than {MIN_SECONDS} s: leave it out.")
        item = {"text": write_text(recording, self.text, rng), "audio": audio, "key": recording.id}
        return item if rng is None else {**item, "draw": int(rng.integers(2**31))}


class PairDataset(Pairs, Dataset):
    """Recordings with captions as pairs.

    Args:
        recordings: that can be decoded; `check_recordings` leaves out the others.
        mixup: the part of the training pairs that get another recording mixed in, and its text joined to theirs.
        **options: see `Pairs`.
    """

    def __init__(self, recordings: Sequence[Recording], *args, mixup: float = 0.0, **options):
        super().__init__(*args, **options)
        self.recordings, self.mixup = list(recordings), mixup

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng((self.seed, int(self._epoch), index)) if self.train else None
        item = self._take(index, rng)
        if rng is not None and rng.random() < self.mixup:
            other = self._take((index + int(rng.integers(1, max(2, len(self))))) % len(self), rng)
            item["audio"] = mix(item["audio"], other["audio"], rng.uniform(0.3, 0.7))
            item["text"] = f"{item['text'].rstrip('.')}, and {other['text']}"
        return item

    def _take(self, index: int, rng: np.random.Generator | None) -> dict:
        return self.pair(self.recordings[index], self.recordings[index].path, rng)


def mix(one: np.ndarray, two: np.ndarray, share: float) -> np.ndarray:
    """`share` of one recording and the rest of another, brought to the loudness of the first; as long as the first."""
    two = np.resize(two, len(one)) * (np.sqrt(np.mean(one**2)) / max(float(np.sqrt(np.mean(two**2))), 1e-6))
    return (share * one + (1 - share) * two).clip(-1, 1).astype(np.float32)


class PairCollator:
    """A batch of n pairs as a model's inputs: input_ids and attention_mask (n, tokens), input_values (n, max_length,
    bins), keys (a list of n; not for the model).

    Args:
        processor: a `KobzaProcessor`.
        spec_augment: hide one band and one stretch of each spectrogram (arXiv:1904.08779). Only of pairs for training.
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
            raise ValueError("A recording makes several windows: the data set's window is longer than the model's.")
        del batch["window_counts"]  # one window each
        if self.spec_augment:
            for row, item in zip(batch["input_values"], items, strict=True):
                if "draw" in item:
                    row.copy_(mask(row, item["draw"]))
        return {**batch, "keys": [item["key"] for item in items]}


def mask(spectrogram: torch.Tensor, draw: int) -> torch.Tensor:
    """SpecAugment of (frames, bins): a stretch and a band become 0, which is AudioSet's mean; `draw` chooses them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw)
        return mask_along_axis(mask_along_axis(spectrogram, MASKED_FRAMES, 0.0, 0), MASKED_BINS, 0.0, 1)
