"""Training reads the same batches through loader workers, whatever this process has decoded before they start."""

import gc
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from recorded import losses, recorded_trainer
from recordings import tone, write
from tiny import make_model
from torch.utils.data import DataLoader

from kobza.audio import load_audio
from kobza.data.recordings import Recording
from kobza.training.dataset import PairDataset
from kobza.training.worker_batches import WorkerCollator

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


LOADER = """
import sys, torch
from torch.utils.data import DataLoader
from kobza.training.worker_batches import WorkerCollator

def collate(items):  # 4 MB
    return {"input_values": torch.stack([torch.arange(1024 * 128.0) + i for i in items]), "keys": list(items)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    loader = DataLoader(range(64), 8, collate_fn=WorkerCollator(collate), num_workers=2, timeout=60)
    rows = [(batch["input_values"][:, 0].tolist(), batch["keys"]) for batch in loader]
    assert rows == [([float(i) for i in keys], keys) for _, keys in rows] and len(rows) == 8
    print("trained")
"""


def test_workers_with_little_shared_memory(tmp_path):
    (tmp_path / "loader.py").write_text(LOADER)
    mount = f"mount -t tmpfs -o size=2m tmpfs /dev/shm && exec {sys.executable} {tmp_path / 'loader.py'}"
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this user can mount nothing here")
    result = subprocess.run([*unshare, "sh", "-c", mount], capture_output=True, text=True, timeout=100)
    assert (result.returncode, result.stdout) == (0, "trained\n"), result.stderr


def test_without_workers_a_batch_stays_as_it_is():
    batch = WorkerCollator(lambda items: {"a": torch.tensor(items), "keys": items})([1, 2])
    assert np.array_equal(batch["a"].numpy(), [1, 2]) and not batch["a"].is_shared()
