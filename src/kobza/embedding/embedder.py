"""`Embedder`, the interface of all models: sentences and windows of audio to vectors of one space.

The library, the web page, the evaluation and the benchmarks use a model only through `Embedder`. Kobza's checkpoints
(`checkpoint.Checkpoint`), CLAP and models with CLAP's interface (`clap`, `two_tower`), MuQ-MuLan (`muq_mulan`), and
sentence-transformers models (`sentence_transformer`) implement it, and so can other packages (`registered`).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import tee
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from kobza.audio import AudioError, Source, decode, printable, windows
from kobza.model.silence_kobza import SILENT_DBFS, windows_with_sound

WINDOWS_PER_BATCH = 16  # bounds the memory for recordings of any length


class TextEmbedder(Protocol):
    """The text half of an `Embedder`; enough to search a library.

    Attributes:
        name: the folder or Hub id that the model was loaded from.
        fingerprint: 16 hexadecimal digits; vectors of equal fingerprints may be compared, others may not.
        dim: length of a vector.
    """

    name: str
    fingerprint: str
    dim: int

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length."""
        ...


@runtime_checkable
class EnglishEmbedder(TextEmbedder, Protocol):
    """A `TextEmbedder` whose sentence encoder reads English, and says what it knows of it."""

    def knows_word(self, word: str) -> bool:
        """Whether a word, in lower case, is in the encoder's vocabulary as a whole."""
        ...


@runtime_checkable
class PooledTextEmbedder(TextEmbedder, Protocol):
    """A `TextEmbedder` whose sentences pass through a vector of the sentence encoder's own, before the projection."""

    def encoder_id(self) -> str:
        """16 hexadecimal digits; the vectors of encoders with equal ones may be exchanged."""
        ...

    def project_text(self, pooled: np.ndarray) -> np.ndarray:
        """(n, width) -> (n, dim) float32, unit length."""
        ...


class WindowRule(Protocol):
    """How a recording is cut into windows; all of an `Embedder` that decoding needs.

    Attributes:
        sampling_rate: of the windows, Hz.
        window_seconds: a recording is cut into consecutive windows of this length.
        min_window_seconds: a last window shorter than this is dropped, unless it is the only one.
    """

    sampling_rate: int
    window_seconds: float
    min_window_seconds: float


@runtime_checkable
class Embedder(TextEmbedder, WindowRule, Protocol):
    """A two-tower model and its window rule. The same window gives the same vector, alone or in a batch."""

    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Mono float32 waveforms at `sampling_rate`, at most `window_seconds` long -> (n, dim) float32, unit length.

        Raises:
            ValueError: a window that the model cannot take, such as one shorter than a frame.
        """
        ...


class EmbeddedWindow(NamedTuple):
    """Start and end in seconds, and the vector (dim,) float32."""

    start: float
    end: float
    vector: np.ndarray


def normalized_mean(vectors: np.ndarray) -> np.ndarray:
    """(n, dim) -> (dim,) float32, unit length: the vector of a recording from those of its windows.

    >>> normalized_mean(np.array([[1.0, 0.0], [0.0, 1.0]])).round(3).tolist()
    [0.7070000171661377, 0.7070000171661377]
    """
    mean = vectors.astype(np.float32).mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def mark_windows(rule: WindowRule, chunks: Iterator[np.ndarray]) -> Iterator[tuple[float, np.ndarray | None]]:
    """Mono chunks at the rule's rate -> (start in seconds, samples) of each window, None for a silent one; silence at
    the end of a window is cut off (`silence_kobza`). An `Embedder` is a rule."""
    rate = rule.sampling_rate
    ahead, cut = tee(windows(chunks, rate, rule.window_seconds, rule.min_window_seconds))
    with_sound = windows_with_sound((samples for _, samples in cut), rate, round(rule.min_window_seconds * rate))
    for samples, (start, _) in zip(with_sound, ahead, strict=True):
        yield start, samples


def cut_windows(rule: WindowRule, chunks: Iterator[np.ndarray]) -> Iterator[tuple[float, np.ndarray]]:
    """The windows of `mark_windows` that have sound."""
    return ((start, samples) for start, samples in mark_windows(rule, chunks) if samples is not None)


def mark_recording(
    rule: WindowRule, chunks: Iterator[np.ndarray], source: Source
) -> Iterator[tuple[float, np.ndarray | None]]:
    """`mark_windows` of a whole recording; AudioError, which names the source, at its end if none has sound."""
    has_sound = False
    for start, samples in mark_windows(rule, chunks):
        has_sound = has_sound or samples is not None
        yield start, samples
    if not has_sound:
        name = printable(source) if isinstance(source, str | os.PathLike) else "The recording"
        raise AudioError(
            f"{name} is silent: nothing in it is above {SILENT_DBFS:.0f} dBFS; replace it or leave it out."
        )


def embed_recording(
    embedder: Embedder,
    source: Source,
    start: float = 0.0,
    end: float = np.inf,
    on_progress: Callable[[float], None] | None = None,
) -> Iterator[EmbeddedWindow]:
    """The windows of one recording that have sound and overlap [start, end) in seconds; memory is bounded.

    Windows are counted from the recording's start, so each is the same whatever part is asked for.

    Args:
        source: a path, the bytes of a file, or a seekable binary stream.
        on_progress: called with the seconds decoded so far.

    Raises:
        AudioError: the recording cannot be decoded, or is silent.
        ValueError: the model cannot take one of its windows.
    """
    rate = embedder.sampling_rate

    def counted_chunks() -> Iterator[np.ndarray]:
        decoded_samples = 0
        for chunk in decode(source, rate):
            decoded_samples += len(chunk)
            if on_progress is not None:
                on_progress(decoded_samples / rate)
            yield chunk

    def overlapping() -> Iterator[tuple[float, np.ndarray]]:
        for at, samples in mark_recording(embedder, counted_chunks(), source):
            if at >= end:
                return
            if samples is not None and at + len(samples) / rate > start:
                yield at, samples

    def embed(batch: list[tuple[float, np.ndarray]]) -> list[EmbeddedWindow]:
        vectors = embedder.embed_windows([samples for _, samples in batch])
        return [
            EmbeddedWindow(at, at + len(samples) / rate, vector)
            for (at, samples), vector in zip(batch, vectors, strict=True)
        ]

    running: Future[list[EmbeddedWindow]] | None = None
    batch: list[tuple[float, np.ndarray]] = []  # what is decoded while the model is at work
    with ThreadPoolExecutor(1, "kobza-embed-recording") as pool:
        try:
            for window in overlapping():
                batch.append(window)
                if running is None or running.done() or len(batch) == WINDOWS_PER_BATCH:
                    before, running, batch = running, pool.submit(embed, batch), []
                    yield from before.result() if before is not None else ()
        except AudioError:
            yield from running.result() if running is not None else ()
            raise
        yield from running.result() if running is not None else ()
        yield from embed(batch) if batch else ()


def embed_recordings(
    embedder: Embedder, paths: Sequence[Path], on_progress: Callable[[int, int, Path], None] | None = None
) -> tuple[np.ndarray, dict[int, str]]:
    """One vector for each recording: the normalized mean of its windows. Batches hold windows of several recordings.

    Args:
        on_progress: called with (recordings done, recordings in all, the last path).

    Returns:
        (n, dim) float32, unit length, zeros for a recording that cannot be used; and {index: reason} of those.
    """
    sums = np.zeros((len(paths), embedder.dim))
    reasons: dict[int, str] = {}
    pending: list[tuple[int, np.ndarray]] = []

    def embed(batch: list[tuple[int, np.ndarray]]) -> None:
        try:
            vectors = embedder.embed_windows([samples for _, samples in batch])
        except ValueError as error:  # raised for one window of the batch: embed each alone to find which
            if len(batch) == 1:
                index = batch[0][0]
                reasons[index] = f"{printable(paths[index])} cannot be embedded: {error}"
                return
            for one in batch:
                embed([one])
            return
        for (index, _), vector in zip(batch, vectors, strict=True):
            sums[index] += vector

    for index, path in enumerate(paths):
        try:
            for _, samples in mark_recording(embedder, decode(path, embedder.sampling_rate), path):
                if samples is None:
                    continue
                pending.append((index, samples))
                if len(pending) == WINDOWS_PER_BATCH:
                    embed(pending)
                    pending.clear()
        except AudioError as error:
            reasons[index] = str(error)
        if on_progress is not None:
            on_progress(index + 1, len(paths), path)
    if pending:
        embed(pending)
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    for row in np.flatnonzero(~(norms[:, 0] > 0)).tolist():
        reason = f"{printable(paths[row])} has no vector: those of its windows are not finite or cancel out."
        reasons.setdefault(row, reason)
    sums[list(reasons)] = 0
    norms[list(reasons)] = 1
    return (sums / norms).astype(np.float32), dict(sorted(reasons.items()))
