"""Pairs from a WebDataset: tar files in which an example's files share a name, read as a stream and never stored.

    000.tar:  a.flac  a.json   b.flac  b.json ...    a.json: {"caption": "...", "aspect_list": [...]}, or a.txt: caption

Shards are local files, URLs or a data set of the Hub. Each process and worker reads shards of its own.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import PurePosixPath
from zlib import crc32

import numpy as np
from torch.utils.data import IterableDataset

from kobza.audio import AUDIO_EXTENSIONS
from kobza.data.pairs import aspects_of
from kobza.data.recordings import DataSetError, Recording
from kobza.training.dataset import Pairs

SHUFFLED = 256  # undecoded examples held back, of which one is drawn: some 100 MB of ten-second FLAC
log = logging.getLogger(__name__)


def find_shards(where: str | Sequence[str]) -> list[str]:
    """The tar files that are meant: a list of them; "DIR/{000..063}.tar", braces as in a shell, also of an URL; or
    "hub:user/name", every tar file of a data set on the Hub.

    Raises:
        DataSetError: nothing there, or the library for it is not.
    """
    if find_spec("webdataset") is None:
        raise DataSetError("Streams of pairs need webdataset; install it with: pip install 'kobza[data]'")
    if not isinstance(where, str):
        shards = list(where)
    elif where.startswith("hub:"):
        shards = _on_the_hub(where.removeprefix("hub:"))
    else:
        from braceexpand import braceexpand  # comes with webdataset

        shards = list(braceexpand(where))
    if not shards:
        raise DataSetError(f"{where} has no tar files: give a WebDataset's shards.")
    return shards


def _on_the_hub(name: str) -> list[str]:
    import httpx
    from huggingface_hub import list_repo_files

    try:
        files = list_repo_files(name, repo_type="dataset")
    except (OSError, ValueError, httpx.HTTPError) as error:
        reason = str(error).split("\n")[0]
        raise DataSetError(f"The data set {name} cannot be read on the Hub ({reason}): check its name.") from error
    return [f"hf://datasets/{name}/{file}" for file in sorted(files) if file.endswith(".tar")]


class PairStream(Pairs, IterableDataset):
    """The pairs of a WebDataset, without duplicates over processes and workers.

    For training (`train=True`) it has no end: one epoch follows another, each in an order of its own. No process runs
    dry before the others then; `max_steps` ends the training. What cannot be read or decoded is named in the log and
    passed over. For validation it is read once, in its own order, and a shard that breaks off is an error.

    It shares the data out itself: give its loader to no one who would do it again (`accelerator.prepare` would).

    Args:
        shards: see `find_shards`.
        *args, **options: see `Pairs`.
    """

    def __init__(self, shards: str | Sequence[str], *args, **options):
        super().__init__(*args, **options)
        self.shards = find_shards(shards)

    def __iter__(self) -> Iterator[dict]:
        epoch, train = int(self._epoch), self.train
        while True:
            some = False
            for item in self._one_epoch(epoch):
                some = True
                yield item
            if not train:
                return
            if not some:
                raise DataSetError(f"{self.shards[0]} and the other shards hold no pair that can be used.")
            epoch += 1

    def _one_epoch(self, epoch: int) -> Iterator[dict]:
        from webdataset.filters import shuffle
        from webdataset.utils import pytorch_worker_info

        rank, world, worker, workers = pytorch_worker_info()
        reader, readers = rank * workers + worker, world * workers
        shards = list(self.shards)
        if self.train:
            random.Random(f"{self.seed} {epoch}").shuffle(shards)
        if len(shards) >= readers:
            samples = self._samples(shards[reader::readers])
        else:  # all read all of the shards, and each takes some of the examples
            samples = (s for number, s in enumerate(self._samples(shards)) if number % readers == reader)
        if self.train:
            samples = shuffle(SHUFFLED, rng=random.Random(f"{self.seed} {epoch} {reader}"))(samples)
        for sample in samples:
            try:
                item = self._item(sample, epoch)
            except ValueError as error:  # AudioError, broken JSON, text that is no UTF-8
                log.warning("%s of %s is passed over: %s", sample["__key__"], sample["__url__"], error)
            else:
                yield item

    def _samples(self, shards: list[str]) -> Iterator[dict]:
        from webdataset.tariterators import group_by_keys, tar_file_expander

        for shard in shards:
            try:
                with _open(shard) as stream:
                    yield from group_by_keys(tar_file_expander([{"url": shard, "stream": stream}]))
            except Exception as error:  # a network's, a tar file's, a file system's: all the same to us
                reason = f"The shard {shard} cannot be read to its end ({type(error).__name__}: {error})"
                if not self.train:
                    raise DataSetError(f"{reason}: fetch or write it again.") from error
                log.warning("%s; the next one follows.", reason)

    def _item(self, sample: dict, epoch: int) -> dict:
        """The pair of {"__key__", "__url__", extension: bytes}; a ValueError says what is wrong with it."""
        row = json.loads(sample.get("json", b"{}"))
        sounds = [name for name in sample if "." + name.rsplit(".", 1)[-1] in AUDIO_EXTENSIONS]
        if not isinstance(row, dict) or not sounds:
            raise ValueError("it has no sound" if not sounds else "its json is not an object")
        caption = row.get("caption") or row.get("text") or sample.get("txt", b"").decode().strip() or None
        key = f"{PurePosixPath(sample['__url__']).name}/{sample['__key__']}"
        recording = Recording(None, key, caption=caption if isinstance(caption, str) else None, aspects=aspects_of(row))
        if not recording.caption and not recording.aspects:
            raise ValueError("it has no caption")
        rng = np.random.default_rng((self.seed, epoch, crc32(key.encode()))) if self.train else None
        return self.pair(recording, sample[sounds[0]], rng)


def _open(shard: str):
    """A binary stream of a local file, an http(s) URL or a file of the Hub (hf://...)."""
    import fsspec

    return fsspec.open(shard, "rb").open()
