import json

import av
import numpy as np
import pytest
from mutagen.flac import FLAC

from kobza.synth.album import DEMO_QUERIES, album, random_pieces, render, write_album
from kobza.synth.composition import SCALES, melody, progression
from kobza.synth.drumkit import VOICES, stroke
from kobza.synth.instruments import INSTRUMENTS, apply_body
from kobza.synth.pieces import count_bars, lengthened
from kobza.synth.renderer import score
from kobza.synth.rhythms import DRUM_KEYS
from kobza.synth.styles import STYLES

RATE = 16000  # half of the album's own rate: half the time
MOOD_WORDS = {
    "sad", "melancholic", "sorrowful", "calm", "tender", "peaceful", "wistful", "pensive", "moody", "warm", "gentle",
    "bright", "tense", "urgent", "restless", "cheerful", "happy", "playful",
} | {mood for style in STYLES.values() for mood in style.moods}  # fmt: skip


def piece_of(style: str, seed: int = 0):
    return next(p for p in album(seed) if p.style == style)


def test_the_album_is_varied_and_its_metadata_unique():
    pieces = album()
    assert len(pieces) >= 24
    assert len({i for p in pieces for i in p.instruments}) >= 12
    assert all(12 <= p.seconds <= 20 for p in pieces)
    for field in ("name", "title", "caption", "seed"):
        assert len({getattr(p, field) for p in pieces}) == len(pieces), field
    assert {p.mode for p in pieces} == {"major", "minor"}
    assert min(p.tempo for p in pieces) < 60 < 160 < max(p.tempo for p in pieces)


@pytest.mark.parametrize("pieces", [album(), random_pieces(300, 1)], ids=["album", "random"])
def test_captions_name_instruments_mood_and_tempo(pieces):
    for piece in pieces:
        text = piece.caption.lower()
        for name in piece.instruments:
            word = "drums" if name == "drums" else INSTRUMENTS[name].caption_words
            assert word.strip(",").lower() in text, (word, text)
        assert any(mood in text for mood in MOOD_WORDS), text
        assert any(speed in text for speed in ("slow", "mid-tempo", "fast"))
        assert f"{piece.tempo} beats per minute" in text
        assert ("drum solo" in text) or f"{piece.mode} key" in text
        assert 12 <= piece.seconds <= 20
        assert text.endswith(".") and "  " not in text and ",," not in text and " ," not in text


def test_random_pieces_cover_every_style_and_are_deterministic_for_a_seed():
    pieces = random_pieces(300, 1)
    assert {p.style for p in pieces} == set(STYLES)
    assert pieces == random_pieces(300, 1) != random_pieces(300, 2)
    assert len({p.caption for p in pieces}) > 290


@pytest.mark.parametrize("piece", album(), ids=lambda p: p.style)
def test_every_piece_renders_without_long_silence(piece):
    sound = render(piece, RATE)
    assert sound.shape == (2, round(piece.seconds * RATE)) and sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert 0.5 < np.abs(sound).max() <= 0.9
    halves = np.square(sound[:, : RATE * 10]).reshape(2, 20, -1).mean((0, 2))
    assert (halves > 1e-5).mean() > 0.9  # no long silence
    assert np.abs(sound[:, -10:]).max() < 1e-3  # ends in silence


def test_rendering_is_deterministic():
    piece = piece_of("reggae")
    assert np.array_equal(render(piece, RATE), render(piece, RATE))
    assert not np.array_equal(render(piece, RATE), render(piece_of("reggae", seed=1), RATE))


def test_onsets_repeat_at_the_tempo():
    piece = piece_of("drum solo")
    sound = render(piece, RATE).mean(0)
    hop = RATE // 100
    loudness = np.log(np.square(sound[: len(sound) // hop * hop]).reshape(-1, hop).mean(1) + 1e-6)
    onsets = np.maximum(np.diff(loudness), 0)
    onsets -= onsets.mean()
    again = np.correlate(onsets, onsets, "full")[len(onsets) - 1 :]
    beat = 60 / piece.tempo * 100  # frames
    at = lambda lag: again[round(lag) - 1 : round(lag) + 2].max()  # noqa: E731
    assert at(beat) > 2 * max(at(beat * 0.85), at(beat * 1.18))


@pytest.mark.parametrize("name", [n for n in INSTRUMENTS if n not in ("bells", "church organ", "electric organ")])
def test_an_instrument_plays_the_given_pitch(name):
    instrument = INSTRUMENTS[name]
    pitch = int(np.mean(instrument.register)) // 12 * 12 + 9  # an A within its range
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    sound = instrument.play(hertz, 1.0, 0.8, RATE, np.random.default_rng(0))
    sound = apply_body(np.pad(sound, (0, RATE)), instrument, RATE)[int(0.2 * RATE) : int(0.2 * RATE) + RATE]
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(len(sound)))))
    near = lambda f: power[int(f * 0.975) : int(f * 1.025) + 2].sum()  # noqa: E731  a bin is a hertz
    fit = {step: sum(near(hertz * 2 ** (step / 12) * k) for k in range(1, 9)) for step in range(-5, 7)}
    assert max(fit, key=fit.get) == 0


@pytest.mark.parametrize("name", ["church organ", "flute"])
def test_the_spectrum_peaks_at_the_pitch(name):
    sound = INSTRUMENTS[name].play(440.0, 1.0, 0.8, RATE, np.random.default_rng(0))
    peak = np.abs(np.fft.rfft(sound[:RATE] * np.hanning(RATE))).argmax()
    octave = np.log2(peak / 440)  # an organ's strongest rank may be an octave from the note
    assert abs(octave - round(octave)) < 0.01 and (name == "church organ" or round(octave) == 0)


@pytest.mark.parametrize("mode", ["major", "minor"])
def test_notes_are_in_the_mode(mode):
    for seed in range(8):
        chords = progression(mode, 2, 8, np.random.default_rng(seed))
        assert len(chords) == 9
        assert (chords[-1].root, chords[-1].third) == (2, 4 if mode == "major" else 3)
        tune = melody(chords, mode, 2, (60, 84), 4, 0.6, np.random.default_rng(seed))
        scale = {(2 + s) % 12 for s in SCALES[mode]} | ({1} if mode == "minor" else set())  # and the leading note
        assert {n.pitch % 12 for n in tune} <= scale
        assert tune[-1].pitch % 12 == 2 and all(60 <= n.pitch <= 84 for n in tune)
        thirds = sum(n.pitch % 12 == (2 + (4 if mode == "major" else 3)) % 12 for n in tune)
        assert thirds > 0


def test_every_drum_renders_and_a_kick_is_lower_than_a_hat():
    rng = np.random.default_rng(0)
    assert {VOICES[k] for k in DRUM_KEYS.values()} == set(DRUM_KEYS)
    center = {}
    for kit in ("acoustic", "electronic"):
        for name, key in DRUM_KEYS.items():
            sound = stroke(key, kit, RATE, rng)
            assert np.isfinite(sound).all() and np.abs(sound).max() == pytest.approx(1, abs=1e-6)
            power = np.square(np.abs(np.fft.rfft(sound)))
            center[name] = (power * np.fft.rfftfreq(len(sound), 1 / RATE)).sum() / power.sum()
        assert center["kick"] < 300 < center["snare"] < center["hat"]


def test_notes_lie_within_the_piece():
    for piece in random_pieces(60, 3):
        parts, drums = score(piece)
        for _, volume, notes in [*parts, ("drums", 1.0, drums)]:
            assert all(n.start * 60 / piece.tempo < piece.seconds and n.length > 0 for n in notes) and volume > 0
        assert any(notes for _, _, notes in parts) or drums


def test_an_album_is_written_once_and_a_truncated_file_again(tmp_path):
    pieces = album()[17:19]
    assert write_album(tmp_path, pieces) == pieces
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == sorted([*(f"{p.name}.flac" for p in pieces), "metadata.jsonl"])
    before = [(f.read_bytes(), f.stat().st_mtime_ns) for f in files]
    write_album(tmp_path, pieces)
    assert [(f.read_bytes(), f.stat().st_mtime_ns) for f in files] == before

    rows = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert [r["file_name"] for r in rows] == [f"{p.name}.flac" for p in pieces]
    assert [r["caption"] for r in rows] == [p.caption for p in pieces] and rows[0]["tags"] == list(pieces[0].tags)
    for piece in pieces:
        file = FLAC(tmp_path / f"{piece.name}.flac")
        tags = {key: file[key][0] for key in ("title", "artist", "album", "genre", "date")}
        assert tags["title"] == piece.title and tags["artist"] == "Kobza" and tags["genre"] == piece.genre
        assert tags["album"] and tags["date"].isdigit()
        assert file.info.channels == 2 and file.info.length == pytest.approx(piece.seconds, abs=0.01)
    with av.open(str(tmp_path / f"{pieces[0].name}.flac")) as file:
        decoded = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1).reshape(-1, 2).T
    assert np.abs(decoded / 32767 - render(pieces[0])).max() < 1e-4

    # a truncated file is written again with the same bytes; other files are kept
    broken = tmp_path / f"{pieces[1].name}.flac"
    whole = broken.read_bytes()
    broken.write_bytes(b"fLaC")
    (tmp_path / "mine.flac").write_bytes(b"not ours")
    write_album(tmp_path, pieces)
    assert broken.read_bytes() == whole and (tmp_path / "mine.flac").read_bytes() == b"not ours"


def test_demo_queries_have_relevant_pieces():
    assert len(DEMO_QUERIES) == 8 == len({q.text for q in DEMO_QUERIES})
    for query in DEMO_QUERIES:
        relevant = [p.style for p in album() if query.matches(p)]
        assert 0 < len(relevant) <= 4, (query.text, relevant)


def test_a_piece_ends_in_its_key_and_can_be_lengthened():
    for piece in album()[:12]:
        longer = lengthened(piece, 40)
        assert longer.seconds >= 40 and (longer.tempo, longer.key) == (piece.tempo, piece.key)
        assert longer.bars % 4 == 0 and piece.bars == count_bars(STYLES[piece.style], piece.tempo)
        parts, _ = score(longer)
        last = [max(notes).pitch % 12 for _, _, notes in parts if notes][:1]
        assert not piece.key or last == [piece.tonic], piece.name
        assert not piece.key or piece.key.endswith(piece.mode)
