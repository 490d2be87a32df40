"""What a person does on the page, in a real browser: Debian's Chromium, without a window, by playwright."""

import shutil
import time
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = [
    *("--no-sandbox", "--disable-quic", "--no-first-run"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),  # WebGL without a graphics card
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),  # a microphone that hears beeps
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
WAIT = 60_000  # ms, for a condition: a shared machine may be slow


def launch_chromium(playwright):
    if CHROMIUM is None:
        pytest.skip("there is no chromium; install it with: apt-get install chromium")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


class Visits:
    """Opens pages in `browser`; `troubles` has what went wrong: a request elsewhere, an error, a dialog."""

    def __init__(self, browser):
        self.browser = browser
        self.contexts, self.troubles = [], []

    def __call__(self, address: str, viewport=DESKTOP, may_complain=False, **options):
        context = self.browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(WAIT)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda asked: is_at(asked.url, address) or self.troubles.append(f"asked {asked.url}"))
        if not may_complain:
            page.on("console", lambda m: m.type == "error" and self.troubles.append(f"console: {m.text}"))
        page.goto(address)
        page.wait_for_selector(".kz-held:not(:empty)")
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        assert not self.troubles


def is_at(url: str, address: str) -> bool:
    return urlsplit(url).scheme in ("blob", "data") or urlsplit(url).netloc == urlsplit(address).netloc


def ask(page, text: str) -> None:
    """Search for a description, and wait for the answers."""
    page.fill("#query", text)
    with page.expect_response(lambda response: "/api/search" in response.url):
        page.keyboard.press("Enter")
    settled(page)


def until(page, condition: str, arg=None) -> None:
    """Wait until a condition in JavaScript holds.

    `page.wait_for_function` compiles the condition again and again within the page, which the page's policy forbids.
    """
    deadline = time.monotonic() + WAIT / 1000
    while not page.evaluate(condition, arg):
        assert time.monotonic() < deadline, f"in vain: {condition}"
        page.wait_for_timeout(50)


def until_rows(page, count: int) -> None:
    """Wait until so many rows are there."""
    until(page, f"document.querySelectorAll('.kz-row').length === {count}")


def settled(page) -> None:
    """Wait until what was asked for is shown."""
    until(page, "!document.querySelector('[aria-busy]')")


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def titles(page) -> list[str]:
    """Of the rows that are seen."""
    return page.locator(".kz-row:visible .kz-title").all_inner_texts()


def focused(page) -> str:
    """The text or the value of what has the focus."""
    return page.evaluate("document.activeElement.value || document.activeElement.innerText")


def width(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth")
