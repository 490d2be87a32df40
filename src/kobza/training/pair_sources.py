"""Where a stream's pairs come from: the shards of a WebDataset, Parquet files, or a folder's recordings.

    source --samples--> Place, Sample --PairStream--> {"text", "audio", "key", ...}

A source reads from any `Place` on without decoding what comes before, which is how a resumed run continues. Audio is
still encoded in a sample: bytes of a file, or a path.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from kobza.audio import Source
from kobza.data.pairs import aspects_of, paraphrases_of
from kobza.data.recording_identity import source_of
from kobza.data.recordings import DataSetError, Recording
from kobza.training.recording_draw import RecordingDraw, in_turn

CAPTION_COLUMNS = ("caption", "captions", "text")
Example = TypeVar("Example")
log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A position within an epoch: a shard's number in the epoch's order, and examples of it that lie before."""

    shard: int = 0
    example: int = 0


class Share(NamedTuple):
    """Which part of an epoch to read: epoch `epoch` in the order of `seed` (None: as stored), reader `reader` of
    `readers`."""

    seed: int | None
    epoch: int
    reader: int = 0
    readers: int = 1


class Sample(NamedTuple):
    """An example, not yet decoded, and the key of its sound if that is known; or why it cannot be used."""

    recording: Recording
    audio: Source | None = None
    error: str | None = None
    sound: int | None = None


class PairSource(Protocol):
    def samples(self, share: Share, place: Place) -> Iterator[tuple[Place, Sample]]:
        """The share's samples from a place on, each with the place after it.

        Raises:
            DataSetError: something cannot be read, and the share has no seed (validation, where all pairs count).
        """
        ...


def sample_of(key: str, row: Any, audio: Source | None, share: Share) -> Sample:
    """The sample of an example's columns: caption (or captions, text: one or a list), aspect_list or tags."""
    nameless = Recording(Path(key), key)
    if not isinstance(row, dict):
        return Sample(nameless, error="its json is not an object")
    if audio is None:
        return Sample(nameless, error="it has no audio")
    listed = next((row[column] for column in CAPTION_COLUMNS if row.get(column)), None)
    captions = [text for text in (listed if isinstance(listed, list) else [listed]) if isinstance(text, str)]
    aspects = aspects_of(row)
    if not captions and not aspects:
        return Sample(nameless, error="it has no caption")
    caption = captions[in_turn(len(captions), share.seed, share.epoch, key)] if captions else None
    recording = Recording(
        Path(key), key, caption=caption, aspects=aspects, source=source_of(row), paraphrases=paraphrases_of(row)
    )
    return Sample(recording, audio)


def ordered_shards(shards: Sequence[str], share: Share) -> tuple[list[str], int, int]:
    """The shards that a reader opens, in order; and of their examples those with number % modulus == remainder."""
    order = list(shards)
    if share.seed is not None:
        random.Random(f"{share.seed} {share.epoch}").shuffle(order)
    if len(order) >= share.readers:
        return order[share.reader :: share.readers], 1, 0
    return order, share.readers, share.reader  # each reads all shards and takes its part of the examples


def samples_of_shards(
    shards: Sequence[str],
    share: Share,
    place: Place,
    read: Callable[[str, int], Iterator[tuple[int, Example]]],
    convert: Callable[[str, int, Example], Sample],
) -> Iterator[tuple[Place, Sample]]:
    """`PairSource.samples` of a source that is kept in shards.

    Args:
        read: (shard, first) -> its examples from that number on, each with its number.
        convert: (shard, number, example) -> the sample.
    """
    order, modulus, remainder = ordered_shards(shards, share)
    for number in range(place.shard, len(order)):
        shard = order[number]
        try:
            for example, content in read(shard, place.example if number == place.shard else 0):
                if (example + number) % modulus == remainder:
                    yield Place(number, example + 1), convert(shard, example, content)
        except Exception as error:  # of the network, the file or the file system
            reason = f"The shard {shard} cannot be read completely ({type(error).__name__}: {error})"
            if share.seed is None:
                raise DataSetError(f"{reason}: download or write it again.") from error
            log.warning("%s; continuing with the next one.", reason)


class FolderSource:
    """Recordings of a folder; one with several captions is one sample, and the captions take turns.

    Args:
        sounds: the keys of files' sounds, where they are known.
    """

    def __init__(self, recordings: Sequence[Recording], seed: int = 0, sounds: Mapping[Path, int] | None = None):
        self.sounds = sounds or {}
        self.draw = RecordingDraw(list(recordings), [recording.id for recording in recordings], seed)

    def samples(self, share: Share, place: Place) -> Iterator[tuple[Place, Sample]]:
        order = list(range(len(self.draw)))
        if share.seed is not None:
            random.Random(f"{share.seed} {share.epoch}").shuffle(order)
        mine = order[share.reader :: share.readers]
        for example in range(place.example, len(mine)):
            recording = self.draw.rows[self.draw.row(mine[example], share.epoch)]
            yield Place(0, example + 1), Sample(recording, recording.path, sound=self.sounds.get(recording.path))
