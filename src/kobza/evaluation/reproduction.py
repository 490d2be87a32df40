"""Evaluate every checkpoint on every data set, and write one report: `kobza reproduce --checkpoints DIR --data DIR`.

    DIR of checkpoints/   folders of Kobza's or of a ClapModel, LAION's .pt files
    DIR of data/          folders musiccaps, gtzan, magnatagatune, pairs*, classes*

Each result is written as soon as it is measured. A result of the same weights and the same recordings that exists
already is reused, so a run that was stopped resumes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from kobza.atomic import atomic_write
from kobza.audio import printable
from kobza.embedding.embedder import Embedder
from kobza.embedding.loader import load_embedder
from kobza.embedding.training_record import identity_of
from kobza.evaluation.data_sets import data_hash, load_data_set
from kobza.evaluation.evaluate import evaluate
from kobza.evaluation.overlap import find_overlap, recordings_trained_on
from kobza.evaluation.report import render_report
from kobza.evaluation.results import read_result, write_result
from kobza.evaluation.thesis_results import published_tables
from kobza.extras import needs

DATA_SETS = ("musiccaps", "gtzan", "magnatagatune", "pairs", "classes")
WITH_SUFFIX = ("pairs", "classes")  # there may be several folders of these, such as pairs-folk
RECORDINGS_PER_MESSAGE = 500  # how often a long run reports its progress


class Outcome(NamedTuple):
    """What a run did.

    Attributes:
        report: the Markdown file.
        results: the number of results that the report shows.
        failures: (what was tried, the error message).
    """

    report: Path
    results: int
    failures: list[tuple[str, str]]


def find_checkpoints(folder: Path) -> list[Path]:
    """The sub-folders of `folder` with a config.json, and its .pt files, sorted by name.

    Raises:
        ValueError: there is no such folder, or no checkpoint in it.
    """
    found = [path for path in _visible_entries(folder) if (path / "config.json").is_file() or path.suffix == ".pt"]
    if found:
        return found
    if (folder / "config.json").is_file():
        raise ValueError(f"{printable(folder)} is a checkpoint itself: give the folder around it.")
    raise ValueError(
        f"{printable(folder)} holds no checkpoint: a checkpoint is a sub-folder with a config.json, or one of LAION's "
        ".pt files."
    )


def find_data_sets(folder: Path) -> list[tuple[str, Path]]:
    """(kind, path) of the sub-folders that have a data set's name.

    Raises:
        ValueError: there is no such folder, or no data set in it.
    """
    found = []
    for path in _visible_entries(folder):
        kind = next((k for k in DATA_SETS if path.name == k or (k in WITH_SUFFIX and path.name.startswith(k))), None)
        if kind and path.is_dir():
            found.append((kind, path))
    if not found:
        raise ValueError(
            f"{printable(folder)} holds no data set; its sub-folders must be named musiccaps, gtzan, magnatagatune, "
            "pairs (or pairs-NAME) or classes (or classes-NAME)."
        )
    return sorted(found, key=lambda pair: DATA_SETS.index(pair[0]))


def _visible_entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"There is no folder {printable(folder)}: check the path.")
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def reproduce(checkpoints: Path, data: Path, out: Path, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Evaluate every checkpoint on every data set, and write results, plots and report.md into `out`.

    Args:
        say: called with a line of progress.

    Raises:
        ValueError: there is nothing to evaluate, or a library that this needs is not installed. A model or data set
            that cannot be used does not raise: the report names it, and the run continues.
    """
    with needs("kobza reproduce", "eval"):
        from kobza.evaluation.plots import plot_results
    models = find_checkpoints(checkpoints)
    folders = find_data_sets(data)
    results: dict[str, dict] = {}
    failures: list[tuple[str, str]] = []

    def add_failure(what: str, error: Exception) -> None:
        failures.append((printable(what), _message(error)))
        say(": ".join(failures[-1]))

    usable = []  # (spec, name of the folder, hash of the content)
    for kind, folder in folders:
        spec = f"{kind}:{folder}"
        try:
            usable.append((spec, folder.name, data_hash(load_data_set(spec))))
        except Exception as error:  # a run of hours must survive an unusable data set, whatever is wrong with it
            add_failure(folder.name, error)
    for path in models:
        try:
            embedder = load_embedder(path, arithmetic="float32")
        except Exception as error:  # and an unusable checkpoint
            add_failure(path.name, error)
            continue
        for spec, folder_name, content in usable:
            name = f"{path.name}--{folder_name}"
            # Weights and data are part of the file's name, so that a result of others is not reused.
            file = out / "receipts" / f"{name}--{embedder.fingerprint}-{content[:16]}.json"
            try:
                results[name] = evaluate_or_reuse(embedder, path, spec, folder_name, file, say)
            except Exception as error:
                add_failure(f"{path.name} on {folder_name}", error)
    plots = plot_results(results, out)
    report = out / "report.md"
    report.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(report, render_report(published_tables(), list(results.values()), failures, plots))
    return Outcome(report, len(results), failures)


def _message(error: Exception) -> str:
    text = printable(" ".join(str(error).split()))
    return text if text and isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {text}"


def evaluate_or_reuse(
    embedder: Embedder, checkpoint: Path, spec: str, folder: str, file: Path, say: Callable[[str], None]
) -> dict:
    """The result in `file`, of the same weights; if there is none, or it is damaged, a new one, which is written there.
    What the model is comes from its folder: a result of an earlier version does not say.

    Args:
        folder: the data set's own name, which a result shows even where `spec` names a link.
        say: called with a line of progress.
    """
    what = printable(f"{checkpoint.name} on {folder}")
    try:
        result = read_result(file)
        say(f"{what}: measured before")
        if "overlap" not in result:
            trained_on = recordings_trained_on(checkpoint, embedder.fingerprint)
            result["overlap"] = find_overlap(trained_on, load_data_set(spec))
        return {**result, **identity_of(embedder, checkpoint)}
    except (FileNotFoundError, ValueError):
        say(f"{what}: measuring")

    def progress(done: int, total: int, _: Path) -> None:
        if done % RECORDINGS_PER_MESSAGE == 0:
            say(f"{what}: {done} of {total} recordings")

    result = evaluate(
        embedder,
        spec,
        checkpoint=checkpoint,
        allow_overlap=True,
        progress=progress,
        say=lambda text: say(f"{what}: {text}"),
    )
    # A link's own name, not its target's: the tables show the names in the two folders
    result["folder"], result["model"] = folder, checkpoint.name
    file.parent.mkdir(parents=True, exist_ok=True)
    write_result(result, file)
    return result
