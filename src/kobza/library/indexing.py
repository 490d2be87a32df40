"""Indexing: what is new, changed, moved or gone since the last run, and the writing of it into the library."""

import contextlib
import json
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from kobza import __version__
from kobza.embedding.embedder import Embedder, TextEmbedder
from kobza.library import arithmetic
from kobza.library.exclusions import ExclusionRules
from kobza.library.ingest.analysis import require_analyzer
from kobza.library.ingest.analyze import analyze_tracks
from kobza.library.ingest.embed import Embedded, Progress, embed_jobs
from kobza.library.ingest.encodings import keep_tag_encoding
from kobza.library.ingest.retag import update_tags
from kobza.library.ingest.scan import Job, Plan, in_shard, make_plan, survey
from kobza.library.ingest.untitled import rename_untitled
from kobza.library.paths import PathLike, absolute, file_of, is_url, outermost, paths_to_json, under
from kobza.library.records import Failure, KnownFailure, Report
from kobza.library.removal import Remover, as_list

MAX_UNWRITTEN_TRACKS = 256  # embedded, held in memory until the next write


class EmbeddingEngine(Protocol):
    """Embeds recordings, as `ingest.embed.embed_jobs` does on this machine and `ingest.ray` on a cluster."""

    def __call__(
        self, jobs: list[Job], embedder: Embedder, progress: Callable[[Progress], None] | None, /
    ) -> Generator[Embedded | Failure, None, None]: ...


class Indexer(Remover):
    """The indexing of a `MusicLibrary`, which has the store and the model."""

    _model_is_chosen: bool  # by the caller, so that a library of another model is refused even if nothing is embedded

    @abstractmethod
    def _load_embedder(self, progress: Callable[[Progress], None] | None) -> Embedder: ...

    @abstractmethod
    def _check_fingerprint(self, embedder: TextEmbedder) -> None: ...

    def add(
        self,
        paths: PathLike | Iterable[PathLike],
        progress: Callable[[Progress], None] | None = None,
        shard: tuple[int, int] | None = None,
        engine: EmbeddingEngine = embed_jobs,
        retag: bool = False,
        tag_encoding: str | None = None,
        analyze: bool = False,
        retry: bool = False,
    ) -> Report:
        """Index folders, files, or addresses that fsspec supports. Unchanged recordings are skipped.

        Under these paths, moved files are recognized by their content and deleted ones are removed from the library.
        Each track is stored soon after it is embedded, so an interrupted run continues where it stopped.

        Args:
            shard: (i, n), i counted from 1: only the i-th of n parts of the recordings, see `scan.in_shard`.
            engine: what embeds the recordings, such as `ingest.ray.embed_on_ray`.
            retry: read files again that failed before and have not changed since.
            retag: also read the tags of files again that have the same size and time of change.
            tag_encoding: of tags that do not say theirs, such as "cp1251", or "auto" to guess it; the library keeps it.
            analyze: also find tempo, key, loudness and energy, of unchanged recordings too where they are unknown.

        Raises:
            LibraryError: the library has vectors of another model, another process is writing to it, or the extra
                kobza[analysis] is not installed.
        """
        roots = [absolute(path) for path in as_list(paths)]
        with self.store.writing("{}/{}".format(*shard) if shard else ""):
            keep_tag_encoding(self.store, tag_encoding)
            report = self._index(roots, progress, shard, engine, retag, analyze, retry)
            report.failed += self._excluded_failures(roots)
        return report

    def sync(
        self,
        progress: Callable[[Progress], None] | None = None,
        retag: bool = False,
        tag_encoding: str | None = None,
        analyze: bool = False,
        retry: bool = False,
    ) -> Report:
        """`add` again everything that was added before: finds new, changed, moved and deleted files."""
        with self.store.writing():
            keep_tag_encoding(self.store, tag_encoding)
            report = self._index(self.folders, progress, retag=retag, analyze=analyze, retry=retry)
            tracks = self.store.file_states()
            # A folder that is gone, and whose tracks were all found elsewhere or removed, is not scanned again.
            gone = {f for f in self.folders if not os.path.lexists(f) and not any(under(t, f) for t in tracks)}
            report.failed = [failure for failure in report.failed if failure.path not in gone]
            self._set_folders(set(self.folders) - gone)
        return report

    def _index(
        self,
        roots: list[str],
        progress: Callable[[Progress], None] | None,
        shard: tuple[int, int] | None = None,
        engine: EmbeddingEngine = embed_jobs,
        retag: bool = False,
        analyze: bool = False,
        retry: bool = False,
    ) -> Report:
        if analyze:
            require_analyzer()
        file_states = self.store.file_states()
        rules = ExclusionRules(self.exclusions, [*self.folders, *roots])
        listing = survey(roots, file_states, self.folders, rules.reason)
        self._report_away_discs(listing, file_states)
        failures = self.store.failures()
        if shard is not None:
            file_states = {path: file_state for path, file_state in file_states.items() if in_shard(path, shard)}
            listing.files = {path: status for path, status in listing.files.items() if in_shard(path, shard)}
            failures = {path: failure for path, failure in failures.items() if in_shard(path, shard)}
        plan = make_plan(file_states, listing, failures, retry)
        report = Report(failed=[*listing.failed, *plan.known_failures, *rules.failed], skipped=listing.skipped)
        update_tags(self.store, plan, listing.files, file_states, report, retag, progress)
        if plan.jobs or self._model_is_chosen:
            self._check_fingerprint(self._load_embedder(progress))
        # Before embedding, so that `sync` can continue after an interruption
        folders = [folder for folder in self.folders if folder not in listing.aliases]
        self._set_folders(folders + [r for r in listing.roots if is_url(r) or os.path.isdir(r) or os.path.isfile(r)])
        self._note_discs(listing.files)
        self._apply(plan, report)
        self._take_out_missing(plan, rules, listing, report)
        self._bring_back(plan, report)
        if plan.jobs:
            plan.jobs = [replace(job, analyze=analyze) for job in plan.jobs]
            self._store_model()
            # Closed as soon as anything interrupts, so that no thread continues to decode
            with contextlib.closing(engine(plan.jobs, self.embedder, progress)) as outcomes:
                self._store_outcomes(outcomes, {job.path: job for job in plan.jobs}, report)
        if analyze:
            report.analyzed, unreadable = analyze_tracks(
                self.store, listing.files.keys() - {job.path for job in plan.jobs}, progress
            )
            report.failed += unreadable
        self._purge()
        self.store.optimize()
        return report

    def _apply(self, plan: Plan, report: Report) -> None:
        """The changes that need no embedding: moved and touched files, and what is known of others."""
        for old, new, mtime_ns in plan.moved:
            self.store.move(old, new, mtime_ns)
        rename_untitled(self.store, plan.moved)
        for path, mtime_ns in plan.touched:
            self.store.move(path, path, mtime_ns)
        self.store.set_identities(plan.identities)
        self.store.set_failures(dict.fromkeys(plan.forgotten_failures))
        report.unchanged += plan.unchanged
        report.moved += len(plan.moved)

    def _store_outcomes(self, outcomes: Iterable[Embedded | Failure], jobs: Mapping[str, Job], report: Report) -> None:
        """Store each track as soon as it is embedded, or in batches where the store is slow to start a write."""
        pending: list[Embedded | Failure] = []
        last_write = time.monotonic()
        try:
            for outcome in outcomes:
                pending.append(outcome)
                due = time.monotonic() - last_write >= self.store.flush_interval_seconds
                if due or len(pending) == MAX_UNWRITTEN_TRACKS:
                    batch, pending = pending, []  # emptied first: an interrupted write is not repeated below
                    self._store(batch, jobs, report)
                    last_write = time.monotonic()
        finally:  # also when interrupted
            self._store(pending, jobs, report)

    def _store(self, outcomes: list[Embedded | Failure], jobs: Mapping[str, Job], report: Report) -> None:
        embedded = self._without_excluded_parts(outcome for outcome in outcomes if isinstance(outcome, Embedded))
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        failed += [failure for one in embedded for failure in one.failures]
        report.failed += failed
        self.store.set_failures(
            {
                failure.path: KnownFailure(job.size, job.mtime_ns, failure.reason, __version__)
                for failure in failed
                if failure.is_lasting and (job := jobs.get(file_of(failure.path, jobs)))
            }
        )
        if embedded:
            self.store.upsert_many(track for one in embedded for track in one.tracks)
        for one in embedded:
            paths = {track.path for track, *_ in one.tracks}
            report.changed += len(paths.intersection(one.job.replaces))
            report.added += len(paths.difference(one.job.replaces))
            if stale := set(one.job.replaces) - paths:  # a part that its cue sheet no longer has
                report.removed += self.store.delete(stale)

    def _store_model(self) -> None:
        embedder = self.embedder
        meta = self.store.meta if len(self.store) else {}
        window_rule = {"window_seconds": embedder.window_seconds, "min_window_seconds": embedder.min_window_seconds}
        self.store.set_meta(
            fingerprint=embedder.fingerprint,
            model=str(embedder.name),
            dim=str(embedder.dim),
            windows=json.dumps(window_rule),
            arithmetic=arithmetic.joined(arithmetic.noted(meta), arithmetic.of_embedder(embedder)),
        )

    def _set_folders(self, folders: Iterable[str]) -> None:
        self.store.set_meta(folders=paths_to_json(outermost(folders)))
