import itertools
import math

import pytest
import torch
from safetensors import safe_open
from tiny import TINY_AUDIO, TINY_RESNET, TINY_TEXT, make_model
from transformers import AutoModel, BertConfig, BertModel, ResNetConfig, ResNetModel
from transformers.models.audio_spectrogram_transformer import (
    ASTConfig,
    ASTForAudioClassification,
)

from kobza import KobzaModel, KobzaOutput
from kobza.model.loss_kobza import LOSSES


def make_inputs(recordings: int = 3) -> dict[str, torch.Tensor]:
    """Three sentences of 9, 5 and 2 tokens, and as many one-window recordings."""
    generator = torch.Generator().manual_seed(1)
    mask = (torch.arange(9) < torch.tensor([9, 5, 2])[:, None]).long()
    ids = torch.randint(5, 80, (3, 9), generator=generator) * mask
    windows = torch.randn(recordings, 1024, 128, generator=generator)
    return {"input_ids": ids, "attention_mask": mask, "input_values": windows}


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-5) -> bool:
    return bool((a.float() - b.float()).abs().max() <= tolerance)


VARIANTS = {
    "linear-cls-ast-clip": {},
    "mlp-mean-ast-mulan": {"projection": "mlp", "text_pooling": "mean", "loss_type": "mulan"},
    "residual-max-ast-siglip": {"projection": "residual", "text_pooling": "max", "loss_type": "siglip"},
    "extra-layers": {"text_extra_layers": 1, "audio_extra_layers": 2, "temperature_learned": True},
    "resnet": {"audio_config": TINY_RESNET, "text_extra_layers": 2, "text_pooling": "mean", "loss_type": "mulan"},
    "resnet-mlp": {"audio_config": TINY_RESNET, "projection": "mlp", "projection_dim": 16, "loss_type": "siglip"},
}


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_embeds_trains_saves_and_loads(fields, tmp_path):
    model, inputs = make_model(**fields), make_inputs()
    output = model(**inputs, return_loss=True)
    assert isinstance(output, KobzaOutput)
    for embeds in (output.text_embeds, output.audio_embeds):
        assert embeds.shape == (3, fields.get("projection_dim", 128)) and embeds.dtype == torch.float32
        assert close(embeds.norm(dim=1), torch.ones(3))
    assert torch.equal(output.logits_per_audio, output.logits_per_text.t())
    output.loss.backward()
    missing = {name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None}
    assert not missing

    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".py"} == {
        "config.json",
        "model.safetensors",
        "modules.json",
    }
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert set(file.keys()) == set(model.state_dict())  # Trainer resumes with these names or not at all
    loaded, report = KobzaModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name]), name
    again = loaded(**inputs, return_loss=True)
    assert torch.equal(again.logits_per_text, output.logits_per_text) and torch.equal(again.loss, output.loss)
    assert type(AutoModel.from_pretrained(tmp_path)) is KobzaModel


def test_logits_are_scaled_cosines_and_the_loss_is_theirs():
    inputs = make_inputs()
    for loss_type, (temperature, form, scale) in itertools.product(
        LOSSES, [(1.0, "exp", math.e), (2.0, "exp", math.e**2), (0.2, "inverse", 5.0)]
    ):
        model = make_model(loss_type=loss_type, temperature=temperature, temperature_form=form)
        output = model(**inputs, return_loss=True)
        expected = output.text_embeds @ output.audio_embeds.t() * scale - (10.0 if loss_type == "siglip" else 0.0)
        assert close(output.logits_per_text, expected)
        assert close(output.loss, LOSSES[loss_type](expected))
        assert model.logit_scale.item() == pytest.approx(math.log(scale))
        assert not model.logit_scale.requires_grad


def test_a_learned_temperature_learns_and_stays_below_a_hundred():
    model = make_model(temperature_learned=True, temperature=10.0)
    assert model.logit_scale.requires_grad
    output = model(**make_inputs(), return_loss=True)
    assert close(output.logits_per_text, output.text_embeds @ output.audio_embeds.t() * 100, 1e-2)
    learned = make_model(temperature_learned=True)
    learned(**make_inputs(), return_loss=True).loss.backward()
    assert learned.logit_scale.grad != 0


def test_a_fixed_temperature_is_the_configurations_and_a_learned_one_the_files(tmp_path):
    make_model(temperature=1.0).save_pretrained(tmp_path)
    assert KobzaModel.from_pretrained(tmp_path, temperature=2.0).logit_scale.item() == 2.0
    learned = make_model(temperature_learned=True)
    learned.logit_scale.data.fill_(3.0)
    learned.save_pretrained(tmp_path)
    assert KobzaModel.from_pretrained(tmp_path).logit_scale.item() == 3.0


@pytest.mark.parametrize("learned", [False, True])
def test_a_loaded_temperature_trains_only_if_it_is_learned(learned, tmp_path):
    make_model(temperature_learned=learned).save_pretrained(tmp_path)
    for cls in (KobzaModel, AutoModel):
        assert cls.from_pretrained(tmp_path).logit_scale.requires_grad is learned
    model = KobzaModel.from_pretrained(tmp_path).train()
    before = model.logit_scale.item()
    model(**make_inputs(), return_loss=True).loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert (model.logit_scale.item() != before) is learned
    model.save_pretrained(tmp_path)
    assert KobzaModel.from_pretrained(tmp_path).logit_scale.item() == model.logit_scale.item()


def test_a_learned_scale_comes_back_from_beyond_the_limit():
    model, inputs = make_model(temperature_learned=True), make_inputs()
    with torch.no_grad():
        model.logit_scale.fill_(5.0)
    model(**inputs)
    assert model.logit_scale.item() == 5.0  # nothing but training moves a weight
    output = model.train()(**inputs, return_loss=True)
    assert model.logit_scale.item() == pytest.approx(math.log(100), abs=1e-4)
    assert close(output.logits_per_text, output.text_embeds @ output.audio_embeds.t() * 100, 1e-2)
    output.loss.backward()
    assert model.logit_scale.grad.abs() > 1e-6


@pytest.mark.parametrize("loss_type", ["clip", "siglip"])
def test_what_stays_in_float32_is_there_and_the_models_type_is_that_of_its_weights(loss_type, tmp_path):
    model = make_model(loss_type=loss_type)
    pinned = {"logit_scale", "logit_bias"} & set(model.state_dict())
    assert model._keep_in_fp32_modules_strict == pinned and len(pinned) == (2 if loss_type == "siglip" else 1)
    model.save_pretrained(tmp_path)
    made = AutoModel.from_config(model.config, dtype=torch.bfloat16)
    for half in (made, KobzaModel.from_pretrained(tmp_path, dtype=torch.bfloat16)):
        assert half.dtype == half.audio_model.dtype == torch.bfloat16
        assert {name for name, weight in half.named_parameters() if weight.dtype == torch.float32} == pinned
    assert model.dtype == torch.float32


def test_the_table_of_words_can_be_had_and_resized(tmp_path):
    model, inputs = make_model(), make_inputs()
    table = model.text_model.embeddings.word_embeddings
    assert model.get_input_embeddings() is table and model.get_output_embeddings() is None
    before = model(**inputs).text_embeds
    model.resize_token_embeddings(96)
    assert model.config.text_config.vocab_size == 96 == model.get_input_embeddings().num_embeddings
    assert close(model(**inputs).text_embeds, before, 1e-6)
    model.save_pretrained(tmp_path)
    assert torch.equal(KobzaModel.from_pretrained(tmp_path)(**inputs).text_embeds, model(**inputs).text_embeds)
    model.set_input_embeddings(torch.nn.Embedding(10, 32))
    assert model.text_model.embeddings.word_embeddings.num_embeddings == 10


def test_an_unknown_argument_is_refused_by_name():
    model, inputs = make_model(), make_inputs()
    with pytest.raises(TypeError, match="window_count'"):
        model(**inputs, window_count=torch.tensor([3]))
    with pytest.raises(TypeError, match="input_features"):
        model.get_audio_features(inputs["input_values"], input_features=1)
    with pytest.raises(TypeError, match="position"):
        model.get_text_features(inputs["input_ids"], position=1)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
@pytest.mark.parametrize("extra", [0, 1])
def test_padding_changes_no_sentence(pooling, extra):
    model, inputs = make_model(text_pooling=pooling, text_extra_layers=extra), make_inputs()
    together = model(inputs["input_ids"], inputs["attention_mask"]).text_embeds
    for row, length in enumerate((9, 5, 2)):
        alone = model(inputs["input_ids"][row : row + 1, :length]).text_embeds
        assert close(together[row], alone[0])


def test_poolings_are_what_they_say():
    inputs = {name: value for name, value in make_inputs().items() if name != "input_values"}
    pooled = {}
    for pooling in ("cls", "mean", "max"):
        model = make_model(text_pooling=pooling, projection_dim=32)
        with torch.no_grad():
            model.text_projection.weight.copy_(torch.eye(32))
            model.text_projection.bias.zero_()
        features = model.get_text_features(**inputs)
        pooled[pooling], tokens = features.pooler_output[1], features.last_hidden_state[1, :5]
    expected = {"cls": tokens[0], "mean": tokens.mean(dim=0), "max": tokens.amax(dim=0)}
    for pooling, vector in expected.items():
        assert close(pooled[pooling], torch.nn.functional.normalize(vector, dim=0)), pooling


def test_the_audio_tower_pools_as_transformers_ast_does():
    model, windows = make_model(projection_dim=32), make_inputs()["input_values"]
    with torch.no_grad():
        model.audio_projection.weight.copy_(torch.eye(32))
        model.audio_projection.bias.zero_()
    expected = torch.nn.functional.normalize(model.audio_model(windows).pooler_output, dim=1)
    assert close(model.get_audio_features(windows).pooler_output, expected)


@pytest.mark.parametrize("side", ["text", "audio"])
def test_extra_layers_act_on_the_whole_sequence(side):
    plain, deep = make_model(), make_model(**{f"{side}_extra_layers": 1})
    deep.load_state_dict(plain.state_dict(), strict=False)
    inputs = make_inputs()
    before, after = (getattr(model(**inputs), f"{side}_embeds") for model in (plain, deep))
    assert not close(before, after, 1e-3)
    layer, seen = getattr(deep, f"{side}_extra_layers")[0], []
    layer.register_forward_hook(lambda module, given, result: seen.append(given[0].shape))
    deep(**inputs)
    assert seen == [(3, 9, 32) if side == "text" else (3, 2 + 4 * 32, 32)]


def test_a_recording_is_the_normalised_mean_of_its_windows():
    model, inputs = make_model(), make_inputs(recordings=6)
    windows = model.get_audio_features(inputs["input_values"]).pooler_output
    counts = torch.tensor([3, 1, 2])
    output = model(**inputs, window_counts=counts, return_loss=True)
    for row, part in enumerate(windows.split(counts.tolist())):
        mean = part.mean(dim=0)
        assert close(output.audio_embeds[row], mean / mean.norm())
    assert output.logits_per_audio.shape == (3, 3)
    with pytest.raises(ValueError, match="window_counts adds up to 5, but input_values has 6 rows"):
        model.get_audio_features(inputs["input_values"], torch.tensor([3, 2]))


def test_alone_and_in_a_batch_are_the_same():
    model, windows = make_model(audio_extra_layers=1), make_inputs(5)["input_values"]
    together = model.get_audio_features(windows).pooler_output
    assert close(together, torch.cat([model.get_audio_features(row[None]).pooler_output for row in windows]))


def test_either_tower_may_be_alone_and_pairs_must_be_pairs():
    model, inputs = make_model(), make_inputs()
    text = model(inputs["input_ids"], inputs["attention_mask"])
    assert text.audio_embeds is None and text.logits_per_text is None and text.text_embeds.shape == (3, 128)
    audio = model(input_values=inputs["input_values"])
    assert audio.text_embeds is None and audio.audio_embeds.shape == (3, 128)
    with pytest.raises(ValueError, match="neither input_ids nor input_values"):
        model()
    with pytest.raises(ValueError, match="as many sentences as recordings"):
        model(**make_inputs(2), return_loss=True)
    with pytest.raises(ValueError, match="as many sentences as recordings"):
        model(input_ids=inputs["input_ids"], return_loss=True)


def test_tuples_hidden_states_and_attentions():
    model, inputs = make_model(), make_inputs()
    named = model(**inputs, return_loss=True)
    as_tuple = model(**inputs, return_loss=True, return_dict=False)
    assert isinstance(as_tuple, tuple) and torch.equal(as_tuple[0], named.loss)
    model.config.return_dict = False
    assert torch.equal(model(**inputs, return_loss=True)[0], named.loss)
    model.config.return_dict = True
    model.set_attn_implementation("eager")
    output = model(**inputs, output_hidden_states=True, output_attentions=True)
    for tower in (output.text_model_output, output.audio_model_output):
        assert len(tower.hidden_states) == 3 and len(tower.attentions) == 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close_and_embeddings_stay_float32(dtype, tmp_path):
    model, inputs = make_model(loss_type="siglip", text_extra_layers=1, text_pooling="mean"), make_inputs()
    full = model(**inputs)
    model.save_pretrained(tmp_path)
    half = KobzaModel.from_pretrained(tmp_path, dtype=dtype)
    assert half.text_projection.weight.dtype == half.audio_model.dtype == dtype
    assert half.logit_scale.dtype == half.logit_bias.dtype == torch.float32
    output = half(**inputs)
    for side in ("text_embeds", "audio_embeds"):
        assert getattr(output, side).dtype == torch.float32
        assert (getattr(output, side) * getattr(full, side)).sum(dim=1).min() > 0.999
    with torch.autocast("cpu", torch.bfloat16):
        auto = model(**inputs, return_loss=True)
    assert auto.logits_per_text.dtype == auto.audio_embeds.dtype == auto.loss.dtype == torch.float32
    assert (auto.audio_embeds * full.audio_embeds).sum(dim=1).min() > 0.999


@pytest.mark.parametrize("fields", [{"text_extra_layers": 1, "audio_extra_layers": 1}, {"audio_config": TINY_RESNET}])
def test_sdpa_and_eager_agree(fields, tmp_path):
    inputs = make_inputs()
    make_model(**fields).save_pretrained(tmp_path)
    outputs = {}
    for name in ("sdpa", "eager"):
        model = KobzaModel.from_pretrained(tmp_path, attn_implementation=name)
        assert model.text_model.config._attn_implementation == name
        outputs[name] = model(**inputs)
    assert close(outputs["sdpa"].text_embeds, outputs["eager"].text_embeds)
    assert close(outputs["sdpa"].audio_embeds, outputs["eager"].audio_embeds)


def test_gradient_checkpointing_changes_no_gradient():
    inputs, gradients = make_inputs(), []
    for checkpointing in (False, True):
        model = make_model(text_extra_layers=1, audio_extra_layers=1)
        for module in model.modules():  # in train mode, where checkpointing acts, but without chance
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for layer in [*model.text_model.encoder.layer, *model.text_extra_layers]:
            layer.attention.self.dropout.p = 0.0
        if checkpointing:
            model.gradient_checkpointing_enable()
            assert (
                model.text_extra_layers[0].gradient_checkpointing and model.audio_model.layers[0].gradient_checkpointing
            )
        model.train()
        model(**inputs, return_loss=True).loss.backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 50
    assert all(close(gradients[0][name], gradients[1][name], 1e-6) for name in gradients[0])


def test_compile_meets_no_graph_break():
    fields = {"text_extra_layers": 1, "audio_extra_layers": 1, "text_pooling": "mean", "loss_type": "mulan"}
    model, inputs = make_model(**fields), make_inputs(6)
    inputs |= {"window_counts": torch.tensor([3, 1, 2]), "return_loss": True}
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        expected, got = model(**inputs), compiled(**inputs)
    assert close(got.logits_per_text, expected.logits_per_text) and close(got.loss, expected.loss)


def frozen_and_trained(model) -> tuple[set[str], set[str]]:
    names = {True: set(), False: set()}
    for name, weight in model.named_parameters():
        names[weight.requires_grad].add(name)
    return names[False], names[True]


def test_freezing_leaves_the_last_layers_extra_layers_and_projections():
    model = make_model(text_extra_layers=1, audio_extra_layers=1, projection="mlp")
    model.freeze_towers(text_trainable_layers=1)
    frozen, trained = frozen_and_trained(model)
    ours = ("text_model.encoder.layer.1.", "text_extra_layers.", "audio_extra_layers.")
    assert trained == {name for name in frozen | trained if name.startswith(ours) or "_projection." in name}

    model.train()
    assert not model.text_model.embeddings.training and not model.text_model.encoder.layer[0].training
    assert not model.text_model.encoder.layer[0].attention.self.dropout.training and not model.audio_model.training
    assert model.text_model.encoder.layer[1].attention.self.dropout.training
    assert model.text_extra_layers[0].training and model.audio_extra_layers[0].training and model.training
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=1.0)
    model(**make_inputs(), return_loss=True).loss.backward()
    assert all(model.get_parameter(name).grad is None for name in frozen)
    optimizer.step()
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    still = {name for name in trained - changed if "key.bias" not in name and "k_proj.bias" not in name}
    assert changed <= trained and not still  # a key's bias has no gradient: softmax does not see it

    model.freeze_towers(text_trainable_layers=2, audio_trainable_layers=1)  # and again, with other numbers
    _, trained = frozen_and_trained(model)
    assert "text_model.encoder.layer.0.output.dense.weight" in trained
    assert "audio_model.layers.1.mlp.fc1.weight" in trained and "audio_model.layers.0.mlp.fc1.weight" not in trained
    with pytest.raises(ValueError, match="audio_trainable_layers is 3, but the tower has 2 layers: give 0 to 2"):
        model.freeze_towers(audio_trainable_layers=3)


def test_a_frozen_resnet_keeps_its_statistics():
    model = make_model(audio_config=TINY_RESNET)
    model.freeze_towers(audio_trainable_layers=1)
    model.train()(**make_inputs(), return_loss=True)
    seen = {name: value.item() for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    assert {name for name, value in seen.items() if value} == {name for name in seen if ".encoder.stages.1." in name}


def test_joining_two_pretrained_towers(tmp_path):
    torch.manual_seed(3)
    text = BertModel(BertConfig(**TINY_TEXT))
    tagger = ASTForAudioClassification(ASTConfig(**{k: v for k, v in TINY_AUDIO.items() if k != "model_type"}))
    text.save_pretrained(tmp_path / "text")
    tagger.save_pretrained(tmp_path / "audio")
    windows = make_inputs()["input_values"]
    for pair in ((text, tagger), (str(tmp_path / "text"), str(tmp_path / "audio"))):
        model = KobzaModel.from_towers(*pair, projection_dim=16, text_pooling="mean", text_extra_layers=1)
        assert (model.config.projection_dim, model.config.text_pooling, len(model.text_extra_layers)) == (16, "mean", 1)
        for name, weight in model.text_model.state_dict().items():
            assert torch.equal(weight, text.state_dict()[name])
        expected = tagger.eval().audio_spectrogram_transformer(windows).pooler_output
        assert torch.equal(model.eval().audio_model(windows).pooler_output, expected)
    assert text.pooler is not None  # the originals are left alone


def test_joining_a_resnet_made_for_pictures():
    picture = ResNetModel(ResNetConfig(**{**TINY_RESNET, "num_channels": 3})).eval()
    model = KobzaModel.from_towers(BertModel(BertConfig(**TINY_TEXT)), picture).eval()
    windows = make_inputs()["input_values"]
    assert (picture.config.num_channels, model.config.audio_config.num_channels) == (3, 1)
    grey = picture(windows[:, None].expand(-1, 3, -1, -1)).last_hidden_state
    assert close(model.audio_model(windows[:, None]).last_hidden_state, grey, 1e-4)
