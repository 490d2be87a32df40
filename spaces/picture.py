"""Take a screenshot of the Space in Chromium, `spaces/space.png`: `python spaces/picture.py`."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from kobza.library.demo import open_album
from kobza.webui.app import launch
from kobza.webui.collection import Collection

OUT = Path(__file__).with_name("space.png")
QUERY = "slow sad piano"


def main() -> None:
    page = launch(Collection(open_album()[0], is_demo=True))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1120, "height": 690}, device_scale_factor=1.5)
        shown.goto(page.local_url)
        shown.wait_for_selector(".kz-row")
        shown.fill("#query", QUERY)
        shown.keyboard.press("Enter")
        shown.wait_for_selector(".kz-heading", state="detached")  # the example's answers have gone
        shown.locator(".kz-play").first.click()
        shown.wait_for_selector(".kz-row.kz-playing")
        shown.wait_for_timeout(3000)  # so that the line shows where it is
        shown.mouse.move(0, 0)
        shown.evaluate("document.activeElement.blur()")
        shown.screenshot(path=OUT)
        browser.close()
    page.close()


if __name__ == "__main__":
    sys.exit(main())
