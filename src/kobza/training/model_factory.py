"""Builds a recipe's model and processor: towers pretrained, randomly initialised, or random and scaled down."""

import copy
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import (
    ASTConfig,
    AutoConfig,
    AutoFeatureExtractor,
    AutoTokenizer,
    BertConfig,
    BertTokenizer,
    ResNetConfig,
)

from kobza.embedding.checkpoint import Checkpoint
from kobza.embedding.checkpoint_folder import HUB_ID, one_line
from kobza.model.configuration_kobza import AST, RESNET, KobzaConfig
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor
from kobza.training.adapters import add_adapters
from kobza.training.arguments import ModelArguments
from kobza.training.losses import config_loss_type, loss_weights

TOWER_CONFIGS = {"bert": BertConfig, "ast": ASTConfig, "resnet": ResNetConfig}  # their defaults are the base sizes
PRETRAINED = {
    "bert": "bert-base-uncased",
    "ast": "MIT/ast-finetuned-audioset-10-10-0.4593",
    "resnet": "microsoft/resnet-50",
}
# The same architectures at a thousandth of the size, with enough layers for every recipe's count of trainable ones
TINY_TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
TINY_AST: dict[str, Any] = {**TINY_TEXT, "patch_size": 16, "frequency_stride": 16, "time_stride": 32}
TINY_RESNET: dict[str, Any] = {"embedding_size": 16, "hidden_sizes": [32, 64, 96, 128], "depths": [1, 1, 1, 1]}
CONFIG_FIELDS = (
    "projection_dim",
    "projection",
    "text_pooling",
    "text_extra_layers",
    "audio_extra_layers",
    "loss_type",
    "temperature",
    "temperature_form",
    "temperature_learned",
)
MAX_WORDS = 4000
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def make_tokenizer(captions: Iterable[str]) -> BertTokenizer:
    """A WordPiece tokenizer of the captions' most frequent words and all their letters; deterministic.

    (The trainer in `tokenizers` numbers its tokens differently in every run, so processes would not agree.)
    """
    normalizer, splitter = BertNormalizer(lowercase=True), BertPreTokenizer()
    words = Counter(
        word for caption in captions for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(caption))
    )
    letters = sorted({letter for word in words for letter in word})
    frequent = sorted(words, key=lambda word: (-words[word], word))[:MAX_WORDS]
    tokens = dict.fromkeys([*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters), *frequent])
    return BertTokenizer(vocab={token: number for number, token in enumerate(tokens)}, model_max_length=512)


def build_model(settings: ModelArguments, captions: Iterable[str]) -> tuple[KobzaModel, KobzaProcessor]:
    """The model, with layers frozen as the recipe says, and its processor.

    Random weights come from torch's global generator: seed it first, equally in every process.

    Args:
        captions: the vocabulary of random towers comes from them.

    Raises:
        ValueError: a tower or checkpoint cannot be loaded, or a setting has no such value.
    """
    if settings.checkpoint and settings.init != "tiny":
        model, processor = _from_checkpoint(settings)
    elif settings.init == "pretrained":
        model, processor = _from_towers(settings)
    else:
        processor = KobzaProcessor(KobzaFeatureExtractor(), make_tokenizer(captions))
        model = KobzaModel(_random_config(settings, len(processor.tokenizer)))
    freeze_layers(model, settings.text_trainable_layers, settings.audio_trainable_layers)
    if settings.lora_rank:
        add_adapters(model, settings.lora_rank)
    return model, processor


def freeze_layers(model: KobzaModel, text_trainable_layers: int, audio_trainable_layers: int) -> None:
    """`KobzaModel.freeze_towers`, but -1 makes a whole tower trainable, its embeddings too.

    Raises:
        ValueError: a number of layers is below -1, or above what the tower has.
    """
    for name, layers in (("text", text_trainable_layers), ("audio", audio_trainable_layers)):
        if layers < -1:
            raise ValueError(f"{name}_trainable_layers is {layers}: give 0 or more, or -1 for the whole tower.")
    model.freeze_towers(max(text_trainable_layers, 0), max(audio_trainable_layers, 0))
    for tower, layers in ((model.text_model, text_trainable_layers), (model.audio_model, audio_trainable_layers)):
        if layers < 0:
            tower.requires_grad_(True)
    model.train(model.training)  # layers that are trainable again leave eval mode


def _config_fields(settings: ModelArguments) -> dict:
    given = {name: getattr(settings, name) for name in CONFIG_FIELDS if getattr(settings, name) is not None}
    if settings.loss_type is not None:
        given["loss_type"] = config_loss_type(loss_weights(settings.loss_type))
    return given


def _from_checkpoint(settings: ModelArguments) -> tuple[KobzaModel, KobzaProcessor]:
    """A checkpoint's model with the recipe's configuration fields; layers that it lacks are newly initialised."""
    start = Checkpoint.load(None if settings.checkpoint == HUB_ID else settings.checkpoint, device="cpu")
    config = copy.deepcopy(start.model.config)
    config.update(_config_fields(settings))
    model = KobzaModel(config)
    if settings.init == "pretrained":
        try:
            model.load_state_dict(start.model.state_dict(), strict=False)
        except RuntimeError as error:
            raise ValueError(
                f"{start.name} does not fit the recipe ({one_line(error)}): keep its dimensions."
            ) from error
        model.logit_scale.data.fill_(model.initial_log_scale())
    return model, start.processor


def _from_towers(settings: ModelArguments) -> tuple[KobzaModel, KobzaProcessor]:
    text, audio = (PRETRAINED.get(name, name) for name in (settings.text_tower, settings.audio_tower))
    try:
        model = KobzaModel.from_towers(text, audio, **_config_fields(settings))
        tokenizer = AutoTokenizer.from_pretrained(text)
    except OSError as error:
        raise ValueError(
            f"The towers {text} and {audio} cannot be loaded ({one_line(error)}): check the names and the connection, "
            "or train without a download, with --init random."
        ) from error
    return model, KobzaProcessor(_feature_extractor(audio, model.config.audio_config), tokenizer)


def _feature_extractor(tower: str, config: Any) -> KobzaFeatureExtractor:
    """Log-mel for an AST and a ResNet; for another tower what its own feature extractor makes, at its rate."""
    if config.model_type in (AST, RESNET):
        return KobzaFeatureExtractor()
    own = AutoFeatureExtractor.from_pretrained(tower)
    settings = {**own.to_dict(), "feature_extractor_type": type(own).__name__}
    return KobzaFeatureExtractor(sampling_rate=own.sampling_rate, tower_features=settings)


def _tower_config(name: str) -> Any:
    if name in TOWER_CONFIGS:
        return TOWER_CONFIGS[name]()
    try:
        return AutoConfig.from_pretrained(name)
    except OSError as error:
        raise ValueError(
            f"The configuration of the tower {name} cannot be loaded ({one_line(error)}): check the name and the "
            f"connection, or choose one of {', '.join(TOWER_CONFIGS)}."
        ) from error


def _random_config(settings: ModelArguments, vocabulary_size: int) -> KobzaConfig:
    text, audio = (_tower_config(name) for name in (settings.text_tower, settings.audio_tower))
    if settings.init == "tiny":
        text = BertConfig(**TINY_TEXT, vocab_size=vocabulary_size)
        audio = ResNetConfig(**TINY_RESNET) if audio.model_type == RESNET else ASTConfig(**TINY_AST)
    if audio.model_type == RESNET:
        audio.num_channels = 1
    return KobzaConfig(text_config=text, audio_config=audio, **_config_fields(settings))
