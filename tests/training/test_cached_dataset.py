"""A run with cached outputs of frozen layers equals a run that computes them, and each is computed once."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from recorded import WORDS, fill, losses, make_recordings, recorded_trainer
from tiny import TINY_RESNET, make_model

from kobza.training.cached_dataset import CachedPairCollator, FrozenFeatureCache
from kobza.training.dataset import PairDataset
from kobza.training.frozen_split import FrozenSplit
from kobza.training.model_factory import freeze_layers

HERE = Path(__file__).parent
FREEZINGS = {
    "model_1": ({}, (1, 0)),
    "frozen, means": ({"text_pooling": "mean", "projection": "mlp"}, (0, 0)),
    "some of both": ({"text_pooling": "max"}, (1, 1)),
    "extra layers": ({"text_extra_layers": 1, "audio_extra_layers": 1}, (0, 0)),
    "extra and trainable": ({"text_extra_layers": 1, "audio_extra_layers": 1, "text_pooling": "mean"}, (1, 1)),
    "only sound": ({"loss_type": "mulan"}, (-1, 0)),
    "only text": ({"loss_type": "siglip", "temperature_learned": True}, (0, 2)),
    "resnet": ({"audio_config": TINY_RESNET}, (1, 0)),
    "resnet, a stage": ({"audio_config": TINY_RESNET, "text_pooling": "mean"}, (0, 1)),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return make_recordings(tmp_path_factory.mktemp("recordings"), 11)


def build_frozen(freezing: str):
    fields, trainable = FREEZINGS[freezing]
    model = make_model(**fields)
    freeze_layers(model, *trainable)
    return model


@pytest.mark.parametrize("freezing", FREEZINGS)
def test_losses_and_weights_are_those_without_the_cache(freezing, recordings, tiny_processor, tmp_path, monkeypatch):
    """With dropout: frozen layers have none, so the others draw the same random numbers."""
    plain, cold, warm = build_frozen(freezing), build_frozen(freezing), build_frozen(freezing)
    expected = losses(recorded_trainer(tmp_path, plain, tiny_processor, recordings))
    assert len(expected) == 6 and max(expected) - min(expected) > 1e-3
    arguments = {"frozen_cache": str(tmp_path / "cache")}
    found = losses(recorded_trainer(tmp_path, cold, tiny_processor, recordings, **arguments))
    for kind in FrozenSplit.__subclasses__():  # the third run computes no frozen layer
        monkeypatch.setattr(kind, "forward_frozen", None)
    again = losses(recorded_trainer(tmp_path, warm, tiny_processor, recordings, **arguments))
    assert found == pytest.approx(expected, abs=1e-5) and again == pytest.approx(expected, abs=1e-5)
    for name, weight in plain.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(warm.state_dict()[name], weight, atol=1e-4, rtol=1e-3)


def test_the_cache_works_with_chunks_checkpointing_and_workers(recordings, tiny_processor, tmp_path):
    flags = {"gradient_checkpointing": True, "dataloader_num_workers": 1, "gradient_cache_chunk": 3}
    plain = losses(recorded_trainer(tmp_path, build_frozen("extra layers"), tiny_processor, recordings, **flags))
    flags["frozen_cache"] = str(tmp_path / "cache")
    found = losses(recorded_trainer(tmp_path, build_frozen("extra layers"), tiny_processor, recordings, **flags))
    assert found == pytest.approx(plain, abs=1e-5)


def test_equal_clips_are_computed_once_whatever_their_names(recordings, tiny_processor, tmp_path, monkeypatch):
    computed = []
    model = build_frozen("model_1")
    cache = FrozenFeatureCache(tmp_path, model, tiny_processor, batch_size=4, quiet=True)
    forward_frozen = cache.audio.forward_frozen
    monkeypatch.setattr(
        cache.audio, "forward_frozen", lambda values: (computed.append(len(values)), forward_frozen(values))[1]
    )
    cache.precompute(PairDataset(recordings[:5]))
    cache.precompute(PairDataset([*recordings[2:7], recordings[0]]))
    assert computed == [4, 1, 2]
    cached = cache.precompute(PairDataset(recordings[3:5]))
    batch = CachedPairCollator(tiny_processor)([cached[0], cached[1]])
    assert computed == [4, 1, 2] and batch["keys"] == ["3.wav", "4.wav"] and batch["audio_frozen"].shape == (2, 2, 32)
    lengths = batch["attention_mask"].sum(1).tolist()
    assert batch["text_frozen"].shape == (2, max(lengths), 32) and lengths[0] > lengths[1] == 3


def test_runs_that_start_together_compute_everything_once(recordings, tiny_processor, tmp_path, monkeypatch):
    computed = []
    caches = [FrozenFeatureCache(tmp_path, build_frozen("model_1"), tiny_processor, 2, quiet=True) for _ in range(2)]
    for cache in caches:

        def forward_frozen(values, forward=cache.audio.forward_frozen):
            computed.append(len(values))
            time.sleep(0.1)
            return forward(values)

        monkeypatch.setattr(cache.audio, "forward_frozen", forward_frozen)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda cache: cache.precompute(PairDataset(recordings[:5])), caches)
    assert sorted(computed) == [1, 2, 2]
    assert all(torch.equal(one[k]["audio_frozen"], two[k]["audio_frozen"]) for k in range(5))


def test_damaged_and_missing_files_are_computed_again(recordings, tiny_processor, tmp_path, caplog):
    def keep():
        cache = FrozenFeatureCache(tmp_path, build_frozen("model_1"), tiny_processor, batch_size=3, quiet=True)
        cached = cache.precompute(PairDataset(recordings))
        return [cached[k]["audio_frozen"].clone() for k in range(len(cached))]

    whole = keep()
    files = sorted(tmp_path.rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    os.truncate(files[-1], 100)
    files[0].unlink()
    assert all(torch.allclose(one, two, atol=1e-6) for one, two in zip(keep(), whole, strict=True))
    assert files[-1].name in caplog.text and len(list(tmp_path.rglob("*.safetensors"))) == len(files)


def test_a_killed_precomputation_resumes(tmp_path):
    """In another process, killed while it computes its third recording or a later one."""

    def files():
        return list(tmp_path.glob("cache/*/*.safetensors"))

    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    script = f"import recorded; recorded.fill({str(tmp_path)!r}, seconds=1.0)"
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
    until = time.monotonic() + 300
    captions = len(set(WORDS))
    while len(files()) < captions + 2:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in files()}
    assert captions + 2 <= len(before) < captions + 8
    assert fill(tmp_path, seconds=0.0) == captions + 8 - len(before)
    assert all(path.stat().st_mtime_ns == when for path, when in before.items()) and len(files()) == captions + 8
    assert fill(tmp_path, seconds=0.0) == 0


def test_pairs_that_cannot_be_cached_are_refused(recordings, tiny_processor, tmp_path):
    cache = FrozenFeatureCache(tmp_path, build_frozen("model_1"), tiny_processor)
    for pairs in (PairDataset(recordings, train=True), list(recordings)):
        with pytest.raises(ValueError, match="every epoch must hold the same pairs: give a folder of recordings"):
            cache.precompute(pairs)
    free = make_model()
    freeze_layers(free, -1, -1)
    with pytest.raises(ValueError, match="No layer of this model is frozen, so --frozen_cache has nothing to keep"):
        FrozenFeatureCache(tmp_path, free, tiny_processor)
