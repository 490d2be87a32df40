import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import make_model
from transformers import pipeline

from kobza import KobzaRetrievalPipeline
from kobza.audio import load_audio
from kobza.model import pipeline_kobza

TASK = "text-to-music-retrieval"
EMBEDDING = "music-feature-extraction"


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


@pytest.mark.parametrize("seconds", [0.1, 10, 10.5, 11, 24, 30])
@pytest.mark.parametrize("step", [0.37, 7, 60])
def test_windows_of_a_stream_are_those_of_the_whole(tiny_processor, monkeypatch, seconds, step):
    extractor = tiny_processor.feature_extractor
    wave, step = torch.randn(round(seconds * 16000)), round(step * 16000)
    monkeypatch.setattr(pipeline_kobza, "read_samples", lambda *_: iter(wave.split(step)))
    expected = extractor.split(wave)
    found = list(pipeline_kobza.stream_windows(None, extractor))
    assert len(found) == len(expected) and all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_long_candidate_is_embedded_in_bounded_batches(pipe, sounds, monkeypatch):
    sizes, log_mel = [], pipe.feature_extractor.log_mel
    monkeypatch.setattr(pipe.feature_extractor, "log_mel", lambda rows: sizes.append(len(rows)) or log_mel(rows))
    count = pipeline_kobza.WINDOWS_PER_BATCH + 2
    pipe("bass", candidates=[np.tile(sounds[0], count)])
    assert sizes == [pipeline_kobza.WINDOWS_PER_BATCH, 2]


@pytest.fixture(scope="module")
def embed(tiny_checkpoint):
    return pipeline(EMBEDDING, model=tiny_checkpoint, device="cpu")


def test_embeddings_are_the_models_of_whole_recordings(embed, sounds, files, tiny_processor):
    with torch.no_grad():
        inputs = tiny_processor(audio=sounds, sampling_rate=16000)
        expected = embed.model.get_audio_features(**inputs).pooler_output.numpy()
    together = embed(sounds)
    assert together.shape == (4, 128) and together.dtype == np.float32
    assert np.abs(together - expected).max() < 1e-5
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-5
    for number in (1, 2):
        content = Path(files[number]).read_bytes()
        for source in (files[number], Path(files[number]), content, {"raw": sounds[number], "sampling_rate": 16000}):
            alone = embed(source)
            assert alone.shape == (128,)
            assert np.abs(alone - expected[number]).max() < 1e-3  # the file has 16 bits
    stereo = np.stack([sounds[1], sounds[1]])
    assert np.abs(embed(stereo, channels_first=True) - expected[1]).max() < 1e-5
    assert np.abs(embed([stereo]) - expected[1:2]).max() < 1e-5
    assert np.abs(embed(sounds[1][None]) - expected[1]).max() < 1e-5  # one row: both readings are the same
    both = embed(np.stack([stereo, stereo]))  # a batch, as in the feature extractor
    assert both.shape == (2, 128) and np.abs(both - expected[1]).max() < 1e-5
    assert np.abs(embed(sounds, batch_size=1) - together).max() < 1e-5
    assert np.abs(embed(sound for sound in sounds) - together).max() < 1e-5


def test_windows_of_several_recordings_share_a_batch(embed, tiny_checkpoint, sounds, monkeypatch):
    def sizes_of(pipe, **arguments):
        sizes, log_mel = [], type(pipe.feature_extractor).log_mel
        monkeypatch.setattr(
            pipe.feature_extractor,
            "log_mel",
            lambda rows: sizes.append(len(rows)) or log_mel(pipe.feature_extractor, rows),
        )
        pipe(sounds, **arguments)
        return sizes

    assert sizes_of(embed) == [6]  # 1 + 1 + 3 + 1
    assert sizes_of(embed, batch_size=4) == [4, 2]
    assert sizes_of(pipeline(EMBEDDING, model=tiny_checkpoint, device="cpu", batch_size=5)) == [5, 1]


def test_of_a_long_recording_no_more_is_read_than_the_model_takes(embed, monkeypatch):
    read, embedded, log_mel = [], [], embed.feature_extractor.log_mel

    def stream(*_):
        for _ in range(200):
            read.append(torch.randn(16000))
            yield read[-1]

    def extract(rows):
        assert len(read) <= 10 * (len(embedded) + len(rows)) + 10
        embedded.extend(rows)
        return log_mel(rows)

    monkeypatch.setattr(pipeline_kobza, "read_samples", stream)
    monkeypatch.setattr(embed.feature_extractor, "log_mel", extract)
    embed("an hour.mp3", batch_size=4)
    assert len(embedded) == 20


@pytest.mark.parametrize(
    ("recordings", "sentence"),
    [
        ([], "no recordings: pass a path"),
        ("/nowhere/song.mp3", r"Recording 0 \(/nowhere/song.mp3\) cannot be read"),
        ([np.zeros(16000), np.zeros(10)], "Recording 1 cannot be read: .* too short"),
        ([b""], "Recording 0 cannot be read: .* empty"),
        ({"array": np.zeros(16000)}, "Recording 0 cannot be read: .* has no 'sampling_rate'"),
        (np.zeros((2, 16000)), r"\(2, 16000\) may be .*: pass a list .* or channels_first=True"),
        (torch.zeros(2, 16000), r"\(2, 16000\) may be .*: pass a list .* or channels_first=True"),
    ],
)
def test_what_cannot_be_embedded_gives_a_sentence(embed, recordings, sentence):
    with pytest.raises(ValueError, match=sentence):
        embed(recordings)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same_vectors(embed, tiny_checkpoint, sounds):
    there = pipeline(EMBEDDING, model=tiny_checkpoint, device="cuda")
    assert there.model.device.type == "cuda"
    assert np.abs(there(sounds) - embed(sounds)).max() < 1e-3


@pytest.mark.parametrize(
    ("query", "arguments", "sentence"),
    [
        ("bells", {}, "no candidates: pass candidates="),
        ("bells", {"candidates": []}, "no candidates"),
        ("bells", {"candidates": "song.mp3"}, "no candidates"),
        ([], {"candidates": [np.zeros(16000)]}, "query must be a sentence"),
        (7, {"candidates": [np.zeros(16000)]}, "query must be a sentence"),
        ("bells", {"candidates": [np.zeros(16000)], "top_k": 0}, "top_k is 0, but must be 1 or more"),
        ("bells", {"candidates": [np.zeros(16000), np.zeros(10)]}, "Recording 1 cannot be read: .* too short"),
        (
            "bells",
            {"candidates": [{"array": np.zeros(16000)}]},
            "Recording 0 cannot be read: .* has no 'sampling_rate'",
        ),
        ("bells", {"candidates": ["/nowhere/song.mp3"]}, r"Recording 0 \(/nowhere/song.mp3\) cannot be read"),
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


def test_transformers_own_pipeline_reads_files_with_the_program_ffmpeg(tiny_checkpoint, files, sounds, monkeypatch):
    """Stock code, so files are decoded by what it calls; without it our users pass arrays, as docs/build.md says."""
    classify = pipeline("zero-shot-audio-classification", model=tiny_checkpoint, device="cpu")
    labels = {"candidate_labels": ["choir", "bells"], "hypothesis_template": "{} music"}
    expected = {answer["label"]: answer["score"] for answer in classify(load_audio(files[1]), **labels)}
    if shutil.which("ffmpeg"):
        for source in (files[1], Path(files[1]).read_bytes()):
            scores = {answer["label"]: answer["score"] for answer in classify(source, **labels)}
            assert scores == pytest.approx(expected, abs=1e-4)
        batch = classify([sounds[0], sounds[1]], batch_size=1, **labels)
        assert {answer["label"]: answer["score"] for answer in batch[1]} == pytest.approx(expected, abs=1e-3)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="ffmpeg was not found"):
        classify(files[1], **labels)


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
