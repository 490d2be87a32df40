import copy

import pytest
import torch

from kobza import KobzaProcessor


def test_text_and_audio_become_the_models_arguments(tiny_processor, sounds):
    both = tiny_processor(text=["slow sad piano", "bells"], audio=sounds[:3], sampling_rate=16000)
    assert set(both) == {"input_ids", "token_type_ids", "attention_mask", "input_values", "window_counts"}
    assert both["input_ids"].shape == both["attention_mask"].shape and both["input_ids"].shape[0] == 2
    assert both["attention_mask"][1].sum() < both["attention_mask"][0].sum()
    assert both["input_values"].shape[0] == both["window_counts"].sum() == 5
    assert "input_values" not in tiny_processor(text="bells")
    assert "input_ids" not in tiny_processor(audio=sounds[0], sampling_rate=16000)


def test_audio_is_the_feature_extractors(tiny_processor, sounds):
    rows = tiny_processor.feature_extractor(sounds, sampling_rate=16000)["input_values"]
    assert torch.equal(tiny_processor(audio=sounds, sampling_rate=16000)["input_values"], rows)


def test_a_long_text_is_cut_to_what_the_tower_can_read(tiny_processor):
    long = "slow sad piano " * 400
    assert tiny_processor(text=long)["input_ids"].shape == (1, 64)  # the tiny tokenizer's limit
    boundless = copy.deepcopy(tiny_processor)
    boundless.tokenizer.model_max_length = int(1e30)
    assert boundless(text=long)["input_ids"].shape == (1, 512)  # BERT's


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "neither text nor audio"),
        ({"text": []}, "must be a sentence or a list of sentences"),
        ({"text": 7}, "must be a sentence or a list of sentences"),
        ({"text": ["bells", 3]}, "must be a sentence or a list of sentences"),
        ({"audio": [0.0] * 16000}, "sampling rate is missing"),
    ],
)
def test_bad_input_gives_a_sentence(tiny_processor, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny_processor(**arguments)


def test_saved_and_loaded_it_does_the_same(tiny_processor, sounds, tmp_path):
    tiny_processor.save_pretrained(tmp_path)
    loaded = KobzaProcessor.from_pretrained(tmp_path)
    given = {"text": ["a slow song", "drums and bass"], "audio": sounds[3], "sampling_rate": 16000}
    before, after = tiny_processor(**given), loaded(**given)
    assert set(before) == set(after) and all(torch.equal(before[key], after[key]) for key in before)
