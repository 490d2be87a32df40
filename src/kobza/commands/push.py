"""Commands that publish a model: push, export."""

import argparse
from pathlib import Path

from kobza.commands.arguments import SubCommands, command
from kobza.extras import needs
from kobza.terminal import print_table, say

CHECKPOINT = "a checkpoint: a folder or a Hub id (default: kobza-mini)"


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    pushed = command(
        commands,
        push,
        "Publish on the Hub a checkpoint, after checking that it works without kobza, or with --space the page, after "
        "opening it from an environment like the Hub's.",
        examples=("kobza push me/my-model --model runs/model_6 --dry-run", "kobza push --space me/my-music"),
    )
    pushed.add_argument("--space", action="store_true", help="the page of `kobza serve`, as a Space")
    pushed.add_argument("repo_id", metavar="REPO_ID", help="user/name")
    pushed.add_argument("--model", metavar="MODEL", help=CHECKPOINT)
    pushed.add_argument("--public", action="store_true", help="make a new repository public (default: private)")
    pushed.add_argument("--dry-run", action="store_true", help="assemble, check and list the files, but do not upload")
    pushed.add_argument(
        "--receipt", action="append", default=[], metavar="FILE", help="results of kobza evaluate, for the card"
    )
    pushed.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="WHAT=LICENCE",
        help="training data, for the card",
    )
    pushed.add_argument(
        "--no-check", action="store_true", help="with --space: do not build its environment here (some 1 GB)"
    )

    written = command(
        commands,
        export,
        "Export both towers as ONNX files, in 32, 16 and 8 bits.",
        examples=("kobza export onnx onnx-files",),
    )
    written.add_argument("format", choices=["onnx"])
    written.add_argument("out", metavar="OUT", help="the folder, in the layout that transformers.js reads")
    written.add_argument("--model", metavar="MODEL", help=CHECKPOINT)
    written.add_argument("--pairs", metavar="DIR", help="captioned recordings, to measure retrieval at each precision")


def push(args: argparse.Namespace) -> int:
    from kobza.audio import printable

    files, address = _push_space(args) if args.space else _push_checkpoint(args)
    for name, size in files:
        print(f"{size:>12,}  {printable(name)}")
    print(f"{sum(size for _, size in files):>12,}  bytes in {len(files)} files", end=" ")
    print(f"for {args.repo_id}; nothing was uploaded" if address is None else f"at {address}")
    return 0


def _push_checkpoint(args: argparse.Namespace) -> tuple[list[tuple[str, int]], str | None]:
    if args.no_check:
        raise ValueError("--no-check belongs to --space: a checkpoint is always checked.")
    with needs("kobza push"):
        from kobza.embedding.checkpoint import Checkpoint
        from kobza.export.push import push as push_checkpoint
    from kobza.evaluation.results import read_result

    sources = [_source(text) for text in args.source]
    receipts = [read_result(Path(path)) for path in args.receipt]
    checkpoint = Checkpoint.load(args.model, "cpu")
    return push_checkpoint(args.repo_id, checkpoint, args.public, args.dry_run, receipts, sources, say)


def _push_space(args: argparse.Namespace) -> tuple[list[tuple[str, int]], str | None]:
    from kobza.export.space import push_space

    if args.model or args.receipt or args.source:
        raise ValueError(
            "--model, --receipt and --source belong to a checkpoint, not to --space: push the checkpoint, and name it "
            "in the Space's variable KOBZA_MODEL."
        )
    return push_space(args.repo_id, args.public, args.dry_run, not args.no_check, say)


def _source(text: str) -> tuple[str, str]:
    """The value of --source.

    >>> _source("MusicCaps=CC BY-SA 4.0")
    ('MusicCaps', 'CC BY-SA 4.0')
    """
    name, _, licence = (part.strip() for part in text.rpartition("="))
    if not name or not licence:
        raise ValueError(f"--source {text!r} is not WHAT=LICENCE: write, for example, 'MusicCaps=CC BY-SA 4.0'.")
    return name, licence


def export(args: argparse.Namespace) -> int:
    from rich.table import Table

    from kobza.audio import printable

    with needs("kobza export onnx", "onnx"):
        from kobza.embedding.checkpoint import Checkpoint
        from kobza.export.onnx import OPSET, PRECISIONS
        from kobza.export.onnx import export as export_towers
        from kobza.export.onnx_runtime import OnnxEmbedder, measure

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
        towers = OnnxEmbedder(checkpoint, folder, precision)
        cells = [f"{path.stat().st_size / 1e6:.1f}" for path in towers.files.values()]
        if args.pairs:
            measured = measure(towers, args.pairs)
            cells += [f"{seconds:.2f}" for seconds in towers.seconds.values()]
            cells += [f"{measured[figure]:.3f}" for figure in figures]
        table.add_row(precision, *cells)
    print_table(table)
    print(f"Written: {printable(folder)}")
    return 0
