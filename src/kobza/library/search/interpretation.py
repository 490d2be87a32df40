"""What a description means before it is embedded: its terms, what it denies, its typing errors and its language.

All that searches with a description (search, similar, locate; in the shell, on the page, in Python) reads it here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kobza.embedding.languages import is_english, scripts_are_understood
from kobza.library.records import WordMatch
from kobza.library.search.denials import VOICES, split_denials, without_voices
from kobza.library.search.query import QueryTerm, parse_query
from kobza.library.search.spelling import correct, corrected, is_form, is_musical_word
from kobza.library.stores.tag_words import text_words

LanguageSupport = Literal["ready", "not installed", "none"]
NoteKind = Literal["corrected", "unwanted", "install", "not_understood"]
SENTENCES: dict[NoteKind, str] = {
    "corrected": "Searched for '{1}' instead of '{0}'; words in quotes are taken as they are.",
    "unwanted": "Searched for music without: {}.",
    "install": "Not understood: '{}'. Descriptions are English; for Ukrainian and other languages: "
    "pip install 'kobza[languages]'",
    "not_understood": "Not understood: '{}'. Describe the music in English.",
}


@dataclass(frozen=True)
class QueryNote:
    """What is to be said to whoever typed a description; `str` gives it as an English sentence.

    >>> str(QueryNote("unwanted", ("drums, vocals",)))
    'Searched for music without: drums, vocals.'
    """

    kind: NoteKind
    values: tuple[str, ...]

    def __str__(self) -> str:
        return SENTENCES[self.kind].format(*self.values)


@dataclass(frozen=True)
class Interpretation:
    """A description's terms, what is to be said of it, and whether the model can understand it."""

    terms: list[QueryTerm]
    notes: tuple[QueryNote, ...] = ()
    understood: bool = True


@dataclass(frozen=True)
class Vocabulary:
    """What decides how a description is read.

    Attributes:
        knows_word: whether the model knows a word; None for models whose language is not known to be English: their
            descriptions are not corrected, and taken to be understood.
        find: `Store.match_words`; finds nothing in stores without words.
        languages: whether descriptions in other languages can be embedded, or could be with `kobza[languages]`.
    """

    knows_word: Callable[[str], bool] | None
    find: Callable[[Sequence[str]], list[WordMatch]]
    languages: Callable[[], LanguageSupport]

    def is_english_word(self, word: str) -> bool:
        return self.knows_word is None or is_form(word, self.knows_word) or is_musical_word(word)

    def is_in_tags(self, text: str) -> bool:
        """Whether the names and genre of one track have all words of a text."""
        words = set(text_words(text))
        tracks: dict[str, set[int]] = {}
        for match in self._in_tags(list(words)):
            if match.kind == "exact":
                tracks.setdefault(match.word, set()).update(match.track_ids.tolist())
        return bool(words) and len(tracks) == len(words) and bool(set.intersection(*tracks.values()))

    def means_name(self, word: str, correction: str) -> bool:
        """Whether tags have a word, or one so like it that it is meant, other than its correction."""
        found = self._in_tags(text_words(word))
        return bool(found) and all(correction not in match.terms for match in found)

    def is_foreign(self, text: str) -> bool:
        if self.knows_word is None or self.is_in_tags(text):
            return False
        return not is_english(text, self.is_english_word, self._says_nothing_of_language)

    def _says_nothing_of_language(self, word: str) -> bool:
        return self.is_in_tags(word) or corrected(word, self.is_english_word) is not None

    def _in_tags(self, words: Sequence[str]) -> list[WordMatch]:
        return [match for match in self.find(words) if match.group in ("name", "genre")]


def interpret(text: str, vocabulary: Vocabulary, changes: bool = False) -> Interpretation:
    """
    Args:
        changes: the description says what should change in a track ("calmer, no drums"), so it may only deny.

    Raises:
        LibraryError: the description has no terms or is not written as `query` says.
    """
    sentence, marked = parse_query(text)
    foreign = vocabulary.is_foreign(sentence or " ".join(term.text for term in marked))
    denials = split_denials(sentence, foreign, lambda words: not vocabulary.is_in_tags(words))
    terms = [QueryTerm(denials.rest)] if denials.rest else []
    terms += marked + [QueryTerm(word, -1.0) for word in denials.denied]
    notes: list[QueryNote] = []
    if foreign:
        terms = [replace(term, foreign=True) for term in terms]
    elif vocabulary.knows_word is not None:
        terms, notes = _corrected(terms, vocabulary)
    if denials.denied:
        denied = ", ".join(term.text for term in terms[len(terms) - len(denials.denied) :])
        notes.append(QueryNote("unwanted", (denied,)))
    if not changes:
        terms = _with_something_wanted(terms, bool(denials.denied))
    understood = True
    if foreign:
        support = vocabulary.languages() if scripts_are_understood(text) else "none"
        understood = support == "ready"
        if not understood:
            notes = [QueryNote("install" if support == "not installed" else "not_understood", (text.strip(),))]
    return Interpretation(terms, tuple(notes), understood)


def _corrected(terms: list[QueryTerm], vocabulary: Vocabulary) -> tuple[list[QueryTerm], list[QueryNote]]:
    notes = []
    result = []
    for term in terms:
        parts = term.text.split('"')  # every other one is in quotes
        for at in range(0, len(parts), 2):
            parts[at], corrections = correct(parts[at], vocabulary.is_english_word, vocabulary.means_name)
            notes += [QueryNote("corrected", pair) for pair in corrections]
        result.append(replace(term, text='"'.join(parts)))
    return result, notes


def _with_something_wanted(terms: list[QueryTerm], denies: bool) -> list[QueryTerm]:
    """The terms of a search, of which one has to say what to search for: music, or what is only played where it says
    that nobody should sing."""
    wanted = [term for term in terms if term.weight > 0]
    unwanted = [term for term in terms if term.weight < 0]
    no_voices = any(set(text_words(term.text)) & VOICES and len(term.text.split()) == 1 for term in unwanted)
    if no_voices and (wanted or denies):
        first = replace(wanted[0], text=without_voices(wanted[0].text)) if wanted else QueryTerm(without_voices(""))
        return [first, *wanted[1:], *unwanted]
    if not wanted and denies:
        return [QueryTerm("music"), *terms]
    return terms
