"""LoRA (arXiv:2106.09685) by peft: frozen layers learn through low-rank adapters, which are merged when saved."""

import copy
from typing import Any

from torch import nn

from kobza.extras import require
from kobza.model.modeling_kobza import KobzaModel

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


def merged(model: KobzaModel) -> KobzaModel:
    """The model without adapters, whose effect is in the weights: itself, or a copy if it has any."""
    if not has_adapters(model):
        return model
    from peft.tuners.lora import LoraLayer

    plain = copy.deepcopy(model)
    for name, module in list(plain.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge(safe_merge=True)
            plain.set_submodule(name, module.get_base_layer())
    return plain
