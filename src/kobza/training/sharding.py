"""FSDP2: each process keeps a part of every layer's weights, gradients and optimizer state, and gathers a layer's
weights when it computes (`accelerate launch --config_file configs/fsdp2.yaml train.py ...`).

accelerate does the work. It is told here what is special about a Kobza model: which classes are layers, whatever the
towers are; and that the temperature and SigLIP's bias are scalars, which cannot be divided. Each process keeps them
whole, and needs no gradients of the others, because each computes the loss of all pairs.
"""

import os
from dataclasses import replace
from typing import Any

import torch
from accelerate.state import AcceleratorState
from torch import nn

from kobza.model.modeling_kobza import KobzaModel
from kobza.model.towers_kobza import tower_layers


def check_launch(is_sharded: bool) -> None:
    """Raise a ValueError where accelerate was asked for FSDP and does without."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and not is_sharded:
        raise ValueError(
            "accelerate's configuration asks for FSDP, which it has for GPUs only: give --num_processes as many as "
            "there are GPUs, or another configuration."
        )


def prepare_sharding(state: AcceleratorState, model: KobzaModel) -> None:
    """Complete accelerate's settings of FSDP for a model.

    Raises:
        ValueError: its settings do not fit.
    """
    plugin: Any = state.fsdp_plugin
    if plugin.fsdp_version != 2:
        raise ValueError(
            "Kobza trains with FSDP2, and accelerate's configuration names another version: set fsdp_version: 2, as in "
            "configs/fsdp2.yaml."
        )
    if plugin.cpu_ram_efficient_loading:
        raise ValueError(
            "FSDP's cpu_ram_efficient_loading leaves scalars such as the temperature without a value: set "
            "fsdp_cpu_ram_efficient_loading: false in accelerate's configuration, as in configs/fsdp2.yaml."
        )
    towers: tuple[Any, ...] = (model.text_model, model.audio_model)
    layers = [
        *model.text_extra_layers,
        *model.audio_extra_layers,
        *(layer for t in towers for layer in tower_layers(t)),
    ]
    plugin.transformer_cls_names_to_wrap = sorted({type(layer).__name__ for layer in layers})
    if plugin.mixed_precision_policy is not None:
        # Embeddings stay in float32, for half precision is too coarse for cosines; and gradients are summed in it
        plugin.mixed_precision_policy = replace(
            plugin.mixed_precision_policy, output_dtype=None, reduce_dtype=torch.float32
        )
    scalars = (parameter for parameter in model.parameters() if parameter.ndim == 0)
    plugin.ignored_modules = [nn.ParameterList(scalars)]


def separate_scalars(optimizer: torch.optim.Optimizer) -> None:
    """Give scalars groups of their own: an optimizer updates a group at once, and cannot mix divided and whole ones."""
    for group in list(optimizer.param_groups):
        scalars = [parameter for parameter in group["params"] if parameter.ndim == 0]
        if scalars and len(scalars) < len(group["params"]):
            group["params"] = [parameter for parameter in group["params"] if parameter.ndim > 0]
            optimizer.add_param_group({**group, "params": scalars})
