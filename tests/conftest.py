"""What many tests need: a tiny checkpoint, made on the spot and offline; the command line with an embedder of tones."""

import atexit
import os
import shutil
import signal
import tempfile
import threading

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Where transformers copies a checkpoint's own code before it imports it: not into the user's cache, and one place for a
# whole process, because Python looks for the code's siblings where it found the first
os.environ["HF_MODULES_CACHE"] = tempfile.mkdtemp(prefix="kobza-tests-modules-")

import numpy as np
import pytest
from recordings import replace_checkpoint
from tiny import make_model, make_tokenizer

atexit.register(shutil.rmtree, os.environ["HF_MODULES_CACHE"], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _no_cache_or_settings_of_the_users(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def _children_can_be_interrupted():
    """A process inherits that SIGINT is ignored, which a shell does for background jobs, or blocked, which a library
    may have left behind."""
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGINT)
        is_default = handler in (None, signal.SIG_IGN, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler if is_default else handler)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@pytest.fixture(scope="session")
def tiny_processor(tmp_path_factory):
    from kobza import KobzaFeatureExtractor, KobzaProcessor

    return KobzaProcessor(KobzaFeatureExtractor(), make_tokenizer(tmp_path_factory.mktemp("tokenizer")))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory, tiny_processor) -> str:
    """The folder of a whole checkpoint: random weights (128-d vectors, 16 kHz, 10 s windows), all files."""
    from kobza import Checkpoint

    folder = tmp_path_factory.mktemp("tiny") / "kobza-tiny"
    Checkpoint(make_model(text_pooling="mean"), tiny_processor).save(folder)
    return str(folder)


@pytest.fixture(scope="session")
def sounds() -> list[np.ndarray]:
    """Four waveforms at 16 kHz: 10 s of tone, 3.3 s of noise, 24 s of a rising tone, and 0.5 s of a click train."""
    rate, noise = 16000, np.random.default_rng(0)
    t = np.arange(24 * rate) / rate
    click = np.zeros(rate // 2)
    click[::800] = 0.8
    waves = [
        0.4 * np.sin(2 * np.pi * 440 * t[: 10 * rate]),
        0.1 * noise.standard_normal(int(3.3 * rate)),
        0.3 * np.sin(2 * np.pi * (100 + 40 * t) * t),
        click,
    ]
    return [wave.astype(np.float32) for wave in waves]


@pytest.fixture
def kobza(tmp_path, monkeypatch, capsys):
    """Runs a command on a library of its own with an embedder of tones: (exit code, output, errors)."""
    from kobza.cli import main

    monkeypatch.setenv("KOBZA_LIBRARY", str(tmp_path / "library"))
    replace_checkpoint(monkeypatch)

    def run(*argv):
        capsys.readouterr()
        try:
            code = main([str(word) for word in argv])
        except SystemExit as leaving:  # argparse, at wrong usage
            code = leaving.code
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return code, out.out, out.err

    return run


def pytest_collection_modifyitems(items):
    """The limit of pyproject.toml is for quick tests; it would end a slow one that works."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(3600))
