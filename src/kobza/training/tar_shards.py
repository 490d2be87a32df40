"""WebDatasets: tar files in which an example's files share a name, read as streams without storing them.

    000.tar:  a.flac  a.json   b.flac  b.json ...    a.json: {"caption": "...", "aspect_list": [...]}, or a.txt: caption

Shards are local files, URLs or files of a data set on the Hub.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from kobza.audio import AUDIO_EXTENSIONS
from kobza.data.recordings import Recording
from kobza.extras import require
from kobza.training.pair_sources import CAPTION_COLUMNS, Place, Sample, Share, sample_of, samples_of_shards


class WebDataset:
    """The examples of tar files; a `PairSource`.

    Args:
        shards: paths or addresses, see `shard_names.find_shards`.

    Raises:
        MissingPackageError: webdataset is not installed.
    """

    def __init__(self, shards: Sequence[str]):
        require("webdataset", "A stream of pairs", "data")
        self.shards = list(shards)

    def samples(self, share: Share, place: Place) -> Iterator[tuple[Place, Sample]]:
        def convert(_shard: str, _number: int, files: dict[str, Any]) -> Sample:
            return example_of(files, share)

        return samples_of_shards(self.shards, share, place, read_shard, convert)


def example_of(files: dict[str, Any], share: Share) -> Sample:
    """The sample of {"__key__", "__url__", extension: bytes}."""
    key = f"{PurePosixPath(files['__url__']).name}/{files['__key__']}"
    try:
        row = json.loads(files.get("json", b"{}"))
        text = files.get("txt", b"").decode().strip()
    except ValueError as error:  # broken JSON, text that is not UTF-8
        return Sample(Recording(Path(key), key), error=str(error))
    if isinstance(row, dict) and text and not any(row.get(column) for column in CAPTION_COLUMNS):
        row = {**row, "caption": text}
    audio = next((name for name in files if "." + name.rsplit(".", 1)[-1] in AUDIO_EXTENSIONS), None)
    return sample_of(key, row, None if audio is None else files[audio], share)


def read_shard(shard: str, first: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The examples of a tar file from number `first` on. A file that can seek is not read before that."""
    import fsspec
    from webdataset.tariterators import base_plus_ext, group_by_keys

    def members(tar: tarfile.TarFile) -> Iterator[dict[str, Any]]:
        number, previous = -1, None
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # or it keeps all headers of a large file
            prefix = base_plus_ext(member.name)[0]
            if not member.isfile() or prefix is None or member.name.startswith("__"):
                continue
            if prefix != previous:
                number, previous = number + 1, prefix
            file = tar.extractfile(member) if number >= first else None
            yield {"fname": member.name, "data": file.read() if file else b"", "__url__": shard}

    with fsspec.open(shard, "rb") as stream:
        mode: Any = "r:*" if stream.seekable() else "r|*"
        with tarfile.open(fileobj=stream, mode=mode) as tar:
            for number, example in enumerate(group_by_keys(members(tar))):
                if number >= first:
                    yield number, example
