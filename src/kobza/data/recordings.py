"""`DataSet`, the form in which every data set is loaded: annotated recordings, and the files that were left out."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.data.formats import DataSetError as DataSetError
from kobza.folders import expanded

Skipped = list[tuple[str, str]]  # (file, reason)


@dataclass(frozen=True)
class Recording:
    """A recording with its annotations; one with several captions has a row for each.

    Attributes:
        id: its path inside the data set, with forward slashes.
        aspects: phrases that the author of the caption listed beside it; used in training only.
        source: the recording by a name that other data sets know it by, such as youtube:ID, where the table has one.
        paraphrases: of the caption, such as a language model's; used in training only.
        judged: the tags of which somebody said whether it has them; None where that is all of them.
    """

    path: Path
    id: str
    caption: str | None = None
    label: str | None = None
    tags: tuple[str, ...] | None = None
    aspects: tuple[str, ...] | None = None
    judged: tuple[str, ...] | None = None
    source: str | None = None
    paraphrases: tuple[str, ...] | None = None


class Judgment(NamedTuple):
    """How relevant a recording is to a query: 0 not at all, and more the higher."""

    query: str
    recording: str  # its id
    grade: float


@dataclass(frozen=True)
class DataSet:
    """A data set, or a split of one.

    Attributes:
        name: one of `formats.FORMATS`.
        recordings: the rows that can be used.
        skipped: (file, reason) of the rows and files that cannot.
        vocabulary: the labels or tags, in the order of their columns in every result.
        split: which part of the data set, where there are several.
        judgments: grades of recordings for queries, where there are such.
    """

    name: str
    folder: Path
    recordings: tuple[Recording, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    vocabulary: tuple[str, ...] = ()
    split: str | None = None
    judgments: tuple[Judgment, ...] = ()

    @property
    def task(self) -> str:
        """What its annotations allow to measure: "retrieval", "classification", "tagging" or "ranking"."""
        if self.judgments:
            return "ranking"
        first = self.recordings[0] if self.recordings else None
        if first is None or first.caption is not None:
            return "retrieval"
        return "classification" if first.label is not None else "tagging"

    @property
    def total(self) -> int:
        """The number of rows, used or skipped."""
        return len(self.recordings) + len(self.skipped)


def require_folder(folder: str | Path) -> Path:
    """The folder as a path.

    Raises:
        DataSetError: it does not exist.
    """
    folder = expanded(folder)
    if not folder.is_dir():
        raise DataSetError(f"There is no folder {printable(folder)}: check the path.")
    return folder


def visible_files(folder: Path) -> dict[str, Path]:
    """{path inside the folder: path} of every file at any depth, sorted; hidden files and folders are left out."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    visible = {inner: path for inner, path in found.items() if not any(part.startswith(".") for part in inner.parts)}
    return {inner.as_posix(): visible[inner] for inner in sorted(visible)}


class AudioFolder:
    """The audio files of a folder, found by their path in it or, at any depth, by their name.

    Attributes:
        present: {path inside the folder: path}
    """

    def __init__(self, folder: Path):
        files = visible_files(folder)
        self.present = {inner: path for inner, path in files.items() if path.suffix.lower() in AUDIO_EXTENSIONS}
        self._by_stem: dict[str, list[str]] = {}
        for inner, path in self.present.items():
            self._by_stem.setdefault(path.stem, []).append(inner)

    def find(self, *paths: str) -> str | None:
        """The first of these paths that is there."""
        return next((inner for inner in paths if inner in self.present), None)

    def find_named(self, *stems: str, within: tuple[str, ...] = ()) -> str | None:
        """The file with the first of these names (without extension) that is there.

        Of several with that name the first in a folder with one of the names `within`, else the first of all.
        """
        for stem in stems:
            found = self._by_stem.get(stem, [])
            inside = [inner for inner in found if set(within).intersection(inner.split("/")[:-1])]
            if found:
                return (inside or found)[0]
        return None


def find_table(folder: Path, *names: str) -> Path:
    """The first of these files that is in the folder, at the least depth.

    Raises:
        DataSetError: none is there.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
        deeper = sorted(folder.rglob(name), key=lambda path: (len(path.parts), path))
        if deeper:
            return deeper[0]
    raise DataSetError(f"{printable(folder)} has no {' or '.join(names)}: check the folder, or put the table there.")


def read_jsonl(path: Path, columns: Iterable[str]) -> list[dict]:
    """The objects of a JSON Lines file.

    Raises:
        DataSetError: it cannot be read, or an object lacks one of `columns`.
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataSetError(f"Line {number} of {printable(path)} is not JSON ({error}): correct the line.") from None
        if not isinstance(row, dict):
            raise DataSetError(f"Line {number} of {printable(path)} is not a JSON object: correct the line.")
        _require(columns, row, f"Line {number} of {printable(path)}")
        rows.append(row)
    return rows


def read_table(path: Path, columns: Iterable[str], delimiter: str = ",") -> list[dict[str, str]]:
    """The rows of a CSV table with a header.

    Raises:
        DataSetError: it cannot be read, the header lacks one of `columns`, or a row is not as long as the header.
    """
    lines = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter)
    try:
        header = next(lines, [])
        _require(columns, header, f"The table {printable(path)}")
        rows = []
        for row in lines:
            if row and len(row) != len(header):
                raise DataSetError(
                    f"Line {lines.line_num} of {printable(path)} has {len(row)} columns, its header {len(header)}: "
                    "correct the line or fetch the table again."
                )
            if row:
                rows.append(dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise DataSetError(
            f"Line {lines.line_num} of {printable(path)} is not valid CSV ({error}): correct the line."
        ) from None
    return rows


def _require(columns: Iterable[str], present: Iterable[str], what: str) -> None:
    present = list(present)
    missing = [column for column in columns if column not in present]
    if missing:
        has = ", ".join(map(repr, present[:12])) + (", ..." if len(present) > 12 else "")
        lacks = f"column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}"
        raise DataSetError(
            f"{what} has no {lacks}; it has {has or 'none'}: rename the column that holds this, or add it."
        )


def read_text(path: Path) -> str:
    """A UTF-8 file, without its byte order mark. DataSetError: it is missing or cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataSetError(f"{printable(path.parent)} has no {printable(path.name)}: check the folder.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(f"{printable(path)} cannot be read ({error}): fetch it again.") from None
