"""Decoding a recording: what is found out about it, and its windows."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kobza.audio import AudioError, decode, printable
from kobza.audio_digest import AudioDigest
from kobza.embedding.embedder import WindowRule, mark_recording
from kobza.internal_error import bad_file_errors, internal_error
from kobza.library.ingest.analysis import NOT_ANALYSED, Analysis, Analyzer
from kobza.library.ingest.parts import Part, cut_parts, read_parts
from kobza.library.ingest.scan import Job, content_hash
from kobza.library.records import Failure
from kobza.library.remote import local_copy

if TYPE_CHECKING:
    from kobza.library.ingest.tags import Tags


@dataclass
class WindowSettings:
    """A `WindowRule` that can be sent to other processes and machines without the model."""

    sampling_rate: int
    window_seconds: float
    min_window_seconds: float

    @classmethod
    def of(cls, rule: WindowRule) -> "WindowSettings":
        return cls(rule.sampling_rate, rule.window_seconds, rule.min_window_seconds)


@dataclass
class RecordingState:
    """What is known of a recording while it is decoded and embedded."""

    job: Job
    hash: bytes = b""
    audio_hash: bytes = b""
    tags: "Tags | None" = None
    analysis: Analysis = NOT_ANALYSED
    parts: tuple[Part, ...] = ()  # the tracks that it holds; none or one: the whole file is a track
    starts: list[float] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    failure: Failure | None = None
    fault: str | None = None  # the message of an error in Kobza itself, which ends the run
    counted_bytes: float = 0.0  # that the progress includes already

    def fail(self, reason: str, is_lasting: bool = True) -> None:
        """`is_lasting`: see `Failure`."""
        self.failure = Failure(self.job.path, reason, is_lasting)

    def learn(self, other: "RecordingState") -> None:
        """Take over what decoding has found out about the recording elsewhere; a known failure stays."""
        for name in ("hash", "audio_hash", "tags", "analysis", "parts", "fault"):
            setattr(self, name, getattr(other, name))
        self.failure = self.failure or other.failure


@dataclass(frozen=True)
class Window:
    """Start in seconds, and mono samples (n,) float32."""

    recording: RecordingState
    start: float
    samples: np.ndarray


@dataclass(frozen=True)
class RecordingEnd:
    """The last event of each recording. `seconds`: its decoded duration."""

    recording: RecordingState
    seconds: float


@dataclass(frozen=True)
class Silence:
    """A window without sound: not embedded, but a sign that decoding goes on."""


Event = Window | RecordingEnd


def decode_recording(recording: RecordingState, rule: WindowRule) -> Generator[Event | Silence, None, None]:
    """Hash, tags and windows of a recording, then its end."""
    from kobza.library.ingest.tags import read_tags  # imported here: a search reads none

    job = recording.job
    file = job.path
    decoded_samples = 0
    digest = AudioDigest()
    analyzer: Analyzer | None = None

    def counted_chunks() -> Iterator[np.ndarray]:
        nonlocal decoded_samples
        for chunk in decode(file, rule.sampling_rate, meter=analyzer.meter if analyzer else None, digest=digest):
            decoded_samples += len(chunk)
            if analyzer is not None:
                analyzer.add(chunk)
            yield chunk

    try:
        with local_copy(job.path) as file:
            # Before decoding: if the file changes meanwhile, the next run sees it
            recording.hash = content_hash(file, job.sheet)
            recording.tags = read_tags(file, job.tag_encoding)
            if job.analyze:
                analyzer = Analyzer(rule.sampling_rate, recording.tags.seconds)
            recording.parts = read_parts(file, job.sheet_tracks)
            chunks = counted_chunks()
            divided = len(recording.parts) > 1
            marked = cut_parts(rule, chunks, recording.parts) if divided else mark_recording(rule, chunks, file)
            for start, samples in marked:
                yield Silence() if samples is None else Window(recording, start, samples)
            recording.audio_hash = digest.result()
        if analyzer is not None:
            recording.analysis = analyzer.result()
    except AudioError as error:
        recording.fail(str(error).replace(printable(file), printable(job.path)), error.is_lasting)
    except OSError as error:
        reason = error.strerror or error
        recording.fail(f"{printable(job.path)} cannot be read ({reason}); check it and index again.", False)
    except bad_file_errors() as error:  # one malformed file must not end the run: it is reported like the others
        is_lasting = not isinstance(error, MemoryError)
        recording.fail(f"{printable(job.path)} cannot be indexed ({type(error).__name__}: {error}).", is_lasting)
    except Exception as error:  # an error in Kobza itself, which every other file would meet, too
        recording.fault = str(internal_error(error, f"reading {printable(job.path)}"))
    yield RecordingEnd(recording, decoded_samples / rule.sampling_rate)
