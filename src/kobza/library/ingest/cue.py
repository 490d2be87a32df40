"""Cue sheets: the text files that divide an album in one recording into its tracks, or describe one file per track.

Format: https://wiki.hydrogenaud.io/index.php?title=Cue_sheet, as programs write it: in any encoding, with the names of
files that have been converted since.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath, PureWindowsPath

from kobza.audio import AUDIO_EXTENSIONS

FRAMES_PER_SECOND = 75  # of a CD
MAX_SHEET_BYTES = 1_000_000
LINE = re.compile(r"\s*(REM\s+)?(\w+)\s+(.*?)\s*")
TIME = re.compile(r"(\d+):(\d+):(\d+)")


@dataclass(frozen=True)
class CueTrack:
    """A track of a sheet: its start in seconds within its file. An unknown text is "", an unknown year None."""

    number: int
    start: float | None = None  # None until its INDEX 01 has been read
    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None


@dataclass
class CueFile:
    """A FILE of a sheet with the tracks that begin in it, in order."""

    name: str
    tracks: list[CueTrack] = field(default_factory=list)


def decode_text(data: bytes) -> str:
    """The text of a sheet or playlist: UTF-8 or UTF-16 by its mark, else UTF-8, else Shift JIS, Cyrillic or Western.

    Where letters beyond ASCII stand together, they are words of another script; where alone, they have accents.

    >>> decode_text("Кобза".encode("cp1251")), decode_text("Café".encode("cp1252")), decode_text(b"\\xef\\xbb\\xbfa")
    ('Кобза', 'Café', 'a')
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    beyond = len(re.findall(rb"[\x80-\xff]", data))
    together = sum(map(len, re.findall(rb"[\x80-\xff]{2,}", data)))
    try:
        text = data.decode("cp932")
        if re.search("[\u3040-\u30ff]", text) and together > beyond / 2:
            return text
    except UnicodeDecodeError:
        pass
    return data.decode("cp1251" if together > beyond / 2 else "cp1252", "replace")


def parse_cue(text: str) -> list[CueFile]:
    """The files of a sheet, each with its tracks; tracks without sound or without a start are left out.

    >>> [file] = parse_cue('PERFORMER "P"\\nFILE "a.wav" WAVE\\nTRACK 01 AUDIO\\nTITLE "T"\\nINDEX 01 00:02:15')
    >>> file.name, file.tracks[0].title, file.tracks[0].artist, file.tracks[0].start
    ('a.wav', 'T', 'P', 2.2)
    """
    album = CueTrack(0)
    files: list[CueFile] = []
    track: CueTrack | None = None  # the one that is being read
    is_data = False
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if not match:
            continue
        name, value = match[2].upper(), match[3]
        if name == "FILE":
            quoted = re.match(r'"(.*)"', value)
            files.append(CueFile(quoted[1] if quoted else value.rsplit(maxsplit=1)[0]))
        elif name == "TRACK":
            number, _, kind = value.partition(" ")
            is_data = kind.strip().upper() not in ("AUDIO", "")
            track = replace(album, number=int(number) if number.isdecimal() else 0, title="", album=album.title)
        elif name == "INDEX" and track is not None and files and not is_data:
            number, _, time = value.partition(" ")
            if number.isdecimal() and int(number) == 1 and (parts := TIME.fullmatch(time.strip())):
                minutes, seconds, frames = map(int, parts.groups())
                files[-1].tracks.append(replace(track, start=60.0 * minutes + seconds + frames / FRAMES_PER_SECOND))
                track = None
        else:
            changed = _with_tag(track or album, name, value.strip().strip('"').strip())
            if track is None:
                album = changed if not files else album
            else:
                track = changed
    for file in files:
        file.tracks.sort(key=lambda one: one.start or 0.0)
    return [file for file in files if file.tracks]


def _with_tag(track: CueTrack, name: str, value: str) -> CueTrack:
    if name == "TITLE":
        return replace(track, title=value)
    if name == "PERFORMER":
        return replace(track, artist=value)
    if name == "GENRE":
        return replace(track, genre=value)
    if name == "DATE" and (year := re.search(r"(?<!\d)(1\d|20)\d\d(?!\d)", value)):
        return replace(track, year=int(year[0]))
    return track


def recordings_in(names: Iterable[str]) -> list[str]:
    """
    >>> recordings_in(["a.flac", "cover.jpg"])
    ['a.flac']
    """
    return [name for name in names if PurePath(name).suffix.lower() in AUDIO_EXTENSIONS]


def may_divide(tracks: Sequence[CueTrack], seconds: float | None) -> bool:
    """Whether a recording of another name than a sheet's FILE, the only one in its folder, can be what the sheet means.

    A sheet does not say where its last track ends. So the recording must be longer than the last track's start, and
    that track no longer than all others together.

    >>> sheet = [CueTrack(1, 0.0), CueTrack(2, 200.0)]
    >>> [may_divide(sheet, seconds) for seconds in (30.0, 390.0, 3600.0, None)]
    [False, True, False, False]
    """
    last = max((track.start or 0.0 for track in tracks), default=0.0)
    return seconds is not None and last < seconds <= 2 * last


def file_named(name: str, present: Collection[str], sheet: str, is_only: bool) -> str | None:
    """Which of the files `present` in the sheet's folder the FILE `name` means; None if it is not there.

    Recordings are converted and renamed after the sheet was written: the same name in another case, with another
    extension, or if the sheet has one FILE, that of the sheet.

    >>> file_named("CDImage.wav", ["album.flac", "cover.jpg"], "album.cue", True)
    'album.flac'
    """
    wanted = PureWindowsPath(name).name  # knows both separators
    recordings = recordings_in(present)

    def candidates() -> Iterator[str]:
        yield from (other for other in present if other == wanted)
        yield from (other for other in recordings if other.casefold() == wanted.casefold())
        for stem in (PurePath(wanted).stem, PurePath(sheet).stem) if is_only else (PurePath(wanted).stem,):
            yield from (other for other in recordings if PurePath(other).stem.casefold() == stem.casefold())

    return next(candidates(), None)
