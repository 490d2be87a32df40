"""A tower, cut where its frozen layers end.

    input --below()--> border --above()--> embedding

What comes out at the border never changes while the rest trains, so it can be kept (`frozen_cache.py`). It is a
sequence of hidden states, where layers follow that read all of it; where none do, only what pooling makes of it.
`above(below(input))` is what the model itself computes.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from transformers.masking_utils import create_bidirectional_mask

from kobza.model.heads_kobza import pool_tokens
from kobza.model.modeling_kobza import KobzaModel, KobzaOutput


def _trains(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


class Border:
    """Of one tower: `depth`, how many of its first layers are frozen with all before them; and the cut there.

    Attributes:
        frozen: all modules below the border. reads_all: whether a layer above it reads the whole sequence.
    """

    def __init__(self, tower: nn.Module, stem: nn.Module, layers: nn.ModuleList, extra: nn.ModuleList):
        self.tower, self.stem, self.layers, self.extra = tower, stem, layers, extra
        trained = [_trains(module) for module in (stem, *layers)]
        self.depth = max(trained.index(True) - 1, 0) if True in trained else len(layers)
        self.whole = not _trains(tower)
        self.reads_all = not self.whole or len(extra) > 0
        self.frozen = nn.ModuleList([tower] if self.whole else [stem, *layers[: self.depth]])


class TextBorder(Border):
    """(sentences, length, width): hidden states, or one pooled vector each as a sequence of length 1."""

    def __init__(self, model: KobzaModel):
        tower = model.text_model
        super().__init__(tower, tower.embeddings, tower.encoder.layer, model.text_extra_layers)
        self.projection, self.pooling = model.text_projection, model.config.text_pooling

    def _through(self, layers, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        mask = create_bidirectional_mask(self.tower.config, tokens, attention_mask)
        for layer in layers:
            tokens = layer(tokens, mask)
        return tokens

    def below(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        tokens = self._through(self.layers[: self.depth], self.stem(input_ids), attention_mask)
        return tokens if self.reads_all else pool_tokens(tokens, attention_mask, self.pooling)[:, None]

    def above(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        tokens = self._through([*self.layers[self.depth :], *self.extra], tokens, attention_mask)
        pooled = pool_tokens(tokens, attention_mask, self.pooling)  # a sequence of one is its own pool
        return F.normalize(self.projection(pooled).float(), dim=-1)


class AstBorder(Border):
    """(windows, 2 + patches, width): hidden states, or the first two of them, which pooling takes."""

    def __init__(self, model: KobzaModel):
        tower = model.audio_model
        super().__init__(tower, tower.embeddings, tower.layers, model.audio_extra_layers)
        self.projection = model.audio_projection

    def below(self, input_values: Tensor) -> Tensor:
        patches = self.stem(input_values)
        for layer in self.layers[: self.depth]:
            patches = layer(patches)
        patches = self.tower.layernorm(patches) if self.whole else patches
        return patches if self.reads_all else patches[:, :2]

    def above(self, patches: Tensor) -> Tensor:
        for layer in self.layers[self.depth :]:
            patches = layer(patches)
        patches = patches if self.whole else self.tower.layernorm(patches)
        for layer in self.extra:
            patches = layer(patches)
        return F.normalize(self.projection((patches[:, 0] + patches[:, 1]) / 2).float(), dim=-1)


class ResNetBorder(Border):
    """(windows, channels, height, width): a stage's maps, or their mean as maps of 1 x 1."""

    def __init__(self, model: KobzaModel):
        tower = model.audio_model
        super().__init__(tower, tower.embedder, tower.encoder.stages, model.audio_extra_layers)
        self.projection = model.audio_projection

    def below(self, input_values: Tensor) -> Tensor:
        maps = self.stem(input_values[:, None])
        for stage in self.layers[: self.depth]:
            maps = stage(maps)
        return maps if self.reads_all else self.tower.pooler(maps)

    def above(self, maps: Tensor) -> Tensor:
        for stage in self.layers[self.depth :]:
            maps = stage(maps)
        pooled = self.tower.pooler(maps).flatten(1)  # the mean of 1 x 1 is itself
        return F.normalize(self.projection(pooled).float(), dim=-1)


def audio_border(model: KobzaModel) -> AstBorder | ResNetBorder:
    return ResNetBorder(model) if model.is_resnet else AstBorder(model)


def from_border(model: KobzaModel) -> Callable[..., KobzaOutput]:
    """The model's `forward`, but of a tower whose `text_border` or `audio_border` it gets, only what is above that.

    Of its output there are the embeddings alone, unless neither is given.
    """
    forward, text, audio = model.forward, TextBorder(model), audio_border(model)

    def forward_from_border(**inputs) -> KobzaOutput:
        tokens, patches = inputs.pop("text_border", None), inputs.pop("audio_border", None)
        if tokens is None and patches is None:
            return forward(**inputs)
        mask, ids, values = (inputs.get(name) for name in ("attention_mask", "input_ids", "input_values"))
        return KobzaOutput(
            text_embeds=model.get_text_features(ids, mask).pooler_output
            if tokens is None
            else text.above(tokens, mask),
            audio_embeds=model.get_audio_features(values).pooler_output if patches is None else audio.above(patches),
        )

    return forward_from_border
