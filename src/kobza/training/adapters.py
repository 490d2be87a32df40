"""LoRA (arXiv:2106.09685) by peft: frozen layers learn through low-rank adapters, which are merged when saved."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kobza.extras import require
from kobza.model.modeling_kobza import KobzaModel

LORA_A, LORA_B = ".lora_A.default.weight", ".lora_B.default.weight"  # the names that peft gives an adapter's weights
ALPHA_PER_RANK = 2  # adapters are scaled by alpha / rank = 2, whatever the rank, as is usual


def add_adapters(model: KobzaModel, rank: int) -> None:
    """Add adapters to all linear layers within the towers' frozen layers; the weights of new adapters are from torch's
    global generator, and change nothing before the first step.

    Raises:
        ValueError: there are no such layers.
        MissingPackageError: peft is not installed.
    """
    require("peft", "--lora_rank", "train")
    from peft import LoraConfig, inject_adapter_in_model

    towers: tuple[tuple[str, Any], ...] = (("text_model", model.text_model), ("audio_model", model.audio_model))
    targets = [
        f"{tower}.{name}"
        for tower, module in towers
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and not layer.weight.requires_grad
    ]
    if not targets:
        raise ValueError(
            "--lora_rank trains frozen layers through adapters, but no layer with attention is frozen: freeze some, as "
            "with --text_trainable_layers 0 --audio_trainable_layers 0, or leave it out."
        )
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    config = LoraConfig(r=rank, lora_alpha=ALPHA_PER_RANK * rank, target_modules=targets)
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():  # peft freezes everything else
        if name in trainable:
            parameter.requires_grad_(True)
    model.train(model.training)  # layers with adapters leave eval mode


def has_adapters(model: nn.Module) -> bool:
    return any("lora_" in name for name, _ in model.named_parameters())


def merged(model: KobzaModel, weights: Mapping[str, Tensor] | None = None) -> KobzaModel:
    """The model without adapters, whose effect is in the weights: itself, or a copy.

    Args:
        weights: the model's, where they are not in itself because processes divide them.
    """
    if weights is None and not has_adapters(model):
        return model
    with torch.random.fork_rng(devices=[]):  # training draws as if no weights had been made
        config: Any = copy.deepcopy(model.config)  # Any: transformers' annotation names the base class
        plain = KobzaModel(config)
    plain.load_state_dict(merged_weights(model.state_dict() if weights is None else weights))
    return plain


def merged_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without adapters: of each layer that has one, W + alpha / rank * B A.

    >>> one, two = torch.ones(1, 3), torch.full((2, 1), 2.0)
    >>> names = ("q.base_layer.weight", "q.lora_A.default.weight", "q.lora_B.default.weight")
    >>> merged_weights(dict(zip(names, (torch.ones(2, 3), one, two))))["q.weight"][0].tolist()
    [5.0, 5.0, 5.0]
    """
    plain = {name: value for name, value in weights.items() if ".lora_" not in name}
    for name in [name for name in weights if name.endswith(LORA_A)]:
        layer = name.removesuffix(LORA_A)
        down, up = weights[name], weights[layer + LORA_B]
        plain[f"{layer}.base_layer.weight"] = plain[f"{layer}.base_layer.weight"] + ALPHA_PER_RANK * (up @ down)
    return {name.replace(".base_layer.", "."): value for name, value in plain.items()}
