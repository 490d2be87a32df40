"""The configuration of a Kobza model: two towers, and how their outputs are projected into one space."""

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES as AUDIO_ENCODERS,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as TEXT_ENCODERS

from .saving_kobza import PIPELINES, save_modules_json

AST = "audio-spectrogram-transformer"
RESNET = "resnet"

CHOICES = {
    "projection": ("linear", "mlp", "residual"),
    "text_pooling": ("cls", "mean", "max"),
    "loss_type": ("clip", "mulan", "siglip"),
    "temperature_form": ("exp", "inverse"),
}


@strict
class KobzaConfig(PreTrainedConfig):
    """Configuration of `KobzaModel`.

    Args:
        text_config (`dict` or `PreTrainedConfig`, *optional*): the text tower, a BERT or an encoder like it (RoBERTa,
            MPNet, ModernBERT, ...); by default bert-base.
        audio_config (`dict` or `PreTrainedConfig`, *optional*): the audio tower, by default an Audio Spectrogram
            Transformer (AST, arXiv 2104.01778); with `{"model_type": "resnet", "num_channels": 1}` a ResNet, MuLan's
            other audio tower (arXiv 2208.12415); or an encoder whose input its own processor makes (Wav2Vec2, ...).
        projection_dim (`int`): length of the embeddings.
        projection (`str`): maps a tower's pooled output into the space: "linear" (one layer), "mlp" (a hidden layer of
            the tower's width) or "residual" (a linear layer, and a second with a skip connection around it).
        text_pooling (`str`): the first token's output ("cls"), or the "mean" or "max" over tokens.
        text_extra_layers, audio_extra_layers (`int`): new attention layers, of the tower's type, over its whole output
            sequence, before pooling. Not for a ResNet, which has no sequence.
        loss_type (`str`): "clip", "mulan" or "siglip" (see `loss_kobza`).
        temperature (`float`): tau; the initial value if it is learned.
        temperature_form (`str`): "exp", cosines times e^tau; "inverse", cosines divided by tau.
        temperature_learned (`bool`): whether training updates the temperature.

    Raises:
        ValueError: a value is not one of the above; the message names the field and the choices.
    """

    model_type = "kobza"
    sub_configs_defaults = {  # noqa: RUF012 (transformers reads the plain class attribute)
        "text_config": SubConfigSpec(AutoConfig, model_type="bert"),
        "audio_config": SubConfigSpec(AutoConfig, model_type=AST),
    }

    text_config: dict | PreTrainedConfig | None = None
    audio_config: dict | PreTrainedConfig | None = None
    projection_dim: int = 128
    projection: str = "linear"
    text_pooling: str = "cls"
    text_extra_layers: int = 0
    audio_extra_layers: int = 0
    loss_type: str = "clip"
    temperature: float | int = 1.0
    temperature_form: str = "exp"
    temperature_learned: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.check()

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> None:
        """Also write what `pipeline` and sentence-transformers look for. Saving a model calls this."""
        self.custom_pipelines = PIPELINES  # a pipeline that is saved would leave out the other one
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)
        save_modules_json(save_directory)

    def check(self) -> None:
        """Raise a ValueError for the first invalid field."""
        for field, choices in CHOICES.items():
            value = getattr(self, field)
            if value not in choices:
                raise ValueError(f"KobzaConfig: {field} is {value!r}, but must be one of {', '.join(choices)}.")
        if self.projection_dim < 1:
            raise ValueError(f"KobzaConfig: projection_dim is {self.projection_dim}, but must be 1 or more.")
        for field in ("text_extra_layers", "audio_extra_layers"):
            if getattr(self, field) < 0:
                raise ValueError(f"KobzaConfig: {field} is {getattr(self, field)}, but must be 0 or more.")
        if self.temperature_form == "inverse" and self.temperature <= 0:
            raise ValueError(
                f"KobzaConfig: temperature is {self.temperature}, but 'inverse' divides by it: give one above 0."
            )
        audio_config: Any = self.audio_config  # by now of the tower's own class
        audio = audio_config.model_type
        for tower, config, kinds, example in (
            ("text", self.text_config, TEXT_ENCODERS, "a 'bert'"),
            ("audio", audio_config, {*AUDIO_ENCODERS, RESNET}, f"{AST!r} or 'wav2vec2'"),
        ):
            kind = getattr(config, "model_type", None)
            if kind not in kinds or getattr(config, "is_encoder_decoder", False):
                raise ValueError(
                    f"KobzaConfig: {tower}_config is of type {kind!r}, but the {tower} tower must be an encoder, such "
                    f"as {example}."
                )
        if audio == RESNET and audio_config.num_channels != 1:
            raise ValueError(
                f"KobzaConfig: audio_config.num_channels is {audio_config.num_channels}, but a spectrogram has 1: "
                "set it to 1."
            )
        if audio == RESNET and self.audio_extra_layers:
            raise ValueError(
                f"KobzaConfig: audio_extra_layers is {self.audio_extra_layers}, but a ResNet has no attention layers "
                "to add: set it to 0, or use an AST."
            )


KobzaConfig.register_for_auto_class()
