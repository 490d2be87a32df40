"""What every data set is read into: recordings with what is known of each, and what had to be left out."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kobza.audio import printable
from kobza.errors import KobzaError
from kobza.folders import expanded

Skipped = list[tuple[str, str]]  # (file, reason)


class DataSetError(KobzaError):
    """A data set cannot be used. The message is one sentence: which folder or table, what is wrong, what to do."""


@dataclass(frozen=True)
class Recording:
    """One row: a recording and one thing said of it. `id` is its path inside the data set, with forward slashes."""

    path: Path
    id: str
    caption: str | None = None
    label: str | None = None
    tags: tuple[str, ...] | None = None
    aspects: tuple[str, ...] | None = None  # what a caption's author listed besides the caption; training only


@dataclass(frozen=True)
class DataSet:
    """A data set, or a split of one.

    Attributes:
        name: musiccaps, gtzan, magnatagatune, pairs or classes. split: which part of it, where there are several.
        recordings: what can be used. skipped: (file, reason) of what cannot. Together they are `of` rows.
        vocabulary: the labels or tags, in the order of their columns in every result.
    """

    name: str
    folder: Path
    recordings: tuple[Recording, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    vocabulary: tuple[str, ...] = ()
    split: str | None = None

    @property
    def of(self) -> int:
        return len(self.recordings) + len(self.skipped)


def require_folder(folder: str | Path) -> Path:
    """The folder as a path, if it is there."""
    folder = expanded(folder)
    if not folder.is_dir():
        raise DataSetError(f"There is no folder {printable(folder)}: check the path.")
    return folder


def files_under(folder: Path) -> dict[str, Path]:
    """{path inside the folder: path} of every file at any depth, sorted; hidden ones are nobody's recordings."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    visible = {inner: path for inner, path in found.items() if not any(part.startswith(".") for part in inner.parts)}
    return {inner.as_posix(): visible[inner] for inner in sorted(visible)}


def read_jsonl(path: Path, columns: Iterable[str]) -> list[dict]:
    """The objects of a JSON Lines file, each of which must have `columns`."""
    rows = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataSetError(f"Line {number} of {printable(path)} is not JSON ({error}): mend the line.") from None
        if not isinstance(row, dict):
            raise DataSetError(f"Line {number} of {printable(path)} is not a JSON object: mend the line.")
        _require(columns, row, f"Line {number} of {printable(path)}")
        rows.append(row)
    return rows


def read_table(path: Path, columns: Iterable[str], delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a table with a header, which must name `columns`; every row must be as long as the header."""
    lines = csv.reader(io.StringIO(_text(path), newline=""), delimiter=delimiter)
    try:
        header = next(lines, [])
        _require(columns, header, f"The table {printable(path)}")
        rows = []
        for row in lines:
            if row and len(row) != len(header):
                raise DataSetError(
                    f"Line {lines.line_num} of {printable(path)} has {len(row)} columns, its header {len(header)}: "
                    "mend the line or fetch the table again."
                )
            if row:
                rows.append(dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise DataSetError(f"Line {lines.line_num} of {printable(path)} is not a table's row ({error}).") from None
    return rows


def _require(columns: Iterable[str], present: Iterable[str], what: str) -> None:
    present = list(present)
    missing = [column for column in columns if column not in present]
    if missing:
        has = ", ".join(map(repr, present[:6])) + (", ..." if len(present) > 6 else "")
        raise DataSetError(f"{what} has no column {missing[0]!r} (it has {has or 'none'}): fetch or write it again.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataSetError(f"{printable(path.parent)} has no {path.name}: check the folder.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(f"{printable(path)} cannot be read ({error}): fetch it again.") from None
