"""What has changed since the library was last updated: comparing its tracks with a listing of the files."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from kobza import __version__
from kobza.library.exclusions import Excluded, nothing_excluded
from kobza.library.ingest.cue import CueTrack
from kobza.library.ingest.file_status import FileStatus
from kobza.library.ingest.listing import Listing, list_recordings
from kobza.library.ingest.moves import Identity, find_moved
from kobza.library.paths import enclosing, file_of, is_url, shell_word
from kobza.library.records import Failure, FileState, KnownFailure


@dataclass(frozen=True)
class Job:
    """A recording to be embedded, with what the file system said of it when it was found."""

    path: str
    size: int
    mtime_ns: int
    known: bool  # the library has it with other content
    device: int | None = None
    inode: int | None = None
    sheet: str | None = None  # the cue sheet that divides it
    sheet_tracks: tuple[CueTrack, ...] = ()
    replaces: tuple[str, ...] = ()  # the paths of the tracks that the library has of it
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
    identities: dict[str, Identity] = field(default_factory=dict)  # device and inode that changed
    known_failures: list[Failure] = field(default_factory=list)  # of files that have not changed since
    forgotten_failures: list[str] = field(default_factory=list)  # of files that are gone, or are read again


def in_shard(path: str, shard: tuple[int, int]) -> bool:
    """Whether the recording belongs to shard (i, n), the i-th of n, i from 1 on; its file's path decides everywhere.

    >>> [in_shard("/music/a.mp3", (i, 3)) for i in (1, 2, 3)].count(True)
    1
    """
    i, n = shard
    return int.from_bytes(hashlib.blake2b(os.fsencode(file_of(path)), digest_size=8).digest()) % n == i - 1


def content_hash(path: str, sheet: str | None = None) -> bytes:
    """A 16-byte BLAKE2b digest of the file's content, followed by that of the cue sheet that divides it."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (path, sheet):
        if part is not None:
            with open(part, "rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.digest()


def _is_absent(path: str) -> bool:
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


def _is_empty(folder: str) -> bool:
    try:
        with os.scandir(folder) as found:
            return next(found, None) is None
    except OSError:
        return False


def survey(
    roots: Iterable[str],
    file_states: Mapping[str, FileState],
    known_folders: Iterable[str] = (),
    excluded: Excluded = nothing_excluded,
) -> Listing:
    """List the recordings below `roots`, and decide below which of them missing recordings are gone.

    Args:
        known_folders, excluded: see `list_recordings`. A folder may be empty because all in it is excluded.
    """
    listing = list_recordings(roots, list(known_folders), file_states, excluded)
    wanted = set(listing.roots)
    stored = _by_file(file_states, listing.files)
    found = Counter(root for path in listing.files if (root := enclosing(path, wanted)))
    known = Counter(root for path in stored if (root := enclosing(path, wanted)) and not excluded(path, False))
    nested = {root: [other for other in wanted if other != root and enclosing(other, {root})] for root in wanted}
    unread = set(listing.unread)
    for root in listing.roots:
        recordings = found[root] + sum(found[other] for other in nested[root])
        tracks = known[root] + sum(known[other] for other in nested[root])
        if root in stored and _is_absent(root) and os.path.isdir(os.path.dirname(root)):
            # A single file that was indexed and has been deleted since
            listing.failed = [failure for failure in listing.failed if failure.path != root]
            listing.unread.discard(root)
            listing.searched.add(root)
        elif root in unread:
            continue
        elif not recordings and tracks and not any(enclosing(path, {root}) for path in unread):
            # The mount point of an unplugged disk is an empty folder: no reason to delete hours of work.
            listing.fail(
                root,
                f"has no recordings any more, and the library has {tracks} from it; if its disk is connected, remove "
                f"them with: kobza remove {shell_word(root)}",
            )
        else:
            listing.searched.add(root)
    for folder in known_folders:
        if not is_url(folder) and enclosing(folder, wanted) is None and _is_empty(folder):
            listing.unread.add(folder)  # as above; it was not asked for, so nothing is said
    listing.searched |= {alias for alias, path in listing.aliases.items() if enclosing(path, listing.searched)}
    return listing


def _hash_or_none(path: str, status: FileStatus) -> bytes | None:
    try:
        return content_hash(path, status.sheet)
    except OSError:
        return None  # reading it is tried again, and reported, when it is embedded


def make_plan(
    file_states: Mapping[str, FileState],
    listing: Listing,
    failures: Mapping[str, KnownFailure] | None = None,
    retry: bool = False,
) -> Plan:
    """Compare what the library has (`file_states`) with a listing of the files.

    A file is read only if its size is the same and its modification time differs, or if it may be a moved one.

    Args:
        failures: of earlier runs. These files are left out until they change, unless `retry`.
    """
    plan = Plan()
    failures = failures or {}
    stored = _by_file(file_states, listing.files)
    failed = _by_file(failures, listing.files)
    states = {file: file_states[paths[0]] for file, paths in stored.items()}
    new: list[str] = []
    changed: list[str] = []
    for path, status in listing.files.items():
        known_failures = [
            Failure(name, failures[name].reason, is_lasting=True, is_known=True)
            for name in failed.get(path, ())
            if failures[name][:2] == status[:2] and failures[name].version == __version__
        ]
        tracks = stored.get(path, [])
        if known_failures and not retry and any(failure.path == path for failure in known_failures):
            plan.known_failures += known_failures
        elif not tracks:
            new.append(path)
        elif any(file_states[track][:3] != states[path][:3] for track in tracks) or (known_failures and retry):
            changed.append(path)  # only some of its tracks were written: the run was interrupted
        elif states[path][:2] == status[:2] or (
            states[path].size == status.size and states[path].hash == _hash_or_none(path, status)
        ):
            if states[path].mtime_ns != status.mtime_ns:
                plan.touched += [(track, status.mtime_ns) for track in tracks]
            plan.unchanged += len(tracks)
            plan.known_failures += known_failures
            _note_identity(plan, tracks, states[path], status)
        else:
            changed.append(path)
    moved = find_moved(new, set(changed), states, listing, _is_absent, _hash_or_none)
    for path, old in moved.items():
        status = listing.files[path]
        tracks = [path + track[len(old) :] for track in stored[old]]  # a part has its number behind the file's path
        plan.moved += [(*names, status.mtime_ns) for names in zip(stored[old], tracks, strict=True)]
        _note_identity(plan, tracks, states[old], status)
    away = set(moved.values())
    for path in (*changed, *new):
        if path not in moved:
            replaced = () if path in away else tuple(stored.get(path, ()))
            plan.jobs.append(_job(path, listing.files[path], replaced))
    plan.gone += [
        track for file, tracks in stored.items() if file not in away and listing.is_gone(file) for track in tracks
    ]
    again = {job.path for job in plan.jobs} | moved.keys()
    for file, names in failed.items():
        if file in again or listing.is_gone(file):
            plan.forgotten_failures += names
    return plan


def _job(path: str, status: FileStatus, tracks: tuple[str, ...]) -> Job:
    return Job(
        *(path, status.size, status.mtime_ns, bool(tracks)),
        device=status.device,
        inode=status.inode,
        sheet=status.sheet,
        sheet_tracks=status.sheet_tracks,
        replaces=tracks,
    )


def _by_file(paths: Iterable[str], files: Container[str]) -> dict[str, list[str]]:
    """{file: the paths of its tracks}"""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        found[file_of(path, files)].append(path)
    return dict(found)


def _note_identity(plan: Plan, tracks: Iterable[str], file_state: FileState, status: FileStatus) -> None:
    identity = (status.device, status.inode)
    if status.inode is not None and (file_state.device, file_state.inode) != identity:
        plan.identities |= dict.fromkeys(tracks, identity)
