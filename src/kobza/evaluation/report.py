"""The report of `kobza reproduce`: the thesis's tables with the measured results beside them, in Markdown.

All functions are pure. The tables of the thesis are in `thesis_report.py`.
"""

from collections.abc import Sequence
from urllib.parse import quote

from kobza.evaluation.identity import training_summary
from kobza.evaluation.markdown import code_cell, count_cell, markdown_table, text_cell, used_cell, value_cell
from kobza.evaluation.metrics import NDCG_AT, RETRIEVAL_METRICS
from kobza.evaluation.results import DASH, dataset_key, dataset_title, result_rows
from kobza.evaluation.thesis_report import thesis_table
from kobza.evaluation.thesis_results import Table

METRICS = (*RETRIEVAL_METRICS, *(f"nDCG@{k}" for k in NDCG_AT), "F1", "accuracy", "ROC-AUC", "PR-AUC")
MAX_SKIPPED_FILES = 10  # named in the report; the result files name all of them
HEAD = """# Published and measured

*Published* values are those of the source that each table names. *Measured* values come from the result files
(receipts) listed at the end; their 95 % intervals are in brackets. Ranks count from 0. Gallery: the number of
recordings that were searched. Used: how many of the data set's recordings (of a captioned set: of its pairs) could
be used. A dash: not published, or not measured, or not recorded.

Beside a row of the thesis stands only what was trained as it says: by that recipe unchanged, from those towers, on that
split, to the end, and measured on at least half as many recordings, none of which it was trained on. A run is known by
its record of training (`training.json`), not by its folder's name. Everything else is below the table, with the reason.

The thesis names neither the clips of its MusicCaps test split nor the tags of its MagnaTagATune results. The values
measured here are on other clips, drawn in the same proportions, and on the number of tags in the column "Classes".
"""


def measured_table(results: Sequence[dict]) -> str:
    """Every metric of the results on one data set: all directions, galleries and prompts."""
    parts = []
    heads = {"retrieval": ["Direction", "Gallery"], "zero-shot": ["Prompt", "Classes"], "probe": ["Probe", "Classes"]}
    for task, head in heads.items():
        rows = [row for result in results for row in result_rows(result) if row.task == task]
        metrics = [metric for metric in METRICS if any(metric in row.metrics for row in rows)]
        lines = []
        for row in rows:
            name = text_cell(row.prompt) if task == "probe" else code_cell(row.prompt)
            condition = [row.direction or name, count_cell(row.gallery or row.classes)]
            values = [value_cell(row, metric) for metric in metrics]
            lines.append([text_cell(row.result["model"]), *condition, used_cell(row), *values])
        if rows:
            parts.append(markdown_table(["Model", *head, "Used", *metrics], lines, 2))
    return "\n".join(parts)


def skipped_list(results: Sequence[dict]) -> str:
    """The recordings of one data set that could not be used, each once; "" if there is none."""
    skipped = dict.fromkeys(f"{skip['file']}: {skip['reason']}" for result in results for skip in result["skipped"])
    if not skipped:
        return ""
    lines = [f"- {text_cell(text)}" for text in skipped][:MAX_SKIPPED_FILES]
    if len(skipped) > MAX_SKIPPED_FILES:
        lines.append(f"- and {len(skipped) - MAX_SKIPPED_FILES:,} more, which the result files name")
    return "\nNot used:\n\n" + "\n".join(lines) + "\n"


def training_table(results: Sequence[dict]) -> str:
    """What the results say of their models' training, once for each model."""
    head = ["Model", "Fingerprint", "Recipe", "Text tower", "Audio tower", "Trained on", "Steps", "Seed"]
    lines = {}
    for result in sorted(results, key=lambda r: (r["model"], r["fingerprint"])):
        about = training_summary(result).values()
        cells = [DASH if value is None else text_cell(value) for value in about]
        lines[result["fingerprint"]] = [text_cell(result["model"]), code_cell(result["fingerprint"]), *cells]
    return markdown_table(head, lines.values(), len(head))


def _intervals(result: dict) -> str:
    """How a result's intervals were made; until 0.2 by a bootstrap."""
    return text_cell(result.get("intervals") or f"bootstrap of {result['bootstrap']:,}")


def provenance_table(results: Sequence[dict]) -> str:
    """The model, data and library versions behind the results."""
    head = ["Fingerprint", "Model", "Data set", "Folder", "Data hash", "Windows", "Seed", "Intervals", "Versions"]
    lines = []
    for result in sorted(results, key=lambda r: (r["model"], r["fingerprint"], *map(str, dataset_key(r)))):
        windows = f"{result['windows']['seconds']:g} s, at least {result['windows']['min_seconds']:g} s"
        if rate := result["windows"].get("sampling_rate"):  # noted since 0.3
            windows += f", {rate / 1000:g} kHz"
        versions = ", ".join(f"{name} {text_cell(version)}" for name, version in result["versions"].items())
        model = [code_cell(result["fingerprint"]), text_cell(result["model"])]
        data = [
            text_cell(dataset_title(dataset_key(result))),
            text_cell(result["folder"]),
            code_cell(result["data_hash"][:16]),
        ]
        lines.append([*model, *data, windows, str(result["seed"]), _intervals(result), versions])
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
    parts = [HEAD]
    if failures:
        parts.append(
            "## Not measured\n\n" + "".join(f"- {text_cell(what)}: {text_cell(why)}\n" for what, why in failures)
        )
    parts += [thesis_table(table, results, tables) for table in tables]
    if results:
        parts.append("## Everything measured\n")
    for key in dict.fromkeys(dataset_key(result) for result in results):
        same_data = [result for result in results if dataset_key(result) == key]
        parts.append(f"### {text_cell(dataset_title(key))}\n\n{measured_table(same_data)}{skipped_list(same_data)}")
    if plots:
        parts.append("## Plots\n\n" + "\n".join(f"![{text_cell(title)}]({quote(file)})\n" for title, file in plots))
    if results:
        parts.append(f"## How the models were trained\n\n{training_table(results)}")
        parts.append(f"## Results\n\n{provenance_table(results)}")
    return "\n".join(parts)
