"""Tags of Matroska and WebM, which mutagen does not read and FFmpeg not completely: it keeps the last of repeated
values, and does not tell an album's title from a track's.

The format: https://www.matroska.org/technical/elements.html
"""

from collections.abc import Iterator
from typing import BinaryIO

EBML, SEGMENT, TAGS, TAG = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x12\x54\xc3\x67", b"\x73\x73"
TARGETS, TARGET_LEVEL, TARGET_CHAPTER = b"\x63\xc0", b"\x68\xca", b"\x63\xc4"
SIMPLE_TAG, TAG_NAME, TAG_TEXT = b"\x67\xc8", b"\x45\xa3", b"\x44\x87"
ALBUM_LEVEL = 50
MAX_TAGS_BYTES = 1 << 24
MAX_ELEMENTS = 1_000_000  # of a segment: a cluster each second or so
# What a tag of the album says of a track; "" for nothing, as the number of tracks has the name of a track's number
OF_ALBUM = {"title": "album", "artist": "album_artist", "part_number": "", "comment": "", "description": ""}


def matroska_tags(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    """(name, text) of every tag of the whole file or its track, names in lower case; those of the album last.

    Where a file has tags of the level "album" only, they are the track's own, as many programs write them.
    """
    by_level: dict[int, list[tuple[str, str]]] = {}
    for level, name, text in _tags(stream):
        by_level.setdefault(level, []).append((name.lower(), text))
    track = [pair for level in sorted(by_level) if level < ALBUM_LEVEL for pair in by_level[level]]
    has_track = any(name in ("title", "artist") for name, _ in track)
    yield from track
    for level in sorted(by_level):
        for name, text in by_level[level] if level >= ALBUM_LEVEL else []:
            name = OF_ALBUM.get(name, name) if has_track else name
            if name and not (has_track and any(name == other for other, _ in track)):
                yield name, text


def _tags(stream: BinaryIO) -> Iterator[tuple[int, str, str]]:
    stream.seek(0)
    if stream.read(4) != EBML:
        return
    stream.seek(0)
    for kind, size in _elements(stream):
        if kind == SEGMENT:
            continue  # its elements come next
        if kind != TAGS or size > MAX_TAGS_BYTES:
            stream.seek(size, 1)
            continue
        for tag_kind, tag in _children(stream.read(size)):
            if tag_kind == TAG:
                yield from _simple_tags(tag)


def _simple_tags(tag: bytes) -> Iterator[tuple[int, str, str]]:
    level = ALBUM_LEVEL
    for kind, content in _children(tag):
        if kind == TARGETS:
            targets = dict(_children(content))
            if int.from_bytes(targets.get(TARGET_CHAPTER, b"")):
                return
            level = int.from_bytes(targets.get(TARGET_LEVEL, bytes([ALBUM_LEVEL])))
        elif kind == SIMPLE_TAG:
            parts = dict(_children(content))
            name, text = (
                parts.get(part, b"").rstrip(b"\0").decode("utf-8", "replace") for part in (TAG_NAME, TAG_TEXT)
            )
            yield level, name, text


def _elements(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Id and size of each element; the stream is then at its content. Ends at one of unknown size (but a segment)."""
    for _ in range(MAX_ELEMENTS):
        head = stream.read(12)
        kind, size, length = _head(head)
        if not kind or (size is None and kind != SEGMENT):
            return
        stream.seek(length - len(head), 1)
        yield kind, size or 0


def _children(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        kind, size, length = _head(data[at : at + 12])
        if not kind or size is None:
            return
        yield kind, data[at + length : at + length + size]
        at += length + size


def _head(data: bytes) -> tuple[bytes, int | None, int]:
    """(id, size of the content, size of both); an empty id for none, the size None for an unknown one."""
    id_length = 9 - data[0].bit_length() if data and data[0] else 0
    if not 1 <= id_length <= 4 or len(data) <= id_length or not data[id_length]:
        return b"", None, 0
    size_length = 9 - data[id_length].bit_length()
    if len(data) < id_length + size_length:
        return b"", None, 0
    mask = (1 << 7 * size_length) - 1
    size = int.from_bytes(data[id_length : id_length + size_length]) & mask
    return data[:id_length], None if size == mask else size, id_length + size_length
