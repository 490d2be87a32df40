"""Towers of other kinds than BERT and AST: text encoders like BERT, and audio encoders with features of their own."""

import pytest
import torch
from tiny import TINY_AUDIO, TINY_TEXT, make_tokenizer
from transformers import (
    DistilBertConfig,
    HubertConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    T5Config,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    XLMRobertaConfig,
)

from kobza import Checkpoint, KobzaConfig, KobzaFeatureExtractor, KobzaModel, KobzaProcessor
from kobza.embedding.engine import EngineEmbedder
from kobza.embedding.loader import load_text_embedder
from kobza.training.arguments import ModelArguments
from kobza.training.frozen_split import TextSplit, audio_split
from kobza.training.model_factory import build_model

SIZES = {
    name: TINY_TEXT[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
}
TEXT = {
    "roberta": RobertaConfig(**TINY_TEXT, pad_token_id=0),
    "xlm-roberta": XLMRobertaConfig(**TINY_TEXT, pad_token_id=0),
    "mpnet": MPNetConfig(**TINY_TEXT, pad_token_id=0),
    "modernbert": ModernBertConfig(
        **SIZES, vocab_size=80, pad_token_id=0, cls_token_id=2, sep_token_id=3, bos_token_id=2
    ),
    "distilbert": DistilBertConfig(vocab_size=80, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
}
WAVES = {"conv_dim": (8, 8), "conv_kernel": (10, 8), "conv_stride": (80, 40), "num_conv_pos_embeddings": 4}
AUDIO = {
    "wav2vec2": Wav2Vec2Config(**SIZES, **WAVES, num_feat_extract_layers=2, num_conv_pos_embedding_groups=2),
    "hubert": HubertConfig(**SIZES, **WAVES, num_feat_extract_layers=2, num_conv_pos_embedding_groups=2),
}
OWN = {**Wav2Vec2FeatureExtractor().to_dict(), "feature_extractor_type": "Wav2Vec2FeatureExtractor"}


def tokens():
    ids = torch.randint(5, 80, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 4:], ids[1, 4:] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("kind", TEXT)
def test_text_encoders_like_bert(kind, tmp_path):
    torch.manual_seed(0)
    config = KobzaConfig(
        text_config=TEXT[kind], audio_config=dict(TINY_AUDIO), text_extra_layers=1, text_pooling="mean"
    )
    model = KobzaModel(config).eval()
    model.freeze_towers(1, 0)
    inputs = tokens()
    with torch.no_grad():
        embeds = model.get_text_features(**inputs).pooler_output
        alone = model.get_text_features(**{name: value[1:2, :4] for name, value in inputs.items()}).pooler_output
    assert embeds.shape == (3, 128) and torch.allclose(embeds.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(alone[0], embeds[1], atol=1e-5, rtol=1e-4)  # padding changes nothing
    trainable = {name.split(".layer")[0] for name, weight in model.named_parameters() if weight.requires_grad}
    assert any(name.startswith("text_model") for name in trainable)
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        again = KobzaModel.from_pretrained(tmp_path).get_text_features(**inputs).pooler_output
    torch.testing.assert_close(again, embeds)


@pytest.mark.parametrize("kind", AUDIO)
def test_audio_encoders_with_features_of_their_own(kind, sounds, tmp_path):
    torch.manual_seed(0)
    extractor = KobzaFeatureExtractor(tower_features=OWN)
    model = KobzaModel(KobzaConfig(text_config=dict(TINY_TEXT), audio_config=AUDIO[kind], audio_extra_layers=1)).eval()
    model.freeze_towers(0, 1)
    Checkpoint(model, KobzaProcessor(extractor, make_tokenizer(tmp_path))).save(tmp_path / "saved")
    loaded = Checkpoint.load(str(tmp_path / "saved"), "cpu")
    rows = loaded.processor.feature_extractor(sounds[0], 16000)["input_values"]
    assert rows.shape == (1, 160_000)
    expected = Wav2Vec2FeatureExtractor()(sounds[0][:160_000], sampling_rate=16000, return_tensors="pt")["input_values"]
    torch.testing.assert_close(rows, expected)
    batch = loaded.processor.feature_extractor(list(sounds), 16000)
    assert batch["window_counts"].tolist() == [1, 1, 3, 1]
    with torch.no_grad():
        embeds = loaded.model.get_audio_features(**batch).pooler_output
    assert embeds.shape == (4, 128) and (embeds @ embeds.T - torch.eye(4)).abs().max() < 1
    assert not EngineEmbedder.can_load(tmp_path / "saved")
    assert "tower_features" not in KobzaFeatureExtractor().to_dict()


def test_pretrained_towers_are_joined_and_what_is_none_is_refused(tmp_path):
    wave = Wav2Vec2Model(AUDIO["wav2vec2"])
    text = KobzaModel(KobzaConfig(text_config=TEXT["roberta"], audio_config=dict(TINY_AUDIO))).text_model
    model = KobzaModel.from_towers(text, wave)
    assert model.config.audio_config.model_type == "wav2vec2" and model.config.text_config.model_type == "roberta"
    for name, weight in wave.state_dict().items():
        assert torch.equal(model.audio_model.state_dict()[name], weight)
    with pytest.raises(
        ValueError, match="text_config is of type 't5', but the text tower must be an encoder, such as a 'bert'"
    ):
        KobzaConfig(text_config=T5Config())
    for split in (TextSplit, audio_split):
        with pytest.raises(ValueError, match="--frozen_cache knows the layers of BERT, AST and ResNet towers"):
            split(model)


def test_a_search_with_another_text_tower_loads_the_whole_model(tmp_path):
    config = KobzaConfig(text_config=TEXT["roberta"], audio_config=dict(TINY_AUDIO))
    Checkpoint(KobzaModel(config).eval(), KobzaProcessor(KobzaFeatureExtractor(), make_tokenizer(tmp_path))).save(
        tmp_path / "saved"
    )
    embedder = load_text_embedder(str(tmp_path / "saved"))
    assert isinstance(embedder, Checkpoint) and embedder.embed_text(["a slow piano"]).shape == (1, 128)


def test_a_recipe_takes_towers_from_folders(sounds, tmp_path):
    text, audio = tmp_path / "text", tmp_path / "audio"
    KobzaModel(KobzaConfig(text_config=TEXT["mpnet"], audio_config=dict(TINY_AUDIO))).text_model.save_pretrained(text)
    make_tokenizer(tmp_path).save_pretrained(text)
    Wav2Vec2Model(AUDIO["wav2vec2"]).save_pretrained(audio)
    Wav2Vec2FeatureExtractor().save_pretrained(audio)
    settings = ModelArguments(str(text), str(audio), init="pretrained", text_trainable_layers=1, lora_rank=2)
    model, processor = build_model(settings, [])
    inputs = processor(text=["a slow piano", "drums"], audio=list(sounds[:2]), sampling_rate=16000)
    assert model(**inputs, return_loss=True).loss.isfinite()
    assert processor.feature_extractor.tower_features["feature_extractor_type"] == "Wav2Vec2FeatureExtractor"
