"""Builds the checkpoint `hub/kobza-mini` from nothing: `python -m kobza.distill all --work FOLDER`.

    collect -> label -> train -> robustness -> export;    teacher-upper-bound, to evaluate the teachers

Every stage resumes where it stopped. Needs the extra `kobza[build]` and, for the recordings, Debian's apt-get; all else
is downloaded once into the work folder, unless an option names a file that is there.
"""

import argparse
from pathlib import Path
from subprocess import CalledProcessError

from kobza.extras import exit_unless, needs
from kobza.terminal import say

with exit_unless("The build", "build"):
    import torch

    from kobza.distill import stages
    from kobza.distill.corpus import songs
    from kobza.distill.robustness import RobustnessSettings

CORPUS = Path(__file__).parent / "corpus"
RENAMED_STAGES = {"ceiling": "teacher-upper-bound"}  # names of 0.1.0
STAGES = {
    "collect": stages.collect,
    "label": stages.label,
    "train": stages.train,
    "robustness": stages.harden,
    "export": stages.export,
    "teacher-upper-bound": stages.teacher_upper_bound,
}
BUILD = ("collect", "label", "train", "robustness", "export")


def stage_name(name: str) -> str:
    """The current name of a stage; says so on stderr where `name` is an earlier one."""
    if name not in RENAMED_STAGES:
        return name
    say(f"The stage `{name}` is called `{RENAMED_STAGES[name]}` now; the old name will be removed.")
    return RENAMED_STAGES[name]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kobza.distill", description="Builds kobza-mini from nothing.")
    add = parser.add_argument
    add("stage", type=stage_name, choices=("all", *STAGES))
    add("--work", type=Path, required=True, help="folder of downloads, audio, labels and the training state")
    add("--out", type=Path, default=Path("hub/kobza-mini"), help="folder of the finished checkpoint")
    add("--start", type=Path, help="folder of a checkpoint whose audio tower is trained further; else from scratch")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="for labelling and training")
    add("--part", type=int, default=0, help="with --parts n: the share of this process, from 0")
    add("--parts", type=int, default=1, help="number of processes that collect or label side by side")

    add = parser.add_argument_group("files that are downloaded otherwise").add_argument
    add("--teacher", type=Path, help="mn04_as_mAP_432.pt, a release file of EfficientAT")
    add("--taggers", type=Path, help="musicnn-0.1.0-py3-none-any.whl, of PyPI")
    add("--classes", type=Path, help="AudioSet's class_labels_indices.csv")
    add("--musiccaps", type=Path, help="musiccaps-public.csv")
    add("--midi", type=Path, help="pop909.tar.gz")
    add("--soundfont", type=Path, nargs="+", help=".sf2 or .sf3 files")

    add = parser.add_argument_group("what is heard and read").add_argument
    add("--leave-out", type=Path, default=CORPUS / "left_out.txt", help="file of ytids whose captions are not used")
    add("--debian-index", type=Path, default=CORPUS / "debian_music.csv", help="music files in Debian packages")
    add("--song-sources", type=Path, default=songs.SOURCES, help="table of the repositories with songs")
    add("--song-texts", type=Path, help="table (source, original, text) of what the songs' pages say of them")
    add("--no-songs", dest="songs", action="store_false", help="without songs")
    add("--no-short", dest="short", action="store_false", help="without speech and sound effects")
    add("--arrangements", type=int, default=4800, help="windows rendered from MIDI")
    add("--singing", type=int, default=1984, help="windows of singing")
    add("--pieces", type=int, default=448, help="windows of synthetic pieces")
    add("--changed", type=int, default=20_000, help="labelled windows that are changed: speed, mixing, room, noise")

    add = parser.add_argument_group("training").add_argument
    add("--steps", type=int, help="training steps")
    add("--batch", type=int, help="windows of 10 s in a step")
    add("--robustness-steps", type=int, default=RobustnessSettings.steps, help="steps of the robustness stage")
    add("--pairs", type=Path, help="audiofolder of captioned recordings, for teacher-upper-bound")
    return parser


def main(argv: list[str] | None = None) -> None:
    args = build_parser().parse_args(argv)
    if args.stage == "teacher-upper-bound" and args.pairs is None:
        raise SystemExit("teacher-upper-bound needs captioned recordings: add --pairs FOLDER.")
    try:
        args.work.mkdir(parents=True, exist_ok=True)
        for stage in BUILD if args.stage == "all" else (args.stage,):
            with needs("The build", "build"):
                STAGES[stage](args)
    # A missing file, no audio, no pairs, a failed apt-get, a loss that is not finite: each message says what to do.
    except (OSError, ValueError, CalledProcessError, FloatingPointError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
