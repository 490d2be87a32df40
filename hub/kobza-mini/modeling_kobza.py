"""Kobza: two towers, such as a BERT and an Audio Spectrogram Transformer, that embed sentences and recordings.

    tokens -> text tower -> (extra layers) -> pool -> projection -> unit length \\
                                                                                 cosine * scale -> logits
    windows -> audio tower -> (extra layers) -> pool -> projection -> unit length, mean over a recording's windows /

The towers are transformers' own classes. Names and outputs are those of transformers' CLAP.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .configuration_kobza import AST, RESNET, KobzaConfig
from .heads_kobza import build_projection, mean_over_windows, pool_tokens
from .loss_kobza import LOSSES, logit_scale
from .towers_kobza import (
    audio_width,
    build_audio_tower,
    build_text_tower,
    extra_layers,
    extra_text_config,
    one_channel,
    output_flags,
    tower_layers,
)

MAX_LOG_SCALE = 4.6052  # log 100, CLIP's limit of a learned scale
INITIAL_LOGIT_BIAS = -10.0  # SigLIP's, so that the many negatives start out nearly right


@dataclass
class KobzaOutput(ModelOutput):
    """What `KobzaModel.forward` returns. The fields of a tower without input are None, as is a loss not requested."""

    loss: torch.Tensor | None = None  # scalar
    logits_per_audio: torch.Tensor | None = None  # (recordings, sentences), cosines times the scale
    logits_per_text: torch.Tensor | None = None  # its transpose
    text_embeds: torch.Tensor | None = None  # (sentences, projection_dim), unit length, float32
    audio_embeds: torch.Tensor | None = None  # (recordings, projection_dim), likewise
    text_model_output: BaseModelOutputWithPooling | None = None  # of get_text_features
    audio_model_output: BaseModelOutputWithPooling | None = None  # of get_audio_features


def tower_output(outputs: ModelOutput, sequence: torch.Tensor, embeds: torch.Tensor) -> BaseModelOutputWithPooling:
    return BaseModelOutputWithPooling(sequence, embeds, outputs.get("hidden_states"), outputs.get("attentions"))


class KobzaModel(PreTrainedModel):
    """Two towers with a shared space (drawn in the module's docstring).

    `logit_scale` is the logarithm of the scale, as CLIP's is, for both forms of the temperature.
    """

    config_class = KobzaConfig
    base_model_prefix = "kobza"
    main_input_name = "input_ids"
    input_modalities = ["audio", "text"]  # noqa: RUF012 (transformers' own class attribute)
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _keep_in_fp32_modules_strict = {"logit_scale"}  # noqa: RUF012 (transformers' own class attribute)

    def __init__(self, config: KobzaConfig) -> None:
        config.check()
        super().__init__(config)
        text_config: Any = config.text_config  # each of its tower's own class
        audio_config: Any = config.audio_config
        self.is_resnet = audio_config.model_type == RESNET
        self.text_model: Any = build_text_tower(text_config)
        self.audio_model: Any = build_audio_tower(audio_config)
        self.text_extra_layers, self.audio_extra_layers = extra_layers(
            text_config, audio_config, config.text_extra_layers, config.audio_extra_layers
        )
        width = audio_width(audio_config)
        self.text_projection = build_projection(config.projection, text_config.hidden_size, config.projection_dim)
        self.audio_projection = build_projection(config.projection, width, config.projection_dim)
        scale = torch.tensor(self.initial_log_scale(), dtype=torch.float32)
        self.logit_scale = nn.Parameter(scale, requires_grad=config.temperature_learned)
        self.logit_bias = None
        if config.loss_type == "siglip":
            self.logit_bias = nn.Parameter(torch.tensor(INITIAL_LOGIT_BIAS, dtype=torch.float32))
            self._keep_in_fp32_modules_strict = {"logit_scale", "logit_bias"}
        self.post_init()

    @property
    def dtype(self) -> torch.dtype:  # not the first parameter's, which is the scale and stays in float32
        return self.text_model.dtype

    def get_input_embeddings(self) -> nn.Module:
        return self.text_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.text_model.set_input_embeddings(value)

    def initial_log_scale(self) -> float:
        return math.log(logit_scale(self.config.temperature, self.config.temperature_form))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            init.constant_(self.logit_scale, self.initial_log_scale())
            if self.logit_bias is not None:
                init.constant_(self.logit_bias, INITIAL_LOGIT_BIAS)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if not model.config.temperature_learned:  # a fixed temperature is the configuration's, not the weight file's
            model.logit_scale.data.fill_(model.initial_log_scale())
        model.logit_scale.requires_grad_(model.config.temperature_learned)  # loading makes all parameters trainable
        return loaded

    @classmethod
    def from_towers(
        cls,
        text: str | PreTrainedModel = "bert-base-uncased",
        audio: str | PreTrainedModel = "MIT/ast-finetuned-audioset-10-10-0.4593",
        **fields: Any,
    ) -> "KobzaModel":
        """Join two pretrained towers; extra layers and projections are randomly initialised.

        Args:
            text, audio: names on the Hub, folders, or models (copied) of any kind in `towers_kobza`; of a model with a
                head, its encoder is used. A ResNet made for images gets one input channel, the sum of the three.
            fields: the other fields of `KobzaConfig`.
        """

        def load(tower: str | PreTrainedModel) -> Any:
            return tower.base_model if isinstance(tower, PreTrainedModel) else AutoModel.from_pretrained(tower)

        towers = load(text), load(audio)
        text_config: Any = copy.deepcopy(towers[0].config)
        audio_config: Any = copy.deepcopy(towers[1].config)
        text_state = dict(towers[0].state_dict())
        audio_state = one_channel(audio_config, dict(towers[1].state_dict()))
        model = cls(KobzaConfig(text_config=text_config, audio_config=audio_config, **fields))
        model.text_model.load_state_dict({k: v for k, v in text_state.items() if not k.startswith("pooler.")})
        model.audio_model.load_state_dict(audio_state)
        return model

    def save_pretrained(  # type: ignore[override]  # transformers' arguments pass through by name
        self, save_directory: Any, save_original_format: bool = False, **kwargs: Any
    ) -> None:
        # The original format gives an AST's weights their old names, and Trainer, loading with strict=False, loses them
        super().save_pretrained(save_directory, save_original_format=save_original_format, **kwargs)

    def freeze_towers(self, text_trainable_layers: int = 0, audio_trainable_layers: int = 0) -> None:
        """Train only the last n encoder layers of each tower (of a ResNet, stages). Extra layers, projections and a
        learned temperature are always trained. Frozen layers stay in eval mode, also after `model.train()`."""
        for tower, n, name in (
            (self.text_model, text_trainable_layers, "text_trainable_layers"),
            (self.audio_model, audio_trainable_layers, "audio_trainable_layers"),
        ):
            layers = tower_layers(tower)
            if not 0 <= n <= len(layers):
                raise ValueError(f"{name} is {n}, but the tower has {len(layers)} layers: give 0 to {len(layers)}.")
            tower.requires_grad_(False)
            layers[len(layers) - n :].requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "KobzaModel":
        super().train(mode)
        for tower in (self.text_model, self.audio_model):
            for module in tower.modules():
                parameters = list(module.parameters())
                if parameters and not any(parameter.requires_grad for parameter in parameters):
                    module.eval()  # no dropout and no BatchNorm updates in frozen layers
        return self

    @can_return_tuple
    def get_text_features(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPooling:
        """Embed sentences: input_ids and attention_mask (1 for a token, 0 for padding), both (sentences, length).

        Returns a `BaseModelOutputWithPooling` whose `pooler_output` is the embedding, (sentences, projection_dim),
        unit length, float32.
        """
        wanted: dict[str, Any] = dict(output_flags(output_attentions, output_hidden_states))
        if token_type_ids is not None:  # only BERT's kind has them
            wanted["token_type_ids"] = token_type_ids
        outputs = self.text_model(input_ids, attention_mask=attention_mask, return_dict=True, **wanted)
        tokens = outputs.last_hidden_state  # (sentences, length, width)
        if len(self.text_extra_layers):
            mask = create_bidirectional_mask(extra_text_config(self.config.text_config), tokens, attention_mask)
            for layer in self.text_extra_layers:
                tokens = layer(tokens, mask)
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        pooled = pool_tokens(tokens, mask, self.config.text_pooling)  # (sentences, width)
        return tower_output(outputs, tokens, F.normalize(self.text_projection(pooled).float(), dim=-1))

    @can_return_tuple
    def get_audio_features(
        self,
        input_values: torch.Tensor,
        window_counts: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPooling:
        """Embed recordings: input_values (windows, max_length, num_mel_bins; or what the audio tower's own processor
        makes of a window), and window_counts (recordings,), how many rows each has; a recording is the mean of its
        windows' embeddings, normalized. Without it a row is a recording.

        Returns a `BaseModelOutputWithPooling` whose `pooler_output` is the embedding, (recordings, projection_dim),
        unit length, float32; its other fields are per window.
        """
        input_values = input_values.to(self.audio_model.dtype)
        wanted = {
            "return_dict": True,
            **output_flags(None if self.is_resnet else output_attentions, output_hidden_states),
        }
        if self.is_resnet:
            outputs = self.audio_model(input_values[:, None], **wanted)  # one channel: (windows, 1, max_length, bins)
            patches, pooled = outputs.last_hidden_state, outputs.pooler_output.flatten(1)  # pooled: (windows, width)
        else:
            outputs = self.audio_model(input_values, **wanted)
            patches = outputs.last_hidden_state  # (windows, 2 + patches, width)
            for layer in self.audio_extra_layers:
                patches = layer(patches)
            if self.config.audio_config.model_type == AST:
                pooled = (patches[:, 0] + patches[:, 1]) / 2  # its own: the class token and the distillation token
            else:
                pooled = patches.mean(dim=1)
        embeds = F.normalize(self.audio_projection(pooled).float(), dim=-1)  # (windows, projection_dim)
        embeds = embeds if window_counts is None else mean_over_windows(embeds, window_counts)
        return tower_output(outputs, patches, embeds)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        input_values: torch.Tensor | None = None,
        window_counts: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        return_loss: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> KobzaOutput:
        """Embed sentences, recordings, or both; if both, compare each with each. The arguments are those of
        `get_text_features` and `get_audio_features`; with return_loss, sentence i belongs to recording i."""
        if input_ids is None and input_values is None:
            raise ValueError("KobzaModel got neither input_ids nor input_values: pass sentences, recordings, or both.")
        text = audio = loss = logits_per_text = None
        wanted = {"return_dict": True, **output_flags(output_attentions, output_hidden_states)}
        if input_ids is not None:
            text = self.get_text_features(input_ids, attention_mask, token_type_ids, **wanted)
        if input_values is not None:
            audio = self.get_audio_features(input_values, window_counts, **wanted)
        if text is not None and audio is not None:
            logits_per_text = self.similarity(text.pooler_output, audio.pooler_output)
        if return_loss:
            if logits_per_text is None or logits_per_text.shape[0] != logits_per_text.shape[1]:
                raise ValueError("return_loss needs pairs: pass as many sentences as recordings, at least one of each.")
            loss = LOSSES[self.config.loss_type](logits_per_text)
        return KobzaOutput(
            loss=loss,
            logits_per_audio=None if logits_per_text is None else logits_per_text.t(),
            logits_per_text=logits_per_text,
            text_embeds=None if text is None else text.pooler_output,
            audio_embeds=None if audio is None else audio.pooler_output,
            text_model_output=text,
            audio_model_output=audio,
        )

    def similarity(self, text_embeds: torch.Tensor, audio_embeds: torch.Tensor) -> torch.Tensor:
        """Logits (sentences, recordings) in float32: cosines times the scale, plus SigLIP's bias where there is one."""
        if self.training and self.config.temperature_learned:
            with torch.no_grad():  # in place: a clamped copy would have no gradient beyond the limit
                self.logit_scale.clamp_(max=MAX_LOG_SCALE)
        log_scale = self.logit_scale.float()
        log_scale = log_scale.clamp(max=MAX_LOG_SCALE) if self.config.temperature_learned else log_scale
        with torch.autocast(text_embeds.device.type, enabled=False):  # bf16 cosines are too coarse to rank by
            logits = (text_embeds @ audio_embeds.t()) * log_scale.exp()
        return logits if self.logit_bias is None else logits + self.logit_bias.float()


KobzaModel.register_for_auto_class("AutoModel")
