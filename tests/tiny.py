"""A tokenizer and tiny random models, made offline, for tests that need a model but not a good one."""

import torch

WORDS = (
    "a the of slow fast sad happy piano guitar drums strings flute organ bell bass choir song music with and is this"
)
TINY_TEXT = {
    "vocab_size": 80,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
TINY_AUDIO = {
    "model_type": "audio-spectrogram-transformer",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "patch_size": 32,
    "frequency_stride": 32,
    "time_stride": 32,
}
TINY_RESNET = {
    "model_type": "resnet",
    "num_channels": 1,
    "embedding_size": 8,
    "hidden_sizes": [8, 16],
    "depths": [1, 1],
    "layer_type": "basic",
}


def make_tokenizer(folder):
    """A WordPiece tokenizer of some twenty words and all letters, at most 64 tokens long."""
    from transformers import BertTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters[1:],
        *(f"##{c}" for c in letters),
        *WORDS.split(),
    ]
    path = folder / "vocab.txt"
    path.write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return BertTokenizerFast(vocab=str(path), model_max_length=64)


def make_model(**fields):
    """A random `KobzaModel` of some 80,000 weights, in eval mode; always the same for the same fields."""
    from kobza import KobzaConfig, KobzaModel

    torch.manual_seed(0)
    fields = {"text_config": dict(TINY_TEXT), "audio_config": dict(TINY_AUDIO), **fields}
    model = KobzaModel(KobzaConfig(**fields)).eval()
    for name, parameter in model.named_parameters():  # away from 0, where a lost weight would not be noticed
        if not name.startswith("logit_"):
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    return model
