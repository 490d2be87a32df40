"""Training reads the same batches through loader workers, whatever this process has decoded before they start."""

import gc

import numpy as np
import pytest
from recorded import losses, recorded_trainer
from recordings import tone, write
from tiny import make_model
from torch.utils.data import DataLoader

from kobza.audio import load_audio
from kobza.data.recordings import Recording
from kobza.training.dataset import PairDataset

FORMATS = ("flac", "mp3", "ogg", "wav", "m4a")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Ten recordings of all formats."""
    folder, made = tmp_path_factory.mktemp("recordings"), []
    for k in range(10):
        path = write(folder / f"{k}.{FORMATS[k % 5]}", tone(200 + 30 * k, 12.0))
        made.append(Recording(path, path.name, caption=f"tone {k}"))
    return made


def test_workers_decode_after_the_main_process_has(recordings):
    """A worker frees decoders of the main process that await garbage collection; it must not wait for their threads."""
    pairs = PairDataset(recordings)
    gc.disable()
    try:
        expected = [load_audio(recording.path)[:160_000] for recording in recordings]
        loader = DataLoader(pairs, batch_size=None, num_workers=2, timeout=60, worker_init_fn=lambda _: gc.collect())
        assert all(np.array_equal(item["audio"], audio) for item, audio in zip(loader, expected, strict=True))
    finally:
        gc.enable()


def test_training_with_workers_is_training_without(recordings, tiny_processor, tmp_path):
    found = []
    for workers in (0, 2):
        model = make_model()
        trainer = recorded_trainer(tmp_path, model, tiny_processor, recordings, dataloader_num_workers=workers)
        found.append(losses(trainer))
    assert found[1] == pytest.approx(found[0], abs=1e-6) and len(found[0]) == 4
