"""A random MuQ-MuLan, made offline by the package muq in the layout of OpenMuQ/MuQ-MuLan-large:
a folder of its own, and beside it those of MuQ and XLM-RoBERTa, which it names."""

import json
import zlib
from pathlib import Path

import torch
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

# MuQ's conformer is that of wav2vec2-conformer-rope-large, written out by transformers 4
CONFORMER = {
    "activation_dropout": 0.1,
    "attention_dropout": 0.1,
    "conformer_conv_dropout": 0.1,
    "conv_depthwise_kernel_size": 31,
    "feat_extract_activation": "gelu",
    "hidden_act": "swish",
    "hidden_dropout": 0.1,
    "intermediate_size": 32,
    "layer_norm_eps": 1e-5,
    "layerdrop": 0.0,
    "max_source_positions": 5000,
    "model_type": "wav2vec2-conformer",
    "num_attention_heads": 2,
    "num_conv_pos_embedding_groups": 16,
    "num_conv_pos_embeddings": 128,
    "position_embeddings_type": "rotary",
    "rotary_embedding_base": 10000,
}
STAT = {"melspec_2048_mean": 6.768444971712967, "melspec_2048_std": 18.417922652295623}
TRANSFORMER = {
    "dim": 24,
    "tf_depth": 2,
    "heads": 2,
    "dim_head": 8,
    "attn_dropout": 0.0,
    "ff_dropout": 0.0,
    "ff_mult": 2,
}


def set_weights(model: torch.nn.Module) -> None:
    """The same for the same names in any version of the packages; large enough that inputs make a difference."""
    for name, value in model.state_dict().items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        if name.endswith(("running_var", "gamma", "q_scale", "k_scale")):
            value.copy_(1 + torch.rand(value.shape, generator=generator))
        elif value.is_floating_point() and not name.endswith("inv_freq"):
            value.copy_(torch.randn(value.shape, generator=generator) * 1.0)


def make_muq_mulan_folder(parent: Path, **audio_model) -> Path:
    """A saved checkpoint; `audio_model` replaces what its config.json says of the audio tower."""
    from muq import MuQ, MuQConfig, MuQMuLan

    muq = MuQ(
        MuQConfig(
            conv_dim=16,
            encoder_dim=32,
            encoder_depth=2,
            use_rvq_target=True,
            w2v2_config=CONFORMER,
            stat=STAT,
        )
    )
    muq.save_pretrained(parent / "MuQ-tiny")
    letters = [(letter, -3.0) for letter in "\u2581abcdefghijklmnopqrstuvwxyz"]  # \u2581: a space
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    tokenizer = XLMRobertaTokenizer(vocab=[*special, *letters, ("<mask>", 0.0)], model_max_length=512)
    tokenizer.save_pretrained(parent / "xlm-roberta-tiny")
    text = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=514,
        pad_token_id=1,
    )
    XLMRobertaModel(text).save_pretrained(parent / "xlm-roberta-tiny")
    config = {
        "mulan": {"sr": 24000, "clip_secs": 10, "dim_latent": 8, "rank_contrast": True},
        "audio_model": {"name": str(parent / "MuQ-tiny"), "model_dim": 32, "use_layer_idx": -1},
        "text_model": {"name": str(parent / "xlm-roberta-tiny"), "model_dim": 16, "use_layer_idx": -1},
        "audio_transformer": TRANSFORMER,
        "text_transformer": {**TRANSFORMER, "max_seq_len": 1024},
    }
    model = MuQMuLan(config)
    set_weights(model)
    folder = parent / "MuQ-MuLan-tiny"
    model.save_pretrained(folder)
    config["audio_model"] |= audio_model
    (folder / "config.json").write_text(json.dumps(config))
    return folder
