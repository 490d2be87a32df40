"""Whether a description is English, which is the language of the models' sentence encoders.

No library for it fits: those that name a language need sentences, and descriptions are "sad piano" and names. All that
has to be told is whether a sentence encoder for English knows the words. It does not if more of them are in another
alphabet, unknown, or small words of another language ("mit", "de la") than are English.
"""

import re
import unicodedata
from collections.abc import Callable

_WORD = re.compile(r"[^\W\d_]+")
# Words that other languages use all the time and that are in an English vocabulary, too, with those for music; without
# the ones that are English words as well (in, an, so, a, me, on, die, no, do, pop).
_ELSEWHERE_WORDS = """
der das dem den des ein eine einer und mit zum zur ist nicht für von auf aus bei ohne wie musik lied lieder gesang
le les un une du au aux et est dans pour avec sans sur qui que musique chanson chansons danse voix femme homme
de la el los las una con por para del sin y muy musica cancion canciones baile voz mujer hombre amor guitarra
il lo gli di da della per ed al alla che canzone canto donna uomo amore voce
em com sem uma os um dos das nao mulher homem violao het een van voor met zonder muziek stem vrouw dans
bez dla od jest oraz muzyka piosenka glos ve bir ile icin muzik och med utan ja ei
"""
_ELSEWHERE = frozenset(_ELSEWHERE_WORDS.split())
# The alphabets of the languages that `multilingual` understands, by the first word of their letters' Unicode names.
UNDERSTOOD_SCRIPTS = frozenset(("LATIN", "CYRILLIC", "ARABIC", "THAI", "CJK", "HIRAGANA", "KATAKANA", "HANGUL"))


def words(text: str) -> list[str]:
    """
    >>> words("Été, lo-fi 80s")
    ['été', 'lo', 'fi', 's']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def script(word: str) -> str:
    """The alphabet of its first letter that is not Latin, or LATIN.

    >>> script("piano"), script("піаніно"), script("ギター")
    ('LATIN', 'CYRILLIC', 'KATAKANA')
    """
    names = (unicodedata.name(letter, "LATIN").split(" ")[0].split("-")[0] for letter in word if letter.isalpha())
    return next((name for name in names if name != "LATIN"), "LATIN")


def is_english(text: str, is_known: Callable[[str], bool], says_nothing: Callable[[str], bool]) -> bool:
    """Whether a sentence encoder for English is likely to understand most of a description.

    Args:
        is_known: whether a word, in lower case, is in the encoder's vocabulary or another English one.
        says_nothing: whether an unknown word, such as a name, says nothing of the language.

    >>> known, no_name = {"piano", "sad", "musique"}.__contains__, lambda word: False
    >>> [is_english(text, known, no_name) for text in ("sad piano", "musique triste au piano", "піаніно")]
    [True, False, False]
    """
    for_it = against = 0
    for word in words(text):
        if word not in _ELSEWHERE and is_known(word):
            for_it += 1
        elif word in _ELSEWHERE or not says_nothing(word):
            against += 1
    return against <= for_it


def scripts_are_understood(text: str) -> bool:
    """Whether all alphabets of a text are those of languages that `multilingual` understands.

    >>> scripts_are_understood("сумне piano"), scripts_are_understood("λυπημένο πιάνο")
    (True, False)
    """
    return all(script(word) in UNDERSTOOD_SCRIPTS for word in words(text))
