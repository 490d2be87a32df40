"""One model for many visitors: queries that come at the same time go through its text tower together, repeated ones
not at all."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import numpy as np

from kobza.embedding.embedder import Embedder

MAX_BATCH = 64  # texts
MAX_TEXTS = 4096  # vectors that are kept: 2 MB of 128 dimensions
WINDOWS_AT_ONCE = 2  # of a clip; between two of these steps, queries have their turn
PATIENCE_SECONDS = 0.5  # for which a clip's step waits for queries, so that it ends under load, too

# What some text towers have besides `embed_text`: `EnglishEmbedder` and `PooledTextEmbedder`.
PARTS_OF_TEXT_TOWERS = ("knows_word", "encoder_id", "project_text")

Answer = TypeVar("Answer")


class RecentlyUsed(Generic[Answer]):
    """A dictionary of the entries that were used last. Threads may share it."""

    def __init__(self, size: int):
        self._size = size
        self._entries: OrderedDict[Hashable, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Answer | None:
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: Hashable, answer: Answer) -> None:
        with self._lock:
            self._entries[key] = answer
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)


class AnswerCache(Generic[Answer]):
    """The answers of the last requests; threads that ask for the same at once wait for one computation.

    >>> cache = AnswerCache(8)
    >>> cache.get("key", lambda: 1), cache.get("key", lambda: 2)
    (1, 1)
    """

    def __init__(self, size: int):
        self._answers: RecentlyUsed[Answer] = RecentlyUsed(size)
        self._pending: dict[Hashable, Future[Answer]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], Answer]) -> Answer:
        """The answer for a key, computed if nobody has it. An error is not kept."""
        with self._lock:
            answer = self._answers.get(key)
            if answer is not None:
                return answer
            pending = self._pending.get(key)
            if pending is None:
                own: Future[Answer] = Future()
                self._pending[key] = own
        if pending is not None:
            return pending.result()
        try:
            answer = compute()
        except BaseException as error:
            own.set_exception(error)
            raise
        else:
            own.set_result(answer)
            self._answers.put(key, answer)
            return answer
        finally:
            with self._lock:
                del self._pending[key]


class SharedEmbedder:
    """An `Embedder` for many threads.

    `embed_text` is a group commit: while a batch is in the text tower, the queries that come wait together, and are
    the next batch. A query alone waits for nothing. `embed_windows` takes few windows at a time and lets queries pass,
    so that a long clip does not hold up those who search.
    """

    def __init__(self, embedder: Embedder):
        self._embedder = embedder
        self.name = embedder.name
        self.fingerprint = embedder.fingerprint
        self.dim = embedder.dim
        self.sampling_rate = embedder.sampling_rate
        self.window_seconds = embedder.window_seconds
        self.min_window_seconds = embedder.min_window_seconds
        for name in PARTS_OF_TEXT_TOWERS:
            if hasattr(embedder, name):
                setattr(self, name, getattr(embedder, name))
        self._vectors: RecentlyUsed[np.ndarray] = RecentlyUsed(MAX_TEXTS)
        self._waiting: dict[str, Future[np.ndarray]] = {}
        self._changed = threading.Condition()  # of `_waiting` and `_is_led`
        self._is_led = False  # whether a thread is in the text tower, for itself and others
        self._no_texts = threading.Event()
        self._no_texts.set()

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length; the same, up to rounding, whatever is embedded with them."""
        known = {text: self._vectors.get(text) for text in sentences}
        futures = {text: self._enqueued(text) for text, vector in known.items() if vector is None}

        def is_done() -> bool:
            return all(future.done() for future in futures.values())

        while not is_done():
            with self._changed:
                # Threads that wait wake when a batch is done: theirs is in it, or one of them leads the next
                self._changed.wait_for(lambda: is_done() or not self._is_led)
                if is_done():
                    break
                self._is_led = True
            try:
                self._embed_waiting()
            finally:
                with self._changed:
                    self._is_led = False
                    self._changed.notify_all()
        vectors = [future.result() if (future := futures.get(text)) else known[text] for text in sentences]
        return np.stack(vectors) if vectors else np.zeros((0, self.dim), np.float32)

    def _enqueued(self, text: str) -> Future[np.ndarray]:
        with self._changed:
            self._no_texts.clear()
            return self._waiting.setdefault(text, Future())

    def _embed_waiting(self) -> None:
        with self._changed:
            texts = list(self._waiting)[:MAX_BATCH]
            batch = {text: self._waiting.pop(text) for text in texts}
        if not batch:
            return
        try:
            vectors = self._embedder.embed_text(texts)
        except Exception as error:
            for future in batch.values():
                future.set_exception(error)
        else:
            for (text, future), vector in zip(batch.items(), vectors, strict=True):
                self._vectors.put(text, vector)
                future.set_result(vector)
        with self._changed:
            if not self._waiting:
                self._no_texts.set()

    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Waveforms -> (n, dim) float32, unit length; see `Embedder.embed_windows`."""
        parts = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            self._no_texts.wait(PATIENCE_SECONDS)
            parts.append(self._embedder.embed_windows(windows[start : start + WINDOWS_AT_ONCE]))
        return np.concatenate(parts)
