"""A library of many tracks on the page: scrolling, copies, titles that repeat, and music that comes while one looks."""

import pytest
from browsing import DESKTOP, PHONE, Visits, ask, open_tab, settled, titles, until, until_rows
from recordings import ToneEmbedder, tone, write

from kobza import MusicLibrary

LONG = "A title that goes on and on, for the anniversary concert of a brass band by the sea " * 3
HEBREW = "שלום עולם"


@pytest.fixture
def place(tmp_path):
    """A library that is served, and open for writing: (library, its folder of music, the address of the page)."""
    from kobza.webui.app import launch
    from kobza.webui.collection import Collection

    with (
        MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library,
        MusicLibrary.open(tmp_path / "library", ToneEmbedder(), read_only=True) as shown,
    ):
        page = launch(Collection(shown))
        yield library, tmp_path / "music", page.local_url
        page.close()


@pytest.fixture
def visit_many(browser, place):
    """Opens the page of a library with 34 tracks."""
    library, music, address = place
    for i in range(30):
        write(music / f"{i:02d}.flac", tone(200 * 1.1**i, 3 + 2 * i), title=f"Tone {i}", artist="Sine", date=1950 + i)
    write(music / "Live" / "again.flac", tone(200, 3), title="Tone 0", artist="Sine", date=1950)  # a copy of 00.flac
    write(music / "Live" / "other.flac", tone(5000, 70), title="Tone 1", artist="Sine", album="Noon", date=1999)
    write(music / "Live" / "Old" / "long.flac", tone(6000, 71), title=LONG, artist="Brass")
    write(music / "Live" / "Old" / "hebrew.flac", tone(6500, 72), title=HEBREW, artist="Ann")
    library.add(music)
    visits = Visits(browser)
    yield lambda viewport=DESKTOP, path="": visits(address + path, viewport)
    visits.close()


def scroll_to_the_end(page) -> None:
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")


def test_more_answers_come_on_scrolling(visit_many):
    page = visit_many()
    ask(page, "tone 300")
    assert len(titles(page)) == 10
    for expected in (20, 30, 33):
        scroll_to_the_end(page)
        until_rows(page, expected)
    assert page.locator(".kz-rank").all_inner_texts() == [str(i) for i in range(1, 34)]
    assert page.locator(".kz-next").count() == 0
    ask(page, "tone 900")  # a new search begins anew
    assert len(titles(page)) == 10


def test_copies_are_one_and_equal_titles_say_where_they_are_from(visit_many):
    page = visit_many(path="?match=sound")
    ask(page, "tone 200")
    copy = page.locator(".kz-row", has_text="+1 copy")
    assert copy.locator(".kz-title").inner_text() == "Tone 0"
    assert {copy.get_by_text("+1 copy").get_attribute("title")} <= {"Live/again.flac", "00.flac"}
    page.get_by_role("button", name="Folder").click()
    page.locator(".kz-value-name").get_by_text("Live", exact=True).click()
    until(page, "document.querySelectorAll('.kz-row').length < 6")
    page.get_by_label("Live/Old").check()
    settled(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear filters").click()
    ask(page, "tone 5000")
    assert titles(page)[0] == "Tone 1" and page.locator(".kz-from").count() == 0
    for expected in (20, 30, 33):  # the other one comes late
        scroll_to_the_end(page)
        until_rows(page, expected)
    assert page.locator(".kz-from").all_inner_texts() == ["Noon · Live"] and titles(page).count("Tone 1") == 2


def test_long_titles_end_and_others_begin_at_the_right(visit_many):
    for viewport in ({"width": 1280, "height": 900}, PHONE):
        page = visit_many(viewport, "?match=sound")
        ask(page, "tone 6000")
        title = page.locator(".kz-title", has_text="goes on and on")
        box, row = title.bounding_box(), page.locator(".kz-row", has=title).bounding_box()
        assert box["x"] + box["width"] <= row["x"] + row["width"] and box["height"] < 60
        assert title.get_attribute("title") == LONG.strip()
        assert page.evaluate(
            "title => title.scrollWidth > title.clientWidth || title.scrollHeight > title.clientHeight",
            title.element_handle(),
        )
    assert page.locator(".kz-title", has_text=HEBREW).evaluate("title => getComputedStyle(title).direction") == "rtl"


def test_a_list_of_many_values_can_be_searched(visit_many):
    page = visit_many()
    ask(page, "tone 300")
    page.get_by_role("button", name="Decade").click()
    page.wait_for_selector(".kz-value")
    assert page.locator(".kz-value:visible").all_inner_texts() == ["1950s\n11", "1960s\n10", "1970s\n10", "1990s\n1"]
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Artist").click()
    page.wait_for_selector(".kz-value:visible >> text=Brass")
    page.get_by_label("Ann").check()
    until_rows(page, 1)
    assert titles(page) == [HEBREW]


def test_new_music_appears_without_a_restart(browser, place):
    library, music, address = place
    visits = Visits(browser)
    page = visits(address)
    page.wait_for_selector("text=The library is empty")
    assert page.inner_text(".kz-held") == "0 tracks"
    open_tab(page, "Map")
    page.wait_for_selector(".kz-notice:visible >> text=The library is empty")
    assert not page.locator(".kz-map").is_visible()
    open_tab(page, "Search")
    library.add(write(music / "a.flac", tone(440, 3), title="First"))
    look_again(page)
    page.wait_for_selector(".kz-row")
    assert titles(page) == ["First"] and "1 track ·" in page.inner_text(".kz-held")
    assert "The library is empty" not in page.inner_text("main")
    ask(page, "tone 440")
    library.add(write(music / "b.flac", tone(500, 3), title="Second"))
    look_again(page)
    page.wait_for_selector("text=The library has changed: it has 2 tracks now.")
    assert titles(page) == ["First"]  # nothing moves under one's eyes
    page.get_by_role("button", name="Search again").click()
    until_rows(page, 2)
    visits.close()


def look_again(page) -> None:
    """As somebody who comes back to the window."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.parametrize(
    "text",
    [
        "",
        'genre in ("Jazz", "Acid \\"Jazz\\"") and year in (1980s, 1990s) and duration in (..2:00)',
        'folder in ("Live (1999)/A, B")',
        '(year > 1980 or genre = jazz) and artist in ("Ann and Bob")',
        "bpm > 120",
        'year > 1980 and genre in ("Jazz")',
    ],
)
def test_a_filter_becomes_chips_and_back(browser, place, text):
    page = browser.new_page()
    page.goto(place[2])
    there_and_back = (
        "async text => { const w = await import('./static/where.js'); return w.formatWhere(w.parseWhere(text)); }"
    )
    assert page.evaluate(there_and_back, text) == text
    page.close()
