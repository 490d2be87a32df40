"""A handful of sounds, and a teacher with random weights."""

import pytest
import torch

from kobza.distill.corpus.fetching import write_shard
from kobza.distill.teachers.efficientat import TEACHER_RATE, Teacher


@pytest.fixture(scope="session")
def teacher():
    """Random weights, and BatchNorm statistics of some noise: without these all windows would sound alike to it."""
    torch.manual_seed(0)
    teacher = Teacher().train()
    for module in teacher.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    teacher(torch.randn(4, TEACHER_RATE) * torch.logspace(-3, 0, 4)[:, None])
    return teacher.eval()


@pytest.fixture(scope="session")
def sound_folder(tmp_path_factory):
    """Two shards of 4 noises of 15 s, one of them held out (its name says so: see `Sounds`)."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = torch.Generator().manual_seed(1)
    (folder / "real").mkdir()
    for name in ("aaa", "aaj"):
        noise = torch.randn(4, 15 * TEACHER_RATE, generator=rng) * torch.logspace(-2, -0.5, 4)[:, None]
        noise[::2] = noise[::2].cumsum(1) / 100  # the others rumble
        write_shard(folder / "real" / f"{name}.safetensors", noise.numpy())
    return folder
