"""Pairs of which the frozen part is known: computed once, read in every epoch (`frozen_cache.py`).

    PairDataset --FrozenCache.keep--> KnownPairs: {"text_border" or "text", "audio_border" or "audio", "key"}
        --KnownCollator--> text_border and attention_mask, or input_ids and attention_mask; audio_border or input_values

Valid where every epoch holds the same pairs: the caption, and of a recording the first window, as for validation.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm.auto import tqdm

from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor
from kobza.training.dataset import PairDataset, write_text
from kobza.training.feature_cache import BorderFiles, fingerprint
from kobza.training.frozen_split import TextBorder, audio_border
from kobza.training.worker_batches import WorkerCollator

Kept = tuple[BorderFiles, list[str]]


class KnownPairs(Dataset):
    """The pairs of a `PairDataset`, with what is known of them instead of their text, their sound or both.

    Args:
        texts, sounds: where it is kept and under which key, a pair for each recording; None where nothing is frozen.
    """

    def __init__(self, pairs: PairDataset, texts: Kept | None, sounds: Kept | None):
        self.pairs, self.texts, self.sounds = pairs, texts, sounds

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict:
        item = {"key": self.pairs.recordings[index].id}
        for kept, name in ((self.texts, "text_border"), (self.sounds, "audio_border")):
            if kept is not None:
                files, keys = kept
                item[name] = files[keys[index]]
        if self.sounds is None:
            item["audio"] = self.pairs[index]["audio"]
        if self.texts is None:
            item["text"] = _caption(self.pairs, index)
        return item


class KnownCollator:
    """A batch for `border.from_border`, of pairs with what is known of them or without."""

    def __init__(self, processor: KobzaProcessor):
        self.processor = processor

    def __call__(self, items: Sequence[dict]) -> dict:
        batch = {"keys": [item["key"] for item in items]}
        if "text_border" in items[0]:
            rows = [item["text_border"] for item in items]
            batch["text_border"] = pad_sequence(rows, batch_first=True)
            ones = [torch.ones(len(row), dtype=torch.long) for row in rows]
            batch["attention_mask"] = pad_sequence(ones, batch_first=True)
        else:
            batch.update(self.processor(text=[item["text"] for item in items]))
        if "audio_border" in items[0]:
            batch["audio_border"] = torch.stack([item["audio_border"] for item in items])
        else:
            batch.update(self.sounds(items))
        return batch

    def sounds(self, items: Sequence[dict]) -> dict:
        """Only the `input_values`, of items with sound."""
        extractor = self.processor.feature_extractor
        made = extractor([item["audio"] for item in items], sampling_rate=extractor.sampling_rate)
        return {"input_values": made["input_values"]}


class FrozenCache:
    """Of a model's frozen layers, what they put out for the pairs that are kept.

    Args:
        folder: may hold other models' too. model: on the device that shall compute, its layers frozen.
        at_once: clips computed together, and written as one file. workers: processes that decode, besides this one.
        quiet: no progress bar.

    Raises:
        ValueError: no layer of the model is frozen.
    """

    def __init__(
        self,
        folder: str | Path,
        model: KobzaModel,
        processor: KobzaProcessor,
        at_once: int = 32,
        workers: int = 0,
        quiet: bool = False,
    ):
        self.at_once, self.workers, self.quiet, self.device = at_once, workers, quiet, model.device
        self.processor, self.collate = processor, KnownCollator(processor)
        self.text, self.audio = TextBorder(model), audio_border(model)
        if not self.text.depth and not self.audio.depth:
            raise ValueError("No layer of this model is frozen, so --frozen_cache has nothing to keep: leave it out.")
        features = processor.feature_extractor.to_dict()
        self.texts = BorderFiles(folder, fingerprint(self.text, pooling=self.text.pooling)) if self.text.depth else None
        self.sounds = BorderFiles(folder, fingerprint(self.audio, features=features)) if self.audio.depth else None

    def keep(self, pairs: PairDataset) -> KnownPairs:
        """Compute what is not there yet, shared among all processes, and give the pairs that read it.

        Raises:
            ValueError: the pairs are not the same in each epoch.
        """
        if not isinstance(pairs, PairDataset) or pairs.train:
            raise ValueError(
                "--frozen_cache keeps what is computed once, so every epoch must hold the same pairs: give a folder of "
                "recordings without augmentation (PairDataset(..., train=False)), or leave the cache out."
            )
        texts = sounds = None
        if self.texts is not None:
            inputs = [self.processor(text=_caption(pairs, k)).to(self.device) for k in range(len(pairs))]
            keys = [hashlib.sha256(row["input_ids"].cpu().numpy().tobytes()).hexdigest() for row in inputs]
            self._fill(self.texts, keys, "captions", lambda wanted: self._read(inputs[k] for k in wanted))
            texts = self.texts, keys
        if self.sounds is not None:
            keys = [hashlib.sha256(recording.path.read_bytes()).hexdigest() for recording in pairs.recordings]
            self._fill(self.sounds, keys, "recordings", lambda wanted: self._hear(Subset(pairs, wanted)))
            sounds = self.sounds, keys
        return KnownPairs(pairs, texts, sounds)

    def _read(self, sentences: Iterable[dict]) -> Iterator[Tensor]:
        """The borders of tokenized sentences, one by one: each is as long as it is."""
        for inputs in sentences:
            yield self.text.below(inputs["input_ids"], inputs["attention_mask"])[0]

    def _hear(self, pairs: Dataset) -> Iterator[Tensor]:
        """The borders of the pairs' sounds, computed together."""
        own = torch.Generator()  # training draws the same whether or not something had to be computed first
        workers = {"num_workers": self.workers, "generator": own}
        for batch in DataLoader(pairs, self.at_once, collate_fn=WorkerCollator(self.collate.sounds), **workers):
            yield from self.audio.below(batch["input_values"].to(self.device))

    @torch.no_grad()
    def _fill(self, files: BorderFiles, keys: list[str], what: str, compute: Callable) -> None:
        """Let each process write its part of what is missing; `compute`: from places in `keys` to their tensors."""
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        if rank == 0:
            files.look(mend=True)
        _wait_for_all()
        files.look()
        _wait_for_all()  # nothing new is written before all have seen the same
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        missing = [place for key, place in first.items() if key not in files][rank::world]
        rows = {}
        if missing:
            bar = tqdm(compute(missing), f"{what} through frozen layers", len(missing), disable=self.quiet or rank > 0)
            for place, row in zip(missing, bar, strict=True):
                rows[keys[place]] = row
                if len(rows) == self.at_once or place == missing[-1]:
                    files.write(rows)
                    rows = {}
        _wait_for_all()
        files.look()


def _wait_for_all() -> None:
    if dist.is_initialized():
        dist.barrier()


def _caption(pairs: PairDataset, index: int) -> str:
    return write_text(pairs.recordings[index], pairs.text, None)
