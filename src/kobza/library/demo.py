"""The demonstration: Kobza's synthetic album, indexed and searched with eight queries whose answers are known."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kobza.audio import printable
from kobza.embedding.embedder import Embedder
from kobza.folders import cache_folder
from kobza.library.ingest.embed import Progress
from kobza.library.library import MusicLibrary
from kobza.library.paths import PathLike
from kobza.library.records import Hit, LibraryError
from kobza.synth.album import DEMO_QUERIES, DemoQuery, Piece, write_album

TOP = 3  # pieces that an answer lists


@dataclass(frozen=True)
class Answer:
    """The best pieces for a query."""

    query: DemoQuery
    best: list[tuple[Hit, Piece]]

    @property
    def correct(self) -> bool:
        """Whether the first piece is one that the query describes."""
        return bool(self.best) and self.query.matches(self.best[0][1])


def default_demo_folder() -> Path:
    """kobza-demo in the user's cache folder (~/.cache on Linux)."""
    return cache_folder("kobza-demo")


def open_album(
    folder: PathLike | None = None,
    library: PathLike | None = None,
    embedder: Embedder | PathLike | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> tuple[MusicLibrary, list[Piece]]:
    """Render what is missing of the album, index it, and return the open library with the album's pieces.

    Args:
        folder: where the album goes (default: `default_demo_folder()`).
        library: the library's folder; by default one inside `folder` for this model alone.
        embedder: as for `MusicLibrary.open`.
        progress: called with each `Progress` of indexing.

    Raises:
        LibraryError: the album cannot be indexed.
    """
    folder = Path(folder) if folder is not None else default_demo_folder()
    if embedder is None or isinstance(embedder, str | os.PathLike):
        from kobza.embedding.loader import load_embedder  # imported here because it may load torch

        if progress is not None:
            progress(Progress.of_stage(f"loading the model {embedder or 'kobza-mini'}"))
        embedder = load_embedder(None if embedder is None else os.fspath(embedder))
    album = folder / "album"
    if progress is not None:
        progress(Progress.of_stage("rendering the album"))
    pieces = write_album(album)
    music = MusicLibrary.open(library or folder / f"library-{embedder.fingerprint}", embedder)
    try:
        report = music.add(album, progress)
        if report.failed:
            raise LibraryError(
                f"The demo's album cannot be indexed ({report.failed[0].reason}); delete {printable(album)} and try "
                "again."
            )
    except BaseException:
        music.close()
        raise
    return music, pieces


def run_demo(
    folder: PathLike | None = None,
    library: PathLike | None = None,
    embedder: Embedder | PathLike | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[Answer]:
    """Search the album for each of `DEMO_QUERIES`. Arguments and errors are those of `open_album`."""
    music, pieces = open_album(folder, library, embedder, progress)
    by_name = {piece.name: piece for piece in pieces}
    answers = []
    with music:
        for query in DEMO_QUERIES:
            hits = music.search(query.text, len(music), match="sound")  # its tags name the answers
            found = ((hit, by_name.get(Path(hit.track.path).stem)) for hit in hits)
            known = [(hit, piece) for hit, piece in found if piece is not None]
            answers.append(Answer(query, known[:TOP]))
    return answers
