import shutil
import subprocess
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kobza.data.synthetic import album, write_album
from kobza.training import corpus


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    write_album(folder, album()[:2])
    (folder / "broken.flac").write_bytes(b"no music")
    return sorted(folder.glob("*.flac"))


def test_a_shard_is_what_student_and_teacher_see(labeller, tmp_path, capsys, tracks):
    assert corpus.label_tracks(tracks, tmp_path, labeller) >= 2
    assert "broken.flac" in capsys.readouterr().out  # named and passed over
    track = next(track for track in tracks if track.stem != "broken")
    shard = load_file(next(tmp_path.glob(f"{track.stem}*.safetensors")))
    windows = torch.from_numpy(corpus.track_windows(track))
    assert windows.shape[1] == 320_000
    heard = labeller.teacher(windows)
    assert shard["input_values"].shape == (len(windows), 1024, 128)
    torch.testing.assert_close(shard["logits"].float(), heard.logits, atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(shard["cells"].float(), heard.cells, atol=1e-2, rtol=1e-2)


def test_what_is_there_is_not_made_again_and_halves_are_not_there(labeller, tmp_path, tracks):
    corpus.label_tracks(tracks, tmp_path, labeller)
    kept, lost = sorted(tmp_path.glob("*.safetensors"))
    before = kept.stat().st_mtime_ns
    lost.rename(lost.with_suffix(".partial"))  # as a kill while writing leaves it
    assert corpus.label_tracks(tracks, tmp_path, labeller) == len(load_file(lost)["logits"])
    assert kept.stat().st_mtime_ns == before


def test_changed_versions_have_the_names_of_the_tracks_and_other_sound(labeller, tmp_path, tracks):
    corpus.label_tracks(tracks, tmp_path / "real", labeller)
    corpus.label_tracks(tracks, tmp_path / "changed", labeller, seed=1)
    real, changed = (sorted((tmp_path / name).glob("*.safetensors")) for name in ("real", "changed"))
    assert [path.name for path in real] == [path.name for path in changed]
    assert not torch.equal(load_file(real[0])["logits"], load_file(changed[0])["logits"])


def test_speech_is_laid_over_music(labeller, tmp_path, tracks):
    music, voice = tracks[0], tracks[1]
    rng = torch.Generator().manual_seed(0)
    windows = [corpus.spoken_over(music, [voice], rng) for _ in range(8)]
    assert all(window.shape == (320_000,) and np.abs(window).max() <= 1 for window in windows)
    again = corpus.spoken_over(music, [voice], torch.Generator().manual_seed(0))
    assert np.array_equal(windows[0], again)
    broken = next(track for track in tracks if track.stem == "broken")
    assert corpus.label_voices(range(1), tmp_path, labeller, [voice], [broken, music]) == 64


def test_made_pieces_become_lessons(labeller, tmp_path, monkeypatch):
    made = corpus.random_pieces
    monkeypatch.setattr(corpus, "random_pieces", lambda n, seed: made(2, seed))
    assert corpus.label_pieces(range(1), tmp_path, labeller) == 2
    assert corpus.label_pieces(range(1), tmp_path, labeller) == 0


def test_batches_hold_everything_in_order():
    batches = list(corpus.batched((np.full(3, i, np.float32) for i in range(5)), 2))
    assert [batch[:, 0].tolist() for batch in batches] == [[0, 1], [2, 3], [4]]


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs Debian's dpkg-deb")
def test_music_comes_out_of_debian_packages_and_the_zip_files_in_them(tmp_path, monkeypatch):
    content = tmp_path / "content"
    (content / "DEBIAN").mkdir(parents=True)
    (content / "DEBIAN" / "control").write_text(
        "Package: game-music\nVersion: 1\nArchitecture: all\nMaintainer: M <m@example.org>\nDescription: d\n"
    )
    (content / "usr").mkdir()
    (content / "usr" / "plain.ogg").write_bytes(b"plain")
    with zipfile.ZipFile(content / "usr" / "data.pk3", "w") as packed:
        packed.writestr("sound/packed.ogg", b"packed")
        packed.writestr("textures/wall.png", b"picture")
    deb = tmp_path / "game-music_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", content, deb], check=True, capture_output=True)
    run = subprocess.run

    def apt_get(command, cwd, check):
        return shutil.copy(deb, cwd) if command[0] == "apt-get" else run(command, cwd=cwd, check=check)

    monkeypatch.setattr(corpus.subprocess, "run", apt_get)
    index = tmp_path / "index.csv"
    index.write_text("package,file\ngame-music,a/plain.ogg\ngame-music,b/packed.ogg\ngame-music,c/gone.ogg\n")
    found = corpus.fetch_music(index, tmp_path / "music")
    assert [path.read_bytes() for path in found] == [b"plain", b"packed"]
    monkeypatch.setattr(corpus.subprocess, "run", None)  # a package that is there is not fetched again
    assert corpus.fetch_music(index, tmp_path / "music") == found
