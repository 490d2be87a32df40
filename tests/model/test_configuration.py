import json

import pytest
from tiny import TINY_AUDIO, TINY_RESNET, TINY_TEXT, make_model

from kobza import KobzaConfig, KobzaModel
from kobza.model.saving_kobza import PIPELINES


def test_defaults_are_bert_ast_and_128_dimensions():
    config = KobzaConfig()
    assert (config.text_config.model_type, config.audio_config.model_type) == ("bert", "audio-spectrogram-transformer")
    assert (config.projection_dim, config.projection, config.text_pooling) == (128, "linear", "cls")
    assert (config.loss_type, config.temperature, config.temperature_form) == ("clip", 1.0, "exp")
    assert not config.temperature_learned


def test_every_field_survives_saving(tmp_path):
    fields = {
        "projection_dim": 7,
        "projection": "mlp",
        "text_pooling": "max",
        "text_extra_layers": 2,
        "audio_extra_layers": 0,
        "loss_type": "siglip",
        "temperature": 0.2,  # a name that generation settings have too, and that transformers may refuse to save
        "temperature_form": "inverse",
        "temperature_learned": True,
    }
    KobzaConfig(text_config=TINY_TEXT, audio_config=TINY_RESNET, **fields).save_pretrained(tmp_path)
    loaded = KobzaConfig.from_pretrained(tmp_path)
    assert {name: getattr(loaded, name) for name in fields} == fields
    assert loaded.text_config.hidden_size == TINY_TEXT["hidden_size"]
    assert loaded.audio_config.model_type == "resnet" and loaded.audio_config.hidden_sizes == [8, 16]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"projection": "cubic"}, "projection is 'cubic', but must be one of linear, mlp, residual"),
        ({"text_pooling": "sum"}, "text_pooling is 'sum', but must be one of cls, mean, max"),
        ({"loss_type": "mse"}, "loss_type is 'mse', but must be one of clip, mulan, siglip"),
        ({"temperature_form": "log"}, "temperature_form is 'log', but must be one of exp, inverse"),
        ({"projection_dim": 0}, "projection_dim is 0, but must be 1 or more"),
        ({"text_extra_layers": -1}, "text_extra_layers is -1, but must be 0 or more"),
        ({"audio_extra_layers": -2}, "audio_extra_layers is -2, but must be 0 or more"),
        ({"temperature": 0.0, "temperature_form": "inverse"}, "temperature is 0.0, but 'inverse' divides by it"),
        ({"text_config": {"model_type": "gpt2"}}, "text_config is of type 'gpt2'"),
        ({"audio_config": {"model_type": "vit"}}, "audio_config is of type 'vit'"),
        ({"audio_config": {**TINY_RESNET, "num_channels": 3}}, "num_channels is 3, but a spectrogram has 1"),
        ({"audio_config": TINY_RESNET, "audio_extra_layers": 1}, "a ResNet has no attention layers"),
    ],
)
def test_a_bad_value_gives_a_sentence_that_names_it(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        KobzaConfig(**fields)


def test_a_temperature_of_zero_is_good_in_the_exponential_form():
    assert KobzaConfig(temperature=0.0).temperature == 0.0


def test_a_bad_value_is_found_when_it_overrides_a_saved_one(tmp_path):
    make_model().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="text_pooling is 'sum'"):
        KobzaModel.from_pretrained(tmp_path, text_pooling="sum")


def test_the_pipeline_entry_needs_no_trust_where_kobza_is_installed_and_outlives_saving(tmp_path):
    KobzaConfig(text_config=TINY_TEXT, audio_config=TINY_AUDIO).save_pretrained(tmp_path)
    config = KobzaConfig.from_pretrained(tmp_path)
    assert config.custom_pipelines == {}
    config.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["custom_pipelines"] == PIPELINES
