"""Machines as they are: users without a name or a home, others' temporary folders, odd locales and file systems."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from recordings import ToneEmbedder, replace_checkpoint, tone, write
from store_contract import fill

from kobza import MusicLibrary, folders
from kobza.cli import main
from kobza.library import FolderAddress, LibraryError, MilvusAddress, default_library_address, open_store

NOBODY = 12345


def python(
    code: str, *arguments: object, nobody: bool = False, **environment: str | None
) -> subprocess.CompletedProcess:
    """Run a program with these variables set or, if None, without them; as a user id without a name if `nobody`."""
    if nobody and os.geteuid():
        pytest.skip("only root can become another user")
    variables = {name: value for name, value in (os.environ | environment).items() if value is not None}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    if nobody:  # Python itself may lie in root's home
        capability = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
        command = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", *capability, *command]
    return subprocess.run([*map(str, command)], env=variables, capture_output=True, text=True, timeout=100)


NAMELESS = {"USER": None, "LOGNAME": None, "LNAME": None, "USERNAME": None}


@pytest.fixture
def open_folder():
    """A folder that every user may enter and write, as tmp_path is not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


def test_a_user_without_a_name(open_folder):
    code = "import kobza, getpass, torch._dynamo.config; print(getpass.getuser())"
    result = python(code, nobody=True, HOME=str(open_folder), XDG_CACHE_HOME=None, **NAMELESS)
    assert result.returncode == 0 and result.stdout == f"user-{NOBODY}\n", result.stderr


def test_without_a_home(open_folder):
    code = "import sys; from kobza.cli import main; from kobza.folders import cache_folder\n"
    code += "print(cache_folder('kobza')); sys.exit(main(['info']))"
    gone = {"HOME": None, "XDG_CACHE_HOME": None, "XDG_DATA_HOME": None, "KOBZA_LIBRARY": None}
    result = python(code, nobody=True, TMPDIR=str(open_folder), **gone, **NAMELESS)
    assert result.returncode == 1
    assert result.stderr.startswith("kobza: The library's folder cannot be chosen: HOME is not set")
    assert result.stderr.count("\n") == 1 and "--library or KOBZA_LIBRARY" in result.stderr
    assert result.stdout.startswith(str(open_folder)) and not Path("~").exists()


def test_a_home_that_may_not_be_written(open_folder):
    code = "from kobza.folders import cache_folder; folder = cache_folder('kobza-demo')\n"
    code += "(folder / 'a').touch(); print(folder); from kobza.cli import main; main(['demo', '--model', '/absent'])\n"
    code += "main(['index', '/dev/null'])"
    closed = {"HOME": "/", "XDG_CACHE_HOME": None, "XDG_DATA_HOME": None, "KOBZA_LIBRARY": None}
    result = python(code, nobody=True, TMPDIR=str(open_folder), **closed, **NAMELESS)
    assert result.stdout.startswith(f"{open_folder}/kobza-{NOBODY}/kobza-demo\n")
    assert "Traceback" not in result.stderr
    assert "/.local/share/kobza/library cannot be opened (Permission denied); name another folder" in result.stderr


def test_default_folders_are_where_they_were(monkeypatch, tmp_path):
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "KOBZA_LIBRARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_library_address() == FolderAddress(tmp_path / ".local" / "share" / "kobza" / "library")
    assert folders.cache_folder("kobza-demo") == tmp_path / ".cache" / "kobza-demo"
    assert folders.expanded("~/a") == tmp_path / "a" and folders.expanded("~nobody-here/a") == Path("~nobody-here/a")


def test_a_temporary_folder_that_somebody_else_made_first(open_folder):
    (open_folder / "gradio").mkdir(mode=0o755)
    (open_folder / f"kobza-{NOBODY}").mkdir(mode=0o755)  # root's, as a trap
    code = (
        "import kobza.webui.app, os; from pathlib import Path\nfrom gradio.route_utils import DEFAULT_TEMP_DIR as d\n"
    )
    code += "(Path(d) / 'vibe_edit_history').mkdir(parents=True); print(d, os.stat(Path(d)).st_uid)"
    result = python(code, nobody=True, TMPDIR=str(open_folder), HOME=str(open_folder), GRADIO_TEMP_DIR=None)
    assert result.returncode == 0, result.stderr
    folder, owner = result.stdout.split()
    assert int(owner) == NOBODY and Path(folder).parent == open_folder
    assert not Path(folder).exists()  # with the process it is gone


def test_a_private_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders.temporary_folder.cache_clear()
    try:
        folder = folders.temporary_folder("gradio")
        assert folder == tmp_path / f"kobza-{os.getuid()}" / "gradio" and folder.is_dir()
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    finally:
        folders.temporary_folder.cache_clear()


LOCALES = {
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "0"},
}


@pytest.fixture(params=LOCALES)
def foreign(request, tmp_path):
    """Variables that make a process spell paths in another encoding than UTF-8."""
    if request.param == "latin-1":
        compiled = tmp_path / "locales" / "en_US.ISO-8859-1"
        compiled.parent.mkdir()
        made = subprocess.run(["localedef", "-i", "en_US", "-f", "ISO-8859-1", compiled], capture_output=True)
        if not compiled.is_dir():
            pytest.skip(f"no such locale can be made here: {made.stderr.decode()}")
    return LOCALES[request.param] | {"LOCPATH": str(tmp_path / "locales"), "LANG": None, "LC_CTYPE": None}


def test_paths_are_the_same_under_every_locale(tmp_path, foreign):
    """A library made under UTF-8 is synchronised, asked and added to under another locale, and found again after."""
    music = tmp_path / "é"
    write(music / "tone ü.flac", tone(300, 2))
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
        library.add(music)
        before = library.store.meta["folders"]
    write(tmp_path / "ñ" / "other.flac", tone(600, 2))
    code = """if True:
        import os, sys
        sys.path.insert(0, sys.argv[1])
        from recordings import ToneEmbedder
        from kobza import MusicLibrary
        from kobza.library.search.formats import as_json
        assert "utf" not in sys.getfilesystemencoding()
        os.chdir(sys.argv[2])
        with MusicLibrary.open("library", ToneEmbedder()) as library:
            print(library.sync())
            (hit,) = library.search("tone 300", k=1)
            print(as_json([hit]), hit.track.title == "tone 300")
            print(library.add(os.fsdecode("\\u00f1".encode())))
        """
    result = python(code, Path(__file__).parents[1], tmp_path, **foreign)
    assert result.returncode == 0, result.stderr
    assert "0 added, 0 changed, 1 unchanged, 0 moved, 0 removed, 0 failed" in result.stdout
    assert "1 added, 0 changed, 0 unchanged" in result.stdout
    assert r"\u00e9/tone \u00fc.flac" in result.stdout
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
        assert library.folders == sorted([str(music), str(tmp_path / "ñ")]) and before == json.dumps([str(music)])
        report = library.sync()
        assert (report.unchanged, report.removed, len(report.failed)) == (2, 0, 0)


def test_titles_do_not_depend_on_the_locale(tmp_path, foreign):
    (tmp_path / "é ü.flac").write_bytes(b"")
    code = "import sys, os; from kobza.library.ingest.tags import read_tags\n"
    code += "print(ascii(read_tags(os.path.join(sys.argv[1], os.fsdecode('\\u00e9 \\u00fc.flac'.encode()))).title))"
    result = python(code, tmp_path, **foreign)
    assert result.stdout == ascii("é ü") + "\n", result.stderr


def unshared(what: str, folder: Path, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name("unshared.py"), what, folder], text=True, **options
    )


@pytest.mark.parametrize("made_elsewhere", [False, True], ids=["new", "in WAL mode"])
def test_a_file_system_that_shares_no_memory(tmp_path, made_elsewhere):
    folder = tmp_path / "store"
    if made_elsewhere:
        open_store(folder).close()
    assert unshared("use", folder).wait(60) == 0
    store = open_store(folder)  # where memory can be shared again
    assert store._query("PRAGMA journal_mode") == [("wal",)] and store.meta["a"] == "b"
    store.close()


def test_killed_where_no_memory_is_shared(tmp_path):
    """What a rollback journal has to undo is undone, for a reader as for a writer."""
    folder, journals = tmp_path / "store", 0
    store = open_store(folder)
    fill(store, 60)
    store.close()
    for round in range(3):
        child = unshared("write", folder, stdout=subprocess.PIPE)
        for _ in range(60 + 40 * round):
            child.stdout.readline()
        child.kill()
        child.communicate()
        journal = folder / "kobza.db-journal"
        journals += journal.exists() and journal.stat().st_size > 0
        assert unshared("read", folder).wait(60) == 0
    assert journals
    with contextlib.closing(open_store(folder)) as store:
        assert len(store) == 60


def test_locate_where_the_library_is_a_database(tmp_path, monkeypatch, capsys):
    replace_checkpoint(monkeypatch)
    monkeypatch.setenv("KOBZA_LIBRARY", "milvus://me:secret@127.0.0.1:1/x")
    assert default_library_address() == MilvusAddress("milvus://me:secret@127.0.0.1:1/x")
    recording = write(tmp_path / "a.flac", tone(300, 2))
    assert main(["locate", str(recording), "piano"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("kobza: The library milvus://127.0.0.1:1/x cannot be opened") and "secret" not in said
    from kobza.webui.collection import _own_library

    assert _own_library() == default_library_address()


def test_a_killed_writers_lock_is_free_at_once(tmp_path):
    code = "import sys, time; from kobza.library import open_store\n"
    code += "with open_store(sys.argv[1]).writing(): print('held', flush=True); time.sleep(100)"
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path / "store"], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    store = open_store(tmp_path / "store")
    sentence = r"is being written by another kobza; wait until that has finished\."
    with pytest.raises(LibraryError, match=sentence), store.writing():
        pass
    child.kill()
    child.communicate()
    with store.writing():
        store.set_meta(a="b")
    store.close()
