"""transformers' Trainer for pairs: negatives from all processes, and figures over the whole validation set."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, EvalPrediction, Trainer, TrainerCallback, TrainerState

from kobza.embedding.checkpoint import Checkpoint
from kobza.errors import KobzaError
from kobza.evaluation.metrics import rank_metrics, ranks
from kobza.model.loss_kobza import LOSSES
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor
from kobza.training.arguments import KobzaTrainingArguments
from kobza.training.cached_dataset import FrozenCache, KnownCollator
from kobza.training.distributed import gather
from kobza.training.frozen_split import from_border
from kobza.training.gradient_cache import check_chunks, in_chunks
from kobza.training.streaming import PairStream
from kobza.training.worker_batches import WorkerCollator

WHOLE = "whole"  # an empty file that a checkpoint folder gets last
STEP_FOLDER = "checkpoint-"


class TrainingError(KobzaError):
    """Training cannot go on; the message is one sentence: what happened and what to do."""


class _TellEpoch(TrainerCallback):
    """Random crops and texts are drawn by (seed, epoch, place), so that a resumed run draws what an unbroken one does.
    The data loader tells the epoch to a sampler or to a data set, not to both."""

    def __init__(self, dataset):
        self.dataset = dataset

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.dataset.set_epoch(int(state.epoch))


class KobzaTrainer(Trainer):
    """Trains a `KobzaModel` on batches of pairs, as `examples.PairCollator` makes them.

    Args:
        model, args, train_dataset, eval_dataset: as for `Trainer`. A training set that has `set_epoch` is told the
            epoch.
        data_collator: gives what the model's `forward` takes, and `keys`, n strings: pairs with equal ones are captions
            of the same recording.
        processor: saved with the model.
    """

    def __init__(
        self,
        model: KobzaModel,
        args: KobzaTrainingArguments,
        processor: KobzaProcessor,
        train_dataset=None,
        eval_dataset=None,
        data_collator=None,
        callbacks: list[TrainerCallback] | None = None,
    ):
        callbacks = list(callbacks or [])
        if args.early_stopping_patience and args.eval_strategy != "no":
            callbacks.append(EarlyStoppingCallback(args.early_stopping_patience, args.early_stopping_threshold))
        if hasattr(train_dataset, "set_epoch"):
            callbacks.append(_TellEpoch(train_dataset))
        super().__init__(
            model,
            args,
            data_collator and WorkerCollator(data_collator),
            train_dataset,
            eval_dataset,
            processing_class=processor,
            compute_metrics=self.figures,
            callbacks=callbacks,
        )
        del model.config.use_cache  # Trainer's mark for models that generate text
        if args.frozen_cache:
            self._keep_frozen(model, processor)
        if args.gradient_cache_chunk:
            check_chunks(model, args.gradient_cache_chunk)
            model.forward = in_chunks(model.forward, args.gradient_cache_chunk)  # inside DistributedDataParallel's
        self.loss_is_scaled_for_ga = False  # a mean over the batch: Trainer divides it by the steps accumulated

    def _keep_frozen(self, model: KobzaModel, processor: KobzaProcessor) -> None:
        args = self.args
        at_once, workers = args.per_device_eval_batch_size, args.dataloader_num_workers
        cache = FrozenCache(args.frozen_cache, model, processor, at_once, workers, quiet=args.disable_tqdm)
        self.train_dataset = self.train_dataset and cache.keep(self.train_dataset)
        self.eval_dataset = self.eval_dataset and cache.keep(self.eval_dataset)
        self.data_collator, model.forward = WorkerCollator(KnownCollator(processor)), from_border(model)

    # The loss

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Towers -> embeddings -> those of all processes -> the loss of the whole batch, the same in every process."""
        outputs = model(**{name: value for name, value in inputs.items() if name != "keys"})
        loss = self.contrast(gather(outputs.text_embeds), gather(outputs.audio_embeds))
        return (loss, outputs) if return_outputs else loss

    def contrast(self, text: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """The loss of n pairs, from their embeddings (n, dim) and (n, dim)."""
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        return LOSSES[model.config.loss_type](model.similarity(text, audio))

    def training_step(self, model, inputs, num_items_in_batch=None):
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):  # before the optimizer's step: the weights are still good
            raise TrainingError(
                f"The loss is {loss.item()} at step {self.state.global_step + 1}: begin again in another --output_dir, "
                "with a lower --learning_rate or without half precision."
            )
        return loss

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None):
        if self.lr_scheduler is None and self.args.lr_decay_steps:
            self.lr_scheduler = StepLR(optimizer or self.optimizer, self.args.lr_decay_steps, self.args.lr_decay)
            self._created_lr_scheduler = True
        return super().create_scheduler(num_training_steps, optimizer)

    def get_train_dataloader(self) -> DataLoader:
        if not isinstance(self.train_dataset, PairStream):
            return super().get_train_dataloader()
        return DataLoader(  # not accelerate's, which would share out what the stream has shared out already
            self.train_dataset,
            batch_size=self.args.per_device_train_batch_size,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )

    # The figures

    def get_eval_dataloader(self, eval_dataset=None):
        """The whole set: Trainer would drop the last, smaller batch of an evaluation as it does of an epoch."""
        drop, self.args.dataloader_drop_last = self.args.dataloader_drop_last, False
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.args.dataloader_drop_last = drop

    @torch.no_grad()
    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """No loss of a batch, but its vectors and keys: `figures` makes the loss from all of them."""
        inputs = dict(self._prepare_inputs(inputs))
        keys = [int.from_bytes(sha256(key.encode()).digest()[:7], "big") for key in inputs.pop("keys")]
        outputs = model(**inputs)
        return None, (outputs.text_embeds, outputs.audio_embeds), torch.tensor(keys, device=self.args.device)

    def figures(self, prediction: EvalPrediction) -> dict[str, float]:
        """`loss`, and R@1, R@5, R@10, MeanR, MedR, mAP10 of text -> music; of music -> text with `music_to_text_`.

        The loss is that of the whole set as one batch. A contrastive loss grows with the number of negatives, so a mean
        over batches would depend on the batch size, the number of processes and the last batch's size, and early
        stopping with it; this one depends on the weights alone. It is therefore higher than the training loss, whose
        batches are smaller.
        """
        (text, audio), keys = prediction.predictions, prediction.label_ids
        device = self.accelerator.device
        loss = self.contrast(torch.from_numpy(text).to(device), torch.from_numpy(audio).to(device)).item()
        _, first, owner = np.unique(keys, return_index=True, return_inverse=True)
        similarity = text @ audio[first].T  # (captions, recordings): a recording with several captions is there once
        right = owner[:, None] == np.arange(len(first))
        back = rank_metrics(ranks(similarity.T, right.T))
        return {
            "loss": loss,
            **rank_metrics(ranks(similarity, right)),
            **{f"music_to_text_{name}": value for name, value in back.items()},
        }

    # What is read and written

    def end_with(self, state: TrainerState) -> None:
        """Take over the state of a run that had come to its end, and the weights it would have ended with."""
        self.state = state
        self._load_best_model()

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The run's own folder gets the published checkpoint (`Checkpoint.save`), any other the weights as they are."""
        if output_dir is not None and output_dir != self.args.output_dir:
            super().save_model(output_dir, _internal_call)
        elif self.args.should_save:
            model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
            Checkpoint(model, self.processing_class).save(self.args.output_dir)

    def create_model_card(self, **kwargs) -> None:
        """Nothing: `card.write_card` has written it from the run's figures; Trainer would put its own in its place."""

    def _save_checkpoint(self, model, trial):
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # each process writes its own random state
        if self.args.should_save:
            (Path(self.args.output_dir) / f"{STEP_FOLDER}{self.state.global_step}" / WHOLE).touch()


def last_state(folder: str | Path) -> Path | None:
    """The latest state in a run's folder that was written to its end, whatever a kill left behind."""
    states = [path.parent for path in Path(folder).glob(f"{STEP_FOLDER}*/{WHOLE}")]
    return max(states, key=lambda path: int(path.name.removeprefix(STEP_FOLDER)), default=None)
