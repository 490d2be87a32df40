"""The whole build through its command, on a few windows and with tiny towers."""

import json
import os
import re
import shutil
import sys
import tarfile
import zlib
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny import TINY_AUDIO, make_model, make_tokenizer
from transformers import ASTConfig

from kobza.distill import __main__ as cli
from kobza.distill import label_space
from kobza.distill import train as distillation
from kobza.distill.corpus import fetching as corpus
from kobza.embedding.checkpoint import Checkpoint
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
def arguments(tmp_path, monkeypatch, teacher):
    """Small versions of all that the build reads, and the arguments that name them."""
    text_tower = tmp_path / "text-tower"
    text_tower.mkdir()
    make_model().text_model.save_pretrained(text_tower)
    make_tokenizer(text_tower).save_pretrained(text_tower)
    torch.save(teacher.state_dict(), tmp_path / "teacher.pt")
    classes = "".join(f"{i},/m/{i},Class {i}\n" for i in range(527))
    (tmp_path / "classes.csv").write_text("index,mid,display_name\n" + classes)
    rows = "".join(f"y{i},0,10,/m/{i},\"['slow piano']\",A slow song\n" for i in range(20))
    header = "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption\n"
    (tmp_path / "musiccaps.csv").write_text(header + rows)
    (tmp_path / "left-out.txt").write_text("y0\ny1\n")
    write_album(tmp_path / "album", album()[:3])
    written = sorted((tmp_path / "album").glob("*.flac"))
    tracks = [shutil.copy(track, tmp_path / name) for track, name in zip(written, names_of_tracks(), strict=True)]
    monkeypatch.setattr(cli, "text_tower", lambda: text_tower)
    monkeypatch.setattr(corpus, "fetch_music", lambda index, folder: tracks)
    monkeypatch.setattr(label_space, "tune", partial(label_space.tune, steps=2))
    monkeypatch.setattr(distillation, "audio_config", lambda: ASTConfig(**TOWER))
    monkeypatch.setattr(distillation, "STATISTICS_WINDOWS", 8)
    monkeypatch.setattr(cli, "LABEL_SPACE_WINDOWS", 16)
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
    }
    named = [str(part) for flag, name in paths.items() for part in (flag, tmp_path / name)]
    return [*named, "--no-short", "--songs", "0", "--singing", "0", "--pieces", "0", "--steps", "2", "--batch", "4"]


def test_a_build_from_scratch_gives_a_checkpoint_that_embeds(arguments, tmp_path):
    cli.main(["all", *arguments])
    checkpoint = Checkpoint.load(str(tmp_path / "checkpoint"))
    text = checkpoint.embed_text(["a slow song"])
    sound = checkpoint.embed_windows([np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32)])
    assert text.shape == sound.shape == (1, 128)

    # The text side is the label space's projection of the pooled sentence.
    fitted = cli.load_label_space(cli.build_parser().parse_args(["all", *arguments]), None)
    pooled = cli.pool_sentences(["a slow song"], cli.text_tower())
    np.testing.assert_allclose(text, fitted.project_text(pooled).numpy(), atol=2e-3)  # the file holds half precision


def test_finished_stages_are_not_repeated(arguments, tmp_path, monkeypatch):
    cli.main(["all", *arguments])
    first = Checkpoint.load(str(tmp_path / "checkpoint")).fingerprint
    monkeypatch.setattr(corpus, "write_shard", None)
    monkeypatch.setattr(label_space, "fit", None)
    monkeypatch.setattr(distillation, "distillation_losses", None)
    cli.main(["all", *arguments])
    assert Checkpoint.load(str(tmp_path / "checkpoint")).fingerprint == first


@pytest.mark.parametrize("stage", ["teacher-upper-bound", "ceiling"])
def test_the_upper_bound_is_measured_with_the_teachers_logits(arguments, tmp_path, capsys, stage):
    cli.main(["all", *arguments])
    capsys.readouterr()
    cli.main([stage, *arguments, "--pairs", str(tmp_path / "album")])
    captured = capsys.readouterr()
    assert re.fullmatch(r"R@1 \S+ R@5 1\.000 R@10 1\.000 MeanR .*\n", captured.out)  # of three pieces
    assert ("`ceiling` is called `teacher-upper-bound`" in captured.err) == (stage == "ceiling")  # 0.1.0's name


def test_pool_sentences_do_not_depend_on_their_order(arguments):
    sentences = ["a slow song", "drums", "the happy guitar and the sad piano with strings"]
    forward, backward = (cli.pool_sentences(s, cli.text_tower()) for s in (sentences, sentences[::-1]))
    torch.testing.assert_close(forward, backward.flip(0), atol=1e-5, rtol=1e-5)


def test_files_of_a_build_by_0_1_0_are_read(arguments, tmp_path):
    (tmp_path / "work").mkdir()
    shapes = {"weight": (4, 8), "bias": (4,), "axes": (527, 4), "logits_mean": (527,), "logits_std": (527,)}
    stored = {name: torch.rand(shape) for name, shape in shapes.items()}
    save_file(stored, tmp_path / "work" / "bridge.safetensors")
    space = cli.load_label_space(cli.build_parser().parse_args(["train", *arguments]), None)
    torch.testing.assert_close(space._asdict(), stored)
    settings = {"steps": 5, "batch": 3, "learning_rate": 0.1, "weight_decay": 0.2, "warmup": 6, "fall": 0.4}
    settings |= {"seed": 7, "save_every": 8, "tower": {"hidden_size": 32}}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert asdict(distillation.DistillationSettings.load(tmp_path / "settings.json")) == settings


def test_a_missing_package_is_one_sentence(arguments, monkeypatch):
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    arguments[arguments.index("--songs") + 1] = "64"
    with tarfile.open(arguments[arguments.index("--midi") + 1], "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("001.mid"))
    with pytest.raises(SystemExit, match=r"needs tinysoundfont; install it with: pip install 'kobza\[build\]'"):
        cli.main(["collect", *arguments])


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        ("teacher-upper-bound", "add --pairs FOLDER"),
        ("train", "The teacher's weights are not at"),
        ("export", "not at"),
    ],
)
def test_missing_input_is_one_sentence(arguments, tmp_path, stage, sentence):
    (tmp_path / "teacher.pt").unlink()
    with pytest.raises(SystemExit, match=sentence):
        cli.main([stage, *arguments])


def test_a_missing_text_tower_is_one_sentence(monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"kobza\[build\]"):
        cli.text_tower()
