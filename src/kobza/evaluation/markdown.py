"""Cells and tables of Markdown for reports of results."""

import re
from collections.abc import Iterable, Sequence

from kobza.evaluation.overlap import overlap_words
from kobza.evaluation.results import DASH, ResultRow, value_text


def text_cell(text: object) -> str:
    """Text on one line, without the character that ends a table's cell.

    >>> text_cell("a|b\\nc")
    'a\\\\|b c'
    """
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|")


def code_cell(text: str | None) -> str:
    return DASH if text is None else f"`{text_cell(text)}`"


def value_cell(row: ResultRow, metric: str) -> str:
    return value_text(row.metrics[metric]) if metric in row.metrics else DASH


def count_cell(number: int | None) -> str:
    return DASH if number is None else f"{number:,}"


def used_cell(row: ResultRow) -> str:
    seen = overlap_words(row.result.get("overlap"))
    return f"{row.result['used']:,} of {row.result['of']:,}" + (f" ({seen})" if seen else "")


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]], text_columns: int) -> str:
    """A Markdown table: the first columns are text, aligned to the left, the others numbers."""
    alignment = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, alignment, *lines)) + "\n"
