"""Linear layers in 8 bits give nearly what they gave."""

import pytest
import torch
from torch import nn
from transformers import ASTConfig, ASTModel

from kobza.benchmarks.int8 import Int8Linear, in_int8


def off(linear: nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
    """How far each output is from the plain layer's, in parts of its own size over all inputs: (outputs,)."""
    plain, packed = linear(inputs.float()), Int8Linear(linear)(inputs)
    assert packed.shape == plain.shape and packed.dtype == torch.float32
    return (packed - plain).flatten(0, -2).norm(dim=0) / plain.flatten(0, -2).norm(dim=0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_each_row_has_its_own_scale(bias, dtype):
    torch.manual_seed(0)
    linear, before = nn.Linear(96, 32, bias=bias), torch.backends.quantized.engine
    linear.weight[3] *= 1000.0
    linear.weight[5] = 0.0
    linear.weight[5, 0] = 1e-3
    assert off(linear, torch.randn(2, 7, 96).to(dtype)).max() < 0.03
    assert torch.backends.quantized.engine == before


@torch.no_grad()
def test_a_tower_keeps_its_vectors_and_is_itself_not_touched():
    torch.manual_seed(0)
    sizes = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 768}
    tower = ASTModel(ASTConfig(**sizes, max_length=128)).eval()
    inputs = 0.5 * torch.randn(3, 128, 128)
    expected = tower(inputs).pooler_output
    packed = in_int8(tower)
    assert sum(isinstance(module, Int8Linear) for module in packed.modules()) == 4 * 6
    assert not any(isinstance(module, nn.Linear) for module in packed.modules())
    assert torch.cosine_similarity(packed(inputs).pooler_output, expected).min() >= 0.999
    assert torch.equal(tower(inputs).pooler_output, expected)
