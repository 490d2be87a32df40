"""Which new files are moved ones, told from copies."""

import os
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence

from kobza.library.ingest.file_status import FileStatus, file_status
from kobza.library.ingest.listing import Listing
from kobza.library.paths import enclosing, is_url
from kobza.library.records import FileState

Identity = tuple[int | None, int | None]  # a file's device and inode


def find_moved(
    new: Sequence[str],
    changed: Container[str],
    states: Mapping[str, FileState],
    listing: Listing,
    is_absent: Callable[[str], bool],
    content_hash: Callable[[str, FileStatus], bytes | None],
) -> dict[str, str]:
    """{new file: the file of the library that it was}.

    A new file is a moved one if its content is that of a file that is gone. Or it is that file itself, by device and
    inode: the old path has another file now, or is another spelling. A copy is neither. Of a file on a disc that is
    away, nothing says that it is gone: what has its content is a copy, unless it has its inode number, too, as when the
    same disc is mounted elsewhere (its device number may be another then).

    Args:
        new, changed: the files of the listing that the library does not have, or has with other content.
        states: of the library's files.
        is_absent: whether there is nothing at a path that was not listed.
        content_hash: of a file in the listing; None if it cannot be read.
    """
    by_size: dict[int, set[str]] = defaultdict(set)
    for path in new:
        by_size[listing.files[path].size].add(path)
    own_files: dict[Identity, str] = {
        (status.device, status.inode): path for path, status in listing.files.items() if status.inode is not None
    }
    away = listing.away()
    candidates: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    for path, file_state in states.items():
        if file_state.size not in by_size or (path in listing.files and path not in changed):
            continue
        if path in listing.files:  # replaced, and the old file has another name now
            is_candidate = own_files.get(_identity(file_state), path) in by_size[file_state.size]
        else:
            is_candidate = listing.is_gone(path) or is_absent(path) or _has_other_path(path, listing, own_files)
        if is_candidate:
            candidates[file_state.size, file_state.hash].append(path)
    sizes = {size for size, _ in candidates}
    digests = {path: content_hash(path, listing.files[path]) for path in new if listing.files[path].size in sizes}
    # Those that are the very file come first, so that of two equal ones the copy is the new track.
    pairs = [
        (_identity(states[old]) != _identity(listing.files[path]), path, old)
        for path, digest in digests.items()
        if digest is not None
        for old in candidates.get((listing.files[path].size, digest), ())
        if enclosing(old, away) is None
        or (states[old].inode is not None and states[old].inode == listing.files[path].inode)
    ]
    moved: dict[str, str] = {}
    used: set[str] = set()
    for is_other, path, old in sorted(pairs):
        if path in moved or old in used or (is_other and old in listing.files):
            continue
        moved[path] = old
        used.add(old)
    return moved


def _identity(file: FileState | FileStatus) -> Identity:
    return file.device, file.inode


def _has_other_path(path: str, listing: Listing, own_files: Container[Identity]) -> bool:
    """Whether the file at a path is in the listing under another path, and has one name only."""
    if is_url(path) or enclosing(path, listing.unread):
        return False
    try:
        status = file_status(os.stat(path))
    except OSError:
        return False
    return status.names == 1 and status.inode is not None and _identity(status) in own_files
