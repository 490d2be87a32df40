"""LAION's own CLAP files, read safely and converted to transformers' `ClapModel`.

The two that the thesis compares with are "CLAP Music", `music_audioset_epoch_15_esc_90.14.pt` (an HTSAT-base), and
"CLAP Default", `630k-audioset-best.pt` (an HTSAT-tiny); both are at https://huggingface.co/lukewys/laion_clap. Their
weights differ from transformers' only in names, and in that attention's query, key and value are stacked in one matrix.
Neither uses fusion; files with fusion are refused.
"""

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

from kobza.embedding.checkpoint_folder import CheckpointError, one_line

AUDIO, TEXT = "audio_branch.", "text_branch."
HEAD_SIZE = 64  # of every RoBERTa
# Parts of LAION's model that do not contribute to its embeddings, or that transformers computes elsewhere: AudioSet's
# classifier, the spectrogram's filters, the second projection that only the training loss uses, derived constants.
UNUSED = re.compile(
    r"audio_branch\.(spectrogram_extractor|logmel_extractor|tscam_conv|head)\.|(text|audio)_transform\.|.*\.attn_mask$"
)
# LAION's names -> transformers', in this order: longer names before those that they contain.
RENAMES = (
    (r"^text_branch\.", "text_model."),
    (r"^audio_branch\.bn0\.", "audio_model.audio_encoder.batch_norm."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"^(text|audio)_projection\.0\.", r"\1_projection.linear1."),
    (r"^(text|audio)_projection\.2\.", r"\1_projection.linear2."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.", ".attention.self."),
)


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of LAION's file under LAION's names. No code in the file is run: only tensors and plain numbers are
    unpickled.

    Raises:
        CheckpointError: it is not such a file, or it holds something other than tensors and numbers.
    """
    make_scalar: Any = np.float64(0).__reduce__()[0]  # builds a NumPy number; its module moved in NumPy 2
    harmless = [
        make_scalar,
        (make_scalar, "numpy.core.multiarray.scalar"),
        (make_scalar, "numpy._core.multiarray.scalar"),
        *(np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType),
    ]
    try:
        with torch.serialization.safe_globals(harmless):  # the epoch's score beside the weights is a NumPy number
            # mmap: two thirds of a file are the optimizer's state, which is not read
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened ({error.strerror or error}): check the path.") from error
    except Exception as error:  # torch raises many classes for damaged files
        raise CheckpointError(
            f"{path} cannot be read as tensors and numbers alone ({one_line(error)}): fetch LAION's file again."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    named = state.items() if isinstance(state, dict) else ()
    return {str(name).removeprefix("module."): value for name, value in named if isinstance(value, torch.Tensor)}


def to_transformers(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """LAION's names and stacked attention -> those of transformers' `ClapModel`; values are unchanged."""
    renamed = {}
    for name, value in weights.items():
        if UNUSED.match(name):
            continue
        for pattern, replacement in RENAMES:
            name = re.sub(pattern, replacement, name)
        if ".self.qkv." in name:
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[name.replace("qkv", part)] = third
        else:
            renamed[name] = value
    return renamed


def _count(weights: dict, pattern: str) -> int:
    """How many different values the pattern's group takes in the names."""
    return len({match[1] for name in weights if (match := re.match(pattern, name))})


def read_config(weights: dict[str, torch.Tensor], name: str) -> ClapConfig:
    """Infer the configuration of LAION's model, HTSAT-tiny or -base, from the names and shapes of its tensors.

    Raises:
        CheckpointError: an expected tensor is missing, or the model uses fusion.
    """
    if f"{AUDIO}patch_embed.mel_conv2d.weight" in weights:
        raise CheckpointError(
            f"{name} uses fusion, which is not supported in LAION's files: give one without, or the same model on "
            "the Hub, laion/clap-htsat-fused."
        )
    try:
        stages = range(_count(weights, r"audio_branch\.layers\.(\d+)\."))
        biases = [weights[f"{AUDIO}layers.{i}.blocks.0.attn.relative_position_bias_table"] for i in stages]
        patches = weights[f"{AUDIO}patch_embed.proj.weight"]  # (width, 1, patch, patch)
        word_embeddings = weights[f"{TEXT}embeddings.word_embeddings.weight"]  # (vocabulary, width)
        audio = {
            "depths": [_count(weights, rf"audio_branch\.layers\.{i}\.blocks\.(\d+)\.") for i in stages],
            "num_attention_heads": [table.shape[1] for table in biases],
            "window_size": (round(biases[0].shape[0] ** 0.5) + 1) // 2,  # the table has (2 window - 1)^2 rows
            "patch_embeds_hidden_size": patches.shape[0],
            "patch_size": patches.shape[2],
            "patch_stride": [patches.shape[2]] * 2,
            "hidden_size": weights[f"{AUDIO}norm.weight"].shape[0],
            "num_hidden_layers": len(stages),
            "num_mel_bins": weights[f"{AUDIO}bn0.weight"].shape[0],
        }
        text = {
            "vocab_size": word_embeddings.shape[0],
            "hidden_size": word_embeddings.shape[1],
            "num_hidden_layers": _count(weights, r"text_branch\.encoder\.layer\.(\d+)\."),
            "num_attention_heads": max(1, word_embeddings.shape[1] // HEAD_SIZE),
            "intermediate_size": weights[f"{TEXT}encoder.layer.0.intermediate.dense.weight"].shape[0],
            "max_position_embeddings": weights[f"{TEXT}embeddings.position_embeddings.weight"].shape[0],
            "layer_norm_eps": 1e-5,  # roberta-base's; transformers' default for CLAP differs
        }
        dim = weights["audio_projection.2.weight"].shape[0]
    except (KeyError, IndexError) as error:
        raise CheckpointError(
            f"{name} is not one of LAION's CLAP files: it has no {error.args[0]}; expected are "
            "music_audioset_epoch_15_esc_90.14.pt and 630k-audioset-best.pt."
        ) from error
    return ClapConfig(text_config=text, audio_config=audio, projection_dim=dim)


def load_laion(path: str | Path) -> tuple[ClapModel, ClapFeatureExtractor]:
    """LAION's .pt file as a `ClapModel` in eval mode, and the feature extractor that it was trained with.

    Raises:
        CheckpointError: not LAION's, incomplete, with fusion, or with tensors unknown to `ClapModel`.
    """
    weights = read_weights(path)
    config = read_config(weights, str(path))
    model = ClapModel(config)
    renamed = to_transformers(weights)
    own = model.state_dict()
    derived = {"text_model.embeddings.position_ids", "text_model.embeddings.token_type_ids"}  # 0, 1, 2... and zeros
    missing = sorted(own.keys() - renamed.keys() - derived)
    unknown = sorted(renamed.keys() - own.keys())
    misshapen = sorted(key for key in own.keys() & renamed.keys() if own[key].shape != renamed[key].shape)
    for keys, fault in ((missing, "lacks"), (unknown, "has unknown"), (misshapen, "has misshapen")):
        if keys:
            raise CheckpointError(
                f"{path} {fault} weights, {len(keys)} of them, such as {keys[0]}: fetch LAION's file again."
            )
    model.load_state_dict(renamed, strict=False)
    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14000, truncation="rand_trunc")
    return model.float().eval(), extractor
