"""Libraries of older versions of Kobza: read as they are, migrated when opened for writing, killed meanwhile."""

import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from child_processes import dawdle_at_each_statement, killed_at
from store_contract import unit

from kobza.library import open_store
from kobza.library.filters.parser import parse_filter
from kobza.library.stores import schema
from kobza.library.stores.integrity import check, repair


def migrate(steps, folder) -> None:
    dawdle_at_each_statement(steps)
    open_store(folder).close()


class TestMigration:
    """schema_1.sql and schema_2.sql are the same library as released versions of Kobza wrote it, with a deleted track
    and a name that is not UTF-8."""

    @pytest.fixture(params=[1, 2])
    def folder(self, tmp_path, request):
        (tmp_path / "old").mkdir()
        script = Path(__file__).with_name(f"schema_{request.param}.sql").read_text(encoding="utf-8")
        with sqlite3.connect(tmp_path / "old" / "kobza.db") as db:
            db.executescript(script)
            db.execute("PRAGMA journal_mode = WAL")
        db.close()
        return tmp_path / "old"

    @staticmethod
    def look(folder, read_only: bool) -> None:
        store = open_store(folder, read_only)
        rows = {
            os.fsencode(track.path): (track, file_state, starts, vectors)
            for track, file_state, starts, vectors in store.scan()
        }
        assert list(rows) == [b"/m/a.mp3", b"/m/c.mp3", b"/m/\xff.mp3"]
        for i, (path, n) in enumerate([(b"/m/a.mp3", 3), (b"/m/\xff.mp3", 1), (b"", 0), (b"/m/c.mp3", 12)]):
            if n:
                track, file_state, starts, vectors = rows[path]
                assert track.added == 1_700_000_001 + i and track.duration == 10 * n and file_state.size == n
                assert starts == [10.0 * j for j in range(n)]
                np.testing.assert_array_equal(vectors, unit(n, i, dim=8))
                for by in ("track", "moment"):
                    assert os.fsencode(store.search(vectors.mean(0), 1, by=by)[0][1].path) == path
        assert len(store.search(unit(1, dim=8)[0], 9, parse_filter("artist = ŽIŽKA and title = піcня"))) == 3
        assert store.meta["folders"] == '["/m"]' and store.meta["schema"] == str(schema.SCHEMA)
        store.close()

    @staticmethod
    def columns(store) -> dict:
        """{table: {column's name: (type, not null, default, in primary key)}, index: its SQL}"""
        names = {name for (name,) in store._query("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        names -= {"sqlite_stat1", "sqlite_stat4"}
        columns = {name: {row[1]: row[2:] for row in store._query(f"PRAGMA table_info({name})")} for name in names}
        return columns | dict(store._query("SELECT name, sql FROM sqlite_schema WHERE type = 'index'"))

    def test_opened_for_reading_it_stays_as_it_is(self, folder):
        before = (folder / "kobza.db").read_bytes()
        self.look(folder, read_only=True)
        assert check(folder) == [] and (folder / "kobza.db").read_bytes() == before

    def test_opened_for_writing_it_is_migrated(self, folder):
        self.look(folder, read_only=False)
        self.look(folder, read_only=True)
        assert check(folder) == [] and repair(folder) == []
        store = open_store(folder)
        store.upsert(*next(iter(store.scan())))
        assert store.count() == (3, 16, 160.0)
        new = open_store(folder / "new")
        assert self.columns(new) == self.columns(store)
        new.close()
        store.close()

    @pytest.mark.parametrize("folder", [1], indirect=True)
    def test_killed_in_the_middle_of_it(self, folder):
        found = set()
        for moment in range(2, 40, 3):
            shutil.copytree(folder, f"{folder}-{moment}")
            killed_at(moment, migrate, folder)
            with sqlite3.connect(folder / "kobza.db") as db:
                found.add(db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0])
            db.close()
            self.look(folder, read_only=True)
            shutil.rmtree(folder)
            shutil.move(f"{folder}-{moment}", folder)
        assert "1" in found
