"""Search by sound and tags together, on one scale; copies as one hit; several seeds and seeds by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from recordings import tone, write

from kobza import MusicLibrary
from kobza.library import LibraryError, Limits
from kobza.library.calibration import match_label
from kobza.library.search.copies import duplicate_groups
from kobza.library.search.explanations import explanation
from kobza.library.search.fusion import TagEvidence, tag_evidence
from kobza.library.search.query import QueryTerm
from kobza.library.search.words import query_words

TRACKS = {  # pitch: artist, title, genre
    300: ("Nina Simone", "Sinnerman", "Jazz"),
    420: ("Nina Simone", "Feeling Good", "Soul"),
    600: ("Doug Kaufman", "Rain", "Folk"),
    850: ("Doug Kaufman", "Live at Home", "Folk"),
    1200: ("Žižka", "Пісня", "Jazz"),
    1700: ("", "Untitled", ""),
    2400: ("Nina Hagen", "Naturträne", "Punk"),
}


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    from recordings import ToneEmbedder

    folder = tmp_path_factory.mktemp("tagged")
    for hertz, (artist, title, genre) in TRACKS.items():
        write(folder / "m" / f"{hertz}.flac", tone(hertz, 4), artist=artist, title=title, genre=genre)
    with MusicLibrary.open(folder / "library", ToneEmbedder()) as library:
        library.add(folder / "m")
        yield library


def titles(hits) -> list[str]:
    return [hit.track.title for hit in hits]


def test_names_are_found_and_are_strong_matches(tagged):
    for query, first in (
        ("Doug Kaufman", {"Rain", "Live at Home"}),
        ("feeling good", {"Feeling Good"}),
        ("zizka", {"Пісня"}),
        ("пісня", {"Пісня"}),
        ("naturtrane", {"Naturträne"}),
    ):
        hits = tagged.search(query, k=len(first))
        assert set(titles(hits)) == first, query
        assert {hit.match for hit in hits} == {"strong"}, query
    # Any text sounds like some tone to the embedder of these tests, so a misspelled name is looked for in tags alone.
    misspelled = tagged.search("doug kauffman", match="tags")
    assert set(titles(misspelled)) == {"Rain", "Live at Home"} and {hit.match for hit in misspelled} == {"strong"}
    assert titles(tagged.search("Doug Kaufman", match="sound")) != titles(tagged.search("Doug Kaufman"))


def test_a_name_and_a_description_together(tagged):
    assert titles(tagged.search("tone 420 by Nina Simone", k=2)) == ["Feeling Good", "Sinnerman"]
    assert titles(tagged.search("tone 300 by Nina Simone", k=2)) == ["Sinnerman", "Feeling Good"]
    assert titles(tagged.search("tone 1700", k=1)) == ["Untitled"]  # no tag says anything of it


def test_tags_alone_find_nothing_else(tagged):
    assert set(titles(tagged.search("jazz", match="tags"))) == {"Sinnerman", "Пісня"}
    assert tagged.search("hexachord", match="tags") == []
    assert titles(tagged.search("nina", match="tags", where="genre = punk")) == ["Naturträne"]


def test_an_excluded_word_is_no_evidence_and_pushes_down(tagged):
    assert titles(tagged.search("Doug Kaufman -live", k=1)) == ["Rain"]
    best = tagged.search("Nina -soul", k=2)
    assert "Feeling Good" not in titles(best)
    found = tagged.search("tone 600 -live")
    assert found[0].track.title == "Rain" and not any(word.word == "live" for hit in found for word in hit.words)


@pytest.mark.parametrize("by", ["track", "moment"])
@pytest.mark.parametrize("match", ["sound", "tags", "both"])
def test_one_scale(tagged, by, match):
    """What is shown is what is ranked by, with its word; a good match does not depend on how many are asked for."""
    order = ["strong", "fair", "weak", "none"]
    for query in ("tone 300", "nina simone", "jazz tone 1200", "tone 300 -(tone 2400)"):
        hits = tagged.search(query, k=9, by=by, match=match)
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True) == [hit.z_score for hit in hits]
        labels = [order.index(hit.match) for hit in hits]
        assert labels == sorted(labels) and [hit.match for hit in hits] == list(map(match_label, scores))
        for k in (1, 3):
            assert [(hit.track.path, hit.score) for hit in tagged.search(query, k, by=by, match=match)] == [
                (hit.track.path, hit.score) for hit in hits[:k]
            ]


def test_locate_is_on_the_scale_of_the_search(tagged):
    hit = tagged.search("tone 600", k=1, match="sound", by="moment")[0]
    assert tagged.locate(hit.track, "tone 600").moments[0].score == pytest.approx(hit.score, abs=0.01)


def test_a_hit_says_why(tagged):
    hit = tagged.search("tone 420 by nina simon", k=1)[0]
    assert [(word.word, word.field, word.term) for word in hit.words] == [
        ("420", "path", "420"), ("nina", "artist", "nina"), ("simon", "artist", "simone"),
    ]  # fmt: skip
    assert "simon (simone) in artist" in explanation(hit) and "; the sound is " in explanation(hit)
    assert hit.sound < hit.score
    other = tagged.search("tone 420", match="sound", k=1)[0]
    assert other.words == () and other.sound == other.score


def test_words_of_a_query():
    assert query_words([QueryTerm("music by The Žižka Band")]) == ["zizka", "band"]
    assert query_words([QueryTerm("The The")]) == ["the"]


def test_a_name_of_words_that_say_little_alone(library, tmp_path):
    """ "Song" and "it be" say nothing of the sound, but belong to names."""
    titles_of = (
        "2 of a kind",
        "Let me go",
        "Part 2",
        "Song 2",
        "The way up",
        "Let It Be",
        "My Way",
        "Who is it",
        "The Who",
    )
    for i, title in enumerate(titles_of):
        write(tmp_path / "m" / f"{i}.flac", tone(300 * 1.4**i, 3), title=title)
    library.add(tmp_path / "m")
    for name in ("Song 2", "let it be", "my way", "The Who"):
        for match in ("both", "tags"):
            first, second = library.search(name, k=2, match=match)
            assert first.track.title.lower() == name.lower() and first.score > second.score + 0.5
    first, second = library.search("a 2 of", k=2, match="tags")
    assert first.score == second.score  # no name has that


def test_comments_tell_of_the_music_and_are_no_names(library, tmp_path):
    """A description that stands in comments is decided by the sound as well, and an excluded word counts in them."""
    for hertz, comment in ((300, "a trio with drums"), (420, "drums and piano"), (2400, "drums and piano"), (1200, "")):
        write(tmp_path / "m" / f"{hertz}.flac", tone(hertz, 3), comment=comment)
    library.add(tmp_path / "m")

    def scores(query: str) -> dict[str, float]:
        return {hit.track.title: hit.score for hit in library.search(query)}

    with_drums, without_piano = scores("drums"), scores("drums -piano")
    assert without_piano["300"] > without_piano["420"] + 1 and with_drums["300"] - with_drums["420"] < 1
    named = tagged_evidence(library, "drums")
    assert set(named.coverage) == {0.5}  # no more than half a name


def tagged_evidence(library, query: str) -> TagEvidence:
    words = query_words([QueryTerm(query)])
    return tag_evidence(words, library.store.match_words(words), [], len(library))


def test_evidence_of_words(tagged):
    """A rare word says more than a common one; both words more than one; a word of the path of all music nothing."""

    def tags(query: str) -> dict[str, float]:
        evidence = tagged_evidence(tagged, query)
        paths = dict(tagged.store._query("SELECT id, title FROM tracks"))
        return {paths[i]: value for i, value in zip(evidence.track_ids, evidence.tags, strict=True)}

    assert tags("hagen")["Naturträne"] > tags("nina")["Naturträne"]
    assert tags("nina simone")["Sinnerman"] > tags("nina simone")["Naturträne"] > 0
    assert tags("flac") == {}


def test_invalid(tagged):
    with pytest.raises(LibraryError, match=r"match is 'words'.*sound, tags, both"):
        tagged.search("x", match="words")
    with pytest.raises(LibraryError, match="per_artist is 0"):
        tagged.search("tone 300", limits=Limits(per_artist=0))


@pytest.fixture
def copies(library, tmp_path):
    """A song as flac, its bytes again, and as ogg and mp3; another of the same length."""
    rng = np.random.default_rng(0)
    song = sum(tone(hertz, 12, 44100, 0.1) for hertz in rng.uniform(200, 3000, 5))
    write(tmp_path / "m" / "song.flac", song, 44100, title="Song", artist="Ann", album="First")
    shutil.copy(tmp_path / "m" / "song.flac", tmp_path / "m" / "again.flac")
    write(tmp_path / "m" / "song.ogg", song, 44100, title="Song", artist="Ann")
    write(tmp_path / "m" / "song.mp3", song, 44100, title="song (320)")
    write(tmp_path / "m" / "other.flac", tone(5000, 12, 44100), 44100, title="Other", artist="Ann", album="First")
    library.add(tmp_path / "m")
    return library


def test_copies_are_one_hit(copies, tmp_path):
    hits = copies.search("song")
    assert len(hits) == 2 and titles(hits)[1] == "Other" and hits[1].copies == ()
    assert {hits[0].track.path, *hits[0].copies} == {
        str(tmp_path / "m" / name) for name in ("song.flac", "again.flac", "song.ogg", "song.mp3")
    }
    assert titles(copies.similar(tmp_path / "m" / "song.ogg")) == ["Other"]
    (group,) = duplicate_groups(copies.store.scan())
    assert [track.path.rsplit("/", 1)[1] for track in group] == ["again.flac", "song.flac", "song.mp3", "song.ogg"]


def test_a_copy_that_is_there_answers_for_one_that_is_away(copies, tmp_path):
    """Of a recording on a disc that is not connected and on this one, the file that can be played is shown."""
    (hit,) = copies.search("song", k=1)
    gone = tmp_path / "away"
    gone.mkdir()
    for path in (hit.track.path, *hit.copies)[:3]:
        shutil.move(path, gone)
    (left,) = (path for path in (hit.track.path, *hit.copies) if Path(path).exists())
    (shown,) = copies.search("song", k=1)
    assert shown.track.path == left and shown.available
    assert sorted(shown.copies) == sorted({hit.track.path, *hit.copies} - {left})
    Path(left).unlink()
    (shown,) = copies.search("song", k=1)
    assert shown.track.path == hit.track.path and not shown.available and len(shown.copies) == 3


def test_a_playlist_has_each_recording_once(copies, tmp_path):
    write(tmp_path / "m" / "last.flac", tone(300, 12, 44100), 44100, title="Last")
    copies.add(tmp_path / "m")
    for smooth in ((), ("tempo",)):
        hits = copies.playlist(tmp_path / "m" / "other.flac", tmp_path / "m" / "last.flac", k=6, smooth=smooth)
        assert len(hits) == 3, titles(hits)
        hits = copies.playlist(tmp_path / "m" / "song.ogg", tmp_path / "m" / "other.flac", k=6, smooth=smooth)
        assert titles(hits) == ["Song", "Last", "Other"]
    ends = copies.playlist(tmp_path / "m" / "song.ogg", tmp_path / "m" / "song.flac", k=2)
    assert titles(ends) == ["Song", "Song"]  # whoever names two copies gets them


def test_at_most_so_many_of_an_artist_or_album(tagged):
    for limits, most in ((Limits(per_artist=1), 6), (Limits(per_album=1), 7)):
        hits = tagged.search("tone 300", limits=limits)
        assert len(hits) <= most
    artists = [hit.track.artist for hit in tagged.search("tone 300", limits=Limits(per_artist=1))]
    assert sorted(artists) == ["", "Doug Kaufman", "Nina Hagen", "Nina Simone", "Žižka"]


def test_seeds_by_name(tagged):
    assert tagged.similar("sinnerman", k=1) == tagged.similar("300.flac", k=1) == tagged.similar("m/300.flac", k=1)
    ends = tagged.playlist("feeling good", "Hagen", k=3)
    assert titles(ends)[0] == "Feeling Good" and titles(ends)[-1] == "Naturträne"
    with pytest.raises(LibraryError, match=r'"nina simone" may be any of these.*\n.*/300.flac\n.*/420.flac'):
        tagged.similar("nina simone")
    with pytest.raises(LibraryError, match="nobody"):
        tagged.similar("nobody")
