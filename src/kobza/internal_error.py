"""Faults of Kobza itself, told apart from bad files, in one sentence that says how to report them."""

import traceback
from pathlib import Path

import av
import mutagen

from kobza import __version__

ISSUE_TRACKER = "https://huggingface.co/kobza/kobza-mini/discussions"
# What reading a bad file raises, here and in the libraries that decode it. All else (TypeError, AttributeError,
# NameError, LookupError, ...) says that the program is wrong, and it would say so of every file.
BAD_FILE_ERRORS: tuple[type[Exception], ...] = (
    *(OSError, ValueError, ArithmeticError, EOFError, MemoryError),
    *(av.FFmpegError, mutagen.MutagenError),
)
PROGRAMMING_ERRORS = (TypeError, AttributeError, NameError, LookupError, AssertionError, NotImplementedError)


class InternalError(RuntimeError):
    """A fault of Kobza itself. The message is one sentence: what happened where, and how to report it."""


def internal_error(error: BaseException, doing: str = "") -> InternalError:
    """The sentence for an exception that nobody expected, after `doing` something ("reading a.flac")."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(__file__).parent in Path(frame.filename).parents]
    place = f" in {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
    said = " ".join(str(error).split())
    what = type(error).__name__ + (f" ({said})" if said else "") + place + (f", while {doing}" if doing else "")
    return InternalError(
        f"Kobza {__version__} (PyAV {av.__version__}) has a fault: {what}; what was finished is stored, and a report "
        f"of this line helps to mend it: {ISSUE_TRACKER}"
    )


def raised_by_kobza(error: BaseException) -> bool:
    """Whether it was raised by Kobza's code, not within a library that it called."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(__file__).parent in Path(frames[-1].filename).parents
