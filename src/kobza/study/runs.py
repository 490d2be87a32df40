"""The runs of a study: which are needed, which are done, and training those that are missing.

Each run is a process of its own, so one that fails or is killed leaves the others alone, and the same command continues
it from its last checkpoint. On a machine with several GPUs each has a run of its own: many small runs need no
communication that way.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from kobza.embedding.checkpoint_folder import fingerprint
from kobza.embedding.training_record import read_training_record
from kobza.errors import KobzaError
from kobza.evaluation.thesis_results import Table

FIRST_SEED = 42  # the trainer's own default
LOG = "training.log"


class Run(NamedTuple):
    """A recipe trained with a seed, in a folder of its own."""

    recipe: str
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name


def needed_runs(tables: Sequence[Table], seeds: int, folder: Path, models: Sequence[str] = ()) -> list[Run]:
    """A run for each seed of each recipe in the tables; of those named in `models` only, if any are.

    Raises:
        KobzaError: one of `models` is no recipe of the tables.
    """
    recipes = list(
        dict.fromkeys(row.system for table in tables for row in table.rows if row.trained and not row.published_only)
    )
    for name in models:
        if name not in recipes:
            raise KobzaError(f"The study has no model {name!r}: choose from {', '.join(recipes)}.")
    return [
        Run(recipe, seed, folder / f"{recipe}-seed{seed}")
        for recipe in recipes
        if not models or recipe in models
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
    ]


def is_done(run: Run, init: str) -> bool:
    """Whether the run's folder holds its finished weights.

    Raises:
        KobzaError: it holds those of another run.
    """
    if not (run.folder / "config.json").is_file():
        return False
    record = read_training_record(run.folder, fingerprint(run.folder))
    if record is None:
        return False
    found = (record["recipe"], record["seed"], record["init"])
    if found != (run.recipe, run.seed, init):
        raise KobzaError(
            f"{run.folder} holds {found[0]}, seed {found[1]}, init {found[2]}, not {run.recipe}, seed {run.seed}, init "
            f"{init}: give another --out."
        )
    return True


def command(run: Run, data: Path, cache: Path, init: str, settings: Sequence[str]) -> list[str]:
    """The command that trains a run; it continues one that was interrupted."""
    options = {"--data": data, "--output_dir": run.folder, "--frozen_cache": cache, "--seed": run.seed, "--init": init}
    given = [str(part) for option in options.items() for part in option]
    return [sys.executable, "-m", "kobza.training", run.recipe, *given, "--disable_tqdm", "true", *settings]


def train_missing(
    runs: Sequence[Run],
    data: Path,
    cache: Path,
    init: str,
    settings: Sequence[str],
    devices: Sequence[str],
    say: Callable[[str], None],
) -> list[tuple[str, str]]:
    """Train the runs that are not done, one on each device at a time. Returns (run, error message) of those that fail.

    Args:
        data: the folder of MusicCaps. cache: shared by all runs: what is frozen is computed once.
        settings: further ones, as for train.py.
        devices: the numbers of the GPUs; [""] for the CPU.
    """
    missing = [run for run in runs if not is_done(run, init)]
    say(f"{len(runs) - len(missing)} of {len(runs)} runs are done")
    free: Queue[str] = Queue()
    for device in devices:
        free.put(device)
    processes: set[subprocess.Popen] = set()
    stopping = threading.Event()

    def train(run: Run) -> str | None:
        device = free.get()
        try:
            if stopping.is_set():
                return None
            say(f"{run.name}: training" + (f" on GPU {device}" if device else ""))
            run.folder.mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, "CUDA_VISIBLE_DEVICES": device}
            with open(run.folder / LOG, "ab") as log:
                process = subprocess.Popen(
                    command(run, data, cache, init, settings), stdout=log, stderr=log, env=environment
                )
                processes.add(process)
                code = process.wait()
            return None if code == 0 or stopping.is_set() else _last_line(run.folder / LOG, code)
        finally:
            free.put(device)

    with ThreadPoolExecutor(len(devices)) as pool:
        try:
            errors = list(pool.map(train, missing))
        except BaseException:  # Ctrl-C: the runs continue from their checkpoints the next time
            stopping.set()
            for process in processes:
                process.terminate()
            raise
    return [(run.name, error) for run, error in zip(missing, errors, strict=True) if error]


def _last_line(log: Path, code: int) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"{lines[-1].removeprefix('train.py: ') if lines else f'exit code {code}'} (see {log})"
