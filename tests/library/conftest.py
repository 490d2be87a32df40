import pytest
from recordings import ToneEar, tone, write

from kobza import MusicLibrary


@pytest.fixture
def ear():
    return ToneEar()


@pytest.fixture
def music(tmp_path):
    """A folder with three folders in it and seven recordings of one tone each, named by its pitch."""
    folder = tmp_path / "music"
    for i, (place, kind) in enumerate(
        [
            ("", "flac"),
            ("jazz", "mp3"),
            ("jazz", "ogg"),
            ("jazz/live", "opus"),
            ("", "wav"),
            ("old", "m4a"),
            ("old", "wma"),
        ]
    ):
        hertz = 200 * (i + 1)
        write(
            folder / place / f"{hertz}.{kind}", tone(hertz, 3 + i), 16000, title=f"Tone {hertz}", artist="Tuning Fork"
        )
    return folder


@pytest.fixture
def library(tmp_path, ear):
    with MusicLibrary.open(tmp_path / "library", ear) as library:
        yield library
