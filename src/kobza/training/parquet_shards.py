"""Parquet files of captions and audio, as `datasets` writes them.

audio: {"bytes": ..., "path": ...} or bytes     caption, captions or text: one or a list     aspect_list or tags
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from kobza.extras import require
from kobza.training.pair_sources import Place, Sample, Share, sample_of, samples_of_shards

ROWS_AT_ONCE = 32  # some 10 MB of ten-second FLAC


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
        def convert(file: str, number: int, row: dict[str, Any]) -> Sample:
            return sample_of(f"{PurePosixPath(file).name}/{number}", row, audio_of(row), share)

        return samples_of_shards(self.files, share, place, read_rows, convert)


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
