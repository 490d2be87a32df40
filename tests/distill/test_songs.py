import io
import tarfile

import numpy as np
import pytest
from file_server import Files
from safetensors.torch import load_file

from kobza.distill.corpus import songs
from kobza.distill.corpus.songs import TextRules, collect_songs, fetch_repository, list_songs
from kobza.synth.album import write_flac


def recording(path, seconds=2.0):
    wave = 0.3 * np.sin(np.arange(round(16_000 * seconds), dtype=np.float32) / 9)[None]
    write_flac(path, wave, 16_000)
    return path.read_bytes()


def archive(files):
    """A repository's archive, as GitHub gives it: all in one folder, whose name has the commit."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"demo-0123abc/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture
def server(tmp_path, monkeypatch):
    sound = recording(tmp_path / "sound.flac")
    files = {
        "audio/slow_piano.flac": sound,
        "audio/broken.mp3": b"not audio",
        "audio/film.wav": bytes(songs.MAX_BYTES),
        "index.html": b"<html>",
    }
    held = {"a/one.flac": sound}
    answers = {"/who/demo/archive/HEAD.tar.gz": archive(files), "/who/test/archive/HEAD.tar.gz": archive(held)}
    with Files(answers) as server:
        monkeypatch.setattr(songs, "GITHUB", server.url)
        yield server


@pytest.fixture
def sources(tmp_path):
    path = tmp_path / "sources.csv"
    path.write_text("repository,use,recordings\nwho/demo,train,3\nwho/test,held out,1\n")
    return path


def test_only_the_recordings_of_a_repository_are_kept_and_fetched_once(server, tmp_path):
    folder = fetch_repository("who/demo", tmp_path / "downloads")
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"audio/slow_piano.flac", "audio/broken.mp3"}  # no page, and nothing of 4 MB
    assert fetch_repository("who/demo", tmp_path / "downloads") == folder
    assert len(server.asked) == 1


def test_a_transfer_that_is_cut_off_leaves_nothing_and_is_done_again(server, tmp_path):
    path = "/who/demo/archive/HEAD.tar.gz"
    noise = {f"{i}.wav": np.random.default_rng(i).bytes(100_000) for i in range(4)}  # nothing that compresses
    server.files[path] = archive(noise)
    server.cut.add(path)
    with pytest.raises(OSError, match=r"who/demo/archive/HEAD.tar.gz (is not a whole archive|could not be downloaded)"):
        fetch_repository("who/demo", tmp_path / "downloads")
    assert not (tmp_path / "downloads" / "who--demo").exists()
    server.cut.clear()
    assert len(list(fetch_repository("who/demo", tmp_path / "downloads").iterdir())) == 4


def test_a_member_that_points_out_of_the_folder_is_refused(server, tmp_path):
    server.files["/who/demo/archive/HEAD.tar.gz"] = archive({"../../../evil.wav": b"x"})
    with pytest.raises(OSError, match="not a whole archive"):
        fetch_repository("who/demo", tmp_path / "downloads")
    assert not list(tmp_path.rglob("evil.wav"))


def test_songs_become_shards_and_held_out_sources_lie_apart(server, sources, tmp_path, capsys):
    listed = list(list_songs(tmp_path / "downloads", tmp_path / "songs", sources))
    assert "who/demo has 2 recordings now, and had 3." in capsys.readouterr().out
    assert collect_songs(listed) == 2
    assert "broken.mp3" in capsys.readouterr().out
    shards = sorted(path.relative_to(tmp_path / "songs").parts[:-1] for path in tmp_path.glob("songs/**/*.safetensors"))
    assert shards == [("held-out", "who--test"), ("who--demo",)]
    song = next(song for song in listed if song.original == "audio/slow_piano.flac")
    assert load_file(song.shard)["audio"].shape == (1, 64_000)  # 2 s at 32 kHz
    assert collect_songs(listed) == 0


def test_texts_come_from_paths_and_from_the_sources_pages(server, sources, tmp_path):
    rules = tmp_path / "texts.csv"
    rules.write_text("repository,pattern,text\nwho/demo,piano,piano music\nwho/demo,audio/(\\w+)\\.flac,\\1\n")
    table = tmp_path / "table.csv"
    table.write_text(
        'source,original,text\nwho/test,a/one.flac,"Rock, with a man singing"\nwho/demo,audio/broken.mp3,\n'
    )
    texts = TextRules(rules, table)
    listed = {song.original: song for song in list_songs(tmp_path / "downloads", tmp_path / "songs", sources)}
    assert texts.texts(listed["audio/slow_piano.flac"]) == ["piano music", "slow piano"]
    assert texts.texts(listed["a/one.flac"]) == ["Rock, with a man singing"]
    assert texts.texts(listed["audio/broken.mp3"]) == []


def test_the_rules_of_the_repository_are_for_its_sources():
    sources = {row["repository"] for row in songs.read_table(songs.SOURCES, ("repository",))}
    assert len(sources) == 15
    assert TextRules().rules.keys() <= sources
