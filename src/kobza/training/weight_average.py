"""An exponential moving average of the trainable weights, which is evaluated and saved in their place.

    average <- d * average + (1 - d) * weights after each step,   d = min(decay, (1 + n) / (10 + n)) after n steps

The growing d forgets the first steps, as usual (tf.train.ExponentialMovingAverage).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import TrainerCallback

FILE = "average.safetensors"


class WeightAverage:
    """The average of a model's trainable weights.

    Args:
        decay: near 1, such as .999; the average is over some 1 / (1 - decay) steps.
        grows: whether the decay grows to that; otherwise it is constant.
    """

    def __init__(self, model: nn.Module, decay: float, grows: bool = True):
        self.decay = decay
        self.grows = grows
        self.steps = 0
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.average = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Call it after each step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.grows else self.decay
        average = [self.average[name].to(weight.device) for name, weight in self.weights.items()]
        get_ema_multi_avg_fn(decay)(average, [weight.detach() for weight in self.weights.values()], self.steps)
        self.average = dict(zip(self.weights, average, strict=True))
        self.steps += 1

    @torch.no_grad()
    def apply(self) -> None:
        """Give the model the averaged weights."""
        for name, weight in self.weights.items():
            weight.copy_(self.average[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside, and its own again after it."""
        own = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.apply()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in self.weights.items():
                    weight.copy_(own[name])

    def state(self) -> dict[str, torch.Tensor]:
        """The average as rows of a file."""
        rows = {f"average.{name}": value.cpu().contiguous() for name, value in self.average.items()}
        return {**rows, "steps": torch.tensor(self.steps)}

    def load_state(self, rows: Mapping[str, torch.Tensor]) -> None:
        """Take over the average of a `state`."""
        self.steps = int(rows["steps"])
        for name, weight in self.weights.items():
            self.average[name] = rows[f"average.{name}"].to(weight.device)

    def save(self, folder: Path) -> None:
        """Write the model's own weights and the average."""
        rows = {f"weights.{name}": weight.detach().cpu().contiguous() for name, weight in self.weights.items()}
        save_file({**rows, **self.state()}, folder / FILE)

    @torch.no_grad()
    def load(self, folder: Path) -> None:
        """Read both, and give the model its own weights."""
        rows = load_file(folder / FILE)
        self.load_state(rows)
        for name, weight in self.weights.items():
            weight.copy_(rows[f"weights.{name}"])


class UpdateAverages(TrainerCallback):
    """Updates averages after each step. One callback for all: Trainer warns of a second one of a class."""

    def __init__(self, averages: Sequence[WeightAverage]):
        self.averages = averages

    def on_step_end(self, args, state, control, **kwargs):
        for average in self.averages:
            average.update()
