"""mteb's own task classes and evaluation on synthetic data, in memory or in files, never from the Hub."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recordings import ToneEmbedder, tone

mteb = pytest.importorskip("mteb")

from datasets import Audio, Dataset, DatasetDict, Features, Sequence, Value  # noqa: E402
from mteb.abstasks.retrieval import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402
from mteb.abstasks.zeroshot_classification import AbsTaskZeroShotClassification  # noqa: E402

from kobza.embedding.checkpoint import Checkpoint  # noqa: E402
from kobza.embedding.embedder import embed_recordings  # noqa: E402
from kobza.evaluation.metrics import ranks, recall_at  # noqa: E402
from kobza.evaluation.mteb import MtebEncoder, embed_item, model_meta, sentence_transformer_encoder  # noqa: E402

RATE = 16_000
CAPTIONS = ["slow sad piano", "fast happy drums", "organ and choir", "this is guitar music", "a bell", "the bass song"]


def metadata(name: str, kind: str, **fields) -> TaskMetadata:
    return TaskMetadata(
        name=name,
        type=kind,
        description="Synthetic sounds.",
        dataset={"path": "none", "revision": "none"},
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        **{"modalities": ["audio", "text"], **fields},
    )


def tones() -> list[np.ndarray]:
    t = np.arange(12 * RATE) / RATE  # a window and a bit
    return [0.3 * np.sin(2 * np.pi * 110 * 2**i * t * (1 + 0.01 * i * t)) for i in range(len(CAPTIONS))]


def wav(sound: np.ndarray) -> bytes:
    held = io.BytesIO()
    soundfile.write(held, sound, RATE, format="WAV", subtype="FLOAT")
    return held.getvalue()


def audio_column(kind: str) -> Dataset:
    if kind == "array":
        feature = Features({"audio": {"array": Sequence(Value("float32")), "sampling_rate": Value("int64")}})
        rows = [{"array": sound.astype(np.float32), "sampling_rate": RATE} for sound in tones()]
        return Dataset.from_dict({"audio": rows}, features=feature)
    rows = [{"bytes": wav(sound), "path": None} for sound in tones()]  # as the Hub's parquet files hold audio
    return Dataset.from_dict({"audio": rows}).cast_column("audio", Audio())


def ids(prefix: str) -> list[str]:
    return [f"{prefix}{i}" for i in range(len(CAPTIONS))]


class MadeRetrieval(AbsTaskRetrieval):
    metadata = metadata("MadeT2A", "Any2AnyRetrieval", category="t2a", main_score="hit_rate_at_5")
    kind = "array"

    def load_data(self, **kwargs):
        texts = Dataset.from_dict({"id": ids("t"), "text": CAPTIONS})
        audio = audio_column(self.kind).add_column("id", ids("a"))
        queries, corpus = ("t", "a") if self.metadata.category == "t2a" else ("a", "t")
        sides = {"t": texts, "a": audio}
        right = {q: {c: 1} for q, c in zip(ids(queries), ids(corpus), strict=True)}
        split = {"queries": sides[queries], "corpus": sides[corpus], "relevant_docs": right, "top_ranked": None}
        self.dataset, self.data_loaded = {"default": {"test": split}}, True


class MadeRetrievalBack(MadeRetrieval):
    metadata = metadata("MadeA2T", "Any2AnyRetrieval", category="a2t", main_score="hit_rate_at_5")


class FileRetrieval(MadeRetrieval):
    kind = "bytes"


class FileRetrievalBack(MadeRetrievalBack):
    kind = "bytes"


class MadeZeroShot(AbsTaskZeroShotClassification):
    metadata = metadata("MadeZeroShot", "AudioZeroshotClassification", category="a2t", main_score="accuracy")
    input_column_name = "audio"
    kind = "array"

    def load_data(self, **kwargs):
        labels = list(range(len(CAPTIONS)))
        self.dataset = DatasetDict({"test": audio_column(self.kind).add_column("label", labels)})
        self.data_loaded = True

    def get_candidate_labels(self):
        return CAPTIONS


class FileZeroShot(MadeZeroShot):
    kind = "bytes"


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint):
    return MtebEncoder(tiny_checkpoint)


@pytest.fixture(scope="module")
def similarity(tiny_checkpoint, tmp_path_factory):
    """Kobza's own similarities, from files: (captions, recordings)."""
    checkpoint, folder = Checkpoint.load(tiny_checkpoint), tmp_path_factory.mktemp("sounds")
    for i, sound in enumerate(tones()):
        (folder / f"{i}.wav").write_bytes(wav(sound))
    audio, _ = embed_recordings(checkpoint, [folder / f"{i}.wav" for i in range(len(CAPTIONS))])
    return checkpoint.embed_text(CAPTIONS) @ audio.T


def scores(encoder, task) -> dict:
    result = mteb.evaluate(encoder, task, cache=None, co2_tracker=False, show_progress_bar=False)
    return result.task_results[0].scores["test"][0]


def test_it_satisfies_mtebs_encoder_protocol(encoder):
    from mteb.models import EncoderProtocol

    meta = encoder.mteb_model_meta
    assert isinstance(encoder, EncoderProtocol)
    assert meta.name.count("/") == 1 and meta.name.endswith("kobza-tiny")
    assert (meta.revision, meta.embed_dim) == (encoder.embedder.fingerprint, 128)
    assert set(meta.modalities) == {"audio", "text"} and meta.n_parameters > 1000


@pytest.mark.parametrize("task", [MadeRetrieval, MadeRetrievalBack, FileRetrieval, FileRetrievalBack])
def test_retrieval_metrics_equal_kobzas(encoder, similarity, task):
    made = task()
    found = scores(encoder, made)
    rank = ranks(similarity if made.metadata.category == "t2a" else similarity.T)
    for k in (1, 3, 5):
        assert found[f"hit_rate_at_{k}"] == pytest.approx(recall_at(rank, k), abs=1e-5)
    assert 0 < found["hit_rate_at_3"] < 1  # a figure that could have been another


@pytest.mark.parametrize("task", [MadeZeroShot, FileZeroShot])
def test_zero_shot_accuracy_equals_kobzas(encoder, similarity, task):
    accuracy = (similarity.argmax(axis=0) == np.arange(len(CAPTIONS))).mean()
    assert scores(encoder, task())["accuracy"] == pytest.approx(accuracy, abs=1e-5)


@pytest.fixture(scope="module")
def sentence_transformer(tiny_checkpoint):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    return sentence_transformers.SentenceTransformer(tiny_checkpoint, trust_remote_code=True, device="cpu")


@pytest.mark.parametrize("task", [MadeRetrieval, MadeRetrievalBack])
def test_retrieval_through_sentence_transformers(sentence_transformer, similarity, task):
    made = task()
    found = scores(sentence_transformer_encoder(sentence_transformer), made)
    rank = ranks(similarity if made.metadata.category == "t2a" else similarity.T)
    for k in (1, 3, 5):
        assert found[f"hit_rate_at_{k}"] == pytest.approx(recall_at(rank, k), abs=1e-5)


def test_zero_shot_through_sentence_transformers(sentence_transformer, similarity):
    accuracy = (similarity.argmax(axis=0) == np.arange(len(CAPTIONS))).mean()
    found = scores(sentence_transformer_encoder(sentence_transformer), MadeZeroShot())
    assert found["accuracy"] == pytest.approx(accuracy, abs=1e-5)


class MadeTextRetrieval(AbsTaskRetrieval):
    metadata = metadata("MadeT2T", "Retrieval", category="t2t", main_score="hit_rate_at_1", modalities=["text"])

    def load_data(self, **kwargs):
        queries = Dataset.from_dict({"id": ids("q"), "text": CAPTIONS})
        corpus = Dataset.from_dict({"id": ids("c"), "title": [""] * len(CAPTIONS), "text": CAPTIONS})
        right = {q: {c: 1} for q, c in zip(ids("q"), ids("c"), strict=True)}
        split = {"queries": queries, "corpus": corpus, "relevant_docs": right, "top_ranked": None}
        self.dataset, self.data_loaded = {"default": {"test": split}}, True


def test_text_tasks_accept_a_sentence_transformer_directly(sentence_transformer):
    assert scores(sentence_transformer, MadeTextRetrieval())["hit_rate_at_1"] == 1.0


def test_array_and_file_have_the_same_vector(encoder):
    t = np.arange(44_100 * 3) / 44_100
    sound = (0.3 * np.sin(2 * np.pi * (200 + 300 * t) * t)).astype(np.float32)
    held = io.BytesIO()
    soundfile.write(held, sound, 44_100, format="WAV", subtype="FLOAT")
    file = embed_item(encoder.embedder, {"bytes": held.getvalue(), "path": None})
    mono = embed_item(encoder.embedder, {"array": sound, "sampling_rate": 44_100})
    stereo = embed_item(encoder.embedder, {"array": np.stack([sound, sound]), "sampling_rate": 44_100})
    slowed = embed_item(encoder.embedder, {"array": sound, "sampling_rate": 16_000})
    assert np.abs(mono - stereo).max() < 1e-6 and np.linalg.norm(mono) == pytest.approx(1.0, abs=1e-5)
    assert 1 - mono @ file < 0.1 * (1 - slowed @ file)  # two resamplers, one sound


def test_embedder_without_a_torch_model_is_described():
    meta = model_meta(ToneEmbedder())
    assert (meta.name, meta.n_parameters, meta.embed_dim) == ("kobza/tone-embedder", 0, 64)


def test_rows_with_text_and_audio_are_refused(encoder):
    from torch.utils.data import DataLoader

    both = audio_column("array").add_column("text", CAPTIONS)
    with pytest.raises(ValueError, match="choose another task"):
        encoder.encode(DataLoader(both), task_metadata=MadeZeroShot.metadata, hf_split="test", hf_subset="default")


RESEARCH = (Path(__file__).parents[2] / "docs" / "research.md").read_text(encoding="utf-8")
NAMED = re.findall(r'"(\w+)"', re.search(r"mteb\.get_tasks\(.*?\)", RESEARCH, flags=re.DOTALL)[0])
HERTZ = (200, 400, 800, 1600)  # of the classes


def filled(name: str):
    """mteb's own task with made recordings in place of its data set, in its columns and splits."""
    task = mteb.get_task(name)
    is_labelled = task.metadata.type in ("AudioClassification", "AudioClustering")
    rows = 60 if is_labelled else 20  # cross-validation wants every class in each fold; recall@5, five to be found
    pitches = [HERTZ[i % len(HERTZ)] * (1 + i / 500) for i in range(rows)]
    sounds = [{"bytes": wav(tone(hertz, 0.5)), "path": None} for hertz in pitches]
    audio = Dataset.from_dict({"audio": sounds}).cast_column("audio", Audio())
    if is_labelled:
        assert task.input_column_name == "audio"
        labelled = audio.add_column(task.label_column_name, [i % len(HERTZ) for i in range(rows)])
        task.dataset = DatasetDict({split: labelled for split in {"train", *task.metadata.eval_splits}})
    else:
        sides = {
            "a": audio.add_column("id", [f"a{i}" for i in range(rows)]),
            "t": Dataset.from_dict(
                {"id": [f"t{i}" for i in range(rows)], "text": [f"tone {round(hertz)}" for hertz in pitches]}
            ),
        }
        query, found = task.metadata.category.split("2")
        relevant = {
            f"{query}{i}": {
                f"{found}{j}": int(i % len(HERTZ) == j % len(HERTZ)) for j in range(rows) if (query, i) != (found, j)
            }
            for i in range(rows)
        }
        ranked = {query: list(judged) for query, judged in relevant.items()} if query == found else None
        split = {"queries": sides[query], "corpus": sides[found], "relevant_docs": relevant, "top_ranked": ranked}
        task.dataset = {"default": {"test": split}}
    task.data_loaded = True
    return task


def test_the_docs_name_tasks_of_each_data_set():
    for data_set in ("MusicCaps", "SongDescriber", "GTZAN", "NSynth"):
        assert any(name.startswith(data_set) for name in NAMED), data_set


@pytest.mark.parametrize("name", NAMED)
def test_a_task_of_the_docs_runs_by_an_embedder_that_hears_pitch(name):
    """Which tells the classes apart, and finds a tone by its name: so no task takes its audio or text otherwise."""
    result = mteb.evaluate(
        MtebEncoder(ToneEmbedder()), filled(name), cache=None, co2_tracker=False, show_progress_bar=False
    )
    assert result.task_results[0].get_score() > 0.99
