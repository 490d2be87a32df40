import struct
from pathlib import Path

import mutagen
import numpy as np
import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import COMM, ID3, TBPM, TCOM, TCON, TDRC, TIT2, TKEY, TPE1, TPE2, TRCK, TXXX
from recordings import FORMATS, tone, write
from zoo import contained, pcm16, wav

from kobza.library.ingest.tags import Tags, read_tags

TEXTS = ("title", "artist", "album", "genre", "year")
ALL = {"title": "T", "artist": "Ann; Bob", "genre": "Rock; Jazz", "year": 1985, "album_artist": "VA", "track_number": 3}
ALL |= {"key": "A minor", "bpm": 128.0, "comment": "Hi", "composer": "Bach"}


def said(path, *fields: str) -> dict:
    """Some fields of what a file says; without names, all that have a value and are no property of the stream."""
    tags = vars(read_tags(path))
    stream = ("format", "bitrate", "sample_rate", "seconds", "has_title")
    return {name: value for name, value in tags.items() if (name in fields if fields else value and name not in stream)}


def untagged(path: Path, *kind: str) -> Path:
    contained(*kind)(path)
    return path


def chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes, before_samples: bool = False) -> bytes:
    """A wav file with more chunks."""
    plain = wav(pcm16(tone(300, 1)))
    at = 36 if before_samples else len(plain)
    body = plain[12:at] + b"".join(chunks) + plain[at:]
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def id3() -> ID3:
    tags = ID3()
    for frame in (
        *(TIT2(text="T"), TPE1(text=["Ann", "Bob"]), TCON(text="(17)(8)"), TDRC(text="1985-03"), TPE2(text="VA")),
        *(TRCK(text="3/9"), TKEY(text="Am"), TBPM(text="128"), COMM(desc="iTunNORM", text="0000"), COMM(text="Hi")),
        TCOM(text="Bach"),
    ):
        tags.add(frame)
    return tags


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format(tmp_path, kind):
    path = write(
        tmp_path / f"file.{kind}",
        np.stack([tone(300, 2, 48000)] * 2),
        48000,
        title="Пісня",
        artist="Ann",
        album="LP",
        genre="Rock",
        date="1973-05-01",
    )
    if kind == "aiff":  # FFmpeg writes less into its own chunks; players write ID3
        file = mutagen.File(path)
        file.add_tags()
        for name, text in ("TPE1", "Ann"), ("TALB", "LP"), ("TCON", "(17)"), ("TDRC", "1973-05-01"):
            file.tags.add(getattr(mutagen.id3, name)(encoding=3, text=text))
        file.save()
    if kind == "wma":
        file = mutagen.File(path)
        file["WM/Year"] = "1973"
        file.save()
    tags = read_tags(path)
    assert tuple(said(path, *TEXTS).values()) == ("Пісня", "Ann", "LP", "Rock", 1973)
    assert tags.seconds == pytest.approx(2, abs=0.2) and tags.sample_rate == 48000 and tags.bitrate > 20
    assert tags.format == {"ogg": "vorbis", "m4a": "aac"}.get(kind, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_without_tags_there_is_a_length_and_the_name(tmp_path, kind):
    path = write(tmp_path / f"03 A song.{kind}", tone(300, 3))
    if kind in ("mp3", "m4a"):
        mutagen.File(path).delete()
    tags = read_tags(path)
    assert tags == Tags(
        "03 A song", **{name: getattr(tags, name) for name in ("format", "bitrate", "sample_rate", "seconds")}
    )
    assert tags.seconds == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(
    "kind",
    [
        ("a.mp3", "mp3", "libmp3lame", 16000, "s16p"),
        ("a.flac", "flac", "flac"),
        ("a.aac", "adts", "aac", 16000, "fltp"),
        ("a.tta", "tta", "tta"),
        ("a.wav", "wav", "pcm_s16le"),
        ("a.aiff", "aiff", "pcm_s16be"),
    ],
    ids=lambda kind: kind[0],
)
def test_id3_in_every_container(tmp_path, kind):
    path = untagged(tmp_path / kind[0], *kind[1:])
    for version in (4, 3):
        if kind[0] in ("a.wav", "a.aiff"):
            file = mutagen.File(path)
            if file.tags is None:
                file.add_tags()
            file.tags.update(id3())
            file.save(v2_version=version, v23_sep=None)
        else:
            id3().save(path, v2_version=version, v23_sep=None)
        assert said(path) == ALL


@pytest.mark.parametrize(
    "kind",
    [
        ("a.mp3", "mp3", "libmp3lame", 16000, "s16p"),
        ("a.tta", "tta", "tta"),
        ("a.wv", "wv", "wavpack", 16000, "s16p"),
        ("a.aac", "adts", "aac", 16000, "fltp"),
    ],
    ids=lambda kind: kind[0],
)
def test_apev2_in_every_container(tmp_path, kind):
    path = untagged(tmp_path / kind[0], *kind[1:])
    tags = APEv2()
    tags.update(
        {"Title": "T", "Artist": ["Ann", "Bob"], "Genre": ["Rock", "Jazz"], "Year": "c. 1985", "Album Artist": "VA"}
    )
    tags.update({"Track": "3/9", "KEY": "8A", "BPM": "128", "Comment": "Hi", "Composer": "Bach"})
    tags.save(path)
    assert said(path) == ALL


@pytest.mark.parametrize("kind", ["flac", "ogg", "opus"])
def test_vorbis_comments(tmp_path, kind):
    file = mutagen.File(write(tmp_path / f"a.{kind}", tone(300, 1)))
    file["title"] = ["T"] * 9
    file["artist"], file["genre"] = ["Ann", "Bob", "Ann"], ["Rock; Jazz"]
    file["date"], file["originaldate"], file["album artist"], file["tracknumber"] = "0000", "1985-03", "VA", "03"
    file["initialkey"], file["bpm"], file["description"], file["composer"] = "La m", ["0", "128"], "Hi", "Bach"
    file.save()
    assert said(tmp_path / f"a.{kind}") == ALL


def test_mp4_and_asf(tmp_path):
    file = mutagen.File(untagged(tmp_path / "a.m4b", "ipod", "aac", 16000, "fltp"))
    file.update({"©nam": ["T"] * 9, "©ART": ["Ann", "Bob"], "©gen": ["Rock", "Jazz"], "©day": "1985-03", "aART": "VA"})
    file.update({"trkn": [(3, 9)], "tmpo": [128], "©cmt": "Hi", "©wrt": "Bach"})
    file["----:com.apple.iTunes:initialkey"] = [b"Am"]
    file.save()
    assert said(tmp_path / "a.m4b") == ALL
    file = mutagen.File(write(tmp_path / "a.wma", tone(300, 1)))
    file.update(
        {
            "Title": "T",
            "Author": ["Ann", "Bob"],
            "WM/Genre": ["Rock", "Jazz"],
            "WM/Year": "1985",
            "WM/AlbumArtist": "VA",
        }
    )
    file.update({"WM/TrackNumber": "3", "WM/InitialKey": "Am", "WM/BeatsPerMinute": "128", "Description": "Hi"})
    file["WM/Composer"] = "Bach"
    file.save()
    assert said(tmp_path / "a.wma") == ALL


def test_what_only_ffmpeg_reads(tmp_path):
    """RIFF INFO and bext, the chunks of AIFF, the annotation of AU, CAF."""
    path = tmp_path / "a.wav"
    info = {b"INAM": "Пісня", b"IART": "Ann", b"IPRD": "Альбом", b"IGNR": "Rock", b"ICRD": "05051985", b"ITRK": "3"}
    path.write_bytes(
        riff(chunk(b"LIST", b"INFO" + b"".join(chunk(n, t.encode("cp1251") + b"\0") for n, t in info.items())))
    )
    assert said(path) == dict(zip(TEXTS, ("Пісня", "Ann", "Альбом", "Rock", 1985), strict=True)) | {"track_number": 3}

    def bext(originator: bytes) -> bytes:
        fields = (b"Rain".ljust(256, b"\0"), originator.ljust(32, b"\0"), bytes(32), b"1985-03-0110:00:00", bytes(264))
        return chunk(b"bext", b"".join(fields))

    path.write_bytes(riff(bext(b"Ann"), before_samples=True))
    assert said(path) == {"title": "Rain", "artist": "Ann", "year": 1985, "comment": "Rain"}
    path.write_bytes(riff(bext(b"Pro Tools")))
    assert said(path, "artist", "year") == {"artist": "", "year": 1985}

    plain = untagged(tmp_path / "a.aiff", "aiff", "pcm_s16be").read_bytes()
    own = chunk(b"NAME", b"T", ">") + chunk(b"AUTH", "Björk".encode("latin-1"), ">") + chunk(b"ANNO", b"Hi", ">")
    (tmp_path / "a.aiff").write_bytes(b"FORM" + struct.pack(">I", len(plain) - 8 + len(own)) + plain[8:] + own)
    assert said(tmp_path / "a.aiff") == {"title": "T", "artist": "Björk", "comment": "Hi"}

    samples = pcm16(tone(300, 1)).astype(">i2").tobytes()
    for annotation, expected in [
        (b"Rain on a roof", {"title": "a", "comment": "Rain on a roof"}),
        ("title=Песня\nartist=Кино\ndate=1985".encode("cp1251"), {"title": "Песня", "artist": "Кино", "year": 1985}),
    ]:
        text = annotation.ljust(len(annotation) // 8 * 8 + 8, b"\0")
        header = b".snd" + struct.pack(">IIIII", 24 + len(text), len(samples), 3, 16000, 1)
        (tmp_path / "a.au").write_bytes(header + text + samples)
        assert said(tmp_path / "a.au") == expected


def matroska_element(kind: str, content: bytes) -> bytes:
    return bytes.fromhex(kind) + struct.pack(">Q", len(content) | 1 << 56) + content


def test_matroska(tmp_path):
    """Repeated values, and what the levels of tags mean."""
    path = untagged(tmp_path / "a.mka", "matroska", "flac")

    def tag(level: int, *pairs: tuple[str, str]) -> bytes:
        simple = (
            matroska_element("67C8", matroska_element("45A3", name.encode()) + matroska_element("4487", text.encode()))
            for name, text in pairs
        )
        targets = matroska_element("63C0", matroska_element("68CA", bytes([level])))
        return matroska_element("7373", targets + b"".join(simple))

    album = tag(50, ("TITLE", "LP"), ("ARTIST", "VA"), ("DATE_RELEASED", "1985"))
    song = tag(30, ("TITLE", "T"), *(("ARTIST", name) for name in ("Ann", "Bob")), ("GENRE", "Rock"), ("GENRE", "Jazz"))
    data = path.read_bytes()
    at = data.index(bytes.fromhex("18538067")) + 4
    tags = matroska_element("1254C367", album + song)
    (size,) = struct.unpack(">Q", data[at : at + 8])
    path.write_bytes(data[:at] + struct.pack(">Q", size + len(tags)) + data[at + 8 :] + tags)
    expected = {name: ALL[name] for name in ("title", "artist", "genre", "year", "album_artist")} | {"album": "LP"}
    assert said(path) == expected
    for kind in ("a.mka", "a.webm"):
        codec = ("matroska", "flac") if kind == "a.mka" else ("webm", "libopus", 48000)
        path = untagged(tmp_path / kind, *codec)
        assert said(path) == {"title": "a"} and read_tags(path).seconds == pytest.approx(2, abs=0.1)


def test_encodings_of_id3(tmp_path):
    """Latin-1 that is none: recognized, or told; Western names stay."""
    path = write(tmp_path / "a.mp3", tone(300, 1))
    for title, encoding, told in [
        ("Пачка сигарет", "cp1251", None),
        ("Ты", "cp1251", "cp1251"),
        ("Дом", "koi8_r", "koi8_r"),
        ("宇多田ヒカル", "cp932", None),
        ("周杰伦", "gbk", None),
        ("Björk", "latin-1", None),
        ("Don’t", "cp1252", None),
        ("Beyoncé", "utf-8", None),
    ]:
        tags = ID3()
        tags.add(TIT2(encoding=0, text=title.encode(encoding).decode("latin-1")))
        tags.save(path, v2_version=3)
        assert read_tags(path, told).title == title
        tags = ID3()
        tags.add(TIT2(encoding=1, text=title))
        tags.save(path, v2_version=3)
        assert read_tags(path, told).title == title  # Unicode is what it says
    tags = ID3()
    tags.add(TIT2(encoding=1, text="Песня о друге".encode("cp1251").decode("latin-1")))
    tags.save(path)
    assert read_tags(path).title == "Песня о друге"
    ID3(path).delete(path)
    texts = [text.encode("cp1251").ljust(30, b"\0") for text in ("Звезда", "Кино", "Группа крови")]
    with open(path, "ab") as file:
        file.write(b"TAG" + b"".join(texts) + b"1989" + b"Comment".ljust(28, b"\0") + b"\0\5" + bytes([17]))
    assert tuple(said(path, *TEXTS).values()) == ("Звезда", "Кино", "Группа крови", "Rock", 1989)


def test_one_place_fills_what_another_lacks(tmp_path):
    path = write(tmp_path / "a.mp3", tone(300, 1))
    tags = ID3()
    tags.add(TPE2(encoding=3, text="Various"))
    tags.add(TDRC(encoding=3, text="0000"))
    tags.add(TXXX(encoding=3, desc="Initial Key", text="8A"))
    tags.save(path)
    ape = APEv2()
    ape.update({"Title": "T", "Year": "1985", "Album Artist": "Ann"})
    ape.save(path)
    expected = {"title": "T", "artist": "Various", "album_artist": "Various", "year": 1985, "key": "A minor"}
    assert said(path) == expected


def test_odd_letters(tmp_path):
    path = write(tmp_path / "a.flac", tone(300, 1))
    file = mutagen.File(path)
    file["title"], file["artist"] = "two\nlines\x07", ["Simon &amp; Garfunkel", "AC/DC", "Earth, Wind & Fire; Bob"]
    file["genre"], file["date"], file["comment"] = ["", "R&B/Soul", "Rock/Jazz"], "no year", "x" * 5000
    file.save()
    tags = read_tags(path)
    assert tags.title == "two lines" and tags.artist == "Simon & Garfunkel; AC/DC; Earth, Wind & Fire; Bob"
    assert tags.genre == "R&B/Soul; Rock; Jazz" and tags.year is None and tags.comment == "x" * 1000


@pytest.mark.parametrize("kind", [*FORMATS, "mka", "au", "tta"])
def test_broken_tags_never_fail(tmp_path, kind):
    path = tmp_path / f"a name.{kind}"
    if kind in FORMATS:
        write(path, tone(300, 1), title="x" * 300, artist="y")
    else:
        contained(*{"mka": ("matroska", "flac"), "au": ("au", "pcm_s16be"), "tta": ("tta", "tta")}[kind])(path)
    if kind in ("tta", "mp3", "flac"):
        id3().save(path)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for cut in (0, 1, 5, 10, 33, 60, 200, 300, len(data) // 2, len(data) - 90):
        path.write_bytes(data[:cut])
        assert read_tags(path).title
        mixed = bytearray(data)
        mixed[cut : cut + 40] = rng.bytes(40)
        path.write_bytes(mixed)
        assert read_tags(path).title
    assert read_tags(tmp_path / "absent.mp3").title == "absent"


@pytest.mark.parametrize("kind", ["mp3", "m4a", "wav"])
def test_the_bar_moves_within_an_untagged_file(library, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("kobza.library.ingest.decode_ahead.CPU_BATCH_WINDOWS", 1)
    path = write(tmp_path / "music" / f"long.{kind}", tone(300, 60))
    if kind != "wav":
        mutagen.File(path).delete()
    fractions = []
    library.add(path, lambda now: fractions.append(now.fraction))
    assert len({round(fraction, 2) for fraction in fractions if 0 < fraction < 0.99}) >= 4


@pytest.mark.parametrize(
    "title",
    [
        "\U0001f469\u200d\U0001f680",
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
    ],
)
def test_joiners_within_words_and_emojis_stay(tmp_path, title):
    path = write(tmp_path / "a.flac", tone(300, 1), title=f"{title}\u200b\x07", artist=title, genre=title)
    assert said(path, "title", "artist", "genre") == dict.fromkeys(("title", "artist", "genre"), title)
