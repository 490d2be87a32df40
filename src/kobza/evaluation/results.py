"""Result files of `kobza evaluate`, also called receipts: read, write, name, and group their metrics into rows.

A result is a JSON object with the metrics (under the key "figures") and everything they depend on: see `evaluate.py`.
"""

import json
from pathlib import Path
from typing import NamedTuple

from kobza.atomic import atomic_write
from kobza.audio import printable
from kobza.data.formats import FORMATS
from kobza.evaluation.metrics import RETRIEVAL_METRICS

DATASET_TITLES = {name: known.title for name, known in FORMATS.items() if known.source}  # of published sets
RANK_METRICS = {"MeanR", "MedR"}  # in ranks; all other metrics are between 0 and 1
DASH = "–"  # in place of a value that is not known
DatasetKey = tuple[str, str | None, str]  # dataset, split, folder


class ResultRow(NamedTuple):
    """The metrics of a result that were measured under the same conditions, as one row of a table shows them.

    `metrics` maps a metric's name to {"value", "low", "high"}.
    """

    result: dict
    task: str
    direction: str | None
    prompt: str | None
    gallery: int | None
    classes: int | None
    metrics: dict[str, dict]


def read_result(path: Path) -> dict:
    """Read a file that `kobza evaluate` wrote.

    Raises:
        ValueError: it is not such a file.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        if not result["figures"] or not result["fingerprint"]:
            raise KeyError
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{printable(path)} is not a result of kobza evaluate: give a file that it wrote.") from None
    return result


def write_result(result: dict, path: str | Path) -> None:
    """Write a result atomically, as UTF-8 JSON: the same bytes for the same result."""
    atomic_write(path, json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def result_rows(result: dict) -> list[ResultRow]:
    """Group a result's metrics by task, direction, prompt and gallery, in the order of the file."""
    grouped: dict[tuple, dict[str, dict]] = {}
    for entry in result["figures"]:
        conditions = tuple(entry.get(name) for name in ("task", "direction", "prompt", "gallery", "classes"))
        grouped.setdefault(conditions, {})[entry["metric"]] = entry
    return [
        ResultRow(result, task, direction, prompt, gallery, classes, metrics)
        for (task, direction, prompt, gallery, classes), metrics in grouped.items()
    ]


def counted(result: dict) -> str:
    """What `used` and `of` count: pairs where captions were searched, of which a recording may have several.

    >>> counted({"figures": [{"metric": "R@1"}]}), counted({"figures": [{"metric": "F1"}]})
    ('pairs', 'recordings')
    """
    return "pairs" if any(entry["metric"] in RETRIEVAL_METRICS for entry in result["figures"]) else "recordings"


def dataset_key(result: dict) -> DatasetKey:
    """(dataset, split, folder) of a result: results with the same key are compared with each other."""
    return result["dataset"], result.get("split"), result["folder"]


def dataset_title(key: DatasetKey) -> str:
    """A data set's name for people; the folder's name where the set is not known.

    >>> dataset_title(("musiccaps", "test", "clips")), dataset_title(("pairs", None, "folk"))
    ('MusicCaps, test', 'folk (pairs)')
    """
    dataset, split, folder = key
    title = DATASET_TITLES.get(dataset, f"{folder} ({dataset})")
    return f"{title}, {split}" if split else title


def _number(value: float | None, metric: str) -> str:
    if value is None or value != value:
        return DASH
    return f"{value:.1f}" if metric in RANK_METRICS else f"{value:.3f}"


def value_text(entry: dict) -> str:
    """A metric with its interval.

    >>> value_text({"metric": "R@1", "value": 0.137, "low": 0.116, "high": 0.158})
    '0.137 [0.116, 0.158]'
    """
    value, low, high = (_number(entry[key], entry["metric"]) for key in ("value", "low", "high"))
    return value if DASH in (value, low, high) else f"{value} [{low}, {high}]"
