"""The whole build through its command, on a few windows and with tiny towers."""

import os
import re
import shutil
import sys
import tarfile
import zlib

import numpy as np
import pytest
import torch
from file_server import Files
from safetensors.torch import save_file
from test_songs import archive
from tiny import TINY_AUDIO, make_model, make_tokenizer
from transformers import ASTConfig

from kobza.distill import __main__ as cli
from kobza.distill import label_space, labelling, robustness, stages, text_tower
from kobza.distill import train as distillation
from kobza.distill.corpus import fetching, songs
from kobza.embedding.checkpoint import Checkpoint
from kobza.extras import MissingPackageError
from kobza.synth.album import album, write_album

TOWER = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}


def names_of_tracks():
    """File names of which the first is a held-out track, the others not (see `AudioShards`)."""
    held_out, training = [], []
    for number in range(200):
        name = f"t{number}.flac"
        stem = f"t{number}-{zlib.crc32(os.fsencode(name)):08x}"
        (training if sum(stem.encode()) % 30 else held_out).append(name)
    return [held_out[0], *training[:2]]


@pytest.fixture
def arguments(tmp_path, monkeypatch, teacher, taggers_wheel):
    """Small versions of all that the build reads, and the arguments that name them."""
    tower = tmp_path / "text-tower"
    tower.mkdir()
    make_model().text_model.save_pretrained(tower)
    make_tokenizer(tower).save_pretrained(tower)
    torch.save(teacher.state_dict(), tmp_path / "teacher.pt")
    classes = "".join(f"{i},/m/{i},Class {i}\n" for i in range(527))
    (tmp_path / "classes.csv").write_text("index,mid,display_name\n" + classes)
    rows = "".join(
        f"y{i},0,10,/m/{i % 5},\"['slow piano']\",A slow song {'sad' if i % 2 else 'happy'}\n" for i in range(20)
    )
    header = "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption\n"
    (tmp_path / "musiccaps.csv").write_text(header + rows)
    (tmp_path / "left-out.txt").write_text("y0\ny1\n")
    (tmp_path / "sources.csv").write_text("repository,use,recordings\nwho/demo,train,2\n")
    (tmp_path / "said.csv").write_text("source,original,text\nwho/demo,a.flac,slow piano\nwho/demo,b.flac,fast drums\n")
    write_album(tmp_path / "album", album()[:3])
    written = sorted((tmp_path / "album").glob("*.flac"))
    tracks = [shutil.copy(track, tmp_path / name) for track, name in zip(written, names_of_tracks(), strict=True)]
    monkeypatch.setattr(text_tower, "text_tower", lambda: tower)
    monkeypatch.setattr(fetching, "fetch_music", lambda index, folder: tracks)
    monkeypatch.setattr(distillation, "audio_config", lambda: ASTConfig(**TOWER))
    monkeypatch.setattr(labelling, "WINDOWS_PER_FILE", 2)
    paths = {
        "--work": "work",
        "--out": "checkpoint",
        "--teacher": "teacher.pt",
        "--classes": "classes.csv",
        "--musiccaps": "musiccaps.csv",
        "--leave-out": "left-out.txt",
        "--debian-index": "none.csv",
        "--midi": "none.tar.gz",
        "--soundfont": "none.sf2",
        "--song-sources": "sources.csv",
        "--song-texts": "said.csv",
    }
    named = [str(part) for flag, name in paths.items() for part in (flag, tmp_path / name)]
    none = ["--no-short", *(part for flag in ("arrangements", "singing", "pieces") for part in (f"--{flag}", "0"))]
    sizes = ["--changed", "2", "--steps", "2", "--batch", "4", "--robustness-steps", "2", "--device", "cpu"]
    sound = written[0].read_bytes()
    repository = archive({"a.flac": sound, "b.flac": written[1].read_bytes()})
    with Files({"/who/demo/archive/HEAD.tar.gz": repository}) as server:
        monkeypatch.setattr(songs, "GITHUB", server.url)
        yield [*named, "--taggers", str(taggers_wheel), *none, *sizes]


def test_a_build_from_nothing_gives_a_checkpoint_that_embeds_and_is_not_repeated(arguments, tmp_path, monkeypatch):
    cli.main(["all", *arguments])
    checkpoint = Checkpoint.load(str(tmp_path / "checkpoint"))
    text = checkpoint.embed_text(["a slow song"])
    sound = checkpoint.embed_windows([np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32)])
    assert text.shape == sound.shape == (1, 128)
    assert checkpoint.processor.feature_extractor.window_loudness == -18.0

    # Both sides are the tuned projections of what is pooled.
    tuned = stages.tune_projections(cli.build_parser().parse_args(["all", *arguments]))
    pooled = text_tower.pool_sentences(["a slow song"], text_tower.text_tower())
    np.testing.assert_allclose(text, tuned.text(pooled).numpy(), atol=2e-3)  # the file holds half precision

    for module, name in (
        (fetching, "write_shard"),
        (labelling, "save_file"),
        (label_space, "fit"),
        (distillation, "distillation_losses"),
        (robustness, "disguise"),
        (stages, "tune_pairs"),
        (songs, "open_url"),
    ):
        monkeypatch.setattr(module, name, None)
    cli.main(["all", *arguments])
    assert Checkpoint.load(str(tmp_path / "checkpoint")).fingerprint == checkpoint.fingerprint


def test_a_build_goes_on_from_a_checkpoint(arguments, tmp_path):
    make_model().save_pretrained(tmp_path / "before")
    cli.main(["all", *arguments, "--no-songs", "--start", str(tmp_path / "before")])
    settings = distillation.DistillationSettings.load(tmp_path / "work" / "student" / "settings.json")
    assert (settings.from_scratch, settings.steps, settings.learning_rate) == (False, 2, 3e-4)
    assert Checkpoint.load(str(tmp_path / "checkpoint")).embed_text(["a slow song"]).shape == (1, 128)


def test_the_upper_bound_is_measured_with_the_teachers_logits(arguments, tmp_path, capsys):
    for stage in ("collect", "label"):
        cli.main([stage, *arguments, "--no-songs", "--changed", "0"])
    for stage in ("teacher-upper-bound", "ceiling"):
        capsys.readouterr()
        cli.main([stage, *arguments, "--pairs", str(tmp_path / "album")])
        captured = capsys.readouterr()
        assert re.fullmatch(r"R@1 \S+ R@5 1\.000 R@10 1\.000 MeanR .*\n", captured.out)  # of three pieces
        assert ("`ceiling` is called `teacher-upper-bound`" in captured.err) == (stage == "ceiling")  # 0.1.0's name


def test_pool_sentences_do_not_depend_on_their_order(arguments):
    sentences = ["a slow song", "drums", "the happy guitar and the sad piano with strings"]
    forward, backward = (text_tower.pool_sentences(s, text_tower.text_tower()) for s in (sentences, sentences[::-1]))
    torch.testing.assert_close(forward, backward.flip(0), atol=1e-5, rtol=1e-5)


def test_a_label_space_that_is_there_is_used(arguments, tmp_path):
    (tmp_path / "work").mkdir()
    shapes = {"weight": (4, 8), "bias": (4,), "axes": (627, 4), "logits_mean": (627,), "logits_std": (627,)}
    stored = {name: torch.rand(shape) for name, shape in shapes.items()}
    save_file(stored, tmp_path / "work" / "bridge.safetensors")
    space = stages.load_label_space(cli.build_parser().parse_args(["train", *arguments]))
    torch.testing.assert_close(space._asdict(), stored)


def test_a_missing_package_is_one_sentence(arguments, monkeypatch):
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    arguments[arguments.index("--arrangements") + 1] = "64"
    with tarfile.open(arguments[arguments.index("--midi") + 1], "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("001.mid"))
    with pytest.raises(SystemExit, match="needs tinysoundfont: run `pip install --no-deps tinysoundfont`"):
        cli.main(["collect", *arguments])


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        ("teacher-upper-bound", "add --pairs FOLDER"),
        ("label", "The teacher's weights are not at"),
        ("train", "No labelled windows in"),
        ("robustness", "holds no student: run the stages train"),
        ("export", "holds no student: run the stages train"),
    ],
)
def test_missing_input_is_one_sentence(arguments, tmp_path, stage, sentence):
    (tmp_path / "teacher.pt").unlink()
    with pytest.raises(SystemExit, match=sentence):
        cli.main([stage, *arguments])


def test_a_missing_text_tower_is_one_sentence(monkeypatch):
    monkeypatch.setattr(text_tower, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"kobza\[build\]"):
        text_tower.text_tower()
