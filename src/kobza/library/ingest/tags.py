"""Reading what a file says about itself: its tags, and its stream's format, bitrate, sampling rate and length.

A file may have tags in several places. Each field is taken from the first place that has a usable value for it:
1. the format's own tags, as mutagen reads them: ID3v2, Vorbis comments, MP4, ASF, APEv2;
2. tags of another kind in the same file: ID3 before a FLAC, APEv2 after an MP3, ID3v1, the annotation of an AU file;
3. FFmpeg's metadata: RIFF INFO and bext, the chunks of AIFF and CAF, Matroska's tags.
A file without an artist has its album artist. What cannot be read counts as absent.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import mutagen

from kobza.audio import AudioError
from kobza.internal_error import bad_file_errors, raised_by_kobza
from kobza.library.filters.tree import SEPARATOR
from kobza.library.ingest import tag_values
from kobza.library.ingest.encodings import WESTERN, decode_with, guess_encoding
from kobza.library.ingest.tag_sources import Raw, Source, Suspect, ffmpeg_source, mutagen_source, other_sources
from kobza.library.musical_key import musical_key

CODEC_FORMATS = {"wmav1": "wma", "wmav2": "wma", "wmapro": "wma", "wmalossless": "wma", "musepack7": "mpc"} | {
    "musepack8": "mpc"
}


@dataclass(frozen=True)
class Tags:
    """Fields of `Track`, in its units.

    Attributes:
        seconds: the length by the header, 0 if unknown; it may be wrong.
        has_title: whether a tag says the title; if not, it is the file's name.
    """

    title: str
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    album_artist: str = ""
    composer: str = ""
    comment: str = ""
    track_number: int | None = None
    format: str = ""
    bitrate: int | None = None
    sample_rate: int | None = None
    bpm: float | None = None
    key: str = ""
    seconds: float = 0.0
    has_title: bool = field(default=True, compare=False)

    def of_track(self) -> dict[str, Any]:
        """The fields of a `Track` that a file says."""
        return {name: value for name, value in asdict(self).items() if name not in ("seconds", "has_title")}


def read_tags(path: str | Path, encoding: str | None = None) -> Tags:
    """The tags of the file at `path`; without a title, it is the file's name without extension.

    Args:
        encoding: of ID3 and RIFF texts, and names of files, that do not say theirs, such as "cp1251"; None: it is
            guessed.
    """
    file = _or_none(lambda: mutagen.File(path))
    stream = _read_stream(path)
    sources = [source for source in _sources(path, file, stream.metadata)]
    decoded = _decode(sources, encoding)

    def first(field: str, parse: Callable[[list[str]], Any]) -> Any:
        values = (parse(source[field]) for source in decoded if field in source)
        return next((value for value in values if value), None)

    artist, album_artist = (first(field, _joined(tag_values.names)) or "" for field in ("artist", "album_artist"))
    info = getattr(file, "info", None)
    title = first("title", _first_text)
    return Tags(
        title=title or file_title(path, encoding),
        artist=artist or album_artist,
        album=first("album", _first_text) or "",
        genre=first("genre", _joined(tag_values.genres)) or "",
        year=first("date", _first_of(tag_values.year)),
        album_artist=album_artist,
        composer=first("composer", _joined(tag_values.names)) or "",
        comment=first("comment", _first_text) or "",
        track_number=first("track_number", _first_of(tag_values.number)),
        format=stream.format,
        bitrate=stream.bitrate or round((getattr(info, "bitrate", 0) or 0) / 1000) or None,
        sample_rate=stream.sample_rate or getattr(info, "sample_rate", None) or None,
        bpm=first("bpm", _first_of(tag_values.tempo)),
        key=first("key", _first_of(musical_key)) or "",
        seconds=float(getattr(info, "length", None) or stream.seconds),
        has_title=bool(title),
    )


def file_title(path: str | Path, encoding: str | None) -> str:
    """The title of a file whose tags say none: its name without extension. Names from old computers are in the
    encodings of their time.

    >>> file_title(os.fsdecode("/m/Пісня.mp3".encode("cp1251")), None)
    'Пісня'
    """
    raw = os.fsencode(Path(path).stem)
    guessed = guess_encoding([raw])
    return tag_values.one_line(decode_with(raw, encoding if encoding and guessed != "utf-8" else guessed))


def _joined(split: Callable[[list[str]], list[str]]) -> Callable[[list[str]], str]:
    return lambda texts: SEPARATOR.join(split(texts))


def _first_of(parse: Callable[[str], Any]) -> Callable[[list[str]], Any]:
    return lambda texts: next((value for value in map(parse, texts) if value), None)


def _first_text(texts: list[str]) -> str:
    """Of a field with one value: some programs write it nine times."""
    return next(filter(None, texts), "")


@dataclass(frozen=True)
class _Stream:
    """What FFmpeg says of a file's audio stream."""

    metadata: dict[str, str]
    format: str = ""
    bitrate: int | None = None  # kbit/s
    sample_rate: int | None = None
    seconds: float = 0.0


def _read_stream(path: str | Path) -> _Stream:
    import av  # here, because a search imports this module and reads no files

    from kobza.ffmpeg import open_container

    with contextlib.suppress(AudioError, UnicodeError), open_container(path) as (container, _):
        stream: Any = container.streams.best("audio")
        if stream is None:
            return _Stream({})
        codec = stream.codec.canonical_name
        bits = stream.bit_rate or container.bit_rate
        seconds = container.duration / av.time_base if container.duration else 0.0
        if not seconds and stream.duration:
            seconds = float(stream.duration * stream.time_base)
        # Samples as they are have the name of the file's format; "aiff", "wav"
        name = container.format.name.split(",")[0] if codec.startswith("pcm_") else CODEC_FORMATS.get(codec, codec)
        metadata = dict(stream.metadata) | dict(container.metadata)
        return _Stream(metadata, name, round(bits / 1000) if bits else None, stream.rate or None, max(0.0, seconds))
    return _Stream({})


def _sources(path: str | Path, file: Any, metadata: dict[str, str]) -> Iterator[Source]:
    if file is not None and file.tags is not None:
        yield _or_none(lambda: mutagen_source(file)) or {}
    yield from _or_none(lambda: list(other_sources(path, file))) or []
    yield ffmpeg_source(metadata)


def _or_none(read: Callable[[], Any]) -> Any:
    """What `read` gives; None where a tag is damaged."""
    try:
        return read()
    except Exception as error:  # mutagen's parsers raise many kinds of errors; the track is indexed without tags
        if raised_by_kobza(error) and not isinstance(error, bad_file_errors()):
            raise
    return None


def _decode(sources: list[Source], encoding: str | None) -> list[dict[str, list[str]]]:
    """All texts as lines of text."""
    texts = [text for source in sources for values in source.values() for text in values]
    told = encoding or guess_encoding([text for text in texts if isinstance(text, bytes)])
    suspects = [raw for text in texts if isinstance(text, Suspect) and (raw := _as_bytes(text))]
    guessed = guess_encoding(suspects) if suspects else WESTERN

    def decoded(text: Raw) -> str:
        if isinstance(text, bytes):
            return decode_with(text, told)
        if isinstance(text, Suspect) and guessed != WESTERN and (raw := _as_bytes(text)):
            return decode_with(raw, guessed)
        return text

    return [
        {field: [tag_values.one_line(decoded(text)) for text in values] for field, values in source.items()}
        for source in sources
    ]


def _as_bytes(text: str) -> bytes | None:
    """The bytes of which this may be a wrong reading; None for ASCII, and for what no wrong reading gives."""
    if text.isascii():
        return None
    for name in ("latin-1", WESTERN):
        with contextlib.suppress(UnicodeEncodeError):
            return text.encode(name)
    return None
