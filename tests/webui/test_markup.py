"""What is written from titles, tags, labels and sentences is text, whatever is in them."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hostile import HOSTILE

from kobza.library import Hit, Totals, Track
from kobza.webui import markup
from kobza.webui.map_layout import HUES, Point, label_sides, points_of, project_to_plane, render_map

BAD = Track("/m/x.flac", HOSTILE, HOSTILE, HOSTILE, f"{HOSTILE}, Jazz", 1999, 200.0)


class _Reader(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.elements, self.attributes, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    "page",
    [
        markup.hits([Hit(0.4, BAD, 70.0)], lambda track: "abc", markup.heading("Sounds like", HOSTILE)),
        markup.chosen(BAD, 10.0, lambda track: "abc"),
        markup.scores([(HOSTILE, 0.3)]),
        markup.notice(HOSTILE),
        render_map([Point(BAD, 0.0, 0.5, 0.5)], 1, lambda track: "abc"),
    ],
    ids=["hits", "chosen", "scores", "notice", "map"],
)
def test_hostile_text_stays_text(page):
    read = _Reader(page)
    assert not {"script", "img", "b"} & set(read.elements)
    assert not any(name.startswith("on") for name, _ in read.attributes)
    assert HOSTILE in read.text or HOSTILE in dict(read.attributes).get("aria-label", "")


def test_a_part_of_a_file_is_played_from_its_start():
    track = Track("/m/album.flac#3", "Third", duration=100.0, start=200.0, end=300.0)
    page = markup.hits([Hit(0.6, track, 20.0)], lambda t: "x")
    assert 'data-moment="20.00" data-duration="100.00" data-start="200.00"' in page and "0:20" in page
    assert "data-start" not in markup.hits([Hit(0.6, BAD, 20.0)], lambda t: "x")


def test_rows_are_ranked_and_say_all():
    track = Track("/m/y.mp3", "Night Bus", "The Trams", "", "Jazz; Blues", 1962, 150.0)
    page = markup.hits([Hit(0.61, track, 75.3), Hit(-0.2, BAD, 0.0)], lambda t: t.path[3])
    text = " ".join(_Reader(page).text.split())
    for part in ("1", "Night Bus", "The Trams", "Jazz", "Blues", "1962", "1:15", "2:30", "0.61", "2", "-0.20"):
        assert part in text
    assert 'data-track="y" data-moment="75.30"' in page
    assert re.findall(r'kz-bar"><i style="width:(\d+)%', page) == ["100", "0"]
    assert "/m/" not in page


def test_poor_scores_do_not_look_good():
    assert "width:20%" in markup.hits([Hit(0.1, BAD, 0.0)], lambda t: "x")
    assert "-0.00" not in markup.scores([("drums", -0.001)])


@pytest.mark.parametrize(
    "totals, text", [(Totals(1, 1, 30.0), "1 track · 1 min"), (Totals(12345, 9, 9e6), "12,345 tracks · 2500.0 hours")]
)
def test_header_counts(totals, text):
    assert text in markup.header(totals, False)


def test_the_plane_keeps_what_is_alike_together():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 16)
    vectors = np.concatenate([centre + 0.05 * rng.standard_normal((20, 16)) for centre in centres])
    places = np.array(project_to_plane(vectors))
    assert places.min() >= 0 and places.max() <= 1
    groups = places.reshape(3, 20, 2)
    within = max(np.linalg.norm(g - g.mean(0), axis=1).max() for g in groups)
    between = min(np.linalg.norm(groups[i].mean(0) - groups[j].mean(0)) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert between > 2 * within
    assert project_to_plane(vectors) == project_to_plane(vectors.copy())


@pytest.mark.parametrize("vectors", [np.ones((1, 8)), np.ones((3, 8)), np.eye(2, 8)])
def test_the_plane_of_next_to_nothing(vectors):
    places = np.array(project_to_plane(vectors))
    assert places.shape == (len(vectors), 2) and np.isfinite(places).all()


def test_points_start_at_the_most_typical_window():
    vectors = np.array([[0.0, 1.0], [1.0, 0.1], [1.0, -0.1]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    (point,) = points_of([(BAD, None, [0.0, 10.0, 20.0], vectors)])
    assert point.moment == 10.0
    assert points_of([]) == []


def test_names_on_the_map_do_not_meet():
    crowd = [(0.5 + 0.001 * i, 0.5, 20) for i in range(12)]
    sides = label_sides([*crowd, (0.99, 0.1, 15), (0.0, 0.9, 15)])
    assert 1 <= sum(side != "hidden" for side in sides[:12]) <= 4
    assert sides[12] == "left" and sides[13] == "right"


def test_the_map_colours_by_genre_and_by_artist_without_one():
    points = [Point(Track(str(i), str(i), f"artist {i % 2}", "", f"genre {i}"), 0.0, 0.1, 0.1) for i in range(14)]
    page = render_map(points, 40, lambda t: t.path)
    assert page.count('class="kz-kind') == HUES + 1 and ">other<" in page
    assert "14 of the 40 tracks are drawn" in page
    plain = [Point(Track(p.track.path, "t", p.track.artist), 0.0, 0.1, 0.1) for p in points]
    page = render_map(plain, 14, lambda t: t.path)
    assert page.count('class="kz-kind') == 2 and "artist 1" in page and "drawn" not in page
