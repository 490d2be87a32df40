"""A served library of a few real pieces, heard by the real checkpoint: a hostile title in it, a secret beside it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from browsing import DESKTOP, Visits, launch_chromium
from hostile import HOSTILE, SECRET
from recordings import write

from kobza import Checkpoint, MusicLibrary
from kobza.synth.album import album, render

pytest.importorskip("gradio", reason="the Space needs gradio: pip install -e '.[test]'")

RATE = 32000


@pytest.fixture(scope="session")
def music(tmp_path_factory) -> Path:
    """A folder of five pieces; "halves" is ten seconds of organ and then ten of drums. Beside it lies a secret."""
    folder = tmp_path_factory.mktemp("space") / "music"
    wanted = {"drum solo": "Rock", "church organ": "Sacred", "flute solo": "Classical", "rock": "Rock"}
    pieces = {piece.style: piece for piece in album() if piece.style in wanted}
    sound = {style: render(piece, RATE) for style, piece in pieces.items()}
    for style, piece in pieces.items():
        tags = {"title": piece.title, "artist": "Kobza", "genre": wanted[style], "date": "2026"}
        write(folder / f"{style}.flac", sound[style], RATE, **tags)
    half = 10 * RATE
    halves = np.concatenate([sound["church organ"][:, :half], sound["drum solo"][:, :half]], axis=1)
    write(folder / "halves.flac", halves, RATE, title=HOSTILE, artist="<b>Mallory</b>", genre="<i>Noise</i>")
    (folder.parent / "secret.txt").write_text(SECRET)
    (folder / "secret.txt").write_text(SECRET)
    shutil.copy(folder / "rock.flac", folder.parent / "elsewhere.flac")
    return folder


@pytest.fixture(scope="session")
def collection(music, tmp_path_factory):
    from kobza.webui.collection import Collection

    with MusicLibrary.open(tmp_path_factory.mktemp("library"), Checkpoint.load(device="cpu")) as library:
        library.add(music)
        yield Collection(library)


@pytest.fixture(scope="session")
def served(collection):
    """The address of the page."""
    from kobza.webui.app import launch

    page = launch(collection)
    yield page.local_url
    page.close()


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[test]' brings playwright")
    with sync_api.sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, served):
    """Opens the page, at a path if one is given; at the end nothing was asked from elsewhere, nothing went wrong."""
    visits = Visits(browser)

    def open_page(viewport=DESKTOP, path="", **options):
        return visits(served + path, viewport, **options)

    yield open_page
    visits.close()
