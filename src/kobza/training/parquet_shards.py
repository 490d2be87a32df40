"""Parquet files of captions and audio, as `datasets` writes them.

audio: {"bytes": ..., "path": ...} or bytes     caption, captions or text: one or a list     aspect_list or tags
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from kobza.data.recordings import DataSetError
from kobza.extras import require
from kobza.training.pair_sources import Place, Sample, Share, ordered_shards, sample_of

ROWS_AT_ONCE = 32  # some 10 MB of ten-second FLAC
log = logging.getLogger(__name__)


class ParquetFiles:
    """The rows of Parquet files; a `PairSource`.

    Args:
        files: paths or addresses, see `shard_names.find_shards`.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """

    def __init__(self, files: Sequence[str]):
        require("pyarrow", "A stream from Parquet files", "parquet")
        self.files = list(files)

    def samples(self, share: Share, place: Place) -> Iterator[tuple[Place, Sample]]:
        files, modulus, remainder = ordered_shards(self.files, share)
        for number in range(place.shard, len(files)):
            first = place.example if number == place.shard else 0
            try:
                for example, row in read_rows(files[number], first):
                    if (example + number) % modulus == remainder:
                        key = f"{PurePosixPath(files[number]).name}/{example}"
                        yield Place(number, example + 1), sample_of(key, row, audio_of(row), share)
            except Exception as error:  # of the network, the file or the file system
                reason = f"{files[number]} cannot be read completely ({type(error).__name__}: {error})"
                if share.seed is None:
                    raise DataSetError(f"{reason}: download or write it again.") from error
                log.warning("%s; continuing with the next file.", reason)


def audio_of(row: dict[str, Any]) -> bytes | None:
    """The bytes in a row's column `audio`.

    >>> audio_of({"audio": {"bytes": b"RIFF", "path": "a.wav"}}), audio_of({"audio": b"RIFF"}), audio_of({})
    (b'RIFF', b'RIFF', None)
    """
    audio = row.get("audio")
    audio = audio.get("bytes") if isinstance(audio, dict) else audio
    return audio if isinstance(audio, bytes) else None


def read_rows(file: str, first: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a Parquet file from number `first` on; row groups before it are not read."""
    import fsspec
    from pyarrow.parquet import ParquetFile

    with fsspec.open(file, "rb") as stream:
        table = ParquetFile(stream)
        sizes = [table.metadata.row_group(k).num_rows for k in range(table.num_row_groups)]
        group = start = 0
        while group < len(sizes) and start + sizes[group] <= first:
            start += sizes[group]
            group += 1
        number = start
        for batch in table.iter_batches(ROWS_AT_ONCE, row_groups=range(group, len(sizes))):
            for place in range(max(0, first - number), len(batch)):
                yield number + place, batch.slice(place, 1).to_pylist()[0]
            number += len(batch)
