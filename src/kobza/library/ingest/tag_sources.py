"""The places of a file that hold tags, as mappings from Kobza's fields to lists of texts.

`Raw` text is str where the format says what its encoding is; bytes where it says Latin-1, which may be wrong, or
nothing; and `Suspect` where it is Unicode that programs often made of such bytes.
"""

import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import mutagen
import mutagen.apev2
import mutagen.asf
import mutagen.id3
import mutagen.mp4
from mutagen._vorbis import VComment

from kobza.internal_error import bad_file_errors, raised_by_kobza
from kobza.library.ingest.matroska_tags import EBML, matroska_tags
from kobza.library.ingest.tag_names import ASF_NAMES, ID3_FRAMES, MP4_ATOMS, NAMES


class Suspect(str):
    """Text of an ID3 tag in Unicode."""


Raw = str | bytes
Source = dict[str, list[Raw]]  # by Track's fields, and "date" for a year

FIELDS_THAT_ARE_PARSED = ("date", "track_number", "bpm", "key")
MP4_FREE_NAMES = "----:com.apple.iTunes:"
ID3V1_SIZE = 128


def mutagen_source(file: Any) -> Source:
    """The tags of what `mutagen.File` opened."""
    tags = file.tags
    if isinstance(tags, mutagen.id3.ID3):
        return _of_id3(tags)
    if isinstance(tags, VComment):
        return _of_names((name, [value]) for name, value in tags)
    if isinstance(tags, mutagen.mp4.MP4Tags):
        free = (
            (name[len(MP4_FREE_NAMES) :], values) for name, values in tags.items() if name.startswith(MP4_FREE_NAMES)
        )
        named = _of_names(
            (name, [bytes(value).decode("utf-8", "replace") for value in values]) for name, values in free
        )
        return _of_fields(MP4_ATOMS, lambda atom: [_mp4_text(value) for value in tags.get(atom, [])]) | named
    if isinstance(tags, mutagen.asf.ASFTags):
        return _of_fields(ASF_NAMES, lambda name: [str(value) for value in tags.get(name, [])])
    if isinstance(tags, mutagen.apev2.APEv2):
        return _of_ape(tags)
    return {}


def other_sources(path: str | Path, file: Any) -> Iterator[Source]:
    """Tags of a second kind, which programs write beside the format's own: ID3 in front of a FLAC or AAC, APEv2 behind
    an MP3 or TTA, ID3v1 at the end, the annotation of an AU file; and those of Matroska."""
    with open(path, "rb") as stream:
        head = stream.read(4096)
        size = stream.seek(0, 2)
        stream.seek(max(0, size - ID3V1_SIZE))
        tail = stream.read()
        yield from _second_tags(path, file, head, tail)
        if head.startswith(b".snd"):
            yield _of_au(head)
        if head.startswith(EBML):
            stream.seek(0)
            yield _of_names((name, [text]) for name, text in matroska_tags(stream))


def _second_tags(path: str | Path, file: Any, head: bytes, tail: bytes) -> Iterator[Source]:
    kinds = (mutagen.id3.ID3, mutagen.apev2.APEv2)
    own = next((kind for kind in kinds if isinstance(getattr(file, "tags", None), kind)), None)
    if head.startswith(b"ID3") and own is not mutagen.id3.ID3:
        yield from _read(lambda: _of_id3(mutagen.id3.ID3(path)))
    if own is not mutagen.apev2.APEv2:
        yield from _read(lambda: _of_ape(mutagen.apev2.APEv2(path)))
    if tail.startswith(b"TAG") and (frames := mutagen.id3.ParseID3v1(tail)):
        yield _of_fields(ID3_FRAMES, lambda name: _id3_texts([frames[name]] if name in frames else []))


def ffmpeg_source(metadata: dict[str, str]) -> Source:
    """FFmpeg's metadata; bytes that are not UTF-8 are lone surrogates in it."""
    found = _of_names((name, [_bytes_if_not_utf8(text)]) for name, text in metadata.items())
    if "time_reference" in metadata:  # a broadcast wave (bext), which has a description, an originator and a date
        originator = metadata.get("encoded_by") or metadata.get("originator", "")
        if originator and not originator.lower().startswith(PROGRAMS):
            found.setdefault("artist", [_bytes_if_not_utf8(originator)])
        if "comment" in found:
            found.setdefault("title", found["comment"])
    return found


# Recorders and editors write their own name as the originator
PROGRAMS = (
    *(
        "pro tools",
        "reaper",
        "logic",
        "ableton",
        "audacity",
        "adobe",
        "cubase",
        "nuendo",
        "wavelab",
        "studio one",
        "lavf",
    ),
    *(
        "sound dev",
        "zoom",
        "tascam",
        "olympus",
        "sony",
        "roland",
        "fl studio",
        "bitwig",
        "ardour",
        "samplitude",
        "digidesign",
    ),
)


def _read(read: Callable[[], Source]) -> Iterator[Source]:
    """What `read` gives; nothing where there is no such tag, or a damaged one."""
    try:
        yield read()
    except Exception as error:  # mutagen's parsers raise many kinds of errors
        if raised_by_kobza(error) and not isinstance(error, bad_file_errors()):
            raise


def _of_fields(names: dict[str, tuple[str, ...]], values: Callable[[str], list[Raw]]) -> Source:
    """For each field, the values of the first of its names that has any; of all where one may be no date or number."""
    found: Source = {}
    for field, candidates in names.items():
        for name in candidates:
            if texts := [text for text in values(name) if text.strip()]:
                if field in FIELDS_THAT_ARE_PARSED:
                    found.setdefault(field, []).extend(texts)
                else:
                    found.setdefault(field, texts)
    return found


def _of_names(pairs: Iterable[tuple[str, list[Raw]]]) -> Source:
    by_name: dict[str, list[Raw]] = {}
    for name, texts in pairs:
        by_name.setdefault(name.lower().replace("_", "").replace(" ", ""), []).extend(texts)
    return _of_fields(NAMES, lambda name: by_name.get(name, []))


def _of_ape(tags: Any) -> Source:
    texts = ((name, list(value)) for name, value in tags.items() if isinstance(value, mutagen.apev2.APETextValue))
    return _of_names(texts)


def _of_id3(tags: Any) -> Source:
    found = _of_fields(ID3_FRAMES, lambda name: _id3_texts(_id3_frames(tags, name)))
    free = _of_names((frame.desc, _id3_texts([frame])) for frame in tags.getall("TXXX"))
    return free | found


def _id3_frames(tags: Any, name: str) -> list[Any]:
    """Of comments those for people, without what programs keep there under names of their own ("iTunNORM")."""
    frames = tags.getall(name)
    if name != "COMM":
        return frames
    return sorted((one for one in frames if not one.desc.startswith("iTun")), key=lambda one: one.desc != "")[:1]


def _id3_texts(frames: Iterable[Any]) -> list[Raw]:
    texts: list[Raw] = []
    for frame in frames:
        for value in frame.text:
            text = str(value)
            with contextlib.suppress(UnicodeEncodeError):
                texts.append(text.encode("latin-1") if frame.encoding == mutagen.id3.Encoding.LATIN1 else Suspect(text))
    return texts


def _mp4_text(value: object) -> str:
    return str(value[0]) if isinstance(value, tuple) else str(value)  # (track, of how many)


def _bytes_if_not_utf8(text: str) -> Raw:
    raw = text.encode("utf-8", "surrogateescape")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
    return text


def _of_au(head: bytes) -> Source:
    """The annotation of an AU file, between header and samples: lines "key=value", as FFmpeg writes them, or text."""
    (start,) = struct.unpack(">I", head[4:8].rjust(4, b"\0"))
    text = head[24 : min(start, len(head))].split(b"\0")[0].strip()
    pairs = [line.partition(b"=")[::2] for line in text.splitlines() if b"=" in line]
    return _of_names((key.decode("ascii", "replace"), [value]) for key, value in pairs) or {"comment": [text]}
