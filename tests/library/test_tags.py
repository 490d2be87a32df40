import mutagen
import numpy as np
import pytest
from recordings import FORMATS, tone, write

from kobza.library.ingest.tags import Tags, read_tags


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
    if kind in ("wav", "aiff"):  # FFmpeg writes these tags in ways of its own; players write ID3
        file = mutagen.File(path)
        if file.tags is None:
            file.add_tags()
        for frame in ("TIT2", "Пісня"), ("TPE1", "Ann"), ("TALB", "LP"), ("TCON", "(17)"), ("TDRC", "1973-05-01"):
            file.tags.add(getattr(mutagen.id3, frame[0])(encoding=3, text=frame[1]))
        file.save()
    if kind == "wma":
        file = mutagen.File(path)
        file["WM/Year"] = "1973"
        file.save()
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.album, tags.genre, tags.year) == ("Пісня", "Ann", "LP", "Rock", 1973)
    assert tags.seconds == pytest.approx(2, abs=0.2)


def test_without_tags_the_title_is_the_name(tmp_path):
    tags = read_tags(write(tmp_path / "03 A song.flac", tone(300, 1)))
    assert tags == Tags("03 A song", format="flac", bitrate=tags.bitrate, sample_rate=16000, seconds=1.0)


def test_several_values_and_odd_letters(tmp_path):
    path = write(tmp_path / "a.flac", tone(300, 1))
    file = mutagen.File(path)
    file["title"], file["artist"], file["genre"], file["date"] = (
        "two\nlines\x07",
        ["Ann", "Bob", "Ann"],
        [""],
        "no year",
    )
    file.save()
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.genre, tags.year) == ("two lines", "Ann; Bob", "", None)


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "m4a", "wav", "wma"])
def test_broken_tags_never_fail(tmp_path, kind):
    path = write(tmp_path / f"a name.{kind}", tone(300, 1), title="x" * 300, artist="y")
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for cut in (0, 1, 10, 60, 200, len(data) // 2):
        path.write_bytes(data[:cut])
        assert read_tags(path).title
        mixed = bytearray(data)
        mixed[cut : cut + 40] = rng.bytes(40)
        path.write_bytes(mixed)
        assert read_tags(path).title
    assert read_tags(tmp_path / "absent.mp3").title == "absent"
