"""GradCache: batches larger than memory with the gradients of the whole batch (Gao et al. 2021, arXiv 2101.06983).

A contrastive loss needs all embeddings of a batch, but not all activations. So the batch passes through the towers in
chunks that keep their embeddings and discard their activations; the loss of all embeddings is differentiated down to
the embeddings; then each chunk passes through the towers again and backpropagates its embeddings' gradients before the
next one starts. This is activation checkpointing with a chunk as the unit, so torch's own does the second pass: with
the random state of the first (the same dropout) and in a single backward pass, as DistributedDataParallel requires.

The cost is a second forward pass. Memory: the activations of one chunk, and the inputs and embeddings of the batch.
"""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from kobza.model.modeling_kobza import KobzaOutput


class ChunkedModel(nn.Module):
    """A model whose forward pass takes `chunk_size` rows of its inputs at a time where gradients are needed.

    Its inputs are tensors of n rows each. The output holds the embeddings only: no loss, no logits.
    """

    def __init__(self, model: nn.Module, chunk_size: int):
        super().__init__()
        self.model = model
        self.chunk_size = chunk_size

    def _embed(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        output = self.model(**inputs)
        return output.text_embeds, output.audio_embeds

    def forward(self, **inputs: torch.Tensor) -> KobzaOutput:
        if not torch.is_grad_enabled():
            return self.model(**inputs)
        split = [value.split(self.chunk_size) for value in inputs.values()]
        chunks = [dict(zip(inputs, rows, strict=True)) for rows in zip(*split, strict=True)]
        embedded = [checkpoint(self._embed, chunk, use_reentrant=False) for chunk in chunks]
        text, audio = zip(*embedded, strict=True)
        return KobzaOutput(text_embeds=torch.cat(text), audio_embeds=torch.cat(audio))


def check_chunks(model: nn.Module, chunk_size: int) -> None:
    """Raise a ValueError where chunks would not give the gradients of the whole batch."""
    if chunk_size < 1:
        raise ValueError(f"--gradient_cache_chunk is {chunk_size}: give how many pairs fit into memory, 1 or more.")
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    if any(parameter.requires_grad for norm in norms for parameter in norm.parameters()):
        raise ValueError(
            "--gradient_cache_chunk cannot be used while a ResNet trains, whose BatchNorm would see a chunk instead of "
            "the batch: freeze the tower (--audio_trainable_layers 0), or leave out --gradient_cache_chunk."
        )
