import gc
import io
import os
import signal
import sys
import time

import av
import numpy as np
import pytest
from recordings import FORMATS, memory_taken, tone, write

from kobza import audio_source, ffmpeg
from kobza.audio import AudioError, declared_seconds, decode, excerpt, load_audio, printable, windows


def pitch(samples: np.ndarray, rate: int = 16000) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * rate / len(samples)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("rate", [44100, 48000])
def test_every_format_keeps_pitch_length_and_level(tmp_path, kind, rate):
    if kind == "opus" and rate == 44100:
        rate = 24000  # opus has no 44.1 kHz
    path = write(tmp_path / f"a.{kind}", np.stack([tone(500, 3, rate)] * 2), rate)
    samples = load_audio(path)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert abs(len(samples) / 16000 - 3) < 0.15  # lossy formats pad
    assert abs(pitch(samples) - 500) < 1
    middle = samples[8000:32000]
    assert abs(np.sqrt((middle**2).mean()) - 0.5 / np.sqrt(2)) < 0.02


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("wav", "pcm_u8"), ("wav", "pcm_s24le"), ("wav", "pcm_s32le"), ("wav", "pcm_f32le"), ("wav", "pcm_f64le")],
)
def test_every_sample_format_has_the_same_scale(tmp_path, kind, codec):
    expected = tone(300, 1)
    samples = load_audio(write(tmp_path / "a.wav", expected, kind=kind, codec=codec))
    assert np.abs(samples - expected).max() < (0.01 if codec == "pcm_u8" else 1e-6)


def test_downmix_is_the_mean_of_the_channels(tmp_path):
    left, right = tone(300, 1, level=0.8), tone(700, 1, level=0.4)
    samples = load_audio(write(tmp_path / "a.wav", np.stack([left, right]), codec="pcm_f32le"))
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-6)
    six = np.stack([tone(200 + 100 * i, 1) for i in range(6)])
    np.testing.assert_allclose(load_audio(write(tmp_path / "b.wav", six, codec="pcm_f32le")), six.mean(0), atol=1e-6)


def test_equal_channels_give_the_same_at_every_rate(tmp_path):
    one = write(tmp_path / "one.wav", tone(400, 2, 44100), 44100)
    two = write(tmp_path / "two.wav", np.stack([tone(400, 2, 44100)] * 2), 44100)
    np.testing.assert_allclose(load_audio(one), load_audio(two), atol=1e-6)
    assert len(load_audio(one, 48000)) == pytest.approx(96000, abs=50)


def test_path_bytes_and_stream_are_the_same_every_time(tmp_path):
    path = write(tmp_path / "a.mp3", tone(400, 5, 44100), 44100)
    first = load_audio(path)
    assert np.array_equal(first, load_audio(str(path)))
    assert np.array_equal(first, load_audio(path.read_bytes()))
    stream = io.BytesIO(path.read_bytes())
    assert np.array_equal(first, load_audio(stream))
    assert not stream.closed
    with open(path, "rb") as file:
        assert np.array_equal(first, load_audio(file))


@pytest.mark.parametrize(
    "name", [b"\xff\xfe not utf-8.mp3", "🎵 ноти.mp3".encode(), b"two\nlines.mp3", b"concat:a|b.mp3"]
)
def test_any_file_name(tmp_path, name):
    plain = write(tmp_path / "plain.mp3", tone(400, 2))
    odd = os.path.join(os.fsencode(tmp_path), name)
    os.rename(plain, odd)
    assert abs(pitch(load_audio(os.fsdecode(odd))) - 400) < 1
    assert printable(os.fsdecode(odd)).isprintable()


def test_a_cover_picture_does_not_disturb(tmp_path):
    from mutagen.id3 import APIC, ID3

    path = write(tmp_path / "a.mp3", tone(400, 3))
    before = load_audio(path)
    tags = ID3(path)
    tags.add(APIC(mime="image/png", type=3, data=b"\x89PNG\r\n\x1a\n" + os.urandom(3_000_000)))
    tags.save(path)
    assert np.array_equal(before, load_audio(path))


def test_windows_rule():
    def starts_and_lengths(seconds, chunk=1000):
        samples = np.arange(round(seconds * 100), dtype=np.float32)
        cut = list(windows((samples[i : i + chunk] for i in range(0, len(samples), chunk)), sampling_rate=100))
        if len(cut) > 1:
            assert np.array_equal(np.concatenate([w for _, w in cut]), samples[: sum(len(w) for _, w in cut)])
        return [(start, len(w) / 100) for start, w in cut]

    assert starts_and_lengths(25) == [(0, 10), (10, 10), (20, 5)]
    assert starts_and_lengths(20.99) == [(0, 10), (10, 10)]  # under 1 s: dropped
    assert starts_and_lengths(21) == [(0, 10), (10, 10), (20, 1)]
    assert starts_and_lengths(20) == [(0, 10), (10, 10)]
    assert starts_and_lengths(0.3) == [(0, 0.3)]  # all there is
    assert starts_and_lengths(35, chunk=7) == starts_and_lengths(35, chunk=100_000)
    assert list(windows([])) == []


def test_windows_do_not_depend_on_chunks():
    samples = np.random.default_rng(0).normal(size=53_217).astype(np.float32)
    whole = list(windows([samples], 1000))
    for size in (1, 999, 10_000, 10_001):
        pieces = list(windows([samples[i : i + size] for i in range(0, len(samples), size)], 1000))
        assert [s for s, _ in pieces] == [s for s, _ in whole]
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(pieces, whole, strict=True))


def test_resampling_in_chunks_equals_resampling_at_once(tmp_path):
    """A seam between chunks would show as a jump: the ideal tone must be met there as anywhere."""
    path = write(tmp_path / "a.wav", tone(440, 8, 44100), 44100, codec="pcm_f32le")
    error = np.abs(load_audio(path) - tone(440, 8)[: len(load_audio(path))])
    assert error[200:-200].max() < 1e-3


def nan_wav(path):
    samples = tone(300, 3)
    samples[20_000] = np.nan
    return write(path, samples, codec="pcm_f32le")


def header_only(path):
    whole = write(path, tone(300, 3)).read_bytes()
    path.write_bytes(whole[:60])
    return path


def cut_off(path):
    rng = np.random.default_rng(0)
    whole = write(path, rng.normal(size=160_000) * 0.1).read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    return path


def picture(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    return path


def written(data):
    def make(path):
        path.write_bytes(data)
        return path

    return make


BAD = {
    "empty.mp3": (written(b""), "is empty"),
    "text.mp3": (written(b"These are only words, and no music.\n" * 500), "cannot be read as a recording"),
    "page.ogg": (written(b"<!DOCTYPE html><html><body>404</body></html>"), "cannot be read as a recording"),
    "list.mp3": (
        written(b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n"),
        "cannot be read as a recording",
    ),
    "noise.flac": (written(np.random.default_rng(1).bytes(20_000)), "no audio stream|cannot be read as a recording"),
    "header.wav": (header_only, "cut off|no audio|cannot be read as"),
    "cut.flac": (cut_off, r"is cut off: \d\.\d s of its 10\.0 s"),
    "nan.wav": (nan_wav, "not finite"),
    "film.m4a": (picture, "no audio stream"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_a_sentence_that_names_it(tmp_path, name):
    make, reason = BAD[name]
    with pytest.raises(AudioError, match=reason) as error:
        load_audio(make(tmp_path / name))
    message = str(error.value)
    assert name in message and message.endswith(".") and "\n" not in message


def test_what_is_no_file_is_a_sentence(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp3")
    for path, reason in (
        (tmp_path / "pipe.mp3", "not a regular file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "absent.mp3", "cannot be opened"),
    ):
        with pytest.raises(AudioError, match=reason):
            load_audio(path)


@pytest.mark.parametrize("kind", ["mp3", "ogg", "flac"])
def test_damage_in_the_middle_costs_only_the_middle(tmp_path, kind):
    rng = np.random.default_rng(0)
    path = write(tmp_path / f"a.{kind}", rng.normal(size=20 * 44100) * 0.1, 44100)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 20] = rng.bytes(len(data) // 20)
    path.write_bytes(data)
    assert 14 < len(load_audio(path)) / 16000 < 20.5


def test_mostly_damaged_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.flac", rng.normal(size=20 * 16000) * 0.1)
    data = bytearray(path.read_bytes())
    data[9000:] = rng.bytes(len(data) - 9000)
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"damaged|cut off"):
        load_audio(path)


@pytest.mark.parametrize(("kind", "second_rate"), [("ogg", 44100), ("mp3", 44100), ("mp3", 22050)])
def test_a_chain_of_recordings(tmp_path, kind, second_rate):
    """One file after the other, as streams are saved; in mp3 each may have its own rate."""
    first = write(tmp_path / f"a.{kind}", tone(400, 3, 44100), 44100).read_bytes()
    second = write(tmp_path / f"b.{kind}", tone(900, 3, second_rate), second_rate).read_bytes()
    samples = load_audio(first + second)
    assert abs(len(samples) / 16000 - 6) < 0.2
    assert abs(pitch(samples[:40_000]) - 400) < 2
    assert abs(pitch(samples[-40_000:]) - 900) < 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_a_long_file_takes_no_more_memory(tmp_path):
    """An hour at 16 kHz is 230 MB as samples; streamed, it takes a few."""
    path = write(tmp_path / "long.flac", np.zeros(3600 * 16000, np.float32))
    assert memory_taken(lambda: [None for _ in windows(decode(path))]) < 50
    assert memory_taken(lambda: load_audio(path)) > 200  # the measure itself works


def test_decode_is_lazy(tmp_path):
    chunks = decode(write(tmp_path / "a.flac", tone(300, 30)))
    assert len(next(chunks)) < 3 * 16000
    chunks.close()


@pytest.mark.parametrize("kind", FORMATS)
def test_an_excerpt_is_that_part_of_the_whole_and_little_else_is_decoded(tmp_path, kind, monkeypatch):
    t = np.arange(40 * 16000) / 16000
    path = write(tmp_path / f"rise.{kind}", (0.5 * np.sin(2 * np.pi * (100 + 20 * t) * t)).astype(np.float32))
    whole, late = load_audio(path), 1024 if kind == "wma" else 0  # FFmpeg's decoder swallows WMA's first frame
    assert declared_seconds(path) == pytest.approx(40, abs=0.05)
    decoded = []
    early = ffmpeg._samples_before

    def counted(frame, *rest):
        decoded.append(frame.samples / frame.sample_rate)
        return early(frame, *rest)

    monkeypatch.setattr(ffmpeg, "_samples_before", counted)
    for start in (0.0, 0.37, 25.3, 38.0):
        decoded.clear()
        part, first = excerpt(path, start, 4.0), max(0, round(start * 16000) - (late if start else 0))
        assert np.abs(part[800:] - whole[first : first + len(part)][800:]).max() < 0.01
        assert len(part) == 64_000 or (start == 38 and len(part) == pytest.approx(32_000, abs=1100))
        assert sum(decoded) < 8
    assert len(excerpt(path, 45.0, 4.0)) <= late
    with open(path, "rb") as stream:
        assert np.array_equal(excerpt(stream.read(), 25.3, 4.0), excerpt(path, 25.3, 4.0))


def test_an_excerpt_of_what_cannot_seek_or_says_no_length(tmp_path):
    samples = np.random.default_rng(0).standard_normal(16000 * 20).astype(np.float32) * 0.1
    with av.open(str(tmp_path / "raw.aac"), "w", format="adts") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert len(excerpt(tmp_path / "raw.aac", 5.0, 4.0)) == 64_000
    with pytest.raises(AudioError, match="cannot be opened"):
        declared_seconds(tmp_path / "none.mp3")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_can_free_what_decoded(tmp_path):
    """DataLoader's workers are forks: threads of FFmpeg's that the parent had would be waited for there for ever."""
    gc.collect()  # encoders of other tests' films have threads as well
    chunks = decode(write(tmp_path / "a.flac", tone(300, 30)))
    next(chunks)
    child = os.fork()
    if child == 0:
        del chunks
        gc.collect()
        os._exit(0)
    deadline = time.monotonic() + 20
    while (done := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    if done[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert done == (child, 0)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1251"])
@pytest.mark.parametrize("kind", ["mp3", "flac", "m4a", "wav", "wma"])  # an ogg page has a checksum
def test_tags_that_are_not_utf8_do_not_keep_a_recording_from_being_read(tmp_path, kind, encoding):
    """PyAV 18 refuses them unless told otherwise; PyAV 19 has no such argument."""
    path = write(tmp_path / f"a.{kind}", tone(400, 3), title="QQQQQQQQ", artist="QQQQQQQQ")
    name = {"latin-1": "Dvorákéé", "cp1251": "Гайдамак"}[encoding].encode(encoding)
    data = path.read_bytes()
    old, new = b"QQQQQQQQ", name
    if kind == "wma":  # UTF-16: half a surrogate pair is no text
        old, new = "QQQQQQQQ".encode("utf-16-le"), b"\x00\xd8" * 8
    assert old in data
    path.write_bytes(data.replace(old, new))
    assert abs(pitch(load_audio(path)) - 400) < 1
    assert declared_seconds(path) == pytest.approx(3, abs=0.2)


def test_zeros_behind_a_wav_cost_nothing(tmp_path):
    """FFmpeg looks for chunks in them, eight bytes at a time: a third of a second for each MB."""
    path = write(tmp_path / "a.wav", tone(440, 2))
    whole = load_audio(path)
    path.write_bytes(path.read_bytes() + bytes(20_000_000))
    before = time.process_time()
    assert np.array_equal(load_audio(path), whole)
    assert time.process_time() - before < 1


class TestSecondDecoder:
    """libsndfile reads what FFmpeg refuses, with the same samples."""

    @pytest.fixture(autouse=True)
    def _ffmpeg_refuses(self, monkeypatch):
        def refuse(*_):
            raise audio_source.RefusedError("a.wav cannot be read as a recording.")

        monkeypatch.setattr(ffmpeg, "read_frames", refuse)

    @pytest.mark.parametrize("kind", ["wav", "flac", "aiff", "ogg"])
    def test_the_same_samples(self, tmp_path, kind, monkeypatch):
        sound = np.stack([tone(300, 3, 44100, 0.8), tone(700, 3, 44100, 0.4)])
        path = write(tmp_path / f"a.{kind}", sound, 44100)
        second = load_audio(path)
        middle = excerpt(path, 1.5, 1.0)
        monkeypatch.undo()
        first = load_audio(path)
        if kind == "ogg":  # another decoder of Vorbis
            assert (
                abs(len(first) - len(second)) < 400 and abs(np.square(first).mean() - np.square(second).mean()) < 1e-3
            )
        else:
            np.testing.assert_allclose(second, first, atol=1e-4)
            np.testing.assert_allclose(middle[100:], first[24000:40000][100:], atol=1e-2)

    def test_what_both_refuse(self, tmp_path):
        for content in (b"no music", b"OggS" + bytes(500), os.urandom(5000)):
            (tmp_path / "a.wav").write_bytes(content)
            with pytest.raises(AudioError, match="cannot be read as a recording"):
                load_audio(tmp_path / "a.wav")

    def test_samples_that_are_not_finite(self, tmp_path):
        samples = tone(300, 2)
        samples[-1] = np.nan
        with pytest.raises(AudioError, match="not finite"):
            load_audio(write(tmp_path / "a.wav", samples, codec="pcm_f32le"))

    def test_without_libsndfile(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "soundfile", None)
        with pytest.raises(AudioError, match="cannot be read as a recording"):
            load_audio(write(tmp_path / "a.wav", tone(300, 2)))
