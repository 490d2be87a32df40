"""Paths as text that is the same under every locale.

Python decodes a path's bytes by the locale: the folder that is "é" under UTF-8 is "Ã©" under ISO-8859-1. What is kept,
or given to other programs, is therefore the bytes read as UTF-8; a byte that is none becomes a lone surrogate.
"""

import json
import os
from collections.abc import Iterable

UTF8 = ("utf-8", "surrogateescape")


def path_to_text(path: str | os.PathLike) -> str:
    return os.fsencode(path).decode(*UTF8)


def path_from_text(text: str) -> str:
    """The path, as this process's locale spells it, of which `path_to_text` made `text`."""
    return os.fsdecode(text.encode(*UTF8))


def paths_to_json(paths: Iterable[str]) -> str:
    return json.dumps(sorted(map(path_to_text, paths)))


def paths_from_json(text: str) -> list[str]:
    return [path_from_text(path) for path in json.loads(text)]
