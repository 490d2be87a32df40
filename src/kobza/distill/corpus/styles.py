"""Styles for arranging songs: which General MIDI instruments play what, in the notation of `kobza.synth.rhythms`."""

# ruff: noqa: E501  (tables read best with one row a line)
from __future__ import annotations

from dataclasses import dataclass

# General MIDI level 1, programs 0-127 in order.
PROGRAM_NAMES = tuple(
    """acoustic grand piano,bright acoustic piano,electric grand piano,honky-tonk piano,electric piano,fm electric piano,
harpsichord,clavinet,celesta,glockenspiel,music box,vibraphone,marimba,xylophone,tubular bells,dulcimer,drawbar organ,
percussive organ,rock organ,church organ,reed organ,accordion,harmonica,bandoneon,nylon string guitar,steel string guitar,
jazz guitar,clean electric guitar,muted electric guitar,overdriven guitar,distortion guitar,guitar harmonics,
acoustic bass,fingered bass,picked bass,fretless bass,slap bass,slap bass 2,synth bass,synth bass 2,violin,viola,cello,
contrabass,tremolo strings,pizzicato strings,harp,timpani,string ensemble,slow string ensemble,synth strings,
synth strings 2,choir,voices,synth voice,orchestra hit,trumpet,trombone,tuba,muted trumpet,french horn,brass section,
synth brass,synth brass 2,soprano saxophone,alto saxophone,tenor saxophone,baritone saxophone,oboe,english horn,bassoon,
clarinet,piccolo,flute,recorder,pan flute,bottle,shakuhachi,whistle,ocarina,square lead,saw lead,calliope lead,chiff lead,
charang lead,voice lead,fifths lead,bass and lead,new age pad,warm pad,polysynth,choir pad,bowed pad,metallic pad,
halo pad,sweep pad,rain,soundtrack,crystal,atmosphere,brightness,goblins,echoes,sci-fi,sitar,banjo,shamisen,koto,kalimba,
bagpipe,fiddle,shanai,tinkle bell,agogo,steel drums,woodblock,taiko drum,melodic tom,synth drum,reverse cymbal,
guitar fret noise,breath noise,seashore,bird tweet,telephone ring,helicopter,applause,gunshot""".replace(
        "\n", ""
    ).split(",")
)

# Lowest and highest MIDI note of a program's usual range; (48, 84) for the others.
RANGES = {
    **dict.fromkeys((0, 1, 2, 3, 4, 5, 46, 11, 12), (41, 88)), 6: (41, 84), 7: (36, 72), 8: (60, 96), 9: (72, 103), 10: (67, 96),
    13: (65, 96), 14: (60, 77), 19: (36, 84), **dict.fromkeys((24, 25, 26, 27, 28, 29, 30), (40, 79)), 31: (60, 88),
    **dict.fromkeys(range(32, 40), (28, 52)), 40: (55, 91), 41: (48, 79), 42: (36, 69), 43: (28, 55), 45: (43, 79),
    47: (36, 55), 52: (48, 76), 53: (48, 76), 54: (48, 76), 56: (54, 82), 57: (40, 70), 58: (28, 55), 59: (55, 82), 60: (41, 74),
    64: (58, 85), 65: (50, 80), 66: (45, 74), 67: (38, 66), 68: (58, 86), 69: (52, 79), 70: (34, 66), 71: (50, 86), 72: (74, 103),
    73: (60, 93), 74: (65, 93), 75: (60, 91), 77: (55, 84), 78: (67, 93), 79: (67, 91), 108: (55, 88), 110: (55, 91), 109: (55, 80),
    112: (72, 96), 114: (55, 84), 116: (36, 60), 117: (40, 64), 118: (40, 64), 115: (60, 80), 113: (60, 84),
}  # fmt: skip

# Programs that play one note at a time: bowed and wind instruments, basses and leads.
MONOPHONIC = frozenset(
    (40, 41, 42, 43, 47, 56, 57, 58, 59, 60, *range(64, 80), 80, 81, 109, 110, 111, 116, *range(32, 40))
)
# Programs a solo is drawn from: every pitched instrument (no sound effects, no orchestra hit).
SOLOISTS = tuple(p for p in range(119) if p not in (55, 113, 115, 101, 102, 103, 96))


@dataclass(frozen=True)
class Layer:
    """One instrument of a style: `programs` to draw from; `plays` is melody, bridge, accompaniment, all, low (the bass
    line) or a rhythm."""

    programs: tuple[int, ...]
    plays: str
    volume: float = 0.8
    register: tuple[int, int] | None = None  # MIDI notes; None: the program's range


@dataclass(frozen=True)
class ArrangementStyle:
    """How to play any song. `tempo` in beats a minute, `swing` in 0..1/6 of a beat, `kits` are GM percussion presets,
    `beats` those of a bar; `weight` is how often the style is drawn."""

    name: str
    tempo: tuple[int, int]
    layers: tuple[Layer, ...]
    drums: tuple[str, ...] = ()
    kits: tuple[int, ...] = (0, 8)
    swing: float = 0.0
    beats: int = 4
    weight: float = 1.0


L = Layer
PIANO, ACOUSTIC, DIRTY = (0, 1, 2), (24, 25), (29, 30)
SLAP, SYNTH_BASS, STRINGS, CHOIR = (36, 37), (38, 39), (48, 49, 44), (52, 53)
PADS, SAX, WINDS = (
    (88, 89, 91, 92, 94, 95, 97, 99),
    (64, 65, 66, 67),
    (68, 69, 70, 71, 72, 73, 74),
)
LONG, HALVES, EIGHTHS = "x---------------", "x-------x-------", "1.1.1.1.1.1.1.1."
LOW, MIDDLE = (28, 48), (52, 76)

STYLES = (
    ArrangementStyle("solo", (50, 150), (L(SOLOISTS, "all"),), weight=9),
    ArrangementStyle("duet", (50, 140), (L(SOLOISTS, "melody", 0.9), L((*PIANO, *ACOUSTIC, 46, 21, 6), "accompaniment", 0.6)), weight=3),
    ArrangementStyle("string quartet", (50, 140), (L((40,), "melody"), L((40,), "bridge", 0.6), L((41,), "5-------3-------", 0.6), L((42,), "low", 0.7))),
    ArrangementStyle("string orchestra", (45, 120), (L(STRINGS, "melody"), L(STRINGS, HALVES, 0.7), L((43, 42, 48), "low", 0.8), L((45, 44), "x...x...x...x...", 0.4))),
    ArrangementStyle("orchestra", (50, 150), (L((40, 48, *WINDS, 56, 60), "melody"), L((60, 61, *WINDS), "bridge", 0.7), L(STRINGS, "accompaniment", 0.7),
          L((43, 48), "low", 0.8), L((47,), "1.......5......1", 0.6), L((46, 9, 57), "1.3.5.8.9.8.5.3.", 0.4))),
    ArrangementStyle("brass band", (70, 140), (L((56, 60), "melody"), L((57, 60, 61), "bridge", 0.8), L((60, 57, 61), "..x...x...x...x.", 0.7), L((58,), "1...5...1...5...", 0.9)), ("march", "two_step")),
    ArrangementStyle("big band", (100, 200), (L((56, 65, 66), "melody"), L((61,), "x..x.....x..", 0.8), L((57, 66), "bridge", 0.7), L((32,), "1..3..5..6..")), ("swing",), (32,)),
    ArrangementStyle("jazz combo", (80, 220), (L((*SAX, 59, 56, 11, 26), "melody"), L((0, 26), "..x...x.....", 0.6, MIDDLE), L((32,), "1..3..5..7..")), ("swing", "brushes"), (32, 40)),
    ArrangementStyle("piano trio", (70, 180), (L((0,), "all"), L((32,), "1..3..5..6..")), ("brushes", "swing"), (32, 40)),
    ArrangementStyle("rock", (90, 160), (L((*DIRTY, 18, 27), "melody"), L((30, 29), "p.p.p.p.p.p.p.p.", 0.8, (40, 64)), L((33, 34), EIGHTHS)), ("rock", "rock_ride"), (0, 16)),
    ArrangementStyle("punk", (150, 200), (L((29, 30), "p.p.p.p.p.p.p.p.", 0.9, (40, 64)), L((34,), EIGHTHS), L((30,), "melody", 0.7)), ("rock", "ska"), (0, 16)),
    ArrangementStyle("metal", (120, 200), (L((30,), "ppp.ppp.ppp.pppp", 1.0, (36, 58)), L((30, 29), "melody", 0.7), L((34,), "1111111111111111")), ("double_kick", "blast"), (16,)),
    ArrangementStyle("pop ballad", (55, 90), (L((53, 73, 40, 27), "melody"), L((0, 4, 5), "accompaniment", 0.7), L((48, 50), LONG, 0.5), L((33, 35), "1-------1--1----")), ("pop", "two_step"), weight=1.5),
    ArrangementStyle("country", (90, 170), (L((105, 110, 27, 25), "melody"), L((25,), "1.x.5.x.1.x.5.x.", 0.7), L((26, 105, 110), "bridge", 0.6), L((32, 33), "1.......5.......")), ("train", "two_step"), weight=1.5),
    ArrangementStyle("bluegrass", (110, 190), (L((110, 105), "melody"), L((105,), "1358583158853135", 0.7), L((25,), "1.x.5.x.1.x.5.x.", 0.6), L((32,), "1...5...1...5..."))),
    ArrangementStyle("reggae", (62, 96), (L((22, 57, 66, 53, 27), "melody"), L((16, 18, 27), "....x.......x...", 0.8, MIDDLE), L((28, 27), "..x...x...x...x.", 0.6, MIDDLE), L((33,), "1..1..5...3.5.1.", 1.0)),
          ("one_drop", "steppers"), weight=2),
    ArrangementStyle("ska", (130, 180), (L((56, 57, 66, 61), "melody"), L((27, 28), "..x...x...x...x.", 0.8, MIDDLE), L((33,), "1...3...5...6...")), ("ska",)),
    ArrangementStyle("disco", (105, 132), (L((48, 61, 53), "melody"), L((27, 28), "x.xx.xx.x.xx.xx.", 0.5, MIDDLE), L((48, 50), HALVES, 0.6), L((33, 34, 36), "1.8.1.8.1.8.1.8.", 1.0)),
          ("disco", "disco_clap"), (0, 16), weight=2),
    ArrangementStyle("hip-hop", (70, 102), (L((4, 5, 11, 0, 46), "x.....x...x.....", 0.6, MIDDLE), L((38, 33, 39), "1.....1...1..5..", 1.0, LOW), L((59, 73, 45, 11), "bridge", 0.5)),
          ("boom_bap", "boom_bap2"), (0, 16, 25), 0.08, weight=2),
    ArrangementStyle("trap", (60, 80), (L((38, 39), "1---------5-----", 1.0, (26, 42)), L((10, 11, 98, 88, 9), "1.3.5...8.5.3...", 0.6), L((91, 52), LONG, 0.4)), ("trap", "trap2"), (25, 24), weight=1.5),
    ArrangementStyle("house", (116, 128), (L((1, 0, 62), "x..x..x..x..x...", 0.7, MIDDLE), L(SYNTH_BASS, "..1...1...1...1."), L((53, 81), "melody", 0.6)), ("house",), (24, 25, 16)),
    ArrangementStyle("techno", (122, 140), (L(SYNTH_BASS, "..11..11..11..11"), L((81, 87, 38), "1.1.8.1.3.1.8.5.", 0.6), L((95, 90), LONG, 0.4)), ("techno", "house"), (24, 25)),
    ArrangementStyle("trance", (130, 145), (L((81, 80), "1385138513851385", 0.8), L(SYNTH_BASS, ".11..11..11..11."), L((89, 90, 50), LONG, 0.6), L((81, 84), "melody", 0.7)), ("techno", "disco_clap"), (24, 25)),
    ArrangementStyle("drum and bass", (160, 178), (L((38, 39), "1-----1---5-----", 1.0, (26, 44)), L((88, 89, 95), LONG, 0.6), L((4, 80, 85), "bridge", 0.6)), ("jungle", "two_step_dnb"), (16, 24, 0), weight=1.5),
    ArrangementStyle("funk", (92, 120), (L((*SLAP, 33), "1..1..8.1.5.78..", 1.0), L((7, 28), "..x.x..x.x..x.x.", 0.7, MIDDLE), L((61, 66), "x......x..x.....", 0.6), L((65, 56, 27), "melody", 0.7)), ("funk",)),
    ArrangementStyle("soul", (66, 105), (L((53, 65, 18), "melody"), L((4, 16), "accompaniment", 0.6), L((33, 35), "1..1--5.1.....7."), L((61, 48), LONG, 0.4)), ("pop", "funk", "shuffle")),
    ArrangementStyle("blues", (66, 130), (L((26, 29, 22, 66), "melody"), L((0, 3, 18, 27), "x..x.xx..x.x", 0.6, MIDDLE), L((32, 33), "1.13.35.56.5")), ("shuffle",), weight=1.5),
    ArrangementStyle("bossa nova", (110, 150), (L((73, 24, 65, 53), "melody", 0.7), L((24,), "x..x..x...x..x..", 0.8, MIDDLE), L((32,), "1-----5-1-----5-")), ("bossa",)),
    ArrangementStyle("salsa", (150, 200), (L((56, 61, 57), "melody"), L((0, 1), "8.3.5.8..35.8.3.", 0.7, MIDDLE), L((32, 33), "......5-....1---")), ("salsa",)),
    ArrangementStyle("latin", (90, 130), (L((24, 56, 73, 12), "melody"), L((24, 25), "x..x..x.x.x.x...", 0.7, MIDDLE), L((32,), "1-----5-8-----5-")), ("latin", "samba")),
    ArrangementStyle("tango", (56, 70), (L((21, 23, 40), "melody"), L((0, 21), "X...x...x...x.x.", 0.7, MIDDLE), L((43, 32), "1...5...1...5.5.", 0.8))),
    ArrangementStyle("waltz", (90, 190), (L((40, 21, 73, 48, 71), "melody"), L((48, 0, 21), "....x...x...", 0.6, MIDDLE), L((43, 42), "1---........", 0.8)), ("waltz",), (0, 48), beats=3),
    ArrangementStyle("march", (100, 126), (L((72, 56, 61), "melody"), L((60, 61), "..x...x...x...x.", 0.7), L((58,), "1...5...1...5..."), L((71, 57), "bridge", 0.6)), ("march",), (48, 0)),
    ArrangementStyle("lullaby", (50, 80), (L((10, 8, 9, 46), "melody"), L((10, 8, 46, 24), "1.5.8.5.1.5.8.5.", 0.5, (60, 84))), weight=1.5),
    ArrangementStyle("ambient", (40, 70), (L(PADS, LONG, 0.9), L(PADS, "5-------8-------", 0.7, (60, 84)), L((98, 88, 46, 4), "bridge", 0.4), L((89, 91), "1---------------", 0.7, (33, 50))), weight=1.5),
    ArrangementStyle("chiptune", (110, 180), (L((80,), "melody"), L((80, 81), "1358135813581358", 0.6), L((80, 38), "1.1.8.1.1.1.8.1.", 0.7, (36, 55))), ("synthwave", "pop"), (24, 25)),
    ArrangementStyle("drum solo", (70, 180), (), ("linear", "toms", "rolls", "rock", "funk", "jungle", "double_kick", "swing", "rock_ride", "boom_bap"), (0, 8, 16, 32, 24), weight=2),
    ArrangementStyle("hand percussion", (80, 150), (), ("hands", "latin", "tabla", "salsa", "samba"), (0,)),
    ArrangementStyle("taiko", (60, 130), (L((116,), "1.1.1.111.1.1111", 1.0), L((116, 117), "1.......5...1...", 1.0)), (), (48,)),
    ArrangementStyle("a cappella choir", (45, 100), (L(CHOIR, "melody"), L(CHOIR, HALVES, 0.8), L(CHOIR, "1-------5-------", 0.8, (43, 58))), weight=1.5),
    ArrangementStyle("gospel", (60, 120), (L((53, 52), "melody"), L((52,), HALVES, 0.8), L((16, 18), "accompaniment", 0.7), L((33,), "1.....5.1...6...")), ("shuffle",)),
    ArrangementStyle("folk accordion", (90, 160), (L((21, 23), "melody"), L((21,), "..x...x...x...x.", 0.7, MIDDLE), L((32, 58), "1...5...1...5...", 0.8)), ("two_step",)),
    ArrangementStyle("folk guitar", (70, 140), (L((73, 53, 22, 25), "melody", 0.8), L((25, 24), "X..x.xx.X..x.xx.", 0.8, (43, 69)), L((25,), "1.5.8.5.3.5.8.5.", 0.5))),
    ArrangementStyle("indian", (60, 130), (L((104,), "melody"), L((104, 89), "1-------5-------", 0.5, (43, 60)), L((77, 110, 111), "bridge", 0.5)), ("tabla",)),
    ArrangementStyle("east asian", (50, 110), (L((107, 106, 77), "melody"), L((107,), "1.5.8...5.3.8...", 0.6), L((77, 75), "bridge", 0.6))),
    ArrangementStyle("celtic", (90, 140), (L((78, 110, 109, 72), "melody"), L((46, 25), "1.5.8.5.1.5.8.5.", 0.6), L((110, 109), "bridge", 0.5)), ("bodhran",)),
    ArrangementStyle("synthwave", (80, 118), (L((81, 84, 80), "melody", 0.8), L((38, 39), "1111111111111111"), L((89, 90, 50), LONG, 0.6), L((81, 90), "1.5.8.9.8.5.3.5.", 0.5)), ("synthwave",), (24, 16)),
    ArrangementStyle("christmas", (80, 140), (L((9, 14, 8, 112), "melody"), L((48, 52), HALVES, 0.6), L((9, 46, 8), "8.5.3.5.8.5.3.5.", 0.5)), ("sleigh",)),
    ArrangementStyle("church bells", (40, 80), (L((14,), "1---5---3---8---", 1.0), L((14,), "melody", 0.9))),
    ArrangementStyle("church organ", (45, 100), (L((19,), "all", 0.9), L((19,), "1-------5-------", 0.8, (33, 50))), weight=1.5),
    ArrangementStyle("caribbean", (90, 130), (L((114,), "melody"), L((114, 24), "..x...x...x...x.", 0.6), L((33,), "1..1..5.1..1..5.")), ("latin", "samba")),
    ArrangementStyle("kalimba and marimba", (70, 130), (L((108, 12, 13), "melody"), L((12, 108), "1.5.3.8.5.3.1.5.", 0.6)), ("hands",)),
    ArrangementStyle("film", (50, 110), (L((48, 60, 52), "melody"), L((44, 48, 49), "x-x-x-x-x-x-x-x-", 0.6), L((61, 60), HALVES, 0.6), L((116, 47), "1...1...1.1.1...", 0.8), L((43,), "low"))),
)  # fmt: skip
