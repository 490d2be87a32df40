"""The results published in the thesis, from `thesis_results.yaml`: every system, prompt and setting of its tables."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        system: the recipe's name; `name` is the thesis's.
        metrics: metric -> value.
        prompt: with {genre} or {tag} where the label goes; None in retrieval, and where the source names none.
        towers: {"text" or "audio": {"name", "parameters"}} of the pretrained towers.
        trained: {"dataset", "split", "recordings"} that its own training used; empty where it was not Kobza's recipe.
        published_only: the weights are not public, so only the system's authors can measure it.
    """

    system: str
    name: str
    metrics: dict[str, float]
    settings: dict[str, float | str] = field(default_factory=dict)
    towers: dict[str, dict[str, Any]] = field(default_factory=dict)
    trained: dict[str, Any] = field(default_factory=dict)
    prompt: str | None = None
    published_only: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the thesis. `gallery` and `direction` are None outside retrieval; `recordings`: how many it is of."""

    table: str
    title: str
    source: str
    dataset: str
    task: str
    recordings: int
    rows: tuple[Row, ...]
    split: str | None = None
    direction: str | None = None
    gallery: int | None = None

    @property
    def metric_names(self) -> list[str]:
        return list(self.rows[0].metrics)


def published_tables() -> list[Table]:
    """The thesis's tables 2.2, 2.4 and 3.2 to 3.7, in its order."""
    text = Path(__file__).with_name("thesis_results.yaml").read_text(encoding="utf-8")
    return [Table(**{**table, "rows": tuple(_row(**row) for row in table["rows"])}) for table in yaml.safe_load(text)]


def _row(figures: dict[str, float], **fields) -> Row:
    """The YAML file's key for metrics is "figures"."""
    return Row(metrics=figures, **fields)
