"""Listening on the page: its one player, the curves of match, the queue, and "Where in this recording is ..."."""

from pathlib import Path

from browsing import PHONE, ask, focused, open_tab, titles, until, width
from hostile import HOSTILE

DRUMS = "fast drum solo"


def player(page, expression: str):
    """What the page's player says of itself: is it playing, where, how loud."""
    module = "new URL('player.js', document.querySelector('script[type=module]').src)"  # the page's own
    page.evaluate(f"import({module}).then(made => {{ window.player = made.player; }})")
    return page.evaluate(expression)


def until_player(page, condition: str, title: str = "") -> None:
    player(page, "0")
    until(page, f"title => {condition}", title)


def plays(page, title: str, at_least: float = 0.0) -> None:
    """Wait until this track sounds, and is at this second or later."""
    until_player(page, f"player.playing && player.current.track.title === title && player.position > {at_least}", title)


def pauses(page) -> None:
    until_player(page, "!player.playing")


def row(page, title: str):
    return page.locator("main .kz-row:visible", has=page.locator(".kz-title", has_text=title))


def foot(page):
    return page.locator("#player")


def press(page, name: str) -> None:
    foot(page).get_by_role("button", name=name, exact=True).click()


def queued(page) -> list[str]:
    return page.locator(".kz-queue .kz-title").all_inner_texts()


def test_a_curve_shows_where_the_description_fits(visit):
    page, asked = visit(), []
    page.on("request", lambda request: "curves?q=fast" in request.url and asked.append(request.url))
    ask(page, DRUMS)
    halves = row(page, "alert(1)")
    curve = halves.locator(".kz-curve path")
    curve.wait_for()
    assert len(asked) == 1 and page.locator("main .kz-curve path").count() == 5  # all travel together
    heights = curve.evaluate(
        """path => [250, 750].map(x => { for (let y = 0; y < 100; y++)
           if (path.isPointInFill(new DOMPoint(x, y))) return 100 - y; return 0; })"""
    )
    assert heights[1] > heights[0] + 20  # organ, then drums
    line = halves.locator(".kz-line")
    box = line.bounding_box()
    line.click(position={"x": box["width"] * 0.25, "y": box["height"] - 8})  # on the curve
    plays(page, HOSTILE, 4)
    assert player(page, "player.position") < 9
    assert foot(page).locator(".kz-curve path").get_attribute("d") == curve.get_attribute("d")


def test_one_player_stays_and_walks_through_the_answers(visit):
    page = visit()
    ask(page, DRUMS)
    titles = page.locator("main .kz-row .kz-title").all_inner_texts()
    with page.expect_response(lambda response: "/track/" in response.url) as served:
        row(page, "alert(1)").locator(".kz-play").click()
    assert served.value.status in (200, 206) and served.value.headers["content-type"] == "audio/flac"
    plays(page, HOSTILE)
    assert player(page, "player.position") >= 10  # never at its beginning
    assert foot(page).locator(".kz-title").inner_text() == HOSTILE and page.locator("script:not([src])").count() == 0
    assert page.locator("main .kz-playing").count() == 1
    assert page.evaluate("[navigator.mediaSession.metadata.title, navigator.mediaSession.playbackState]") == [
        HOSTILE,
        "playing",
    ]
    ask(page, "church organ")  # the answers are others, the player goes on
    plays(page, HOSTILE)
    at = titles.index(HOSTILE)
    press(page, "Previous track, or back to the moment")
    plays(page, titles[at - 1])
    press(page, "Next track")
    press(page, "Next track")
    plays(page, titles[at + 1])
    row(page, titles[at + 1]).locator(".kz-play").click()
    pauses(page)
    assert page.locator(".kz-playing").count() == 0 and page.locator("main .kz-current").count() == 1


def test_keys_play_seek_and_stop(visit):
    page = visit()
    ask(page, "slow")
    page.keyboard.press("Space")  # in the search box it is a letter
    assert page.input_value("#query") == "slow " and not player(page, "player.playing")
    row(page, "Swallows").locator(".kz-play").click()
    plays(page, "Swallows")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    pauses(page)
    position = foot(page).get_by_role("slider", name="Position")
    position.focus()
    for key, second in (("Home", 0), ("ArrowRight", 5), ("ArrowRight", 10), ("ArrowLeft", 5)):
        page.keyboard.press(key)
        assert round(player(page, "player.position")) == second
    assert position.get_attribute("aria-valuetext").startswith("0:05 of 0:")
    foot(page).get_by_role("slider", name="Volume").focus()
    page.keyboard.press("Home")
    assert player(page, "player.volume") == 0
    page.keyboard.press("PageUp")
    until_player(page, "Math.abs(player.volume - 0.2) < 0.01")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    plays(page, "Swallows", 5)
    page.keyboard.press("Escape")
    pauses(page)
    page.reload()  # what was chosen is still there, and as loud
    foot(page).get_by_text("Swallows").wait_for()
    assert abs(player(page, "player.volume") - 0.2) < 0.01 and not player(page, "player.playing")


def test_a_replay_begins_at_the_moment(visit):
    page = visit()
    ask(page, DRUMS)
    row(page, "alert(1)").get_by_role("button", name="to the queue").click()
    foot(page).get_by_role("button", name="Queue: 1 track").click()
    page.locator(".kz-entry").click()
    plays(page, HOSTILE, 10)
    foot(page).get_by_role("slider", name="Position").focus()
    page.keyboard.press("End")
    pauses(page)  # it is over, and nothing comes after it
    assert player(page, "player.position") > 19
    foot(page).locator(".kz-foot-bar .kz-play").click()
    plays(page, HOSTILE, 10)
    assert player(page, "player.position") < 18


def test_two_players_never_sound_at_once(visit, served):
    page = visit()
    ask(page, DRUMS)
    row(page, "Sticks").locator(".kz-play").click()
    plays(page, "Sticks")
    page.evaluate(
        """() => { window.other = document.createElement("audio"); document.body.append(other);
           other.loop = true;
           other.src = "track/" + document.querySelector("[data-track]").dataset.track; return other.play(); }"""
    )
    pauses(page)
    foot(page).locator(".kz-foot-bar .kz-play").click()
    until(page, "other.paused")
    plays(page, "Sticks")
    second = page.context.new_page()  # another tab of the same browser
    second.goto(served)
    second.locator("main .kz-play").first.click()
    until_player(second, "player.playing")
    pauses(page)


def test_a_queue_is_shaped_and_saved(visit, music):
    page = visit()
    ask(page, DRUMS)
    for title in ("Sticks", "Stone and Light", "alert(1)", "Swallows"):
        row(page, title).get_by_role("button", name="to the queue").click()
    ask(page, "solo flute")
    row(page, "Sticks").locator(".kz-play").click()
    foot(page).get_by_role("button", name="Queue: 4 tracks").click()
    assert queued(page) == ["Sticks", "Stone and Light", HOSTILE, "Swallows"]
    press(page, "Move Swallows up")
    press(page, "Move Swallows up")  # the focus goes with it
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Move Swallows up"
    press(page, f"Remove {HOSTILE}")
    assert queued(page) == ["Sticks", "Swallows", "Stone and Light"]
    page.get_by_label("Name of the playlist").fill("Дощ / 1")
    with page.expect_download() as download:
        press(page, "Save as a file (M3U8)")
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[2::2] == [str(music / f"{name}.flac") for name in ("drum solo", "flute solo", "church organ")]
    assert download.value.suggested_filename.startswith("Дощ") and download.value.suggested_filename.endswith(".m3u8")
    page.keyboard.press("Escape")
    page.locator(".kz-foot-panel").wait_for(state="hidden")
    page.reload()
    foot(page).get_by_role("button", name="Queue: 3 tracks").click()
    assert queued(page) == ["Sticks", "Swallows", "Stone and Light"]
    press(page, "More like these")
    until(page, "document.title === 'Sounds like Sticks and 2 more – Kobza'")
    assert len(titles(page)) == 2 and focused(page) == "Sounds like Sticks and 2 more"
    foot(page).get_by_role("button", name="Queue: 3 tracks").click()
    page.get_by_role("button", name="Clear", exact=True).click()
    foot(page).get_by_text("The queue is empty").wait_for()


def test_the_players_button_begins_a_queue(visit):
    page = visit()
    ask(page, DRUMS)
    for title in ("Swallows", "Sticks"):
        row(page, title).get_by_role("button", name="to the queue").click()
    foot(page).get_by_role("button", name="Play Swallows").click()
    plays(page, "Swallows")
    foot(page).get_by_role("button", name="Pause Swallows").wait_for()


def test_a_queue_goes_to_the_servers_of_the_settings(visit):
    page = visit()
    page.route("**/api/library", lambda route: route.fulfill(json=route.fetch().json() | {"players": ["mpd"]}))
    sent = []

    def receive(route):
        sent.append(route.request.post_data_json)
        route.fulfill(json={"count": 1, "place": "the queue of MPD at nas", "unknown": ["Swallows"]})

    page.route("**/api/send", receive)
    page.reload()
    ask(page, DRUMS)
    row(page, "Sticks").get_by_role("button", name="to the queue").click()
    foot(page).get_by_role("button", name="Queue: 1 track").click()
    press(page, "Add to the queue of MPD")
    foot(page).get_by_text(
        "1 track is in the queue of MPD at nas now. Not known there, and left out: Swallows."
    ).wait_for()
    assert sent == [
        {"to": "mpd", "action": "queue", "name": "", "links": [row(page, "Sticks").get_attribute("data-track")]}
    ]


def test_where_in_this_recording(visit):
    page = visit(may_complain=True)  # Chromium itself logs an answer with the status 400
    ask(page, DRUMS)
    row(page, "alert(1)").get_by_role("button", name="Where in").click()
    moments = page.locator(".kz-moments li")
    moments.first.wait_for()
    assert moments.first.inner_text().split("\n")[0] == "0:10 – 0:20"
    words = page.get_by_label("What to find in this recording")
    assert words.input_value() == DRUMS and page.evaluate("document.activeElement.value") == DRUMS
    words.fill("church organ")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.kz-moments .kz-chip').textContent === '0:00 – 0:10'")
    moments.first.get_by_role("button").click()
    plays(page, HOSTILE)
    assert player(page, "player.position") < 8
    box = page.locator(".kz-locator-line").bounding_box()
    page.locator(".kz-locator-line").click(position={"x": box["width"] * 0.75, "y": 30})
    plays(page, HOSTILE, 14)
    words.fill("an invoice for the repair of a dishwasher")
    page.keyboard.press("Enter")
    page.get_by_text("No moment fits well").wait_for()
    words.fill("-drums")
    page.keyboard.press("Enter")
    page.get_by_text("only says what to exclude").wait_for()
    page.keyboard.press("Escape")
    page.locator(".kz-foot-panel").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Where in {HOSTILE} is …"


def test_where_in_a_clip_of_ones_own(visit, music):
    page = visit()
    open_tab(page, "Listen like this")
    page.locator("#clip-listen").set_input_files(str(music / "halves.flac"))
    page.get_by_text("Sounds like halves.flac").wait_for()
    page.locator("#panel-listen .kz-curve path").first.wait_for()  # how much each answer resembles it, over time
    page.locator("#panel-listen").get_by_role("button", name="Where in this recording is").click()
    page.get_by_label("What to find in this recording").fill(DRUMS)
    page.keyboard.press("Enter")
    moment = page.locator(".kz-moments button").first
    moment.wait_for()
    assert moment.inner_text() == "0:10 – 0:20"
    moment.click()
    plays(page, "halves.flac", 10)
    page.locator("#panel-listen").get_by_role("button", name="Listen", exact=True).click()
    pauses(page)


NO_STORAGE = """for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });"""


def test_a_browser_that_keeps_nothing_still_plays(visit):
    """As one that blocks the storage of frames, in which the Hub shows a Space."""
    page = visit()
    page.add_init_script(NO_STORAGE)
    page.reload()
    ask(page, DRUMS)
    row(page, "Sticks").locator(".kz-play").click()
    plays(page, "Sticks")
    foot(page).get_by_role("slider", name="Volume").focus()
    page.keyboard.press("Home")
    assert player(page, "player.volume") == 0


def test_what_cannot_be_played_says_so(visit):
    page = visit(may_complain=True)
    page.route("**/track/**", lambda route: route.fulfill(status=404))
    ask(page, DRUMS)
    row(page, "Sticks").locator(".kz-play").click()
    row(page, "Sticks").get_by_text("This cannot be played here").wait_for()
    foot(page).get_by_text("This cannot be played here").wait_for()
    page.unroute("**/track/**")
    row(page, "Sticks").locator(".kz-play").click()
    plays(page, "Sticks")
    assert page.get_by_text("This cannot be played here").count() == 0


def test_a_phone_has_the_whole_player(visit):
    page = visit(PHONE)
    ask(page, DRUMS)
    row(page, "alert(1)").locator(".kz-play").click()
    plays(page, HOSTILE)
    row(page, "Sticks").get_by_role("button", name="to the queue").click()
    for opener in ("Queue: 1 track", "Where in this recording is …"):
        foot(page).get_by_role("button", name=opener).click()
        page.locator(".kz-foot-panel").wait_for()
        assert width(page) <= PHONE["width"]
        shown = foot(page).locator("button:visible, input:visible")
        for box in shown.evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())"):
            assert box["left"] >= 0 and box["right"] <= PHONE["width"] and box["bottom"] <= PHONE["height"]
            assert min(box["width"], box["height"]) >= 24  # a finger finds it
    page.keyboard.press("Escape")
