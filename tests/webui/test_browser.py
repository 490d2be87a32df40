"""Searching on the page as a person does it, on a desktop and on a phone."""

import re

import pytest
from browsing import PHONE, ask, focused, open_tab, settled, titles, until, until_rows, width
from hostile import HOSTILE

UKRAINIAN = {"locale": "uk-UA"}


def matches(page) -> list[str]:
    return page.locator(".kz-row:visible .kz-match").all_inner_texts()


def choose(page, chip: str, value: str) -> None:
    """Tick a value of a filter, and close the list."""
    page.get_by_role("button", name=chip).click()
    with page.expect_response(lambda response: "/api/search" in response.url):
        page.get_by_label(value).check()
    settled(page)
    page.keyboard.press("Escape")


def test_search_ranks_and_says_how_well_each_fits(visit):
    page = visit()
    ask(page, "fast drum solo")
    assert page.locator(".kz-heading").count() == 0  # the example's answer has gone
    found = titles(page)
    assert len(found) == 5 and found[0] == "Sticks"
    assert page.locator(".kz-row .kz-rank").all_inner_texts() == ["1", "2", "3", "4", "5"]
    bars = page.locator(".kz-bar i").evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert bars == sorted(bars, reverse=True) and bars[0] > 40
    order = ["strong match", "fair match", "weak match", "no match"]
    assert matches(page)[0] == "strong match" and matches(page) == sorted(matches(page), key=order.index)
    page.get_by_role("button", name="church organ").click()
    until(page, "document.querySelector('.kz-title').textContent === 'Stone and Light'")
    assert page.input_value("#query") == "church organ"


def test_it_says_when_nothing_fits_and_why_something_does(visit):
    page = visit()
    ask(page, "an invoice for the repair of a dishwasher")
    page.wait_for_selector("text=Nothing here fits well")
    assert set(matches(page)) <= {"weak match", "no match"}
    ask(page, "sacred swallows")
    why = page.locator(".kz-row", has_text="Swallows").locator(".kz-why").inner_text()
    assert re.match(r"swallows in title · sound alone: (strong|fair|weak|no) match", why)
    assert "sacred in genre" in page.locator(".kz-row", has_text="Stone and Light").locator(".kz-why").inner_text()


def test_titles_are_text_whatever_is_in_them(visit):
    page = visit()
    ask(page, HOSTILE)
    assert HOSTILE in titles(page)
    assert "<b>Mallory</b>" in page.locator(".kz-artist").all_inner_texts()
    page.locator(".kz-row", has_text="alert(1)").get_by_role("button", name="More like this").click()
    until(page, "document.title.startsWith('Sounds like <script>')")
    assert page.locator(".kz-heading:visible").inner_text() == f"Sounds like {HOSTILE}"
    page.get_by_role("button", name="Genre").locator("visible=true").click()
    page.get_by_label("<i>Noise</i>").wait_for()
    assert page.locator("main :is(script, img, b)").count() == 0


def test_filters_are_made_of_what_the_library_has(visit):
    page = visit()
    ask(page, "fast drum solo")
    page.get_by_role("button", name="Genre").click()
    page.wait_for_selector(".kz-value >> nth=3")
    rows = page.locator(".kz-value:visible")
    assert rows.all_inner_texts() == ["Rock\n2", "<i>Noise</i>\n1", "Classical\n1", "Sacred\n1"]
    page.keyboard.press("Escape")
    assert focused(page) == "Genre"
    choose(page, "Genre", "Rock")
    assert len(titles(page)) == 2 and titles(page)[0] == "Sticks"
    choose(page, "Genre", "Sacred")
    assert sorted(titles(page))[-1] == "Stone and Light" and len(titles(page)) == 3
    choose(page, "Length", "under 2 min")
    assert len(titles(page)) == 3
    page.reload()
    page.wait_for_selector(".kz-row")
    assert len(titles(page)) == 3 and page.get_by_role("button", name="Genre: Rock, Sacred").count() == 1
    page.get_by_role("button", name="Clear filters").click()
    until_rows(page, 5)
    assert "where" not in page.url and focused(page)
    assert page.get_by_role("button", name="Folder").count() == 0  # all lies in one folder


def test_filters_alone_list_what_passes(visit):
    page = visit(path='?where=genre%20in%20("Rock")')
    page.wait_for_selector(".kz-row")
    assert len(titles(page)) == 2 and matches(page) == [] and page.locator(".kz-bar:visible").count() == 0
    page = visit(path="?q=drums&where=year%20%3E%202000%20or%20genre%20%3D%20blus")
    page.wait_for_selector("text=No track has the genre")
    page.get_by_role("button", name="Remove the filter year > 2000 or genre = blus").click()
    until(page, "!document.querySelector('.kz-notice')")
    assert "where" not in page.url and len(titles(page)) == 5


def test_a_search_by_moment_begins_there(visit):
    page = visit()
    ask(page, "fast drum solo")
    with page.expect_response(lambda response: "by=moment" in response.url):
        page.get_by_label("Rank").select_option("moment")
    settled(page)
    assert page.locator(".kz-row", has_text="alert(1)").locator(".kz-time").inner_text() == "0:10"
    with page.expect_response(lambda response: "match=tags" in response.url):
        page.get_by_label("Look in").select_option("tags")
    settled(page)
    assert titles(page) == ["Sticks", "Swallows"]  # their files are "drum solo" and "flute solo"
    ask(page, "melancholy")
    page.wait_for_selector("text=No tag or file name has a word")
    assert "by=moment" in page.url and "match=tags" in page.url


def test_the_query_language_is_taught_where_one_types(visit):
    page = visit()
    page.fill("#query", "organ")
    page.get_by_role("button", name="-drums").click()
    assert focused(page) == "organ -drums"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Understood as: organ · without drums")
    assert titles(page)[0] == "Stone and Light"
    ask(page, "organ^2 flute")
    assert page.locator(".kz-terms").inner_text() == "Understood as: flute · organ ×2"
    ask(page, "flute but no organ")
    page.wait_for_selector("text=Understood as: flute · without organ")
    ask(page, "acoustic gutar")
    page.wait_for_selector("text=instead of")


def test_more_like_this_but_otherwise_and_back(visit):
    page = visit()
    ask(page, "fast drum solo")
    page.locator(".kz-row", has_text="Sticks").get_by_role("button", name="More like Sticks, but").click()
    page.wait_for_selector("text=Sounds like Sticks")
    until(page, "document.title === 'Sounds like Sticks – Kobza'")
    before = titles(page)
    assert len(before) == 4 and "Sticks" not in before
    assert page.evaluate("document.activeElement.id") == "but"
    page.keyboard.type("church organ")
    with page.expect_response(lambda response: "but=church" in response.url):
        page.keyboard.press("Enter")
    settled(page)
    assert titles(page).index("Stone and Light") < before.index("Stone and Light")
    page.go_back()
    page.go_back()
    page.wait_for_selector(".kz-row:visible >> text=Sticks")
    assert page.input_value("#query") == "fast drum solo" and focused(page) == "but …"
    page.locator(".kz-row:visible").first.get_by_role("button", name="More like this: Sticks").click()
    page.wait_for_selector("text=Sounds like Sticks")
    assert focused(page) == "Sounds like Sticks"


def test_a_track_is_refused_as_an_example(visit):
    page = visit()
    ask(page, "fast drum solo")
    page.locator(".kz-row").first.get_by_role("button", name="More like this").click()
    until(page, "document.title.startsWith('Sounds like Sticks')")
    refused = titles(page)[0]
    page.locator(".kz-row:visible").first.get_by_role("button", name=f"Less like this: {refused}").click()
    until(page, "[...document.querySelectorAll('.kz-row')].filter(row => row.checkVisibility()).length === 3")
    assert refused not in titles(page) and focused(page) == "Sounds like Sticks"
    page.reload()
    page.get_by_role("button", name=f"Remove the filter not like {refused}").click()
    until(page, "[...document.querySelectorAll('.kz-row')].filter(row => row.checkVisibility()).length === 4")
    assert "minus" not in page.url and refused in titles(page)


def test_so_many_of_an_artist(visit):
    page = visit()
    ask(page, "fast drum solo")
    page.get_by_label("How many of one artist").select_option("1 per artist")
    until_rows(page, 2)
    assert sorted(page.locator(".kz-row .kz-artist").all_inner_texts()) == ["<b>Mallory</b>", "Kobza"]
    page.goto(page.url.replace("per_artist=1", "per_artist=4&per_album=4"))
    until_rows(page, 5)
    chosen = "document.querySelector('[aria-label^=\"How many\"]').selectedOptions[0].text"
    assert page.evaluate(chosen) == "4 per artist, 4 per album"
    page.get_by_label("How many of one artist").select_option("any number per artist")
    until(page, "!location.search.includes('per_')")


def test_the_address_brings_all_of_it_back(visit):
    page = visit()
    ask(page, "church organ")
    ask(page, "fast drum solo")
    assert page.title() == "fast drum solo – Kobza"
    page.go_back()
    until(page, "document.querySelector('.kz-title').textContent === 'Stone and Light'")
    assert page.input_value("#query") == "church organ" and page.title() == "church organ – Kobza"
    page.go_forward()
    until(page, "document.querySelector('.kz-title').textContent === 'Sticks'")
    page.locator(".kz-row").first.get_by_role("button", name="More like this").click()
    until(page, "document.title === 'Sounds like Sticks – Kobza'")
    found = titles(page)
    other = visit(path="?" + page.url.partition("?")[2])
    until(other, "document.title === 'Sounds like Sticks – Kobza'")
    assert titles(other) == found
    open_tab(other, "Search")
    other.wait_for_selector("#query:visible")
    assert other.input_value("#query") == "fast drum solo"
    lost = visit(path="?tab=listen&like=0123456789abcdef01234567", may_complain=True)
    lost.wait_for_selector("text=no longer in the library")


def test_tabs_and_answers_without_a_mouse(visit):
    page = visit()
    page.wait_for_selector(".kz-row")
    assert page.evaluate("document.activeElement.id") == "query"  # one can type at once
    page.get_by_role("tab", name="Search").focus()
    names = page.get_by_role("tab").all_inner_texts()
    for key, at in (("ArrowRight", 1), ("End", -1), ("ArrowRight", 0), ("ArrowLeft", -1), ("Home", 0)):
        page.keyboard.press(key)
        assert focused(page) == names[at]
        assert page.locator("[role=tab][aria-selected=true]").all_inner_texts() == [names[at]]
    page.fill("#query", "church organ")
    page.keyboard.press("Enter")
    until(page, "/^5 answers; the first: Stone/.test(document.querySelector('#announcements').textContent)")


@pytest.mark.parametrize("language", [{}, UKRAINIAN], ids=["english", "ukrainian"])
def test_a_phone_shows_an_answer_at_once_and_all_of_it(visit, language):
    page = visit(PHONE, has_touch=True, is_mobile=True, **language)
    page.wait_for_selector(".kz-row")
    ask(page, "slow sad piano")
    first = page.locator(".kz-row").first.bounding_box()
    assert first["y"] + first["height"] < PHONE["height"] - 80  # above the fold, and the player below it
    for at, tab in enumerate(page.get_by_role("tab").all()):
        box = tab.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"], tab.inner_text()
        tab.click()
        assert width(page) <= PHONE["width"], at
    page.get_by_role("tab").first.click()
    sides = page.locator(".kz-row:visible *:visible").evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().left, one.getBoundingClientRect().right])"
    )
    assert all(left >= 0 and right <= PHONE["width"] for left, right in sides)
    page.locator(".kz-chip:has(.kz-icon)").first.click()
    page.wait_for_selector(".kz-value")
    box = page.locator(".kz-popover:visible").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] and width(page) <= PHONE["width"]


def test_the_page_speaks_the_browsers_language(visit):
    page = visit(**UKRAINIAN)
    ask(page, "fast drum solo")
    assert page.get_by_role("button", name="Шукати").count() == 1 and "5 записів" in page.inner_text(".kz-held")
    assert matches(page)[0] == "дуже влучно" and page.get_attribute("html", "lang") == "uk"
    english = visit(locale="de-DE")
    english.wait_for_selector(".kz-row")
    assert english.get_by_role("button", name="Search", exact=True).count() == 1


def test_nothing_is_a_dead_end(visit):
    page = visit(may_complain=True)
    page.fill("#query", "   ")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The description is empty")
    page.fill("#query", "piano^0")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The weight in “piano^0” must be above 0")
    page.route("**/api/search**", lambda route: route.abort())
    page.get_by_role("button", name="church organ").click()
    page.wait_for_selector("text=The server does not answer")
    page.unroute("**/api/search**")
    page.goto(page.url.partition("?")[0] + "?where=mood%20%3D%20sad")
    page.wait_for_selector("text=is invalid at")


def test_the_page_is_light_and_answers_at_once(visit):
    page = visit()
    page.wait_for_load_state("networkidle")
    sent = page.evaluate("performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0)")
    assert sent < 400_000
    assert not page.evaluate("performance.getEntriesByType('resource').some(one => one.name.includes('/track/'))")
    assert re.search("^5 tracks", page.locator(".kz-held").inner_text())
