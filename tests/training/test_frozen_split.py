"""The split model equals the model for every choice of frozen layers, and the part before the split is frozen."""

import pytest
import torch
from tiny import TINY_AUDIO, TINY_RESNET, TINY_TEXT, make_model

from kobza.training.frozen_split import FrozenSplitModel, TextSplit, audio_split
from kobza.training.model_factory import freeze_layers

AST, RESNET = TINY_AUDIO, TINY_RESNET


def inputs(n: int = 5) -> dict:
    rng = torch.Generator().manual_seed(n)
    mask = torch.ones(n, 9, dtype=torch.long)
    mask[1, 4:] = mask[3, 2:] = 0
    ids = torch.randint(5, 80, (n, 9), generator=rng) * mask
    return {"input_ids": ids, "attention_mask": mask, "input_values": torch.randn(n, 1024, 128, generator=rng)}


@pytest.mark.parametrize("audio", [AST, RESNET], ids=["ast", "resnet"])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
@pytest.mark.parametrize("trainable", [(0, 0), (1, 1), (2, 2), (0, 1), (1, 0), (-1, -1)])
@pytest.mark.parametrize("extra", [0, 1])
def test_the_split_model_equals_the_model(extra, trainable, pooling, audio):
    extras = {"text_extra_layers": extra, "audio_extra_layers": extra if audio is AST else 0}
    model = make_model(audio_config=dict(audio), text_pooling=pooling, **extras)
    freeze_layers(model, *trainable)
    text, sound, batch = TextSplit(model), audio_split(model), inputs()
    assert [text.depth, sound.depth] == [2 - n if n >= 0 else 0 for n in trainable]
    tokens, maps = (
        text.forward_frozen(batch["input_ids"], batch["attention_mask"]),
        sound.forward_frozen(batch["input_values"]),
    )
    mask = batch["attention_mask"] if text.needs_sequence else batch["attention_mask"][:, :1]
    assert tokens.shape[1] == (9 if trainable[0] or extra else 1) == mask.shape[1]
    if not trainable[1] and not extra:
        assert maps.shape[1:] == ((2, 32) if audio is AST else (16, 1, 1))
    whole = model(**batch)
    output = FrozenSplitModel(model)(text_frozen=tokens, attention_mask=mask, audio_frozen=maps)
    torch.testing.assert_close(output.text_embeds, whole.text_embeds, atol=1e-6, rtol=0)
    torch.testing.assert_close(output.audio_embeds, whole.audio_embeds, atol=1e-6, rtol=0)
    for split in (text, sound):
        if split.depth:
            assert not any(p.requires_grad for p in split.frozen.parameters())
            assert all(p in set(split.frozen.parameters()) for p in split.layers[: split.depth].parameters())


def test_one_tower_may_take_its_ordinary_input():
    model, batch = make_model(text_extra_layers=1), inputs()
    freeze_layers(model, 1, 0)
    whole, forward = model(**batch), FrozenSplitModel(model)
    sound, text = audio_split(model).forward_frozen(batch["input_values"]), TextSplit(model)
    tokens = text.forward_frozen(batch["input_ids"], batch["attention_mask"])
    one = forward(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], audio_frozen=sound)
    two = forward(text_frozen=tokens, attention_mask=batch["attention_mask"], input_values=batch["input_values"])
    for output in (one, two, forward(**batch)):
        torch.testing.assert_close(output.text_embeds, whole.text_embeds, atol=1e-6, rtol=0)
        torch.testing.assert_close(output.audio_embeds, whole.audio_embeds, atol=1e-6, rtol=0)


def test_gradients_and_dropout_equal_the_models_and_frozen_layers_have_neither():
    model, batch = make_model(text_config={**TINY_TEXT, "hidden_dropout_prob": 0.3}, text_extra_layers=1), inputs()
    freeze_layers(model, 1, 1)
    model.train()
    text, sound = TextSplit(model), audio_split(model)
    tokens, maps = (
        text.forward_frozen(batch["input_ids"], batch["attention_mask"]),
        sound.forward_frozen(batch["input_values"]),
    )
    assert not tokens.requires_grad and not maps.requires_grad
    assert torch.equal(tokens, text.forward_frozen(batch["input_ids"], batch["attention_mask"]))
    found = []
    for forward in (
        lambda: model(**batch),
        lambda: FrozenSplitModel(model)(text_frozen=tokens, attention_mask=batch["attention_mask"], audio_frozen=maps),
    ):
        torch.manual_seed(0)  # trainable layers draw the same dropout, because frozen layers draw none
        model.zero_grad()
        output = forward()
        model.similarity(output.text_embeds, output.audio_embeds).square().mean().backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys() and len(found[0]) > 40
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-6, rtol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
