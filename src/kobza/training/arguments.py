"""The settings of a training run, each a field of a dataclass: the model's, the data's and the trainer's.

A recipe (`recipe.py`) sets some of them, the command line others; the rest have the defaults below. Those of
`KobzaTrainingArguments` are the thesis's where it names one: learning rate 3e-4, at most 80 epochs, and early stopping
on the validation loss.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import TrainingArguments

from kobza.training.machine import loader_workers

INITIALIZATIONS = ("pretrained", "random", "tiny")


def _setting(help: str, default, **metadata) -> Any:
    return field(default=default, metadata={"help": help, **metadata})


@dataclass
class ModelArguments:
    """The towers, how they are joined, and which layers train. None: the configuration's default."""

    text_tower: str = _setting("bert (bert-base-uncased), or the folder or Hub id of an encoder like it", "bert")
    audio_tower: str = _setting(
        "ast (AudioSet's), resnet (ResNet-50), or the folder or Hub id of an audio encoder", "ast"
    )
    checkpoint: str | None = _setting(
        "a Kobza checkpoint to start from, instead of two towers: a folder or Hub id", None
    )
    init: str | None = _setting(
        "initial weights: pretrained; random: randomly initialised towers of the same size, no download; tiny: random "
        "and scaled down. Default: pretrained, with --synthetic tiny",
        None,
        choices=INITIALIZATIONS,
    )
    text_trainable_layers: int = _setting("top layers of BERT that train; -1: the whole tower", 5)
    audio_trainable_layers: int = _setting(
        "top layers of the AST (stages of a ResNet) that train; -1: the whole tower", 0
    )
    lora_rank: int = _setting("rank of LoRA adapters, through which frozen layers learn; 0: none", 0)
    projection_dim: int | None = _setting("length of an embedding", None)
    projection: str | None = _setting("linear, mlp or residual", None)
    text_pooling: str | None = _setting("cls, mean or max", None)
    text_extra_layers: int | None = _setting("new attention layers on top of BERT", None)
    audio_extra_layers: int | None = _setting("new attention layers on top of the AST", None)
    loss_type: list[str] | None = _setting(  # noqa: RUF009 (None, which is no list that runs would share)
        "clip, mulan or siglip; or the sum of several, each with a weight: clip:1 siglip:0.5", None
    )
    temperature: float | None = _setting("tau, the temperature", None)
    temperature_form: str | None = _setting("exp: cosines times e^tau; inverse: divided by tau", None)
    temperature_learned: bool | None = _setting("whether tau is learned", None)

    def __post_init__(self):
        if isinstance(self.loss_type, str):
            self.loss_type = [self.loss_type]


@dataclass
class DataArguments:
    """What the model is trained on."""

    data: list[str] | None = _setting(  # noqa: RUF009 (None, which is no list that runs would share)
        "folder of captioned recordings, or a captioned set as SET:DIR (clotho:DIR); or a stream: a WebDataset's "
        "shards or Parquet files, as DIR/{000..063}.tar or "
        "hub:user/name; or several of them, each with a weight: a:3 b:1; with --synthetic: the folder for the composed "
        "pieces, by default runs/pieces",
        None,
    )
    validation_data: str | None = _setting("with a stream: a folder of captioned recordings", None)
    split: str = _setting(
        "split of MusicCaps: thesis, zero-shot or audioset-eval; other folders are split 8 : 1 : 1", "thesis"
    )
    text: str = _setting(
        "caption, aspects, mix: half captions, half a random subset of the aspects in random order; or varied: like "
        "mix, with the captions' paraphrases, and with sentences around the aspects",
        "caption",
    )
    spec_augment: bool = _setting(
        "mask a band of frequencies and a span of time in each spectrogram (SpecAugment)", False
    )
    wave_augment: bool = _setting(
        "change each training window's waveform: speed, overdrive, noise, equaliser, room and level", False
    )
    mixup: float = _setting("share of the pairs into which a second one is mixed", 0.0)
    synthetic: bool = _setting("train on pieces that Kobza composes, renders and captions itself: no network", False)
    pieces: int = _setting(
        "with --synthetic: pieces to train on; a quarter as many for validation, and for the test", 256
    )

    def __post_init__(self):
        if isinstance(self.data, str):
            self.data = [self.data]


@dataclass
class KobzaTrainingArguments(TrainingArguments):
    """transformers' `TrainingArguments` with the thesis's defaults and those that training on pairs needs."""

    learning_rate: float = _setting("the initial learning rate", 3e-4)
    num_train_epochs: float = _setting("epochs at most", 80.0)
    lr_scheduler_type: str = _setting(
        "schedule of the learning rate; warmup_stable_decay falls in the last tenth of the steps", "constant"
    )
    lr_decay: float = _setting("factor of the learning rate with --lr_decay_steps", 0.9)
    lr_decay_steps: int = _setting("steps between multiplications by --lr_decay; 0: use lr_scheduler_type instead", 0)
    tower_learning_rate: float | None = _setting(
        "learning rate of the pretrained towers' last layers; None: learning_rate, which new heads have", None
    )
    layer_lr_decay: float = _setting("factor of the learning rate from each layer of a tower to the one below it", 1.0)
    ema_decay: float = _setting(
        "decay of a moving average of the weights, which is evaluated and saved instead of them, such as .999; 0: none",
        0.0,
    )
    early_stopping_patience: int = _setting("evaluations without a lower loss after which training stops; 0: never", 3)
    early_stopping_threshold: float = _setting("how much lower a loss must be to count", 0.0)
    per_device_train_batch_size: int = _setting("pairs in a batch, per process", 64)
    per_device_eval_batch_size: int = _setting("pairs embedded at once; no metric depends on it", 32)
    eval_strategy: str = _setting("when to evaluate: epoch, steps or no", "epoch")
    save_strategy: str = _setting("when to write a checkpoint to resume from: epoch, steps or no", "epoch")
    logging_strategy: str = _setting("when to log the training loss: epoch, steps or no", "epoch")
    save_total_limit: int | None = _setting(
        "checkpoints kept besides the best; 2, because the last complete one must outlive the next", 2
    )
    load_best_model_at_end: bool = _setting("finish with the weights of the best evaluation", True)
    metric_for_best_model: str | None = _setting("the metric that decides which is best", "eval_loss")
    greater_is_better: bool | None = _setting("whether that metric should rise", False)
    restore_callback_states_from_checkpoint: bool = _setting("resume with the early-stopping count as it was", True)
    logging_nan_inf_filter: bool = _setting("leave NaN and infinite losses out of the log", False)
    dataloader_drop_last: bool = _setting("skip an epoch's last, smaller batch, whose loss has fewer negatives", True)
    remove_unused_columns: bool = _setting("drop columns that forward() does not name", False)
    ddp_find_unused_parameters: bool | None = _setting(
        "look for weights that a step does not use; there are none", False
    )
    frozen_cache: str | None = _setting(
        "folder in which to store the outputs of frozen layers, so that they are computed once and not in every epoch; "
        "each epoch then has the same captions, and of each recording the first 10 s",
        None,
    )
    gradient_cache_chunk: int = _setting(
        "pairs whose activations are in memory at once, for batches larger than it (GradCache); 0: the whole batch", 0
    )
    negatives_bank: int = _setting(
        "pairs of the last steps, of all processes, that are further negatives of a batch; 0: none", 0
    )
    dataloader_num_workers: int = _setting(
        "processes that decode for each GPU; -1: from the machine's cores, none without a GPU", -1
    )
    hub_strategy: str = _setting("when --push_to_hub uploads", "end")

    def __post_init__(self):
        # before TrainingArguments checks --bf16 against it
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        if self.dataloader_num_workers < 0:
            self.dataloader_num_workers = loader_workers(not self.use_cpu)
        super().__post_init__()
        self.dataloader_pin_memory = self.dataloader_pin_memory and torch.accelerator.is_available()
