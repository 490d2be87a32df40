"""The map, as the page asks for it."""

import json

import numpy as np
import pytest
from hostile import HOSTILE
from requesting import ask, get


@pytest.fixture(scope="module")
def about(served, collection):
    ask(served, "map")
    collection.map_keeper.wait()
    return ask(served, "map")


@pytest.fixture(scope="module")
def points(served, about) -> dict[str, tuple[int, float, float]]:
    """{title: (number, x, y)}"""
    n = about["tracks"]
    answer = get(f"{served}api/map/points?version={about['version']}")
    assert len(answer.body) == n * (8 + 12 + 2) and "immutable" in answer.headers["Cache-Control"]
    positions = np.frombuffer(answer.body, "<f4", 2 * n).reshape(n, 2).tolist()
    links = [answer.body[8 * n + 12 * i : 8 * n + 12 * (i + 1)].hex() for i in range(n)]
    titles = [hit["track"]["title"] for hit in ask(served, "map/tracks", links=",".join(links))["hits"]]
    return {title: (i, *place) for i, (title, place) in enumerate(zip(titles, positions, strict=True))}


def test_the_map_has_every_track_and_its_colours(about, points, music):
    assert about["tracks"] == 5 and not about["is_old"] and about["error"] == ""
    assert set(points) == {HOSTILE, "Sticks", "Stone and Light", "Swallows", "Red Engine"}
    assert all(0 <= x <= 1 and 0 <= y <= 1 for _, x, y in points.values())
    genre, sound = about["colourings"]
    assert (genre["by"], genre["names"][0], sum(genre["counts"])) == ("genre", "Rock", 5)
    assert sound["by"] == "sound" and sum(sound["counts"]) == 5 and about["best"] == "genre"
    assert str(music) not in json.dumps(about)


def test_a_track_begins_at_its_most_typical_moment(served, points, collection):
    hits = [hit for hit in collection.search("fast drum solo").hits if hit.track.title == "Sticks"]
    (found,) = ask(served, "map/tracks", links=collection.link(hits[0].track))["hits"]
    assert found["track"]["title"] == "Sticks" and found["moment"] in range(0, int(found["track"]["duration"]), 10)


def test_a_search_lights_up_what_it_finds(served, about, points):
    found = ask(served, "map/matches", q="fast drum solo", version=about["version"])
    strengths = dict(zip(found["points"], found["strengths"], strict=True))
    assert max(strengths, key=strengths.get) == points["Sticks"][0] and not found["is_poor"]
    assert all(0 < one <= 1 for one in strengths.values()) and found["passing"] is None


def test_a_track_with_several_moments_lights_up_once(served, about, points):
    found = ask(served, "map/matches", q="fast drum solo", by="moment", version=about["version"])
    assert len(found["strengths"]) == len(found["points"]) == len(set(found["points"]))
    assert found["points"][0] == points["Sticks"][0] and found["strengths"] == sorted(found["strengths"], reverse=True)


def test_a_filter_says_what_passes(served, about, points):
    found = ask(served, "map/matches", where="genre = rock", version=about["version"])
    assert sorted(found["passing"]) == sorted(points[title][0] for title in ("Sticks", "Red Engine"))
    assert found["points"] == []


def test_an_area_of_the_map_is_a_filter_for_every_search(served, points):
    _, x, y = points["Swallows"]
    around = [(x + dx, y + dy) for dx, dy in ((-0.01, -0.01), (0.01, -0.01), (0.01, 0.01), (-0.01, 0.01))]
    area = " ".join(f"{left:.3f},{top:.3f}" for left, top in around)
    for where in (f'area = "{area}"', f'genre in (Classical) and area in ("{area}")'):
        hits = ask(served, "search", q="fast drum solo", where=where)["hits"]
        assert [hit["track"]["title"] for hit in hits] == ["Swallows"]
    assert len(ask(served, "search", q="drums", where=f'area != "{area}"')["hits"]) == 4
    assert ask(served, "search", q="drums", where='area = "5,5 6,5 6,6"')["hits"] == []


def test_a_path_leads_from_one_track_to_another(served, collection):
    tracks = {hit.track.title: hit.track for hit in collection.search("music").hits}
    start, end = (collection.link(tracks[title]) for title in ("Sticks", "Stone and Light"))
    hits = ask(served, "map/path", start=start, end=end, k=4)["hits"]
    found = [hit["track"]["title"] for hit in hits]
    assert len(set(found)) == 4 and (found[0], found[-1]) == ("Sticks", "Stone and Light")


@pytest.mark.parametrize(
    "query, status, sentence",
    [
        ("map/points?version=x", 409, "The map has changed"),
        ("map/matches?q=drums&version=x", 409, "The map has changed"),
        (f"map/tracks?links={','.join(map(str, range(51)))}", 400, "50 or fewer"),
        ("map/path?start=x&end=y", 400, "no longer in the library"),
        ("search?q=drums&where=area%20%3D%20%221,2%203%22", 400, "three corners"),
        ("search?q=drums&where=area%20%3D%20%220,0%20nan,1%201,1%22", 400, "three corners"),
    ],
)
def test_what_cannot_be_answered_gets_a_sentence(served, about, query, status, sentence):
    answer = get(f"{served}api/{query}")
    assert answer.status == status and sentence in answer.json["error"]
