"""Which recordings lie in a folder, and what has become of those that the library knows."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.library.records import Failure, FileState
from kobza.library.remote import is_url, list_files


@dataclass(frozen=True)
class Job:
    """A recording to be embedded: as it was when found (size in bytes, time of change in ns)."""

    path: str
    size: int
    mtime_ns: int
    known: bool  # the library has it already, from other bytes


@dataclass
class Plan:
    """What has to happen for the library to agree with the disc."""

    jobs: list[Job] = field(default_factory=list)
    moved: list[tuple[str, str, int]] = field(default_factory=list)  # from, to, time of change in ns
    touched: list[tuple[str, int]] = field(default_factory=list)  # same bytes, another time of change
    gone: list[str] = field(default_factory=list)
    unchanged: int = 0  # the touched ones too


def under(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it; both absolute."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def in_shard(path: str, shard: tuple[int, int]) -> bool:
    """Whether the recording falls to the i-th of n shards, (i, n): its path alone decides, on every machine alike."""
    i, n = shard
    return int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest()) % n == i - 1


def content_hash(path: str) -> bytes:
    """16 bytes that stand for what is in the file."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _is_audio(path: str) -> bool:
    return Path(path).suffix.lower() in AUDIO_EXTENSIONS


def _entries(folder: str, failed: list[Failure]) -> Iterator[tuple[str, os.stat_result]]:
    """Every regular file below `folder`, in order. Linked folders are followed, each real one once: no endless loop.

    What has a recording's name and is none, like a link to nowhere, joins `failed`.
    """
    seen, todo = set(), [folder]
    while todo:
        here = todo.pop()
        folders = []
        try:
            status = os.stat(here)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(here))
        except OSError as error:
            failed.append(Failure(here, f"{printable(here)} cannot be read ({error.strerror}); check its permissions."))
            continue
        for name in names:
            if name.startswith("."):  # hidden, among them the "._" companions that macOS leaves
                continue
            path = os.path.join(here, name)
            try:
                status = os.stat(path)
            except OSError as error:
                if os.path.islink(path) and _is_audio(path):  # else gone a moment ago
                    reason = f"is a link that leads nowhere ({error.strerror}); mend or delete it."
                    failed.append(Failure(path, f"{printable(path)} {reason}"))
                continue
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
            elif stat.S_ISREG(status.st_mode):
                yield path, status
            elif _is_audio(path):  # a FIFO, socket or device: reading those may never end
                failed.append(Failure(path, f"{printable(path)} is not a regular file; delete it or leave it."))
        todo.extend(reversed(folders))


def find_recordings(root: str) -> tuple[dict[str, os.stat_result], list[Failure]]:
    """The recordings at or below `root` (absolute, or an address): {path: stat}, and what could not be looked into.

    A file counts as a recording by its extension; one that is named itself is taken whatever its name.
    """
    if is_url(root):
        found, failed = list_files(root)
        return {p: s for p, s in found.items() if p == root or Path(p).suffix.lower() in AUDIO_EXTENSIONS}, failed
    failed: list[Failure] = []
    try:
        status = os.stat(root)
    except OSError as error:
        return {}, [Failure(root, f"{printable(root)} cannot be read ({error.strerror}); check the path.")]
    if not stat.S_ISDIR(status.st_mode):
        if stat.S_ISREG(status.st_mode):
            return {root: status}, []
        return {}, [Failure(root, f"{printable(root)} is neither a file nor a folder; name one of these.")]
    found = {p: s for p, s in _entries(root, failed) if _is_audio(p)}
    return found, failed


def _is_gone(path: str) -> bool:
    """Only what the file system denies to have is gone; what it will not show now is not, nor what is elsewhere."""
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
) -> tuple[dict[str, os.stat_result], list[str], list[Failure]]:
    """-> (the recordings below all roots, the roots below which what is missing is gone, what could not be read)."""
    files, searched, failed = {}, [], []
    for root in roots:
        found, bad = find_recordings(root)
        files |= found
        if root in file_states and _is_gone(root) and os.path.isdir(os.path.dirname(root)):
            bad = []  # a single file that was indexed, and deleted since
        elif not found and not bad and (known := sum(under(path, root) for path in file_states)):
            # An unplugged disc leaves an empty folder behind: not a reason to throw hours of work away.
            name = printable(root)
            reason = (
                f"{name} has no recordings any more, the library {known} from it; if the disc is there, forget them"
            )
            bad = [Failure(root, f"{reason} with: kobza remove {name}")]
        if found or not bad:
            searched.append(root)
        failed += bad
    return files, searched, failed


def _hash_or_none(path: str) -> bytes | None:
    try:
        return content_hash(path)
    except OSError:
        return None  # it will be tried again, and named, when it is embedded


def make_plan(file_states: dict[str, FileState], files: dict[str, os.stat_result], roots: list[str]) -> Plan:
    """Compare what the library has (`file_states`) with the files found below `roots`.

    Files are read only where a look at size and time leaves a doubt.
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
    lost = defaultdict(list)  # by size and hash: tracks of the whole library that may have moved here
    for path, file_state in file_states.items():
        if file_state.size in sizes and path not in files and _is_gone(path):
            lost[file_state.size, file_state.hash].append(path)
    lost_sizes = {size for size, _ in lost}
    for path in new:
        size, mtime_ns = files[path].st_size, files[path].st_mtime_ns
        same = lost.get((size, _hash_or_none(path))) if size in lost_sizes else None
        if same:
            plan.moved.append((same.pop(0), path, mtime_ns))
        else:
            plan.jobs.append(Job(path, size, mtime_ns, known=False))

    moved = {old for old, _, _ in plan.moved}
    for path in file_states:
        searched = path not in files and path not in moved and any(under(path, root) for root in roots)
        if searched and (is_url(path) or _is_gone(path)):  # the list of what is at an address is whole
            plan.gone.append(path)
    return plan
