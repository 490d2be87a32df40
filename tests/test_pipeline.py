import json
import wave

import numpy as np
import pytest
import torch
from tiny import make_model
from transformers import pipeline

from kobza import KobzaRetrievalPipeline, pipeline_kobza

TASK = "text-to-music-retrieval"


@pytest.fixture(scope="module")
def pipe(tiny_checkpoint):
    return pipeline(TASK, model=tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory, sounds) -> list[str]:
    folder = tmp_path_factory.mktemp("songs")
    paths = [str(folder / f"song {number}.wav") for number in range(len(sounds))]
    for path, sound in zip(paths, sounds, strict=True):
        with wave.open(path, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(np.round(sound * 32767).astype("<i2").tobytes())
    return paths


def test_scores_are_cosines_of_whole_recordings_best_first(pipe, sounds, tiny_processor):
    answers = pipe("slow sad piano", candidates=sounds)
    inputs = tiny_processor(text="slow sad piano", audio=sounds, sampling_rate=16000)
    with torch.no_grad():
        output = pipe.model(**inputs)
    cosines = (output.text_embeds @ output.audio_embeds.t())[0]
    assert [answer["index"] for answer in answers] == cosines.argsort(descending=True).tolist()
    for answer in answers:
        assert set(answer) == {"score", "index"}
        assert answer["score"] == pytest.approx(cosines[answer["index"]].item(), abs=1e-5)


def test_several_queries_embed_each_candidate_once(pipe, sounds, monkeypatch):
    alone = [pipe(query, candidates=sounds) for query in ("happy drums", "a bell")]
    windows, log_mel = [], pipe.feature_extractor.log_mel
    monkeypatch.setattr(pipe.feature_extractor, "log_mel", lambda rows: windows.extend(rows) or log_mel(rows))
    together = pipe(["happy drums", "a bell"], candidates=sounds, top_k=2)
    assert len(windows) == 1 + 1 + 3 + 1
    for one, both in zip(alone, together, strict=True):
        assert [answer["index"] for answer in both] == [answer["index"] for answer in one[:2]]
        assert [answer["score"] for answer in both] == pytest.approx([answer["score"] for answer in one[:2]], abs=1e-5)


def test_paths_bytes_arrays_and_dicts_are_the_same_music(pipe, sounds, files):
    with open(files[1], "rb") as file:
        content = file.read()
    stereo = np.stack([sounds[1], sounds[1]])
    same = [
        files[1],
        content,
        sounds[1],
        {"array": stereo, "sampling_rate": 16000},
        {"raw": sounds[1], "sampling_rate": 16000},
    ]
    answers = pipe("slow flute", candidates=same)
    assert sorted(answer["index"] for answer in answers) == list(range(len(same)))
    scores = [answer["score"] for answer in answers]
    assert max(scores) - min(scores) < 1e-3
    assert {answer["index"]: answer["path"] for answer in answers if "path" in answer} == {0: files[1]}


def hide(monkeypatch, *absent: str) -> None:
    found = pipeline_kobza.importlib.import_module

    def import_module(name):
        if name in absent:
            raise ImportError(name)
        return found(name)

    monkeypatch.setattr(pipeline_kobza.importlib, "import_module", import_module)


def test_without_kobza_soundfile_decodes(files, sounds, monkeypatch):
    hide(monkeypatch, "kobza.audio")
    with open(files[0], "rb") as file:
        for source in (files[0], file.read()):
            samples, rate = pipeline_kobza.decode(source, 44100)
            assert rate == 16000 and samples.shape == (1, len(sounds[0]))
            assert np.abs(samples[0] - sounds[0]).max() < 1e-3


def test_without_any_decoder_a_sentence_says_so(files, monkeypatch):
    hide(monkeypatch, "kobza.audio", "soundfile")
    with pytest.raises(ValueError, match="no decoder is installed: run `pip install kobza`"):
        pipeline_kobza.decode(files[0], 16000)


def test_a_long_candidate_is_embedded_in_bounded_batches(pipe, sounds, monkeypatch):
    sizes, log_mel = [], pipe.feature_extractor.log_mel
    monkeypatch.setattr(pipe.feature_extractor, "log_mel", lambda rows: sizes.append(len(rows)) or log_mel(rows))
    count = pipeline_kobza.WINDOWS_AT_ONCE + 2
    pipe("bass", candidates=[np.tile(sounds[0], count)])
    assert sizes == [pipeline_kobza.WINDOWS_AT_ONCE, 2]


@pytest.mark.parametrize(
    ("query", "arguments", "sentence"),
    [
        ("bells", {}, "no candidates: pass candidates="),
        ("bells", {"candidates": []}, "no candidates"),
        ("bells", {"candidates": "song.mp3"}, "no candidates"),
        ([], {"candidates": [np.zeros(16000)]}, "query must be a sentence"),
        (7, {"candidates": [np.zeros(16000)]}, "query must be a sentence"),
        ("bells", {"candidates": [np.zeros(16000)], "top_k": 0}, "top_k is 0, but must be 1 or more"),
        ("bells", {"candidates": [np.zeros(16000), np.zeros(10)]}, "Candidate 1 cannot be read: .* too short"),
        ("bells", {"candidates": [{"array": np.zeros(16000)}]}, "Candidate 0 has no 'sampling_rate'"),
        ("bells", {"candidates": ["/nowhere/song.mp3"]}, r"Candidate 0 \(/nowhere/song.mp3\) cannot be read"),
    ],
)
def test_bad_input_gives_a_sentence(pipe, query, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        pipe(query, **arguments)


def test_transformers_own_zero_shot_classification_hears_the_whole_recording(tiny_checkpoint, tiny_processor, sounds):
    labels = ["slow sad piano", "happy drums", "choir"]
    classify = pipeline("zero-shot-audio-classification", model=tiny_checkpoint, device="cpu")
    answers = classify(sounds[2], candidate_labels=labels, hypothesis_template="{}")
    with torch.no_grad():
        logits = classify.model(**tiny_processor(text=labels, audio=sounds[2], sampling_rate=16000)).logits_per_audio
    expected = dict(zip(labels, logits.softmax(dim=-1)[0].tolist(), strict=True))
    assert {answer["label"]: answer["score"] for answer in answers} == pytest.approx(expected, abs=1e-5)
    assert sum(expected.values()) == pytest.approx(1.0)


def test_saved_by_transformers_it_keeps_its_code_and_its_ranking(pipe, sounds, tmp_path):
    pipe.save_pretrained(tmp_path)
    assert (tmp_path / "pipeline_kobza.py").is_file()
    entry = json.loads((tmp_path / "config.json").read_text())["custom_pipelines"][TASK]
    assert (entry["impl"], entry["pt"]) == ("pipeline_kobza.KobzaRetrievalPipeline", ["AutoModel"])
    again = pipeline(TASK, model=str(tmp_path), device="cpu")
    # not to the last bit: weights mapped from a file lie differently in memory, and matrix products round accordingly
    for one, other in zip(again("choir", candidates=sounds), pipe("choir", candidates=sounds), strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_a_model_in_half_precision_ranks_too(tiny_processor, sounds):
    parts = {"tokenizer": tiny_processor.tokenizer, "feature_extractor": tiny_processor.feature_extractor}
    scores = []
    for model in (make_model(), make_model().bfloat16()):
        pipe = KobzaRetrievalPipeline(model=model, task=TASK, device="cpu", **parts)
        answers = pipe("song", candidates=sounds)
        scores.append([answer["score"] for answer in sorted(answers, key=lambda answer: answer["index"])])
    assert scores[0] == pytest.approx(scores[1], abs=0.03)
