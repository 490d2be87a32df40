"""The thesis's tables in Markdown, published values beside measured ones; see `report.py` for the whole report.

Beside a published row stands only what is what the row says, by `identity.differences`; everything else that was
measured on the same data stands below the table, with the reason.
"""

from collections.abc import Iterable, Sequence

from kobza.evaluation.identity import differences, is_system, training_summary, why_not
from kobza.evaluation.markdown import code_cell, count_cell, markdown_table, text_cell, used_cell, value_cell
from kobza.evaluation.results import DASH, ResultRow, result_rows
from kobza.evaluation.thesis_results import Row, Table
from kobza.evaluation.zero_shot import PLACEHOLDER


def prompt_template(prompt: str | None) -> str | None:
    """A prompt with "{}" in place of {genre}, {tag} or {label}."""
    return None if prompt is None else PLACEHOLDER.sub("{}", prompt)


def measured_rows(table: Table, results: Iterable[dict]) -> list[ResultRow]:
    """The rows of a table's data set, split, task and direction; of several galleries the nearest to the table's."""
    matching = []
    for result in results:
        if result["dataset"] != table.dataset or (table.split and result.get("split") not in (None, table.split)):
            continue
        rows = [row for row in result_rows(result) if (row.task, row.direction) == (table.task, table.direction)]
        if table.gallery and rows:
            rows = [_nearest_gallery(rows, table.gallery)]
        matching += [row for row in rows if set(row.metrics) & set(table.metric_names)]
    return matching


def _nearest_gallery(rows: list[ResultRow], gallery: int) -> ResultRow:
    return min(rows, key=lambda row: abs((row.gallery or 0) - gallery))


def settings_text(row: Row) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {text_cell(value)}" for key, value in row.settings.items()) or DASH


def own_rows(table: Table, published: Row, measured: Iterable[ResultRow], any_data: bool = False) -> list[ResultRow]:
    """The measured rows that are what a published one says; with `any_data`, all of its system, however trained."""
    return [
        row
        for row in measured
        if is_system(published, row.result) and (any_data or not differences(table, published, row.result, row.gallery))
    ]


def _name(row: ResultRow) -> str:
    seed = training_summary(row.result)["seed"]
    return text_cell(row.result["model"]) + (f", seed {seed}" if seed else "")


def _retrieval_table(table: Table, measured: list[ResultRow]) -> str:
    """Two lines per system, published above measured: six metrics beside six others would be too wide."""
    head = ["System", "Settings", "Values", "Gallery", "Used", *table.metric_names]
    lines = []
    for published in table.rows:
        # As printed: the thesis gives whole median ranks and three decimals of everything else.
        values = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in published.metrics.values()]
        lines.append([published.name, settings_text(published), "published", count_cell(table.gallery), DASH, *values])
        own = [
            [
                "",
                _name(row),
                "measured",
                count_cell(row.gallery),
                used_cell(row),
                *(value_cell(row, metric) for metric in table.metric_names),
            ]
            for row in own_rows(table, published, measured)
        ]
        lines += own or [["", "", "measured", *[DASH] * (len(head) - 3)]]
    return markdown_table(head, lines, 3)


def _zero_shot_table(table: Table, measured: list[ResultRow]) -> str:
    """One line per system and prompt. Where the source names no prompt, every measured prompt follows."""
    metric = table.metric_names[0]
    head = ["System", "Prompt", "Classes", "Used", f"{metric}, published", f"{metric}, measured"]

    def line(name: str, published: str, row: ResultRow, prompt: str | None = None) -> list[str]:
        cells = [name, code_cell(prompt or row.prompt), count_cell(row.classes), used_cell(row)]
        return [*cells, published, value_cell(row, metric)]

    lines = []
    for published in table.rows:
        own = own_rows(table, published, measured)
        name = published.name
        if published.published_only:
            name += " (published only: its weights are not public)"
        value = f"{published.metrics[metric]:.3f}"
        if published.prompt is None:
            lines.append([name, DASH, DASH, DASH, value, DASH])
            lines += [line(f"Kobza's {published.system}", DASH, row) for row in own]
        else:
            own = [row for row in own if prompt_template(row.prompt) == prompt_template(published.prompt)]
            not_measured = [name, code_cell(published.prompt), DASH, DASH, value, DASH]
            lines += [line(name, value, row, published.prompt) for row in own] or [not_measured]
    return markdown_table(head, lines, 2)


def _other_table(table: Table, others: list[tuple[ResultRow, list[str]]]) -> str:
    """What was measured on the table's data and is not among its rows, each with the reason; "" if there is nothing."""
    prompts = {prompt_template(row.prompt) for row in table.rows} - {None}
    others = [(row, why) for row, why in others if not prompts or prompt_template(row.prompt) in prompts]
    if not others:
        return ""
    is_retrieval = table.task == "retrieval"
    head = ["Model", "Why it is here", *([] if is_retrieval else ["Prompt"]), "Gallery" if is_retrieval else "Classes"]
    lines = []
    for row, why in others:
        cells = [_name(row), text_cell("; ".join(why)), *([] if is_retrieval else [code_cell(row.prompt)])]
        counts = [count_cell(row.gallery or row.classes), used_cell(row)]
        lines.append([*cells, *counts, *(value_cell(row, metric) for metric in table.metric_names)])
    body = markdown_table([*head, "Used", *table.metric_names], lines, 2 if is_retrieval else 3)
    return f"\n### Measured on the same data, but not what a row of table {table.table} says\n\n{body}"


def thesis_table(table: Table, results: Sequence[dict], tables: Sequence[Table]) -> str:
    """A table of the thesis with the measured results beside it and, below, those that are not among its rows.

    Args:
        tables: all of the thesis; a result whose row is in another table is not shown here.
    """
    measured = measured_rows(table, results)
    others = [(row, why) for row in measured if (why := why_not(tables, table, row.result, row.gallery))]
    about = f"Source: {table.source}."
    if table.task == "retrieval":
        body = _retrieval_table(table, measured)
    else:  # a system has several lines in these tables, so its settings are given above
        about += "".join(dict.fromkeys(f" {row.name}: {settings_text(row)}." for row in table.rows))
        body = _zero_shot_table(table, measured)
    return f"## Table {table.table}. {table.title}\n\n{about}\n\n{body}{_other_table(table, others)}"
