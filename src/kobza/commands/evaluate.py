"""Commands that evaluate: doctor, evaluate, reproduce, bench."""

import argparse
from pathlib import Path

from kobza.commands.arguments import SubCommands, command
from kobza.data.formats import part_help
from kobza.extras import MissingPackageError, needs
from kobza.terminal import print_table, progress_bar, say

SKIPPED_SHOWN = 5  # files named on the screen; the result file names all of them


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    checked = command(
        commands,
        doctor,
        "Check a checkpoint for faults that checkpoints are known to have.",
        examples=("kobza doctor", "kobza doctor laion/clap-htsat-unfused"),
    )
    checked.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="as for evaluate (default: kobza-mini)")

    one = command(
        commands,
        evaluate,
        "Evaluate a checkpoint on a data set and write the results.",
        examples=(
            "kobza evaluate my-model --on musiccaps:data/musiccaps@eval",
            "kobza evaluate my-model --on gtzan:data/gtzan",
            "kobza evaluate my-model --on gtzan:data/gtzan --probe --shots 5",
        ),
    )
    one.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="a folder or a Hub id; CLAP's, MuQ-MuLan's or LAION's .pt too",
    )
    one.add_argument(
        "--on",
        required=True,
        metavar="SET:DIR[@PART]",
        help=f"a data set, its folder, and which part of it: {part_help()}",
    )
    one.add_argument(
        "--allow-overlap",
        action="store_true",
        help="also measure on recordings that the checkpoint was trained on; the result says how many",
    )
    one.add_argument(
        "--near-duplicates",
        metavar="SET:DIR[@PART]",
        help="also look for its recordings in another set, such as the training data, by how they sound (kobza-mini)",
    )
    one.add_argument("--prompt", action="append", metavar="TEXT", help='such as "The {} song"; may be repeated')
    one.add_argument("--ensemble", action="store_true", help="also take the mean of the prompts' embeddings")
    one.add_argument(
        "--probe",
        action="store_true",
        help="train classifiers on the embeddings of the set's training split, choose on its validation, measure on "
        "its test (sets with labels or tags)",
    )
    one.add_argument(
        "--shots",
        type=int,
        action="append",
        metavar="K",
        help="with --probe: also with only K recordings of each class, ten times; may be repeated",
    )
    one.add_argument("--receipt", metavar="FILE", help="the results, as JSON (default: CHECKPOINT-SET-PART.json)")
    one.add_argument("--card", metavar="FILE", help="a model card's README.md, to add the results to its metadata")

    every = command(
        commands,
        reproduce,
        "Evaluate all checkpoints on all data sets; one report beside the thesis.",
        examples=("kobza reproduce --checkpoints models --data data --out report",),
    )
    every.add_argument("--checkpoints", required=True, metavar="DIR", help="folders of checkpoints, LAION's .pt files")
    every.add_argument("--data", required=True, metavar="DIR", help="musiccaps, gtzan, magnatagatune, pairs*, classes*")
    every.add_argument(
        "--out", default="kobza-reproduced", metavar="DIR", help="report.md, plots, results (default: %(default)s)"
    )

    timed = command(
        commands,
        bench,
        "Measure how fast Kobza is, next to the alternatives.",
        examples=("kobza bench", "kobza bench search --json bench.json"),
    )
    timed.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks to run (default: all)")
    timed.add_argument("--json", metavar="FILE", help="also write the measurements there")


def doctor(args: argparse.Namespace) -> int:
    from kobza.evaluation.sanity_checks import as_table, check_checkpoint

    name, results = check_checkpoint(args.checkpoint)
    failed = sum(not result.passed for result in results)
    print_table(as_table(results))
    print(f"{name}: {f'{failed} of {len(results)} checks failed' if failed else 'all checks passed'}")
    return 1 if failed else 0


def evaluate(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.data.sets import load_data_set
    from kobza.embedding.loader import load_embedder
    from kobza.evaluation.evaluate import evaluate
    from kobza.evaluation.model_index import write_model_index
    from kobza.evaluation.near_duplicates import find_near_duplicates
    from kobza.evaluation.results import write_result
    from kobza.library import Progress

    if args.shots and (not args.probe or min(args.shots) < 1):
        raise ValueError("--shots is for --probe, and 1 or more: write --probe --shots 5.")
    target = Path(args.receipt) if args.receipt else None
    if target and not target.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {printable(target.parent)} to write the results into: make it first.")
    if args.near_duplicates:
        load_data_set(args.near_duplicates)  # if it is wrong, fail before hours of embedding
    if args.card and not Path(args.card).is_file():
        raise ValueError(f"There is no model card {printable(args.card)}: write the README.md first.")
    try:
        with progress_bar(f"loading the model {args.checkpoint}") as update:
            embedder = load_embedder(args.checkpoint, arithmetic="float32")  # the same on every CPU
            update(Progress.of_stage("checking the model"))

            def progress(done: int, total: int, path: Path) -> None:
                update(Progress(done, total, done / total, str(path)))

            result = evaluate(
                embedder,
                args.on,
                args.prompt,
                args.ensemble,
                progress,
                say,
                checkpoint=args.checkpoint,
                probe=args.probe,
                shots=args.shots or (),
                allow_overlap=args.allow_overlap,
            )
            if args.near_duplicates:
                update(Progress.of_stage("looking for near duplicates"))
                result["near_duplicates"] = find_near_duplicates(args.on, args.near_duplicates, probe=args.probe)
    except KeyboardInterrupt:
        say("Stopped. No results were written.")
        return 130
    target = target or Path(default_file_name(result))
    write_result(result, target)
    if args.card:
        write_model_index(Path(args.card), result["model"], [result])
    show_result(result)
    print(f"Results: {printable(target)}")
    return 0


def default_file_name(result: dict) -> str:
    """The name of a result's file, with the split where there are several.

    >>> default_file_name({"model": "me/mini", "dataset": "musiccaps", "split": "eval"})
    'mini-musiccaps-eval.json'
    """
    split = f"-{Path(result['split']).stem}" if result["split"] else ""
    probe = "-probe" if any(entry.get("task") == "probe" for entry in result.get("figures", ())) else ""
    return f"{result['model'].split('/')[-1]}-{result['dataset']}{split}{probe}.json"


def show_result(result: dict) -> None:
    """Print the metrics with their intervals, and on standard error what was left out."""
    from kobza.evaluation.identity import training_summary
    from kobza.evaluation.overlap import overlap_words
    from kobza.evaluation.results import counted

    skipped = result["skipped"]
    for item in skipped[:SKIPPED_SHOWN]:
        say(f"skipped: {item['file']}: {item['reason']}")
    if len(skipped) > SKIPPED_SHOWN:
        say(f"skipped: and {len(skipped) - SKIPPED_SHOWN} more, which the result file names")
    if result["details"].get("left_out"):
        say(f"left out, on all recordings or on none: {', '.join(result['details']['left_out'])}")
    split = f", {result['split']}" if result["split"] else ""
    print(f"{result['model']} ({result['fingerprint']}) on {result['dataset']}{split}:", end=" ")
    seen = overlap_words(result["overlap"])
    print(f"{result['used']} of {result['of']} {counted(result)} used{f' ({seen})' if seen else ''}.", end=" ")
    print("In brackets: 95 % intervals.")
    if alike := result.get("near_duplicates"):
        print(f"{alike['count']:,} recordings ({alike['share']:.1%}) sound like one of {alike['of']}", end=" ")
        print(f"(cosine {alike['cosine']} or more); the results name them.")
    if result["training"]:
        about = training_summary(result)
        how = f"steps: {about['steps']}, seed: {about['seed']}"
        print(f"Trained by the recipe {about['recipe']}, on {about['data']}; {how}.")
    for table in metric_tables(result["figures"]):
        print_table(table)


def metric_tables(entries: list[dict]) -> list:
    """`rich` tables. Retrieval: one per direction, metrics by galleries. Zero-shot: one of prompts by metrics."""
    from rich.table import Table

    from kobza.evaluation.results import value_text

    tables = []
    for direction in dict.fromkeys(entry["direction"] for entry in entries):
        same = [entry for entry in entries if entry["direction"] == direction]
        row, column = ("metric", "gallery") if direction else ("prompt", "metric")
        columns = list(dict.fromkeys(entry[column] for entry in same))
        corner = direction or ("probe" if same[0]["task"] == "probe" else "prompt")
        table = Table(corner, *(f"gallery {c}" if direction else c for c in columns), box=None)
        cells = {(entry[row], entry[column]): value_text(entry) for entry in same}
        for name in dict.fromkeys(entry[row] for entry in same):
            table.add_row(name, *(cells[name, c] for c in columns))
        tables.append(table)
    return tables


def reproduce(args: argparse.Namespace) -> int:
    from kobza.evaluation.reproduction import reproduce

    outcome = reproduce(Path(args.checkpoints), Path(args.data), Path(args.out), say)
    print(f"{outcome.results} measured, {len(outcome.failures)} failed: {outcome.report}")
    return 1 if outcome.failures else 0


def bench(args: argparse.Namespace) -> int:
    from kobza.atomic import atomic_write
    from kobza.benchmarks.runner import TABLE_HEAD, as_json, as_row, machine
    from kobza.benchmarks.suite import BENCHMARKS

    unknown = [name for name in args.names if name not in BENCHMARKS]
    if unknown:
        raise ValueError(f"There is no benchmark {unknown[0]!r}: choose from {', '.join(BENCHMARKS)}.")
    print(f"{machine()}\n\n{TABLE_HEAD}", flush=True)
    measurements = []
    failed = 0
    for name in args.names or BENCHMARKS:
        say(f"measuring: {name}")
        try:
            with needs(f"The benchmark {name}", "bench"):
                for measurement in BENCHMARKS[name]():
                    print(as_row(measurement), flush=True)  # at once: some take minutes, and nothing may be lost
                    measurements.append(measurement)
                    if args.json:
                        atomic_write(args.json, as_json(measurements))
        except MissingPackageError as error:  # the others are measured
            say(str(error))
            failed = 1
    return failed
