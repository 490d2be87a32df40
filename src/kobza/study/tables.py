"""The thesis's tables with each measured value as mean and standard deviation over seeds, in Markdown."""

from collections.abc import Sequence

import numpy as np

from kobza.evaluation.markdown import code_cell, markdown_table
from kobza.evaluation.results import DASH, RANK_METRICS, ResultRow
from kobza.evaluation.thesis_report import measured_rows, own_rows, prompt_template, settings_text
from kobza.evaluation.thesis_results import Row, Table

MADE_DATA = (
    "**Made data and tiny random towers.** The values under *measured* show that the study runs, from training to "
    "tables; they say nothing about music and must not be compared with the published ones.\n"
)
ABOUT = (
    "*Measured*: the mean over seeds ± the standard deviation, and how many seeds. Ranks count from 0. A dash: not "
    "measured.\n"
)


def mean_and_deviation(values: Sequence[float], metric: str) -> str:
    """The mean over seeds ± the standard deviation, with as many decimals as the metric needs.

    >>> mean_and_deviation([0.17, 0.18, 0.19], "R@1"), mean_and_deviation([5.0], "MedR"), mean_and_deviation([], "F1")
    ('0.180 ± 0.010', '5.0', '–')
    """
    if not values:
        return DASH
    digits = 1 if metric in RANK_METRICS else 3
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def _published(row: Row, metric: str) -> str:
    value = row.metrics[metric]
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _values(rows: Sequence[ResultRow], metric: str) -> list[float]:
    return [row.metrics[metric]["value"] for row in rows if row.metrics[metric]["value"] is not None]


def study_table(table: Table, results: Sequence[dict], is_made: bool = False) -> str:
    """One table of the thesis, published beside measured.

    Args:
        is_made: on made data, where no run is what its row says, all runs of a row's recipe are taken.
    """
    measured = measured_rows(table, results)
    own = [own_rows(table, row, measured, any_data=is_made) for row in table.rows]
    lines = []
    if table.task == "retrieval":
        head = ["System", "Settings", "Values", *table.metric_names, "Seeds"]
        for row, found in zip(table.rows, own, strict=True):
            published = [_published(row, metric) for metric in table.metric_names]
            values = [mean_and_deviation(_values(found, metric), metric) for metric in table.metric_names]
            lines.append([row.name, settings_text(row), "published", *published, DASH])
            lines.append(["", "", "measured", *values, str(len(found) or DASH)])
        body = markdown_table(head, lines, 3)
    else:
        metric = table.metric_names[0]
        head = ["System", "Prompt", f"{metric}, published", f"{metric}, measured", "Seeds"]
        for row, found in zip(table.rows, own, strict=True):
            found = [one for one in found if prompt_template(one.prompt) == prompt_template(row.prompt)]
            value = mean_and_deviation(_values(found, metric), metric)
            lines.append([row.name, code_cell(row.prompt), _published(row, metric), value, str(len(found) or DASH)])
        body = markdown_table(head, lines, 2)
    return f"## Table {table.table}. {table.title}\n\n{body}"


def render_study(tables: Sequence[Table], results: Sequence[dict], is_made: bool = False) -> str:
    """All tables in Markdown."""
    head = [f"# The thesis, published and measured\n\n{ABOUT}", *([MADE_DATA] if is_made else [])]
    return "\n".join([*head, *(study_table(table, results, is_made) for table in tables)])
