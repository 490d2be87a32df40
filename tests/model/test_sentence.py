"""A checkpoint inside sentence-transformers: encoding, length limit, fine-tuning text against audio, saving."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from recordings import write

pytest.importorskip("sentence_transformers")

from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)

RATE = 16_000
CAPTIONS = ["slow sad piano", "fast happy drums", "organ and choir", "this is guitar music", "a bell", "the bass song"]
LOSSES = {
    "in one batch": MultipleNegativesRankingLoss,
    "cached": lambda model: CachedMultipleNegativesRankingLoss(model, mini_batch_size=4),
}


def load(folder, **kwargs) -> SentenceTransformer:
    return SentenceTransformer(str(folder), trust_remote_code=True, device="cpu", **kwargs)


@pytest.fixture
def model(tiny_checkpoint):
    return load(tiny_checkpoint)


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    """Rising tones of one and of two windows."""
    t = np.arange(13 * RATE) / RATE
    made = [0.3 * np.sin(2 * np.pi * 110 * 2**i * t * (1 + 0.01 * i * t)) for i in range(len(CAPTIONS))]
    return [wave[: (13 if i % 2 else 3) * RATE].astype(np.float32) for i, wave in enumerate(made)]


@pytest.fixture(scope="module")
def columns(waves, tmp_path_factory) -> dict[str, list]:
    """The same recordings in every form that a column of a dataset may have."""
    folder = tmp_path_factory.mktemp("recordings")
    paths = [write(folder / f"{i}.flac", wave) for i, wave in enumerate(waves)]
    return {
        "path": [str(path) for path in paths],
        "bytes": [path.read_bytes() for path in paths],
        "array": waves,
        "dict": [{"array": wave, "sampling_rate": RATE} for wave in waves],
    }


def trainer(model, make_loss, recordings: list, folder, **arguments) -> SentenceTransformerTrainer:
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=len(CAPTIONS),
        learning_rate=1e-3,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        **arguments,
    )
    pairs = Dataset.from_dict({"anchor": CAPTIONS, "positive": recordings})
    return SentenceTransformerTrainer(model, arguments, train_dataset=pairs, loss=make_loss(model))


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    return model


@pytest.mark.parametrize("kind", ["path", "bytes", "array", "dict"])
def test_training_and_encoding_see_a_recording_alike(model, columns, kind):
    encoded = model.encode(columns["array"])
    features = model.preprocess(columns[kind])
    assert features["input_values"].shape[:2] == (6, 2) and features["window_counts"].tolist() == [1, 2] * 3
    with torch.no_grad():
        vectors = model(features)["sentence_embedding"].numpy()
    np.testing.assert_allclose(vectors, encoded, atol=2e-3 if kind in ("path", "bytes") else 1e-5)  # 16-bit files
    np.testing.assert_allclose(model.encode(columns[kind]), vectors, atol=1e-5)
    np.testing.assert_allclose(model.encode([{"audio": item} for item in columns[kind]]), vectors, atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "kind"), [*((loss, "dict") for loss in LOSSES), *(("cached", k) for k in ("path", "array"))]
)
def test_fine_tuning_lowers_the_loss_and_lasts(tiny_checkpoint, model, columns, tmp_path, loss, kind):
    torch.manual_seed(0)
    before = copy.deepcopy(model.state_dict())
    run = trainer(without_dropout(model), LOSSES[loss], columns[kind], tmp_path / "run", max_steps=8)
    run.train()
    losses = [float(entry["loss"]) for entry in run.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0] - 0.1, losses
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert any("text_model" in name for name in changed) and any("audio_model" in name for name in changed)

    run.save_model(str(tmp_path / "saved"))
    again = load(tmp_path / "saved")
    for inputs in (CAPTIONS, columns[kind]):
        np.testing.assert_array_equal(again.encode(inputs), model.encode(inputs))
        assert np.abs(again.encode(inputs) - load(tiny_checkpoint).encode(inputs)).max() > 1e-3


def test_a_gradient_cache_gives_the_gradient_of_the_whole_batch(model, columns, tmp_path):
    without_dropout(model)
    gradients = []
    for name in LOSSES:
        run = trainer(model, LOSSES[name], columns["dict"], tmp_path)
        batch = run.data_collator([run.train_dataset[i] for i in range(len(CAPTIONS))])
        model.zero_grad()
        run.compute_loss(model, batch).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    whole, cached = gradients
    assert whole.keys() == cached.keys() and any("audio_model" in name for name in whole)
    for name, gradient in whole.items():
        torch.testing.assert_close(cached[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_max_seq_length_cuts_sentences_and_is_saved(model, tmp_path):
    assert model.max_seq_length == 64  # the tiny tower's positions
    long, short = "slow sad piano and happy drums", "slow sad"
    assert not np.allclose(model.encode(long), model.encode(short), atol=1e-3)
    model.max_seq_length = 4  # with [CLS] and [SEP]
    np.testing.assert_allclose(model.encode(long), model.encode(short), atol=1e-6)
    model.save(str(tmp_path / "saved"))
    assert load(tmp_path / "saved").max_seq_length == 4
    assert model.preprocess([long], max_length=3)["input_ids"].shape == (1, 3)
    model.max_seq_length = None
    assert model.max_seq_length == 64
    for wrong in (2, 65, 8.0):
        with pytest.raises(ValueError, match=f"max_seq_length is {wrong}, but must be a whole number from 3 to 64"):
            model.max_seq_length = wrong


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_another_backend_is_refused_in_a_sentence(tiny_checkpoint, backend):
    with pytest.raises(ValueError, match=f"backend='torch' only, not '{backend}'.*kobza export onnx OUT"):
        load(tiny_checkpoint, backend=backend)


def test_a_batch_of_both_kinds_or_with_a_lost_file_is_refused(model, columns):
    for stray in ("slow sad piano", "lost.flac"):
        with pytest.raises(ValueError, match="mixes multiple modalities"):  # sentence-transformers' own check
            model.encode([columns["path"][0], stray])
        with pytest.raises(ValueError, match=f"mixes recordings with '{stray}'"):  # of what it takes for no recording
            model.encode([columns["bytes"][0], stray])
    with pytest.raises(ValueError, match="Recording 1 cannot be read"):
        model.preprocess([columns["bytes"][0], b"no music"])


def test_what_llama_index_asks_of_it(tiny_checkpoint, model):
    """The calls of llama-index-embeddings-huggingface 0.8's `HuggingFaceEmbedding`, whose own package is too large for
    a test: it reads `max_seq_length`, which must be above 0, or sets it, and encodes with the name of a prompt."""
    theirs = load(tiny_checkpoint, prompts={"query": "slow ", "text": ""})
    settings = SimpleNamespace(batch_size=10, normalize_embeddings=True, show_progress_bar=False)
    assert theirs.max_seq_length > 0
    theirs.max_seq_length = 16
    query = theirs.encode(["sad piano"], prompt_name="query", **vars(settings)).tolist()
    text = theirs.encode(["slow sad piano"], prompt_name="text", **vars(settings)).tolist()
    np.testing.assert_allclose(query, text, atol=1e-6)
    np.testing.assert_allclose(text, model.encode(["slow sad piano"]), atol=1e-6)
