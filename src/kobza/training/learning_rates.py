"""Learning rates by group: new heads at the full rate, pretrained towers at a lower one, falling with depth.

projections, extra layers, temperature   learning_rate
a tower's last layer, its final norm     tower_learning_rate
the layer d below it                     tower_learning_rate * layer_lr_decay ^ d
embeddings                               as a layer below the first one
"""

import re
from collections.abc import Collection
from typing import Any

from torch import nn

from kobza.training.arguments import KobzaTrainingArguments

LAYER = re.compile(r"(text|audio)_model\..*?\b(?:layers?|stages)\.(\d+)\.")
STEM = re.compile(r"(text|audio)_model\.embed")  # embeddings, embedder


def depths(names: Collection[str]) -> dict[str, int]:
    """How far below its tower's last layer a parameter is; -1 of those that are in no tower.

    >>> depths(["audio_projection.weight", "text_model.encoder.layer.1.a", "text_model.encoder.layer.0.a"])
    {'audio_projection.weight': -1, 'text_model.encoder.layer.1.a': 0, 'text_model.encoder.layer.0.a': 1}
    """
    layers = {name: (match[1], int(match[2])) for name in names if (match := LAYER.match(name))}
    count = {tower: 1 + max(n for other, n in layers.values() if other == tower) for tower, _ in layers.values()}

    def depth(name: str) -> int:
        if name in layers:
            tower, number = layers[name]
            return count[tower] - 1 - number
        if stem := STEM.match(name):
            return count.get(stem[1], 0)
        return 0 if name.startswith(("text_model.", "audio_model.")) else -1

    return {name: depth(name) for name in names}


def parameter_groups(model: nn.Module, args: KobzaTrainingArguments, decayed: Collection[str]) -> list[dict[str, Any]]:
    """The optimizer's groups of a model's trainable parameters; the heads' come first.

    Args:
        decayed: names of the parameters with weight decay.
    """
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    depth = depths([name for name, _ in model.named_parameters()])
    top = args.learning_rate if args.tower_learning_rate is None else args.tower_learning_rate
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name in sorted(trainable, key=lambda name: depth[name]):  # stable: as the model has them
        rate = args.learning_rate if depth[name] < 0 else top * args.layer_lr_decay ** depth[name]
        key = (depth[name], name in decayed)
        weight_decay = args.weight_decay if name in decayed else 0.0
        group = groups.setdefault(key, {"params": [], "lr": rate, "weight_decay": weight_decay})
        group["params"].append(trainable[name])
    return list(groups.values())
