"""Recordings with graded relevance: for each query a grade of some recordings, 0 where nobody judged.

    DIR/judgments.csv or .tsv      query (its text), recording, grade: 0, 1, 2, 3
    DIR/queries.jsonl, DIR/qrels/test.tsv      the same as BEIR, MTEB and IncompeBench (arXiv:2602.11941) have it:
                                   {"_id", "text"}, and query-id, corpus-id, score, separated by tabs
    DIR/.../a.mp3                  all recordings that are searched, judged or not

A recording is named by its path in the folder, or by its file's name without extension.
"""

from pathlib import Path

from kobza.audio import printable
from kobza.data.formats import parse_part
from kobza.data.recordings import (
    AudioFolder,
    DataSet,
    DataSetError,
    Judgment,
    Recording,
    Skipped,
    read_jsonl,
    read_table,
    require_folder,
)

OWN_TABLES = {"judgments.csv": ",", "judgments.tsv": "\t"}
QUERIES = "queries.jsonl"
GRADES = "qrels/test.tsv"


def load_judged(folder: str | Path, part: str | None = None) -> DataSet:
    """Load all recordings of a folder and the grades of those that were judged.

    Raises:
        DataSetError: the folder, a table or its columns are missing, a grade is not a number, or no query can be used.
    """
    folder = require_folder(folder)
    parse_part("judged", part)
    audio = AudioFolder(folder)
    recordings = tuple(Recording(path, inner) for inner, path in audio.present.items())
    judgments: list[Judgment] = []
    skipped: Skipped = []
    for query, name, text in _rows(folder):
        inner = audio.find(name) or audio.find_named(name)
        if inner is None:
            skipped.append((printable(name), "it was judged, but it is missing"))
            continue
        try:
            grade = float(text)
        except ValueError:
            grade = -1.0
        if not 0 <= grade < float("inf"):
            raise DataSetError(
                f"The grade of {printable(name)} for {query!r} in {printable(folder)} is {text!r}: write a "
                "number of 0 or more."
            )
        judgments.append(Judgment(query, inner, grade))
    if not any(judgment.grade > 0 for judgment in judgments):
        raise DataSetError(
            f"No query of {printable(folder)} has a recording with a grade above 0: check the table, and that its "
            "recordings are in the folder."
        )
    return DataSet("judged", folder, recordings, tuple(dict.fromkeys(skipped)), judgments=tuple(judgments))


def _rows(folder: Path) -> list[tuple[str, str, str]]:
    """[(text of the query, name of the recording, grade)] of either form."""
    for table, delimiter in OWN_TABLES.items():
        if (folder / table).is_file():
            rows = read_table(folder / table, ("query", "recording", "grade"), delimiter)
            return [(row["query"], row["recording"], row["grade"]) for row in rows]
    if not (folder / QUERIES).is_file():
        raise DataSetError(
            f"{printable(folder)} has no judgments.csv and no {QUERIES}: write a judgments.csv, with a column each for "
            "query, recording and grade."
        )
    texts = {str(row["_id"]): str(row["text"]) for row in read_jsonl(folder / QUERIES, ("_id", "text"))}
    rows = read_table(folder / GRADES, ("query-id", "corpus-id", "score"), "\t")
    unknown = next((row["query-id"] for row in rows if row["query-id"] not in texts), None)
    if unknown is not None:
        raise DataSetError(
            f"{printable(folder / GRADES)} judges for the query {unknown}, which {QUERIES} lacks: add it."
        )
    return [(texts[row["query-id"]], row["corpus-id"], row["score"]) for row in rows]
