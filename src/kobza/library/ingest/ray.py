"""Embedding on a cluster: what `embed.embed_jobs` does on one machine, by Ray Data on many.

    jobs --> decoding actors, one CPU each --> windows --> embedding actors, one GPU each if there are any --> vectors

The actors run the same functions as a single machine does. Ray repeats what a lost machine was working on, with
the same result; a recording is complete when as many vectors have arrived as it has windows.
"""

import contextlib
import logging
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from kobza.audio import printable
from kobza.embedding.embedder import Embedder
from kobza.extras import needs
from kobza.library.ingest.decode_ahead import CPU_BATCH_WINDOWS, decode_with_timeout
from kobza.library.ingest.decoding import RecordingEnd, RecordingState, Window, WindowSettings
from kobza.library.ingest.embed import Embedded, Progress, embed_batch, to_outcome
from kobza.library.ingest.scan import Job
from kobza.library.records import Failure

Batch = dict[str, np.ndarray]


class DecodedWindow(NamedTuple):
    """From a decoding to an embedding actor."""

    job: Job
    start: float
    samples: np.ndarray


class DecodedRecording(NamedTuple):
    """What decoding found out about a recording, after its last window."""

    recording: RecordingState
    seconds: float
    windows: int


class EmbeddedWindows(NamedTuple):
    """Vectors of some windows of a recording."""

    starts: list[float]
    vectors: list[np.ndarray]
    failure: Failure | None


Message = DecodedWindow | DecodedRecording | EmbeddedWindows


def _to_batch(messages: Sequence[tuple[int, Message]]) -> Batch:
    """(the job's number, message) -> a batch of Ray Data; pickled, because paths may not be valid UTF-8."""
    parts = np.empty(len(messages), object)
    parts[:] = [pickle.dumps(message) for _, message in messages]
    return {"job": np.array([number for number, _ in messages], np.int64), "part": parts}


def _from_batch(batch: Batch) -> list[tuple[int, Any]]:
    return [(int(number), pickle.loads(part)) for number, part in zip(batch["job"], batch["part"], strict=True)]


class DecodingActor:
    """Jobs -> their windows in batches, whatever their length, and a `DecodedRecording` at the end of each."""

    def __init__(self, rule: WindowSettings):
        self.rule = rule

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        for number, job in _from_batch(batch):
            pending: list[tuple[int, Message]] = []
            windows = 0
            for event in decode_with_timeout(RecordingState(job), self.rule):
                if isinstance(event, Window):
                    windows += 1
                    pending.append((number, DecodedWindow(job, event.start, event.samples)))
                else:
                    pending.append((number, DecodedRecording(event.recording, event.seconds, windows)))
                if len(pending) == CPU_BATCH_WINDOWS:
                    yield _to_batch(pending)
                    pending = []
            if pending:
                yield _to_batch(pending)


class EmbeddingActor:
    """Windows -> `EmbeddedWindows` of each job in the batch; `DecodedRecording`s pass through."""

    def __init__(self, embedder: Embedder):
        self.embedder = embedder
        model = getattr(embedder, "model", None)
        with contextlib.suppress(ImportError, AttributeError):  # not a PyTorch model
            import torch

            if model is not None:
                model.to("cuda" if torch.cuda.is_available() else "cpu")

    def __call__(self, batch: Batch) -> Batch:
        windows: list[Window] = []
        states: dict[int, RecordingState] = {}
        messages: list[tuple[int, Message]] = []
        for number, message in _from_batch(batch):
            if isinstance(message, DecodedWindow):
                state = states.setdefault(number, RecordingState(message.job))
                windows.append(Window(state, message.start, message.samples))
            else:
                messages.append((number, message))
        embed_batch(windows, self.embedder)
        messages += [
            (number, EmbeddedWindows(state.starts, state.vectors, state.failure)) for number, state in states.items()
        ]
        return _to_batch(messages)


def embed_on_ray(
    jobs: list[Job], embedder: Embedder, progress: Callable[[Progress], None] | None = None
) -> Generator[Embedded | Failure, None, None]:
    """`embed.embed_jobs` on the cluster at $RAY_ADDRESS (or on this machine), in any order.

    Every machine needs the recordings under the same paths, and Kobza installed.
    """
    states: dict[int, RecordingState] = {number: RecordingState(job) for number, job in enumerate(jobs)}
    ends: dict[int, DecodedRecording] = {}
    total_bytes = max(1, sum(job.size for job in jobs))
    done_bytes = 0
    for batch in _dataset(jobs, embedder).iter_batches(batch_size=None, prefetch_batches=0):
        for number, message in _from_batch(batch):
            state = states.get(number)
            if state is None:
                continue  # failed before, because of another of its windows
            if isinstance(message, EmbeddedWindows):
                state.starts += message.starts
                state.vectors += message.vectors
                state.failure = state.failure or message.failure
            else:
                state.learn(message.recording)
                ends[number] = message
            end = ends.get(number)
            complete = end is not None and len(state.starts) == end.windows
            if state.failure or state.fault or complete:
                order = np.argsort(state.starts)
                state.starts = [state.starts[i] for i in order]
                state.vectors = [state.vectors[i] for i in order]
                del states[number]
                yield to_outcome(RecordingEnd(state, end.seconds if end is not None else 0.0))
                done_bytes += state.job.size
                if progress is not None:
                    progress(Progress(len(jobs) - len(states), len(jobs), done_bytes / total_bytes, state.job.path))
    for state in states.values():
        yield Failure(state.job.path, f"{printable(state.job.path)} was lost on the cluster; index again.")


def _actors(cpus: int, gpus: int) -> tuple[int, int, float]:
    """How many actors decode and embed, and the CPUs that each reserves (with GPUs, only those that decode).

    Half a CPU: if half of the nodes are lost, those that embed do not take all that is left, and wait forever.

    >>> _actors(4, 0), _actors(16, 2)
    ((2, 2, 0.5), (16, 2, 1.0))
    """
    if gpus:
        return max(1, cpus), gpus, 1.0
    embedding_actors = max(1, cpus // 2)
    return max(1, cpus - embedding_actors), embedding_actors, 0.5


def _dataset(jobs: list[Job], embedder: Embedder) -> Any:
    with needs("--engine ray", "ray"):
        import ray
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    decoding_actors, embedding_actors, cpus_each = _actors(int(resources.get("CPU", 0)), gpus)
    rows = [{"job": number, "part": pickle.dumps(job)} for number, job in enumerate(jobs)]
    return (
        ray.data.from_items(rows, override_num_blocks=min(len(rows), 8 * decoding_actors))
        .map_batches(
            DecodingActor,
            fn_constructor_args=(WindowSettings.of(embedder),),
            batch_size=1,
            num_cpus=cpus_each,
            concurrency=(1, decoding_actors),
        )
        .map_batches(
            EmbeddingActor,
            fn_constructor_args=(embedder,),
            batch_size=CPU_BATCH_WINDOWS,
            num_cpus=0 if gpus else cpus_each,
            num_gpus=1 if gpus else 0,
            concurrency=(1, embedding_actors),
        )
    )
