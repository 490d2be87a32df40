"""Recordings that hold several tracks: what divides them, and how what was embedded of a file becomes its tracks.

A part's path is its file's with "#" and the track's number: /music/album.flac#3.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kobza.audio import AudioError, chapters, printable
from kobza.embedding.embedder import WindowRule, mark_windows
from kobza.library.ingest.cue import MAX_SHEET_BYTES, CueFile, CueTrack, decode_text, parse_cue
from kobza.library.records import Failure, FileState, StoredTrack, Track

if TYPE_CHECKING:
    from mutagen.flac import CueSheetTrack

MIN_PART_SECONDS = 1.0  # shorter ones are gaps
MAX_PARTS = 999
MAX_TIME_DIFFERENCE = 0.005  # seconds; a frame of a CD lasts 0.013
# In Vorbis comments and APEv2, ID3, MP4
SHEET_TAGS = ("CUESHEET", "TXXX:CUESHEET", "TXXX:cuesheet", "----:com.apple.iTunes:CUESHEET")
LEAD_OUT_TRACKS = (170, 255)  # of FLAC's own cue sheets: the end of the disc


class Part(NamedTuple):
    """A track within a file. `end` in seconds; None for the end of the file."""

    track: CueTrack
    start: float
    end: float | None


def part_path(file: str, number: int) -> str:
    return f"{file}#{number}"


def to_parts(tracks: Iterable[CueTrack], ends: Sequence[float | None] = ()) -> tuple[Part, ...]:
    """Tracks in order -> parts, each up to the next one or its own end. Empty if there are too many to be tracks.

    >>> [(part.start, part.end) for part in to_parts([CueTrack(1, 0.0), CueTrack(2, 200.0)])]
    [(0.0, 200.0), (200.0, None)]
    """
    rows = [(track, ends[i] if ends else None) for i, track in enumerate(tracks) if track.start is not None]
    parts = []
    numbers: set[int] = set()
    for i, (track, end) in enumerate(rows):
        start = track.start or 0.0
        following = next((other.start for other, _ in rows[i + 1 :] if (other.start or 0.0) > start), None)
        stops = [stop for stop in (end, following) if stop is not None]
        stop = min(stops) if stops else None
        if stop is not None and stop - start < MIN_PART_SECONDS:
            continue
        if track.number in numbers:
            track = replace(track, number=max(numbers) + 1)
        numbers.add(track.number)
        parts.append(Part(track, start, stop))
    return tuple(parts) if len(parts) <= MAX_PARTS else ()


def read_sheet(path: str) -> list[CueFile]:
    """The files of the cue sheet at `path`. OSError: it cannot be read."""
    with open(path, "rb") as file:
        return parse_cue(decode_text(file.read(MAX_SHEET_BYTES)))


def read_parts(file: str, sheet_tracks: Sequence[CueTrack] = ()) -> tuple[Part, ...]:
    """What divides a recording: a cue sheet beside it, one in its tags, or its chapters. One part is the whole file.

    Args:
        sheet_tracks: of the cue sheet beside it.
    """
    if sheet_tracks:
        return to_parts(sheet_tracks)
    with contextlib.suppress(Exception):  # mutagen's parsers raise many kinds of errors on malformed tags
        if parts := _embedded_sheet(file):
            return parts
    with contextlib.suppress(AudioError):  # decoding it will say why
        found = chapters(file)
        tracks = [CueTrack(i, start, title) for i, (start, _, title) in enumerate(found, 1)]
        parts = to_parts(tracks, [end for _, end, _ in found])
        return parts if len(parts) > 1 else ()
    return ()


def has_embedded_sheet(file: str) -> bool:
    """Whether a cue sheet in the recording's own tags divides it."""
    with contextlib.suppress(Exception):  # as in `read_parts`
        return bool(_embedded_sheet(file))
    return False


def _embedded_sheet(file: str) -> tuple[Part, ...]:
    import mutagen.flac  # imported here: a search reads no tags

    tags = mutagen.File(file)
    text = next((tags.tags[name] for name in SHEET_TAGS if name in (tags.tags or ())), None)
    if text is not None:
        value = text[0] if isinstance(text, list) else text
        files = parse_cue(decode_text(value) if isinstance(value, bytes) else str(value))
        parts = to_parts(files[0].tracks) if len(files) == 1 else ()
        if len(parts) > 1:
            return parts
    sheet = getattr(tags, "cuesheet", None)  # FLAC's own
    if isinstance(sheet, mutagen.flac.CueSheet):
        starts = [
            CueTrack(track.track_number, (track.start_offset + _first_index(track)) / tags.info.sample_rate)
            for track in sheet.tracks
            if track.track_number not in LEAD_OUT_TRACKS and track.type == 0
        ]
        parts = to_parts(starts)
        return parts if len(parts) > 1 else ()
    return ()


def _first_index(track: "CueSheetTrack") -> int:
    """The offset of INDEX 01 in samples: the gap before a track belongs to the previous one."""
    return next((index.index_offset for index in track.indexes if index.index_number == 1), 0)


def cut_parts(
    rule: WindowRule, chunks: Iterable[np.ndarray], parts: Sequence[Part]
) -> Iterator[tuple[float, np.ndarray | None]]:
    """`mark_windows` of each part, beginning at its start: (start in seconds within the file, samples (n,) or None)."""
    stream = _SampleStream(chunks)
    shortest = rule.min_window_seconds * rule.sampling_rate
    for part in parts:
        for _ in stream.until(round(part.start * rule.sampling_rate)):
            pass
        end = None if part.end is None else round(part.end * rule.sampling_rate)
        for start, samples in mark_windows(rule, stream.until(end)):
            if samples is None or len(samples) >= shortest:
                yield part.start + start, samples
    for _ in stream.until(None):
        pass  # to the end: it shows whether the file is damaged, and how long it is


class _SampleStream:
    """Chunks of samples that can be taken up to a position."""

    def __init__(self, chunks: Iterable[np.ndarray]):
        self.chunks = iter(chunks)
        self.position = 0
        self.rest: np.ndarray | None = None

    def until(self, end: int | None) -> Iterator[np.ndarray]:
        """The samples before `end`, in chunks; all if it is None."""
        while end is None or self.position < end:
            chunk = self.rest if self.rest is not None else next(self.chunks, None)
            self.rest = None
            if chunk is None:
                return
            taken = len(chunk) if end is None else min(len(chunk), end - self.position)
            if taken < len(chunk):
                self.rest = chunk[taken:]
            self.position += taken
            yield chunk[:taken]


def with_sheet_tags(track: Track, sheet: CueTrack, has_title: bool) -> Track:
    """The track with what only its sheet says; its title, too, if no tag says one."""
    values = {name: getattr(sheet, name) for name in ("title", "artist", "album", "genre", "year")}
    values["track_number"] = sheet.number or None
    unknown = {name for name in values if not getattr(track, name)} | (set() if has_title else {"title"})
    return replace(track, **{name: value for name, value in values.items() if value and name in unknown})


def with_part_tags(whole: Track, sheet: CueTrack) -> Track:
    """What the tags of a file and of a track within it say together."""
    return replace(
        whole,
        title=sheet.title or f"{whole.title} ({sheet.number})",
        artist=sheet.artist or whole.artist,
        album=sheet.album or whole.album or whole.title,
        genre=whole.genre or sheet.genre,
        year=whole.year or sheet.year,
        track_number=sheet.number,
    )


def is_same_part(part: Part, track: Track, seconds: float | None) -> bool:
    """Whether a track of the library has the times of a part of its file, which lasts `seconds` by its header."""
    if track.end is None or abs(track.start - part.start) > MAX_TIME_DIFFERENCE:
        return False
    if part.end is not None and abs(track.end - part.end) <= MAX_TIME_DIFFERENCE:
        return True
    to_end = part.end is None or (seconds is not None and part.end >= seconds)
    return to_end and seconds is not None and abs(track.end - seconds) < MIN_PART_SECONDS


def divide(
    whole: Track, file_state: FileState, starts: Sequence[float], vectors: np.ndarray, parts: Sequence[Part]
) -> tuple[list[StoredTrack], list[Failure]]:
    """What was embedded of a file (`cut_parts`) as its tracks. A part that is silent or beyond the end is a failure."""
    tracks: list[StoredTrack] = []
    failures: list[Failure] = []
    for part in parts:
        path = part_path(whole.path, part.track.number)
        end = whole.duration if part.end is None else min(part.end, whole.duration)
        own = [i for i, start in enumerate(starts) if part.start <= start < end]
        if not own:
            if end - part.start >= MIN_PART_SECONDS:
                reason = "is silent; correct the sheet, or leave the track out."
            else:
                length = f"the recording lasts {whole.duration:.1f} s"
                reason = f"has no sound: it begins at {part.start:.1f} s and {length}; correct the sheet."
            failures.append(Failure(path, f"{printable(path)} {reason}", is_lasting=True))
            continue
        track = replace(
            with_part_tags(whole, part.track), path=path, duration=end - part.start, start=part.start, end=end
        )
        own_starts = [round(starts[i] - part.start, 6) for i in own]
        tracks.append((track, file_state, own_starts, vectors[own]))
    return tracks, failures
