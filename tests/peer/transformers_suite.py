"""The test mixins of the installed transformers, from its source distribution on PyPI, which carries `tests/*.py`.

`load("test_modeling_common")` is such a module. What those modules import from folders that are not in the distribution
is replaced by empty stand-ins below; what these would have tested is listed with them.
"""

import importlib
import os
import shutil
import subprocess
import sys
import tarfile
import types
from pathlib import Path

import pytest
import transformers

NAME = f"transformers-{transformers.__version__}"
PACKAGE = "transformers_tests"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kobza-tests"

STAND_INS = {
    # tests/exporters: torch.export, ONNX and ExecuTorch of any model; tests/export has Kobza's own of ONNX
    "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
    # tests/generation: of models that generate text
    "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
    # tests/utils: common fields of a configuration without sub-configurations, which KobzaConfig is not
    "utils.test_configuration_utils": {"config_common_kwargs": {}},
}


def _download(folder: Path) -> Path:
    """The distribution as a file in `folder`; pytest skips the asking module where PyPI cannot be reached."""
    file = folder / f"{NAME}.tar.gz"
    if file.exists():
        return file
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else [shutil.which("pip") or "pip"]
    wanted = ["--no-deps", "--no-binary", "transformers", f"transformers=={transformers.__version__}"]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        run = subprocess.run(
            [*pip, "download", "-q", "-d", str(folder), *wanted], capture_output=True, text=True, timeout=300
        )
        reason = run.stderr.strip().splitlines()[-1:] if run.returncode else []
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = [str(error)]
    if not file.exists():
        pytest.skip(f"{file.name} cannot be fetched from PyPI with pip: {' '.join(reason)}", allow_module_level=True)
    return file


def load(module: str) -> types.ModuleType:
    """One of the distribution's test modules by its name, e.g. "test_processing_common"."""
    if PACKAGE not in sys.modules:
        folder = CACHE / NAME / "tests"
        if not folder.exists():
            with tarfile.open(_download(CACHE)) as archive:
                members = [member for member in archive if member.name.startswith(f"{NAME}/tests/")]
                archive.extractall(CACHE, members, filter="data")
            (folder / "__init__.py").touch()  # one module there executes it
        package = types.ModuleType(PACKAGE)
        package.__path__ = [str(folder)]
        sys.modules[PACKAGE] = package
        for name, contents in STAND_INS.items():
            parent, _, _ = name.rpartition(".")
            sys.modules.setdefault(f"{PACKAGE}.{parent}", types.ModuleType(f"{PACKAGE}.{parent}"))
            sys.modules[f"{PACKAGE}.{name}"] = _module(f"{PACKAGE}.{name}", contents)
        # transformers' CI keeps copies of files of the Hub; the tests that read one are excluded where they are used
        hub = {"url_to_local_path": lambda url: url}
        sys.modules.setdefault("fetch_hub_objects_for_ci", _module("fetch_hub_objects_for_ci", hub))
    return importlib.import_module(f"{PACKAGE}.{module}")


def _module(name: str, contents: dict) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    return module


def excluding(excluded: dict[str, str]):
    """Class decorator: skip the tests named, each with its reason; a name that the suite has not is an error."""

    def decorate(cls):
        for name, reason in excluded.items():
            matching = [test for test in dir(cls) if test == name]
            if not matching:
                raise AttributeError(f"{cls.__name__} has no {name} to exclude: the suite of {NAME} is another.")
            setattr(cls, name, _skipped(reason))
        return cls

    return decorate


def _skipped(reason: str):
    def test(self):
        self.skipTest(f"excluded: {reason}")

    return test
