"""A model's linear layers in 8 bits, for processors: `kobza bench tower` says what that gives.

torch's own `quantize_dynamic` keeps a bit back, lest old processors' sums overflow, and has one scale for a whole
matrix: of an AST-base the vectors are then 0.998 alike. With all 8 bits and a scale for each row they are 0.9995 alike.
"""

import copy

import torch
from torch import Tensor, nn

ENGINES = ("onednn", "fbgemm", "qnnpack")  # the fastest first


def _pack(linear: nn.Linear):
    weight = linear.weight.detach().float()
    scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127  # (outputs,)
    zeros = torch.zeros(len(scales), dtype=torch.long)
    rows = torch.quantize_per_channel(weight, scales.double(), zeros, axis=0, dtype=torch.qint8)
    return torch.ops.quantized.linear_prepack(rows, None if linear.bias is None else linear.bias.detach().float())


class Int8Linear(nn.Module):
    """A linear layer's rows in 8 bits; its input is brought to 8 bits by its least and greatest value at each call.

    Takes (..., inputs), gives (..., outputs) in float32. For inference: it has no gradients, and nothing to save.
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        before = torch.backends.quantized.engine
        torch.backends.quantized.engine = next(e for e in ENGINES if e in torch.backends.quantized.supported_engines)
        try:
            self._packed = _pack(linear)
        finally:
            torch.backends.quantized.engine = before

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic(inputs.float(), self._packed, False)  # False: all 8 bits


def in_int8(model: nn.Module) -> nn.Module:
    """A copy of a model whose linear layers are `Int8Linear`; it must call them, not read their weights."""
    packed = {id(module): Int8Linear(module) for module in model.modules() if isinstance(module, nn.Linear)}
    return copy.deepcopy(model, packed)  # the memo: where a linear layer stood, the packed one stands
