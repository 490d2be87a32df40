"""A chunked batch equals the whole batch in loss, gradients and dropout, and has one chunk of activations in memory."""

import weakref

import pytest
import torch
from pairs import TensorPairs, collate, model_without_dropout
from tiny import TINY_RESNET, TINY_TEXT, make_model

from kobza.model.loss_kobza import LOSSES
from kobza.training.gradient_cache import ChunkedModel, check_chunks


def batch(n: int) -> dict:
    made = collate([TensorPairs(n)[i] for i in range(n)])
    del made["keys"]
    made["attention_mask"][::2, 4:] = 0
    return made


def gradients(model, forward, inputs) -> tuple[float, dict]:
    model.zero_grad()
    output = forward(**inputs)
    loss = LOSSES[model.config.loss_type](model.similarity(output.text_embeds, output.audio_embeds))
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_equal(found, expected):
    assert found[0] == pytest.approx(expected[0], abs=1e-6) and found[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-6, rtol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("chunk", [1, 3, 8, 64])
def test_gradients_are_those_of_the_whole_batch(chunk, loss):
    model = model_without_dropout(
        loss_type=loss, temperature_learned=True, audio_extra_layers=1, text_pooling="mean"
    ).train()
    whole = gradients(model, model.forward, batch(8))
    assert_equal(gradients(model, ChunkedModel(model, chunk), batch(8)), whole)
    assert "logit_scale" in whole[1] and len(whole[1]) > 60


def test_the_second_pass_has_the_dropout_of_the_first():
    """The reference: the same chunks, so that dropout is the same, with all activations kept."""
    model = make_model(text_config={**TINY_TEXT, "hidden_dropout_prob": 0.3}).train()
    inputs = batch(6)

    def all_kept(**inputs):
        parts = [model(**{name: value[i : i + 2] for name, value in inputs.items()}) for i in (0, 2, 4)]
        return type(parts[0])(
            text_embeds=torch.cat([p.text_embeds for p in parts]),
            audio_embeds=torch.cat([p.audio_embeds for p in parts]),
        )

    found = []
    for forward in (all_kept, ChunkedModel(model, 2), ChunkedModel(model, 2)):
        torch.manual_seed(len(found) // 2)
        found.append(gradients(model, forward, inputs))
    assert_equal(found[1], found[0])
    assert abs(found[2][0] - found[0][0]) > 1e-4  # another seed: dropout is on


def test_one_chunk_is_in_memory_at_a_time():
    model = model_without_dropout().train()
    alive, most = [], {}

    def watch(how):
        def hook(module, args, output):
            alive[:] = [ref for ref in alive if ref() is not None] + [weakref.ref(output)]
            most[how] = max(most.get(how, 0), sum(ref().shape[0] for ref in alive))

        return hook

    for how, forward in (("whole", model.forward), ("chunks", ChunkedModel(model, 2))):
        handle = model.audio_model.layers[0].mlp.fc1.register_forward_hook(watch(how))
        gradients(model, forward, batch(12))
        handle.remove()
        alive.clear()
    assert most == {"whole": 12, "chunks": 2}


def test_without_gradients_the_batch_is_not_chunked():
    model = model_without_dropout()
    with torch.no_grad():
        output = ChunkedModel(model, 2)(**batch(5))
    assert output.logits_per_text.shape == (5, 5)


def test_a_trainable_batchnorm_is_refused():
    model = make_model(audio_config=TINY_RESNET)
    with pytest.raises(ValueError, match=r"cannot be used while a ResNet trains, .*--audio_trainable_layers 0"):
        check_chunks(model, 4)
    model.freeze_towers(1, 0)
    check_chunks(model, 4)
    with pytest.raises(ValueError, match="--gradient_cache_chunk is -1: give how many pairs"):
        check_chunks(model, -1)
