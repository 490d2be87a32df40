"""transformers' Trainer for pairs: caches, streams, and checkpoints that anyone can load."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerState

from kobza.embedding.checkpoint import Checkpoint
from kobza.errors import KobzaError
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor
from kobza.training.adapters import merged
from kobza.training.arguments import KobzaTrainingArguments
from kobza.training.cached_dataset import CachedPairCollator, FrozenFeatureCache
from kobza.training.callbacks import SetEpoch
from kobza.training.frozen_split import FrozenSplitModel
from kobza.training.gradient_cache import ChunkedModel, check_chunks
from kobza.training.optimization import CHECKPOINT_PREFIX
from kobza.training.recording_draw import draw_by_recording
from kobza.training.sharding import check_launch, prepare_sharding
from kobza.training.stream_trainer import StreamTrainer
from kobza.training.worker_batches import WorkerCollator

COMPLETE_MARKER = "whole"  # an empty file that a checkpoint folder gets last


class TrainingError(KobzaError):
    """Training cannot continue; the message is one sentence: what happened and what to do."""


class KobzaTrainer(StreamTrainer):
    """Trains a `KobzaModel` on batches of pairs, as `dataset.PairCollator` makes them.

    Args:
        model, args, train_dataset, eval_dataset: as for `Trainer`. `set_epoch` of a training set that has it is called
            before each epoch. Where it has `recording_ids`, an epoch draws each recording once (`RecordingDraw`).
        data_collator: returns what the model's `forward` takes, and `keys`, n strings: pairs with equal keys are
            captions of the same recording; may also return `captions`, n strings.
        processor: saved with the model.
        losses: their names and weights; by default the model's `loss_type`.
    """

    def __init__(
        self,
        model: KobzaModel,
        args: KobzaTrainingArguments,
        processor: KobzaProcessor | None,
        train_dataset=None,
        eval_dataset=None,
        data_collator=None,
        callbacks: list[TrainerCallback] | None = None,
        losses: Mapping[str, float] | None = None,
    ):
        callbacks = [*(callbacks or ()), SetEpoch()]
        if args.early_stopping_patience and args.eval_strategy != "no":
            callbacks.append(EarlyStoppingCallback(args.early_stopping_patience, args.early_stopping_threshold))
        super().__init__(
            model,
            args,
            data_collator and WorkerCollator(data_collator),
            train_dataset,
            eval_dataset,
            processing_class=processor,
            callbacks=callbacks,
            losses=losses,
        )
        del model.config.use_cache  # set by Trainer, for models that generate text
        if (args.frozen_cache or args.gradient_cache_chunk) and (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            raise ValueError(
                "--frozen_cache and --gradient_cache_chunk do not work with FSDP or DeepSpeed: use neither."
            )
        check_launch(self.is_fsdp_enabled)
        if self.is_fsdp_enabled:
            prepare_sharding(self.accelerator.state, model)
        self.embedder: nn.Module = model  # what a batch goes through
        self._embedder_prepared = False
        if args.frozen_cache:
            if processor is None:
                raise ValueError("--frozen_cache needs the model's processor.")
            self._cache_frozen_features(args.frozen_cache, processor)
            self.embedder = FrozenSplitModel(model)
        self.train_dataset = draw_by_recording(self.train_dataset, args.seed)
        if args.gradient_cache_chunk:
            check_chunks(model, args.gradient_cache_chunk)
            self.embedder = ChunkedModel(self.embedder, args.gradient_cache_chunk)
        self.loss_is_scaled_for_ga = False  # a mean over the batch: Trainer divides it by the steps accumulated

    def _cache_frozen_features(self, folder: str, processor: KobzaProcessor) -> None:
        cache = FrozenFeatureCache(
            folder,
            self.model,
            processor,
            batch_size=self.args.per_device_eval_batch_size,
            num_workers=self.args.dataloader_num_workers,
            quiet=bool(self.args.disable_tqdm),
        )
        self.train_dataset = self.train_dataset and cache.precompute(self.train_dataset)
        self.eval_dataset = self.eval_dataset and cache.precompute(self.eval_dataset)
        self.data_collator = WorkerCollator(CachedPairCollator(processor))

    def _wrap_model(self, model: Any, training: bool = True, dataloader: DataLoader | None = None) -> Any:
        """Also wraps the model in `embedder`, inside DistributedDataParallel, which must see one forward pass a batch.
        `self.model` stays the model that is saved and loaded."""
        if model is not self.model or self.embedder is self.model:
            return super()._wrap_model(model, training, dataloader)
        if self._embedder_prepared and not training:
            return self.embedder
        self._embedder_prepared = True
        return self.accelerator.prepare_model(self.embedder, evaluation_mode=not training)

    # Training

    def training_step(self, model, inputs, num_items_in_batch=None):
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):  # before the optimizer's step: the weights are still good
            raise TrainingError(
                f"The loss is {loss.item()} at step {self.state.global_step + 1}: start again in another --output_dir, "
                "with a lower --learning_rate or without half precision."
            )
        return loss

    def get_eval_dataloader(self, eval_dataset=None):
        """The whole set: Trainer would drop the last, smaller batch of an evaluation as it does in training."""
        drop_last = self.args.dataloader_drop_last
        self.args.dataloader_drop_last = False
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.args.dataloader_drop_last = drop_last

    # Saving and loading

    def restore_finished(self, state: TrainerState, checkpoint: Path) -> None:
        """Adopt the state of a run that had finished with this checkpoint, and the weights that `train` ended with."""
        if self.is_fsdp_enabled:  # which loads into a divided model
            self.create_optimizer()
            self.model, self.optimizer = self.accelerator.prepare(self.model, self.optimizer)
            self.model_wrapped = self.model
        super().restore_finished(state, checkpoint)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The run's own folder gets the published checkpoint (`Checkpoint.save`), any other only the weights."""
        folder = output_dir or str(self.args.output_dir)
        published = folder == self.args.output_dir
        if not published and not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
            return
        weights = self.accelerator.get_state_dict(self.model) if self.is_fsdp_enabled else None  # from all processes
        if self.args.should_save:
            model = merged(self.plain_model(), weights)
            if published:
                processor: Any = self.processing_class
                Checkpoint(model, processor).save(folder)
            else:
                model.save_pretrained(folder)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `card.write_card` has written the card, which Trainer would replace by its own."""

    def _save_checkpoint(self, model, trial):
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # each process writes its own random state
        if self.args.should_save:
            (self.checkpoint_folder() / COMPLETE_MARKER).touch()


def last_checkpoint(folder: str | Path) -> Path | None:
    """The latest training checkpoint of a run's folder that was written completely, even if the run was killed."""
    complete = [path.parent for path in Path(folder).glob(f"{CHECKPOINT_PREFIX}*/{COMPLETE_MARKER}")]
    return max(complete, key=lambda path: int(path.name.removeprefix(CHECKPOINT_PREFIX)), default=None)
