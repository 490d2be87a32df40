"""The state of a distillation run: weights, their running mean, optimizers, step; saved so that a run can resume."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from kobza.atomic import atomic_path
from kobza.distill.student import Student

EARLY_STEPS = 400  # in which the running mean of the weights follows quickly
EARLY_SHARE, SHARE = 0.02, 0.005  # of a step's weights in the running mean


class TrainingState:
    """A run in the folder `out`, resumed if it has been saved there.

    Args:
        student: in the state that training starts from; changed to the state of a run that is resumed.
    """

    def __init__(self, out: Path, student: Student, optimizers: list[torch.optim.Optimizer]):
        self.path = out / "state.pt"
        self.student = student
        self.optimizers = optimizers
        self.step = 0
        self.mean = [parameter.detach().clone() for parameter in student.parameters()]
        if self.path.exists():
            saved = torch.load(self.path, weights_only=True, map_location=self.mean[0].device)
            student.load_state_dict(saved["student"])
            for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
                optimizer.load_state_dict(state)
            self.mean = saved["mean"]
            self.step = saved["step"]

    def count_step(self) -> None:
        """Called after an update of the weights."""
        self.step += 1
        share = EARLY_SHARE if self.step <= EARLY_STEPS else SHARE
        torch._foreach_lerp_(self.mean, [parameter.detach() for parameter in self.student.parameters()], share)

    def save(self) -> None:
        states = [optimizer.state_dict() for optimizer in self.optimizers]
        content = {"student": self.student.state_dict(), "optimizers": states, "mean": self.mean, "step": self.step}
        with atomic_path(self.path) as part:
            torch.save(content, part)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the student has the running mean of its weights, in eval mode."""
        current = [parameter.detach().clone() for parameter in self.student.parameters()]
        self._set(self.mean)
        self.student.eval()
        try:
            yield
        finally:
            self._set(current)
            self.student.train()

    def finish(self, path: Path) -> None:
        """Gives the student the running mean of its weights, and writes it."""
        self._set(self.mean)
        with atomic_path(path) as part:
            save_file({name: value.contiguous() for name, value in self.student.state_dict().items()}, part)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self.student.parameters(), values, strict=True):
            parameter.copy_(value)
