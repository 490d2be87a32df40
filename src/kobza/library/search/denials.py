"""What a description says should not be heard: "jazz without vocals", "no drums", "rock but not metal".

A sentence encoder hears "piano without drums" as piano and drums. So the words are taken out before the sentence is
embedded, and become terms with a negative weight, as if the user had typed "piano -drums".
"""

import re
from collections.abc import Callable
from typing import NamedTuple

MAX_WORDS = 12  # longer descriptions are prose, where "there are no voices" is a detail and not the point
_FILLER = r"(?:(?:any|a|an|the|much|many|real|kind\s+of|sort\s+of)\s+)*"
_NO = (
    r"without|w/o|no|not|isn['’]?t|aren['’]?t|minus|except(?:\s+for)?|excluding|other\s+than"
    r"|(?:anything|everything|any\s+music|all)\s+(?:but|except)|(?:do\s+not|don['’]?t)\s+(?:want|like|play)|free\s+of"
)
# Of languages other than English. Each says "without", or "not" before a noun.
_NO_ELSEWHERE = r"без|не|ні|ohne|kein|keine|sans|pas\s+de|sin|senza|sem|zonder|geen|bez|nie"
_NO_DENIAL = r"too|so|very|only|just|that|wave|doubt|one|more|matter|less|longer|idea|problem|way|\d"  # "not only"
_BEFORE = r"with|has|have|having|but|and|і|та|але|и|но|und|et|y|e"
_WORD = r"[^\s,;.()\"^]+"
_STOPS = r"and|or|nor|but|with|without|no|not|in|for|from|on|to|like|please|just|only|і|та|й|або|und|oder|et|ou|y|e|o"
_LINKS = r"and|or|nor|і|та|й|або|чи|ані|ні|и|или|und|oder|et|ou|ni|y|e|o|i|lub"


def _pattern(no: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?:^|(?<=[\s,;(]))(?:(?:that|which)\s+(?:(?:is|are|has|have)\s+)?)?(?:(?:{_BEFORE})\s+)?(?:{no})\s+"
        rf"{_FILLER}(?!(?:{_NO_DENIAL})\b)(?P<what>{_WORD}(?:\s+{_WORD}){{0,2}}?)(?=\s*(?:$|[,;.)]|\b(?:{_STOPS})\b))",
        re.IGNORECASE,
    )


_DENIAL = _pattern(_NO)
_DENIAL_ELSEWHERE = _pattern(_NO_ELSEWHERE)
_MORE = re.compile(
    rf"^\s*(?:,\s*)?(?:{_LINKS})\s+(?:(?:{_NO}|{_NO_ELSEWHERE})\s+)?{_FILLER}(?P<what>{_WORD})(?=\s*(?:$|[,;.]))",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'("[^"]*")')
_LEFT_OVER = re.compile(
    r"^\s*(?:[,;]\s*)?(?:(?:but|just|only|and|please|але)\b\s*)+|\s*[,;]?\s*\bplease\W*$", re.IGNORECASE
)
VOICES = frozenset(("vocal", "vocals", "voice", "voices", "singing", "singer", "singers", "lyrics", "words"))


class Denials(NamedTuple):
    """The description without what it denies, and that."""

    rest: str
    denied: list[str]


def _always(_: str) -> bool:
    return True


def split_denials(text: str, elsewhere: bool = False, means_it: Callable[[str], bool] = _always) -> Denials:
    """
    Args:
        elsewhere: the description is in another language than English.
        means_it: whether words such as "no woman" deny something; False for words of a song's name.

    >>> split_denials("relaxing jazz, no vocals or drums")
    Denials(rest='relaxing jazz', denied=['vocals', 'drums'])
    >>> split_denials("rock with no female singer").denied, split_denials("not too fast").denied
    (['female singer'], [])
    >>> split_denials("anything but jazz"), split_denials('"no doubt" and no drums')
    (Denials(rest='', denied=['jazz']), Denials(rest='"no doubt"', denied=['drums']))
    >>> split_denials("рок без гітари", elsewhere=True)
    Denials(rest='рок', denied=['гітари'])
    """
    if len(text.split()) > MAX_WORDS:
        return Denials(text, [])
    denied: list[str] = []
    pattern = _DENIAL_ELSEWHERE if elsewhere else _DENIAL
    parts = [
        part if part.startswith('"') else _without_denials(part, pattern, means_it, denied)
        for part in _QUOTED.split(text)
    ]
    rest = " ".join(re.sub(r"\(\s*\)", " ", "".join(parts)).split())
    return Denials(_LEFT_OVER.sub("", rest) if denied else text.strip(), denied)


def _without_denials(text: str, pattern: re.Pattern[str], means_it: Callable[[str], bool], denied: list[str]) -> str:
    """The text without its denials, which are appended to `denied`."""
    kept = ""
    while found := pattern.search(text):
        rest = text[found.end() :]
        if means_it(found[0]):
            denied.append(found["what"])
            while more := _MORE.match(rest):
                denied.append(more["what"])
                rest = rest[more.end() :]
            kept += text[: found.start()].rstrip(" ,;")
            rest = (" " if rest.strip() else "") + rest.lstrip(" ,;")
        else:
            kept += text[: found.end()]
        text = rest
    return kept + text


def without_voices(text: str) -> str:
    """What to search for where a description denies singing: the sound of a band that only plays is a description of
    its own, which finds it better than the lack of voices does.

    >>> without_voices("slow jazz"), without_voices(""), without_voices("instrumental rock")
    ('instrumental slow jazz', 'instrumental music', 'instrumental rock')
    """
    if "instrumental" in text.lower():
        return text
    return f"instrumental {text or 'music'}"
