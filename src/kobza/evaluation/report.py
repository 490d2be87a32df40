"""The report of `kobza reproduce`: the thesis's tables with the measured results beside them, in Markdown.

All functions are pure. A measured row of a table is a `ResultRow`: see `results.py`.
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from kobza.evaluation.metrics import RETRIEVAL_METRICS
from kobza.evaluation.results import DASH, ResultRow, dataset_key, dataset_title, result_rows, value_text
from kobza.evaluation.thesis_results import Row, Table
from kobza.evaluation.zero_shot import PLACEHOLDER

METRICS = (*RETRIEVAL_METRICS, "F1", "accuracy", "ROC-AUC", "PR-AUC")
MAX_SKIPPED_FILES = 10  # named in the report; the result files name all of them
HEAD = """# Published and measured

*Published* values are those of the source that each table names. *Measured* values come from the result files
(receipts) listed at the end; their 95 % bootstrap intervals are in brackets. Ranks count from 0. Gallery: the number of
recordings that were searched. Used: the number of the data set's recordings that could be used. A dash: not published,
or not measured.

The thesis names neither the clips of its MusicCaps test split nor the tags of its MagnaTagATune results. The values
measured here are on other clips, drawn in the same proportions, and on the number of tags in the column "Classes".
"""


def _slug(name: str) -> str:
    """A name without case, folders and the ending .pt, for comparison.

    >>> _slug("CLAP Music"), _slug("me/clap-music.pt")
    ('clap_music', 'clap_music')
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower().split("/")[-1].removesuffix(".pt")).strip("_")


def _is_system(row: Row, model: str) -> bool:
    names = (row.system, row.name, str(row.settings.get("weights", row.system)))
    return _slug(model) in {_slug(name) for name in names}


def _template(prompt: str | None) -> str | None:
    """A prompt with "{}" in place of {genre}, {tag} or {label}."""
    return None if prompt is None else PLACEHOLDER.sub("{}", prompt)


def _measured_rows(table: Table, results: Iterable[dict]) -> list[ResultRow]:
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


def _text(text: object) -> str:
    """Text on one line, without the character that ends a table's cell."""
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|")


def _code(text: str | None) -> str:
    return DASH if text is None else f"`{_text(text)}`"


def _value(row: ResultRow, metric: str) -> str:
    return value_text(row.metrics[metric]) if metric in row.metrics else DASH


def _count(number: int | None) -> str:
    return DASH if number is None else f"{number:,}"


def _used(row: ResultRow) -> str:
    return f"{row.result['used']:,} of {row.result['of']:,}"


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]], text_columns: int) -> str:
    """A Markdown table: the first columns are text, aligned to the left, the others numbers."""
    alignment = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, alignment, *lines)) + "\n"


def _settings(row: Row) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {_text(value)}" for key, value in row.settings.items()) or DASH


def _retrieval_table(table: Table, measured: list[ResultRow], others: list[ResultRow]) -> str:
    """Two lines per system, published above measured: six metrics beside six others would be too wide."""
    head = ["System", "Settings", "Values", "Gallery", "Used", *table.metric_names]

    def line(name: str, settings: str, row: ResultRow) -> list[str]:
        values = [_value(row, metric) for metric in table.metric_names]
        return [name, settings, "measured", _count(row.gallery), _used(row), *values]

    lines = []
    for published in table.rows:
        # As printed: the thesis gives whole median ranks and three decimals of everything else.
        values = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in published.metrics.values()]
        lines.append([published.name, _settings(published), "published", _count(table.gallery), DASH, *values])
        own = [row for row in measured if _is_system(published, row.result["model"])]
        lines += [line("", "", row) for row in own] or [["", "", "measured", *[DASH] * (len(head) - 3)]]
    lines += [line(_text(row.result["model"]), DASH, row) for row in others]
    return markdown_table(head, lines, 3)


def _zero_shot_table(table: Table, measured: list[ResultRow], others: list[ResultRow]) -> str:
    """One line per system and prompt. Where the source names no prompt, every measured prompt follows."""
    metric = table.metric_names[0]
    head = ["System", "Prompt", "Classes", "Used", f"{metric}, published", f"{metric}, measured"]

    def line(name: str, published: str, row: ResultRow, prompt: str | None = None) -> list[str]:
        return [name, _code(prompt or row.prompt), _count(row.classes), _used(row), published, _value(row, metric)]

    lines = []
    for published in table.rows:
        own = [row for row in measured if _is_system(published, row.result["model"])]
        name = published.name
        if published.published_only:
            name += " (published only: its weights are not public)"
        value = f"{published.metrics[metric]:.3f}"
        if published.prompt is None:
            lines.append([name, DASH, DASH, DASH, value, DASH])
            lines += [line(f"Kobza's {published.system}", DASH, row) for row in own]
        else:
            own = [row for row in own if _template(row.prompt) == _template(published.prompt)]
            not_measured = [name, _code(published.prompt), DASH, DASH, value, DASH]
            lines += [line(name, value, row, published.prompt) for row in own] or [not_measured]
    prompts = {_template(row.prompt) for row in table.rows} - {None}
    comparable = [row for row in others if not prompts or _template(row.prompt) in prompts]
    lines += [line(_text(row.result["model"]), DASH, row) for row in comparable]
    return markdown_table(head, lines, 2)


def thesis_table(table: Table, results: Sequence[dict], known: Sequence[Row]) -> str:
    """A table of the thesis with the measured results beside it; models that are none of `known` follow below."""
    measured = _measured_rows(table, results)
    others = [row for row in measured if not any(_is_system(system, row.result["model"]) for system in known)]
    about = f"Source: {table.source}."
    if table.task == "retrieval":
        body = _retrieval_table(table, measured, others)
    else:  # a system has several lines in these tables, so its settings are given above
        about += "".join(dict.fromkeys(f" {row.name}: {_settings(row)}." for row in table.rows))
        body = _zero_shot_table(table, measured, others)
    return f"## Table {table.table}. {table.title}\n\n{about}\n\n{body}"


def measured_table(results: Sequence[dict]) -> str:
    """Every metric of the results on one data set: all directions, galleries and prompts."""
    parts = []
    for task, head in (("retrieval", ["Direction", "Gallery"]), ("zero-shot", ["Prompt", "Classes"])):
        rows = [row for result in results for row in result_rows(result) if row.task == task]
        metrics = [metric for metric in METRICS if any(metric in row.metrics for row in rows)]
        lines = []
        for row in rows:
            condition = [row.direction or _code(row.prompt), _count(row.gallery or row.classes)]
            values = [_value(row, metric) for metric in metrics]
            lines.append([_text(row.result["model"]), *condition, _used(row), *values])
        if rows:
            parts.append(markdown_table(["Model", *head, "Used", *metrics], lines, 2))
    return "\n".join(parts)


def skipped_list(results: Sequence[dict]) -> str:
    """The recordings of one data set that could not be used, each once; "" if there is none."""
    skipped = dict.fromkeys(f"{skip['file']}: {skip['reason']}" for result in results for skip in result["skipped"])
    if not skipped:
        return ""
    lines = [f"- {_text(text)}" for text in skipped][:MAX_SKIPPED_FILES]
    if len(skipped) > MAX_SKIPPED_FILES:
        lines.append(f"- and {len(skipped) - MAX_SKIPPED_FILES:,} more, which the result files name")
    return "\nNot used:\n\n" + "\n".join(lines) + "\n"


def provenance_table(results: Sequence[dict]) -> str:
    """The model, data and library versions behind the results."""
    head = ["Fingerprint", "Model", "Data set", "Folder", "Data hash", "Windows", "Seed", "Bootstrap", "Versions"]
    lines = []
    for result in sorted(results, key=lambda r: (r["model"], r["fingerprint"], *map(str, dataset_key(r)))):
        windows = f"{result['windows']['seconds']:g} s, at least {result['windows']['min_seconds']:g} s"
        versions = ", ".join(f"{name} {_text(version)}" for name, version in result["versions"].items())
        model = [_code(result["fingerprint"]), _text(result["model"])]
        data = [_text(dataset_title(dataset_key(result))), _text(result["folder"]), _code(result["data_hash"][:16])]
        lines.append([*model, *data, windows, str(result["seed"]), _count(result["bootstrap"]), versions])
    return markdown_table(head, lines, 6)


def render_report(
    tables: Sequence[Table],
    results: Sequence[dict],
    failures: Sequence[tuple[str, str]] = (),
    plots: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole report in Markdown.

    Args:
        tables: of the thesis, from `thesis_results.published_tables`.
        results: of any models on any data sets; those of a published system are shown beside its published values.
        failures: (what was tried, the error message).
        plots: (title, path relative to the report).
    """
    known = [row for table in tables for row in table.rows]
    parts = [HEAD]
    if failures:
        parts.append("## Not measured\n\n" + "".join(f"- {_text(what)}: {_text(why)}\n" for what, why in failures))
    parts += [thesis_table(table, results, known) for table in tables]
    if results:
        parts.append("## Everything measured\n")
    for key in dict.fromkeys(dataset_key(result) for result in results):
        same_data = [result for result in results if dataset_key(result) == key]
        parts.append(f"### {_text(dataset_title(key))}\n\n{measured_table(same_data)}{skipped_list(same_data)}")
    if plots:
        parts.append("## Plots\n\n" + "\n".join(f"![{_text(title)}]({quote(file)})\n" for title, file in plots))
    if results:
        parts.append(f"## Results\n\n{provenance_table(results)}")
    return "\n".join(parts)
