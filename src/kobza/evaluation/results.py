"""How receipts (see `evaluate.py`) are read: what they are about, and their figures line by line."""

import json
from pathlib import Path
from typing import NamedTuple

from kobza.audio import printable

DATASETS = {"musiccaps": "MusicCaps", "gtzan": "GTZAN", "magnatagatune": "MagnaTagATune"}


class Run(NamedTuple):
    """Figures of a receipt that belong on one line; `figures` maps a metric to {"value", "low", "high"}."""

    receipt: dict
    task: str
    direction: str | None
    prompt: str | None
    gallery: int | None
    classes: int | None
    figures: dict[str, dict]


def read_receipt(path: Path) -> dict:
    """A file that `kobza evaluate` wrote.

    Raises:
        ValueError: it is not one.
    """
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
        if not receipt["figures"] or not receipt["fingerprint"]:
            raise KeyError
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{printable(path)} is not a receipt: give a file that kobza evaluate wrote.") from None
    return receipt


def runs(receipt: dict) -> list[Run]:
    """The receipt's figures, gathered to lines, in its order."""
    found: dict[tuple, dict[str, dict]] = {}
    for figure in receipt["figures"]:
        key = tuple(figure.get(name) for name in ("task", "direction", "prompt", "gallery", "classes"))
        found.setdefault(key, {})[figure["metric"]] = figure
    return [Run(receipt, *key, figures) for key, figures in found.items()]


def place(receipt: dict) -> tuple[str, str | None, str]:
    """(dataset, split, folder) that a receipt is about."""
    return receipt["dataset"], receipt.get("split"), receipt["folder"]


def place_name(where: tuple[str, str | None, str]) -> str:
    """A data set's name for people: "MusicCaps, test"; the folder's where it is not a known set."""
    dataset, split, folder = where
    return DATASETS.get(dataset, f"{folder} ({dataset})") + (f", {split}" if split else "")
