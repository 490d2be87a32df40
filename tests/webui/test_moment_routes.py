"""Where in a recording something is, as the page asks it."""

import json

import pytest
from hostile import HOSTILE
from requesting import ask, get

QUERY = "fast drum solo"


@pytest.fixture
def links(served) -> dict[str, str]:
    """{title: link}"""
    return {hit["track"]["title"]: hit["track"]["link"] for hit in ask(served, "search", q=QUERY, k=50)["hits"]}


def test_the_moments_of_a_track_are_those_of_locate(served, links, collection, music):
    found = ask(served, "moments", link=links[HOSTILE], q=QUERY)
    scores = collection.library.locate(music / "halves.flac", QUERY)
    assert found["starts"] == [0, 10] and found["end"] == 20
    assert found["scores"] == pytest.approx([moment.score for moment in scores.moments], abs=1e-3)
    best = scores.best(1)[0]
    assert found["best"][0] == {"start": 10, "end": 20, "score": round(best.score, 3), "match": best.match}
    assert str(music) not in json.dumps(found)


def test_the_curves_of_many_tracks_in_one_answer(served, links):
    found = ask(served, "curves", links=",".join([*links.values(), "gone"]), q=QUERY)
    assert set(found) == set(links.values())
    for link, curve in found.items():
        alone = ask(served, "moments", link=link, q=QUERY)
        assert curve == {name: alone[name] for name in ("starts", "scores", "end", "full")}


def test_curves_of_likeness(served, links):
    found = ask(served, "curves", links=",".join(links.values()), like=links["Sticks"])
    drums = found[links[HOSTILE]]["scores"]
    assert min(found[links["Sticks"]]["scores"]) > 0.8 and drums[1] > drums[0] + 0.2
    assert all(curve["full"] == 1 for curve in found.values())


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("moments?link=gone&q=drums", "no longer in the library"),
        ("moments?link={link}&q=%20", "description is empty"),
        ("moments?link={link}", "q"),
        (f"moments?link={{link}}&q={'a' * 401}", "q"),
        ("moments?link={link}&q=-drums", "only says what to exclude"),
        ("curves?links={link}", "give q, like or clip"),
        ("curves?links={link}&like=gone", "no longer in the library"),
        (f"curves?q=drums&links={','.join(map(str, range(51)))}", "50 or fewer"),
    ],
)
def test_what_cannot_be_answered_gets_a_sentence(served, links, query, sentence):
    answer = get(f"{served}api/{query.format(link=links['Sticks'])}")
    assert answer.status == 400 and sentence in answer.json["error"]
