"""Optional packages, each brought by an extra, and the sentence that names the extra where one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from kobza.errors import KobzaError

# Module: what its project calls itself, where that is another name
PROJECTS = {
    "libsonic": "py-sonic",
    "matplotlib": "Matplotlib",
    "mpd": "python-mpd2",
    "peft": "PEFT",
    "ray": "Ray",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
    "torch": "PyTorch",
    "torchaudio": "PyTorch",
    "transformers": "PyTorch",  # nothing of Kobza uses it without
    "yaml": "PyYAML",
    "yt_dlp": "yt-dlp",
}


class MissingPackageError(KobzaError, ImportError):
    """A package is not installed; the message says what needs it, and how to install it."""


def missing_package(what: str, module: str, extra: str) -> MissingPackageError:
    """The error for `what` (such as a command), which needs a module that `extra` brings.

    >>> print(missing_package("KobzaModel", "torch", "torch"))
    KobzaModel needs PyTorch: run `pip install 'kobza[torch]'`.
    """
    name = module.partition(".")[0]
    return MissingPackageError(f"{what} needs {PROJECTS.get(name, name)}: run `pip install 'kobza[{extra}]'`.")


@contextmanager
def needs(what: str, extra: str = "torch") -> Iterator[None]:
    """For imports: a module that is not installed becomes the `MissingPackageError` of `what` and `extra`."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "kobza":  # not a package that is missing, but a fault
            raise
        raise missing_package(what, error.name, extra) from error


def require(module: str, what: str, extra: str) -> None:
    """Raise the `MissingPackageError` of `what` and `extra` if a module is not installed; it is not imported."""
    if find_spec(module) is None:
        raise missing_package(what, module, extra)


@contextmanager
def exit_unless(what: str, extra: str) -> Iterator[None]:
    """`needs` for the imports of a program: a package that is missing ends it with the sentence, not a traceback."""
    try:
        with needs(what, extra):
            yield
    except MissingPackageError as error:
        raise SystemExit(str(error)) from None
