"""Looking after a library in a folder: whether everything in it is whole."""

from pathlib import Path

from kobza.library.sqlite_store import SQLiteStore


def check(folder: Path) -> list[str]:
    """What is wrong with the library in `folder`, a sentence each."""
    store = SQLiteStore(folder, read_only=True)
    try:
        return [row[0] for row in store._db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    finally:
        store.close()
