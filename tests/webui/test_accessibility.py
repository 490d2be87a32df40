"""axe-core, as its package for playwright has it, finds nothing on any tab, in both themes, on desktop and phone."""

from pathlib import Path

import axe_playwright_python
import pytest
from browsing import DESKTOP, PHONE, ask, open_tab, settled

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SCREENS = {"desktop": (DESKTOP, {}), "phone": (PHONE, {"has_touch": True, "is_mobile": True})}


def violations(page) -> list[str]:
    """Each as "rule: element (what is wrong)"."""
    settled(page)
    page.wait_for_timeout(300)  # colours that are on their way to another would be judged in between
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{rule['id']}: {node['target']} ({node['failureSummary']})" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_nothing(visit, music, theme, screen):
    viewport, options = SCREENS[screen]
    page = visit(viewport, color_scheme=theme, may_complain=True, **options)  # of the description that is refused
    ask(page, "sacred fast drum solo")
    assert violations(page) == []
    page.locator(".kz-chip:has(.kz-icon):visible").first.click()
    page.wait_for_selector(".kz-value")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator(".kz-row .kz-play").first.click()
    page.wait_for_selector(".kz-playing")
    assert violations(page) == []
    page.locator(".kz-row .kz-tools button").nth(1).click()
    page.wait_for_selector(".kz-locator:visible")
    page.get_by_role("button", name="Queue: 5 tracks").click()
    page.wait_for_selector(".kz-queue:visible")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.fill("#query", "piano^0")
    page.keyboard.press("Enter")
    page.wait_for_selector(".kz-notice")
    assert violations(page) == []
    for tab in page.get_by_role("tab").all()[1:]:
        tab.click()
        assert violations(page) == [], tab.inner_text()
    open_tab(page, "Tag")
    page.set_input_files("#clip-tag", str(music / "rock.flac"))
    page.wait_for_selector(".kz-chart")
    assert violations(page) == []
    open_tab(page, "Listen like this")
    page.wait_for_selector(".kz-row:visible")
    page.get_by_role("button", name="Less like this").first.click()
    page.wait_for_selector(".kz-chip[aria-pressed]:visible")
    assert violations(page) == []


def test_axe_would_find_something(visit):
    page = visit()
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert any(found.startswith("image-alt") for found in violations(page))


def test_answers_have_a_heading_and_are_read_out(visit, music):
    page = visit()
    ask(page, "fast drum solo")
    assert page.get_by_role("heading", level=2, name="Answers").count() == 1
    page.wait_for_selector("#announcements >> text=5 answers; the first: Sticks", state="attached")
    open_tab(page, "Listen like this")
    page.set_input_files("#clip-listen", str(music / "rock.flac"))
    page.wait_for_selector("#announcements >> text=5 answers", state="attached")
    assert page.get_by_role("heading", level=2, name="Sounds like rock.flac").count() == 1


def test_a_clip_is_chosen_with_the_keyboard(visit, music):
    page = visit(path="?tab=listen")
    dialogs: list = []
    page.on(
        "filechooser", lambda dialog: dialogs.append(dialog)
    )  # from now on: one that is asked for at the key alone can come too late
    page.get_by_role("tab", name="Listen like this").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "clip-listen"
    assert page.evaluate("getComputedStyle(document.querySelector('#clip-listen + label')).outlineStyle") == "solid"
    for count, key in enumerate(("Space", "Enter"), 1):  # each opens the file dialog
        page.keyboard.press(key)
        for _ in range(200):
            if len(dialogs) == count:
                break
            page.wait_for_timeout(50)
        assert len(dialogs) == count, f"{key} opened no dialog"
        dialogs[-1].set_files([] if key == "Space" else str(music / "drum solo.flac"))
    page.wait_for_selector(".kz-row:visible >> text=Sticks")
