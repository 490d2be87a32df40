"""Captions encoded in groups of similar length: the same embeddings and gradients, with less padding."""

import torch
from tiny import make_model

from kobza.training.frozen_split import FrozenSplitModel
from kobza.training.length_groups import encode_by_length
from kobza.training.model_factory import freeze_layers


def padded_batch(n: int = 40) -> dict:
    torch.manual_seed(0)
    lengths = torch.randint(3, 40, (n,))
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    return {"input_ids": torch.randint(5, 80, mask.shape) * mask, "attention_mask": mask}


def test_groups_are_short_and_rows_keep_their_places():
    batch, seen = padded_batch(), []

    def encode(tokens, mask):
        seen.append(tuple(tokens.shape))
        return tokens.sum(dim=1, keepdim=True)

    found = encode_by_length(encode, batch["input_ids"], batch["attention_mask"])
    assert torch.equal(found, batch["input_ids"].sum(dim=1, keepdim=True))
    assert [rows for rows, _ in seen] == [8] * 5 and [length for _, length in seen] == sorted(n for _, n in seen)
    assert sum(rows * length for rows, length in seen) < 0.75 * batch["input_ids"].numel()


def test_sentences_of_one_length_are_not_divided():
    seen = []
    encode_by_length(lambda tokens, _: seen.append(len(tokens)) or tokens, torch.ones(40, 6), torch.ones(40, 6))
    assert seen == [40]


def test_embeddings_and_gradients_are_those_of_the_whole_batch():
    for pooling in ("cls", "mean", "max"):
        batch = {**padded_batch(), "input_values": torch.randn(40, 1024, 128)}
        model = make_model(text_pooling=pooling, text_extra_layers=1).eval()  # without dropout
        freeze_layers(model, 1, 0)
        gradients = []
        for forward in (model, FrozenSplitModel(model)):
            model.zero_grad()
            output = forward(**batch)
            output.text_embeds[:, 0].sum().backward()
            gradients.append((output.text_embeds.detach(), [p.grad for p in model.parameters() if p.grad is not None]))
        (whole, whole_gradient), (grouped, grouped_gradient) = gradients
        torch.testing.assert_close(grouped, whole, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(grouped_gradient, whole_gradient, atol=1e-5, rtol=1e-4)
