"""The Space in a real browser: Debian's Chromium, without a window, by playwright."""

import re
import shutil
from urllib.parse import urlsplit

import pytest
from hostile import HOSTILE

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[test]' brings playwright")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("there is no chromium; install it with: apt-get install chromium", allow_module_level=True)

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),  # a microphone that hears beeps
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
WAIT = 60_000  # ms, for a condition: a shared machine may be slow
BEST = ".kz-row:visible >> nth=0"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, served):
    """Opens the page; at the end nothing was asked from elsewhere, nothing went wrong unseen, no dialog came up."""
    contexts, troubles = [], []

    def open_page(viewport=DESKTOP, may_complain=False):
        context = browser.new_context(viewport=viewport)
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: _is_here(request.url, served) or troubles.append(f"asked {request.url}"))
        if not may_complain:
            page.on("console", lambda m: m.type == "error" and troubles.append(f"console: {m.text}"))
        page.goto(served)
        page.wait_for_selector(".kz-held:not(:empty)")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles


def _is_here(url: str, served: str) -> bool:
    return urlsplit(url).scheme in ("blob", "data") or urlsplit(url).netloc == urlsplit(served).netloc


def ask(page, text: str) -> None:
    page.get_by_role("searchbox").fill(text)
    page.keyboard.press("Enter")


def test_search_ranks(visit):
    page = visit()
    ask(page, "fast drum solo")
    page.wait_for_selector(".kz-row")
    titles = page.locator(".kz-row .kz-title").all_inner_texts()
    assert len(titles) == 5 and titles[0] == "Sticks"


def test_titles_are_text_whatever_is_in_them(visit):
    page = visit()
    ask(page, HOSTILE)
    page.wait_for_selector(".kz-row")
    assert HOSTILE in page.locator(".kz-title").all_inner_texts()
    assert "<b>Mallory</b>" in page.locator(".kz-artist").all_inner_texts()
    assert page.locator(".kz-row script, .kz-row img, .kz-row b").count() == 0


def test_nothing_is_a_dead_end(visit):
    page = visit(may_complain=True)
    ask(page, "   ")
    page.wait_for_selector("text=The description is empty")


def test_a_phone_shows_all_of_it(visit):
    page = visit(PHONE)
    ask(page, "slow sad piano")
    page.wait_for_selector(".kz-row")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_page_is_light_and_answers_at_once(visit):
    page = visit()
    page.wait_for_load_state("networkidle")
    sent = page.evaluate("performance.getEntriesByType('resource').reduce((sum, one) => sum + one.encodedBodySize, 0)")
    assert sent < 2_000_000
    assert not page.evaluate("performance.getEntriesByType('resource').some(one => one.name.includes('/track/'))")
    assert re.search("^5 tracks", page.locator(".kz-held").inner_text())
