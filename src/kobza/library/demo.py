"""The demonstration: Kobza's own album, indexed and asked eight questions whose right answers are known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kobza.folders import cache_folder
from kobza.library.library import MusicLibrary
from kobza.library.records import Hit, LibraryError
from kobza.synth.album import DEMO_QUERIES, DemoQuery, Piece, write_album


@dataclass(frozen=True)
class Answer:
    """The best three pieces for a query; `right` if the first is what was asked for."""

    query: DemoQuery
    best: list[tuple[Hit, Piece]]

    @property
    def right(self) -> bool:
        return bool(self.best) and self.query.matches(self.best[0][1])


def default_demo_folder() -> Path:
    """kobza-demo in the user's cache folder (~/.cache on Linux)."""
    return cache_folder("kobza-demo")


def open_album(folder=None, library=None, model=None, progress: Callable | None = None) -> tuple[MusicLibrary, list]:
    """Make the album in `folder` as far as it is not there, and index it: an open library and its `Piece`s.

    Args:
        folder: where the album goes (default: `default_demo_folder()`).
        library: the library's folder; by default one inside `folder` that belongs to this checkpoint alone.
        model: as for `MusicLibrary.open`.
        progress: called with each `Progress` of indexing.

    Raises:
        LibraryError: the album cannot be indexed.
    """
    from kobza.embedding.checkpoint import Checkpoint  # here: it loads torch

    folder = Path(folder) if folder is not None else default_demo_folder()
    checkpoint = Checkpoint.load(model)
    place = folder / "album"
    pieces = write_album(place)
    music = MusicLibrary.open(library or folder / f"library-{checkpoint.fingerprint}", checkpoint)
    try:
        report = music.add(place, progress)
        if report.failed:
            raise LibraryError(
                f"The demo's album cannot be indexed ({report.failed[0].reason}); delete {place} and try again."
            )
    except BaseException:
        music.close()
        raise
    return music, pieces


def run_demo(folder=None, library=None, model=None, progress: Callable | None = None) -> list[Answer]:
    """Answer `DEMO_QUERIES` from the album; arguments and errors are those of `open_album`."""
    music, pieces = open_album(folder, library, model, progress)
    by_name, answers = {piece.name: piece for piece in pieces}, []
    with music:
        for query in DEMO_QUERIES:
            named = ((hit, by_name.get(Path(hit.track.path).stem)) for hit in music.search(query.text, len(music)))
            answers.append(Answer(query, [(hit, piece) for hit, piece in named if piece is not None][:3]))
    return answers
