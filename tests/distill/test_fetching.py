import shutil
import subprocess
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kobza.audio import load_audio
from kobza.distill.corpus import fetching as corpus
from kobza.synth.album import album, write_album, write_flac


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    write_album(folder, album()[:2])
    (folder / "broken.flac").write_bytes(b"not audio")
    return sorted(folder.glob("*.flac"))


def test_a_shard_holds_the_recording_and_an_undecodable_file_is_reported(tmp_path, capsys, tracks):
    assert corpus.collect_tracks(tracks, tmp_path) == 2
    assert "broken.flac" in capsys.readouterr().out  # and skipped
    track = next(track for track in tracks if track.stem != "broken")
    audio = load_file(next(tmp_path.glob(f"{track.stem}*.safetensors")))["audio"]
    wanted = load_audio(track, 32_000)
    assert audio.dtype == torch.int16 and audio.shape == (1, len(wanted))
    np.testing.assert_allclose(audio[0].numpy() / 32767, wanted.clip(-1, 1), atol=1e-4)


def test_existing_shards_are_kept_and_partial_ones_are_made_again(tmp_path, tracks):
    corpus.collect_tracks(tracks, tmp_path)
    kept, lost = sorted(tmp_path.glob("*.safetensors"))
    before = kept.stat().st_mtime_ns
    lost.rename(lost.with_suffix(".partial"))  # as a kill while writing leaves it
    assert corpus.collect_tracks(tracks, tmp_path) == 1
    assert lost.exists() and kept.stat().st_mtime_ns == before


def test_short_clips_are_concatenated_at_equal_loudness(tmp_path, tracks):
    quiet = tmp_path / "quiet.flac"
    write_flac(quiet, np.float32(0.01) * np.sin(np.arange(32_000, dtype=np.float32))[None], 32_000)
    loud = tmp_path / "loud.flac"
    write_flac(loud, np.float32(0.9) * np.sin(np.arange(32_000, dtype=np.float32))[None], 32_000)
    broken = next(track for track in tracks if track.stem == "broken")
    assert corpus.collect_short_clips([quiet, broken, loud], tmp_path / "out") == 1
    audio = load_file(tmp_path / "out" / "00000.safetensors")["audio"][0].float() / 32767
    assert len(audio) == 64_000
    levels = audio.view(2, -1).square().mean(1).sqrt()
    torch.testing.assert_close(levels, torch.full((2,), 0.1), atol=2e-3, rtol=0)
    assert corpus.collect_short_clips([quiet, broken, loud], tmp_path / "out") == 0


def test_effects_are_the_other_recordings_of_the_packages(tmp_path):
    for name in ("game/theme.ogg", "game/step.wav", "game/wall.png", "fillets-ng-data-cs/word.ogg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert corpus.find_effects(tmp_path, [tmp_path / "game/theme.ogg"]) == [tmp_path / "game/step.wav"]


def test_synthetic_pieces_become_shards(tmp_path, monkeypatch):
    made = corpus.random_pieces
    monkeypatch.setattr(corpus, "random_pieces", lambda n, seed: made(2, seed))
    assert corpus.collect_pieces(range(1), tmp_path) == 1
    assert load_file(tmp_path / "00000.safetensors")["audio"].shape == (2, 320_000)
    assert corpus.collect_pieces(range(1), tmp_path) == 0


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs Debian's dpkg-deb")
def test_music_is_unpacked_from_debian_packages_and_zip_files_in_them(tmp_path, monkeypatch):
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
    monkeypatch.setattr(corpus.subprocess, "run", None)  # an existing package is not fetched again
    assert corpus.fetch_music(index, tmp_path / "music") == found
