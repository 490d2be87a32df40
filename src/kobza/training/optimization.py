"""transformers' Trainer with learning rates by group, MuLan's schedule, and averaged weights."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import StepLR
from transformers import SchedulerType, Trainer

from kobza.training.arguments import KobzaTrainingArguments
from kobza.training.learning_rates import parameter_groups
from kobza.training.sharding import separate_scalars
from kobza.training.weight_average import UpdateAverages, WeightAverage

CHECKPOINT_PREFIX = "checkpoint-"
COOLDOWN_SHARE = 0.1  # of the steps, in which "warmup_stable_decay" lets the rate fall; enough (arXiv:2405.18392)


class OptimizingTrainer(Trainer):
    """`Trainer` with the settings of `KobzaTrainingArguments` that concern the optimizer."""

    args: KobzaTrainingArguments

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.average: WeightAverage | None = None
        self.averages: list[WeightAverage] = []  # all that follow the weights
        self.add_callback(UpdateAverages(self.averages))
        averaged = self.args.ema_decay or self.args.negatives_bank
        if averaged and (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            raise ValueError("--ema_decay and --negatives_bank do not work with FSDP or DeepSpeed: use neither.")

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        opt_model: Any = self.model if model is None else model
        grouped = self.args.tower_learning_rate is not None or self.args.layer_lr_decay != 1.0
        if self.optimizer is None and grouped:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, opt_model)
            self.optimizer = kind(
                parameter_groups(opt_model, self.args, self.get_decay_parameter_names(opt_model)), **options
            )
        optimizer = super().create_optimizer(model)
        if self.is_fsdp_enabled:
            separate_scalars(optimizer)
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None):
        optimizer = optimizer or self.optimizer
        if self.lr_scheduler is None and self.args.lr_decay_steps and optimizer is not None:
            scheduler: Any = StepLR(optimizer, self.args.lr_decay_steps, self.args.lr_decay)
            self.lr_scheduler = scheduler  # Trainer's annotation names only the kind that it makes itself
            self._created_lr_scheduler = True
        if self.args.lr_scheduler_type == SchedulerType.WARMUP_STABLE_DECAY:
            kwargs: Any = self.args.lr_scheduler_kwargs
            given = dict(kwargs or {})
            given.setdefault("num_decay_steps", max(1, round(COOLDOWN_SHARE * num_training_steps)))
            self.args.lr_scheduler_kwargs = given
        return super().create_scheduler(num_training_steps, optimizer)

    # The average of the weights

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        if self.args.ema_decay:
            model: Any = self.model
            self.average = WeightAverage(model, self.args.ema_decay)
            self.averages.append(self.average)
        result = super().train(resume_from_checkpoint, *args, **kwargs)
        best = self.args.load_best_model_at_end and self.state.best_model_checkpoint is not None
        if self.average is not None and not best:  # the best checkpoint's weights are an average already
            self.average.apply()
        return result

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        """A checkpoint's weights are the average; training goes on with those that it is the average of."""
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.average is not None:
            self.average.load(Path(resume_from_checkpoint))

    def _averaged(self):
        return nullcontext() if self.average is None or not self.is_in_train else self.average.applied()

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        with self._averaged():
            return super().evaluate(*args, **kwargs)

    def _save_checkpoint(self, model, trial):
        with self._averaged():
            super()._save_checkpoint(model, trial)
        if self.average is not None and self.args.should_save:
            self.average.save(self.checkpoint_folder())

    def checkpoint_folder(self) -> Path:
        """Of the training checkpoint at the present step."""
        return Path(str(self.args.output_dir), f"{CHECKPOINT_PREFIX}{self.state.global_step}")
