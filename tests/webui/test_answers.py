"""What the page asks of a library: filters, pages of answers, what is said beside them."""

import json
import time
import urllib.parse

import pytest
from recordings import ToneEmbedder, tone, write
from requesting import get

from kobza import MusicLibrary
from kobza.webui.errors import english


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The address of the page of a library with 24 tracks in two folders, and where these are."""
    from kobza.webui.app import launch
    from kobza.webui.collection import Collection

    folder = tmp_path_factory.mktemp("answers")
    for i in range(12):
        tags = {"genre": "Jazz; Blues" if i % 2 else "jazz", "artist": f"Ann {i % 3}", "date": 1961 + 3 * i}
        write(folder / "music" / "Live" / f"{i}.flac", tone(200 * 1.2**i, 2 + i), title=f"Tone {i}", **tags)
        write(folder / "music" / "Live" / "Old" / f"{i}.flac", tone(220 * 1.2**i, 121 + i), title=f"Other {i}")
    with MusicLibrary.open(folder / "library", ToneEmbedder()) as library:
        library.add(folder / "music")
        page = launch(Collection(library))
        yield page.local_url, folder / "music"
        page.close()


def ask(place, path: str, status: int = 200, **values: object):
    address = f"{place[0]}api/{path}?{urllib.parse.urlencode(values)}"
    answer = get(address)
    if answer.status == 429:  # these tests ask faster than a visitor may
        time.sleep(int(answer.headers["Retry-After"]))
        answer = get(address)
    assert answer.status == status, answer.text
    assert str(place[1]) not in answer.text  # no path of the server is shown
    return json.loads(answer.body)


def names(answer) -> list[str]:
    return [hit["track"]["title"] for hit in answer["hits"]]


def test_the_filters_are_of_the_librarys_own_values(place):
    assert ask(place, "library")["fields"] == ["genre", "artist", "decade", "length", "folder"]
    assert ask(place, "values", field="genre") == [["jazz", 12], ["Blues", 6]]
    assert ask(place, "values", field="decade") == [["1960s", 3], ["1970s", 4], ["1980s", 3], ["1990s", 2]]
    assert ask(place, "values", field="length") == [["..2:00", 12], ["2:00..5:00", 12]]
    assert ask(place, "values", field="folder") == [["Live", 24], ["Live/Old", 12]]
    assert ask(place, "values", field="folder", like="OLD") == [["Live/Old", 12]]
    assert ask(place, "values", field="decade", where='genre in ("Blues")') != ask(place, "values", field="decade")
    assert "choose from genre" in ask(place, "values", 400, field="path")["error"]


def test_each_value_finds_as_many_as_it_says(place):
    for field, name in (("genre", "genre"), ("decade", "year"), ("length", "duration"), ("folder", "folder")):
        for value, count in ask(place, "values", field=field):
            quoted = f'"{value}"' if field in ("genre", "folder") else value
            found = ask(place, "search", where=f"{name} in ({quoted})", k=100)
            assert len(found["hits"]) == count and found["kind"] == "plain", value
    both = ask(place, "search", where='folder in ("Live/Old", Nowhere) and duration > 2:05', k=100)
    assert names(both) == [f"Other {i}" for i in (10, 11, 5, 6, 7, 8, 9)]
    assert len(names(ask(place, "search", where='folder != "Live/Old"', k=100))) == 12
    assert len(names(ask(place, "search", where="folder not in (Live)", k=100))) == 0


@pytest.mark.parametrize(
    "where", ["path under /", "not path = x", "Path under '/etc'", "p_ath under /", "pa th = x", "folder > a", "folder"]
)
def test_a_filter_cannot_ask_for_paths(place, where):
    assert "is invalid" in ask(place, "search", 400, q="tone 440", where=where)["error"]


@pytest.mark.parametrize("name", ["..", "../..", "/", "", "Live/../../.."])
def test_a_folder_is_one_of_the_librarys(place, name):
    found = names(ask(place, "search", q="tone 440", where=f'folder = "{name}"', k=100))
    assert len(found) in (0, 24)  # nothing, or what lies in Live


def test_pages_of_answers_make_the_whole(place):
    whole = names(ask(place, "search", q="tone 500", k=24))
    assert len(whole) == 24
    pages = [ask(place, "search", q="tone 500", k=7, offset=offset) for offset in (0, 7, 14, 21)]
    assert [name for page in pages for name in names(page)] == whole
    assert [page["more"] for page in pages] == [True, True, True, False]
    link = pages[0]["hits"][0]["track"]["link"]
    alike = ask(place, "similar", link=link, k=30)
    assert alike["tracks"][0]["title"] == whole[0] and whole[0] not in names(alike) and not alike["more"]
    unlike = ask(place, "similar", link=link, minus=alike["hits"][0]["track"]["link"], k=30)
    assert names(alike)[0] not in names(unlike) and unlike["minus"][0]["title"] == names(alike)[0]
    two = ",".join(hit["track"]["link"] for hit in pages[0]["hits"][:2])
    both = ask(place, "similar", link=two, k=30)
    assert [track["title"] for track in both["tracks"]] == whole[:2] and not set(whole[:2]) & set(names(both))


def test_so_many_of_an_artist_or_an_album(place):
    some = {"q": "tone 500", "where": 'artist in ("Ann 0", "Ann 1")', "k": 30}
    assert len(names(ask(place, "search", **some))) == 8
    assert len(names(ask(place, "search", **some, per_artist=1))) == 2
    link = ask(place, "search", **some)["hits"][0]["track"]["link"]
    alike = ask(place, "similar", link=link, where=some["where"], k=30, per_artist=2, by="moment")
    assert len(names(alike)) == 4
    assert "per_artist" in ask(place, "search", 400, **some, per_artist=0)["error"]


def test_what_is_said_beside_the_answers(place):
    answer = ask(place, "search", q="440 organ without drums", where="genre = blus or genre = jazz")
    codes = [note["code"] for note in answer["notes"]]
    assert codes[0] == "unknown_value" and '"Blues"' in answer["notes"][0]["text"]
    assert [(term["text"], term["weight"]) for term in answer["terms"]] == [("440 organ", 1), ("drums", -1)]
    terms = ask(place, "search", q='piano^2 -"string quartet" 440')["terms"]
    assert {(term["text"], term["weight"]) for term in terms} == {("440", 1), ("piano", 2), ("string quartet", -1)}
    assert ask(place, "similar", link=answer["hits"][0]["track"]["link"], but="tone 900 -drums")["terms"][1] == {
        "text": "drums",
        "weight": -1.0,
    }


@pytest.mark.parametrize("values", [{"k": 0}, {"k": 10**6}, {"offset": -1}, {"by": "x"}, {"q": "x" * 401}, {"q": ""}])
def test_bad_requests_get_a_sentence(place, values):
    assert ask(place, "search", 400, **{"q": "piano"} | values)["error"].endswith(".")


@pytest.mark.parametrize(
    ("path", "values", "code"),
    [
        ("search", {"q": " "}, "query_empty"),
        ("search", {"q": "piano^0"}, "query_weight"),
        ("search", {"q": 'piano -"drums'}, "query_open"),
        ("search", {"q": "-drums"}, "query_excludes_only"),
        ("search", {"q": "piano", "where": "genre"}, "filter_incomplete"),
        ("search", {"q": "piano", "where": "genre = jazz year > 1"}, "filter_invalid"),
        ("search", {"q": "piano", "k": 0}, "value_invalid"),
        ("similar", {"link": "none"}, "track_gone"),
        ("similar", {"clip": "none"}, "clip_gone"),
        ("curves", {"links": "," * 60, "q": "piano"}, "links_many"),
    ],
)
def test_errors_have_codes_and_the_values_of_their_sentences(place, path, values, code):
    answer = ask(place, path, 400, **values)
    assert answer["code"] == code and english(code, answer["values"])
