"""Batches far larger than memory, with the gradients of the whole batch (GradCache, Gao et al. 2021, arXiv 2101.06983).

A contrastive loss needs all embeddings of a batch, but not all activations. So the batch goes through the towers in
chunks that keep their embeddings and forget the rest; the loss of all embeddings is differentiated down to them; and
then each chunk goes through the towers once more, takes up its embeddings' gradients, and is done before the next one
comes. This is activation checkpointing with a chunk as the unit, so torch's own does the second pass: with the random
state of the first (dropout is the same) and in one backward pass, which is what DistributedDataParallel waits for.

It costs a second forward pass. Memory: the activations of one chunk, and the inputs and embeddings of the batch.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from kobza.model.modeling_kobza import KobzaOutput


def in_chunks(forward: Callable[..., KobzaOutput], pairs: int) -> Callable[..., KobzaOutput]:
    """A model's `forward` that goes through `pairs` rows of its inputs at a time where gradients are asked for.

    Its inputs are tensors of n rows each. Of its output there are the embeddings alone: no loss, no logits.
    """

    def embed(inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        output = forward(**inputs)
        return output.text_embeds, output.audio_embeds

    def forward_in_chunks(**inputs) -> KobzaOutput:
        if not torch.is_grad_enabled():
            return forward(**inputs)
        split = [
            dict(zip(inputs, rows, strict=True))
            for rows in zip(*(v.split(pairs) for v in inputs.values()), strict=True)
        ]
        text, audio = zip(*(checkpoint(embed, chunk, use_reentrant=False) for chunk in split), strict=True)
        return KobzaOutput(text_embeds=torch.cat(text), audio_embeds=torch.cat(audio))

    return forward_in_chunks


def check_chunks(model: nn.Module, pairs: int) -> None:
    """Raise a ValueError, in one sentence, where chunks would not give the gradients of the whole batch."""
    if pairs < 1:
        raise ValueError(f"--gradient_cache_chunk is {pairs}: give how many pairs fit into memory, 1 or more.")
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if any(parameter.requires_grad for norm in norms for parameter in norm.parameters()):
        raise ValueError(
            "--gradient_cache_chunk cannot be used while a ResNet trains, whose BatchNorm would see a chunk instead of "
            "the batch: freeze the tower (--audio_trainable_layers 0), or leave the chunks out."
        )
