"""The map as a person uses it: a library of made tracks that sound like the words they are made of."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browsing import DESKTOP, PHONE, Visits, until, width

from kobza import Checkpoint, MusicLibrary
from kobza.library import FileState, Track

KINDS = {"piano": "Classical", "techno": "Electronic", "choir": "Sacred", "distorted guitar": "Rock"}
TRACKS = 40  # of each kind


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """The address of a page whose library has 160 tracks, after the map was computed."""
    from kobza.webui.app import launch
    from kobza.webui.collection import Collection

    embedder = Checkpoint.load(device="cpu")
    rng = np.random.default_rng(0)
    with MusicLibrary.open(tmp_path_factory.mktemp("mapped"), embedder) as library:
        for kind, genre in KINDS.items():
            (centre,) = embedder.embed_text([f"{kind} music"])
            for i in range(TRACKS):
                vector = centre + 0.4 * rng.standard_normal(len(centre)) / np.sqrt(len(centre))
                vector = (vector / np.linalg.norm(vector)).astype(np.float32)
                track = Track(f"/m/{kind}/{i:02}.mp3", f"{kind} {i:02}", "The Makers", "", genre, 2000, 60.0)
                library.store.upsert(track, FileState(1, 1, b""), [0.0], vector[None])
        library.store.set_meta(fingerprint=embedder.fingerprint, model=embedder.name, windows='{"window_seconds": 10}')
        collection = Collection(library)
        page = launch(collection)
        collection.map_keeper.current()
        collection.map_keeper.wait()
        yield page.local_url
        page.close()
        collection.map_keeper.close()


@pytest.fixture
def visit(browser, mapped):
    visits = Visits(browser)

    def open_map(viewport=DESKTOP, query="", **options):
        page = visits(f"{mapped}?tab=map{query}", viewport, **options)
        page.wait_for_selector(".kz-map-region:visible")
        return page

    yield open_map
    visits.close()


def state(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def said(page, text: str) -> None:
    """Wait until a text was read out."""
    until(page, "text => document.querySelector('#announcements')?.textContent.includes(text)", text)


def press(page, *keys: str) -> None:
    page.locator(".kz-map").focus()
    for key in keys:
        page.keyboard.press(key)


RING = ".kz-map-ring:not(.kz-map-hovered)"  # around the point that the keyboard has reached


IS_RING_ABOVE = f"""y => {{
  const box = document.querySelector("{RING}").getBoundingClientRect();
  return box.y + box.height / 2 < y;
}}"""


def ring(page) -> tuple[float, float]:
    """Where the point with the keyboard's ring is, in the window."""
    box = page.locator(RING).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_map_shows_points_names_and_colours(visit):
    page = visit()
    colours = distinct_colours(page.locator(".kz-map").screenshot())
    assert colours > 4  # points, not an empty sheet
    names = page.locator(".kz-map-region:visible").all_inner_texts()
    assert len(names) == len(set(names)) and any("piano" in name or "choir" in name for name in names)
    kinds = page.locator(".kz-kind").all_inner_texts()
    assert {kind.split("\n")[0] for kind in kinds} == set(KINDS.values())
    page.get_by_role("button", name="Rock").click()
    assert page.get_by_role("button", name="Rock").get_attribute("aria-pressed") == "true"
    page.get_by_label("Colours", exact=True).select_option("sound")
    until(page, "document.querySelectorAll('.kz-kind').length > 1 && !document.body.innerText.includes('Sacred')")
    assert state(page)["colour"] == "sound"


def distinct_colours(png: bytes) -> int:
    """Strong colours of a picture, to 32 levels of each part, that fill at least 20 pixels."""
    import io

    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)
    strong = pixels[np.ptp(pixels.astype(int), axis=1) > 60] // 32
    return int(np.count_nonzero(np.unique(strong, axis=0, return_counts=True)[1] >= 20))


def test_the_keyboard_reaches_every_point(visit):
    page = visit()
    press(page, "Home")
    said(page, "choir 00, The Makers")
    press(page, "End")
    said(page, "techno 39, The Makers")
    press(page, "PageUp", "PageUp")
    said(page, "techno 37, The Makers")
    y = ring(page)[1]
    press(page, "ArrowUp")
    until(page, IS_RING_ABOVE, y)  # the ring moves with the next frame
    press(page, "ArrowDown", "Enter")
    page.wait_for_selector(".kz-map-panel .kz-row")
    assert re.fullmatch("[0-9a-f]{24}", state(page)["at"])
    stops = page.locator("#panel-map :is(a, button, input, select, [tabindex='0']):visible").count()
    assert stops < 40  # 160 tracks are no 160 stops of the Tab key
    press(page, "Escape")
    page.wait_for_selector(".kz-map-panel .kz-row", state="detached")
    assert "at" not in state(page)


def test_a_search_lights_up_what_it_finds(visit):
    page = visit()
    with page.expect_response(lambda response: "/api/map/matches" in response.url) as answer:
        page.locator("#panel-map input[type=search]").first.fill("piano music")
        page.keyboard.press("Enter")
    lit = answer.value.json()["points"]
    assert len(lit) >= 10 and state(page)["q"] == "piano music"
    said(page, f"{len(lit)} tracks are lit")
    assert {sorted(KINDS)[i // TRACKS] for i in lit[:30]} == {"piano"}  # the best ones come first
    press(page, "Home")  # the keys go through what is lit
    said(page, f"{sorted(KINDS)[min(lit) // TRACKS]} {min(lit) % TRACKS:02}, The Makers")
    page.reload()
    said(page, f"{len(lit)} tracks are lit")


def test_a_lasso_chooses_tracks_to_search_in(visit):
    page = visit()
    page.get_by_role("button", name="Lasso").click()
    box = page.locator(".kz-map").bounding_box()
    left, top, right, bottom = box["x"] + 5, box["y"] + 5, box["x"] + box["width"] - 5, box["y"] + box["height"] - 5
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    page.get_by_role("heading", name="160 tracks chosen on the map").wait_for()
    assert page.locator(".kz-map-panel .kz-row").count() == 20
    page.get_by_role("button", name="Whole map").click()
    press(page, "End", "+", "+", "+", "+", "+")
    page.get_by_role("button", name="All in sight").click()
    until(page, "!document.querySelector('.kz-map-panel h2')?.textContent.startsWith('160')")
    chosen = int(page.locator(".kz-map-panel h2").inner_text().split()[0])
    assert 0 < chosen < 160
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as a playlist").click()
    assert download.value.suggested_filename == "From the map.m3u8"
    page.get_by_role("button", name="Search in here").click()
    page.fill("#query", "music")
    with page.expect_response(lambda response: "/api/search" in response.url and "q=music" in response.url) as answer:
        page.keyboard.press("Enter")
    assert len(answer.value.json()["hits"]) == min(10, chosen) and 'area in ("' in state(page)["where"]
    page.get_by_role("button", name="Remove the filter part of the map").click()
    until(page, "!location.search.includes('where')")


def test_a_path_leads_from_track_to_track(visit):
    page = visit()
    press(page, "Home", "Enter")
    page.get_by_role("button", name="Path to another track").click()
    press(page, "End", "Enter")
    page.get_by_role("heading", name="From choir 00 to techno 39").wait_for()
    titles = page.locator(".kz-map-panel .kz-title").all_inner_texts()
    assert len(set(titles)) == 10 and (titles[0], titles[-1]) == ("choir 00", "techno 39")
    page.wait_for_selector(".kz-map-path")
    assert page.locator(".kz-map-stop").count() == 10
    page.go_back()
    page.wait_for_selector(".kz-map-path", state="detached")


def test_a_path_that_comes_too_late_is_not_drawn(visit):
    page, held = visit(), []
    press(page, "Home", "Enter")
    page.get_by_role("button", name="Path to another track").click()
    page.route("**/api/map/path**", lambda route: held.append(route))
    with page.expect_request("**/api/map/path**"):
        press(page, "End", "Enter")
    press(page, "Escape")
    until(page, "!location.search.includes('to=')")
    with page.expect_response("**/api/map/path**"):
        held[0].continue_()
    press(page, "Home")
    said(page, "choir 00, The Makers")
    assert page.locator(".kz-map-path").count() == 0


def test_the_mouse_zooms_and_names_what_it_points_at(visit):
    page = visit()
    press(page, "Home")
    said(page, "choir 00")
    x, y = ring(page)
    page.mouse.move(x + 60, y)
    page.mouse.move(x, y)
    page.wait_for_selector(".kz-map-tip:visible")
    assert "The Makers" in page.locator(".kz-map-tip").inner_text()
    before = page.locator(".kz-map-title:visible").count()
    page.mouse.wheel(0, -1500)
    until(page, "before => document.querySelectorAll('.kz-map-title:not([hidden])').length > before", before)


def test_a_phone_shows_the_map_within_its_width(visit):
    page = visit(PHONE, has_touch=True, color_scheme="dark")
    assert width(page) <= PHONE["width"]
    press(page, "Home")
    x, y = ring(page)
    page.touchscreen.tap(x, y)
    page.wait_for_selector(".kz-map-panel .kz-row")
    assert width(page) <= PHONE["width"]


def test_without_webgl_a_sentence_says_so(browser, mapped):
    visits = Visits(browser)
    page = visits(mapped)
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(f"{mapped}?tab=map")
    page.wait_for_selector("text=This browser cannot draw the map")
    visits.close()
