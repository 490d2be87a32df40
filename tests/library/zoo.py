"""A zoo of odd files: how each is made, and what must come of it when its folder is indexed.

Most hold two seconds of a tone of 440 Hz, so that what is indexed can be told right from wrong by its length and pitch.
"""

import base64
import functools
import gzip
import os
import socket
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3
from mutagen.mp4 import MP4, MP4Cover
from recordings import tone, write

RATE = 16000
NOT_A_RECORDING = "cannot be read as a recording|no audio stream|holds no audio"


@dataclass(frozen=True)
class Animal:
    """`make` writes it at a path. Indexed: it lasts `seconds`, give or take `within`, and sounds like `hertz` (None: no
    tone). Named: `reason`, a pattern, is in the sentence. Skipped: for the reason `skipped`, it or a folder around it.
    """

    make: Callable[[Path], None]
    seconds: float | None = None
    hertz: float | None = 440
    within: float = 0.1
    reason: str | None = None
    skipped: str | None = None


def indexed(content: bytes | Callable, seconds: float = 2.0, hertz: float | None = 440, within: float = 0.1) -> Animal:
    return Animal(_maker(content), seconds, hertz, within)


def named(content: bytes | Callable, reason: str = NOT_A_RECORDING) -> Animal:
    return Animal(_maker(content), reason=reason)


def skipped(content: bytes | Callable, reason: str) -> Animal:
    return Animal(_maker(content), skipped=reason)


def _maker(content: bytes | Callable) -> Callable[[Path], None]:
    return (lambda path: path.write_bytes(content)) if isinstance(content, bytes) else content


def rendered(kind: str, samples: np.ndarray, rate: int = RATE) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / f"a.{kind}", samples, rate).read_bytes()


@functools.cache
def encoded(kind: str, seconds: float = 2.0, rate: int = RATE) -> bytes:
    return rendered(kind, tone(440, seconds, rate), rate)


def contained(container: str, codec: str, rate: int = RATE, sample_format: str = "s16") -> Callable[[Path], None]:
    """By FFmpeg's names: for the containers that `recordings.write` does not know."""

    def make(path: Path) -> None:
        import av

        with open(path, "wb") as file, av.open(file, "w", format=container) as out:
            stream = out.add_stream(codec, rate=rate, layout="stereo")
            planar = sample_format.endswith("p")
            samples = np.stack([tone(440, 2, rate)] * 2)
            if sample_format.startswith("s16"):
                samples = (samples * 32767).astype(np.int16)
            samples = samples if planar else samples.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=sample_format, layout="stereo")
            frame.rate, frame.pts = rate, 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))

    return make


def wav(samples: np.ndarray, rate: int = RATE, data_size: int | None = None) -> bytes:
    """(samples,) or (samples, channels), stored as they are; the header may lie about the size."""
    channels = samples.shape[1] if samples.ndim == 2 else 1
    width, kind, data = samples.dtype.itemsize, 3 if samples.dtype.kind == "f" else 1, samples.tobytes()
    second = min(rate * channels * width, 2**32 - 1)
    header = struct.pack("<HHIIHH", kind, channels, rate, second, channels * width, width * 8)
    size = len(data) if data_size is None else data_size
    body = b"WAVEfmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bits_24(samples: np.ndarray) -> np.ndarray:
    return (samples * (2**23 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].copy().view("V3")[:, 0]


def pcm16(samples: np.ndarray) -> np.ndarray:
    return (samples * 32767).astype("<i2")


SOUND = tone(440, 2)
MIDI = b"MThd\0\0\0\6\0\0\0\1\0`MTrk\0\0\0\x04\0\xff\x2f\0"


def kinds() -> dict[str, Animal]:
    """Containers and codecs beyond those that every test writes."""
    raw = pcm16(SOUND)
    au = struct.pack(">4sIIIII", b".snd", 24, len(raw) * 2, 3, RATE, 1) + raw.astype(">i2").tobytes()
    return {
        "wave 64.w64": indexed(contained("w64", "pcm_s16le")),
        "matroska opus.mka": indexed(contained("matroska", "libopus", 48000)),
        "wavpack.wv": indexed(contained("wv", "wavpack", sample_format="s16p")),
        "true audio.tta": indexed(contained("tta", "tta")),
        "layer 2.mp2": indexed(contained("mp2", "mp2")),
        "raw.aac": indexed(contained("adts", "aac", sample_format="fltp"), within=0.15),
        "apple lossless.m4a": indexed(contained("ipod", "alac", sample_format="s16p")),
        "flac in ogg.oga": indexed(contained("ogg", "flac")),
        "mu-law.wav": indexed(contained("wav", "pcm_mulaw")),
        "adpcm.wav": indexed(contained("wav", "adpcm_ms")),
        "core audio.caf": indexed(contained("caf", "pcm_s16le")),
        "sun.au": indexed(au),
        "dolby.ac3": indexed(contained("ac3", "ac3", 48000, "fltp"), hertz=440),
        "dolby plus.eac3": indexed(contained("eac3", "eac3", 48000, "fltp")),
        "direct stream.dsf": indexed(dsf()),
        "direct stream.dff": indexed(dsdiff()),
        "no video.mp4": indexed(contained("mp4", "aac", sample_format="fltp"), within=0.15),
        "no video.webm": indexed(contained("webm", "libopus", 48000)),
        "a video.mkv": indexed(video(with_sound=True), within=0.15),
        "a silent video.mp4": named(video(with_sound=False), "no audio stream"),
        "protected.m4p": named(protected(), r"protected against copying \(DRM\)"),
        "module.mod": skipped(bytes(2000), "unsupported format .mod"),
        "score.mid": skipped(MIDI, "unsupported format .mid"),
        "empty.cue": skipped(b"REM nothing", "cue sheet without tracks"),
        "lost.cue": skipped(
            b'FILE "none.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00', "cue sheet without its recording"
        ),
        "half of it.mp3.part": skipped(encoded("mp3"), "unfinished download"),
    }


DSD_RATE = 2_822_400


@functools.cache
def one_bit_tone() -> np.ndarray:
    """By a modulator of the first order: (samples,) bool"""
    sums = np.cumsum(0.25 * np.sin(2 * np.pi * 440 * np.arange(2 * DSD_RATE) / DSD_RATE) + 0.5)
    return np.diff(np.floor(sums), prepend=0) > 0


def dsf() -> bytes:
    data, rate, block = np.packbits(one_bit_tone(), bitorder="little").tobytes(), DSD_RATE, 4096
    data += b"\x69" * (-len(data) % block)
    head = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 1, 1, rate, 1, 2 * rate, block, 0)
    body = head + b"data" + struct.pack("<Q", 12 + len(data)) + data
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(body), 0) + body


def dsdiff() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack(">Q", len(data)) + data

    properties = chunk(b"FS  ", struct.pack(">I", DSD_RATE)) + chunk(b"CHNL", b"\0\1C   ")
    properties += chunk(b"CMPR", b"DSD \x0enot compressed\0")
    body = b"DSD " + chunk(b"FVER", b"\1\5\0\0") + chunk(b"PROP", b"SND " + properties)
    return chunk(b"FRM8", body + chunk(b"DSD ", np.packbits(one_bit_tone()).tobytes()))


def video(with_sound: bool) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import av

        with av.open(str(path), "w", format="matroska" if path.suffix == ".mkv" else "mp4") as out:
            pictures = out.add_stream("mpeg4", rate=5)
            pictures.width = pictures.height = 16
            sound = out.add_stream("aac", rate=RATE) if with_sound else None
            for _ in range(10):
                out.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))))
            out.mux(pictures.encode(None))
            if sound is not None:
                frame = av.AudioFrame.from_ndarray(SOUND[None], format="fltp", layout="mono")
                frame.rate = RATE
                out.mux(sound.encode(frame))
                out.mux(sound.encode(None))

    return make


def protected() -> bytes:
    """The box that names the codec says what Apple's protected files say."""
    m4a = bytearray(encoded("m4a"))
    at = m4a.find(b"mp4a", m4a.find(b"stsd"))
    m4a[at : at + 4] = b"drms"
    return bytes(m4a)


def depths() -> dict[str, Animal]:
    return {
        "8 bit.wav": indexed(wav((SOUND * 127 + 128).astype(np.uint8))),
        "24 bit.wav": indexed(wav(bits_24(SOUND))),
        "32 bit.wav": indexed(wav((SOUND * (2**31 - 1)).astype("<i4"))),
        "64 bit float.wav": indexed(wav(SOUND.astype("<f8"))),
    }


def rates() -> dict[str, Animal]:
    few = pcm16(np.resize([0.1, -0.2, 0.3], 40))
    zoo = {
        "1 Hz.wav": indexed(wav(few, 1), 40.0, None),
        "4 Hz.wav": indexed(wav(few, 4), 10.0, None),
        "3 samples at 1 Hz.wav": named(wav(few[:3], 1), "too short"),
        "0 Hz.wav": named(wav(few, 0)),
        "a rate of 2 GHz.wav": named(wav(pcm16(SOUND), 2**31 - 1), "which no recording has"),
        "a rate of 50 MHz.wav": named(wav(pcm16(SOUND), 50_000_000), "which no recording has"),
        "a rate below zero.wav": named(wav(pcm16(SOUND), 2**32 - 5)),
        # A lie that makes 2 MB of samples last for weeks.
        "weeks at 1 Hz.wav": named(wav(np.zeros(10**6, np.int16), 1), "longer than"),
    }
    for rate in (100, 1000, 8000, 11025, 22050, 96000, 192000, 384000):
        hertz = 440 if rate > 1000 else 40
        zoo[f"{rate} Hz.wav"] = indexed(wav(pcm16(tone(hertz, 2, rate)), rate), hertz=hertz if rate > 100 else None)
    for rate in (8000, 48000):
        zoo[f"{rate} Hz.mp3"] = indexed(encoded("mp3", rate=rate), within=0.15)
    zoo["655350 Hz.flac"] = indexed(encoded("flac", rate=655350))
    return zoo


def channels() -> dict[str, Animal]:
    zoo = {
        f"{n} channels.wav": indexed(wav(np.repeat(pcm16(SOUND)[:, None], n, axis=1))) for n in [*range(1, 17), 24, 64]
    }
    one_of_many = np.zeros((len(SOUND), 16), np.float32)
    one_of_many[:, 11] = SOUND
    return zoo | {
        "in the twelfth channel.wav": indexed(wav(one_of_many)),
        "out of phase.wav": indexed(wav(pcm16(np.stack([SOUND, -SOUND], 1))), hertz=None),
        "0 channels.wav": named(wav(pcm16(SOUND))[:22] + b"\0\0" + wav(pcm16(SOUND))[24:]),
        "1000 channels.wav": named(wav(np.zeros((2000, 1000), np.int16)), "channels"),
    }


def levels() -> dict[str, Animal]:
    noise = np.random.default_rng(0).normal(size=len(SOUND))
    zoo = {
        "silence.wav": named(wav(np.zeros(32000, np.int16)), "is silent"),
        "silence.mp3": named(lambda path: write(path, np.zeros(32000), RATE), "is silent"),
        "direct current.wav": named(wav(np.full(32000, 32767, np.int16)), "is silent"),
        "clipped.wav": indexed(wav(pcm16(np.clip(SOUND * 100, -1, 1)))),
        "loud noise.wav": indexed(wav(pcm16(np.clip(noise, -1, 1))), hertz=None),
        "far over full scale.wav": indexed(wav(SOUND.astype("<f4") * 1000)),
        "hardly anything.wav": named(wav(SOUND.astype("<f4") * 1e-30), "is silent"),
        "larger than floats are.wav": named(wav(np.full(32000, 1e300, "<f8")), "not finite"),
        "1 sample.wav": named(wav(np.full(1, 9000, np.int16)), "cannot be embedded"),
        "10 ms.wav": named(wav(pcm16(SOUND[:160])), "cannot be embedded"),
        "0 samples.wav": named(wav(np.zeros(0, np.int16))),
        "half a second.wav": indexed(wav(pcm16(SOUND[:8000])), 0.5),
    }
    for name, value in (("not a number", np.nan), ("infinity", np.inf)):
        for place, at in (("first", 0), ("last", -1)):
            samples = SOUND.astype("<f4")
            samples[at] = value
            zoo[f"{name}, {place}.wav"] = named(wav(samples), "samples that are not finite")
    return zoo


def cuts() -> dict[str, Animal]:
    """Each cut at every eighth. Where the header says how long it was, less than half is refused; others just end."""
    noise = np.random.default_rng(0).normal(size=8 * RATE).astype(np.float32)  # so that every second weighs the same
    zoo = {}
    for kind in ("mp3", "ogg", "opus", "flac", "wav", "aiff", "wma", "m4a"):
        whole = rendered(kind, tone(440, 8) + 0.02 * noise)
        for eighth in range(8):
            name, part = f"{eighth} eighths.{kind}", whole[: len(whole) * eighth // 8]
            if eighth == 0:
                zoo[name] = named(part, "is empty")
            elif kind == "m4a" or (kind in ("ogg", "opus") and eighth == 1):  # needs its end, or a whole page of sound
                zoo[name] = named(part)
            elif kind in ("flac", "aiff") and eighth <= 4:
                zoo[name] = named(part, "is cut off")
            else:
                zoo[name] = indexed(part, eighth, within=1.1 if kind in ("ogg", "opus") else 0.3)
    return zoo


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(8 * 25))) + chunk(b"IEND", b"")
    )


def strangers() -> dict[str, Animal]:
    """No recordings, or not what the extension says."""
    noise = np.random.default_rng(1).bytes(50_000)
    page = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Not here.</body></html>"
    m3u = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n"
    zoo = {
        "words.mp3": named(b"These are only words, and no music.\n" * 500),
        "a letter.wav": named(b"x"),
        "error page.mp3": named(page),
        "picture.mp3": named(png()),
        "picture.flac": named(png()),
        "playlist.m4a": named(m3u),
        "script.ogg": named(b"ffconcat version 1.0\nfile /etc/hostname\n"),
        "subtitles.wma": named(b"1\n00:00:01,000 --> 00:00:02,000\nLa la la\n" * 50),
        "midi.wav": named(MIDI, "a score without sound, a format that is not supported"),
        "zipped.mp3": named(b"PK\x03\x04" + noise[:3000]),
        "packed.wav": named(gzip.compress(encoded("wav"))),
        "a program.ape": named(b"\x7fELF\x02\x01\x01" + bytes(9000)),
        "zeros.mp3": named(bytes(100_000)),
        "ones.mp3": named(b"\xff" * 100_000),
        "syncs.mp3": named(b"\xff\xfb\x90\x00" * 20_000),
        "mp3.flac": indexed(encoded("mp3"), within=0.15),
        "mp3.wav": indexed(encoded("mp3"), within=0.15),
        "flac.mp3": indexed(encoded("flac")),
        "opus.m4a": indexed(encoded("opus")),
        "m4a.ogg": indexed(encoded("m4a"), within=0.15),
        "wav.wma": indexed(encoded("wav")),
    }
    for kind in ("mp3", "flac", "ogg", "wav", "m4a", "wma"):
        zoo[f"noise.{kind}"] = named(noise)
    return zoo


def headers() -> dict[str, Animal]:
    """Headers with nothing behind them, and headers that lie."""
    flac, sound = encoded("flac"), pcm16(SOUND)

    def flac_of(samples: int) -> bytes:
        """The field of 36 bits in STREAMINFO."""
        said = int.from_bytes(flac[21:26]) & 0xF << 36 | samples
        return flac[:21] + said.to_bytes(5) + flac[26:]

    mp3 = encoded("mp3")
    xing = mp3.find(b"Xing") if b"Xing" in mp3 else mp3.find(b"Info")
    ogg = bytearray(encoded("ogg"))
    last = ogg.rfind(b"OggS")
    struct.pack_into("<q", ogg, last + 6, 10**12)
    ogg = with_page_checksum(bytes(ogg), last)
    m4a = encoded("m4a")
    mvhd, mdhd = m4a.find(b"mvhd"), m4a.find(b"mdhd")
    long = bytearray(m4a)
    for at in (mvhd + 4 + 16, mdhd + 4 + 16):
        struct.pack_into(">I", long, at, 0x7FFFFFF0)
    mdat = m4a.find(b"mdat")
    return {
        "header only.wav": named(wav(sound)[:44]),
        "header only.flac": named(flac[:42]),
        "header only.ogg": named(encoded("ogg")[:58]),
        "header only.opus": named(encoded("opus")[:47]),
        "header only.m4a": named(m4a[: mdat - 4]),
        "header only.mp3": named(b"ID3\x03\0\0\0\0\0\0"),
        "header only.aiff": named(encoded("aiff")[:54]),
        "header only.wma": named(encoded("wma")[:100]),
        "no length.wav": indexed(wav(sound, data_size=0xFFFFFFFF)),  # as programs write it that do not know the end
        "length of nothing.wav": indexed(wav(sound, data_size=0)),
        "half the length.wav": indexed(wav(sound, data_size=len(sound)), 1.0),
        "ten times the length.wav": indexed(wav(sound, data_size=20 * len(sound))),
        "no length.flac": indexed(flac_of(0)),
        "half the length.flac": indexed(flac_of(16000)),
        "ten times the length.flac": named(flac_of(320_000), "is cut off"),
        "a year of frames.mp3": indexed(mp3[: xing + 8] + struct.pack(">I", 10**9) + mp3[xing + 12 :], within=0.15),
        "one frame.mp3": indexed(mp3[: xing + 8] + struct.pack(">I", 1) + mp3[xing + 12 :], within=0.15),
        "a late end.ogg": indexed(ogg),
        "years long.m4a": indexed(bytes(long)),
    }


def with_page_checksum(data: bytes, at: int) -> bytes:
    """The Ogg page that begins at `at`, and ends the file, with its checksum set right."""
    page, crc = bytearray(data[at:]), 0
    page[22:26] = bytes(4)
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    page[22:26] = struct.pack("<I", crc)
    return data[:at] + bytes(page)


def headers_twice() -> bytes:
    """An Ogg Vorbis whose headers come again behind them: FFmpeg refuses it, libsndfile reads it."""
    data = encoded("ogg")
    pages = [b"OggS" + page for page in data.split(b"OggS")[1:]]
    first = next(i for i, page in enumerate(pages) if int.from_bytes(page[6:14], "little") > 0)
    again = [page[:5] + b"\0" + page[6:] for page in pages[:first]]
    numbered = b""
    for number, page in enumerate([*pages[:first], *again, *pages[first:]]):
        page = page[:18] + struct.pack("<I", number) + page[22:]
        numbered = with_page_checksum(numbered + page, len(numbered))
    return numbered


def chains() -> dict[str, Animal]:
    """One recording after the other in a file, as radio is saved."""
    tag = b"ID3\x03\0\0\0\0\0\x7f" + bytes(127)
    return {
        "a hundred links.ogg": indexed(encoded("ogg", 0.512) * 100, 51.2, within=7.0),  # a link gains a frame
        "twenty links.opus": indexed(encoded("opus", 3.0) * 20, 60.0),
        "two rates.mp3": indexed(encoded("mp3") + encoded("mp3", rate=44100), 4.0, within=0.3),
        "tags between.mp3": indexed((encoded("mp3", 0.5) + tag) * 8, 4.0, within=1.0),
        "rubbish behind.mp3": indexed(encoded("mp3") + b"TAG" + b"\xff" * 125 + b"rubbish" * 999, within=0.2),
        "rubbish before.mp3": indexed(b"rubbish" * 99 + encoded("mp3"), within=0.2),
        "a tag before.flac": indexed(tag + encoded("flac")),
        "headers twice.ogg": indexed(headers_twice()),
        "2 MB of zeros behind.wav": indexed(encoded("wav") + bytes(2_000_000)),
        "two wavs.wav": indexed(encoded("wav") * 2),  # the second lies beyond what the first says of itself
    }


def id3(*frames: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"".join(name + struct.pack(">I", len(text)) + b"\0\0" + text for name, text in frames)
    size = len(body) if size is None else size
    return b"ID3\x03\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + body


def with_picture(kind: str, size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(encoded(kind))
        picture = png() + bytes(size)
        if kind == "mp3":
            file = ID3()
            file.add(APIC(mime="image/png", type=3, data=picture))
            file.save(path)
        elif kind == "m4a":
            file = MP4(path)
            file["covr"] = [MP4Cover(picture, MP4Cover.FORMAT_PNG)]
            file.save()
        else:
            cover = Picture()
            cover.data, cover.mime, cover.type = picture, "image/png", 3
            file = FLAC(path)
            file.add_picture(cover)
            file.save()

    return make


def tags() -> dict[str, Animal]:
    mp3 = encoded("mp3")

    def vorbis(*comments: bytes) -> bytes:
        flac = encoded("flac")
        body = struct.pack("<I", 0) + struct.pack("<I", len(comments))
        body += b"".join(struct.pack("<I", len(comment)) + comment for comment in comments)
        block = b"\x04" + len(body).to_bytes(3) + body
        return flac[:42] + block + flac[42:]

    def odd(*frames, **lies) -> Animal:
        return indexed(id3(*frames, **lies) + mp3, within=0.15)

    return {
        "50 MB of picture.mp3": indexed(with_picture("mp3", 50_000_000), within=0.15),
        "50 MB of picture.m4a": indexed(with_picture("m4a", 50_000_000), within=0.15),
        "16 MB of picture.flac": indexed(with_picture("flac", 16_000_000)),  # more does not fit into a block
        "a picture that is none.flac": indexed(vorbis(b"METADATA_BLOCK_PICTURE=" + base64.b64encode(b"no picture"))),
        "cp1251 as latin-1.mp3": odd((b"TIT2", b"\0" + "Пісня".encode("cp1251"))),
        "shift-jis.mp3": odd((b"TPE1", b"\0" + "音楽".encode("shift-jis"))),
        "half a letter of utf-16.mp3": odd((b"TIT2", b"\1\xff\xfeA\0B")),
        "utf-16 without its mark.mp3": odd((b"TIT2", b"\1" + "Title".encode("utf-16-le"))),
        "a lone surrogate.mp3": odd((b"TIT2", b"\1\xff\xfe\x00\xd8")),
        "bad utf-8.mp3": odd((b"TIT2", b"\3\xff\xfe\xfd\xc3")),
        "an encoding that is none.mp3": odd((b"TIT2", b"\x09Title")),
        "zeros within.mp3": odd((b"TIT2", b"\0One\0Two\0\0\0")),
        "for the terminal.mp3": odd((b"TIT2", b"\0\x1b]0;owned\x07\x1b[2J\r\n")),
        "a title of 1 MB.mp3": odd((b"TIT2", b"\0" + b"long " * 200_000)),
        "an odd year.mp3": odd((b"TYER", b"\x00-9999999999999")),
        "year of fullwidth digits.mp3": odd((b"TDRC", b"\3" + "１９９９".encode())),
        "a genre in a circle.mp3": odd((b"TCON", b"\0(255)((((4)")),
        "a thousand frames.mp3": odd(*[(b"TIT2", b"\0x")] * 1000),
        "a tag beyond the end.mp3": named(id3((b"TIT2", b"\0x"), size=2**27) + mp3),
        "a frame beyond the tag.mp3": indexed(
            b"ID3\x03\0\0\0\0\0\x10TIT2\x7f\xff\xff\xff\0\0\0abcde" + mp3, within=0.15
        ),
        "bad utf-8.flac": indexed(vorbis(b"TITLE=\xff\xfe\xc3", b"ARTIST=\xc3\x28")),
        "no equals sign.flac": indexed(vorbis(b"TITLE", b"=", b"", b"\0=\0")),
        "surrogates.flac": indexed(vorbis(b"TITLE=\xed\xa0\x80\xed\xb0\x80")),
    }


def names() -> dict[str, Animal]:
    whole = indexed(encoded("flac"))
    odd = (
        *("two\nlines.flac", "a\ttab and a bell\x07.flac", "\x1b[2Jclear.flac", "🎵🪗.flac", "пісня.flac", "ملف.flac"),
        *("-rf.flac", "--help.flac", "'; DROP TABLE tracks; --.flac", "100%s %d {x} $HOME `id`.flac", "a?b*c[d].flac"),
        *("http:example.flac", "concat:a|b.flac", "pipe:0.flac", "LOUD.FLAC", "back\\slash.flac", " blank .flac"),
        *("e\u0301 in two.flac", "\u00e9 in one.flac", "\u202egnp.flac", "n" * 250 + ".flac"),
        os.fsdecode(b"\xff\xfe no utf-8.flac"),
        os.fsdecode(b"\xed\xa0\x80 surrogate.flac"),
        "folder\nof lines/🎵/" + os.fsdecode(b"\xe4") + "/deep.flac",
        "/".join(["deep"] * 60) + "/down.flac",
    )
    return dict.fromkeys(odd, whole)


def places() -> dict[str, Animal]:
    """What lies in a folder besides files."""

    def link(target: str) -> Callable[[Path], None]:
        return lambda path: path.symlink_to(target)

    def tree(path: Path) -> None:
        path.write_bytes(encoded("flac"))
        (path.parent / "up").symlink_to("..", target_is_directory=True)
        (path.parent / "here").symlink_to(".", target_is_directory=True)

    def bound(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            folder = os.open(path.parent, os.O_RDONLY)  # a socket's address has room for 107 bytes
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")
            os.close(folder)

    def outside(path: Path) -> None:
        target = path.parent.parent / "outside.flac"
        target.write_bytes(encoded("flac"))
        path.symlink_to(target)

    return {
        "loops/around.flac": indexed(tree),
        "a link.flac": indexed(outside),
        "a link inside.flac": skipped(link("sun.au"), "link to what is scanned itself"),
        "a link to nowhere.flac": named(link("nowhere"), r"is a broken link \(No such file"),
        "a link to itself.flac": named(link("a link to itself.flac"), r"is a broken link \(Too many"),
        "a pipe.mp3": named(os.mkfifo, "not a regular file"),
        "a socket.ogg": named(bound, "not a regular file"),
        "a device.wav": named(link("/dev/zero"), "not a regular file"),
    }


def hidden() -> dict[str, Animal]:
    """Names that begin with a dot, trash, and recordings without an extension."""
    flac = encoded("flac")
    music = ("..Hits/a.flac", ".hack Sign OST/b.flac", ".hack.flac", "...Baby One More Time.flac", ".hidden/c.flac")
    trash = ("$RECYCLE.BIN", "#recycle", "lost+found", ".Trash-1000", ".Trashes")
    systems = ("@eaDir", "System Volume Information", ".git", "#snapshot", ".cache", "__MACOSX")
    return {
        **dict.fromkeys(music, indexed(flac)),
        **{f"{name}/d.flac": skipped(flac, "trash folder") for name in trash},
        **{f"{name}/e.flac": skipped(flac, "system folder") for name in systems},
        "._a.flac": skipped(b"\0\5\x16\7" + bytes(4000), "macOS metadata file"),
        "Untitled": indexed(flac),
        "Mr. Brightside": indexed(encoded("mp3"), within=0.15),
        "Song No. 5": indexed(encoded("m4a"), within=0.15),
    }


def odd_values() -> dict[str, Animal]:
    """Times of change that 64 bits of ns cannot hold, where the file system can."""

    def changed(ns: int) -> Callable[[Path], None]:
        def make(path: Path) -> None:
            path.write_bytes(encoded("flac"))
            os.utime(path, ns=(0, ns))

        return make

    return {
        "after 2262.flac": indexed(changed(2**63 + 10**9)),
        "before 1970.flac": indexed(changed(-(10**18))),
        "at 1970.flac": indexed(changed(0)),
    }


@functools.cache
def zoo() -> dict[str, Animal]:
    """By the file's name, with its folders."""
    houses = (
        *(kinds, depths, rates, channels, levels, cuts, strangers, headers, chains, tags, names, places),
        *(hidden, odd_values),
    )
    return {name: animal for house in houses for name, animal in house().items()}


def build(folder: Path) -> None:
    for name, animal in zoo().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        animal.make(folder / name)
