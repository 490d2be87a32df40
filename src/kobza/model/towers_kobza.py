"""What differs between kinds of towers: how one is built, where its layers are, and what new layers on top are.

Text towers are BERT-like encoders (BERT, RoBERTa, XLM-RoBERTa, MPNet, ModernBERT, DistilBERT): tokens in, a hidden
state for each token out. Audio towers are AST, ResNet, or encoders of waveforms or features that return a sequence
(Wav2Vec2, HuBERT, WavLM and their kind), whose mean over time is pooled.
"""

from typing import Any

from torch import nn
from transformers import AutoModel, BertConfig
from transformers.models.audio_spectrogram_transformer.configuration_audio_spectrogram_transformer import ASTConfig
from transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer import ASTLayer
from transformers.models.bert.modeling_bert import BertLayer

from .configuration_kobza import AST, RESNET

LAYERS = (
    "encoder.layer",
    "layers",
    "encoder.layers",
    "transformer.layer",
    "encoder.stages",
)  # where encoders have them


def build_text_tower(config: Any) -> nn.Module:
    """The encoder with random weights, without a pooling layer where it could have one."""
    try:
        return AutoModel.from_config(config, add_pooling_layer=False)
    except TypeError:  # it never has one
        return AutoModel.from_config(config)


def build_audio_tower(config: Any) -> nn.Module:
    """The encoder with random weights."""
    if config.model_type == RESNET:
        config._attn_implementation = "eager"  # it has no attention, and refuses any other name of one
    return AutoModel.from_config(config)


def tower_layers(tower: Any) -> Any:
    """The `ModuleList` of a tower's layers (of a ResNet, its stages), from the input's side.

    Raises:
        ValueError: it is not found.
    """
    for path in LAYERS:
        layers = tower
        for name in path.split("."):
            layers = getattr(layers, name, None)
        if isinstance(layers, nn.ModuleList):
            return layers
    raise ValueError(f"{type(tower).__name__} has no list of layers at {', '.join(LAYERS)}: train all of it.")


def one_channel(config: Any, state: dict[str, Any]) -> dict[str, Any]:
    """A ResNet's weights, and its configuration (changed), with one input channel whose filters are the sum of all; of
    other towers the weights as they are."""
    stem = "embedder.embedder.convolution.weight"
    if config.model_type == RESNET and config.num_channels != 1:
        config.num_channels = 1
        state[stem] = state[stem].sum(dim=1, keepdim=True)
    return state


def audio_width(config: Any) -> int:
    """The length of an audio tower's pooled output."""
    width: int = config.hidden_sizes[-1] if config.model_type == RESNET else config.hidden_size
    return width


def _sizes(config: Any) -> dict[str, Any]:
    return {
        "hidden_size": config.hidden_size,
        "num_attention_heads": config.num_attention_heads,
        "intermediate_size": getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
    }


def extra_text_config(config: Any) -> Any:
    """The configuration of new layers on top of a text tower: BERT's own, or a BERT's of another tower's size."""
    if config.model_type == "bert":
        return config
    extra = BertConfig(**_sizes(config))
    extra._attn_implementation = config._attn_implementation
    return extra


def extra_layers(text_config: Any, audio_config: Any, text: int, audio: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    """So many new attention layers for each tower, of BERT's and of AST's kind."""
    if audio_config.model_type != AST and audio:
        attention = audio_config._attn_implementation
        audio_config = ASTConfig(**_sizes(audio_config))
        audio_config._attn_implementation = attention
    return (
        nn.ModuleList(BertLayer(extra_text_config(text_config)) for _ in range(text)),
        nn.ModuleList(ASTLayer(audio_config) for _ in range(audio)),
    )


def output_flags(output_attentions: bool | None, output_hidden_states: bool | None) -> dict[str, bool]:
    """Keyword arguments for a tower, without those that are None, which its configuration decides."""
    flags = {"output_attentions": output_attentions, "output_hidden_states": output_hidden_states}
    return {name: value for name, value in flags.items() if value is not None}
