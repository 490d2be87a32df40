"""A random `ClapModel` of some 40,000 weights with its processor, made offline."""

import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, RobertaTokenizer

TEXT = {
    "vocab_size": 32,
    "hidden_size": 64,  # one head of RoBERTa's size
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "intermediate_size": 32,
    "max_position_embeddings": 90,
    "layer_norm_eps": 1e-5,
}
AUDIO = {
    "patch_embeds_hidden_size": 8,
    "depths": [2, 3],
    "num_attention_heads": [2, 4],
    "hidden_size": 16,
    "num_hidden_layers": 2,
}


def make_clap_model(**audio) -> ClapModel:
    """Always the same for the same fields of its audio tower; large enough weights that inputs make a difference."""
    torch.manual_seed(0)
    model = ClapModel(ClapConfig(text_config=dict(TEXT), audio_config={**AUDIO, **audio}, projection_dim=24)).eval()
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not name.startswith("logit_"):
            value.add_(torch.randn_like(value) * 0.3)
    model.audio_model.audio_encoder.batch_norm.running_var.abs_().add_(100.0)
    return model


def make_roberta_tokenizer() -> RobertaTokenizer:
    """Letters for words, with RoBERTa's special tokens at RoBERTa's numbers."""
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", *"abcdefghijklmnopqrstuvwxyz"]  # \u0120: a space
    return RobertaTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[])


def make_clap_folder(folder, **audio) -> str:
    """A saved checkpoint, as it would lie on the Hub."""
    truncation = "fusion" if audio.get("enable_fusion") else "rand_trunc"
    make_clap_model(**audio).save_pretrained(folder)
    extractor = ClapFeatureExtractor(frequency_min=50, truncation=truncation)
    ClapProcessor(extractor, make_roberta_tokenizer()).save_pretrained(folder)
    return str(folder)
