import numpy as np
import pytest
import soundfile
from recordings import ToneEmbedder, tone, write

from kobza.webui import clips
from kobza.webui.clips import KEPT_SECONDS, MAX_CLIP_SECONDS, ClipError, ClipStore, embed_clip


@pytest.fixture
def embedder():
    return ToneEmbedder()


def test_a_clip_is_the_mean_of_its_windows(tmp_path, embedder):
    path = write(tmp_path / "a.flac", np.concatenate([tone(300, 10), tone(900, 10)]))
    mean = embedder.embed_windows([tone(300, 10), tone(900, 10)]).mean(axis=0)
    clip = embed_clip(path, embedder)
    assert not clip.is_cut
    assert np.isclose(np.linalg.norm(clip.vector), 1)
    assert clip.vector @ mean / np.linalg.norm(mean) > 0.999


def test_of_a_long_clip_only_the_beginning_is_decoded(tmp_path, embedder, monkeypatch):
    path = write(
        tmp_path / "twenty minutes.flac",
        np.concatenate([tone(300, MAX_CLIP_SECONDS), tone(900, 1200 - MAX_CLIP_SECONDS)]),
    )
    decoded, decode = [], clips.decode
    monkeypatch.setattr(clips, "decode", lambda *args: (decoded.append(len(c)) or c for c in decode(*args)))
    clip = embed_clip(path, embedder)
    assert clip.is_cut and clip.vector @ embedder.embed_windows([tone(300, 10)])[0] > 0.99
    assert embedder.windows_embedded == MAX_CLIP_SECONDS // 10 + 1
    assert sum(decoded) < (MAX_CLIP_SECONDS + 5) * embedder.sampling_rate


@pytest.mark.parametrize("seconds, cut", [(MAX_CLIP_SECONDS, False), (MAX_CLIP_SECONDS + 2, True)])
def test_the_limit_itself(tmp_path, embedder, seconds, cut):
    assert embed_clip(write(tmp_path / "a.wav", tone(300, seconds)), embedder).is_cut is cut


def _bad_files(folder):
    (folder / "notes.mp3").write_text("Buy strings for the kobza.\n" * 50)
    (folder / "empty.mp3").touch()
    (folder / "page.wav").write_bytes(b"RIFF<html><script>alert(1)</script></html>")
    write(folder / "click.wav", tone(300, 0.4))
    write(folder / "silent.wav", tone(300, 3, level=0))
    soundfile.write(folder / "loud.wav", tone(300, 3) * 1e30, 16000, "FLOAT")
    soundfile.write(folder / "nan.wav", np.full(48000, np.nan), 16000, "FLOAT")
    return {
        "notes.mp3": "notes.mp3 cannot be read as a recording",
        "empty.mp3": "empty.mp3 is empty",
        "page.wav": "page.wav cannot be read as a recording",
        "click.wav": "shorter than a second",
        "silent.wav": "is silent",
        "loud.wav": "far too loud",
        "nan.wav": "nan.wav",
    }


@pytest.mark.parametrize(
    "name", ["notes.mp3", "empty.mp3", "page.wav", "click.wav", "silent.wav", "loud.wav", "nan.wav"]
)
def test_bad_clips_get_a_sentence_without_the_servers_folders(tmp_path, embedder, name):
    sentence = _bad_files(tmp_path)[name]
    with pytest.raises(ClipError) as caught:
        embed_clip(str(tmp_path / name), embedder)
    assert sentence in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_stream_has_the_name_that_the_visitor_knows(tmp_path, embedder):
    with open(tmp_path / "nameless", "wb+") as file:
        file.write(b"Buy strings for the kobza.\n" * 50)
        file.seek(0)
        with pytest.raises(ClipError, match=r"^my notes.mp3 cannot be read"):
            embed_clip(file, embedder, "my notes.mp3")


def test_work_that_nobody_waits_for_ends(tmp_path, embedder):
    path = write(tmp_path / "a.wav", tone(300, 120))
    with pytest.raises(ClipError, match="Nobody waits"):
        embed_clip(path, embedder, is_wanted=lambda: embedder.windows_embedded < 4)
    assert embedder.windows_embedded == 4


def test_vectors_that_are_no_numbers_get_a_sentence(tmp_path, embedder, monkeypatch):
    monkeypatch.setattr(embedder, "embed_windows", lambda windows: np.full((len(windows), embedder.dim), np.nan))
    with pytest.raises(ClipError, match="Nothing can be heard"):
        embed_clip(write(tmp_path / "a.wav", tone(300, 3)), embedder)


def test_an_hour_is_an_hour(tmp_path, embedder):
    now = [0.0]
    store = ClipStore(lambda: now[0])
    clip = embed_clip(write(tmp_path / "a.wav", tone(300, 3)), embedder)
    first, second = store.put(clip), store.put(clip)
    now[0] = KEPT_SECONDS - 1
    third = store.put(clip)
    assert store.get(first) is clip and len({first, second, third}) == 3
    store.remove(second)
    store.remove("unknown")
    now[0] = KEPT_SECONDS
    for gone in (first, second, "", "unknown"):
        with pytest.raises(ClipError, match="no longer here"):
            store.get(gone)
    assert store.get(third) is clip and len(store) == 1


def test_the_oldest_clips_make_room(tmp_path, embedder, monkeypatch):
    monkeypatch.setattr(clips, "MAX_CLIPS", 3)
    store = ClipStore()
    clip = embed_clip(write(tmp_path / "a.wav", tone(300, 3)), embedder)
    names = [store.put(clip) for _ in range(5)]
    assert len(store) == 3 and store.get(names[-1]) is clip
    with pytest.raises(ClipError):
        store.get(names[0])
