"""Receipts drawn: recall curves, ranks, confused genres, how well each tag is told. PNG files, drawn without a screen.

Colours are Okabe and Ito's, which people of every colour vision tell apart; beyond eight lines the dashes change.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kobza.evaluation.results import place, place_name

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C00")
DASHES = ("-", "--", ":", "-.")
BIN_EDGES = (0, 1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)  # 1, 5, 10: where R@K is read
TAGS_IN_A_COLUMN = 50
DIRECTIONS = ("text -> music", "music -> text")
MOST_NUMBERED = 20  # classes; the cells of more are too small for numbers


def _axes(width: float, height: float, columns: int = 1) -> tuple[Figure, list]:
    """A figure (inches) and its axes, without the frame's upper and right side."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # not pyplot, which keeps every figure and may look for a screen
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _plain(text: str) -> str:
    """Text to print as it is: between two dollar signs Matplotlib sees a formula."""
    return text.replace("$", r"\$")


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})  # the same figures, the same bytes
    return path


def recall_curves(ranks: Mapping[str, Sequence[int]], gallery: int, title: str, path: Path) -> Path:
    """R@K = share of ranks < K over K = 1..gallery, one line a model; in grey what guessing finds, K / gallery.

    Args:
        ranks: model -> (queries,) ranks from 0 in a gallery of `gallery` recordings.
    """
    figure, (ax,) = _axes(8, 4.6)
    ks = np.unique(np.geomspace(1, gallery, 200).round().astype(int))
    ax.plot(ks, ks / gallery, color="0.6", linewidth=1, label="guessing")
    for i, (model, found) in enumerate(ranks.items()):
        recall = np.searchsorted(np.sort(found), ks) / len(found)
        style = DASHES[i // len(PALETTE) % len(DASHES)]
        ax.plot(ks, recall, style, color=PALETTE[i % len(PALETTE)], linewidth=1.8, label=_plain(model))
    ax.set_xscale("log")
    ticks = [k for k in BIN_EDGES if 0 < k < 0.7 * gallery or k == 1] + [gallery]
    ax.set_xticks(ticks, [f"{k:,}" for k in ticks])
    ax.minorticks_off()
    ax.set(xlim=(1, max(gallery, 2)), ylim=(0, 1.01), xlabel="K (log scale)", ylabel="R@K", title=_plain(title))
    ax.grid(color="0.92")
    figure.legend(loc="outside right upper", frameon=False)
    return _save(figure, path)


def rank_histogram(ranks: Sequence[int], gallery: int, title: str, path: Path) -> Path:
    """How many of (queries,) ranks fall where; bars are bounded by 1, 5, 10, 20, ... up to the gallery's size."""
    edges = [*(edge for edge in BIN_EDGES if edge < gallery), gallery]
    counts = np.histogram(ranks, bins=edges)[0]  # its last bin includes its end, which no rank reaches
    names = [f"{a}" if b - a == 1 else f"{a}–{b - 1}" for a, b in pairwise(edges)]
    figure, (ax,) = _axes(max(4.5, 0.8 * len(names) + 1), 3.6)
    bars = ax.bar(names, counts / len(ranks), color=PALETTE[0], width=0.8)
    ax.bar_label(bars, labels=[str(count) for count in counts], padding=2)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set(
        xlabel="rank of the right recording (0 is the first)",
        ylabel=f"share of {len(ranks)} queries",
        title=_plain(title),
    )
    ax.margins(y=0.12)
    return _save(figure, path)


def confusion_matrix(confusion: Sequence[Sequence[int]], labels: Sequence[str], title: str, path: Path) -> Path:
    """Counts (true, given) as shares of each true label's recordings: a row sums to 100 %."""
    counts, labels = np.asarray(confusion, float), [_plain(label) for label in labels]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.5, 0.55 * len(labels) + 1.8), 16)
    figure, (ax,) = _axes(side + 0.6, side)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(labels)), labels)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    if len(labels) <= MOST_NUMBERED:
        for (true, given), share in np.ndenumerate(shares):
            if counts[true, given]:
                colour = "white" if share > 0.55 else "black"
                ax.text(given, true, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=9)
    ax.set(xlabel="label given", ylabel="true label", title=_plain(title))
    figure.colorbar(image, ax=ax, label="share of the true label", shrink=0.8, format=PercentFormatter(1, decimals=0))
    return _save(figure, path)


def tag_auc(tags: Sequence[str], auc: Sequence[float | None], title: str, path: Path) -> Path:
    """A bar a tag from chance (0.5) to its ROC-AUC, the best on top; below chance the bar goes left, in another colour.

    Args:
        auc: as long as `tags`; None for a tag that has no ROC-AUC, which is left out.
    """
    known = sorted(((value, tag) for tag, value in zip(tags, auc, strict=True) if value is not None), reverse=True)
    columns = [known[i : i + TAGS_IN_A_COLUMN] for i in range(0, len(known), TAGS_IN_A_COLUMN)] or [[]]
    height = max(2.5, 0.2 * len(columns[0]) + 1.3)
    figure, axes = _axes(4.6 * len(columns) + 0.5, height, len(columns))
    low = min([0.4, *(value - 0.02 for value, _ in known)])
    for ax, column in zip(axes, columns, strict=True):
        values = np.array([value for value, _ in column])
        colours = [PALETTE[0] if value >= 0.5 else PALETTE[1] for value in values]
        ax.barh(range(len(column)), values - 0.5, left=0.5, color=colours, height=0.75)
        ax.set_yticks(range(len(column)), [_plain(tag) for _, tag in column], fontsize=8)
        ax.set(xlim=(low, 1), ylim=(len(columns[0]) - 0.4, -0.6), xlabel="ROC-AUC (0.5: guessing)")
        ax.axvline(0.5, color="0.3", linewidth=0.8)
        ax.grid(axis="x", color="0.92")
        ax.set_axisbelow(True)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    figure.suptitle(_plain(title))
    return _save(figure, path)


def score_over_time(moments: Sequence, title: str, path: Path) -> Path:
    """What a description scores in each window of a recording (`library.locate.Moment`s), over minutes."""
    figure, (ax,) = _axes(9, 2.8)
    edges = [moments[0].start / 60, *(moment.end / 60 for moment in moments)]
    ax.stairs([moment.score for moment in moments], edges, baseline=None, color=PALETTE[0], linewidth=1.2)
    ax.set(xlabel="minutes", ylabel="score", title=_plain(title), xlim=(edges[0], edges[-1]))
    return _save(figure, path)


def training_curves(history: Sequence[Mapping[str, float]], path: Path) -> Path:
    """Losses, and R@1, R@5, R@10 on the validation split, by epoch, from a trainer's history of figures."""
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


def draw(receipts: Mapping[str, dict], out: Path) -> list[tuple[str, str]]:
    """Every plot of named receipts, into out/plots: (title, file below `out`) of each.

    Of a receipt's prompts the one with the best accuracy, or the best mean AUC, is drawn; the title says which.
    """
    drawn: list[tuple[str, str]] = []

    def add(function: Callable, title: str, name: str, *data) -> None:
        file = f"plots/{name}.png"
        function(*data, title, out / file)
        drawn.append((title, file))

    for where in dict.fromkeys(place(receipt) for receipt in receipts.values()):
        there = {name: receipt for name, receipt in receipts.items() if place(receipt) == where}
        for direction in DIRECTIONS:
            found = {name: _ranks(receipt, direction) for name, receipt in there.items()}
            found = {name: ranks for name, ranks in found.items() if ranks}
            if found:
                gallery = max(_gallery(there[name], direction) for name in found)
                curves = {_label(there[name], there.values()): ranks for name, ranks in found.items()}
                name = f"{where[2]}-recall-{direction.replace(' -> ', '-to-')}"
                add(recall_curves, f"{place_name(where)}: {direction}", name, curves, gallery)
        for name, receipt in there.items():
            title, details = f"{receipt['model']} on {place_name(where)}", receipt["details"]
            ranks = _ranks(receipt, DIRECTIONS[0])
            if ranks:
                gallery = _gallery(receipt, DIRECTIONS[0])
                add(rank_histogram, f"{title}: {DIRECTIONS[0]}", f"{name}-ranks", ranks, gallery)
            if details.get("confusion"):
                prompt, counts = max(details["confusion"].items(), key=lambda item: np.trace(item[1]))
                add(confusion_matrix, f"{title}: {prompt}", f"{name}-labels", counts, details["labels"])
            if details.get("auc"):
                prompt, auc = max(details["auc"].items(), key=lambda item: _mean(item[1]))
                add(tag_auc, f"{title}: {prompt}", f"{name}-tags", details["tags"], auc)
    return drawn


def _ranks(receipt: dict, direction: str) -> list[int]:
    return receipt["details"].get("ranks", {}).get(direction, [])


def _gallery(receipt: dict, direction: str) -> int:
    """How many were searched for the ranks in the details: the largest gallery."""
    sizes = [figure["gallery"] for figure in receipt["figures"] if figure["direction"] == direction]
    return max(*(size or 1 for size in sizes), max(_ranks(receipt, direction)) + 1)


def _label(receipt: dict, receipts: Iterable[dict]) -> str:
    """The model's name, with its fingerprint where two models have one name."""
    alone = sum(other["model"] == receipt["model"] for other in receipts) == 1
    return receipt["model"] if alone else f"{receipt['model']} ({receipt['fingerprint'][:6]})"


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
