"""The whole build, as its command runs it, on a handful of windows and with towers of a few thousand weights."""

import os
import re
import shutil
import zlib
from functools import partial

import numpy as np
import pytest
import torch
from tiny import TINY_AUDIO, make_model, make_tokenizer
from transformers import ASTConfig

from kobza.distill import __main__ as mini
from kobza.distill import label_space as bridge
from kobza.distill import train as distillation
from kobza.distill.corpus import fetching as corpus
from kobza.embedding.checkpoint import Checkpoint
from kobza.synth.album import album, write_album

TOWER = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}


def names_of_tracks():
    """File names of which the first is a held-out track, the others not (see `Sounds`)."""
    held_out, taught = [], []
    for number in range(200):
        name = f"t{number}.flac"
        stem = f"t{number}-{zlib.crc32(os.fsencode(name)):08x}"
        (taught if sum(stem.encode()) % 30 else held_out).append(name)
    return [held_out[0], *taught[:2]]


@pytest.fixture
def arguments(tmp_path, monkeypatch, teacher):
    """Stand-ins for all that the build reads, and the arguments that name them."""
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
    monkeypatch.setattr(mini, "text_tower", lambda: text_tower)
    monkeypatch.setattr(corpus, "fetch_music", lambda index, folder: tracks)
    monkeypatch.setattr(bridge, "tune", partial(bridge.tune, steps=2))
    monkeypatch.setattr(distillation, "audio_config", lambda: ASTConfig(**TOWER))
    monkeypatch.setattr(distillation, "WINDOWS_FOR_STATISTICS", 8)
    monkeypatch.setattr(mini, "MOMENTS_FOR_BRIDGE", 16)
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


def test_from_nothing_to_a_checkpoint_that_embeds(arguments, tmp_path):
    mini.main(["all", *arguments])
    checkpoint = Checkpoint.load(str(tmp_path / "checkpoint"))
    text = checkpoint.embed_text(["a slow song"])
    sound = checkpoint.embed_windows([np.random.default_rng(0).normal(0, 0.1, 160_000).astype(np.float32)])
    assert text.shape == sound.shape == (1, 128)

    # The text side is the bridge itself: the pooled sentence through its text map, to unit length.
    fitted = mini.fit_bridge(mini.parser().parse_args(["all", *arguments]), None)
    pooled = mini.pooled_sentences(["a slow song"], mini.text_tower())
    np.testing.assert_allclose(text, fitted.place_text(pooled).numpy(), atol=2e-3)  # the file holds half precision


def test_a_finished_stage_is_not_done_again(arguments, tmp_path, monkeypatch):
    mini.main(["all", *arguments])
    first = Checkpoint.load(str(tmp_path / "checkpoint")).fingerprint
    monkeypatch.setattr(corpus, "write_shard", None)
    monkeypatch.setattr(bridge, "fit", None)
    monkeypatch.setattr(distillation, "distillation_losses", None)
    mini.main(["all", *arguments])
    assert Checkpoint.load(str(tmp_path / "checkpoint")).fingerprint == first


def test_the_ceiling_is_measured_with_the_teachers_own_ears(arguments, tmp_path, capsys):
    mini.main(["all", *arguments])
    capsys.readouterr()
    mini.main(["ceiling", *arguments, "--pairs", str(tmp_path / "album")])
    assert re.fullmatch(r"R@1 \S+ R@5 1\.000 R@10 1\.000 MeanR .*\n", capsys.readouterr().out)  # of three pieces


def test_pooled_sentences_do_not_depend_on_their_order(arguments):
    sentences = ["a slow song", "drums", "the happy guitar and the sad piano with strings"]
    forward, backward = (mini.pooled_sentences(s, mini.text_tower()) for s in (sentences, sentences[::-1]))
    torch.testing.assert_close(forward, backward.flip(0), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [("ceiling", "say which with --pairs"), ("train", "The teacher's weights are not at"), ("export", "not at")],
)
def test_what_is_missing_is_one_sentence(arguments, tmp_path, stage, sentence):
    (tmp_path / "teacher.pt").unlink()
    with pytest.raises(SystemExit, match=sentence):
        mini.main([stage, *arguments])


def test_without_the_text_towers_wheel_one_sentence(monkeypatch):
    monkeypatch.setattr(mini, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"kobza\[build\]"):
        mini.text_tower()
