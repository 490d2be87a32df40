"""What a library leaves out on purpose: paths, patterns, files named .kobzaignore, and recordings that are too long.

Patterns follow gitignore's rules. One that begins with "/" or contains "://" is matched with whole paths and addresses,
the others with paths relative to each of the library's folders, those of a .kobzaignore relative to its own folder.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kobza.audio import printable
from kobza.library.paths import is_url, path_from_text, path_to_text, paths_from_json, paths_to_json, under
from kobza.library.records import Failure, LibraryError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".kobzaignore"
BOM = b"\xef\xbb\xbf"  # of UTF-8, which some editors write

Excluded = Callable[[str, bool], str | None]  # (path, is it a folder?) -> why it is left out, if it is
IgnoreFile = tuple[str, list[str], "GitIgnoreSpec"]  # its folder, its lines that are patterns, its rules


@dataclass(frozen=True)
class Exclusions:
    """The exclusions that are settings of a library. `max_length`: of a recording, in seconds; None for no limit."""

    paths: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    max_length: float | None = None

    @classmethod
    def from_meta(cls, meta: Mapping[str, str]) -> "Exclusions":
        length = meta.get("max_length")
        return cls(
            frozenset(paths_from_json(meta.get("excluded_paths", "[]"))),
            tuple(map(path_from_text, json.loads(meta.get("excluded_patterns", "[]")))),
            float(length) if length else None,
        )

    def to_meta(self) -> dict[str, str]:
        """
        >>> Exclusions(frozenset(["/music/a.mp3"]), ("*.mid",)).to_meta()
        {'excluded_paths': '["/music/a.mp3"]', 'excluded_patterns': '["*.mid"]', 'max_length': ''}
        """
        return {
            "excluded_paths": paths_to_json(self.paths),
            "excluded_patterns": json.dumps(list(map(path_to_text, self.patterns))),
            "max_length": "" if self.max_length is None else str(self.max_length),
        }

    @property
    def is_empty(self) -> bool:
        return self == Exclusions()

    def __or__(self, other: "Exclusions") -> "Exclusions":
        """What either leaves out."""
        lengths = [one.max_length for one in (self, other) if one.max_length is not None]
        patterns = tuple(dict.fromkeys(self.patterns + other.patterns))
        return Exclusions(self.paths | other.paths, patterns, min(lengths, default=None))


def nothing_excluded(path: str, is_folder: bool) -> str | None:
    return None


def parse_exclusion(text: str) -> Exclusions:
    """The exclusion that `kobza exclude TEXT` adds: a path that exists or is written as one (./jazz), or a pattern.

    >>> parse_exclusion("*.mid").patterns, sorted(parse_exclusion("/no/such/folder").paths)
    (('*.mid',), ['/no/such/folder'])

    Raises:
        LibraryError: it is empty, or not a pattern.
    """
    is_path = is_url(text) or os.path.isabs(text) or re.match(r"\.\.?(/|$)", text)
    if is_path and (not re.search(r"[*?\[]", text) or os.path.lexists(text)):
        return Exclusions(frozenset([text.rstrip("/") if is_url(text) else os.path.abspath(text)]))
    pattern = text.rstrip("\r\n")
    if "\n" in pattern or not _spec([pattern]).patterns or _spec([pattern]).patterns[0].include is None:
        raise LibraryError(f"{text!r} is not a pattern; name a path, or a pattern such as *.mid or Audiobooks/")
    return Exclusions(patterns=(pattern,))


def _spec(lines: Iterable[str]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # imported here: a search has no patterns

    try:
        return GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error) as error:
        raise LibraryError(f"{printable(' '.join(lines))} is not a pattern of gitignore ({error}).") from error


class ExclusionRules:
    """Decides what is left out in one run; each folder's .kobzaignore is read once.

    Attributes:
        failed: .kobzaignore files that cannot be read, and lines that are not patterns.
    """

    def __init__(self, exclusions: Exclusions, folders: Iterable[str] = ()) -> None:
        """`folders`: those of the library, and those that are added to it."""
        self.exclusions = exclusions
        self.failed: list[Failure] = []
        self._bases: list[str] = []
        for folder in sorted(set(folders), key=len):  # outermost folders only
            if not any(under(folder, base) for base in self._bases):
                self._bases.append(folder)
        rooted = [pattern for pattern in exclusions.patterns if _is_rooted(pattern)]
        relative = [pattern for pattern in exclusions.patterns if not _is_rooted(pattern)]
        self._rooted, self._relative = _spec(p.removeprefix("/") for p in rooted), _spec(relative)
        self._names = rooted, relative
        self._reasons: dict[str, str | None] = {}  # of folders
        self._ignored: dict[str, list[IgnoreFile]] = {}  # that apply in a folder

    def reason(self, path: str, is_folder: bool = False) -> str | None:
        """Why the recording or folder is left out, such as "excluded by *.mid"; None if it is not.

        What is in an excluded folder is excluded, too.
        """
        if is_folder:
            if path not in self._reasons:
                self._reasons[path] = self._reason(path, True)
            return self._reasons[path]
        return self._reason(path, False)

    def _reason(self, path: str, is_folder: bool) -> str | None:
        if path in self.exclusions.paths:
            return f"excluded ({printable(path)})"
        parent = os.path.dirname(path)
        if parent not in ("", "/", path) and (above := self.reason(parent, True)):
            return above
        end = "/" if is_folder else ""
        base = next((base for base in self._bases if under(path, base)), None)
        if base is not None and path != base:
            for folder, lines, spec in reversed(self._ignore_files(parent, base)):  # the innermost decides
                found = spec.check_file(path[len(folder) :].lstrip("/") + end)
                if found.include is not None:
                    line = lines[found.index or 0].strip()
                    name = printable(os.path.join(folder, IGNORE_FILE))
                    return f"excluded by {printable(line)} in {name}" if found.include else None
            found = self._relative.check_file(path[len(base) :].lstrip("/") + end)
            if found.include is not None:
                return f"excluded by {printable(self._names[1][found.index or 0])}" if found.include else None
        found = self._rooted.check_file(path.lstrip("/") + end)
        return f"excluded by {printable(self._names[0][found.index or 0])}" if found.include else None

    def _ignore_files(self, folder: str, base: str) -> list[IgnoreFile]:
        """The .kobzaignore files that apply in `folder`, the outermost first."""
        if folder not in self._ignored:
            outer = self._ignore_files(os.path.dirname(folder), base) if folder != base else []
            lines = [] if is_url(folder) else self._read(os.path.join(folder, IGNORE_FILE))
            self._ignored[folder] = [*outer, (folder, lines, _spec(lines))] if lines else outer
        return self._ignored[folder]

    def _read(self, file: str) -> list[str]:
        """The lines of a .kobzaignore that are patterns; none if there is no such file."""
        try:
            if not stat.S_ISREG(os.stat(file).st_mode):
                return []
        except OSError:  # there is none, or the folder cannot be read, which its listing reports
            return []
        try:
            with open(file, "rb") as opened:
                lines = [os.fsdecode(line.rstrip(b"\r")) for line in opened.read().removeprefix(BOM).split(b"\n")]
        except OSError as error:
            self.failed.append(Failure(file, f"{printable(file)} cannot be read ({error.strerror}); check it."))
            return []
        patterns = []
        for number, line in enumerate(lines, 1):
            try:
                if _spec([line]).patterns and line.strip() and not line.startswith("#"):
                    patterns.append(line)
            except LibraryError:
                wrong = (
                    f"{printable(line)}, line {number} of {printable(file)}, is not a pattern of gitignore; mend it."
                )
                self.failed.append(Failure(file, wrong))
        return patterns


def _is_rooted(pattern: str) -> bool:
    return pattern.lstrip("!").startswith("/") or "://" in pattern
