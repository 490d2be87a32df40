"""Styles of the synthetic pieces: instruments, what they play (`rhythms.py`), tempo, modes and drums."""

# ruff: noqa: E501  (tables read best with one row a line)
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """What the instrument with number `role` plays: `plays` is melody, harmony (a third below it) or a rhythm."""

    role: int
    plays: str
    volume: float = 0.5
    register: tuple[int, int] | None = None  # MIDI notes; None: the instrument's range


@dataclass(frozen=True)
class Style:
    """How pieces of a style are composed and described."""

    genre: str
    noun: str  # names the piece in its caption
    band: tuple[tuple[str, ...], ...]  # for each role, the instruments to draw from
    parts: tuple[Part, ...]
    tempo: tuple[int, int]  # beats a minute
    drums: tuple[str, ...] = ()  # patterns to draw from
    kit: str = "acoustic"
    modes: tuple[str, ...] = ("major", "minor")
    beats: int = 4  # in a bar
    note_density: float = 0.5  # of the melody, 0..1
    swing: float = 0.0  # delay of off-beats in beats
    reverb: float = 0.15  # share of the mix
    extra_tags: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()  # instead of those that follow from tempo and mode


P = Part
ALBERTI, BROKEN, SKANK, ROOTS = (
    "1.5.3.5.1.5.3.5.",
    "1---5---8---5---",
    "..x...x...x...x.",
    "1.1.1.1.1.1.1.1.",
)
HELD, HALVES, STRUM = "x---------------", "x-------x-------", "s---s-s---s-s-s-"
MID, LOW = (48, 72), (36, 55)

STYLES: dict[str, Style] = {
    "piano solo": Style("Classical", "solo piano piece", (("piano",),), (P(0, "melody", 0.7, (62, 84)), P(0, BROKEN, 0.45, (38, 60))), (50, 140), note_density=0.4, extra_tags=("solo", "keyboard")),
    "ragtime": Style("Ragtime", "ragtime for solo piano", (("piano",),), (P(0, "melody", 0.7, (64, 88)), P(0, "1.x.5.x.1.x.5.x.", 0.55, (38, 66))), (130, 180), modes=("major",), note_density=1.0, extra_tags=("solo", "keyboard")),
    "church organ": Style("Sacred", "church organ chorale", (("church organ",),), (P(0, "melody", 0.6, (60, 79)), P(0, HALVES, 0.5, MID), P(0, "1-------5-------", 0.5, (36, 48))), (56, 100), note_density=0.3, reverb=0.45, extra_tags=("solo", "keyboard"), moods=("solemn", "majestic")),
    "guitar solo": Style("Folk", "acoustic guitar piece", (("nylon guitar", "steel guitar"),), (P(0, "melody", 0.35, (60, 76)), P(0, STRUM, 0.6, (40, 55))), (66, 130), note_density=0.2, extra_tags=("solo", "guitar", "plucked")),
    "kobza ballad": Style("Folk", "lute ballad", (("kobza",),), (P(0, "melody", 0.5, (57, 76)), P(0, "s-----s-s---s---", 0.5, (43, 58))), (60, 120), note_density=0.6, extra_tags=("solo", "plucked")),
    "harp solo": Style("Classical", "harp piece", (("harp",),), (P(0, "melody", 0.5, (67, 88)), P(0, "1358983513589835", 0.5, (43, 72))), (56, 100), note_density=0.2, reverb=0.3, extra_tags=("solo", "plucked"), moods=("dreamy", "gentle")),
    "bluegrass": Style("Country", "bluegrass tune", (("banjo",), ("steel guitar",), ("double bass",)), (P(0, "1358583158853135", 0.6, (55, 74)), P(0, "melody", 0.5, (62, 79)), P(1, "1.x.5.x.1.x.5.x.", 0.35, (43, 64)), P(2, "1...5...1...5...", 0.4)), (120, 160), modes=("major",), note_density=0.9, extra_tags=("banjo", "plucked")),
    "violin solo": Style("Classical", "violin solo", (("violin",),), (P(0, "melody", 0.7, (60, 86)),), (56, 120), note_density=0.5, reverb=0.5, extra_tags=("solo", "bowed")),
    "cello solo": Style("Classical", "cello solo", (("cello",),), (P(0, "melody", 0.7, (43, 64)),), (50, 90), note_density=0.35, reverb=0.5, extra_tags=("solo", "bowed")),
    "violin and piano": Style("Classical", "duet", (("violin", "flute", "clarinet", "cello"), ("piano", "harp")), (P(0, "melody", 0.7), P(1, ALBERTI, 0.4, (48, 67)), P(1, "1-------5-------", 0.3, (36, 50))), (60, 120), reverb=0.25, extra_tags=("duet",)),
    "string orchestra": Style("Classical", "piece for string orchestra", (("strings",), ("violin",), ("cello",)), (P(1, "melody", 0.7, (64, 86)), P(0, HALVES, 0.4, (52, 72)), P(2, "1-------5-------", 0.45, (40, 55))), (50, 110), note_density=0.35, reverb=0.35, extra_tags=("bowed", "orchestra")),
    "flute solo": Style("Classical", "flute solo", (("flute",),), (P(0, "melody", 0.7, (67, 91)),), (60, 130), note_density=0.6, reverb=0.5, extra_tags=("solo", "blown")),
    "brass fanfare": Style("Classical", "brass fanfare", (("trumpet",), ("trombone",)), (P(0, "melody", 0.7, (60, 79)), P(0, "harmony", 0.4, (55, 76)), P(1, "1-------5-------", 0.4, (43, 62))), (96, 120), modes=("major",), note_density=0.5, reverb=0.5, extra_tags=("blown", "brass"), moods=("triumphant", "majestic")),
    "trumpet solo": Style("Jazz", "trumpet solo", (("trumpet",),), (P(0, "melody", 0.7, (58, 79)),), (70, 130), note_density=0.6, reverb=0.5, extra_tags=("solo", "blown", "brass")),
    "jazz trio": Style("Jazz", "jazz trio", (("piano", "vibraphone", "clean guitar"), ("double bass",)), (P(0, "melody", 0.6, (62, 84)), P(0, "..x...x.....", 0.4, (52, 70)), P(1, "1..3..5..6..", 0.5)), (110, 190), ("swing",), note_density=0.9, swing=0.12, extra_tags=("swing",), moods=("relaxed", "swinging")),
    "clarinet and piano": Style("Classical", "clarinet piece", (("clarinet",), ("piano",)), (P(0, "melody", 0.7), P(1, SKANK, 0.3, (48, 70)), P(1, "1...5...1...5...", 0.35, (36, 50))), (76, 140), note_density=0.7, extra_tags=("blown", "duet")),
    "music box": Style("Lullaby", "music box lullaby", (("music box",),), (P(0, "melody", 0.6, (76, 96)), P(0, "1...5...8...5...", 0.4, (67, 84))), (60, 92), modes=("major",), note_density=0.5, reverb=0.15, extra_tags=("solo", "bells", "lullaby"), moods=("tender", "soothing")),
    "church bells": Style("Sacred", "peal of church bells", (("bells",),), (P(0, "melody", 0.6, (60, 77)),), (50, 90), note_density=0.3, reverb=0.35, extra_tags=("solo", "bells"), moods=("solemn", "festive")),
    "glockenspiel": Style("Christmas", "Christmas tune", (("glockenspiel",), ("strings",)), (P(0, "melody", 0.6, (76, 98)), P(1, HALVES, 0.35, (52, 74))), (90, 130), ("sleigh",), modes=("major",), note_density=0.6, reverb=0.25, extra_tags=("bells", "christmas")),
    "marimba": Style("World", "marimba piece", (("marimba",),), (P(0, "melody", 0.6, (64, 84)), P(0, "1.5.3.8.5.3.1.5.", 0.5, (48, 66))), (90, 140), note_density=0.8, extra_tags=("solo", "mallets")),
    "soft choir": Style("Choral", "a-cappella choir piece", (("soft choir",),), (P(0, "melody", 0.5, (60, 76)), P(0, HELD, 0.5, (50, 72)), P(0, "1---------------", 0.4, (43, 55))), (50, 76), note_density=0.15, reverb=0.5, extra_tags=("choir", "voices", "singing", "soft"), moods=("peaceful", "heavenly")),
    "choir": Style("Choral", "piece for choir and organ", (("choir",), ("church organ",)), (P(0, "melody", 0.6, (60, 77)), P(0, HALVES, 0.5, (50, 72)), P(1, HELD, 0.2, (43, 67))), (60, 96), note_density=0.3, reverb=0.45, extra_tags=("choir", "voices", "singing"), moods=("solemn", "powerful")),
    "drum solo": Style("Rock", "drum solo", (), (), (90, 180), ("linear", "rock", "toms"), note_density=1.0, extra_tags=("solo", "beat", "percussion"), moods=("energetic", "driving")),
    "hip-hop": Style("Hip-hop", "hip-hop beat", (("electric piano", "vibraphone"), ("sub bass",)), (P(0, "x.....x...x.....", 0.15, (52, 74)), P(1, "1.....1...1..5..", 0.35)), (80, 98), ("boom_bap", "boom_bap2"), "electronic", modes=("minor",), swing=0.06, extra_tags=("beat", "urban"), moods=("laid-back", "moody")),
    "trap": Style("Hip-hop", "trap beat", (("sub bass",), ("music box", "synth lead")), (P(0, "1---------5-----", 0.4), P(1, "1.3.5...8.5.3...", 0.15, (67, 84))), (65, 75), ("trap", "trap2"), "electronic", modes=("minor",), extra_tags=("beat", "urban"), moods=("dark", "menacing")),
    "rock": Style("Rock", "rock song", (("distorted guitar",), ("electric bass",)), (P(0, "p-----p-p---p---", 0.9, (40, 60)), P(1, ROOTS, 0.3)), (110, 150), ("rock", "rock_ride"), extra_tags=("guitar", "electric guitar", "band"), moods=("energetic", "powerful")),
    "metal": Style("Metal", "heavy metal riff", (("distorted guitar",), ("electric bass",)), (P(0, "ppp.ppp.p-p-pppp", 0.8, (40, 56)), P(1, "111.111.1-1-1111", 0.45)), (150, 190), ("double_kick",), modes=("minor",), extra_tags=("guitar", "electric guitar", "band"), moods=("aggressive", "angry")),
    "guitar riff": Style("Rock", "distorted electric guitar solo", (("distorted guitar",),), (P(0, "melody", 0.7, (55, 76)), P(0, "p-------p-------", 0.5, (40, 55))), (80, 120), note_density=0.8, extra_tags=("solo", "guitar", "electric guitar"), moods=("raw", "powerful")),
    "disco": Style("Disco", "disco groove", (("strings",), ("clean guitar",), ("electric bass",)), (P(0, "melody", 0.35, (64, 86)), P(1, "x.xx.xx.x.xx.xx.", 0.3, (52, 72)), P(2, "1.8.1.8.1.8.1.8.", 0.55)), (112, 126), ("disco",), note_density=0.5, extra_tags=("dance", "beat"), moods=("cheerful", "danceable")),
    "reggae": Style("Reggae", "reggae tune", (("electric organ",), ("clean guitar",), ("electric bass",)), (P(0, "..xx..xx..xx..xx", 0.25, (55, 74)), P(1, SKANK, 0.45, (55, 76)), P(2, "1..1..5...3.5.1.", 0.7)), (70, 88), ("one_drop", "steppers"), extra_tags=("beat", "band"), moods=("relaxed", "sunny")),
    "techno": Style("Electronic", "techno track", (("synth bass",), ("synth lead",)), (P(0, "..11..11..11..11", 0.5), P(1, "1.1.8.1.3.1.8.5.", 0.35, (55, 79))), (124, 138), ("techno", "house"), "electronic", modes=("minor",), extra_tags=("dance", "beat", "synthesizer"), moods=("hypnotic", "driving")),
    "synthwave": Style("Electronic", "synthwave tune", (("synth lead",), ("synth bass",), ("synth pad",)), (P(0, "melody", 0.5, (62, 84)), P(1, "1111111111111111", 0.45), P(2, HELD, 0.35, (50, 72))), (90, 116), ("synthwave",), "electronic", note_density=0.5, reverb=0.25, extra_tags=("synthesizer", "beat"), moods=("nostalgic", "dreamy")),
    "chiptune": Style("Electronic", "video game tune", (("square lead",),), (P(0, "melody", 0.5, (67, 91)), P(0, "1358135813581358", 0.35, (60, 79)), P(0, "1.1.8.1.1.1.8.1.", 0.4, (40, 55))), (120, 170), ("pop",), "electronic", note_density=0.9, reverb=0.02, extra_tags=("synthesizer", "video game")),
    "ambient": Style("Ambient", "ambient soundscape", (("synth pad",),), (P(0, HELD, 0.6, (48, 72)), P(0, "1---------------", 0.5, (36, 50)), P(0, "melody", 0.3, (67, 84))), (44, 66), note_density=0.0, reverb=0.5, extra_tags=("synthesizer", "pad"), moods=("dreamy", "calm")),
    "accordion waltz": Style("Folk", "accordion waltz", (("accordion",), ("double bass",)), (P(0, "melody", 0.6, (64, 84)), P(0, "....x...x...", 0.4, (52, 72)), P(1, "1---........", 0.5)), (130, 180), beats=3, note_density=0.6, extra_tags=("waltz",)),
    "bass solo": Style("Funk", "funky bass groove", (("electric bass",),), (P(0, "1..1..8.1.5.78..", 0.7),), (88, 112), ("funk",), extra_tags=("beat", "bass"), moods=("funky", "tight")),
    "saxophone ballad": Style("Jazz", "saxophone ballad", (("saxophone",), ("electric piano",), ("double bass",)), (P(0, "melody", 0.6), P(1, HALVES, 0.3, (50, 70)), P(2, "1..3..5..6..", 0.4)), (60, 90), ("brushes",), note_density=0.5, reverb=0.25, extra_tags=("blown",)),
    "pop rock guitar": Style("Country", "country song", (("steel guitar",), ("double bass",), ("violin", "clean guitar")), (P(0, "1.x.5.x.1.x.5.x.", 0.5, (43, 64)), P(1, "1.......5.......", 0.4), P(2, "melody", 0.5)), (100, 140), ("train",), modes=("major",), note_density=0.6, extra_tags=("guitar", "band")),
    "folk guitar": Style("Folk", "strummed folk song", (("steel guitar",), ("flute",)), (P(0, STRUM, 0.6, (40, 55)), P(1, "melody", 0.45, (67, 86))), (90, 126), note_density=0.4, extra_tags=("guitar", "plucked")),
}  # fmt: skip

# The album: style, title, tempo, mode, and the band where the style leaves a choice.
ALBUM: tuple[tuple[str, str, int, str, tuple[str, ...]], ...] = (
    ("piano solo", "Rain on the Window", 58, "minor", ()),
    ("piano solo", "Morning Run", 132, "major", ()),
    ("ragtime", "The Tin Teapot", 160, "major", ()),
    ("church organ", "Stone and Light", 72, "major", ()),
    ("guitar solo", "Under the Fig Tree", 84, "minor", ("nylon guitar",)),
    ("folk guitar", "Open Road", 112, "major", ()),
    ("kobza ballad", "The Steppe at Dusk", 76, "minor", ()),
    ("harp solo", "Silver Thread", 66, "major", ()),
    ("bluegrass", "Chicken on the Roof", 144, "major", ()),
    ("violin solo", "Letter Never Sent", 60, "minor", ()),
    ("cello solo", "Slow River", 56, "minor", ()),
    ("string orchestra", "Winter Garden", 63, "minor", ()),
    ("flute solo", "Swallows", 100, "major", ()),
    ("brass fanfare", "Gate of the City", 108, "major", ()),
    ("trumpet solo", "Last Bus", 80, "minor", ()),
    ("jazz trio", "Two Stairs at a Time", 168, "major", ("piano", "double bass")),
    ("music box", "Sleep, Little Bear", 72, "major", ()),
    ("church bells", "Sunday Square", 66, "major", ()),
    ("marimba", "Bamboo Bridge", 120, "major", ()),
    ("soft choir", "Candle", 56, "major", ()),
    ("choir", "Hymn of the Mountain", 76, "minor", ()),
    ("drum solo", "Sticks", 168, "major", ()),
    ("hip-hop", "Corner Shop", 90, "minor", ("electric piano", "sub bass")),
    ("rock", "Red Engine", 132, "minor", ()),
    ("guitar riff", "Loose Wire", 96, "minor", ()),
    ("metal", "Iron Weather", 176, "minor", ()),
    ("disco", "Mirror Ball", 120, "minor", ()),
    ("reggae", "Mango Shade", 76, "major", ()),
    ("techno", "Night Shift", 130, "minor", ()),
    ("synthwave", "Neon Harbour", 100, "minor", ()),
    ("ambient", "Below the Ice", 50, "minor", ()),
    ("accordion waltz", "Carousel", 156, "major", ()),
)  # fmt: skip
