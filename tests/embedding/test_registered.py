"""Embedders of other packages: the example of docs/build.md, with a stand-in for TTMR++'s repository."""

import json
import re
import sys
import tomllib
import types
from importlib import invalidate_caches
from pathlib import Path

import numpy as np
import pytest
import torch
from made_sets import musiccaps
from recordings import tone, write

from kobza import CheckpointError, MusicLibrary
from kobza.cli import main
from kobza.embedding.embedder import Embedder
from kobza.embedding.loader import load_embedder, load_text_embedder, load_torch_embedder

BUILD = Path(__file__).parents[2] / "docs" / "build.md"
(EXAMPLE,) = re.findall(r"^```python\n([^`]*load_ttmr_pp.*?)^```", BUILD.read_text(), flags=re.MULTILINE | re.DOTALL)
(TOML,) = re.findall(r"^```toml\n(.*?)^```", BUILD.read_text(), flags=re.MULTILINE | re.DOTALL)
((NAME, VALUE),) = tomllib.loads(TOML)["project"]["entry-points"]["kobza.embedders"].items()
ENTRY_POINT = f"{NAME} = {VALUE}"  # as an installed package has it


class StandIn(torch.nn.Module):
    """The two methods of TTMR++'s `DualEncoderModel`, which returns vectors of any length."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.bands = torch.nn.Parameter(torch.randn(64, 128, generator=generator))

    def audio_forward(self, audio: torch.Tensor) -> torch.Tensor:
        assert audio.shape == (1, 220_500) and audio.dtype == torch.float32
        power = torch.fft.rfft(audio).abs()[:, :110_208].reshape(1, 64, -1).mean(-1)
        return power.sqrt() @ self.bands

    def text_forward(self, text: list[str]) -> torch.Tensor:
        assert isinstance(text, list) and len(text) == 1
        letters = torch.bincount(torch.tensor([ord(letter) % 64 for letter in text[0]]), minlength=64)
        return letters[None].float() @ self.bands


def install(folder: Path, entry_points: str) -> None:
    """What pip leaves of a package that registers an embedder."""
    info = folder / "my_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[kobza.embedders]\n{entry_points}\n")
    (folder / "my_models.py").write_text(EXAMPLE)
    invalidate_caches()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages, and TTMR++'s repository."""
    loaded = types.ModuleType("mtrpp.utils.eval_utils")
    loaded.load_ttmr_pp = lambda folder, model_types: (StandIn(), 22_050, 10)
    for name, module in (("mtrpp", types.ModuleType("mtrpp")), ("mtrpp.utils", types.ModuleType("mtrpp.utils"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, loaded.__name__, loaded)
    monkeypatch.delitem(sys.modules, "my_models", raising=False)
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield tmp_path / "site"
    sys.modules.pop("my_models", None)


def test_the_example_of_the_docs_is_an_embedder_by_name(site):
    install(site, ENTRY_POINT)
    for load in (load_embedder, load_torch_embedder, load_text_embedder):
        embedder = load("ttmr")
        assert isinstance(embedder, Embedder) and type(embedder).__name__ == "TTMR"
    windows = [tone(300, 10.0, 22_050), tone(900, 2.5, 22_050)]
    for vectors in (embedder.embed_windows(windows), embedder.embed_text(["slow sad piano", "drums"])):
        assert vectors.shape == (2, 128) and vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_commands_take_its_name(site, tmp_path, capsys):
    install(site, ENTRY_POINT)
    for hertz, seconds in ((300, 12.0), (3000, 15.0)):
        write(tmp_path / "music" / f"{hertz}.flac", tone(hertz, seconds))
    common = ["--library", str(tmp_path / "library")]
    assert main(["index", str(tmp_path / "music"), "--model", "ttmr", *common]) == 0
    with MusicLibrary.open(tmp_path / "library", "ttmr") as library:
        assert len(library.search("slow sad piano")) == 2
    musiccaps(tmp_path / "musiccaps", 6)
    receipt = tmp_path / "receipt.json"
    assert main(["evaluate", "ttmr", "--on", f"pairs:{tmp_path}/musiccaps", "--receipt", str(receipt)]) == 0
    assert (json.loads(receipt.read_text())["model"], json.loads(receipt.read_text())["used"]) == ("ttmr", 6)
    capsys.readouterr()
    assert main(["doctor", "ttmr"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "audio tower" in told and "Computing in bf16 is not possible" in told


@pytest.mark.parametrize(
    ("entry_point", "reason"),
    [
        ("ttmr = my_models:no_such", r"\(my_models:no_such\) cannot be loaded: AttributeError"),
        ("ttmr = no_such_package:load", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_package'"),
        ("ttmr = builtins:str", "is not an Embedder: its str has no name, fingerprint, dim, sampling_rate"),
        ("other = my_models:load_ttmr", "calls itself 'ttmr': its Embedder's name must be 'other'"),
    ],
)
def test_a_faulty_registration_is_one_sentence(site, entry_point, reason):
    install(site, entry_point)
    with pytest.raises(CheckpointError, match=reason):
        load_embedder(entry_point.split()[0])


def test_names_that_nobody_registered_are_looked_for_as_folders(site, tmp_path, monkeypatch):
    install(site, ENTRY_POINT)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="There is no checkpoint folder ttmr2"):
        load_embedder("ttmr2")
    with pytest.raises(CheckpointError, match=r"no checkpoint folder \./ttmr"):  # a path, though the name is registered
        load_embedder("./ttmr")
