import io
import struct
import tarfile
from itertools import pairwise

import numpy as np
import pytest

from kobza.distill.corpus.arranging import (
    Song,
    Track,
    arrange,
    cut_excerpt,
    estimate_chords,
    move_into_range,
    play_layer,
    reduce_to_monophonic,
)
from kobza.distill.corpus.midi import SoundfontPlayer, add_reverb, read_archive, read_song, render_arrangements
from kobza.distill.corpus.styles import PROGRAM_NAMES, RANGES, SOLOISTS, STYLES, Layer
from kobza.synth.rhythms import DRUM_KEYS, DRUM_PATTERNS, Chord, Note, drum_notes, rhythm_notes

C_MAJOR, A_MINOR = (48, 52, 55), (45, 48, 52)


def song(bars: int = 32, bpm: float = 100.0) -> Song:
    """C major and A minor alternate every two beats under a melody of quarter notes."""
    chords = [Note(2.0 * k, 1.9, pitch, 80) for k in range(bars * 2) for pitch in (C_MAJOR if k % 2 == 0 else A_MINOR)]
    melody = [Note(float(k), 0.9, 72 + (0, 4, 0, 4)[k % 4], 100) for k in range(bars * 4)]
    bridge = [Note(4.0 * k, 3.9, 67, 70) for k in range(bars)]
    return Song(bpm, {"melody": melody, "bridge": bridge, "accompaniment": chords})


def test_the_tables_are_consistent():
    assert len(PROGRAM_NAMES) == len(set(PROGRAM_NAMES)) == 128
    assert all(low < high for low, high in RANGES.values())
    assert len({style.name for style in STYLES}) == len(STYLES) >= 30
    for voices in DRUM_PATTERNS.values():
        assert set(voices) <= set(DRUM_KEYS)
        assert all(len(steps) in (12, 16, 32) and set(steps) <= set("Xxo.") for steps in voices.values())
        assert len({len(steps) for steps in voices.values()}) == 1
    for style in STYLES:
        assert style.layers or style.drums
        assert set(style.drums) <= set(DRUM_PATTERNS)
        for layer in style.layers:
            assert all(0 <= program < 128 for program in layer.programs)
            named = layer.plays in ("melody", "bridge", "accompaniment", "all", "low")
            assert named or (set(layer.plays) <= set("1356789xXp.-") and len(layer.plays) in (12, 16))
    families = {program // 8 for program in SOLOISTS}
    assert families >= set(range(14))


def test_chords_are_estimated_from_the_notes():
    assert estimate_chords(song(), 8) == [Chord(0, 4), Chord(9, 3)] * 2
    silent = Song(100, {"melody": [], "bridge": [], "accompaniment": []})
    assert len(estimate_chords(silent, 8)) == 4


def test_an_excerpt_is_cut_and_transposed():
    piece = cut_excerpt(song(), 8.0, 6.0, transpose=-3)
    melody = piece.parts["melody"]
    assert [n.start for n in melody] == [0, 1, 2, 3, 4, 5]
    assert melody[0].pitch == 69
    assert estimate_chords(piece, 6)[:2] == [Chord(9, 4), Chord(6, 3)]
    assert all(n.start + n.length <= 6.0 for n in piece.parts["accompaniment"])


@pytest.mark.parametrize("name", DRUM_PATTERNS)
def test_drum_patterns_repeat_bar_by_bar(name):
    voices = DRUM_PATTERNS[name]
    notes = drum_notes(voices, 16, 4)
    strokes = sum(sign != "." for steps in voices.values() for sign in steps)
    assert len(notes) == 4 * strokes
    assert max(n.start for n in notes) < 16
    bars = [
        {(round(n.start - 4 * bar, 6), n.pitch) for n in notes if 4 * bar <= n.start < 4 * bar + 4} for bar in (0, 3)
    ]
    assert bars[0] == bars[1]


def test_rhythms_follow_the_chords():
    chords = [Chord(0, 4), Chord(9, 3)]
    octaves = rhythm_notes("1.8.1.8.1.8.1.8.", chords, 4, (28, 52))
    assert [n.pitch for n in octaves] == [36, 48, 36, 48, 33, 45, 33, 45]
    assert [n.start for n in octaves] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    held = rhythm_notes("x-------x-------", chords, 4, (52, 76))
    assert {n.pitch % 12 for n in held if n.start == 0} == {0, 4, 7}
    assert {n.pitch % 12 for n in held if n.start == 2} == {9, 0, 4}
    assert all(n.length == pytest.approx(1.9) for n in held)
    power = rhythm_notes("p...............", chords, 4, (40, 64))
    assert [n.pitch - power[0].pitch for n in power] == [0, 7, 12]


def test_parts_stay_in_range_and_wind_instruments_are_monophonic():
    notes = [Note(0, 2, p, 90) for p in (40, 64, 100)] + [Note(1, 2, 50, 90)]
    assert all(60 <= n.pitch <= 93 for n in move_into_range(notes, 60, 93))
    assert [n.pitch % 12 for n in move_into_range(notes, 60, 93)] == [n.pitch % 12 for n in notes]
    flute = play_layer(Layer((73,), "accompaniment"), 73, song(), [Chord(0, 4)], 4)
    assert all(a.start + a.length <= b.start + 1e-6 for a, b in pairwise(flute))
    assert [n.pitch for n in reduce_to_monophonic(notes)] == [100, 50]
    assert [n.pitch for n in reduce_to_monophonic(notes, lowest=True)] == [40, 50]
    assert reduce_to_monophonic([]) == []


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_every_style_plays(style):
    for seed in range(3):
        metadata, band, drums = arrange(song(), style, 10.0, np.random.default_rng(seed))
        assert len(band) == len(style.layers)
        for layer, (program, volume, notes) in zip(style.layers, band, strict=True):
            assert program in layer.programs
            assert notes and volume > 0
            assert all(0 <= n.pitch < 128 and 1 <= n.velocity < 128 and n.start >= 0 and n.length > 0 for n in notes)
        assert bool(drums) == bool(style.drums) == ("drums" in metadata["instruments"])
        slow, fast = style.tempo
        assert slow * 0.69 < metadata["tempo"] < fast * 1.46  # within TEMPO_FACTORS
        assert -6 <= metadata["transpose"] <= 6


def test_arranging_is_deterministic():
    one, two = (arrange(song(), STYLES[0], 10.0, np.random.default_rng(5)) for _ in range(2))
    assert one == two


def midi_file(late: int = 0) -> bytes:
    """The song above as a POP909-like file, everything `late` ticks behind the grid."""
    import mido

    midi = mido.MidiFile(ticks_per_beat=480)
    midi.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=600_000)]))
    for name, part in (("MELODY", "melody"), ("BRIDGE", "bridge"), ("PIANO", "accompaniment")):
        events = [(round(n.start * 480), n.pitch, n.velocity) for n in song().parts[part]]
        events += [(round((n.start + n.length) * 480), n.pitch, 0) for n in song().parts[part]]
        track, now = mido.MidiTrack([mido.MetaMessage("track_name", name=name)]), -late
        for tick, pitch, velocity in sorted(events, key=lambda e: (e[0], e[2])):
            track.append(mido.Message("note_on", note=pitch, velocity=velocity, time=tick - now))
            now = tick
        midi.tracks.append(track)
    data = io.BytesIO()
    midi.save(file=data)
    return data.getvalue()


@pytest.mark.parametrize("late", [0, 37, 480, 1000])
def test_a_midi_file_is_read_and_its_bars_are_aligned(late):
    read = read_song(midi_file(late))
    assert read.bpm == pytest.approx(100)
    for part, notes in song().parts.items():
        assert [n.pitch for n in read.parts[part]] == [n.pitch for n in sorted(notes)]
    # the harmony repeats every two beats, so a bar may begin on either chord but nowhere else
    assert read.parts["accompaniment"][0].start % 2 == pytest.approx(0, abs=1e-6)


def sine_soundfont() -> bytes:
    """The smallest SoundFont 2: one looped sine (A4) as program 0 of bank 0 and as drum kit 0 of bank 128."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    def name(text: str) -> bytes:
        return text.encode().ljust(20, b"\0")

    rate, period = 32000, 32000 / 440
    size = round(period * 110)  # a whole number of periods loops without a click
    wave = np.sin(2 * np.pi * np.arange(size) / period) * 20000
    samples = np.concatenate([wave, wave, np.zeros(46)]).astype("<i2").tobytes()
    info = chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"isng", b"EMU8000\0") + chunk(b"INAM", b"sine\0\0")
    presets = [("sine", 0, 0, 0), ("kit", 0, 128, 1), ("EOP", 0, 0, 2)]
    pdta = b"".join((
        chunk(b"phdr", b"".join(name(n) + struct.pack("<HHHIII", p, b, i, 0, 0, 0) for n, p, b, i in presets)),
        chunk(b"pbag", struct.pack("<6H", 0, 0, 1, 0, 2, 0)),
        chunk(b"pmod", bytes(10)),
        chunk(b"pgen", struct.pack("<HHHHHH", 41, 0, 41, 0, 0, 0)),  # 41: instrument 0
        chunk(b"inst", name("sine") + struct.pack("<H", 0) + name("EOI") + struct.pack("<H", 1)),
        chunk(b"ibag", struct.pack("<4H", 0, 0, 2, 0)),
        chunk(b"imod", bytes(10)),
        chunk(b"igen", struct.pack("<HHHHHH", 54, 1, 53, 0, 0, 0)),  # 54: loop, 53: sample 0
        chunk(
            b"shdr",
            name("sine") + struct.pack("<IIIIIBbHH", 0, 2 * size, size, 2 * size - 1, rate, 69, 0, 0, 1)
            + name("EOS") + bytes(26),
        ),
    ))  # fmt: skip
    lists = [b"INFO" + info, b"sdta" + chunk(b"smpl", samples), b"pdta" + pdta]
    return chunk(b"RIFF", b"sfbk" + b"".join(chunk(b"LIST", body) for body in lists))


@pytest.fixture
def soundfont(tmp_path):
    pytest.importorskip("tinysoundfont", reason="pip install --no-deps tinysoundfont")
    path = tmp_path / "sine.sf2"
    path.write_bytes(sine_soundfont())
    return path


def test_a_note_sounds_at_its_time_and_pitch(soundfont):
    sound = SoundfontPlayer(soundfont, 32000).play([Track(0, 0.8, [Note(1.0, 1.0, 57, 100)])], [], 0, 60.0, 3.0)
    assert sound.shape == (96000,) and sound.dtype == np.float32
    assert np.abs(sound[:31000]).max() < 1e-4 < np.abs(sound[33000:60000]).max()
    spectrum = np.abs(np.fft.rfft(sound[32000:64000]))
    assert spectrum.argmax() == pytest.approx(220, abs=2)  # one bin is one hertz


def test_arrangements_are_deterministic_for_a_seed(soundfont, tmp_path):
    archive = tmp_path / "songs.tar.gz"
    data = midi_file()
    with tarfile.open(archive, "w:gz") as tar:
        add_member(tar, "POP909/001/001.mid", data)
    runs = [list(render_arrangements(3, 7, archive, soundfont, seconds=2.0)) for _ in range(2)]
    for (metadata, sound), (again, same) in zip(*runs, strict=True):
        assert metadata == again and np.array_equal(sound, same)
        assert sound.shape == (64000,) and sound.dtype == np.float32
        assert np.abs(sound).max() == pytest.approx(metadata["peak"], rel=1e-4) and metadata["peak"] < 1
        assert metadata["instruments"] and metadata["song"] == "001"
    assert len({metadata["peak"] for metadata, _ in runs[0]}) == 3


def test_reverb_has_a_decaying_tail():
    click = np.zeros(32000, np.float32)
    click[0] = 1.0
    wet = add_reverb(click, 0.5, 0.5, 32000, np.random.default_rng(0))
    early, late = np.square(wet[1:4000]).sum(), np.square(wet[12000:16000]).sum()
    assert wet.shape == click.shape and early > 100 * late > 0


def add_member(tar, name, data=b"", kind=tarfile.REGTYPE):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.type = kind
    tar.addfile(member, io.BytesIO(data))


def test_only_midi_files_of_an_archive_are_read_and_none_is_an_error(tmp_path):
    (tmp_path / "page.tar.gz").write_bytes(b"<html>Not found</html>")
    with pytest.raises(ValueError, match=r"page\.tar\.gz cannot be read"):
        read_archive(tmp_path / "page.tar.gz")
    with tarfile.open(tmp_path / "songs.tar.gz", "w:gz") as tar:
        add_member(tar, "POP909/folder.mid", kind=tarfile.DIRTYPE)
        add_member(tar, "POP909/readme.txt", b"text")
        add_member(tar, "POP909/001.mid", b"MThd")
    assert read_archive(tmp_path / "songs.tar.gz") == {"POP909/001.mid": b"MThd"}
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz") as tar:
        add_member(tar, "readme.txt", b"text")
    with pytest.raises(ValueError, match=r"empty\.tar\.gz holds no \.mid file"):
        read_archive(tmp_path / "empty.tar.gz")
