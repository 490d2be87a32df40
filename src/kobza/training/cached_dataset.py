"""Pairs whose frozen-layer outputs are computed once and read in every epoch (`feature_cache.py` stores them).

    PairDataset --FrozenFeatureCache.precompute--> CachedPairDataset:
                {"text", and perhaps "text_frozen"; "audio_frozen" or "audio"; "key"}
        --CachedPairCollator--> text_frozen and attention_mask, or input_ids and attention_mask;
                                audio_frozen, or input_values; keys, captions

Valid where every epoch has the same pairs: the caption, and of a recording the first window, as in validation. Of
several captions all are kept, and each epoch draws one (`recording_draw.py`).
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm.auto import tqdm

from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor
from kobza.training.dataset import PairDataset, write_text
from kobza.training.feature_cache import FeatureFiles, fingerprint
from kobza.training.frozen_split import TextSplit, audio_split
from kobza.training.worker_batches import WorkerCollator

NOT_TENSORS = {"keys": "key", "captions": "text"}  # what a batch calls them: what an item does
CachedRows = tuple[FeatureFiles, list[str]]  # the files, and the key of each pair's text or audio


class CachedPairDataset(Dataset):
    """The pairs of a `PairDataset`, with frozen-layer outputs beside their text, in place of their audio, or both.

    Args:
        texts, audio: the cached rows of each; None where no layer of that tower is frozen.
    """

    def __init__(self, pairs: PairDataset, texts: CachedRows | None, audio: CachedRows | None):
        self.pairs = pairs
        self.texts = texts
        self.audio = audio

    @property
    def recording_ids(self) -> list[str]:
        """The id of each pair's recording."""
        return self.pairs.recording_ids

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict:
        item: dict[str, Any] = {"key": self.pairs.recordings[index].id, "text": _caption(self.pairs, index)}
        for cached, name in ((self.texts, "text_frozen"), (self.audio, "audio_frozen")):
            if cached is not None:
                files, keys = cached
                item[name] = files[keys[index]]
        if self.audio is None:
            item["audio"] = self.pairs[index]["audio"]
        return item


class CachedPairCollator:
    """Collates items of a `CachedPairDataset` or of a `PairDataset` into the inputs of a `FrozenSplitModel`."""

    def __init__(self, processor: KobzaProcessor):
        self.processor = processor

    def __call__(self, items: Sequence[dict]) -> dict:
        batch: dict[str, Any] = {name: [item[field] for item in items] for name, field in NOT_TENSORS.items()}
        if "text_frozen" in items[0]:
            rows = [item["text_frozen"] for item in items]
            batch["text_frozen"] = pad_sequence(rows, batch_first=True)
            ones = [torch.ones(len(row), dtype=torch.long) for row in rows]
            batch["attention_mask"] = pad_sequence(ones, batch_first=True)
        else:
            batch.update(self.processor(text=[item["text"] for item in items]))
        if "audio_frozen" in items[0]:
            batch["audio_frozen"] = torch.stack([item["audio_frozen"] for item in items])
        else:
            batch.update(self.collate_audio(items))
        return batch

    def collate_audio(self, items: Sequence[dict]) -> dict:
        """Only the `input_values`, of items with audio."""
        extractor = self.processor.feature_extractor
        features = extractor([item["audio"] for item in items], sampling_rate=extractor.sampling_rate)
        return {"input_values": features["input_values"]}


class FrozenFeatureCache:
    """Computes and stores the outputs of a model's frozen layers.

    Args:
        folder: may hold those of other models too.
        model: on the device that is to compute, its layers frozen.
        batch_size: clips that are computed together and written as one file.
        num_workers: processes that decode, besides this one.
        quiet: show no progress bar.

    Raises:
        ValueError: no layer of the model is frozen.
    """

    def __init__(
        self,
        folder: str | Path,
        model: KobzaModel,
        processor: KobzaProcessor,
        batch_size: int = 32,
        num_workers: int = 0,
        quiet: bool = False,
    ):
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.quiet = quiet
        self.device = model.device
        self.processor = processor
        self.collator = CachedPairCollator(processor)
        self.text = TextSplit(model)
        self.audio = audio_split(model)
        if not self.text.depth and not self.audio.depth:
            raise ValueError("No layer of this model is frozen, so --frozen_cache has nothing to keep: leave it out.")
        self.text_files = self.audio_files = None
        if self.text.depth:
            self.text_files = FeatureFiles(folder, fingerprint(self.text, pooling=self.text.pooling))
        if self.audio.depth:
            extraction = processor.feature_extractor.to_dict()
            self.audio_files = FeatureFiles(folder, fingerprint(self.audio, features=extraction))

    def precompute(self, pairs: object) -> CachedPairDataset:
        """Compute what is missing, divided among all processes, and return the pairs that read it.

        Raises:
            ValueError: the pairs are not the same in each epoch.
        """
        if not isinstance(pairs, PairDataset) or pairs.train:
            raise ValueError(
                "--frozen_cache keeps what is computed once, so every epoch must hold the same pairs: give a folder of "
                "recordings without augmentation (PairDataset(..., train=False)), or leave the cache out."
            )
        texts = audio = None
        if self.text_files is not None:
            inputs = [self.processor(text=_caption(pairs, k)).to(self.device) for k in range(len(pairs))]
            keys = [hashlib.sha256(row["input_ids"].cpu().numpy().tobytes()).hexdigest() for row in inputs]
            self._fill(self.text_files, keys, "captions", lambda wanted: self._text_outputs(inputs[k] for k in wanted))
            texts = self.text_files, keys
        if self.audio_files is not None:
            keys = [hashlib.sha256(recording.path.read_bytes()).hexdigest() for recording in pairs.recordings]
            self._fill(self.audio_files, keys, "recordings", lambda wanted: self._audio_outputs(Subset(pairs, wanted)))
            audio = self.audio_files, keys
        return CachedPairDataset(pairs, texts, audio)

    def _text_outputs(self, sentences: Iterable[dict]) -> Iterator[Tensor]:
        """The frozen outputs of tokenized sentences, one at a time because their lengths differ."""
        for inputs in sentences:
            yield self.text.forward_frozen(inputs["input_ids"], inputs["attention_mask"])[0]

    def _audio_outputs(self, pairs: Dataset) -> Iterator[Tensor]:
        """The frozen outputs of the pairs' recordings, computed in batches."""
        loader = DataLoader(
            pairs,
            self.batch_size,
            collate_fn=WorkerCollator(self.collator.collate_audio),
            num_workers=self.num_workers,
            generator=torch.Generator(),  # its own, so that training draws the same with a full and an empty cache
        )
        for batch in loader:
            yield from self.audio.forward_frozen(batch["input_values"].to(self.device))

    def _fill(self, files: FeatureFiles, keys: list[str], unit: str, compute: Callable) -> None:
        """Write what is missing; `compute`: positions in `keys` -> their tensors.

        Runs of one process, as a study starts on each GPU, wait for each other. One of several processes divides the
        work among these, whose process group would time out while it waits.
        """
        with files.filled_by_one() if _processes() == 1 else contextlib.nullcontext():
            self._fill_share(files, keys, unit, compute)

    @torch.no_grad()
    def _fill_share(self, files: FeatureFiles, keys: list[str], unit: str, compute: Callable) -> None:
        rank, world_size = dist.get_rank() if dist.is_initialized() else 0, _processes()
        if rank == 0:
            files.scan(repair=True)
        _wait_for_all()
        files.scan()
        _wait_for_all()  # no process writes before all have listed the same files
        first = {key: position for position, key in reversed(list(enumerate(keys)))}
        missing = [position for key, position in first.items() if key not in files][rank::world_size]
        rows: dict[str, Tensor] = {}
        if missing:
            title = f"{unit} through frozen layers"
            outputs = tqdm(compute(missing), title, len(missing), disable=self.quiet or rank > 0)
            for position, row in zip(missing, outputs, strict=True):
                rows[keys[position]] = row
                if len(rows) == self.batch_size or position == missing[-1]:
                    files.write(rows)
                    rows = {}
        _wait_for_all()
        files.scan()


def _processes() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def _wait_for_all() -> None:
    if dist.is_initialized():
        dist.barrier()


def _caption(pairs: PairDataset, index: int) -> str:
    return write_text(pairs.recordings[index], pairs.text, None)
