"""Searches by description, one after another in a thread of their own; the texts of a moment are embedded at once.

A search is many short steps in Python, SQLite and the tower. Threads that search side by side wait at each of them for
the others, since only one can run Python: 40 threads gave a third of the answers that one does.
"""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import NamedTuple

from kobza.embedding.embedder import TextEmbedder
from kobza.library import Hit, MusicLibrary
from kobza.library.filters.tree import Filter
from kobza.library.search.copies import NO_LIMITS, Limits
from kobza.library.search.interpretation import Interpretation
from kobza.library.search.options import By, Match
from kobza.webui.errors import PageError

MAX_BATCH = 64  # searches


class Search(NamedTuple):
    """The arguments of `MusicLibrary.search`."""

    text: str
    k: int = 10
    where: Filter | None = None
    by: By = "track"
    match: Match | None = None
    limits: Limits = NO_LIMITS


class Answer(NamedTuple):
    """The hits of a description, and how it was read."""

    hits: list[Hit]
    query: Interpretation


Waiting = tuple[Search, Future[Answer]]


class Searches:
    """Searches of a library whose `embedder` keeps the vectors of the last texts. Threads may share it."""

    def __init__(self, library: Callable[[], MusicLibrary], embedder: TextEmbedder):
        self._library = library
        self._embedder = embedder
        self._waiting: SimpleQueue[Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="kobza-searches", daemon=True)
        self._thread.start()

    def ask(self, search: Search) -> Answer:
        """Errors are those of `MusicLibrary.search`."""
        if not self._thread.is_alive():
            raise PageError("stopping", 503)
        answer: Future[Answer] = Future()
        self._waiting.put((search, answer))
        return answer.result()

    def close(self) -> None:
        """Answer what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while first := self._waiting.get():
            batch = [first]
            is_last = False
            while len(batch) < MAX_BATCH and not is_last:
                try:
                    further = self._waiting.get_nowait()
                except Empty:
                    break
                if further is None:
                    is_last = True
                else:
                    batch.append(further)
            self._answer(batch)
            if is_last:
                return

    def _answer(self, batch: list[Waiting]) -> None:
        library = self._library()
        read: list[tuple[Search, Interpretation, Future[Answer]]] = []
        for search, future in batch:
            try:
                read.append((search, library.interpret(search.text), future))
            except Exception as error:
                future.set_exception(error)
        texts = [term.text for _, query, _ in read for term in query.terms if not term.foreign]
        with contextlib.suppress(Exception):  # whose text it was is told by its own search
            self._embedder.embed_text(list(dict.fromkeys(texts)))
        for search, query, future in read:
            try:
                future.set_result(Answer(library.search(query, *search[1:]), query))
            except Exception as error:
                future.set_exception(error)
