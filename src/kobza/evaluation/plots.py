"""Plots of results as PNG files, drawn without a display: recall curves, ranks, confusion matrices, AUC per tag.

The colours are Okabe and Ito's, which are distinct under every type of colour vision; after eight lines the dashes
change.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kobza.evaluation.results import dataset_key, dataset_title
from kobza.evaluation.retrieval import DIRECTIONS

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00")
DASHES = ("-", "--", ":", "-.")
RANK_EDGES = (0, 1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)  # 1, 5 and 10 are the K of R@K
TAGS_PER_COLUMN = 50
MAX_NUMBERED_CLASSES = 20  # with more, the cells are too small for numbers


def _axes(width: float, height: float, columns: int = 1) -> tuple[Figure, list]:
    """A figure (size in inches) and its axes, without the top and right spines."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # not pyplot, which keeps every figure in memory and may need a display
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _escape(text: str) -> str:
    """Text that Matplotlib prints literally: it takes text between two dollar signs for a formula."""
    return text.replace("$", r"\$")


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})  # reproducible bytes
    return path


def plot_recall_curves(ranks: Mapping[str, Sequence[int]], gallery: int, title: str, path: Path) -> Path:
    """Plot R@K over K = 1..gallery, one line per model, and in grey the chance level, K / gallery.

    Args:
        ranks: model -> (queries,) ranks from 0 in a gallery of `gallery` candidates.
    """
    figure, (ax,) = _axes(8, 4.6)
    ks = np.unique(np.geomspace(1, gallery, 200).round().astype(int))
    ax.plot(ks, ks / gallery, color="0.6", linewidth=1, label="chance")
    for i, (model, model_ranks) in enumerate(ranks.items()):
        recall = np.searchsorted(np.sort(model_ranks), ks) / len(model_ranks)
        style = DASHES[i // len(PALETTE) % len(DASHES)]
        ax.plot(ks, recall, style, color=PALETTE[i % len(PALETTE)], linewidth=1.8, label=_escape(model))
    ax.set_xscale("log")
    ticks = [k for k in RANK_EDGES if 0 < k < 0.7 * gallery or k == 1] + [gallery]
    ax.set_xticks(ticks, [f"{k:,}" for k in ticks])
    ax.minorticks_off()
    ax.set(xlim=(1, max(gallery, 2)), ylim=(0, 1.01), xlabel="K (log scale)", ylabel="R@K", title=_escape(title))
    ax.grid(color="0.92")
    figure.legend(loc="outside right upper", frameon=False)
    return _save(figure, path)


def plot_rank_histogram(ranks: Sequence[int], gallery: int, title: str, path: Path) -> Path:
    """Plot a histogram of (queries,) ranks, with bin edges 1, 5, 10, 20, ... up to the gallery's size."""
    edges = [*(edge for edge in RANK_EDGES if edge < gallery), gallery]
    counts = np.histogram(ranks, bins=edges)[0]  # its last bin includes its upper edge, which no rank reaches
    names = [f"{a}" if b - a == 1 else f"{a}–{b - 1}" for a, b in pairwise(edges)]
    figure, (ax,) = _axes(max(4.5, 0.8 * len(names) + 1), 3.6)
    bars = ax.bar(names, counts / len(ranks), color=PALETTE[0], width=0.8)
    ax.bar_label(bars, labels=[str(count) for count in counts], padding=2)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(
        xlabel="rank of the right recording (0 is the first)",
        ylabel=f"fraction of {len(ranks)} queries",
        title=_escape(title),
    )
    ax.margins(y=0.12)
    return _save(figure, path)


def plot_confusion_matrix(confusion: Sequence[Sequence[int]], labels: Sequence[str], title: str, path: Path) -> Path:
    """Plot counts (true, predicted) as percentages of each true label's recordings: a row sums to 100 %."""
    counts = np.asarray(confusion, float)
    labels = [_escape(label) for label in labels]
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.5, 0.55 * len(labels) + 1.8), 16)
    figure, (ax,) = _axes(side + 0.6, side)
    image = ax.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(labels)), labels)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    if len(labels) <= MAX_NUMBERED_CLASSES:
        for (true, predicted), fraction in np.ndenumerate(fractions):
            if counts[true, predicted]:
                colour = "white" if fraction > 0.55 else "black"
                text = f"{100 * fraction:.0f}"
                ax.text(predicted, true, text, ha="center", va="center", color=colour, fontsize=9)
    ax.set(xlabel="predicted label", ylabel="true label", title=_escape(title))
    percent = PercentFormatter(1, decimals=0)
    figure.colorbar(image, ax=ax, label="share of the true label", shrink=0.8, format=percent)
    return _save(figure, path)


def plot_tag_auc(tags: Sequence[str], auc: Sequence[float | None], title: str, path: Path) -> Path:
    """Plot a bar per tag from chance (0.5) to its ROC-AUC, best first; bars below chance have another colour.

    Args:
        auc: as long as `tags`; None for a tag without a ROC-AUC, which is left out.
    """
    known = sorted(((value, tag) for tag, value in zip(tags, auc, strict=True) if value is not None), reverse=True)
    columns = [known[i : i + TAGS_PER_COLUMN] for i in range(0, len(known), TAGS_PER_COLUMN)] or [[]]
    height = max(2.5, 0.2 * len(columns[0]) + 1.3)
    figure, axes = _axes(4.6 * len(columns) + 0.5, height, len(columns))
    low = min([0.4, *(value - 0.02 for value, _ in known)])
    for ax, column in zip(axes, columns, strict=True):
        values = np.array([value for value, _ in column])
        colours = [PALETTE[0] if value >= 0.5 else PALETTE[1] for value in values]
        ax.barh(range(len(column)), values - 0.5, left=0.5, color=colours, height=0.75)
        ax.set_yticks(range(len(column)), [_escape(tag) for _, tag in column], fontsize=8)
        ax.set(xlim=(low, 1), ylim=(len(columns[0]) - 0.4, -0.6), xlabel="ROC-AUC (0.5: chance)")
        ax.axvline(0.5, color="0.3", linewidth=0.8)
        ax.grid(axis="x", color="0.92")
        ax.set_axisbelow(True)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    figure.suptitle(_escape(title))
    return _save(figure, path)


def plot_score_over_time(moments: Sequence, title: str, path: Path) -> Path:
    """Plot a query's score in each window of a recording over minutes; `moments` have `start`, `end` (s), `score`."""
    figure, (ax,) = _axes(9, 2.8)
    edges = [moments[0].start / 60, *(moment.end / 60 for moment in moments)]
    ax.stairs([moment.score for moment in moments], edges, baseline=None, color=PALETTE[0], linewidth=1.2)
    ax.set(xlabel="minutes", ylabel="score", title=_escape(title), xlim=(edges[0], edges[-1]))
    return _save(figure, path)


def plot_training_curves(history: Sequence[Mapping[str, float]], path: Path) -> Path:
    """Plot losses, and R@1, R@5, R@10 on the validation split, by epoch, from a trainer's log history."""
    figure, (losses, recalls) = _axes(9, 3.6, 2)
    lines = {"training": (losses, "loss"), "validation": (losses, "eval_loss")}
    lines |= {f"R@{k}": (recalls, f"eval_R@{k}") for k in (1, 5, 10)}
    for i, (label, (ax, key)) in enumerate(lines.items()):
        points = [(row["epoch"], row[key]) for row in history if key in row]
        ax.plot(*zip(*points, strict=True) if points else ((), ()), ".-", color=PALETTE[i], label=label)
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    recalls.set(xlabel="epoch", ylim=(0, 1.01), title="Text -> music, validation")
    for ax in (losses, recalls):
        ax.grid(color="0.92")
        ax.legend(frameon=False)
    return _save(figure, path)


def plot_results(results: Mapping[str, dict], out: Path) -> list[tuple[str, str]]:
    """Draw every plot of named results into out/plots; (title, path relative to `out`) of each.

    Of a result's prompts the one with the best accuracy, or the best mean AUC, is drawn; the title names it.
    """
    drawn: list[tuple[str, str]] = []

    def add(plot: Callable, title: str, name: str, *data) -> None:
        file = f"plots/{name}.png"
        plot(*data, title, out / file)
        drawn.append((title, file))

    for key in dict.fromkeys(dataset_key(result) for result in results.values()):
        same_data = {name: result for name, result in results.items() if dataset_key(result) == key}
        for direction in DIRECTIONS:
            ranks = {name: _ranks(result, direction) for name, result in same_data.items()}
            ranks = {name: model_ranks for name, model_ranks in ranks.items() if model_ranks}
            if ranks:
                gallery = max(_largest_gallery(same_data[name], direction) for name in ranks)
                curves = {_label(same_data[name], same_data.values()): ranks[name] for name in ranks}
                file = f"{key[2]}-recall-{direction.replace(' -> ', '-to-')}"
                add(plot_recall_curves, f"{dataset_title(key)}: {direction}", file, curves, gallery)
        for name, result in same_data.items():
            _plot_one(add, name, f"{result['model']} on {dataset_title(key)}", result)
    return drawn


def _plot_one(add: Callable, name: str, title: str, result: dict) -> None:
    """The plots of a single result."""
    details = result["details"]
    ranks = _ranks(result, DIRECTIONS[0])
    if ranks:
        gallery = _largest_gallery(result, DIRECTIONS[0])
        add(plot_rank_histogram, f"{title}: {DIRECTIONS[0]}", f"{name}-ranks", ranks, gallery)
    if details.get("confusion"):
        prompt, counts = max(details["confusion"].items(), key=lambda item: np.trace(item[1]))
        add(plot_confusion_matrix, f"{title}: {prompt}", f"{name}-labels", counts, details["labels"])
    if details.get("auc"):
        prompt, auc = max(details["auc"].items(), key=lambda item: _mean(item[1]))
        add(plot_tag_auc, f"{title}: {prompt}", f"{name}-tags", details["tags"], auc)


def _ranks(result: dict, direction: str) -> list[int]:
    return result["details"].get("ranks", {}).get(direction, [])


def _largest_gallery(result: dict, direction: str) -> int:
    """The gallery in which the ranks of the details were found."""
    sizes = [entry["gallery"] for entry in result["figures"] if entry["direction"] == direction]
    return max(*(size or 1 for size in sizes), max(_ranks(result, direction)) + 1)


def _label(result: dict, results: Iterable[dict]) -> str:
    """The model's name, with its fingerprint where several models have this name."""
    is_unique = sum(other["model"] == result["model"] for other in results) == 1
    return result["model"] if is_unique else f"{result['model']} ({result['fingerprint'][:6]})"


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
