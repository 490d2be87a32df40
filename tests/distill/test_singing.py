"""Singing from synthetic speech, whose syllables and pitch are known."""

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
from kobza.distill.corpus.singing import SINGERS, assign_parts, render_singing, replace_melody
from kobza.distill.corpus.styles import STYLES
from kobza.distill.corpus.syllables import (
    FRAME_SECONDS,
    VOCODER_RATE,
    SpeakerPool,
    Syllable,
    Voice,
    classify_voice,
    cut_syllables,
    find_vowels,
    read_clip,
)
from kobza.distill.corpus.voice_synthesis import (
    VoiceStyle,
    align_syllables,
    join_notes,
    multiply_voice,
    pitch_curve,
    shape_timbre,
    synthesize_line,
)
from kobza.synth.rhythms import Note

SPOKEN = 4  # syllables in a clip
PLAIN = VoiceStyle(Voice.MAN, (0, 1), 0.0)


def speech(hertz: float = 120.0, count: int = SPOKEN, rate: int = VOCODER_RATE) -> np.ndarray:
    """`count` times "sa": 80 ms of noise, then 220 ms of a vowel with two formants, faded in and out."""
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
    return cut_syllables(speech())


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Recordings of a man and a woman, each in a folder, and a file that is not audio."""
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
    assert [classify_voice(cut_syllables(speech(hertz))) for hertz in (120.0, 210.0, 320.0)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("hertz", "voice"), [(65.0, Voice.MAN), (120.0, Voice.MAN), (200.0, Voice.WOMAN), (300.0, Voice.CHILD)]
)
def test_voices_are_classified_by_pitch(hertz, voice):
    vowel = Syllable(np.zeros((9, 513)), np.zeros((9, 3)), np.full(9, hertz), 0, 4, 9)
    assert classify_voice([vowel]) == voice  # a very deep voice is a man's, too


def test_silence_and_noise_have_no_syllable():
    assert cut_syllables(np.zeros(VOCODER_RATE)) == cut_syllables(np.zeros(10)) == []
    assert cut_syllables(0.1 * np.random.default_rng(0).standard_normal(VOCODER_RATE)) == []


def test_a_vowel_is_a_peak_with_valleys_around():
    loudness = np.array([0, 3, 9, 8.5, 9.5, 2, 6, 1, 0, 4, 0], float)
    voiced = np.ones(11, bool)
    assert find_vowels(loudness, voiced) == [4, 6, 9]  # the dip of half a decibel is no valley
    voiced[9] = False
    assert find_vowels(loudness, voiced) == [4, 6]


def test_a_note_holds_the_vowel_and_keeps_the_consonants(spoken):
    notes = [Note(0.5, 1.0, 60, 90), Note(1.5, 0.1, 62, 90), Note(1.7, 1.0, 64, 90)]
    layout = align_syllables(notes, spoken, 600)
    assert len(layout) == 3
    for (first, source, said), note in zip(layout, notes, strict=True):
        assert source.min() >= 0 and source.max() <= len(said.pitch) - 1
        assert (np.diff(source) >= 0).all()
        onset = int(np.argmax(source >= said.begin))
        assert first + onset == round(note.start / FRAME_SECONDS)  # the vowel is on the beat
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
    assert np.abs(np.diff(cents)).max() < 250  # the octave is not a jump
    assert cents[500:700].std() > 2 * cents[225:240].std()
    rate = np.abs(np.fft.rfft(cents[400:800] - cents[400:800].mean())).argmax() / 2.0
    assert 4.5 <= rate <= 7


def test_the_sung_pitch_is_the_melody(spoken):
    notes = [Note(0.2, 1.2, 52, 90), Note(1.5, 1.3, 57, 90)]
    sound = synthesize_line(notes, notes, (Voice.MAN, spoken), PLAIN, 3.0, np.random.default_rng(1))
    assert sound.shape == (3 * VOCODER_RATE,) and sound.dtype == np.float32
    pitch, _ = pyworld.harvest(sound.astype(np.float64), VOCODER_RATE, frame_period=5.0)
    for note in notes:
        heard = pitch[
            round((note.start + 0.2) / FRAME_SECONDS) : round((note.start + note.length - 0.3) / FRAME_SECONDS)
        ]
        assert np.median(heard[heard > 0]) == pytest.approx(440 * 2 ** ((note.pitch - 69) / 12), rel=0.03)
    quiet = sound[-VOCODER_RATE // 20 :]
    assert np.abs(quiet).max() < 0.05 * np.abs(sound).max()


def test_formants_are_scaled_and_the_singers_formant_is_boosted():
    bins = np.arange(513)
    envelope = np.tile(5 * np.exp(-(((bins - 100) / 15) ** 2)), (40, 1))
    moved = shape_timbre(envelope, 1.3, 0.0, np.random.default_rng(0)).mean(0)
    assert moved[50:].argmax() + 50 == pytest.approx(130, abs=5)
    rng, again = np.random.default_rng(1), np.random.default_rng(1)
    ring = shape_timbre(envelope, 1.0, 10.0, rng) - shape_timbre(envelope, 1.0, 0.0, again)
    assert ring.mean(0).argmax() * VOCODER_RATE / 1024 == pytest.approx(2900, abs=30)


def test_a_multiplied_voice_has_a_wider_spectrum_at_the_same_pitch():
    tone = np.sin(2 * np.pi * 220 * np.arange(2 * VOCODER_RATE) / VOCODER_RATE).astype(np.float32)
    choir = multiply_voice(tone, 5, np.random.default_rng(0))
    assert choir.shape == tone.shape and np.isfinite(choir).all()
    power = np.abs(np.fft.rfft(choir * np.hanning(len(choir)))) ** 2
    near = power[420:461].sum()
    assert near > 0.95 * power.sum() and power[438:443].sum() < 0.99 * near  # the same tone, wider
    assert np.array_equal(multiply_voice(tone, 1, np.random.default_rng(0)), tone)


def test_short_notes_continue_a_syllable():
    notes = [Note(0.0, 0.5, 60, 90), Note(0.5, 0.05, 62, 90), Note(0.8, 0.05, 64, 90)]
    sung = join_notes(notes, np.random.default_rng(0))
    assert [n.start for n in sung] == [0.0, 0.8]  # the last one comes after a pause
    assert sung[0].length == pytest.approx(0.55)


@pytest.mark.parametrize("singer", SINGERS, ids=lambda s: s.name)
def test_every_singer_has_parts_and_styles(singer):
    assert len(singer.voices) == len(singer.registers) and singer.weight > 0
    assert all(low + 12 <= high for low, high in singer.registers)
    names = {style.name for style in STYLES}
    assert set(singer.styles) <= names
    for seed in range(3):
        parts = assign_parts(singer, np.random.default_rng(seed))
        assert len(parts) == singer.parts
        assert all((voice, register) in zip(singer.voices, singer.registers, strict=True) for voice, register in parts)
        style = replace_melody(next(s for s in STYLES if s.name == "duet"), parts)
        assert [layer.plays for layer in style.layers].count("melody") == 1  # the singer's


def test_g722_is_read(tmp_path):
    sound = (8000 * np.sin(2 * np.pi * 500 * np.arange(16000) / 16000)).astype(np.int16)
    encoder = av.CodecContext.create("g722", "w")
    encoder.sample_rate, encoder.format, encoder.layout = 16000, "s16", "mono"
    encoder.time_base = Fraction(1, 16000)
    frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
    frame.sample_rate = 16000
    packed = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    (tmp_path / "tone.g722").write_bytes(packed)
    read = read_clip(tmp_path / "tone.g722")
    assert len(read) == pytest.approx(VOCODER_RATE, rel=0.02)
    assert np.abs(np.fft.rfft(read)).argmax() * VOCODER_RATE / len(read) == pytest.approx(500, abs=3)
    (tmp_path / "empty.g722").write_bytes(b"")
    with pytest.raises(AudioError, match="holds no audio"):
        read_clip(tmp_path / "empty.g722")


def test_syllables_are_those_of_one_speaker(packages, capsys):
    speakers = SpeakerPool(voices_of(packages), packages, np.random.default_rng(0))
    voices = set()
    for seed in range(8):
        voice, syllables = speakers.sample(20, np.random.default_rng(seed))
        assert len(syllables) == 20 and classify_voice(syllables) == voice
        voices.add(voice)
    assert voices == {Voice.MAN, Voice.WOMAN}
    assert "broken.wav" in capsys.readouterr().out  # reported, and skipped
    (packages / "dumb").mkdir(exist_ok=True)
    write(packages / "dumb" / "0.wav", np.zeros(16000))
    with pytest.raises(ValueError, match="no vowel that can be held"):
        SpeakerPool([packages / "dumb" / "0.wav"], packages, np.random.default_rng(0)).sample(
            1, np.random.default_rng(0)
        )


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


def test_singing_is_deterministic_for_a_seed(packages, song_parts):
    def sing():
        speakers = SpeakerPool(voices_of(packages), packages, np.random.default_rng(0))
        return list(render_singing(4, 3, speakers, *song_parts, seconds=2.0))

    for (metadata, sound), (again, same) in zip(sing(), sing(), strict=True):
        assert metadata == again and np.array_equal(sound, same)
        assert sound.shape == (64000,) and sound.dtype == np.float32
        assert np.abs(sound).max() == pytest.approx(metadata["peak"], rel=1e-4)
        assert metadata["singer"] in {singer.name for singer in SINGERS} and metadata["song"] == "001"


def test_singing_becomes_shards(packages, song_parts, tmp_path, monkeypatch):
    whole = corpus.render_singing
    monkeypatch.setattr(corpus, "render_singing", lambda n, *rest: whole(2, *rest))
    archive, soundfont = song_parts
    arguments = (range(1), tmp_path / "singing", voices_of(packages), packages, archive, [soundfont])
    assert corpus.collect_singing(*arguments) == 1
    assert corpus.collect_singing(*arguments) == 0
