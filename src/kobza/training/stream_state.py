"""How far a stream of pairs has been read: by a reader, and by all readers of a process, as a checkpoint keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kobza.atomic import atomic_write
from kobza.terminal import say


class Position(NamedTuple):
    """The state of one reader.

    Attributes:
        worker: the number of its worker in the process.
        drawn: samples so far;  skipped: those of them that could not be used.
        sources: of each source the epoch, and where in it the next sample is: shard, example, offset in the block.
    """

    worker: int
    drawn: int
    skipped: int
    sources: tuple[tuple[int, ...], ...]

    @classmethod
    def start(cls, worker: int, sources: int, epoch: int) -> Position:
        return cls(worker, 0, 0, ((epoch, 0, 0, 0),) * sources)

    def after(self, source: int, place: tuple[int, ...]) -> Position:
        """The position after a sample of a source, whose next one is at `place`."""
        sources = (*self.sources[:source], place, *self.sources[source + 1 :])
        return self._replace(drawn=self.drawn + 1, sources=sources)

    def with_skipped(self) -> Position:
        return self._replace(skipped=self.skipped + 1)


@dataclass
class StreamState:
    """The positions of a process's readers after the batches that were trained on.

    Attributes:
        processes, workers: among which the stream is divided. Another division has other shares.
        last: the worker of the last batch; batches come from the workers in turn.
    """

    processes: int = 1
    workers: int = 1
    last: int = -1
    positions: dict[int, Position] = field(default_factory=dict)

    def add(self, position: Position) -> None:
        """Note the position after a batch."""
        self.positions[position.worker] = position
        self.last = position.worker

    @property
    def skipped(self) -> int:
        """Samples that could not be used."""
        return sum(position.skipped for position in self.positions.values())

    def of_worker(self, worker: int, workers: int, start: Position) -> Position:
        """Where a worker of a resumed run begins, such that batches come in the order in which they would have come."""
        worker = (worker + self.last + 1) % workers
        return self.positions.get(worker, start._replace(worker=worker))

    @staticmethod
    def _file(folder: Path, rank: int) -> Path:
        return folder / f"stream_{rank}.json"

    def save(self, folder: Path, rank: int) -> None:
        """Write it into a checkpoint's folder; each process its own."""
        state = {
            "processes": self.processes,
            "workers": self.workers,
            "last": self.last,
            "positions": list(self.positions.values()),
        }
        atomic_write(self._file(folder, rank), json.dumps(state) + "\n")

    @classmethod
    def load(cls, folder: Path, rank: int, processes: int, workers: int) -> StreamState:
        """The state in a checkpoint's folder. With another number of processes or workers, where the shares differ, the
        stream goes on with the next epoch, and one line says so."""
        file = cls._file(folder, rank)
        state = json.loads((file if file.is_file() else cls._file(folder, 0)).read_text(encoding="utf-8"))
        positions = {}
        for worker, drawn, skipped, sources in state["positions"]:
            positions[worker] = Position(worker, drawn, skipped, tuple(map(tuple, sources)))
        if (state["processes"], state["workers"]) == (processes, workers):
            return cls(processes, workers, state["last"], positions)
        if rank == 0:
            say(
                f"train.py: the checkpoint was written with processes={state['processes']} and "
                f"workers={state['workers']}, not {processes} and {workers}: the stream goes on with its next epoch."
            )
        number = len(next(iter(positions.values())).sources)
        epochs = [1 + max(position.sources[k][0] for position in positions.values()) for k in range(number)]
        started = {w: Position(w, 0, 0, tuple((epoch, 0, 0, 0) for epoch in epochs)) for w in range(workers)}
        return cls(processes, workers, -1, started)
