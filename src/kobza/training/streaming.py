"""Pairs from a WebDataset: tar files in which an example's files share a name, read as a stream without storing them.

    000.tar:  a.flac  a.json   b.flac  b.json ...    a.json: {"caption": "...", "aspect_list": [...]}, or a.txt: caption

Shards are local files, URLs or a data set on the Hub. Each process and worker reads its own shards.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from zlib import crc32

import numpy as np
from torch.utils.data import IterableDataset

from kobza.audio import AUDIO_EXTENSIONS
from kobza.data.pairs import aspects_of
from kobza.data.recordings import DataSetError, Recording
from kobza.extras import require
from kobza.training.dataset import PairMaker

SHUFFLE_BUFFER_SIZE = 256  # undecoded examples to draw from: some 100 MB of ten-second FLAC
log = logging.getLogger(__name__)


def find_shards(where: str | Sequence[str]) -> list[str]:
    """The tar files named by a list of them; by "DIR/{000..063}.tar", a path or URL with braces as in a shell; or by
    "hub:user/name", all tar files of a data set on the Hub.

    Raises:
        DataSetError: there are none.
        MissingPackageError: webdataset is not installed.
    """
    require("webdataset", "A stream of pairs", "data")
    if not isinstance(where, str):
        shards = list(where)
    elif where.startswith("hub:"):
        shards = _hub_shards(where.removeprefix("hub:"))
    else:
        from braceexpand import braceexpand  # comes with webdataset

        shards = list(braceexpand(where))
    if not shards:
        raise DataSetError(f"{where} has no tar files: give a WebDataset's shards.")
    return shards


def _hub_shards(name: str) -> list[str]:
    import httpx
    from huggingface_hub import list_repo_files

    try:
        files = list_repo_files(name, repo_type="dataset")
    except (OSError, ValueError, httpx.HTTPError) as error:
        reason = str(error).split("\n")[0]
        raise DataSetError(f"The data set {name} cannot be read on the Hub ({reason}): check its name.") from error
    return [f"hf://datasets/{name}/{file}" for file in sorted(files) if file.endswith(".tar")]


class PairStream(PairMaker, IterableDataset):
    """The pairs of a WebDataset, divided among processes and workers without duplicates.

    For training (`train=True`) it is endless: epochs follow each other, each in a new order, so that no process runs
    out of pairs before the others; `max_steps` ends the training. What cannot be read or decoded is logged and skipped.
    For validation it is read once, in order, and a truncated shard is an error.

    It divides the data itself, so its loader must not be prepared by accelerate, which would divide them again.

    Args:
        shards: see `find_shards`.
        *args, **options: see `PairMaker`.
    """

    def __init__(self, shards: str | Sequence[str], *args, **options):
        super().__init__(*args, **options)
        self.shards = find_shards(shards)

    def __iter__(self) -> Iterator[dict]:
        epoch = int(self._epoch)
        train = self.train
        while True:
            any_pair = False
            for item in self._one_epoch(epoch):
                any_pair = True
                yield item
            if not train:
                return
            if not any_pair:
                raise DataSetError(
                    f"{self.shards[0]} and the other shards hold no usable pair: check their captions and audio."
                )
            epoch += 1

    def _one_epoch(self, epoch: int) -> Iterator[dict]:
        from webdataset.filters import shuffle
        from webdataset.utils import pytorch_worker_info

        rank, world, worker, workers = pytorch_worker_info()
        reader = rank * workers + worker
        readers = world * workers
        shards = list(self.shards)
        if self.train:
            random.Random(f"{self.seed} {epoch}").shuffle(shards)
        if len(shards) >= readers:
            samples = self._samples(shards[reader::readers])
        else:  # each reads all shards and takes its share of the examples
            samples = (s for number, s in enumerate(self._samples(shards)) if number % readers == reader)
        if self.train:
            samples = shuffle(SHUFFLE_BUFFER_SIZE, rng=random.Random(f"{self.seed} {epoch} {reader}"))(samples)
        for sample in samples:
            try:
                item = self._item(sample, epoch)
            except ValueError as error:  # AudioError, broken JSON, text that is not UTF-8
                log.warning("%s of %s is skipped: %s", sample["__key__"], sample["__url__"], error)
            else:
                yield item

    def _samples(self, shards: list[str]) -> Iterator[dict]:
        from webdataset.tariterators import group_by_keys, tar_file_expander

        for shard in shards:
            try:
                with _open(shard) as stream:
                    yield from group_by_keys(tar_file_expander([{"url": shard, "stream": stream}]))
            except Exception as error:  # of the network, the tar file or the file system
                reason = f"The shard {shard} cannot be read completely ({type(error).__name__}: {error})"
                if not self.train:
                    raise DataSetError(f"{reason}: download or write it again.") from error
                log.warning("%s; continuing with the next one.", reason)

    def _item(self, sample: dict, epoch: int) -> dict:
        """The pair of {"__key__", "__url__", extension: bytes}; ValueError: it has none, with the reason."""
        row = json.loads(sample.get("json", b"{}"))
        audio_files = [name for name in sample if "." + name.rsplit(".", 1)[-1] in AUDIO_EXTENSIONS]
        if not isinstance(row, dict) or not audio_files:
            raise ValueError("its json is not an object" if audio_files else "it has no audio")
        caption = row.get("caption") or row.get("text") or sample.get("txt", b"").decode().strip() or None
        key = f"{PurePosixPath(sample['__url__']).name}/{sample['__key__']}"
        recording = Recording(
            Path(key), key, caption=caption if isinstance(caption, str) else None, aspects=aspects_of(row)
        )
        if not recording.caption and not recording.aspects:
            raise ValueError("it has no caption")
        rng = np.random.default_rng((self.seed, epoch, crc32(key.encode()))) if self.train else None
        return self.make_pair(recording, sample[audio_files[0]], rng)


def _open(shard: str):
    """A binary stream from a local file, an http(s) URL or a file on the Hub (hf://...)."""
    import fsspec

    return fsspec.open(shard, "rb").open()
