import json

import numpy as np
import pytest
from recordings import tone, write

from kobza.data.pairs import load_pairs
from kobza.data.recording_identity import keys_of, keys_of_all, sound_key, source_key
from kobza.data.recordings import Recording

SOUND = np.round(tone(440, 1.0) * 32767) / 32768  # exactly 16 bits


def test_one_sound_has_one_key_in_any_lossless_file(tmp_path):
    files = [write(tmp_path / f"a.{kind}", SOUND) for kind in ("wav", "flac", "aiff")]
    files.append(write(tmp_path / "tagged.flac", SOUND, title="Another title"))
    files.append(write(tmp_path / "b.wav", SOUND, codec="pcm_s24le"))
    assert len({sound_key(path) for path in files}) == 1
    assert sound_key(write(tmp_path / "c.wav", tone(441, 1.0))) != sound_key(files[0])
    assert sound_key(write(tmp_path / "d.wav", SOUND, rate=8000)) != sound_key(files[0])
    assert sound_key(files[0].read_bytes()) == sound_key(files[0])


def test_the_beginning_of_the_sound_counts(tmp_path):
    long = np.round(tone(440, 12.0)[1:] * 32767) / 32768  # without the zero that it begins with
    silence = np.zeros(7000)
    sounds = (long, long[:160_000], [*silence, *long], [*silence, *long[:160_000]])
    files = [write(tmp_path / f"{k}.{('flac', 'wav')[k % 2]}", np.array(sound)) for k, sound in enumerate(sounds)]
    assert len({sound_key(path) for path in files}) == 1
    other = long.copy()
    other[159_999] += 0.25
    assert sound_key(write(tmp_path / "other.flac", other)) != sound_key(files[0])
    assert sound_key(write(tmp_path / "short.flac", long[:159_999])) != sound_key(files[0])
    assert sound_key(write(tmp_path / "a.wav", silence)) == sound_key(write(tmp_path / "b.flac", silence[:100]))
    packets = [write(tmp_path / f"{seconds}.opus", tone(440, seconds, 48000), rate=48000) for seconds in (31.0, 40.0)]
    assert sound_key(packets[0]) == sound_key(packets[1])


@pytest.mark.parametrize("kind", ["mp3", "m4a", "ogg", "opus"])
def test_tags_do_not_change_the_key_of_a_lossy_file(tmp_path, kind):
    one = sound_key(write(tmp_path / f"a.{kind}", tone(440, 2.0, 48000), rate=48000))
    assert one == sound_key(
        write(tmp_path / f"b.{kind}", tone(440, 2.0, 48000), rate=48000, title="x" * 300, artist="y")
    )
    assert one != sound_key(write(tmp_path / f"c.{kind}", tone(450, 2.0, 48000), rate=48000))


def test_what_cannot_be_decoded_is_known_by_its_bytes_and_what_is_gone_by_its_name(tmp_path):
    (tmp_path / "a.mp3").write_text("no sound")
    (tmp_path / "b.mp3").write_text("no sound")
    assert sound_key(tmp_path / "a.mp3") == sound_key(tmp_path / "b.mp3")
    gone = Recording(tmp_path / "gone.mp3", "gone.mp3", source="youtube:abc")
    assert keys_of(gone) == [source_key("youtube:abc")] and keys_of(Recording(tmp_path / "no.mp3", "no.mp3")) == []


def test_tables_name_their_recordings(tmp_path):
    rows = [{"file_name": "a.wav", "caption": text, "youtube_id": "abc"} for text in ("one", "two")]
    write(tmp_path / "a.wav", SOUND)
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    keys = keys_of_all(load_pairs(tmp_path).recordings)
    assert keys == [[source_key("youtube:abc"), sound_key(tmp_path / "a.wav")]] * 2
