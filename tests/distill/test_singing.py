"""Speech that is made to sing: of a voice that the tests make, so that what it says is known."""

import tarfile
from fractions import Fraction
from io import BytesIO
from itertools import pairwise

import av
import numpy as np
import pytest
import pyworld
from recordings import write
from test_midi import midi_file, sine_soundfont

from kobza.audio import AudioError
from kobza.distill.corpus import fetching as corpus
from kobza.distill.corpus.singing import (
    SINGERS,
    Singer,
    cast,
    coloured,
    lay_out,
    pitch_curve,
    render_singing,
    section,
    syllabic,
    voice,
    with_parts,
)
from kobza.distill.corpus.styles import STYLES
from kobza.distill.corpus.syllables import FRAME, RATE, Speakers, read_clip, speaker_of, syllables, vowels
from kobza.synth.rhythms import Note

SPOKEN = 4  # syllables in a clip
PLAIN = Singer("plain", (0,), ((48, 67),), vibrato=(0, 1))


def speech(hertz: float = 120.0, count: int = SPOKEN, rate: int = RATE) -> np.ndarray:
    """`count` times s-a: 80 ms of noise, then 220 ms of pulses through two formants, which swell and fade."""
    rng = np.random.default_rng(0)
    time = np.arange(round(0.22 * rate)) / rate
    overtones = np.arange(1, int(5000 / hertz)) * hertz
    loud = sum(np.exp(-(((overtones - peak) / 250) ** 2)) for peak in (700, 1200)) + 0.02
    vowel = (loud[:, None] * np.cos(2 * np.pi * overtones[:, None] * time)).sum(0) * np.hanning(len(time))
    hiss = 0.02 * rng.standard_normal(round(0.08 * rate)) * np.abs(vowel).max()
    clip = np.concatenate([np.zeros(rate // 20), *[hiss, vowel] * count, np.zeros(rate // 10)])
    return 0.5 * clip / np.abs(clip).max() + 1e-5 * rng.standard_normal(len(clip))


@pytest.fixture(scope="module")
def spoken():
    return syllables(speech())


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A man and a woman, in folders of their own, and a file that is no recording."""
    folder = tmp_path_factory.mktemp("packages")
    for name, hertz in (("man", 120.0), ("woman", 210.0)):
        (folder / name).mkdir()
        for number in range(2):
            write(folder / name / f"{number}.wav", speech(hertz, SPOKEN + number, 16000))
    (folder / "man" / "broken.wav").write_bytes(b"nobody speaks")
    return folder


def voices_of(packages):
    return sorted(packages.rglob("*.wav"))


def test_speech_is_cut_into_its_syllables(spoken):
    assert len(spoken) == SPOKEN
    for said in spoken:
        assert said.envelope.shape == (len(said.pitch), 513) and said.aperiodicity.shape[0] == len(said.pitch)
        assert 0 <= said.begin <= said.steady < said.end <= len(said.pitch)
        assert np.median(said.pitch[said.begin : said.end]) == pytest.approx(120, rel=0.02)
    assert sum(not said.pitch.all() for said in spoken) >= SPOKEN - 1  # the consonant is there, and voiceless
    assert [speaker_of(syllables(speech(hertz))) for hertz in (120.0, 210.0, 320.0)] == [0, 1, 2]


def test_no_syllable_is_found_where_nobody_speaks():
    assert syllables(np.zeros(RATE)) == syllables(np.zeros(10)) == []
    assert syllables(0.1 * np.random.default_rng(0).standard_normal(RATE)) == []


def test_a_vowel_is_a_peak_with_valleys_around():
    loudness = np.array([0, 3, 9, 8.5, 9.5, 2, 6, 1, 0, 4, 0], float)
    voiced = np.ones(11, bool)
    assert vowels(loudness, voiced) == [4, 6, 9]  # the dent of half a decibel is none
    voiced[9] = False
    assert vowels(loudness, voiced) == [4, 6]


def test_a_note_holds_its_vowel_and_keeps_its_consonants(spoken):
    notes = [Note(0.5, 1.0, 60, 90), Note(1.5, 0.1, 62, 90), Note(1.7, 1.0, 64, 90)]
    layout = lay_out(notes, spoken, 600)
    assert len(layout) == 3
    for (first, source, said), note in zip(layout, notes, strict=True):
        assert source.min() >= 0 and source.max() <= len(said.pitch) - 1
        assert (np.diff(source) >= 0).all()
        onset = int(np.argmax(source >= said.begin))
        assert first + onset == round(note.start / FRAME)  # the vowel is on the beat
        assert np.array_equal(np.diff(source[:onset]), np.ones(max(onset - 1, 0)))
    assert all(a[0] + len(a[1]) <= b[0] for a, b in pairwise(layout))
    assert (layout[0][1] == spoken[0].steady).sum() > 100  # of 200 frames


def test_pitch_glides_and_vibrato_grows():
    notes = [Note(0.0, 1.0, 57, 90), Note(1.0, 3.0, 69, 90)]
    curve = pitch_curve(notes, 800, 100.0, np.random.default_rng(0))
    assert curve.shape == (800,)
    assert np.median(curve[40:180]) == pytest.approx(220, rel=0.03)
    assert np.median(curve[300:]) == pytest.approx(440, rel=0.03)
    cents = 1200 * np.log2(curve / 440)
    assert np.abs(np.diff(cents)).max() < 250  # an octave is no jump
    assert cents[500:700].std() > 2 * cents[225:240].std()
    rate = np.abs(np.fft.rfft(cents[400:800] - cents[400:800].mean())).argmax() / 2.0
    assert 4.5 <= rate <= 7


def test_the_melody_is_sung_whatever_the_voice(spoken):
    notes = [Note(0.2, 1.2, 52, 90), Note(1.5, 1.3, 57, 90)]
    sound = voice(notes, notes, (0, spoken), 0, PLAIN, 3.0, np.random.default_rng(1))
    assert sound.shape == (3 * RATE,) and sound.dtype == np.float32
    pitch, _ = pyworld.harvest(sound.astype(np.float64), RATE, frame_period=5.0)
    for note in notes:
        heard = pitch[round((note.start + 0.2) / FRAME) : round((note.start + note.length - 0.3) / FRAME)]
        assert np.median(heard[heard > 0]) == pytest.approx(440 * 2 ** ((note.pitch - 69) / 12), rel=0.03)
    quiet = sound[-RATE // 20 :]
    assert np.abs(quiet).max() < 0.05 * np.abs(sound).max()


def test_formants_move_with_the_throat():
    bins = np.arange(513)
    envelope = np.tile(5 * np.exp(-(((bins - 100) / 15) ** 2)), (40, 1))
    moved = coloured(envelope, 1.3, 0.0, np.random.default_rng(0)).mean(0)
    assert moved[50:].argmax() + 50 == pytest.approx(130, abs=5)
    rng, again = np.random.default_rng(1), np.random.default_rng(1)
    ring = coloured(envelope, 1.0, 10.0, rng) - coloured(envelope, 1.0, 0.0, again)
    assert ring.mean(0).argmax() * RATE / 1024 == pytest.approx(2900, abs=30)


def test_a_choir_is_more_than_one():
    tone = np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE).astype(np.float32)
    choir = section(tone, 5, np.random.default_rng(0))
    assert choir.shape == tone.shape and np.isfinite(choir).all()
    power = np.abs(np.fft.rfft(choir * np.hanning(len(choir)))) ** 2
    near = power[420:461].sum()
    assert near > 0.95 * power.sum() and power[438:443].sum() < 0.99 * near  # the same tone, wider
    assert np.array_equal(section(tone, 1, np.random.default_rng(0)), tone)


def test_short_notes_go_on_with_a_syllable():
    notes = [Note(0.0, 0.5, 60, 90), Note(0.5, 0.05, 62, 90), Note(0.8, 0.05, 64, 90)]
    sung = syllabic(notes, np.random.default_rng(0))
    assert [n.start for n in sung] == [0.0, 0.8]  # the last one comes after a pause
    assert sung[0].length == pytest.approx(0.55)


@pytest.mark.parametrize("singer", SINGERS, ids=lambda s: s.name)
def test_every_singer_has_parts_and_bands(singer):
    assert len(singer.who) == len(singer.register) and singer.weight > 0
    assert all(low + 12 <= high for low, high in singer.register)
    names = {style.name for style in STYLES}
    assert set(singer.styles) <= names
    for seed in range(3):
        parts = cast(singer, np.random.default_rng(seed))
        assert len(parts) == singer.parts
        assert all((who, register) in zip(singer.who, singer.register, strict=True) for who, register in parts)
        style = with_parts(next(s for s in STYLES if s.name == "duet"), parts)
        assert [layer.plays for layer in style.layers].count("melody") == 1  # the singer's


def test_telephone_sound_is_read(tmp_path):
    sound = (8000 * np.sin(2 * np.pi * 500 * np.arange(16000) / 16000)).astype(np.int16)
    encoder = av.CodecContext.create("g722", "w")
    encoder.sample_rate, encoder.format, encoder.layout = 16000, "s16", "mono"
    encoder.time_base = Fraction(1, 16000)
    frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    frame.sample_rate = 16000
    packed = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    (tmp_path / "tone.g722").write_bytes(packed)
    read = read_clip(tmp_path / "tone.g722")
    assert len(read) == pytest.approx(RATE, rel=0.02)
    assert np.abs(np.fft.rfft(read)).argmax() * RATE / len(read) == pytest.approx(500, abs=3)
    (tmp_path / "empty.g722").write_bytes(b"")
    with pytest.raises(AudioError, match="holds no sound"):
        read_clip(tmp_path / "empty.g722")


def test_a_speaker_goes_on_speaking(packages, capsys):
    speakers = Speakers(voices_of(packages), packages, np.random.default_rng(0))
    heard = set()
    for seed in range(8):
        who, said = speakers.speak(20, np.random.default_rng(seed))
        assert len(said) == 20 and speaker_of(said) == who
        heard.add(who)
    assert heard == {0, 1}
    assert "broken.wav" in capsys.readouterr().out  # named, and passed over
    (packages / "dumb").mkdir(exist_ok=True)
    write(packages / "dumb" / "0.wav", np.zeros(16000))
    with pytest.raises(ValueError, match="Nobody speaks"):
        Speakers([packages / "dumb" / "0.wav"], packages, np.random.default_rng(0)).speak(1, np.random.default_rng(0))


@pytest.fixture
def song_parts(tmp_path):
    """A soundfont and an archive with one song."""
    pytest.importorskip("tinysoundfont", reason="pip install --no-deps tinysoundfont")
    (tmp_path / "sine.sf2").write_bytes(sine_soundfont())
    data = midi_file()
    with tarfile.open(tmp_path / "songs.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("POP909/001/001.mid")
        member.size = len(data)
        tar.addfile(member, BytesIO(data))
    return tmp_path / "songs.tar.gz", tmp_path / "sine.sf2"


def test_songs_are_sung_the_same_for_a_seed(packages, song_parts):
    def sing():
        speakers = Speakers(voices_of(packages), packages, np.random.default_rng(0))
        return list(render_singing(4, 3, speakers, *song_parts, seconds=2.0))

    for (recipe, sound), (again, same) in zip(sing(), sing(), strict=True):
        assert recipe == again and np.array_equal(sound, same)
        assert sound.shape == (64000,) and sound.dtype == np.float32
        assert np.abs(sound).max() == pytest.approx(recipe["peak"], rel=1e-4)
        assert recipe["singer"] in {singer.name for singer in SINGERS} and recipe["song"] == "001"


def test_sung_songs_become_shards(packages, song_parts, tmp_path, monkeypatch):
    whole = corpus.render_singing
    monkeypatch.setattr(corpus, "render_singing", lambda n, *rest: whole(2, *rest))
    archive, soundfont = song_parts
    arguments = (range(1), tmp_path / "singing", voices_of(packages), packages, archive, [soundfont])
    assert corpus.collect_singing(*arguments) == 1
    assert corpus.collect_singing(*arguments) == 0
