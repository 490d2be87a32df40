"""A tower split where its frozen layers end.

    input --forward_frozen()--> frozen output --forward_trainable()--> embedding

The frozen output never changes during training, so it can be computed once and kept on disk (`feature_cache.py`). It is
a sequence of hidden states if a later layer reads the whole sequence, otherwise only what pooling needs of it.
`forward_trainable(forward_frozen(input))` equals the model's own output.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.masking_utils import create_bidirectional_mask

from kobza.model.configuration_kobza import AST, RESNET
from kobza.model.heads_kobza import pool_tokens
from kobza.model.modeling_kobza import KobzaModel, KobzaOutput
from kobza.training.length_groups import encode_by_length


def _is_trainable(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _check_kind(config: Any, *kinds: str) -> None:
    if config.model_type not in kinds:
        raise ValueError(
            f"--frozen_cache knows the layers of BERT, AST and ResNet towers, not of {config.model_type}: leave it out."
        )


class FrozenSplit:
    """One tower, and the depth at which it is split.

    Attributes:
        depth: number of leading layers that are frozen together with everything before them.
        is_frozen: whether the whole tower is.
        needs_sequence: whether a layer after the split reads the whole sequence.
        frozen: all modules before the split.
    """

    tower: Any  # a BERT, an AST or a ResNet; transformers' typing knows their attributes only as Tensor | Module

    def __init__(self, tower: nn.Module, stem: nn.Module, layers: nn.ModuleList, extra: nn.ModuleList):
        self.tower = tower
        self.stem = stem
        self.layers = layers
        self.extra = extra
        trainable = [_is_trainable(module) for module in (stem, *layers)]
        self.depth = max(trainable.index(True) - 1, 0) if any(trainable) else len(layers)
        self.is_frozen = not _is_trainable(tower)
        self.needs_sequence = not self.is_frozen or len(extra) > 0
        self.frozen = nn.ModuleList([tower] if self.is_frozen else [stem, *layers[: self.depth]])


class TextSplit(FrozenSplit):
    """BERT. Frozen output: hidden states (sentences, length, width), or the pooled vectors as sequences of length 1."""

    def __init__(self, model: KobzaModel):
        tower: Any = model.text_model
        _check_kind(model.config.text_config, "bert")
        super().__init__(tower, tower.embeddings, tower.encoder.layer, model.text_extra_layers)
        self.projection = model.text_projection
        self.pooling = model.config.text_pooling

    def _apply(self, layers, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        mask = create_bidirectional_mask(self.tower.config, tokens, attention_mask)
        for layer in layers:
            tokens = layer(tokens, mask)
        return tokens

    def forward_frozen(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        tokens = self._apply(self.layers[: self.depth], self.stem(input_ids), attention_mask)
        return tokens if self.needs_sequence else pool_tokens(tokens, attention_mask, self.pooling)[:, None]

    def forward_trainable(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        tokens = self._apply([*self.layers[self.depth :], *self.extra], tokens, attention_mask)
        pooled = pool_tokens(tokens, attention_mask, self.pooling)  # leaves a sequence of length 1 unchanged
        return F.normalize(self.projection(pooled).float(), dim=-1)


class AstSplit(FrozenSplit):
    """AST. Frozen output: hidden states (windows, 2 + patches, width), or only the first two, which pooling reads."""

    def __init__(self, model: KobzaModel):
        tower: Any = model.audio_model
        super().__init__(tower, tower.embeddings, tower.layers, model.audio_extra_layers)
        self.projection = model.audio_projection

    def forward_frozen(self, input_values: Tensor) -> Tensor:
        patches = self.stem(input_values)
        for layer in self.layers[: self.depth]:
            patches = layer(patches)
        patches = self.tower.layernorm(patches) if self.is_frozen else patches
        return patches if self.needs_sequence else patches[:, :2]

    def forward_trainable(self, patches: Tensor) -> Tensor:
        for layer in self.layers[self.depth :]:
            patches = layer(patches)
        patches = patches if self.is_frozen else self.tower.layernorm(patches)
        for layer in self.extra:
            patches = layer(patches)
        return F.normalize(self.projection((patches[:, 0] + patches[:, 1]) / 2).float(), dim=-1)


class ResNetSplit(FrozenSplit):
    """ResNet. Frozen output: a stage's feature maps (windows, channels, height, width), or their mean as 1 x 1 maps."""

    def __init__(self, model: KobzaModel):
        tower: Any = model.audio_model
        super().__init__(tower, tower.embedder, tower.encoder.stages, model.audio_extra_layers)
        self.projection = model.audio_projection

    def forward_frozen(self, input_values: Tensor) -> Tensor:
        maps = self.stem(input_values[:, None])
        for stage in self.layers[: self.depth]:
            maps = stage(maps)
        return maps if self.needs_sequence else self.tower.pooler(maps)

    def forward_trainable(self, maps: Tensor) -> Tensor:
        for stage in self.layers[self.depth :]:
            maps = stage(maps)
        pooled = self.tower.pooler(maps).flatten(1)  # leaves 1 x 1 maps unchanged
        return F.normalize(self.projection(pooled).float(), dim=-1)


def audio_split(model: KobzaModel) -> AstSplit | ResNetSplit:
    _check_kind(model.config.audio_config, AST, RESNET)
    return ResNetSplit(model) if model.is_resnet else AstSplit(model)


class FrozenSplitModel(nn.Module):
    """A model that may take the frozen output of a tower in place of the tower's input.

    `forward` accepts `text_frozen` instead of `input_ids` and `audio_frozen` instead of `input_values`; sentences are
    encoded in groups of similar length. The output holds the embeddings only.
    """

    def __init__(self, model: KobzaModel):
        super().__init__()
        self.model = model
        self.text = TextSplit(model)
        self.audio = audio_split(model)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        input_values: Tensor | None = None,
        token_type_ids: Tensor | None = None,  # all 0, which is the model's default: captions are single sentences
        text_frozen: Tensor | None = None,
        audio_frozen: Tensor | None = None,
    ) -> KobzaOutput:
        tokens: Any = input_ids if text_frozen is None else text_frozen  # one of both is given
        mask = tokens.new_ones(tokens.shape[:2], dtype=torch.long) if attention_mask is None else attention_mask
        text = encode_by_length(self._embed_text if text_frozen is None else self.text.forward_trainable, tokens, mask)
        if audio_frozen is None:
            audio = self.model.get_audio_features(input_values).pooler_output
        else:
            audio = self.audio.forward_trainable(audio_frozen)
        return KobzaOutput(text_embeds=text, audio_embeds=audio)

    def _embed_text(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        embeddings: Tensor = self.model.get_text_features(input_ids, attention_mask).pooler_output
        return embeddings
