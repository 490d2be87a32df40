"""`kobza study thesis`: train every model of the thesis with several seeds, evaluate, and fill its tables 2.2 to 3.6.

    OUT/study.json              what all runs have in common: settings, towers, data
    OUT/runs/model_6-seed42/    a run: the checkpoint, its record, training.log
    OUT/cache/                  what frozen layers compute, shared by all runs
    OUT/receipts/               the results, one for each run and data set
    OUT/study.md                the tables;  OUT/report.md  all that was measured, with intervals and origins

Everything that is there is kept, so the same command continues an interrupted study.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kobza.atomic import atomic_write
from kobza.audio import printable
from kobza.embedding.loader import load_embedder
from kobza.errors import KobzaError
from kobza.evaluation.data_sets import data_hash, load_data_set
from kobza.evaluation.report import render_report
from kobza.evaluation.reproduction import evaluate_or_reuse, find_checkpoints
from kobza.evaluation.thesis_results import Table, published_tables
from kobza.study.identity import check_study, recordings_hash, study_identity
from kobza.study.made_data import make_data
from kobza.study.runs import needed_runs, train_missing
from kobza.study.tables import render_study

LAST_TABLE = "3.6"  # the next is MuLan's own
MIN_PIECES = 16  # half of them train, a batch of `QUICK`
QUICK = ("--num_train_epochs", "4", "--per_device_train_batch_size", "8")  # of tiny models on made data
Say = Callable[[str], None]


class Outcome(NamedTuple):
    """What a study did.

    Attributes:
        tables: the Markdown of study.md.
        failures: (what was tried, the error message).
    """

    tables: str
    failures: list[tuple[str, str]]


def study_thesis(
    out: Path,
    sets: Mapping[str, Path],
    seeds: int = 3,
    models: Sequence[str] = (),
    init: str = "pretrained",
    settings: Sequence[str] = (),
    checkpoints: Path | None = None,
    pieces: int | None = None,
    say: Say = lambda _: None,
) -> Outcome:
    """Run the study, or what is missing of it.

    Args:
        sets: {"musiccaps", "gtzan", "magnatagatune": folder}; without one, its tables stay empty.
        models: the recipes to train; all of the thesis by default.
        init: the towers: see train.py.
        settings: further settings of train.py.
        checkpoints: a folder of finished models to evaluate too, such as LAION's .pt files (tables 3.4 to 3.6).
        pieces: make the data: so many pieces in the layouts of the three sets.

    Raises:
        ValueError: MusicCaps or `checkpoints` is missing, or another study is in `out`.
    """
    tables = [table for table in published_tables() if table.table <= LAST_TABLE]
    runs = needed_runs(tables, seeds, out / "runs", models)
    others = [(path, path.stem) for path in find_checkpoints(checkpoints)] if checkpoints else []
    if pieces is not None:
        if pieces < MIN_PIECES:
            raise KobzaError(f"{pieces} pieces are too few to train, validate and test on: give {MIN_PIECES} or more.")
        settings = (*QUICK, *settings)
        check_study(out, study_identity(f"{pieces} pieces", init, settings))
        say(f"making {pieces} pieces")
        sets = make_data(out / "data", pieces)
    elif "musiccaps" not in sets:
        raise KobzaError("There is nothing to train on: give --data FOLDER, of MusicCaps, or --synthetic.")
    else:
        check_study(out, study_identity(recordings_hash(sets["musiccaps"]), init, settings))
    failures = train_missing(runs, sets["musiccaps"], out / "cache", init, settings, _devices(), say)
    failed = {name for name, _ in failures}
    finished = [(run.folder, run.recipe) for run in runs if run.name not in failed]
    results: list[dict] = []
    contents: dict[str, str] = {}
    for path, system in [*finished, *others]:
        for name in _sets_of(system, tables, sets):
            try:
                results.append(_measure(path, name, sets[name], contents, out / "receipts", say))
            except Exception as error:  # a study of days must survive one model or set that cannot be used
                failures.append((f"{path.name} on {name}", " ".join(str(error).split())))
                say(": ".join(failures[-1]))
    text = render_study(tables, results, is_made=pieces is not None)
    atomic_write(out / "study.md", text)
    atomic_write(out / "report.md", render_report(tables, results, failures))
    return Outcome(text, failures)


def _sets_of(system: str, tables: Iterable[Table], sets: Mapping[str, Path]) -> list[str]:
    """The data sets that the tables want a recipe measured on; all of them for other models."""
    wanted = [table.dataset for table in tables if any(row.system == system for row in table.rows)]
    return [name for name in sets if not wanted or name in wanted]


def _measure(path: Path, name: str, folder: Path, contents: dict[str, str], receipts: Path, say: Say) -> dict:
    spec = f"{name}:{folder}"
    if name not in contents:
        contents[name] = data_hash(load_data_set(spec))
    embedder = load_embedder(path, arithmetic="float32")  # as all evaluations
    file = receipts / f"{path.name}--{name}--{embedder.fingerprint}-{contents[name][:16]}.json"
    return evaluate_or_reuse(embedder, path, spec, printable(folder.name), file, say)


def _devices() -> list[str]:
    """The GPUs that this process may use, as $CUDA_VISIBLE_DEVICES names them; [""] for the CPU."""
    import torch

    count = torch.cuda.device_count()
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[:count]
    return (names if all(names) else [str(number) for number in range(count)]) or [""]
