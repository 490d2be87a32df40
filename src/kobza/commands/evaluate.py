"""Measuring: doctor, evaluate, reproduce, bench."""

import argparse
from pathlib import Path

from kobza.commands.arguments import command
from kobza.terminal import print_table, progress_bar, say


def add(commands) -> None:
    """Declare this file's sub-commands."""
    command(commands, doctor, "Look for the faults that checkpoints are known to have.").add_argument(
        "checkpoint", nargs="?", metavar="CHECKPOINT", help="as for evaluate (default: kobza-mini)"
    )

    measured = command(commands, evaluate, "Measure a checkpoint on a data set and write a receipt.")
    measured.add_argument("checkpoint", metavar="CHECKPOINT", help="a folder or a Hub id; CLAP's too, or LAION's .pt")
    measured.add_argument(
        "--on",
        required=True,
        metavar="SET:DIR[@PART]",
        help="a data set, its folder, which part of it: musiccaps (@test, @eval, @train, @validation), gtzan (@LIST of "
        "files), magnatagatune (@50, @188), pairs, classes",
    )
    measured.add_argument("--prompt", action="append", metavar="TEXT", help='such as "The {} song"; may be repeated')
    measured.add_argument("--ensemble", action="store_true", help="also take the mean of the prompts' embeddings")
    measured.add_argument("--receipt", metavar="FILE", help="the figures, as JSON (default: CHECKPOINT-SET-PART.json)")
    measured.add_argument("--card", metavar="FILE", help="a model card's README.md, to write the figures into its head")

    again = command(commands, reproduce, "Measure all checkpoints on all data sets; one report beside the thesis.")
    again.add_argument("--checkpoints", required=True, metavar="DIR", help="folders of checkpoints, LAION's .pt files")
    again.add_argument("--data", required=True, metavar="DIR", help="musiccaps, gtzan, magnatagatune, pairs*, classes*")
    again.add_argument(
        "--out", default="kobza-reproduced", metavar="DIR", help="report.md, plots, receipts (default: %(default)s)"
    )

    timed = command(commands, bench, "Measure how fast Kobza is, beside what people would use otherwise.")
    timed.add_argument("lines", nargs="*", metavar="LINE", help="which lines of the table (default: all)")
    timed.add_argument("--json", metavar="FILE", help="write the figures there, too")


def doctor(args: argparse.Namespace) -> int:
    from kobza.evaluation.sanity_checks import as_table, examine

    name, findings = examine(args.checkpoint)
    wrong = sum(not finding.ok for finding in findings)
    print_table(as_table(findings))
    print(f"{name}: {f'{wrong} of {len(findings)} checks went wrong' if wrong else 'all is well'}")
    return 1 if wrong else 0


def evaluate(args: argparse.Namespace) -> int:
    from kobza.commands.evaluate_checkpoint import run

    return run(args, progress_bar("testing the model"))


def reproduce(args: argparse.Namespace) -> int:
    from kobza.evaluation.reproduction import reproduce

    outcome = reproduce(Path(args.checkpoints), Path(args.data), Path(args.out), say)
    print(f"{outcome.receipts} measured, {len(outcome.failures)} failed: {outcome.report}")
    return 1 if outcome.failures else 0


def bench(args: argparse.Namespace) -> int:
    from kobza.benchmarks.lines import LINES
    from kobza.benchmarks.runner import HEAD, as_json, as_row, machine

    unknown = [name for name in args.lines if name not in LINES]
    if unknown:
        raise ValueError(f"There is no line {unknown[0]!r} to measure: choose from {', '.join(LINES)}.")
    print(f"{machine()}\n\n{HEAD}", flush=True)
    found = []
    for name in args.lines or LINES:
        say(f"measuring: {name}")
        try:
            for line in LINES[name]():
                print(as_row(line), flush=True)  # at once: some take minutes, and what is measured must not be lost
                found.append(line)
                if args.json:
                    Path(args.json).write_text(as_json(found), encoding="utf-8")
        except ImportError as error:
            raise ValueError(f"{name} needs {error.name}; get it with: pip install 'kobza[bench]'") from error
    return 0
