"""Published and measured figures side by side: from the thesis's tables and receipts to one Markdown text.

All functions here are pure. A line of a table shows a run: see `receipts.py`.
"""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from kobza.evaluation.results import Run, place, place_name, runs
from kobza.evaluation.thesis_results import Row, Table

DASH = "–"
METRICS = ("R@1", "R@5", "R@10", "MeanR", "MedR", "mAP10", "F1", "accuracy", "ROC-AUC", "PR-AUC")
IN_RANKS = {"MeanR", "MedR"}  # all other metrics are shares of 1
MOST_SKIPPED = 10  # named in the report; the receipt has them all
HEAD = """# Published and measured

*Published* figures are those of the source that each table names. *Measured* ones come from the receipts at the end; in
brackets is their 95 % bootstrap interval. Ranks count from 0. Gallery: how many recordings were searched. Used: how
many of the data set's recordings could be. A dash: not published, or not run.

The thesis's text names neither the clips of its MusicCaps test split nor the tags of its MagnaTagATune figures: what is
measured here is on other clips, drawn in the same proportions, and on as many tags as "Classes" says.
"""


def _slug(name: str) -> str:
    """Names are one if they are the same without case, folders and the file's end: "CLAP Music" and "clap_music"."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower().split("/")[-1].removesuffix(".pt")).strip("_")


def _is(row: Row, model: str) -> bool:
    return _slug(model) in {
        _slug(name) for name in (row.system, row.name, str(row.settings.get("weights", row.system)))
    }


def _template(prompt: str | None) -> str | None:
    """A prompt without the name of its gap: {genre}, {tag} and {label} are all the same gap."""
    return None if prompt is None else re.sub(r"\{\w*\}", "{}", prompt)


def _measured(table: Table, receipts: Iterable[dict]) -> list[Run]:
    """The runs of a table's data set, task, split and direction; of several galleries the one next to the table's."""
    fitting = []
    for receipt in receipts:
        if receipt["dataset"] != table.dataset or (table.split and receipt.get("split") not in (None, table.split)):
            continue
        found = [run for run in runs(receipt) if (run.task, run.direction) == (table.task, table.direction)]
        if table.gallery and found:
            found = [min(found, key=lambda run: abs((run.gallery or 0) - table.gallery))]
        fitting += [run for run in found if set(run.figures) & set(table.metrics)]
    return fitting


def _text(text: object) -> str:
    """Text that stays in its cell."""
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|")


def _code(text: str | None) -> str:
    return DASH if text is None else f"`{_text(text)}`"


def _number(value: float | None, metric: str) -> str:
    if value is None or value != value:
        return DASH
    return f"{value:.1f}" if metric in IN_RANKS else f"{value:.3f}"


def _figure(run: Run, metric: str) -> str:
    """ "0.137 [0.116, 0.158]" """
    figure = run.figures.get(metric, {})
    value, low, high = (_number(figure.get(key), metric) for key in ("value", "low", "high"))
    return value if DASH in (value, low, high) else f"{value} [{low}, {high}]"


def _count(number: int | None) -> str:
    return DASH if number is None else f"{number:,}"


def _used(run: Run) -> str:
    return f"{run.receipt['used']:,} of {run.receipt['of']:,}"


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]], left: int) -> str:
    """A table whose first `left` columns are text, the others numbers."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines)) + "\n"


def _settings(row: Row) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {_text(value)}" for key, value in row.settings.items()) or DASH


def _retrieval_table(table: Table, measured: list[Run], others: list[Run]) -> str:
    """Two lines a system, published over measured, because six metrics beside six others read badly."""
    head = ["System", "Settings", "Figures", "Gallery", "Used", *table.metrics]

    def line(name: str, settings: str, run: Run) -> list[str]:
        figures = [_figure(run, metric) for metric in table.metrics]
        return [name, settings, "measured", _count(run.gallery), _used(run), *figures]

    lines = []
    for row in table.rows:
        # as printed: the thesis gives whole median ranks and three digits of everything else
        figures = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.figures.values()]
        lines.append([row.name, _settings(row), "published", _count(table.gallery), DASH, *figures])
        mine = [run for run in measured if _is(row, run.receipt["model"])]
        lines += [line("", "", run) for run in mine] or [["", "", "measured", *[DASH] * (len(head) - 3)]]
    lines += [line(_text(run.receipt["model"]), DASH, run) for run in others]
    return markdown_table(head, lines, 3)


def _zero_shot_table(table: Table, measured: list[Run], others: list[Run]) -> str:
    """One line a system and prompt. A source that names no prompt is followed by every prompt that was measured."""
    metric = table.metrics[0]
    head = ["System", "Prompt", "Classes", "Used", f"{metric}, published", f"{metric}, measured"]

    def line(name: str, published: str, run: Run, prompt: str | None = None) -> list[str]:
        return [name, _code(prompt or run.prompt), _count(run.classes), _used(run), published, _figure(run, metric)]

    lines = []
    for row in table.rows:
        mine = [run for run in measured if _is(row, run.receipt["model"])]
        name = f"{row.name} (published only: its weights are not public)" if row.published_only else row.name
        value = f"{row.figures[metric]:.3f}"
        if row.prompt is None:
            lines.append([name, DASH, DASH, DASH, value, DASH])
            lines += [line(f"Kobza's {row.system}", DASH, run) for run in mine]
        else:
            mine = [run for run in mine if _template(run.prompt) == _template(row.prompt)]
            nothing = [name, _code(row.prompt), DASH, DASH, value, DASH]
            lines += [line(name, value, run, row.prompt) for run in mine] or [nothing]
    prompts = {_template(row.prompt) for row in table.rows} - {None}
    asked = [run for run in others if not prompts or _template(run.prompt) in prompts]
    lines += [line(_text(run.receipt["model"]), DASH, run) for run in asked]
    return markdown_table(head, lines, 2)


def thesis_table(table: Table, receipts: Sequence[dict], known: Sequence[Row]) -> str:
    """A table of the thesis with what was measured beside it, and every model that is none of `known` below it."""
    measured = _measured(table, receipts)
    others = [run for run in measured if not any(_is(row, run.receipt["model"]) for row in known)]
    about = f"Source: {table.source}."
    if table.task != "retrieval":  # a system has several lines there, so its settings stand above
        about += "".join(dict.fromkeys(f" {row.name}: {_settings(row)}." for row in table.rows))
    body = (_retrieval_table if table.task == "retrieval" else _zero_shot_table)(table, measured, others)
    return f"## Table {table.table}. {table.title}\n\n{about}\n\n{body}"


def measured_table(receipts: Sequence[dict]) -> str:
    """Every figure of receipts of one data set: all directions, galleries and prompts."""
    parts = []
    for task, head in (("retrieval", ["Direction", "Gallery"]), ("zero-shot", ["Prompt", "Classes"])):
        found = [run for receipt in receipts for run in runs(receipt) if run.task == task]
        metrics = [metric for metric in METRICS if any(metric in run.figures for run in found)]
        lines = []
        for run in found:
            first = [
                _text(run.receipt["model"]),
                run.direction or _code(run.prompt),
                _count(run.gallery or run.classes),
            ]
            lines.append([*first, _used(run), *(_figure(run, metric) for metric in metrics)])
        if found:
            parts.append(markdown_table(["Model", *head, "Used", *metrics], lines, 2))
    return "\n".join(parts)


def skipped_list(receipts: Sequence[dict]) -> str:
    """The recordings of one data set that could not be used, each once; "" if there is none."""
    named = dict.fromkeys(f"{skip['file']}: {skip['reason']}" for receipt in receipts for skip in receipt["skipped"])
    lines = [f"- {_text(text)}" for text in named][:MOST_SKIPPED]
    if len(named) > MOST_SKIPPED:
        lines.append(f"- and {len(named) - MOST_SKIPPED:,} more: the receipts name them all")
    return "\nNot used:\n\n" + "\n".join(lines) + "\n" if named else ""


def receipts_table(receipts: Sequence[dict]) -> str:
    """Which model, data and program every measured figure comes from."""
    head = ["Fingerprint", "Model", "Data set", "Folder", "Data hash", "Windows", "Seed", "Bootstrap", "Versions"]
    lines = []
    for receipt in sorted(receipts, key=lambda r: (r["model"], r["fingerprint"], *map(str, place(r)))):
        windows = f"{receipt['windows']['seconds']:g} s, at least {receipt['windows']['min_seconds']:g} s"
        versions = ", ".join(f"{name} {_text(version)}" for name, version in receipt["versions"].items())
        maker = [_code(receipt["fingerprint"]), _text(receipt["model"])]
        data = [_text(place_name(place(receipt))), _text(receipt["folder"]), _code(receipt["data_hash"][:16])]
        lines.append([*maker, *data, windows, str(receipt["seed"]), _count(receipt["bootstrap"]), versions])
    return markdown_table(head, lines, 6)


def report(
    tables: Sequence[Table],
    receipts: Sequence[dict],
    failures: Sequence[tuple[str, str]] = (),
    plots: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole report in Markdown.

    Args:
        tables: of the thesis, from `published.published_tables`.
        receipts: of any models on any data sets; those of a published system stand beside its figures.
        failures: (what was tried, the sentence it ended with).
        plots: (title, file beside the report).
    """
    known = [row for table in tables for row in table.rows]
    parts = [HEAD]
    if failures:
        parts.append("## Not measured\n\n" + "".join(f"- {_text(what)}: {_text(why)}\n" for what, why in failures))
    parts += [thesis_table(table, receipts, known) for table in tables]
    if receipts:
        parts.append("## Everything measured\n")
    for where in dict.fromkeys(place(receipt) for receipt in receipts):
        there = [receipt for receipt in receipts if place(receipt) == where]
        parts.append(f"### {_text(place_name(where))}\n\n{measured_table(there)}{skipped_list(there)}")
    if plots:
        parts.append("## Plots\n\n" + "\n".join(f"![{_text(title)}]({quote(file)})\n" for title, file in plots))
    if receipts:
        parts.append(f"## Receipts\n\n{receipts_table(receipts)}")
    return "\n".join(parts)
