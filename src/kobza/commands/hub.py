"""Giving a model away: export."""

import argparse
from pathlib import Path

from ..terminal import print_table, say
from .arguments import command


def add(commands) -> None:
    """Declare this file's sub-commands."""
    written = command(commands, export, "Write the towers as ONNX files, in float32 and in 8 bits.")
    written.add_argument("format", choices=["onnx"])
    written.add_argument("out", metavar="OUT", help="the folder for text.onnx, audio.onnx and their _int8")
    written.add_argument("--model", metavar="MODEL", help="a checkpoint: a folder or a Hub id (default: kobza-mini)")
    written.add_argument("--pairs", metavar="DIR", help="captioned recordings, to measure what the 8 bits cost")


def export(args: argparse.Namespace) -> int:
    from rich.table import Table

    from ..audio import printable
    from ..checkpoint import Checkpoint
    from ..hub.onnx import OPSET, PRECISIONS, OnnxTowers, measure
    from ..hub.onnx import export as export_towers

    checkpoint, folder = Checkpoint.load(args.model, "cpu"), Path(args.out)
    say(f"Exporting {checkpoint.name} ({checkpoint.fingerprint})")
    differences = export_towers(checkpoint, folder)
    print(f"Opset {OPSET}. Largest difference from torch:", end=" ")
    print(", ".join(f"{tower} {value:.0e}" for tower, value in differences.items()))
    figures = ("R@1", "R@10")
    table = Table(
        "precision", "text, MB", "audio, MB", *(("text, s", "audio, s", *figures) if args.pairs else ()), box=None
    )
    for precision in PRECISIONS:
        towers = OnnxTowers(checkpoint, folder, precision)
        cells = [f"{path.stat().st_size / 1e6:.1f}" for path in towers.files.values()]
        if args.pairs:
            measured = measure(towers, args.pairs)
            cells += [f"{seconds:.2f}" for seconds in towers.seconds.values()]
            cells += [f"{measured[figure]:.3f}" for figure in figures]
        table.add_row(precision, *cells)
    print_table(table)
    print(f"Written: {printable(folder)}")
    return 0
