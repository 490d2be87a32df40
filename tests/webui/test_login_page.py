"""The page that asks for the password, in a browser."""

import pytest
from browsing import WAIT


@pytest.fixture
def locked(collection):
    """The address of a page with a password."""
    from kobza.webui.app import Access, launch

    page = launch(collection, Access("127.0.0.1", password="opensesame"))
    yield page.local_url
    page.close()


def test_the_password_opens_the_address_that_was_asked_for(browser, locked):
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(WAIT)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{locked}?q=fast+drum+solo")
    password = page.get_by_label("Password")
    password.fill("open sesame")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("That is not the password.").wait_for()
    assert page.locator(".kz-row").count() == 0
    password.fill("opensesame")
    page.keyboard.press("Enter")
    page.locator(".kz-row").first.wait_for()
    assert page.url.endswith("?q=fast+drum+solo") and "Sticks" in page.locator(".kz-row").first.inner_text()
    assert page.evaluate("document.cookie") == ""  # out of the reach of scripts
    context.close()
    assert not errors
