"""Finding the recordings in folders and at URLs, and what has changed since the library was last updated."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.library.paths import is_url, shell_word, under
from kobza.library.records import Failure, FileState
from kobza.library.remote import list_files


class FileStatus(Protocol):
    """The part of `os.stat_result` that indexing needs; `remote.RemoteStatus` has it, too."""

    @property
    def st_size(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...


@dataclass(frozen=True)
class Job:
    """A recording to be embedded, with its size in bytes and modification time in ns when it was found."""

    path: str
    size: int
    mtime_ns: int
    known: bool  # the library has it with other content
    tag_encoding: str | None = None  # of texts that do not say theirs; None: guessed
    analyze: bool = False  # find tempo, key, loudness and energy, too


@dataclass
class Plan:
    """The changes that bring the library up to date with the files."""

    jobs: list[Job] = field(default_factory=list)
    moved: list[tuple[str, str, int]] = field(default_factory=list)  # from, to, modification time in ns
    touched: list[tuple[str, int]] = field(default_factory=list)  # same content, another modification time
    gone: list[str] = field(default_factory=list)
    unchanged: int = 0  # the touched ones too


def in_shard(path: str, shard: tuple[int, int]) -> bool:
    """Whether the recording belongs to shard (i, n), the i-th of n, i from 1 on; on every machine its path decides.

    >>> [in_shard("/music/a.mp3", (i, 3)) for i in (1, 2, 3)].count(True)
    1
    """
    i, n = shard
    return int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest()) % n == i - 1


def content_hash(path: str) -> bytes:
    """A 16-byte BLAKE2b digest of the file's content."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _is_audio(path: str) -> bool:
    return Path(path).suffix.lower() in AUDIO_EXTENSIONS


def _files_below(folder: str, failed: list[Failure]) -> Iterator[tuple[str, os.stat_result]]:
    """Every regular file below `folder`, in order. Links to folders are followed; a folder is read once, so loops end.

    Appends to `failed` what has an audio file's name but cannot be read, such as a broken link.
    """
    seen: set[tuple[int, int]] = set()  # (device, inode)
    pending = [folder]
    while pending:
        current = pending.pop()
        folders = []
        try:
            status = os.stat(current)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(current))
        except OSError as error:
            failed.append(
                Failure(current, f"{printable(current)} cannot be read ({error.strerror}); check its permissions.")
            )
            continue
        for name in names:
            if name.startswith("."):  # hidden files, such as the "._" files of macOS
                continue
            path = os.path.join(current, name)
            try:
                status = os.stat(path)
            except OSError as error:
                if os.path.islink(path) and _is_audio(path):  # otherwise it was deleted a moment ago
                    reason = f"is a broken link ({error.strerror}); correct or delete it."
                    failed.append(Failure(path, f"{printable(path)} {reason}"))
                continue
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
            elif stat.S_ISREG(status.st_mode):
                yield path, status
            elif _is_audio(path):  # a FIFO, socket or device, which may block forever
                failed.append(Failure(path, f"{printable(path)} is not a regular file; move or delete it."))
        pending.extend(reversed(folders))


def find_recordings(root: str) -> tuple[Mapping[str, FileStatus], list[Failure]]:
    """The recordings at or below `root` (an absolute path, or a URL): ({path: status}, what could not be read).

    Recordings are recognized by their extension; a file given as `root` is accepted with any name.
    """
    if is_url(root):
        files, failed = list_files(root)
        return {path: status for path, status in files.items() if path == root or _is_audio(path)}, failed
    try:
        status = os.stat(root)
    except OSError as error:
        return {}, [Failure(root, f"{printable(root)} cannot be read ({error.strerror}); check the path.")]
    if stat.S_ISREG(status.st_mode):
        return {root: status}, []
    if not stat.S_ISDIR(status.st_mode):
        return {}, [Failure(root, f"{printable(root)} is neither a file nor a folder; name one of these.")]
    failed = []
    found = {path: status for path, status in _files_below(root, failed) if _is_audio(path)}
    return found, failed


def _is_gone(path: str) -> bool:
    """Whether the file system says that there is no such file; not if it cannot tell, and not for a URL."""
    if is_url(path):
        return False
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def survey(
    roots: list[str], file_states: dict[str, FileState]
) -> tuple[dict[str, FileStatus], list[str], list[Failure]]:
    """-> (the recordings below all roots, the roots below which missing files are deleted, what could not be read)."""
    files: dict[str, FileStatus] = {}
    searched: list[str] = []
    failed: list[Failure] = []
    for root in roots:
        found, errors = find_recordings(root)
        files |= found
        if root in file_states and _is_gone(root) and os.path.isdir(os.path.dirname(root)):
            errors = []  # a single file that was indexed and has been deleted since
        elif not found and not errors and (known := sum(under(path, root) for path in file_states)):
            # The mount point of an unplugged disk is an empty folder: no reason to delete hours of work.
            name = printable(root)
            reason = (
                f"{name} has no recordings any more, and the library has {known} from it; if its disk is connected, "
                f"remove them with: kobza remove {shell_word(root)}"
            )
            errors = [Failure(root, reason)]
        if found or not errors:
            searched.append(root)
        failed += errors
    return files, searched, failed


def _hash_or_none(path: str) -> bytes | None:
    try:
        return content_hash(path)
    except OSError:
        return None  # reading it is tried again, and reported, when it is embedded


def make_plan(file_states: dict[str, FileState], files: Mapping[str, FileStatus], roots: list[str]) -> Plan:
    """Compare what the library has (`file_states`) with the files found below `roots`.

    A file is read only if its size is the same and its modification time differs, or if it may be a moved one.
    """
    plan = Plan()
    new = [path for path in files if path not in file_states]
    for path, status in files.items():
        if path not in file_states:
            continue
        file_state = file_states[path]
        if (file_state.size, file_state.mtime_ns) == (status.st_size, status.st_mtime_ns):
            plan.unchanged += 1
        elif file_state.size == status.st_size and file_state.hash == _hash_or_none(path):
            plan.touched.append((path, status.st_mtime_ns))
            plan.unchanged += 1
        else:
            plan.jobs.append(Job(path, status.st_size, status.st_mtime_ns, known=True))

    sizes = {files[path].st_size for path in new}
    # By size and hash: the tracks of the whole library whose files are gone, which may have moved here.
    gone: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    for path, file_state in file_states.items():
        if file_state.size in sizes and path not in files and _is_gone(path):
            gone[file_state.size, file_state.hash].append(path)
    gone_sizes = {size for size, _ in gone}
    for path in new:
        size, mtime_ns = files[path].st_size, files[path].st_mtime_ns
        digest = _hash_or_none(path) if size in gone_sizes else None
        same = gone.get((size, digest)) if digest is not None else None
        if same:
            plan.moved.append((same.pop(0), path, mtime_ns))
        else:
            plan.jobs.append(Job(path, size, mtime_ns, known=False))

    moved = {old for old, _, _ in plan.moved}
    for path in file_states:
        searched = path not in files and path not in moved and any(under(path, root) for root in roots)
        if searched and (is_url(path) or _is_gone(path)):  # the listing of a URL is complete
            plan.gone.append(path)
    return plan
