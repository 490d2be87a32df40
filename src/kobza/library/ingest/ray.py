"""Embedding on a cluster: what `indexing.embed_recordings` does on one machine, by Ray Data on many.

    jobs --> decoding actors, a processor each --> windows --> embedding actors, a GPU each if there are any --> vectors

The actors run the same functions as the threads of one machine do. What a lost machine had in hand is done again by
the others, to the same result; here, a recording is whole when as many vectors have come as it has windows.
"""

import contextlib
import logging
import pickle
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np

from kobza.audio import printable
from kobza.library.ingest.embed import BATCH, Embedded, End, Opened, Progress, Window, decoded, embed, finish
from kobza.library.ingest.scan import Job
from kobza.library.records import Failure, LibraryError

RULE = ("sampling_rate", "window_seconds", "min_window_seconds")  # all of a checkpoint that decoding needs


def _rows(pairs: list[tuple[int, object]]) -> dict[str, np.ndarray]:
    """A batch of Ray Data: the job's number, and something of it, pickled for paths that are no UTF-8."""
    parts = np.empty(len(pairs), object)
    parts[:] = [pickle.dumps(part) for _, part in pairs]
    return {"job": np.array([number for number, _ in pairs], np.int64), "part": parts}


def _pairs(batch: dict[str, np.ndarray]) -> list[tuple[int, object]]:
    return [(int(number), pickle.loads(part)) for number, part in zip(batch["job"], batch["part"], strict=True)]


class Decoder:
    """Jobs -> windows as (job, start, samples), a batch at a time whatever the length; and each job's end."""

    def __init__(self, rule: dict):
        self.rule = SimpleNamespace(**rule)

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        for number, job in _pairs(batch):
            held, windows = [], 0
            for event in decoded(Opened(job), self.rule):
                if isinstance(event, Window):
                    windows += 1
                    held.append((number, (job, event.start, event.samples)))
                else:
                    opened = event.open
                    found = (opened.hash, opened.tags, opened.failure, opened.fault)
                    held.append((number, (*found, event.seconds, windows)))
                if len(held) == BATCH:
                    yield _rows(held)
                    held = []
            if held:
                yield _rows(held)


class Embedder:
    """Windows -> (starts, vectors, failure) of each job in the batch; ends pass through."""

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint
        with contextlib.suppress(ImportError, AttributeError):  # no model of torch's: nothing to bring to a GPU
            import torch

            checkpoint.model.to("cuda" if torch.cuda.is_available() else "cpu")

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        windows, opened, ends = [], {}, []
        for number, part in _pairs(batch):
            if len(part) == 3:
                job, start, samples = part
                windows.append(Window(opened.setdefault(number, Opened(job)), start, samples))
            else:
                ends.append((number, part))
        embed(windows, self.checkpoint)
        return _rows(ends + [(number, (of.starts, of.vectors, of.failure)) for number, of in opened.items()])


def embed_on_ray(
    jobs: list[Job], checkpoint, progress: Callable[[Progress], None] | None = None
) -> Iterator[Embedded | Failure]:
    """`indexing.embed_recordings` on the cluster at $RAY_ADDRESS (or on this machine), in whatever order.

    Every machine must see the recordings under the same paths, and have Kobza installed.
    """
    opened: dict[int, Opened] = {number: Opened(job) for number, job in enumerate(jobs)}
    ends: dict[int, tuple[float, int]] = {}
    total_bytes, done_bytes = max(1, sum(job.size for job in jobs)), 0
    for batch in _dataset(jobs, checkpoint).iter_batches(batch_size=None, prefetch_batches=0):
        for number, part in _pairs(batch):
            if number not in opened:
                continue  # failed before, for another of its windows
            of = opened[number]
            if len(part) == 3:
                starts, vectors, failure = part
                of.starts += starts
                of.vectors += vectors
            else:
                of.hash, of.tags, failure, of.fault, *ends[number] = part
            of.failure = of.failure or failure
            if of.failure or of.fault or (number in ends and len(of.starts) == ends[number][1]):
                order = np.argsort(of.starts)
                of.starts, of.vectors = [of.starts[i] for i in order], [of.vectors[i] for i in order]
                yield finish(End(opened.pop(number), ends.get(number, (0.0,))[0]))
                done_bytes += of.job.size
                if progress is not None:
                    progress(Progress(len(jobs) - len(opened), len(jobs), done_bytes / total_bytes, of.job.path))
    for of in opened.values():
        yield Failure(of.job.path, f"{printable(of.job.path)} was lost on the cluster; index again.")


def _dataset(jobs: list[Job], checkpoint):
    try:
        import ray
    except ImportError as error:
        raise LibraryError("The engine ray needs Ray; get it with: pip install 'kobza[ray]'") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    processors, cards = (int(ray.cluster_resources().get(kind, 0)) for kind in ("CPU", "GPU"))
    embedders = cards or max(1, processors // 2)
    decoders = max(1, processors - (0 if cards else embedders))
    rule = {name: getattr(checkpoint, name) for name in RULE}
    rows = [{"job": number, "part": pickle.dumps(job)} for number, job in enumerate(jobs)]
    return (
        ray.data.from_items(rows, override_num_blocks=min(len(rows), 8 * decoders))
        .map_batches(Decoder, fn_constructor_args=(rule,), batch_size=1, num_cpus=1, concurrency=(1, decoders))
        .map_batches(
            Embedder,
            fn_constructor_args=(checkpoint,),
            batch_size=BATCH,
            num_cpus=0 if cards else 1,
            num_gpus=1 if cards else 0,
            concurrency=(1, embedders),
        )
    )
