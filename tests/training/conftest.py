"""A handful of lessons: random windows that a teacher with random weights has labelled."""

import pytest
import torch

from kobza import KobzaFeatureExtractor
from kobza.training.corpus import Labeller
from kobza.training.teacher import TEACHER_RATE, Teacher


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
def labeller(teacher):
    return Labeller(teacher, KobzaFeatureExtractor())


@pytest.fixture(scope="session")
def lesson_folder(tmp_path_factory, labeller):
    """Two shards of 6 windows, one of them held out (its name says so: see `Lessons`)."""
    folder = tmp_path_factory.mktemp("lessons")
    rng = torch.Generator().manual_seed(1)
    for name in ("aaa", "aaj"):
        noise = torch.randn(6, 10 * TEACHER_RATE, generator=rng) * torch.linspace(0.01, 0.3, 6)[:, None]
        labeller.write(folder / f"{name}.safetensors", [noise[:4], noise[4:]])
    return folder
