"""What Kobza's own pieces are made of: for every style its band, who plays what (`rhythms.py`), tempo, keys and drums."""

# ruff: noqa: E501  (tables read best with one row a line)
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """`role` of the band plays `plays`: melody, harmony (a third below it) or a rhythm, at a loudness, in a register."""

    role: int
    plays: str
    volume: float = 0.5
    register: tuple[int, int] | None = None


@dataclass(frozen=True)
class Recipe:
    """`noun` names the piece in a caption; `band`: instruments to draw from, role by role; `tempo` in beats a minute;
    `lively` in 0..1, how many notes a melody has; `room` the reverb's share; `extra` tags; `moods` instead of those that
    follow from tempo and mode."""

    genre: str
    noun: str
    band: tuple[tuple[str, ...], ...]
    parts: tuple[Part, ...]
    tempo: tuple[int, int]
    drums: tuple[str, ...] = ()
    kit: str = "acoustic"
    modes: tuple[str, ...] = ("major", "minor")
    beats: int = 4
    lively: float = 0.5
    swing: float = 0.0
    room: float = 0.15
    extra: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()


P = Part
ALBERTI, BROKEN, ROLL, SKANK, ROOTS = (
    "1.5.3.5.1.5.3.5.",
    "1---5---8---5---",
    "1.5.8.9.8.5.3.5.",
    "..x...x...x...x.",
    "1.1.1.1.1.1.1.1.",
)
HELD, HALVES, STRUM = "x---------------", "x-------x-------", "s---s-s---s-s-s-"
MID, LOW = (48, 72), (36, 55)

RECIPES: dict[str, Recipe] = {
    "piano solo": Recipe("Classical", "solo piano piece", (("piano",),), (P(0, "melody", 0.7, (62, 84)), P(0, BROKEN, 0.45, (38, 60))), (50, 140), lively=0.4, extra=("solo", "keyboard")),
    "ragtime": Recipe("Ragtime", "ragtime for solo piano", (("piano",),), (P(0, "melody", 0.7, (64, 88)), P(0, "1.x.5.x.1.x.5.x.", 0.55, (38, 66))), (130, 180), modes=("major",), lively=1.0, extra=("solo", "keyboard")),
    "church organ": Recipe("Sacred", "church organ chorale", (("church organ",),), (P(0, "melody", 0.6, (60, 79)), P(0, HALVES, 0.5, MID), P(0, "1-------5-------", 0.5, (36, 48))), (56, 100), lively=0.3, room=0.45, extra=("solo", "keyboard"), moods=("solemn", "majestic")),
    "guitar solo": Recipe("Folk", "acoustic guitar piece", (("nylon guitar", "steel guitar"),), (P(0, "melody", 0.35, (60, 76)), P(0, STRUM, 0.6, (40, 55))), (66, 130), lively=0.2, extra=("solo", "guitar", "plucked")),
    "kobza ballad": Recipe("Folk", "lute ballad", (("kobza",),), (P(0, "melody", 0.5, (57, 76)), P(0, "s-----s-s---s---", 0.5, (43, 58))), (60, 120), lively=0.6, extra=("solo", "plucked")),
    "harp solo": Recipe("Classical", "harp piece", (("harp",),), (P(0, "melody", 0.5, (67, 88)), P(0, "1358983513589835", 0.5, (43, 72))), (56, 100), lively=0.2, room=0.3, extra=("solo", "plucked"), moods=("dreamy", "gentle")),
    "bluegrass": Recipe("Country", "bluegrass tune", (("banjo",), ("steel guitar",), ("double bass",)), (P(0, "1358583158853135", 0.6, (55, 74)), P(0, "melody", 0.5, (62, 79)), P(1, "1.x.5.x.1.x.5.x.", 0.35, (43, 64)), P(2, "1...5...1...5...", 0.4)), (120, 160), modes=("major",), lively=0.9, extra=("banjo", "plucked")),
    "violin solo": Recipe("Classical", "violin solo", (("violin",),), (P(0, "melody", 0.7, (60, 86)),), (56, 120), lively=0.5, room=0.5, extra=("solo", "bowed")),
    "cello solo": Recipe("Classical", "cello solo", (("cello",),), (P(0, "melody", 0.7, (43, 64)),), (50, 90), lively=0.35, room=0.5, extra=("solo", "bowed")),
    "violin and piano": Recipe("Classical", "duet", (("violin", "flute", "clarinet", "cello"), ("piano", "harp")), (P(0, "melody", 0.7), P(1, ALBERTI, 0.4, (48, 67)), P(1, "1-------5-------", 0.3, (36, 50))), (60, 120), room=0.25, extra=("duet",)),
    "string orchestra": Recipe("Classical", "piece for string orchestra", (("strings",), ("violin",), ("cello",)), (P(1, "melody", 0.7, (64, 86)), P(0, HALVES, 0.4, (52, 72)), P(2, "1-------5-------", 0.45, (40, 55))), (50, 110), lively=0.35, room=0.35, extra=("bowed", "orchestra")),
    "flute solo": Recipe("Classical", "flute solo", (("flute",),), (P(0, "melody", 0.7, (67, 91)),), (60, 130), lively=0.6, room=0.5, extra=("solo", "blown")),
    "brass fanfare": Recipe("Classical", "brass fanfare", (("trumpet",), ("trombone",)), (P(0, "melody", 0.7, (60, 79)), P(0, "harmony", 0.4, (55, 76)), P(1, "1-------5-------", 0.4, (43, 62))), (96, 120), modes=("major",), lively=0.5, room=0.5, extra=("blown", "brass"), moods=("triumphant", "majestic")),
    "trumpet solo": Recipe("Jazz", "trumpet solo", (("trumpet",),), (P(0, "melody", 0.7, (58, 79)),), (70, 130), lively=0.6, room=0.5, extra=("solo", "blown", "brass")),
    "jazz trio": Recipe("Jazz", "jazz trio", (("piano", "vibraphone", "clean guitar"), ("double bass",)), (P(0, "melody", 0.6, (62, 84)), P(0, "..x...x.....", 0.4, (52, 70)), P(1, "1..3..5..6..", 0.5)), (110, 190), ("swing",), lively=0.9, swing=0.12, extra=("swing",), moods=("relaxed", "swinging")),
    "clarinet and piano": Recipe("Classical", "clarinet piece", (("clarinet",), ("piano",)), (P(0, "melody", 0.7), P(1, SKANK, 0.3, (48, 70)), P(1, "1...5...1...5...", 0.35, (36, 50))), (76, 140), lively=0.7, extra=("blown", "duet")),
    "music box": Recipe("Lullaby", "music box lullaby", (("music box",),), (P(0, "melody", 0.6, (76, 96)), P(0, "1...5...8...5...", 0.4, (67, 84))), (60, 92), modes=("major",), lively=0.5, room=0.15, extra=("solo", "bells", "lullaby"), moods=("tender", "soothing")),
    "church bells": Recipe("Sacred", "peal of church bells", (("bells",),), (P(0, "melody", 0.6, (60, 77)),), (50, 90), lively=0.3, room=0.35, extra=("solo", "bells"), moods=("solemn", "festive")),
    "glockenspiel": Recipe("Christmas", "Christmas tune", (("glockenspiel",), ("strings",)), (P(0, "melody", 0.6, (76, 98)), P(1, HALVES, 0.35, (52, 74))), (90, 130), ("sleigh",), modes=("major",), lively=0.6, room=0.25, extra=("bells", "christmas")),
    "marimba": Recipe("World", "marimba piece", (("marimba",),), (P(0, "melody", 0.6, (64, 84)), P(0, "1.5.3.8.5.3.1.5.", 0.5, (48, 66))), (90, 140), lively=0.8, extra=("solo", "mallets")),
    "soft choir": Recipe("Choral", "a-cappella choir piece", (("soft choir",),), (P(0, "melody", 0.5, (60, 76)), P(0, HELD, 0.5, (50, 72)), P(0, "1---------------", 0.4, (43, 55))), (50, 76), lively=0.15, room=0.5, extra=("choir", "voices", "singing", "soft"), moods=("peaceful", "heavenly")),
    "choir": Recipe("Choral", "piece for choir and organ", (("choir",), ("church organ",)), (P(0, "melody", 0.6, (60, 77)), P(0, HALVES, 0.5, (50, 72)), P(1, HELD, 0.2, (43, 67))), (60, 96), lively=0.3, room=0.45, extra=("choir", "voices", "singing"), moods=("solemn", "powerful")),
    "drum solo": Recipe("Rock", "drum solo", (), (), (90, 180), ("linear", "rock", "toms"), lively=1.0, extra=("solo", "beat", "percussion"), moods=("energetic", "driving")),
    "hip-hop": Recipe("Hip-hop", "hip-hop beat", (("electric piano", "vibraphone"), ("sub bass",)), (P(0, "x.....x...x.....", 0.15, (52, 74)), P(1, "1.....1...1..5..", 0.35)), (80, 98), ("boom_bap", "boom_bap2"), "electronic", modes=("minor",), swing=0.06, extra=("beat", "urban"), moods=("laid-back", "moody")),
    "trap": Recipe("Hip-hop", "trap beat", (("sub bass",), ("music box", "synth lead")), (P(0, "1---------5-----", 0.4), P(1, "1.3.5...8.5.3...", 0.15, (67, 84))), (65, 75), ("trap", "trap2"), "electronic", modes=("minor",), extra=("beat", "urban"), moods=("dark", "menacing")),
    "rock": Recipe("Rock", "rock song", (("distorted guitar",), ("electric bass",)), (P(0, "p-----p-p---p---", 0.9, (40, 60)), P(1, ROOTS, 0.3)), (110, 150), ("rock", "rock_ride"), extra=("guitar", "electric guitar", "band"), moods=("energetic", "powerful")),
    "metal": Recipe("Metal", "heavy metal riff", (("distorted guitar",), ("electric bass",)), (P(0, "ppp.ppp.p-p-pppp", 0.8, (40, 56)), P(1, "111.111.1-1-1111", 0.45)), (150, 190), ("double_kick",), modes=("minor",), extra=("guitar", "electric guitar", "band"), moods=("aggressive", "angry")),
    "guitar riff": Recipe("Rock", "distorted electric guitar solo", (("distorted guitar",),), (P(0, "melody", 0.7, (55, 76)), P(0, "p-------p-------", 0.5, (40, 55))), (80, 120), lively=0.8, extra=("solo", "guitar", "electric guitar"), moods=("raw", "powerful")),
    "disco": Recipe("Disco", "disco groove", (("strings",), ("clean guitar",), ("electric bass",)), (P(0, "melody", 0.35, (64, 86)), P(1, "x.xx.xx.x.xx.xx.", 0.3, (52, 72)), P(2, "1.8.1.8.1.8.1.8.", 0.55)), (112, 126), ("disco",), lively=0.5, extra=("dance", "beat"), moods=("cheerful", "danceable")),
    "reggae": Recipe("Reggae", "reggae tune", (("electric organ",), ("clean guitar",), ("electric bass",)), (P(0, "..xx..xx..xx..xx", 0.25, (55, 74)), P(1, SKANK, 0.45, (55, 76)), P(2, "1..1..5...3.5.1.", 0.7)), (70, 88), ("one_drop", "steppers"), extra=("beat", "band"), moods=("relaxed", "sunny")),
    "techno": Recipe("Electronic", "techno track", (("synth bass",), ("synth lead",)), (P(0, "..11..11..11..11", 0.5), P(1, "1.1.8.1.3.1.8.5.", 0.35, (55, 79))), (124, 138), ("techno", "house"), "electronic", modes=("minor",), extra=("dance", "beat", "synthesizer"), moods=("hypnotic", "driving")),
    "synthwave": Recipe("Electronic", "synthwave tune", (("synth lead",), ("synth bass",), ("synth pad",)), (P(0, "melody", 0.5, (62, 84)), P(1, "1111111111111111", 0.45), P(2, HELD, 0.35, (50, 72))), (90, 116), ("synthwave",), "electronic", lively=0.5, room=0.25, extra=("synthesizer", "beat"), moods=("nostalgic", "dreamy")),
    "chiptune": Recipe("Electronic", "video game tune", (("square lead",),), (P(0, "melody", 0.5, (67, 91)), P(0, "1358135813581358", 0.35, (60, 79)), P(0, "1.1.8.1.1.1.8.1.", 0.4, (40, 55))), (120, 170), ("pop",), "electronic", lively=0.9, room=0.02, extra=("synthesizer", "video game")),
    "ambient": Recipe("Ambient", "ambient soundscape", (("synth pad",),), (P(0, HELD, 0.6, (48, 72)), P(0, "1---------------", 0.5, (36, 50)), P(0, "melody", 0.3, (67, 84))), (44, 66), lively=0.0, room=0.5, extra=("synthesizer", "pad"), moods=("dreamy", "calm")),
    "accordion waltz": Recipe("Folk", "accordion waltz", (("accordion",), ("double bass",)), (P(0, "melody", 0.6, (64, 84)), P(0, "....x...x...", 0.4, (52, 72)), P(1, "1---........", 0.5)), (130, 180), beats=3, lively=0.6, extra=("waltz",)),
    "bass solo": Recipe("Funk", "funky bass groove", (("electric bass",),), (P(0, "1..1..8.1.5.78..", 0.7),), (88, 112), ("funk",), extra=("beat", "bass"), moods=("funky", "tight")),
    "saxophone ballad": Recipe("Jazz", "saxophone ballad", (("saxophone",), ("electric piano",), ("double bass",)), (P(0, "melody", 0.6), P(1, HALVES, 0.3, (50, 70)), P(2, "1..3..5..6..", 0.4)), (60, 90), ("brushes",), lively=0.5, room=0.25, extra=("blown",)),
    "pop rock guitar": Recipe("Country", "country song", (("steel guitar",), ("double bass",), ("violin", "clean guitar")), (P(0, "1.x.5.x.1.x.5.x.", 0.5, (43, 64)), P(1, "1.......5.......", 0.4), P(2, "melody", 0.5)), (100, 140), ("train",), modes=("major",), lively=0.6, extra=("guitar", "band")),
    "folk guitar": Recipe("Folk", "strummed folk song", (("steel guitar",), ("flute",)), (P(0, STRUM, 0.6, (40, 55)), P(1, "melody", 0.45, (67, 86))), (90, 126), lively=0.4, extra=("guitar", "plucked")),
}  # fmt: skip

# The album: style, title, tempo, mode, and the band where a recipe leaves a choice.
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
