import copy

import numpy as np
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
        ({"audio": np.zeros((2, 16000))}, "may be several recordings or one in stereo"),
        ({"audios": [0.0] * 16000}, "as audio=..., not as audios=..."),
        ({"text": "bells", "return_tensors": "tf"}, "return_tensors is 'tf'"),
        ({"text": "bells", "max_length": 65}, "max_length is 65, but the text tower reads 64 tokens"),
        ({"text": "bells", "padding": True, "text_kwargs": {"padding": False}}, "padding was passed two times"),
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


def test_arguments_go_to_the_tokenizer_and_in_audio_kwargs_to_the_feature_extractor(tiny_processor, sounds):
    texts = ["slow sad piano", "bells"]
    padded = tiny_processor(texts, sounds[2], sampling_rate=16000, padding="max_length", max_length=12, truncation=True)
    assert padded["input_ids"].shape == (2, 12) and padded["window_counts"].tolist() == [3]
    assert tiny_processor(texts, padding="max_length")["input_ids"].shape == (2, 64)
    assert tiny_processor(texts, pad_to_multiple_of=8)["input_ids"].shape == (2, 8)
    assert "attention_mask" not in tiny_processor(texts, return_attention_mask=False)
    cut = {"truncation": True, "max_length": 8000, "sampling_rate": 16000}
    nested = tiny_processor(texts, sounds[2], text_kwargs={"max_length": 4}, audio_kwargs=cut)
    assert nested["input_ids"].shape == (2, 4)
    assert torch.equal(nested["input_values"], tiny_processor(audio=sounds[2][:8000])["input_values"])
    arrays = tiny_processor(texts, sounds, sampling_rate=16000, common_kwargs={"return_tensors": "np"})
    assert all(isinstance(values, np.ndarray) for values in arrays.values())
    lists = tiny_processor(texts, sounds, sampling_rate=16000, return_tensors=None, padding=False)
    assert [len(ids) for ids in lists["input_ids"]] == [5, 4] and len(lists["input_values"]) == 4


def test_a_saved_tokenizers_own_max_length_cuts_no_sentence(tiny_processor):
    processor = copy.deepcopy(tiny_processor)
    processor.tokenizer.init_kwargs["max_length"] = 8  # as a tokenizer of sentence-transformers has it
    assert processor("slow sad piano " * 10)["input_ids"].shape == (1, 32)


@pytest.mark.parametrize(
    "arguments", [{"images": []}, {"tone": 1}, {"text_kwargs": {"tone": 1}}, {"audio_kwargs": {"stride": 1}}]
)
def test_an_unknown_argument_is_refused_by_name(tiny_processor, arguments):
    with pytest.raises(TypeError, match=r"unexpected argument '(images|tone|stride)'"):
        tiny_processor("bells", **arguments)


def test_saving_leaves_the_processor_as_it_was(tiny_processor, tmp_path):
    tiny_processor.save_pretrained(tmp_path)
    loaded = KobzaProcessor.from_pretrained(tmp_path)
    before = loaded.to_dict()
    loaded.save_pretrained(tmp_path)
    assert loaded.to_dict() == before == KobzaProcessor.from_pretrained(tmp_path).to_dict()
