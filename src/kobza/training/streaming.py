"""Pairs as a stream: several sources mixed by weights, endless, and continued where a run stopped.

    PairSource (pair_sources.py) --weights--> samples --decode--> {"text", "audio", "key", "recording_keys", "position"}

Each process and worker, a reader, reads its own share of each source and counts where it is: an item's `position` is
the state of its reader after it. A checkpoint keeps the last one of each reader (`stream_state.py`); the stream goes on
from there, so that nothing before it is decoded again. Samples are shuffled in blocks: a block is read, and drawn from
in an order that depends on the seed and the block's place alone. Of several rows of one recording in a block, one is
drawn.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from zlib import crc32

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from kobza.data.recordings import DataSetError
from kobza.training.dataset import PairMaker
from kobza.training.pair_sources import PairSource, Place, Sample, Share
from kobza.training.recording_draw import in_turn
from kobza.training.stream_recordings import SoundKeys
from kobza.training.stream_state import Position, StreamState

SHUFFLE_BLOCK_SIZE = 256  # undecoded examples to draw from: some 100 MB of ten-second FLAC
MIN_SKIPPED = 100  # examples that cannot be used, before their share among all is an error
log = logging.getLogger(__name__)


def division() -> tuple[int, int, int, int]:
    """This process's rank, the number of processes, this worker's number in its process, the number of workers."""
    worker = get_worker_info()
    rank, world = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    return rank, world, worker.id if worker else 0, worker.num_workers if worker else 1


class PairStream(PairMaker, IterableDataset):
    """The pairs of several sources, divided among processes and workers without duplicates.

    For training (`train=True`) it is endless: epochs follow each other, each in a new order, so that no process runs
    out of pairs before the others; `max_steps` ends the training. What cannot be read or decoded is logged and skipped;
    if it is more than half, that is an error. For validation it is read once, in order, and a truncated shard is an
    error. An item's key is that of its sound, so that captions of one recording are recognized as such across rows and
    sources.

    It divides the data itself, so its loader must not be prepared by accelerate, which would divide them again.

    Args:
        sources: one or more.
        weights: how often each is drawn from, relative to the others; by default equally often.
        *args, **options: see `PairMaker`.
    """

    def __init__(self, sources: Sequence[PairSource], weights: Sequence[float] | None = None, *args, **options):
        super().__init__(*args, **options)
        self.sources = list(sources)
        self.weights = np.array(weights or [1.0] * len(self.sources))
        self.state: StreamState | None = None  # of the run that is resumed
        self.keys = SoundKeys()

    def __iter__(self) -> Iterator[dict]:
        rank, world, worker, workers = division()
        if not self.train:
            for source in self.sources:
                share = Share(None, 0, rank * workers + worker, world * workers)
                for _, sample in source.samples(share, Place()):
                    item = self._item(sample, 0)
                    if item is not None:
                        yield item
            return
        position = Position.start(worker, len(self.sources), int(self._epoch))
        if self.state is not None:
            position = self.state.of_worker(worker, workers, position)
        yield from self._endless(position, Share(self.seed, 0, rank * workers + position.worker, world * workers))

    def _endless(self, position: Position, share: Share) -> Iterator[dict]:
        streams = [self._shuffled(number, share, position.sources[number]) for number in range(len(self.sources))]
        shares = self.weights / self.weights.sum()
        while True:
            chosen = 0
            if len(streams) > 1:
                rng = np.random.default_rng((self.seed, share.reader, position.drawn))
                chosen = int(rng.choice(len(streams), p=shares))
            epoch, sample, place = next(streams[chosen])
            position = position.after(chosen, place)
            item = self._item(sample, epoch)
            if item is not None:
                yield {**item, "position": position}
                continue
            position = position.with_skipped()
            if position.skipped > MIN_SKIPPED and position.skipped > position.drawn / 2:
                raise DataSetError(
                    f"Of the first {position.drawn} examples {position.skipped} cannot be used (the log names them): "
                    "check the captions and the audio of the data."
                )

    def _shuffled(
        self, number: int, share: Share, start: tuple[int, ...]
    ) -> Iterator[tuple[int, Sample, tuple[int, ...]]]:
        """(epoch, sample, place after it) of a source without end; a place: epoch, shard, example, offset in block."""
        epoch, shard, example, offset = start
        while True:
            place = Place(shard, example)
            samples = self.sources[number].samples(share._replace(epoch=epoch), place)
            is_empty = place == Place()
            while block := list(islice(samples, SHUFFLE_BLOCK_SIZE)):
                is_empty = False
                drawn = _one_row_each((sample for _, sample in block), self.seed, epoch)
                order = np.random.default_rng((self.seed, epoch, share.reader, *place)).permutation(len(drawn))
                end = block[-1][0]
                for k in range(offset, len(drawn)):
                    after = (epoch, *place, k + 1) if k + 1 < len(drawn) else (epoch, *end, 0)
                    yield epoch, drawn[order[k]], after
                place, offset = end, 0
            if is_empty:
                raise DataSetError(
                    f"Source {number + 1} of {len(self.sources)} and its shards hold no usable pair for one of the "
                    "processes and workers: check its captions and audio, or start fewer of them."
                )
            epoch, shard, example, offset = epoch + 1, 0, 0, 0

    def _item(self, sample: Sample, epoch: int) -> dict | None:
        """The sample's pair; None, with a line in the log, if it cannot be used."""
        recording, audio, error, _ = sample
        if audio is not None and error is None:
            rng = np.random.default_rng((self.seed, epoch, crc32(recording.id.encode()))) if self.train else None
            try:
                item = self.make_pair(recording, audio, rng)
                if not self.train:
                    return item
                keys = self.keys.of(sample)
                return {**item, "key": f"{keys[-1]:016x}", "recording_keys": keys}
            except ValueError as failure:  # AudioError
                error = str(failure)
        log.warning("%s is skipped: %s", recording.id, error)
        return None


def _one_row_each(samples: Iterable[Sample], seed: int, epoch: int) -> list[Sample]:
    """One sample of each recording; its rows, which have the same bytes, take turns by epoch."""
    rows: dict[bytes | str, list[Sample]] = {}
    for sample in samples:
        sound = sample.audio
        recording = blake2b(sound, digest_size=16).digest() if isinstance(sound, bytes) else sample.recording.id
        rows.setdefault(recording, []).append(sample)
    return [of_one[in_turn(len(of_one), seed, epoch, of_one[0].recording.id)] for of_one in rows.values()]
