"""Listing the recordings below folders and at URLs: each once, whatever links and spellings lead to it.

What is passed over is said, and what could not be read is kept apart: of its tracks nothing is known.
"""

import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.library.exclusions import Excluded, nothing_excluded
from kobza.library.ingest.file_status import FileStatus, file_status
from kobza.library.ingest.names import (
    begins_as_recording,
    extension,
    file_skip_reason,
    folder_skip_reason,
)
from kobza.library.ingest.path_list import PLAYLIST_EXTENSIONS
from kobza.library.ingest.roots import real_path, resolve_roots
from kobza.library.ingest.sheets import SHEET_EXTENSION, assign_sheets, recordings_of
from kobza.library.paths import enclosing, is_url
from kobza.library.records import Failure, Skipped
from kobza.library.remote import list_files

LINK_WITHIN = "link to what is scanned itself"
SAME_FOLDER = "another path of a folder that is scanned already"
SAME_FILE = "another path of a recording that is scanned already"


@dataclass
class Listing:
    """What a run found below its roots.

    Attributes:
        roots: the folders, files and URLs that were listed, each under one path.
        aliases: other paths of these, {path: root}.
        files: every recording.
        searched: the roots and aliases below which a recording that is not among `files` is gone.
        unread: what could not be read; nothing is known of the recordings at or below it.
        away_discs: what of it is a disc that is not there.
    """

    roots: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    files: dict[str, FileStatus] = field(default_factory=dict)
    searched: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    away_discs: set[str] = field(default_factory=set)
    failed: list[Failure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def fail(self, path: str, reason: str) -> None:
        self.failed.append(Failure(path, f"{printable(path)} {reason}"))
        self.unread.add(path)

    def skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(path, reason))

    def is_gone(self, path: str) -> bool:
        """Whether the listing shows that there is no such recording any more.

        What `stat` says of the old path does not matter: file systems that ignore case or accents find a renamed file
        under its old name, too.
        """
        return (
            path not in self.files
            and enclosing(path, self.searched) is not None
            and enclosing(path, self.unread) is None
        )

    def away(self) -> set[str]:
        """The folders whose recordings may still be somewhere: on discs that are not there, behind links to these, or
        in folders that cannot be read. Any other folder that is not there was moved or deleted."""
        return self.away_discs | {path for path in self.unread if os.path.lexists(path)}


def list_recordings(
    roots: Iterable[str],
    known_folders: Collection[str] = (),
    known: Collection[str] = (),
    excluded: Excluded = nothing_excluded,
) -> Listing:
    """List what is at or below `roots`: absolute paths, or URLs.

    Args:
        known_folders: roots of earlier runs. A root that is one of these, or inside one, under another path is listed
            under the known path.
        known: paths of the library's recordings. Of several paths of one file, one of these is preferred.
        excluded: the reason why a path is left out, if it is.
    """
    listing = Listing()
    listing.roots, listing.aliases = resolve_roots(roots, known_folders)
    for alias in listing.aliases:
        listing.skip(alias, SAME_FOLDER)
    walk = _Walk(listing, known, excluded)
    for root in sorted(listing.roots, key=len, reverse=True):  # a folder inside another one first
        if is_url(root):
            files, failed = list_files(root)
            listing.failed += failed
            listing.unread |= {failure.path for failure in failed}
            for path, status in files.items():
                if path == root or _has_audio_name(path):
                    if reason := excluded(path, False):
                        listing.skip(path, reason)
                    else:
                        listing.files[path] = status
        else:
            walk.add_root(root)
    walk.drop_second_paths()
    assign_sheets(listing.files, walk.sheets, listing.skip)
    listing.files = {path: listing.files[path] for path in sorted(listing.files, key=os.fsencode)}
    return listing


def find_recordings(root: str) -> Listing:
    """`list_recordings` of one folder, file or URL."""
    return list_recordings([root])


def _has_audio_name(path: str) -> bool:
    return extension(os.path.basename(path)) in AUDIO_EXTENSIONS


class _Walk:
    """Reads folders into a listing."""

    def __init__(self, listing: Listing, known: Collection[str], excluded: Excluded):
        self.listing = listing
        self.known = known
        self.excluded = excluded
        self.real_roots = {real_path(root) for root in listing.roots if not is_url(root)}
        self.seen: set[tuple[int, int]] = set()  # (device, inode) of the folders that were read
        self.sheets: dict[str, FileStatus] = {}  # cue sheets
        self.links: set[str] = set()  # recordings that are links
        self.identities: dict[str, tuple[int, int, int, int]] = {}  # device, inode, size, mtime of each recording

    def add_root(self, root: str) -> None:
        listing = self.listing
        try:
            status = os.stat(root)
        except (OSError, ValueError) as error:  # ValueError: the path contains NUL
            listing.fail(root, f"cannot be read ({getattr(error, 'strerror', None) or error}); check the path.")
            return
        if reason := self.excluded(root, stat.S_ISDIR(status.st_mode)):
            listing.skip(root, reason)
        elif stat.S_ISREG(status.st_mode) and extension(root) == SHEET_EXTENSION:
            self._add_sheet(root)
        elif stat.S_ISREG(status.st_mode) and extension(root) in PLAYLIST_EXTENSIONS:
            listing.fail(root, "is a playlist; index the recordings that it names with: kobza index --list FILE")
        elif stat.S_ISREG(status.st_mode):
            self._add_file(root, status)
        elif stat.S_ISDIR(status.st_mode):
            self._read(root)
        else:
            listing.fail(root, "is neither a file nor a folder; name one of these.")

    def _add_sheet(self, sheet: str) -> None:
        """A cue sheet that was named itself, with the recordings that it names."""
        try:
            files = recordings_of(sheet)
            for path in files:
                self._add_file(path, os.stat(path))
            self.sheets[sheet] = file_status(os.stat(sheet))
        except OSError as error:
            self.listing.fail(sheet, f"cannot be read ({error.strerror}); check its permissions.")
        else:
            if not files:
                self.listing.fail(sheet, "names no recording that is there; correct its FILE lines.")

    def _read(self, root: str) -> None:
        """Every recording below `root`. Links to folders outside of the roots are followed; a folder is read once."""
        pending = [root]
        while pending:
            current = pending.pop()
            try:
                status = os.stat(current)
                if status.st_ino and (status.st_dev, status.st_ino) in self.seen:
                    if current not in self.listing.roots:
                        self.listing.skip(current, SAME_FOLDER)
                    continue
                self.seen.add((status.st_dev, status.st_ino))
                names = sorted(os.listdir(current))
            except OSError as error:
                self.listing.fail(current, f"cannot be read ({error.strerror}); check its permissions.")
                continue
            folders = [path for name in names if (path := self._add(current, name)) is not None]
            pending.extend(reversed(folders))

    def _add(self, folder: str, name: str) -> str | None:
        """Add the recording of this name to the listing, or return the folder that is to be read."""
        path = os.path.join(folder, name)
        end = extension(name)
        # A known one may have any name: it was added by itself
        may_be_audio = (end in AUDIO_EXTENSIONS and not name.startswith("._")) or path in self.known
        try:
            status = os.stat(path)
        except OSError as error:
            is_link = os.path.islink(path)
            if isinstance(error, FileNotFoundError) and not is_link:
                return None  # deleted a moment ago
            self.listing.unread.add(path)  # such as a link to a disk that is not connected
            if may_be_audio or not end:
                is_broken = f"is a broken link ({error.strerror}); correct or delete it."
                reason = is_broken if is_link else f"cannot be read ({error.strerror}); check its permissions."
                self.listing.fail(path, reason)
            return None
        if stat.S_ISDIR(status.st_mode):
            if skipped := folder_skip_reason(name) or self.excluded(path, True):
                self.listing.skip(path, skipped)
            elif os.path.islink(path) and self._leads_inside(path):
                self.listing.skip(path, LINK_WITHIN)
            else:
                return path
        elif not stat.S_ISREG(status.st_mode):
            if may_be_audio:  # a FIFO, socket or device, which may block forever
                self.listing.fail(path, "is not a regular file; move or delete it.")
        elif end == SHEET_EXTENSION:
            self.sheets[path] = file_status(status)
        elif skipped := file_skip_reason(name):
            self.listing.skip(path, skipped)
        elif may_be_audio or (not end and not name.startswith("._") and begins_as_recording(path)):
            if left_out := self.excluded(path, False):
                self.listing.skip(path, left_out)
                return None
            if os.path.islink(path):
                if self._leads_inside(path):
                    self.listing.skip(path, LINK_WITHIN)
                    return None
                self.links.add(path)
            self._add_file(path, status)
        return None

    def _leads_inside(self, link: str) -> bool:
        return enclosing(os.path.realpath(link), self.real_roots) is not None

    def _add_file(self, path: str, status: os.stat_result) -> None:
        self.listing.files[path] = file_status(status)
        self.identities[path] = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def drop_second_paths(self) -> None:
        """Leave each file under as many paths as it has names: links and mounts of a folder give more."""
        paths: dict[tuple[int, int, int, int], list[str]] = defaultdict(list)
        for path, identity in self.identities.items():
            if identity[1] and path in self.listing.files:
                paths[identity].append(path)
        for same in paths.values():
            if len(same) == 1:
                continue
            same.sort(key=lambda path: (path in self.links, path not in self.known, os.fsencode(path)))
            names = self.listing.files[same[0]].names
            kept = 1 if same[0] in self.links else min(names, sum(path not in self.links for path in same))
            for path in same[max(1, kept) :]:
                del self.listing.files[path]
                self.listing.skip(path, SAME_FILE)
