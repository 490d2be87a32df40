"""A music library: folders of recordings that can be searched by describing what is wanted."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable

from kobza.library.address import LibraryAddress, default_library_address
from kobza.library.ingest.embed import Embedded, Progress, embed_recordings
from kobza.library.ingest.scan import Plan, in_shard, make_plan, survey, under
from kobza.library.paths import paths_from_json, paths_to_json
from kobza.library.records import Failure, LibraryError, Report
from kobza.library.remote import absolute, is_address
from kobza.library.search.searcher import Answering
from kobza.library.stores.base import Store, open_store

PathLike = str | os.PathLike
MOST_HELD = 256  # tracks embedded and not yet written


class MusicLibrary(Answering):
    """Index and search recordings. Made by `MusicLibrary.open`; a context manager.

    The music itself is only read. Vectors are those of one checkpoint, whose fingerprint the library keeps: another
    checkpoint's vectors or queries are refused.
    """

    def __init__(self, store: Store, model):
        self.store, self._model = store, model
        self._named, self._text_model = model is not None, None

    @classmethod
    def open(
        cls, address: LibraryAddress | PathLike | None = None, model=None, read_only: bool = False
    ) -> "MusicLibrary":
        """Open the library at `address` (default: `default_library_address()`), making it if absent.

        Args:
            address: the library's folder, or milvus://HOST:PORT/NAME.
            model: a folder or Hub id of a checkpoint, or a `Checkpoint`; None for the default one.
                It is loaded when first needed.
            read_only: the library must be there, and nothing in it is written.

        Raises:
            LibraryError: it cannot be opened, or is absent with `read_only`.
        """
        return cls(open_store(default_library_address() if address is None else address, read_only), model)

    @property
    def address(self) -> LibraryAddress:
        return self.store.address

    @property
    def model(self):
        """The checkpoint, loaded on first use."""
        if self._is_name(self._model):
            from kobza.embedding.loader import load_embedder  # here: not every use needs a model

            self._model = load_embedder(self._model)
        return self._model

    @property
    def text_model(self):
        """What understands descriptions: the checkpoint if it is loaded, else its text tower alone, which needs no
        torch."""
        if not self._is_name(self._model):
            return self._model
        if self._text_model is None:
            from kobza.embedding.loader import load_text_embedder

            self._text_model = load_text_embedder(self._model)
        return self._text_model

    @staticmethod
    def _is_name(model) -> bool:
        return model is None or isinstance(model, str | os.PathLike)

    def _refuse_others(self, model=None) -> None:
        """A vector knows its maker: raises LibraryError if the library's vectors are not this checkpoint's."""
        meta, model = self.store.meta, model or self.text_model
        if meta.get("fingerprint", model.fingerprint) != model.fingerprint and len(self):
            raise LibraryError(
                f"The library {self.address} was made with {meta['model']} (fingerprint "
                f"{meta['fingerprint']}), and its vectors cannot be compared with those of {model.name} "
                f"({model.fingerprint}); use that checkpoint with --model, make the library anew with: kobza "
                "reindex, or index into another with --library."
            )

    def _sign(self) -> None:
        model = self.model
        rule = {"window_seconds": model.window_seconds, "min_window_seconds": model.min_window_seconds}
        self.store.set_meta(
            fingerprint=model.fingerprint, model=str(model.name), dim=str(model.dim), windows=json.dumps(rule)
        )

    @property
    def folders(self) -> list[str]:
        """The folders and files that were added, absolute; `sync` looks into them again."""
        return paths_from_json(self.store.meta.get("folders", "[]"))

    def _set_folders(self, folders: Iterable[str]) -> None:
        kept: list[str] = []
        for folder in sorted(set(folders), key=len):  # the shorter first: what lies in a folder needs no entry
            if not any(under(folder, other) for other in kept):
                kept.append(folder)
        self.store.set_meta(folders=paths_to_json(kept))

    def add(
        self,
        paths: PathLike | Iterable[PathLike],
        progress: Callable[[Progress], None] | None = None,
        shard: tuple[int, int] | None = None,
        engine: Callable = embed_recordings,
    ) -> Report:
        """Index folders, files, or addresses that fsspec knows; what is known and has not changed is not read.

        Below these paths, moved files are found again by their content and deleted ones are forgotten. Each track is
        stored as soon as it is embedded, so an interrupted run goes on where it stopped.

        Args:
            shard: (i, n), i from 1 on: only the i-th of n parts of the recordings, see `scan.in_shard`.
            engine: does what `embed_recordings` does, such as `ray_engine.embed_on_ray`.

        Raises:
            LibraryError: the library belongs to another checkpoint, or another process is writing to it.
        """
        roots = [absolute(p) for p in _listed(paths)]
        with self.store.writing("{}/{}".format(*shard) if shard else ""):
            return self._index(roots, progress, shard, engine)

    def sync(self, progress: Callable[[Progress], None] | None = None) -> Report:
        """`add` again all that was ever added: new, changed, moved and deleted files are noticed."""
        with self.store.writing():
            report = self._index(self.folders, progress)
            tracks = self.store.revs()
            # A folder that is gone, and whose tracks have all been found elsewhere or were removed, is done with.
            gone = {f for f in self.folders if not os.path.lexists(f) and not any(under(t, f) for t in tracks)}
            report.failed = [failure for failure in report.failed if failure.path not in gone]
            self._set_folders(set(self.folders) - gone)
        return report

    def _index(self, roots: list[str], progress, shard=None, engine: Callable = embed_recordings) -> Report:
        revs = self.store.revs()
        files, searched, failed = survey(roots, revs)
        if shard is not None:
            revs = {path: rev for path, rev in revs.items() if in_shard(path, shard)}
            files = {path: status for path, status in files.items() if in_shard(path, shard)}
        plan = make_plan(revs, files, searched)
        if plan.jobs or self._named:
            self._refuse_others(self.model)
        # Before the long work: after an interruption, too, `sync` knows where to go on.
        self._set_folders(self.folders + [r for r in roots if is_address(r) or os.path.isdir(r) or os.path.isfile(r)])
        report = Report(unchanged=plan.unchanged, failed=failed)
        self._apply(plan, report)
        if plan.jobs:
            self._sign()
            # Closed at once when anything interrupts, so that no thread goes on decoding.
            with contextlib.closing(engine(plan.jobs, self.model, progress)) as outcomes:
                self._keep(outcomes, report)
        self.store.optimize()
        return report

    def _apply(self, plan: Plan, report: Report) -> None:
        """All that needs no model."""
        for old, new, mtime_ns in plan.moved:
            self.store.move(old, new, mtime_ns)
        for path, mtime_ns in plan.touched:
            self.store.move(path, path, mtime_ns)
        report.moved = len(plan.moved)
        report.removed = self.store.delete(plan.gone)

    def _keep(self, outcomes: Iterable[Embedded | Failure], report: Report) -> None:
        """Store each as soon as it comes, or some at once where the store is slow to begin a write."""
        held, written = [], time.monotonic()
        try:
            for outcome in outcomes:
                held.append(outcome)
                if time.monotonic() - written >= self.store.gather_seconds or len(held) == MOST_HELD:
                    some, held = held, []
                    self._store(some, report)
                    written = time.monotonic()
        finally:  # interrupted, too
            self._store(held, report)

    def _store(self, outcomes: list[Embedded | Failure], report: Report) -> None:
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        good = [outcome for outcome in outcomes if isinstance(outcome, Embedded)]
        if len(good) == 1:
            self.store.upsert(good[0].track, good[0].rev, good[0].starts, good[0].vectors)
        elif good:
            self.store.upsert_many((one.track, one.rev, one.starts, one.vectors) for one in good)
        report.failed += failed
        report.changed += (changed := sum(one.job.known for one in good))
        report.added += len(good) - changed

    def remove(self, paths: PathLike | Iterable[PathLike]) -> Report:
        """Forget the tracks at or below these paths; the files stay. `Report.removed` says how many."""
        targets = [absolute(p) for p in _listed(paths)]
        with self.store.writing():
            gone = [path for path in self.store.revs() if any(under(path, target) for target in targets)]
            removed = self.store.delete(gone)
            self._set_folders(f for f in self.folders if not any(under(f, target) for target in targets))
        return Report(removed=removed)

    def __len__(self) -> int:
        return len(self.store)

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> "MusicLibrary":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _listed(paths: PathLike | Iterable[PathLike]) -> list[PathLike]:
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)
