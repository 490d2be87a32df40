"""What leaves a library on purpose, and how it comes back: removals, exclusions, undo."""

import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kobza.audio import printable
from kobza.embedding.embedder import Embedder
from kobza.library.exclusions import ExclusionRules, Exclusions, parse_exclusion
from kobza.library.ingest.away import away_discs, find_discs
from kobza.library.ingest.embed import Embedded
from kobza.library.ingest.length import is_longer
from kobza.library.ingest.listing import Listing
from kobza.library.ingest.roots import known_path
from kobza.library.ingest.scan import Plan
from kobza.library.paths import (
    PathLike,
    absolute,
    file_of,
    outermost,
    path_from_text,
    path_to_text,
    paths_from_json,
    paths_to_json,
    under,
    under_or_part,
)
from kobza.library.records import Failure, LibraryError, Report
from kobza.library.stores.base import Store


class Remover(ABC):
    """The removals and exclusions of a `MusicLibrary`, which has the store."""

    store: Store

    @property
    @abstractmethod
    def embedder(self) -> Embedder: ...

    @property
    def folders(self) -> list[str]:
        """The folders and files that were added, as absolute paths; `sync` scans them again."""
        return paths_from_json(self.store.meta.get("folders", "[]"))

    @property
    def discs(self) -> list[str]:
        """The folders that were on another file system than the folder above them when they were scanned."""
        return paths_from_json(self.store.meta.get("discs", "[]"))

    def tracks_under(self, paths: PathLike | Iterable[PathLike]) -> list[str]:
        """The paths of the tracks at or below these paths: what `remove` would remove."""
        known = self.store.file_states()
        targets = self._targets(paths, known)
        return sorted(path for path in known if any(under_or_part(path, target) for target in targets))

    def _targets(self, paths: PathLike | Iterable[PathLike], known: Iterable[str]) -> list[str]:
        """The paths as the library spells them: it may have a folder under another path, as for `add`."""
        found = [absolute(path) for path in as_list(paths)]
        known = [*known, *self.folders]
        return [
            path if any(under_or_part(one, path) for one in known) else known_path(path, self.folders) for path in found
        ]

    def remove(self, paths: PathLike | Iterable[PathLike]) -> Report:
        """Remove the tracks at or below these paths from the library; the files stay.

        A path inside a folder that stays in the library is excluded, so that `sync` does not add it again. For an hour
        `undo` takes the removal back.
        """
        with self.store.writing():
            targets = self._targets(paths, self.store.file_states())
            gone = self.tracks_under(targets)
            folders, exclusions = self.folders, self.exclusions
            left = [folder for folder in folders if not any(under(folder, target) for target in targets)]
            inside = [
                target
                for target in targets
                if any(under(target, folder) for folder in left) and any(under_or_part(path, target) for path in gone)
            ]
            meta = {}
            if len(left) < len(folders):
                meta["folders"] = paths_to_json(left)
            if inside:
                meta["excluded_paths"] = paths_to_json(exclusions.paths | set(inside))
            details = {
                "folders": list(map(path_to_text, set(folders) - set(left))),
                "excluded_paths": list(map(path_to_text, set(inside) - exclusions.paths)),
            }
            removed = self._take_out(gone, "remove", details, meta)
            failed = [path for path in self.store.failures() if any(under_or_part(path, one) for one in targets)]
            self.store.set_failures(dict.fromkeys(failed))
            self._purge()
        return Report(removed=removed)

    def undo(self) -> Report:
        """Take back the last `remove` of the last hour, with its exclusions; each call takes back one more.

        A track that has been added again since then stays as it is.

        Raises:
            LibraryError: nothing was removed in the last hour, or the store does not keep what is removed.
        """
        kept = self.store.removed
        if kept is None:
            raise LibraryError(
                f"Removals from {self.store.address} cannot be undone: only a library in a folder keeps removed "
                "tracks; add them again with: kobza index PATH"
            )
        with self.store.writing():
            removal = kept.last("remove")
            if removal is None:
                raise LibraryError("Nothing was removed in the last hour; add recordings with: kobza index PATH")
            details = removal.details
            if len(self.store) and details["fingerprint"] != self.store.meta.get("fingerprint"):
                raise LibraryError(
                    "The removed tracks have vectors of another model than the library has now; add them again with: "
                    "kobza index PATH"
                )
            excluded = self.exclusions.paths - set(map(path_from_text, details["excluded_paths"]))
            folders = {*self.folders, *map(path_from_text, details["folders"])}
            settings = {"folders": paths_to_json(outermost(folders)), "excluded_paths": paths_to_json(excluded)}
            if details["fingerprint"] is not None:
                settings |= {key: details[key] for key in ("fingerprint", "model", "dim", "windows") if key in details}
            return Report(added=kept.take_back(removal, settings))

    @property
    def exclusions(self) -> Exclusions:
        """The exclusions that are settings of the library; files named .kobzaignore add to them."""
        return Exclusions.from_meta(self.store.meta)

    def exclude(self, pattern: str | None = None, max_length: float | None = None) -> None:
        """Leave out a path or what matches a pattern of gitignore, or what is longer than `max_length` seconds.

        What the library has of it leaves with the next `sync`.

        Raises:
            LibraryError: it is not a pattern, or the length is not above 0.
        """
        if max_length is not None and not max_length > 0:
            raise LibraryError(f"The maximal length is {max_length:g} s; it must be above 0.")
        new = Exclusions() if pattern is None else parse_exclusion(pattern)
        with self.store.writing():
            old = self.exclusions
            length = old.max_length if max_length is None else max_length
            self.store.set_meta(**replace(old | new, max_length=length).to_meta())

    def include(self, pattern: str | None = None, max_length: bool = False) -> None:
        """Take back an exclusion, or the limit of the length; what it left out comes back with the next `sync`.

        Raises:
            LibraryError: there is no such exclusion.
        """
        with self.store.writing():
            old = self.exclusions
            new = replace(old, max_length=None if max_length else old.max_length)
            if pattern is not None:
                path = absolute(pattern)
                if pattern not in old.patterns and path not in old.paths:
                    raise LibraryError(f"{printable(pattern)} is not excluded; see what is with: kobza exclude")
                patterns = tuple(one for one in old.patterns if one != pattern)
                new = replace(new, paths=old.paths - {path}, patterns=patterns)
                if path in old.paths and (file := file_of(path)) != path:
                    # Its other parts come back together with it
                    self.store.delete([other for other in self.tracks_under(file) if other != path])
            self.store.set_meta(**new.to_meta())

    def _take_out(self, paths: Iterable[str], command: str, details: dict[str, Any], meta: dict[str, str]) -> int:
        """Remove tracks, kept aside where the store can, and change settings; how many tracks there were."""
        if not (paths := list(paths)) and not meta:
            return 0
        if self.store.removed is not None:
            stored = self.store.meta
            maker = {key: stored.get(key) for key in ("fingerprint", "model", "dim", "windows")}
            return self.store.removed.remove(paths, command, details | maker, meta)
        if "excluded_paths" in meta:  # first, because a run that is killed after it is completed by the next `sync`
            self.store.set_meta(excluded_paths=meta["excluded_paths"])
        removed = self.store.delete(paths)
        if meta:
            self.store.set_meta(**meta)
        return removed

    def _purge(self) -> None:
        if self.store.removed is not None:
            self.store.removed.purge()

    def _report_away_discs(self, listing: Listing, known: Iterable[str]) -> None:
        """Keep the tracks of discs that are not there, and say so."""
        for disc, count in away_discs(self.discs, listing.files, known).items():
            listing.away_discs.add(disc)
            listing.fail(
                disc,
                f"is not there; the library keeps its {count} tracks. Connect the disc and run kobza sync, or remove "
                f"them with: kobza remove {printable(disc)}",
            )

    def _take_out_missing(self, plan: Plan, rules: ExclusionRules, listing: Listing, report: Report) -> None:
        """Remove the tracks whose files are gone, excluded by now or too long; plan nothing for what is too long."""
        excluded = {path for path in plan.gone if rules.reason(file_of(path))}
        report.removed = self._take_out(set(plan.gone) - excluded, "sync", {}, {})
        excluded |= {path for path in rules.exclusions.paths if file_of(path) != path and any(self.store.scan(path))}
        limit = rules.exclusions.max_length
        if limit is not None:
            jobs = {job.path: job for job in plan.jobs}
            stored = defaultdict(list)
            for path in self.store.longer_than(limit):
                stored[file_of(path, listing.files)].append(path)
            # What a cue sheet divides is an album, and its tracks count; chapters are those of one long recording.
            candidates = [
                file for file in jobs.keys() | stored.keys() if (at := listing.files.get(file)) and not at.sheet
            ]
            for file in sorted(file for file in candidates if is_longer(file, limit)):
                listing.skip(file, "longer than the maximal length")
                excluded |= {*stored[file], *(jobs[file].replaces if file in jobs else ())}
                plan.jobs = [job for job in plan.jobs if job.path != file]
        report.excluded = self._take_out(excluded, "sync", {}, {})
        report.moved -= len(excluded.intersection(new for _, new, _ in plan.moved))

    def _without_excluded_parts(self, outcomes: Iterable[Embedded]) -> list[Embedded]:
        """Without the parts of a recording that were excluded by themselves, such as album.flac#3."""
        parts = {path for path in self.exclusions.paths if file_of(path) != path}
        return [
            replace(one, tracks=tuple(track for track in one.tracks if track[0].path not in parts)) for one in outcomes
        ]

    def _excluded_failures(self, roots: list[str]) -> list[Failure]:
        """For paths that were named by the user although they are excluded."""
        rules = ExclusionRules(self.exclusions, [*self.folders, *roots])
        reasons = {root: rules.reason(root, os.path.isdir(root)) for root in roots}
        hint = "; the list of exclusions, to take one back: kobza exclude"
        return [Failure(root, f"{printable(root)} is {reason}{hint}") for root, reason in reasons.items() if reason]

    def _bring_back(self, plan: Plan, report: Report) -> None:
        """Take from those kept aside the tracks whose files are there again, so that they need no embedding."""
        if plan.jobs and self.store.removed is not None:
            found = {job.path: (job.size, job.mtime_ns) for job in plan.jobs if not job.known}
            unwanted = self.exclusions.paths
            back = self.store.removed.bring_back(found, self.embedder.fingerprint, lambda path: path not in unwanted)
            files = {file_of(path, found) for path in back}
            plan.jobs = [job for job in plan.jobs if job.path not in files]
            report.added += len(back)

    def _note_discs(self, files: Iterable[str]) -> None:
        if new := find_discs(files).difference(self.discs):
            self.store.set_meta(discs=paths_to_json([*self.discs, *new]))


def as_list(paths: PathLike | Iterable[PathLike]) -> list[PathLike]:
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)
