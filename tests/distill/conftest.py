"""A few recordings of noise, teachers with random weights, and what these say of the recordings."""

import contextlib

import pytest
import torch
from tensorflow_files import write_musicnn_wheel

from kobza.distill import labelling
from kobza.distill.corpus.fetching import write_shard
from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE, Teacher
from kobza.distill.teachers.ensemble import Teachers
from kobza.distill.teachers.musicnn import Musicnn
from kobza.distill.training_state import TrainingState


@pytest.fixture(scope="session")
def teacher():
    """Random weights, and BatchNorm statistics of noise: without these its outputs hardly depend on the input."""
    torch.manual_seed(0)
    teacher = Teacher().train()
    for module in teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    teacher(torch.randn(4, TEACHER_SAMPLING_RATE) * torch.logspace(-3, 0, 4)[:, None])
    return teacher.eval()


@pytest.fixture(scope="session")
def shard_folder(tmp_path_factory):
    """Two shards of 4 recordings of noise of 15 s; `AudioShards` holds one of them out by its name."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = torch.Generator().manual_seed(1)
    (folder / "real").mkdir()
    for name in ("aaa", "aaj"):
        noise = torch.randn(4, 15 * TEACHER_SAMPLING_RATE, generator=rng) * torch.logspace(-2, -0.5, 4)[:, None]
        noise[::2] = noise[::2].cumsum(1) / 100  # low-pass filtered
        write_shard(folder / "real" / f"{name}.safetensors", noise.numpy())
    return folder


@pytest.fixture(scope="session")
def taggers_wheel(tmp_path_factory):
    """A wheel with two small taggers."""
    return write_musicnn_wheel(tmp_path_factory.mktemp("wheel") / "musicnn-0.1.0-py3-none-any.whl")


@pytest.fixture(scope="session")
def teachers(teacher, taggers_wheel):
    return Teachers(teacher, Musicnn.load(taggers_wheel, "MSD"), Musicnn.load(taggers_wheel, "MTT"))


@pytest.fixture(scope="session")
def label_folder(shard_folder, teachers, tmp_path_factory):
    """The labels of the recordings of noise: 8 windows for training and 8 held out."""
    folder = tmp_path_factory.mktemp("labels")
    assert labelling.label_unchanged(shard_folder, folder, teachers) == 2
    return folder


@pytest.fixture
def interrupt_at(monkeypatch):
    """Inside `interrupt_at(step)` training is interrupted once it has saved its state of that step."""
    save = TrainingState.save

    @contextlib.contextmanager
    def interrupted(step):
        def save_and_interrupt(state):
            save(state)
            if state.step == step:
                raise KeyboardInterrupt

        with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
            patches.setattr(TrainingState, "save", save_and_interrupt)
            yield

    return interrupted
