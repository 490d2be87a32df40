"""Errors in Kobza itself, distinguished from bad files, as one message that says how to report them."""

import traceback
from functools import cache
from pathlib import Path

from kobza import __version__

ISSUE_TRACKER = "https://huggingface.co/kobza/kobza-mini/discussions"


@cache
def bad_file_errors() -> tuple[type[Exception], ...]:
    """What reading a bad file raises, here and in the decoding libraries. Anything else (TypeError, LookupError,
    RuntimeError, ...) is an error in the program, which every other file would raise, too."""
    import av
    import mutagen

    kinds = (OSError, ValueError, ArithmeticError, EOFError, MemoryError)
    return (*kinds, av.FFmpegError, mutagen.MutagenError)


class InternalError(RuntimeError):
    """An error in Kobza itself. The message is one sentence: what happened where, and how to report it."""


def internal_error(error: BaseException, doing: str = "") -> InternalError:
    """The InternalError for an unexpected exception; `doing` says what was done ("reading a.flac")."""
    import av

    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame)]
    description = type(error).__name__
    if text := " ".join(str(error).split()):
        description += f" ({text})"
    if own:
        description += f" in {Path(own[-1].filename).name}, line {own[-1].lineno}"
    if doing:
        description += f", while {doing}"
    return InternalError(
        f"Kobza {__version__} (PyAV {av.__version__}) has an internal error: {description}; what was finished is "
        f"stored. Please report this line at {ISSUE_TRACKER}"
    )


def raised_by_kobza(error: BaseException) -> bool:
    """Whether Kobza's code raised it, not a library that it called."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and _is_own(frames[-1])


def _is_own(frame: traceback.FrameSummary) -> bool:
    return Path(__file__).parent in Path(frame.filename).parents
