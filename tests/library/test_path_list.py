"""Playlists as input, as players write them."""

import os

import pytest
from recordings import tone, write

from kobza.library.ingest.path_list import read_path_list
from kobza.library.records import LibraryError


@pytest.fixture
def music(tmp_path):
    for name in ("a b.flac", "sub/Пісня.flac", "#1 hit.flac", "Café.flac", "100%25.flac"):
        write(tmp_path / name, tone(400, 1))
    return tmp_path


def read(folder, data: bytes, name: str = "x.m3u8") -> list[str]:
    (folder / name).write_bytes(data)
    return [os.path.relpath(path, folder) if os.path.isabs(path) else path for path in read_path_list(folder / name)]


def test_as_players_write_them(music):
    text = "#EXTM3U\r\n#EXTINF:1,A - B\r\na b.flac\r\n\r\n#EXTVLCOPT:x\r\nsub\\Пісня.flac\r\n#1 hit.flac\r\n"
    wanted = ["a b.flac", "sub/Пісня.flac", "#1 hit.flac"]
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1251"):
        assert read(music, text.encode(encoding)) == wanted
    assert read(music, "Café.flac\r".encode("cp1252"), "x.m3u") == ["Café.flac"]


def test_addresses(music):
    url = f"file://{music}/a%20b.flac\nhttps://example.org/radio.mp3\nfile://{music}/100%2525.flac\n"
    assert read(music, url.encode()) == ["a b.flac", "https://example.org/radio.mp3", "100%25.flac"]


def test_pls(music):
    data = b"[playlist]\nFile1=a b.flac\nTitle1=x\nFile2=sub/gone.flac\nNumberOfEntries=2\n"
    assert read(music, data, "x.pls") == ["a b.flac", "sub/gone.flac"]


def test_a_plain_list_is_relative_to_the_working_folder(music, tmp_path, monkeypatch):
    (music / "lists").mkdir()
    (music / "lists" / "x.txt").write_bytes(b"a b.flac\n# a comment\n" + os.fsencode("\udcff.flac") + b"\n")
    monkeypatch.chdir(music)
    assert read_path_list("lists/x.txt") == [str(music / "a b.flac"), str(music / "\udcff.flac")]


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(LibraryError, match=r"cannot be read \(No such file"):
        read_path_list(tmp_path / "x.m3u")


def test_the_command(kobza, music):
    (music / "x.m3u").write_text("#EXTM3U\na b.flac\ngone.flac\n")
    code, out, errors = kobza("index", "--list", music / "x.m3u")
    assert code == 0 and out.startswith("1 added") and "gone.flac cannot be read" in errors
    code, _, errors = kobza("index", music / "x.m3u")
    assert code == 1 and "is a playlist" in errors and "--list" in errors
