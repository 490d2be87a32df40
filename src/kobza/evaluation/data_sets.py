"""The content of an evaluation's data set as a hash, which its result names."""

import hashlib
import json
from pathlib import Path

from kobza.data.recordings import DataSet
from kobza.data.sets import load_data_set as load_data_set


def data_hash(data: DataSet) -> str:
    """SHA-256 over each recording's path in the data set, its bytes and its annotations, and over the vocabulary."""
    digest = hashlib.sha256(json.dumps(data.vocabulary).encode())
    file_hashes: dict[Path, str] = {}
    for recording in data.recordings:
        if recording.path not in file_hashes:
            with recording.path.open("rb") as file:
                file_hashes[recording.path] = hashlib.file_digest(file, "sha256").hexdigest()
        row = [recording.id, file_hashes[recording.path], recording.caption, recording.label, recording.tags]
        if recording.judged is not None:
            row.append(recording.judged)
        digest.update(json.dumps(row).encode())
    if data.judgments:
        digest.update(json.dumps(data.judgments).encode())
    return digest.hexdigest()
