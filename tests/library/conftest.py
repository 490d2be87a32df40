import pytest
from milvus_servers import milvus_lite, milvus_server
from recordings import ToneEmbedder, tone, write

from kobza import MusicLibrary


@pytest.fixture
def embedder():
    return ToneEmbedder()


@pytest.fixture(scope="session")
def lite(tmp_path_factory):
    """The address of a server of milvus-lite."""
    with milvus_lite(tmp_path_factory.mktemp("milvus-lite")) as address:
        yield address


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """The address of a real server of Milvus."""
    with milvus_server(tmp_path_factory.mktemp("milvus")) as (address, _):
        yield address


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
def library(tmp_path, embedder):
    with MusicLibrary.open(tmp_path / "library", embedder) as library:
        yield library
