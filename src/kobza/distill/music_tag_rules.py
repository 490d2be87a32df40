"""Keyword rules for the tags of musicnn's taggers, as `keyword_rules.py` has them for AudioSet's labels.

A tag's pattern is a list of regular expressions between `|`, matched in lower case at word boundaries. A negated keyword
("no drums") does not match, and a text that says that nobody sings names no tag of a voice.
"""

# ruff: noqa: E501  (one tag a line)
from re import Pattern

from kobza.distill.keyword_rules import NO_VOICE, has_match, keyword_rule
from kobza.distill.teachers.musicnn import MSD_TAGS, MTT_TAGS

_FEMALE_VOICE = (
    r"female (\w+ )?(\w+ )?(vocals?|voices?|singer|vocalists?)|wom[ae]n sing\w*|soprano|diva|she sings|girls? sing\w*"
)
_MALE_VOICE = r"(?<!fe)male (\w+ )?(\w+ )?(vocals?|voices?|singer|vocalists?)|m[ae]n sing\w*|baritone|tenor|he sings"
_ANY_VOICE = r"sing\w*|vocals?|vocalists?|voices?|choir|sung|croon\w*|rap\w*"
_ELECTRONIC = r"electronic\w*|edm|techno|house|electro\w*|trance|synth\w*|dubstep|chiptune|idm"
_AMBIENT = r"ambient|ambience|drone|soundscapes?|atmospheric|ethereal"
_ROCK = r"rock|grunge|punk|metal"
_GUITAR = r"guitars?|e-?guitars?"
MSD_PATTERNS = {
    "rock": _ROCK,
    "pop": r"pop|k-?pop|j-?pop|boy ?band|top 40",
    "alternative": r"alternative|indie|alt-?rock",
    "indie": r"indie",
    "electronic": _ELECTRONIC,
    "female vocalists": _FEMALE_VOICE,
    "dance": r"danc\w+|disco|club|edm",
    "00s": r"2000'?s|00'?s|early 2000\w*",
    "alternative rock": r"alternative( rock)?|alt-?rock|grunge|indie rock",
    "jazz": r"jazz\w*|bebop|bossa nova|swing|dixieland|big band",
    "beautiful": r"beautiful\w*|heavenly|gorgeous|lovely",
    "metal": r"metal\w*|thrash|growl\w*|djent",
    "chillout": r"chill-?(out)?|downtempo|lounge|relax\w+|lo-?fi",
    "male vocalists": _MALE_VOICE,
    "classic rock": r"classic rock|(60|70|80)s? rock|rock ?(and|n|\'n\'|&) ?roll",
    "soul": r"soul\w*|motown|neo-soul",
    "indie rock": r"indie rock|garage rock|indie",
    "Mellow": r"mellow|laid-?back|soft|gentle|calm\w*",
    "electronica": r"electronica|idm|downtempo|chillwave|synthwave|trip-?hop",
    "80s": r"(19)?80'?s|eighties|new wave|synth-?pop|synthwave",
    "folk": r"folk\w*|singer-songwriter|celtic|irish",
    "90s": r"(19)?90'?s|nineties",
    "chill": r"chill\w*|relax\w+|laid-?back|lo-?fi",
    "punk": r"punk\w*",
    "oldies": r"oldies|retro|vintage|old(-| )(school|fashioned)|(19)?[345]0'?s|doo-?wop",
    "blues": r"blues\w*",
    "hard rock": r"hard rock|heavy rock|distorted guitars?",
    "ambient": _AMBIENT,
    "acoustic": r"acoustic",
    "experimental": r"experimental|avant-?garde|weird|strange|noise|abstract",
    "female vocalist": _FEMALE_VOICE,
    "guitar": _GUITAR,
    "Hip-Hop": r"hip[- ]?hop|rap|rapper|rapping|trap|boom bap",
    "70s": r"(19)?70'?s|seventies|disco",
    "party": r"party|club|festive|celebrat\w+",
    "country": r"country|cowboy|honky[- ]tonk|bluegrass|western",
    "easy listening": r"easy listening|lounge|elevator|smooth|crooner",
    "sexy": r"sexy|sensual|seductive|romantic|sultry",
    "catchy": r"catchy|hook",
    "funk": r"funk\w*|slap bass|groovy",
    "electro": r"electro\w*|synth\w*",
    "heavy metal": r"heavy metal|thrash|metal",
    "Progressive rock": r"prog(ressive)?( rock)?|psychedelic( rock)?",
    "60s": r"(19)?60'?s|sixties|surf|beatles",
    "rnb": r"r ?(&|n|and) ?b|rnb|rhythm and blues",
    "indie pop": r"indie pop|dream pop|bedroom pop",
    "sad": r"sad\w*|melanchol\w+|sorrow\w*|mournful|heartbreak\w*|gloomy|depress\w+|lonely",
    "House": r"house|deep house",
    "happy": r"happy|joyful|cheerful|uplifting|feel-?good|fun|merry|upbeat",
}  # fmt: skip
MTT_PATTERNS = {
    "guitar": _GUITAR,
    "classical": r"classical|baroque|sonata|concerto|symphon\w+|string quartet|chamber|orchestra\w*",
    "slow": r"slow\w*|ballad|adagio|lento",
    "techno": r"techno|rave|trance|edm|house",
    "strings": r"strings|violins?|cellos?|violas?|string (section|quartet)|orchestra\w*",
    "drums": r"drums?|drumming|percussion\w*|drum ?kit",
    "electronic": _ELECTRONIC,
    "rock": _ROCK,
    "fast": r"fast\w*|uptempo|up-tempo|energetic|rapid\w*|frantic",
    "piano": r"piano|pianist",
    "ambient": _AMBIENT,
    "beat": r"beats?|groove|rhythm\w*",
    "violin": r"violins?|fiddles?|violinist",
    "vocal": _ANY_VOICE,
    "synth": r"synth\w*|moog|arpeggiat\w+|pads?",
    "female": _FEMALE_VOICE,
    "indian": r"india\w*|sitar|tabla|bollywood|raga|hindustani|carnatic",
    "opera": r"opera\w*|aria|soprano|tenor",
    "male": _MALE_VOICE,
    "singing": _ANY_VOICE,
    "vocals": _ANY_VOICE,
    "harpsichord": r"harpsichord|baroque",
    "loud": r"loud|aggressive|noisy|heavy|intense|blaring",
    "quiet": r"quiet\w*|soft\w*|silent|gentle|calm\w*|minimal\w*",
    "flute": r"flutes?|pan ?flute|recorder|shakuhachi|bansuri",
    "woman": _FEMALE_VOICE,
    "male vocal": _MALE_VOICE,
    "pop": r"pop",
    "soft": r"soft\w*|gentle|mellow|tender|soothing",
    "sitar": r"sitars?",
    "solo": r"solo|unaccompanied",
    "man": _MALE_VOICE,
    "classic": r"classical|orchestra\w*|baroque|symphon\w+",
    "choir": r"choirs?|choral|choruses|gregorian",
    "voice": _ANY_VOICE,
    "new age": r"new[- ]age|meditat\w+|spa|yoga|healing|zen",
    "dance": r"danc\w+|club|disco|edm",
    "male voice": _MALE_VOICE,
    "female vocal": _FEMALE_VOICE,
    "beats": r"beats?|drum machine|808|hip[- ]?hop",
    "harp": r"harps?",
    "cello": r"cellos?",
    "weird": r"weird|strange|eerie|bizarre|experimental|trippy",
    "country": r"country|bluegrass|cowboy",
    "metal": r"metal\w*|thrash",
    "female voice": _FEMALE_VOICE,
    "choral": r"choirs?|choral|chorus",
}  # fmt: skip
_VOICELESS_TAGS = frozenset({"instrumental", "no vocals", "no vocal", "no voice"})
_VOICE_PATTERNS = frozenset({_FEMALE_VOICE, _MALE_VOICE, _ANY_VOICE})


def _rules(tags: tuple[str, ...], patterns: dict[str, str]) -> list[Pattern[str] | None]:
    """The tags' rules in order; None for a tag that only a text without voices has."""
    return [None if tag in _VOICELESS_TAGS else keyword_rule(patterns[tag]) for tag in tags]


TAGS = (*MSD_TAGS, *MTT_TAGS)
_RULES = _rules(MSD_TAGS, MSD_PATTERNS) + _rules(MTT_TAGS, MTT_PATTERNS)
_IS_VOICE = [MSD_PATTERNS.get(tag) in _VOICE_PATTERNS for tag in MSD_TAGS] + [
    MTT_PATTERNS.get(tag) in _VOICE_PATTERNS for tag in MTT_TAGS
]


def match_tags(text: str) -> set[int]:
    """Which of the 50 MSD and then the 50 MTT tags a text names, as indices into `TAGS`.

    >>> [TAGS[tag] for tag in sorted(match_tags("Slow jazz with a saxophone, no vocals"))]
    ['jazz', 'instrumental', 'slow', 'no vocals', 'no vocal', 'no voice']
    """
    text = text.lower()
    is_voiceless = bool(NO_VOICE.search(text))
    named = set()
    for tag, (rule, is_voice) in enumerate(zip(_RULES, _IS_VOICE, strict=True)):
        is_named = is_voiceless if rule is None else has_match(rule, text) and not (is_voiceless and is_voice)
        if is_named:
            named.add(tag)
    return named
