"""Every checkpoint on every data set that is there, and one report: `kobza reproduce --checkpoints DIR --data DIR`.

    DIR of checkpoints/   folders of Kobza's or of a ClapModel, LAION's .pt files
    DIR of data/          folders musiccaps, gtzan, magnatagatune, pairs*, classes*

Each receipt is written as soon as it is measured, and one that is there already, of the same weights and the same
recordings, is not measured again: a run that was stopped goes on.
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from kobza.audio import printable
from kobza.embedding.loader import load_embedder
from kobza.evaluation.evaluate import data_hash, evaluate, load_data_set, write_receipt
from kobza.evaluation.report import report
from kobza.evaluation.thesis_results import published_tables

SETS = ("musiccaps", "gtzan", "magnatagatune", "pairs", "classes")
RECORDINGS_A_LINE = 500  # how often a long run says where it is
SEVERAL = ("pairs", "classes")  # of these there may be several folders, such as pairs-folk


class Outcome(NamedTuple):
    """report: the Markdown file. receipts: how many measured figures it stands on. failures: (what, why)."""

    report: Path
    receipts: int
    failures: list[tuple[str, str]]


def find_checkpoints(folder: Path) -> list[Path]:
    """Its sub-folders with a config.json and its .pt files, by name.

    Raises:
        ValueError: no such folder, or none in it.
    """
    found = [path for path in _inside(folder) if (path / "config.json").is_file() or path.suffix == ".pt"]
    if not found:
        hint = " it is a checkpoint itself: give the folder around it." if (folder / "config.json").is_file() else ""
        raise ValueError(
            f"{printable(folder)} holds no checkpoint;"
            + (hint or " each is a sub-folder with a config.json, or one of LAION's .pt files.")
        )
    return found


def find_sets(folder: Path) -> list[tuple[str, Path]]:
    """(kind, path) of its sub-folders that are named as data sets are.

    Raises:
        ValueError: no such folder, or none in it.
    """
    found = []
    for path in _inside(folder):
        kind = next((k for k in SETS if path.name == k or (k in SEVERAL and path.name.startswith(k))), None)
        if kind and path.is_dir():
            found.append((kind, path))
    if not found:
        raise ValueError(
            f"{printable(folder)} holds no data set; its sub-folders must be named musiccaps, gtzan, magnatagatune, "
            "pairs (or pairs-NAME) or classes (or classes-NAME)."
        )
    return sorted(found, key=lambda pair: SETS.index(pair[0]))


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"There is no folder {printable(folder)}: check the path.")
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def reproduce(checkpoints: Path, data: Path, out: Path, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Measure whatever is there, and write receipts, plots and report.md into `out`.

    Args:
        say: is told, in a line, what is being done.

    Raises:
        ValueError: there is nothing to measure, or a library that this needs is not installed. A model or data set
            that cannot be used is no such error: it is named in the report, and the rest goes on.
    """
    try:
        from kobza.evaluation.plots import draw
    except ImportError as error:
        raise ValueError(f"Plots need {error.name}; install it with: pip install 'kobza[eval]'") from None
    models, named = find_checkpoints(checkpoints), find_sets(data)
    receipts: dict[str, dict] = {}
    failures: list[tuple[str, str]] = []

    def failed(what: str, error: Exception) -> None:
        failures.append((printable(what), _sentence(error)))
        say(": ".join(failures[-1]))

    sets = []
    for kind, folder in named:
        spec = f"{kind}:{folder}"
        try:
            sets.append((spec, folder.name, data_hash(load_data_set(spec))))
        except Exception as error:  # a run of hours must outlive a bad data set, whatever is wrong with it
            failed(folder.name, error)
    for path in models:
        try:
            embedder = load_embedder(path)
            embedder.name = path.name  # of a link its own name, not its target's: tables go by the name that is here
        except Exception as error:  # and a bad checkpoint
            failed(path.name, error)
            continue
        for spec, folder, content in sets:
            name = f"{path.name}--{folder}"
            # The file's name says of which weights and which data it is: another model or a mended file makes another.
            file = out / "receipts" / f"{name}--{embedder.fingerprint}-{content[:16]}.json"
            try:
                receipts[name] = _measure(embedder, spec, folder, file, say)
            except Exception as error:
                failed(f"{path.name} on {folder}", error)
    path = out / "report.md"
    drawn = draw(receipts, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report(published_tables(), list(receipts.values()), failures, drawn), encoding="utf-8")
    return Outcome(path, len(receipts), failures)


def _sentence(error: Exception) -> str:
    text = printable(" ".join(str(error).split()))
    return text if text and isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {text}"


def _measure(embedder, spec: str, folder: str, file: Path, say: Callable[[str], None]) -> dict:
    """The receipt in `file`, or else a new one, which is written there at once."""
    what = printable(f"{embedder.name} on {folder}")
    with contextlib.suppress(FileNotFoundError, ValueError):  # there is none, or it is no JSON any more
        receipt = json.loads(file.read_text(encoding="utf-8"))
        say(f"{what}: measured before")
        return receipt

    def progress(done: int, of: int, _: Path) -> None:
        if done % RECORDINGS_A_LINE == 0:
            say(f"{what}: {done} of {of} recordings")

    say(f"{what}: measuring")
    receipt = evaluate(embedder, spec, progress=progress, say=lambda text: say(f"{what}: {text}"))
    receipt["folder"] = folder  # its name here, if it is a link
    file.parent.mkdir(parents=True, exist_ok=True)
    write_receipt(receipt, file)
    return receipt
