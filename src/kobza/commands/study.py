"""Commands that compare: study, compare."""

import argparse
import shlex
from pathlib import Path

from kobza.commands.arguments import SubCommands, command
from kobza.extras import needs
from kobza.folders import expanded
from kobza.terminal import print_table, say

STUDIES = ("thesis",)
INITIALIZATIONS = ("pretrained", "random", "tiny")  # of train.py, which imports torch
PIECES = 64


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    whole = command(
        commands,
        study,
        "Train and evaluate every model of a study, and print its tables.",
        examples=(
            "kobza study thesis --data ~/musiccaps --gtzan ~/gtzan --seeds 3",
            "kobza study thesis --synthetic --init tiny --seeds 2",
        ),
    )
    whole.add_argument("study", choices=STUDIES, help="which study: the thesis that Kobza comes from")
    whole.add_argument("--data", metavar="DIR", help="MusicCaps, to train on and for tables 2.2, 2.4 and 3.4")
    whole.add_argument("--gtzan", metavar="DIR", help="GTZAN, for tables 3.2 and 3.5")
    whole.add_argument("--magnatagatune", metavar="DIR", help="MagnaTagATune, for tables 3.3 and 3.6")
    whole.add_argument("--checkpoints", metavar="DIR", help="LAION's .pt files, for tables 3.4 to 3.6")
    whole.add_argument("--synthetic", action="store_true", help="make small sets instead: a check of the program")
    whole.add_argument(
        "--pieces", type=int, default=PIECES, metavar="N", help="with --synthetic: how many (default: %(default)s)"
    )
    whole.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each model (default: %(default)s)")
    whole.add_argument("--models", nargs="+", default=(), metavar="NAME", help="recipes to train (default: all)")
    whole.add_argument(
        "--init", choices=INITIALIZATIONS, default="pretrained", help="weights of the towers (default: %(default)s)"
    )
    whole.add_argument("--settings", default="", metavar="TEXT", help="more settings of train.py, such as '--bf16'")
    whole.add_argument("--out", default="kobza-study", metavar="DIR", help="runs and tables (default: %(default)s)")

    two = command(
        commands,
        compare,
        "Compare two results query by query: differences, intervals and p-values.",
        examples=("kobza compare model_1-musiccaps-test.json model_6-musiccaps-test.json",),
    )
    two.add_argument("first", metavar="A.json", help="a result of kobza evaluate")
    two.add_argument("second", metavar="B.json", help="a result of another model on the same recordings")


def study(args: argparse.Namespace) -> int:
    with needs("kobza study", "train"):
        from kobza.study.thesis import study_thesis
    given = {"musiccaps": args.data, "gtzan": args.gtzan, "magnatagatune": args.magnatagatune}
    if args.synthetic and any(given.values()):
        raise ValueError("--synthetic makes its own data: leave out --data, --gtzan and --magnatagatune.")
    if args.seeds < 1:
        raise ValueError(f"--seeds is {args.seeds}: give 1 or more.")
    try:
        settings = shlex.split(args.settings)
    except ValueError as error:
        raise ValueError(f"--settings {args.settings!r} cannot be read ({error}): correct the quotes.") from None
    outcome = study_thesis(
        expanded(args.out),
        {name: expanded(folder) for name, folder in given.items() if folder},
        seeds=args.seeds,
        models=args.models,
        init=args.init,
        settings=settings,
        checkpoints=expanded(args.checkpoints) if args.checkpoints else None,
        pieces=args.pieces if args.synthetic else None,
        say=say,
    )
    print(outcome.tables)
    for what, why in outcome.failures:
        say(f"failed: {what}: {why}")
    print(f"Tables: {args.out}/study.md; all that was measured: {args.out}/report.md")
    return 1 if outcome.failures else 0


def compare(args: argparse.Namespace) -> int:
    from rich.table import Table

    from kobza.evaluation.comparison import compare_results
    from kobza.evaluation.results import read_result

    first, second = (read_result(Path(path)) for path in (args.first, args.second))
    compared = compare_results(first, second)
    print(f"A: {first['model']} ({first['fingerprint']}), B: {second['model']} ({second['fingerprint']})")
    print(f"On {compared.what}. B - A in brackets: 95 % interval of a paired bootstrap; p: paired permutation test.")
    for title, differences in compared.tables.items():
        table = Table(title, "A", "B", "B - A", "p", box=None)
        for one in differences:
            change = f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
            p = f"{one.p:.4f}" if one.p >= 0.0001 else "< 0.0001"
            table.add_row(one.metric, f"{one.first:.3f}", f"{one.second:.3f}", change, p)
        print_table(table)
    return 0
