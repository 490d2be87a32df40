"""Musical keys in one spelling, however they are written: "Am", "8A", "a-moll" and "La m" are "A minor"."""

import re
import unicodedata

# Of the names of one pitch, the one that key signatures prefer
MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
SEMITONES = {
    **{"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11, "h": 11},
    **{"do": 0, "re": 2, "mi": 4, "fa": 5, "sol": 7, "la": 9, "si": 11},
}
SHIFTS = {
    **dict.fromkeys(("#", "♯", "sharp", "is", "diese", "diesis", "sostenido"), 1),
    **dict.fromkeys(("b", "♭", "flat", "es", "s", "bemol", "bemolle"), -1),
}
MINOR_WORDS = ("m", "min", "minor", "moll", "mineur", "minore", "menor")
MAJOR_WORDS = ("", "maj", "major", "dur", "majeur", "maggiore", "mayor")
# The wheels of DJ programs count fifths: 8A is A minor, 8B C major; in the other notation (Open Key) 1m and 1d are.
WHEELS = {"a": (8, "minor"), "b": (8, "major"), "m": (1, "minor"), "d": (1, "major")}
WHEEL_KEY = re.compile(r"0?([1-9]|1[0-2])([abmd])", re.IGNORECASE)
NAMED_KEY = re.compile(
    rf"(do|re|mi|fa|sol|la|si|[a-h])[ -]?({'|'.join(sorted(SHIFTS, key=len, reverse=True))})?"
    rf"[ -]*({'|'.join(sorted(MINOR_WORDS + MAJOR_WORDS, key=len, reverse=True))})",
    re.IGNORECASE,
)


def musical_key(text: str) -> str:
    """A key in Kobza's spelling, such as "F# minor"; "" if `text` is no key.

    >>> [musical_key(text) for text in ("Am", "8A", "1m", "a-moll", "La m", "F♯m", "Gb", "B", "B-Dur", "o")]
    ['A minor', 'A minor', 'A minor', 'A minor', 'A minor', 'F# minor', 'F# major', 'B major', 'Bb major', '']
    """
    text = "".join(c for c in unicodedata.normalize("NFD", text.strip()) if not unicodedata.combining(c))
    if match := WHEEL_KEY.fullmatch(text):
        home, mode = WHEELS[match[2].lower()]
        tonic = (9 if mode == "minor" else 0) + 7 * (int(match[1]) - home)
    elif match := NAMED_KEY.fullmatch(text):
        letter, shift, word = match[1].lower(), (match[2] or "").lower(), match[3].lower()
        tonic = SEMITONES[letter] + SHIFTS.get(shift, 0)
        if letter == "b" and not shift and word in ("dur", "moll"):  # German: B is B flat, H is B
            tonic -= 1
        mode = "minor" if word in MINOR_WORDS and match[3] != "M" else "major"
    else:
        return ""
    return f"{(MINOR_NAMES if mode == 'minor' else MAJOR_NAMES)[tonic % 12]} {mode}"
