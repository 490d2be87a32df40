"""Visitors' clips: listened to once, within limits, and kept as vectors for an hour.

The sound itself is in a file without a name, which the system deletes when it is closed, or when the server ends in
any way; it is closed as soon as it has been listened to.
"""

import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from kobza.audio import AudioError, Source, decode, printable
from kobza.embedding.embedder import EmbeddedWindow, Embedder, cut_windows, normalized_mean
from kobza.webui.errors import PageError

MAX_CLIP_SECONDS = 180  # enough to characterise a recording, and short enough that other visitors need not wait
MIN_CLIP_SECONDS = 1.0
MAX_PEAK = 1e3  # 60 dB above full scale; far above it the vectors are not finite
KEPT_SECONDS = 3600.0
MAX_CLIPS = 2000  # kept, of some 10 kB each
BATCH = 4  # windows that are in memory


class ClipError(PageError):
    """A clip cannot be used; the message tells the visitor why, and what to do."""


@dataclass(frozen=True)
class Clip:
    """The windows of a clip, and its vector (dim,); `is_cut` if the recording is longer than `MAX_CLIP_SECONDS`."""

    windows: tuple[EmbeddedWindow, ...]
    vector: np.ndarray
    is_cut: bool = False


class _LimitedDecoder:
    """Decodes the first `MAX_CLIP_SECONDS` of a recording and keeps its length and peak."""

    def __init__(self, source: Source, sampling_rate: int):
        self.source = source
        self.sampling_rate = sampling_rate
        self.samples = 0
        self.peak = 0.0
        self.is_cut = False

    def chunks(self) -> Iterator[np.ndarray]:
        limit = MAX_CLIP_SECONDS * self.sampling_rate
        for chunk in decode(self.source, self.sampling_rate):
            self.is_cut = self.samples + len(chunk) > limit
            used = chunk[: limit - self.samples]
            self.samples += len(used)
            self.peak = max(self.peak, float(np.abs(used).max(initial=0.0)))
            if self.peak > MAX_PEAK:
                raise ClipError("clip_loud", peak=f"{self.peak:.3g}")
            yield used
            if self.is_cut:
                return


def embed_clip(
    source: Source, embedder: Embedder, name: str = "", is_wanted: Callable[[], bool] = lambda: True
) -> Clip:
    """Embed the first `MAX_CLIP_SECONDS` of a recording; the rest is not decoded.

    Args:
        name: of the visitor's file, for messages; by default that of the file at a path.
        is_wanted: asked between batches; the work ends when nobody waits for it.

    Raises:
        ClipError: not a recording, too short, too loud, silent, or no longer wanted.
    """
    decoder = _LimitedDecoder(source, embedder.sampling_rate)
    pending = cut_windows(embedder, decoder.chunks())
    windows: list[EmbeddedWindow] = []
    try:
        while batch := list(islice(pending, BATCH)):
            if not is_wanted():
                raise ClipError("clip_unwanted")
            vectors = embedder.embed_windows([samples for _, samples in batch])
            for (start, samples), vector in zip(batch, vectors, strict=True):
                windows.append(EmbeddedWindow(start, start + len(samples) / embedder.sampling_rate, vector))
    except AudioError as error:
        raise _unreadable(error, source, name) from None
    if decoder.samples < MIN_CLIP_SECONDS * embedder.sampling_rate:
        raise ClipError("clip_short")
    if not windows:
        raise ClipError("clip_silent")
    mean = normalized_mean(np.stack([window.vector for window in windows]))
    if not np.isfinite(mean).all():
        raise ClipError("clip_not_finite")
    return Clip(tuple(windows), mean, decoder.is_cut)


def _unreadable(error: AudioError, source: Source, name: str) -> ClipError:
    """The error with the visitor's name for the file, instead of the server's folders."""
    if isinstance(source, str | os.PathLike):
        place, own_name = printable(source), os.path.basename(source)
    else:
        place, own_name = "The recording given as a stream", "The clip"
    shown = printable(name or own_name)
    reason = str(error).replace(place, shown)
    return ClipError("clip_unreadable", name=shown, reason=reason)


class ClipStore:
    """Clips under names that cannot be guessed, for an hour. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._clips: OrderedDict[str, tuple[float, Clip]] = OrderedDict()  # the oldest first
        self._lock = threading.Lock()

    def put(self, clip: Clip) -> str:
        """Keep a clip; the name that `get` takes."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._clips[name] = self._clock() + KEPT_SECONDS, clip
            while len(self._clips) > MAX_CLIPS:
                self._clips.popitem(last=False)
        self.forget_old()
        return name

    def get(self, name: str) -> Clip:
        """ClipError: there is none of this name, or its hour is over."""
        self.forget_old()
        with self._lock:
            if name not in self._clips:
                raise ClipError("clip_gone")
            return self._clips[name][1]

    def remove(self, name: str) -> None:
        """Forget a clip; nothing happens if there is none of this name."""
        with self._lock:
            self._clips.pop(name, None)

    def forget_old(self) -> None:
        """Forget the clips whose hour is over."""
        with self._lock:
            while self._clips and next(iter(self._clips.values()))[0] <= self._clock():
                self._clips.popitem(last=False)

    def __len__(self) -> int:
        return len(self._clips)
