"""Training reads the same batches through loader workers, whatever this process has decoded before they start."""

import pytest
from recorded import losses, recorded_trainer
from recordings import tone, write
from tiny import make_model

from kobza.audio import load_audio
from kobza.data.recordings import Recording

FORMATS = ("flac", "mp3", "ogg", "wav", "m4a")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Ten recordings of all formats, each of which this process has decoded already."""
    folder, made = tmp_path_factory.mktemp("recordings"), []
    for k in range(10):
        path = write(folder / f"{k}.{FORMATS[k % 5]}", tone(200 + 30 * k, 12.0))
        load_audio(path)
        made.append(Recording(path, path.name, caption=f"tone {k}"))
    return made


def test_training_with_workers_is_training_without(recordings, tiny_processor, tmp_path):
    """Threads that FFmpeg left in this process would make a forked worker wait for ever."""
    found = []
    for workers in (0, 2):
        model = make_model()
        trainer = recorded_trainer(tmp_path, model, tiny_processor, recordings, dataloader_num_workers=workers)
        found.append(losses(trainer))
    assert found[1] == pytest.approx(found[0], abs=1e-6) and len(found[0]) == 4
