"""What a description says should not be heard: "jazz without vocals", "no drums", "not metal".

A sentence encoder hears "piano without drums" as piano and drums, so such words are worth a hint at "piano -drums".
"""

import re
from typing import NamedTuple

MAX_WORDS = 12  # longer descriptions are prose, where "there are no voices" is a detail and not the point
FILLER = r"(?:(?:any|a|an|the|much|many|real)\s+)?"
DENIAL = re.compile(
    r"(?:^|(?<=[\s,;(]))(?:(?:with|has|have|having|but|and)\s+)?(?:without|no|not|minus|except(?:\s+for)?)\s+"
    rf"{FILLER}(?!(?:too|so|very|only|just|that|wave|doubt|one)\b)(?P<what>[^\s,;.()\"^]+(?:\s+[^\s,;.()\"^]+){{0,2}}?)"
    r"(?=\s*(?:$|[,;.)]|\b(?:and|or|but|with|without|no|not|in|for|from|on|to|like|please)\b))",
    re.IGNORECASE,
)
MORE = re.compile(rf"^\s*(?:,\s*)?(?:and|or|nor)\s+{FILLER}(?P<what>[^\s,;.()\"^]+)(?=\s*(?:$|[,;.]))", re.IGNORECASE)


class Denials(NamedTuple):
    """The description without what it denies, and that."""

    rest: str
    denied: list[str]


def split_denials(text: str) -> Denials:
    """
    >>> split_denials("relaxing jazz, no vocals or drums")
    Denials(rest='relaxing jazz', denied=['vocals', 'drums'])
    >>> split_denials("rock with no female singer").denied, split_denials("not too fast").denied
    (['female singer'], [])
    """
    denied: list[str] = []
    if len(text.split()) > MAX_WORDS:
        return Denials(text, denied)
    while found := DENIAL.search(text):
        denied.append(found["what"])
        rest = text[found.end() :]
        while more := MORE.match(rest):
            denied.append(more["what"])
            rest = rest[more.end() :]
        text = text[: found.start()].rstrip(" ,;") + (" " if rest.strip() else "") + rest.lstrip(" ,;")
    return Denials(text.strip(), denied)


def denied_terms(text: str) -> list[str]:
    """
    >>> denied_terms("piano without drums"), denied_terms("piano -drums")
    (['drums'], [])
    """
    return split_denials(text).denied


def with_exclusions(text: str) -> str:
    """The description with a minus for each denial, as the query language has it.

    >>> with_exclusions("rock with no female singer, no drums")
    'rock -"female singer" -drums'
    """
    rest, denied = split_denials(text)
    rest = rest or "music"  # a query must say what to search for
    return " ".join(filter(None, [rest, *(f'-"{term}"' if " " in term else f"-{term}" for term in denied)]))
