"""What the file system says about a file, within the ranges that every store can hold."""

from typing import NamedTuple, Protocol

from kobza.library.ingest.cue import CueTrack

INT64_MAX = 2**63 - 1


class OsStatus(Protocol):
    """The part of `os.stat_result` that is used here."""

    @property
    def st_size(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_dev(self) -> int: ...
    @property
    def st_ino(self) -> int: ...
    @property
    def st_nlink(self) -> int: ...


class FileStatus(NamedTuple):
    """Size in bytes and time of change in ns since 1970; device and inode identify the file on this machine.

    `names` is how many names (hard links) the file has. Device and inode are None where there are none (a URL).
    `sheet_tracks` are those that a cue sheet beside the file names in it. If it divides the file, `sheet` is its path,
    and its size and time of change are counted in.
    """

    size: int
    mtime_ns: int
    device: int | None = None
    inode: int | None = None
    names: int = 1
    sheet: str | None = None
    sheet_tracks: tuple[CueTrack, ...] = ()


def int64(number: int | float) -> int:
    """The nearest signed 64-bit integer; 0 for what is not a number. SQLite, Parquet and Milvus hold no others.

    >>> int64(2**63), int64(-(10**30)), int64(float("inf"))
    (9223372036854775807, -9223372036854775808, 9223372036854775807)
    """
    if number != number:
        return 0
    return int(max(-INT64_MAX - 1, min(INT64_MAX, number)))


def file_status(status: OsStatus) -> FileStatus:
    """The values of a file system in 64-bit ranges: ext4's times go to 2446 and NTFS's to 60056, while 64-bit ns end
    in 2262.

    Inode and device numbers are unsigned there. They are shifted into the signed range and not limited to it, so that
    different files keep different ones.
    """
    device, inode = (number % 2**64 - 2**63 for number in (status.st_dev, status.st_ino))
    size = max(0, int64(status.st_size))
    # An inode number of 0 means that the file system has none
    known = bool(status.st_ino)
    return FileStatus(
        size, int64(status.st_mtime_ns), device if known else None, inode if known else None, int64(status.st_nlink)
    )
