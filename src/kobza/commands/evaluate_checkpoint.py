"""What `kobza evaluate` does: measure, print the figures as tables, write the receipt."""

import argparse
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace

from rich.table import Table

from kobza.audio import printable
from kobza.embedding.loader import load_embedder
from kobza.evaluation.evaluate import evaluate, write_receipt
from kobza.evaluation.model_index import write_model_index
from kobza.terminal import print_table, say

NAMED = 5  # skipped recordings, on the screen; the receipt has them all


def run(args: argparse.Namespace, progress_bar: AbstractContextManager) -> int:
    """Measure args.checkpoint on args.on; the exit code. `progress_bar` gives a function that takes what is done."""
    target = Path(args.receipt) if args.receipt else None
    if target and not target.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {printable(target.parent)} to write the receipt into: make it first.")
    if args.card and not Path(args.card).is_file():
        raise ValueError(f"There is no model card {printable(args.card)}: write the README.md first.")
    embedder = load_embedder(args.checkpoint)
    try:
        with progress_bar as update:

            def progress(done: int, total: int, path: Path) -> None:
                update(SimpleNamespace(done=done, total=total, fraction=done / total, path=path))

            receipt = evaluate(embedder, args.on, args.prompt, args.ensemble, progress, say)
    except KeyboardInterrupt:
        say("Stopped. No receipt was written.")
        return 130
    target = target or Path(default_name(receipt))
    write_receipt(receipt, target)
    if args.card:
        write_model_index(Path(args.card), receipt["model"], [receipt])
    show(receipt)
    print(f"Receipt: {printable(target)}")
    return 0


def default_name(receipt: dict) -> str:
    """kobza-mini-gtzan.json; with the split where there are several, so that no receipt takes another's place."""
    split = f"-{Path(receipt['split']).stem}" if receipt["split"] else ""
    return f"{receipt['model'].split('/')[-1]}-{receipt['dataset']}{split}.json"


def show(receipt: dict) -> None:
    """The figures, each with its interval, and what was left out (on standard error)."""
    skipped = receipt["skipped"]
    for one in skipped[:NAMED]:
        say(f"skipped: {one['file']}: {one['reason']}")
    if len(skipped) > NAMED:
        say(f"skipped: and {len(skipped) - NAMED} more, which the receipt names")
    if receipt["details"].get("left_out"):
        say(f"left out, as no recording has them or all have: {', '.join(receipt['details']['left_out'])}")
    split = f", {receipt['split']}" if receipt["split"] else ""
    print(f"{receipt['model']} ({receipt['fingerprint']}) on {receipt['dataset']}{split}:", end=" ")
    print(f"{receipt['used']} of {receipt['of']} recordings used. In brackets: 95 % intervals.")
    for table in tables(receipt["figures"]):
        print_table(table)


def tables(figures: list[dict]) -> list[Table]:
    """Retrieval: one table per direction, metrics by galleries. Zero-shot: one of prompts by metrics."""
    made = []
    for direction in dict.fromkeys(figure["direction"] for figure in figures):
        mine = [figure for figure in figures if figure["direction"] == direction]
        row, column = ("metric", "gallery") if direction else ("prompt", "metric")
        columns = list(dict.fromkeys(figure[column] for figure in mine))
        table = Table(direction or "prompt", *(f"gallery {c}" if direction else c for c in columns), box=None)
        cells = {(figure[row], figure[column]): _cell(figure) for figure in mine}
        for name in dict.fromkeys(figure[row] for figure in mine):
            table.add_row(name, *(cells[name, c] for c in columns))
        made.append(table)
    return made


def _cell(figure: dict) -> str:
    digits = 1 if figure["metric"] in ("MeanR", "MedR") else 3
    value, low, high = (f"{figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
