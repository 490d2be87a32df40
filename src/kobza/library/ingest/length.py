"""How long a recording is, as far as its header says."""

from kobza.audio import AudioError, declared_seconds
from kobza.library.ingest.parts import has_embedded_sheet
from kobza.library.paths import is_url


def is_longer(path: str, limit: float) -> bool:
    """Whether a recording's header says that it is longer than `limit` seconds, and no cue sheet in it divides it."""
    try:
        if is_url(path):
            import fsspec

            with fsspec.open(path, "rb") as stream:
                seconds = declared_seconds(stream)
        else:
            seconds = declared_seconds(path)
    except (AudioError, OSError, ValueError):  # reading it is tried again, and reported, when it is embedded
        return False
    return seconds is not None and seconds > limit and (is_url(path) or not has_embedded_sheet(path))
