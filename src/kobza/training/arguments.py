"""What a training run can be told: the model's, the data's and the trainer's settings, each a field of a dataclass.

A recipe (`recipe.py`) gives values to some of them, the command line to others; the rest are the defaults below. Those
of `KobzaTrainingArguments` are the thesis's where it names one: learning rate 3e-4, at most 80 epochs, and an end when
the validation loss no longer falls.
"""

from dataclasses import dataclass, field

import torch
from transformers import TrainingArguments

TOWERS = ("pretrained", "random", "tiny")


def _says(text: str, default, **more):
    return field(default=default, metadata={"help": text, **more})


@dataclass
class ModelArguments:
    """Which towers, how they become one model, and which of its layers train. None: the configuration's own value."""

    text_tower: str = _says("bert (bert-base-uncased), or a BERT's folder or Hub id", "bert")
    audio_tower: str = _says("ast (AudioSet's), resnet (ResNet-50), or a folder or Hub id of either kind", "ast")
    checkpoint: str | None = _says("a Kobza checkpoint to go on from, instead of two towers: a folder or Hub id", None)
    towers: str | None = _says(
        "pretrained; random: of the same shape, without a download; tiny: random and scaled down. By default "
        "pretrained, with --synthetic tiny",
        None,
        choices=TOWERS,
    )
    text_trainable_layers: int = _says("layers of BERT that train, from the top; -1: the whole tower", 5)
    audio_trainable_layers: int = _says("layers of the AST (of a ResNet, stages) that train; -1: the whole tower", 0)
    projection_dim: int | None = _says("length of a vector", None)
    projection: str | None = _says("linear, mlp or residual", None)
    text_pooling: str | None = _says("cls, mean or max", None)
    text_extra_layers: int | None = _says("new attention layers on top of BERT", None)
    audio_extra_layers: int | None = _says("new attention layers on top of the AST", None)
    loss_type: str | None = _says("clip, mulan or siglip", None)
    temperature: float | None = _says("tau", None)
    temperature_form: str | None = _says("exp: cosines times e^tau; inverse: divided by tau", None)
    temperature_learned: bool | None = _says("whether training moves tau", None)


@dataclass
class DataArguments:
    """What the model learns from."""

    data: str | None = _says(
        "folder of captioned recordings; or a WebDataset: shards as DIR/{000..063}.tar, or hub:user/name; with "
        "--synthetic: where the pieces go, by default runs/pieces",
        None,
    )
    validation_data: str | None = _says("with a WebDataset: a folder of captioned recordings", None)
    split: str = _says("of MusicCaps: thesis, zero-shot or audioset-eval; of other folders a tenth validates", "thesis")
    text: str = _says("caption, aspects, or mix: half captions, half some of the aspects in any order", "caption")
    spec_augment: bool = _says("hide a band and a stretch of each spectrogram (SpecAugment)", False)
    mixup: float = _says("part of the pairs that get a second one mixed in", 0.0)
    synthetic: bool = _says("learn from pieces that Kobza composes, plays and describes itself: no network", False)
    pieces: int = _says("of --synthetic: how many to learn from; a quarter more to validate, and as many to test", 256)


@dataclass
class KobzaTrainingArguments(TrainingArguments):
    """transformers' `TrainingArguments`, with the thesis's defaults and those that pairs need."""

    learning_rate: float = _says("the initial learning rate", 3e-4)
    num_train_epochs: float = _says("epochs at most", 80.0)
    lr_scheduler_type: str = _says("the learning rate's course", "constant")
    lr_decay: float = _says("with --lr_decay_steps: the learning rate is multiplied by this", 0.9)
    lr_decay_steps: int = _says("every so many steps; 0: by lr_scheduler_type instead", 0)
    early_stopping_patience: int = _says("evaluations without a lower loss that end the training; 0: never", 3)
    early_stopping_threshold: float = _says("how much lower the loss must be to count", 0.0)
    per_device_train_batch_size: int = _says("pairs in a batch, for each process", 64)
    per_device_eval_batch_size: int = _says("pairs embedded at once; no figure depends on it", 32)
    eval_strategy: str = _says("when to evaluate: epoch, steps or no", "epoch")
    save_strategy: str = _says("when to write a state to resume from: epoch, steps or no", "epoch")
    logging_strategy: str = _says("when to report the training loss: epoch, steps or no", "epoch")
    save_total_limit: int | None = _says("states kept, besides the best: the last whole one must outlive the next", 2)
    load_best_model_at_end: bool = _says("end with the weights of the best evaluation", True)
    metric_for_best_model: str | None = _says("the figure that decides which is best", "eval_loss")
    greater_is_better: bool | None = _says("whether that figure should rise", False)
    restore_callback_states_from_checkpoint: bool = _says("resume with the patience as it was", True)
    logging_nan_inf_filter: bool = _says("leave losses that are no number out of the reports", False)
    dataloader_drop_last: bool = _says("leave out an epoch's last, smaller batch: fewer negatives, another loss", True)
    remove_unused_columns: bool = _says("drop what forward() does not name", False)
    ddp_find_unused_parameters: bool | None = _says("every trainable weight is used in every step", False)
    frozen_cache: str | None = _says(
        "folder in which to keep what frozen layers put out, so that it is computed once and not in every epoch; each "
        "epoch then has the same captions, and of each recording the first 10 s",
        None,
    )
    gradient_cache_chunk: int = _says(
        "pairs whose activations are in memory at a time, for batches beyond it (GradCache); 0: the whole batch", 0
    )
    hub_strategy: str = _says("when --push_to_hub uploads", "end")

    def __post_init__(self):
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()  # --bf16 insists on being told
        super().__post_init__()
        self.dataloader_pin_memory = self.dataloader_pin_memory and torch.accelerator.is_available()
