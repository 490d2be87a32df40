"""A state machine that changes music, discs and settings at random, kills the library at random, and compares it with
a simple model of what it must hold.

The library must be, after every complete run, what the folders and the exclusions say; after a kill, each track must
be what it was before or what it is to be. What a run reports must be what it did.
"""

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from child_processes import context
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from recordings import ToneEmbedder, tone, write

from kobza import MusicLibrary
from kobza.library import LibraryError
from kobza.library.exclusions import Exclusions
from kobza.library.ingest import away
from kobza.library.ingest.file_status import file_status
from kobza.library.stores import connection, tag_words
from kobza.library.stores.integrity import check

NAMES = ("a.flac", "B.flac", "sub/c.flac", "sub/B.flac", "sub/deep/d.flac", "mix/e.flac", "mix/deep/f.flac")
FOLDERS = ("sub", "sub/deep", "mix")
DISCS = ("disc0", "disc1", "disc2")
CHANGES = ("write", "write", "write", "delete", "touch", "retag", "damage", "move", "move", "copy", "rename folder")
LENGTH_LIMIT = 2.0  # seconds; some recordings are longer
# A pattern of gitignore, and what it means for a path relative to the folder of the pattern
PATTERNS = {
    "B.flac": lambda parts: parts[-1] == "B.flac",
    "deep": lambda parts: "deep" in parts,
    "deep/": lambda parts: "deep" in parts[:-1],
    "sub/c.flac": lambda parts: parts == ["sub", "c.flac"],
    "/mix/": lambda parts: parts[0] == "mix" and len(parts) > 1,
    "*.flac": lambda parts: True,
}
IGNORE_PATTERNS = tuple(PATTERNS)
EXCLUDE_PATTERNS = tuple(name for name in PATTERNS if not name.startswith("/"))  # there, "/" is the file system's root


class Killed(BaseException):
    """The process ends here."""


class Fuse:
    """Ends the process at one of its next statements of SQL: by an exception, or for good in a child."""

    left: int | None = None
    exits = False

    def burn(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            if self.exits:
                os._exit(9)
            raise Killed


fuse = Fuse()


class FusedConnection(sqlite3.Connection):
    def execute(self, *args):
        fuse.burn()
        return super().execute(*args)

    def executemany(self, *args):
        fuse.burn()
        return super().executemany(*args)


def connect_with_fuse(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        name, uri=True, isolation_level=None, timeout=10.0, check_same_thread=False, factory=FusedConnection
    )
    tag_words.register(db)
    db.execute("PRAGMA foreign_keys = ON")
    return db


DISC = re.compile(r".*/disc\d(?=/|$)")
device_of = away._device


def device_of_disc(path: str) -> int | None:
    """As if each disc that is connected were another file system."""
    disc = DISC.match(path)
    is_connected = disc is not None and os.path.isdir(path) and not os.path.exists(disc[0] + "-away")
    return -1 - int(disc[0][-1]) if is_connected else device_of(path)


def perform(library: MusicLibrary, action: str, argument):
    """One command on the library; its report."""
    if action == "sync":
        return library.sync()
    if action == "index":
        return library.add(argument)
    if action == "remove":
        return library.remove(argument)
    if action == "undo":
        return library.undo()
    if action == "limit":
        return library.exclude(max_length=argument) if argument else library.include(max_length=True)
    return library.exclude(argument) if action == "exclude" else library.include(argument)


def perform_and_exit(folder, action, argument, statements) -> None:
    """In a child: the same, ended by `os._exit` at one of its statements."""
    connection.connect, away._device = connect_with_fuse, device_of_disc
    fuse.exits = True
    library = MusicLibrary.open(folder, ToneEmbedder())
    fuse.left = statements
    with contextlib.suppress(LibraryError):
        perform(library, action, argument)


def make_contents(folder: Path) -> dict[bytes, tuple[bytes, str, float]]:
    """{hash: (a file's bytes, its title, its seconds)}: tones of two lengths, each with two titles."""
    contents = {}
    for hertz in (300, 700, 1500, 3000, 5000):
        for seconds, title in ((1.2, "one"), (1.2, "two"), (2.6, "one")):
            file = write(folder / "content.flac", tone(hertz, seconds), title=f"{title} {hertz}")
            data = file.read_bytes()
            contents[hashlib.blake2b(data, digest_size=16).digest()] = (data, f"{title} {hertz}", seconds)
            file.unlink()
    return contents


class LibrarySoak(RuleBasedStateMachine):
    """`counts` says how often each action was done, over all runs."""

    counts: ClassVar[Counter] = Counter()

    def __init__(self):
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="kobza-soak-"))
        self.contents = make_contents(self.base)
        self.keys = sorted(self.contents)
        self.clock = 1_000_000_000
        self.discs = [str(self.base / name) for name in DISCS]
        self.hidden: dict[str, str] = {}  # a disc that is away: where its files are meanwhile
        for disc in self.discs:
            os.mkdir(disc)
        self.known: dict[str, bytes] = {}  # the model: what the library holds, path -> hash
        self.vectors: dict[bytes, bytes] = {}
        self.exclusions = Exclusions()  # as the library must have them
        # That `undo` takes back, the last at the end: the tracks, and what was excluded by it
        self.removals: list[tuple[dict[str, bytes], frozenset[str]]] = []
        self.scanned_since_removal = False
        self._connect, connection.connect = connection.connect, connect_with_fuse
        away._device = device_of_disc
        self.library = self.reopen()

    def teardown(self):
        fuse.left = None
        connection.connect, away._device = self._connect, device_of
        self.library.close()
        shutil.rmtree(self.base)

    def reopen(self) -> MusicLibrary:
        return MusicLibrary.open(self.base / "library", ToneEmbedder())

    @initialize(
        files=st.lists(st.tuples(st.sampled_from(DISCS), st.sampled_from(NAMES), st.integers(0, 14)), min_size=6)
    )
    def fill(self, files):
        for disc, name, content in files:
            self.put(str(self.base / disc / name), self.contents[self.keys[content]][0])
        for disc in self.discs[:2]:
            self.complete("index", disc, [disc])

    # What happens to the music

    def files(self) -> dict[str, bytes | None]:
        """The recordings that are there: path -> hash; None for one that is damaged."""
        found = {}
        for disc in self.discs:
            for here, _, names in os.walk(disc):
                for name in names:
                    if name.endswith(".flac"):
                        data = Path(here, name).read_bytes()
                        digest = hashlib.blake2b(data, digest_size=16).digest()
                        found[os.path.join(here, name)] = digest if digest in self.contents else None
        return found

    def same_sound(self, digest: bytes, other: bytes) -> bool:
        (_, title, seconds), (_, other_title, other_seconds) = self.contents[digest], self.contents[other]
        return seconds == other_seconds and title.split()[1] == other_title.split()[1]

    def inode(self, path: str) -> int | None:
        return file_status(os.stat(path)).inode

    def put(self, path: str, data: bytes) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(data)
        self.tick(path)

    def tick(self, path: str) -> None:
        self.clock += 1
        os.utime(path, (self.clock, self.clock))

    def connected(self, data) -> str | None:
        there = [disc for disc in self.discs if disc not in self.hidden]
        return data.draw(st.sampled_from(there)) if there else None

    def a_file(self, data) -> str | None:
        files = sorted(self.files())
        return data.draw(st.sampled_from(files)) if files else None

    @rule(data=st.data(), changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=5))
    def change_the_music(self, data, changes):
        for change in changes:
            if change == "write":
                self.write_a_file(data)
            elif change == "rename folder":
                self.rename_a_folder(data)
            elif change in ("move", "copy"):
                self.move_or_copy_a_file(data, change)
            else:
                self.change_a_file(data, change)

    def write_a_file(self, data):
        if disc := self.connected(data):
            self.counts["write"] += 1
            content = self.contents[self.keys[data.draw(st.integers(0, 14))]][0]
            self.put(os.path.join(disc, data.draw(st.sampled_from(NAMES))), content)

    def change_a_file(self, data, what):
        path = self.a_file(data)
        if path is None:
            return
        self.counts[what] += 1
        digest = self.files()[path]
        if what == "delete":
            os.unlink(path)
        elif what == "touch":
            self.tick(path)
        elif what == "damage":
            self.put(path, b"no music %d" % self.clock)
        elif digest is not None:
            _, title, _ = self.contents[digest]
            hertz = title.split()[1]
            others = [one for one in self.keys if self.contents[one][1].split()[1] == hertz and one != digest]
            self.put(path, self.contents[data.draw(st.sampled_from(others))][0])

    def move_or_copy_a_file(self, data, what):
        path, disc, name = self.a_file(data), self.connected(data), data.draw(st.sampled_from(NAMES))
        if path is None or disc is None or (target := os.path.join(disc, name)) == path:
            return
        self.counts[what] += 1
        os.makedirs(os.path.dirname(target), exist_ok=True)
        (os.replace if what == "move" else shutil.copy2)(path, target)

    def rename_a_folder(self, data):
        disc, name = self.connected(data), data.draw(st.sampled_from(FOLDERS))
        other = data.draw(st.sampled_from(("new", "Sub", "mix2", *FOLDERS)))
        if disc is None:
            return
        old, new = os.path.join(disc, name), os.path.join(disc, other)
        is_free = os.path.isdir(os.path.dirname(new)) and not os.path.exists(new) and not new.startswith(old + "/")
        if os.path.isdir(old) and is_free:
            self.counts["rename folder"] += 1
            os.rename(old, new)

    @rule(data=st.data(), folder=st.sampled_from(("", *FOLDERS)), pattern=st.sampled_from((None, *IGNORE_PATTERNS)))
    def write_an_ignore_file(self, data, folder, pattern):
        disc = self.connected(data)
        if not disc or not os.path.isdir(os.path.join(disc, folder)):
            return
        self.counts["kobzaignore"] += 1
        file = Path(disc, folder, ".kobzaignore")
        file.unlink(missing_ok=True)
        if pattern is not None:
            file.write_text(f"{pattern}\n")

    @rule(data=st.data(), leaves_mount_point=st.booleans())
    def disconnect_a_disc(self, data, leaves_mount_point):
        if disc := self.connected(data):
            self.counts["disconnect"] += 1
            self.hidden[disc] = disc + "-away"
            os.rename(disc, self.hidden[disc])
            if leaves_mount_point:
                os.mkdir(disc)

    @precondition(lambda self: self.hidden)
    @rule(data=st.data())
    def connect_a_disc(self, data):
        self.counts["connect"] += 1
        disc = data.draw(st.sampled_from(sorted(self.hidden)))
        if os.path.isdir(disc):
            os.rmdir(disc)
        os.rename(self.hidden.pop(disc), disc)

    # What the library must hold

    def is_too_long(self, digest: bytes | None) -> bool:
        limit = self.exclusions.max_length
        return limit is not None and digest is not None and self.contents[digest][2] > limit

    def is_excluded(self, path: str) -> bool:
        """By the settings and the files as they are now, without the code under test."""
        settings = self.exclusions
        if any(path == one or path.startswith(one + "/") for one in settings.paths):
            return True
        disc = next(disc for disc in self.discs if path.startswith(disc + "/"))
        parts = path[len(disc) + 1 :].split("/")
        if any(PATTERNS[pattern](parts) for pattern in settings.patterns):
            return True
        for depth in range(len(parts)):
            file = Path(disc, *parts[:depth], ".kobzaignore")
            if file.exists() and PATTERNS[file.read_text().strip()](parts[depth:]):
                return True
        return False

    def expected(self, roots: list[str]) -> tuple[dict[str, bytes], set[str], list[str]]:
        """After a complete run over `roots`: (what the library holds, what of it may be missing, the roots that are
        away)."""
        files = {
            path: digest
            for path, digest in self.files().items()
            if any(path == root or path.startswith(root + "/") for root in roots)
        }
        found = {path: digest for path, digest in files.items() if not self.is_excluded(path)}
        listed = {path: digest for path, digest in found.items() if not self.is_too_long(digest)}
        new = {digest for path, digest in found.items() if path not in self.known}
        inodes = {(digest, self.inode(path)) for path, digest in found.items() if path not in self.known}
        states = self.library.store.file_states()
        result, optional, away = {}, set(), []
        for path, digest in self.known.items():
            root = next((root for root in roots if path.startswith(root + "/") or path == root), None)
            if root is None:
                result[path] = digest
                is_away = any(path.startswith(disc + "/") for disc in self.hidden)
                is_found = (digest, states[path].inode) in inodes if is_away else digest in new
                if is_found and not os.path.exists(path):
                    optional.add(path)  # it counts as moved; but what was found is a copy if the disc is away
                continue
            is_empty = not any(one.startswith(root + "/") for one in found)
            if is_empty and not (os.path.isdir(root) and self.is_excluded(path)):
                away.append(root)
        for path, digest in self.known.items():
            root = next((root for root in roots if path.startswith(root + "/") or path == root), None)
            if root in away:
                result[path] = digest
                is_moved = (digest, states[path].inode) in inodes  # before the disc went away
                if self.is_excluded(path) or self.is_too_long(digest) or is_moved:
                    optional.add(path)
            elif root is not None and self.is_excluded(path) and any(path.startswith(d + "/") for d in self.hidden):
                result[path] = digest  # excluded, and no longer there
                optional.add(path)
            elif path in listed and listed[path] is None:
                result[path] = digest  # what it was before it was damaged
        result |= {path: digest for path, digest in listed.items() if digest is not None}
        return result, optional, sorted(set(away))

    def actual(self) -> dict[str, bytes]:
        held = {}
        for track, state, _, vectors in self.library.store.scan():
            assert track.path not in held, "a track is there twice"
            held[track.path] = state.hash
            assert self.contents[state.hash][1] == track.title, "the tags are of another file"
            assert self.vectors.setdefault(state.hash, vectors.tobytes()) == vectors.tobytes()
        return held

    # What is done with the library

    @rule(data=st.data(), disc=st.sampled_from(range(3)))
    def index(self, data, disc):
        self.act(data, "index", self.discs[disc])

    @rule(data=st.data())
    def sync(self, data):
        self.act(data, "sync", None)

    sync_again = rule(data=st.data())(lambda self, data: self.act(data, "sync", None))

    @rule(data=st.data(), name=st.sampled_from(("", *FOLDERS, *NAMES)), disc=st.sampled_from(range(3)))
    def remove(self, data, name, disc):
        self.act(data, "remove", os.path.join(self.discs[disc], name).rstrip("/"))

    @rule(data=st.data())
    def undo(self, data):
        self.act(data, "undo", None)

    @rule(data=st.data(), pattern=st.sampled_from(EXCLUDE_PATTERNS))
    def exclude(self, data, pattern):
        self.act(data, "exclude", pattern)

    @rule(data=st.data())
    def include(self, data):
        exclusions = self.exclusions
        if every := sorted([*exclusions.patterns, *exclusions.paths]):
            self.act(data, "include", data.draw(st.sampled_from(every)))

    @rule(data=st.data(), limit=st.sampled_from([None, None, LENGTH_LIMIT]))
    def limit_the_length(self, data, limit):
        self.act(data, "limit", limit)

    @rule(hertz=st.sampled_from([300, 700, 1500, 3000, 5000]))
    def search(self, hertz):
        self.counts["search"] += 1
        hits = self.library.search(f"tone {hertz}", k=100)
        assert sorted(path for hit in hits for path in (hit.track.path, *hit.copies)) == sorted(self.known)
        best = [str(hertz) == self.contents[self.known[hit.track.path]][1].split()[1] for hit in hits]
        assert best == sorted(best, reverse=True), "other tones are ranked above this one"
        files = self.files()
        assert all(hit.available == (hit.track.path in files) for hit in hits)

    def act(self, data, action: str, argument) -> None:
        """Do it, or be killed while doing it, and compare."""
        kill = data.draw(st.sampled_from([""] * 12 + ["exception"] * 5 + ["exit"]))
        roots = self.library.folders if action == "sync" else [argument] if action == "index" else []
        folders = set(self.library.folders)
        if not kill:
            self.counts[action] += 1
            self.complete(action, argument, roots)
            return
        statements = data.draw(st.integers(0, 40))
        if kill == "exit":
            self.library.close()
            child = context.Process(target=perform_and_exit, args=(self.base / "library", action, argument, statements))
            child.start()
            child.join()
            self.counts["killed by exit"] += child.exitcode == 9
        else:
            fuse.left = statements
            try:
                perform(self.library, action, argument)
            except Killed:
                self.counts["killed by exception"] += 1
            except LibraryError as error:
                assert "Nothing was removed" in str(error)
            finally:
                fuse.left = None
                self.library.close()
        self.library = self.reopen()
        self.after_a_kill(action, argument, roots, folders)

    def after_a_kill(self, action, argument, roots, folders) -> None:
        before, actual = self.known, self.actual()
        if action in ("sync", "index"):
            after, optional, _ = self.expected(roots)
            files = self.files()
            for path in before | after | actual:
                allowed = {before.get(path), after.get(path)} | ({None} if path in optional else set())
                file = files.get(path)
                if path not in before and file is not None:
                    # Moved, and at once retagged, or too long for a limit that is new, of which the first is done
                    allowed |= {d for old, d in before.items() if old not in actual and self.same_sound(d, file)}
                # Moves come first, and then what is new at the old path
                moved = path in before and (path not in after or before[path] in actual.values())
                held = actual.get(path)
                assert held in allowed or (moved and path not in actual), f"{path}: {held} is not in {allowed}"
            self.scanned_since_removal = True
        elif action in ("remove", "undo"):
            # All or nothing: the tracks, the folders and the exclusions change together
            if self.removals_kept() != len(self.removals):
                self.note(action, argument, before, actual, folders)
            else:
                assert (actual, set(self.library.folders)) == (before, folders)
        else:
            assert actual == before
            if self.library.exclusions != self.exclusions:
                self.exclusions = self.changed_exclusions(action, argument)
        self.known = actual

    def changed_exclusions(self, action, argument) -> Exclusions:
        """After `exclude`, `include` or `limit`."""
        old = self.exclusions
        if action == "limit":
            return replace(old, max_length=argument)
        if action == "exclude":
            return replace(old, patterns=tuple(dict.fromkeys([*old.patterns, argument])))
        patterns = tuple(one for one in old.patterns if one != argument)
        return replace(old, patterns=patterns, paths=old.paths - {argument})

    def removals_kept(self) -> int:
        return self.library.store._query("SELECT count(*) FROM removals WHERE command = 'remove'")[0][0]

    def note(self, action, argument, before, actual, folders) -> None:
        """A removal or its undoing has happened: check it, and note it for the next `undo`."""
        if action == "remove":
            gone = {p: d for p, d in before.items() if p == argument or p.startswith(argument + "/")}
            assert actual == {path: digest for path, digest in before.items() if path not in gone}
            stays = any(argument.startswith(one + "/") for one in folders)
            excluded = frozenset([argument] if gone and stays else []) - self.exclusions.paths
            self.exclusions = replace(self.exclusions, paths=self.exclusions.paths | excluded)
            assert set(self.library.folders) == {one for one in folders if one != argument}
            self.removals.append((gone, excluded))
            self.scanned_since_removal = False
        else:
            back = {path: digest for path, digest in actual.items() if path not in before}
            removed, excluded = self.removals.pop()
            self.exclusions = replace(self.exclusions, paths=self.exclusions.paths - excluded)
            assert {path: actual.get(path) for path in before} == before
            assert back.items() <= removed.items()
            if not self.scanned_since_removal:
                assert back == {path: digest for path, digest in removed.items() if path not in before}
            self.scanned_since_removal = True

    def complete(self, action, argument, roots) -> None:
        before = self.known
        expected, optional, away = self.expected(roots)
        folders = set(self.library.folders)
        try:
            report = perform(self.library, action, argument)
        except LibraryError as error:
            assert action == "undo" and "Nothing was removed" in str(error) and not self.removals
            return
        actual = self.actual()
        if action in ("sync", "index"):
            missing = {path for path in expected if path not in actual}
            assert missing <= optional, f"lost: {missing - optional}"
            wrong = {path for path in actual if expected.get(path) != actual[path]}
            assert not wrong, f"they should not be there, or with other content: {wrong}"
            self.compare_report(report, before, actual, away, roots)
            self.scanned_since_removal = True
        elif action == "remove":
            assert report.removed == len(before) - len(actual)
            if before != actual or set(self.library.folders) != folders:
                self.note(action, argument, before, actual, folders)
            assert self.removals_kept() == len(self.removals)
        elif action == "undo":
            assert report.added == len(actual) - len(before)
            self.note(action, argument, before, actual, folders)
        else:
            assert actual == before
            self.exclusions = self.changed_exclusions(action, argument)
        self.known = actual

    def compare_report(self, report, before, actual, away, roots) -> None:
        came, left = actual.keys() - before.keys(), before.keys() - actual.keys()
        changed = [path for path in before.keys() & actual.keys() if before[path] != actual[path]]
        assert len(came) == report.added + report.moved, str(report)
        assert len(left) == report.moved + report.removed + report.excluded, str(report)
        assert len(changed) == report.changed + report.retagged, str(report)
        failed = {failure.path for failure in report.failed}
        for root in away:
            is_kept = any(path.startswith(root + "/") for path in actual)
            assert root in failed or not is_kept, f"{root} is away, and the run did not say so"
        for path, digest in self.files().items():
            is_scanned = any(path.startswith(root + "/") for root in roots)
            if digest is None and is_scanned and not self.is_excluded(path):
                assert path in failed, f"{path} is damaged, and the run did not say so"

    @invariant()
    def is_sound(self):
        assert check(self.library.store.folder) == []
        assert self.actual() == self.known
        assert self.library.exclusions == self.exclusions
