"""A visitor's own recordings on the page: what is like them, and which labels fit them."""

import base64

import numpy as np
import pytest
import soundfile
from browsing import PHONE, WAIT, ask, focused, open_tab, settled, titles, width
from recordings import tone, write

expect = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[test]' brings playwright").expect


def upload(page, place: str, path) -> None:
    with page.expect_response(lambda response: "/api/clips" in response.url):
        page.locator(f"#{place}").set_input_files(str(path))
    settled(page)


def test_a_clip_finds_its_like_and_a_way_on(visit, music):
    page = visit()
    open_tab(page, "Listen like this")
    upload(page, "clip-listen", music / "flute solo.flac")
    page.wait_for_selector("text=Sounds like flute solo.flac")
    expect(page).to_have_title("Sounds like flute solo.flac – Kobza", timeout=WAIT)
    assert titles(page)[0] == "Swallows" and len(titles(page)) == 5
    assert page.locator(".kz-figure:visible").first.inner_text() == "1.00"
    assert focused(page) == "Sounds like flute solo.flac" and "flute solo.flac · 0:16" in page.inner_text("main")
    page.fill("#but", "fast drum solo^3")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel-listen .kz-row:first-child >> text=Sticks")
    page.locator(".kz-row:visible").first.get_by_role("button", name="More like this").click()
    page.wait_for_selector("text=Sounds like Sticks")
    assert "Sticks" not in titles(page)
    page.go_back()
    page.wait_for_selector("text=Sounds like flute solo.flac")
    open_tab(page, "Tag")  # the clip is there, too
    page.wait_for_selector(".kz-chart li")
    with page.expect_response(lambda response: response.request.method == "DELETE") as erased:
        page.locator("#panel-tag").get_by_role("button", name="Remove").click()
    assert erased.value.status == 204
    page.wait_for_selector(".kz-chart", state="detached")
    assert "clip=" not in page.url and page.evaluate("document.activeElement.id") == "clip-tag"


DROP = """([selector, name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  const place = [...document.querySelectorAll(selector)].find((one) => one.checkVisibility());
  for (const type of ["dragover", "drop"])
    place.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_a_clip_is_dropped_and_tagged(visit, music):
    page = visit(may_complain=True)  # of a refused request on the console
    open_tab(page, "Tag")
    page.fill("#labels", "flute, organ, drums, <u>choir</u>")
    page.get_by_role("button", name="Tag", exact=True).click()
    content = base64.b64encode((music / "drum solo.flac").read_bytes()).decode()
    page.evaluate(DROP, [".kz-drop", "<i>drums</i>.flac", content])
    page.wait_for_selector(".kz-chart")
    labels = page.locator(".kz-chart .kz-label").all_inner_texts()
    assert labels[0] == "drums" and sorted(labels) == ["<u>choir</u>", "drums", "flute", "organ"]
    bars = page.locator(".kz-chart i").evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert bars == sorted(bars, reverse=True) and bars[0] > 50
    assert "<i>drums</i>.flac" in page.inner_text(".kz-clip-about:visible")
    page.reload()
    page.wait_for_selector(".kz-chart li >> text=drums")
    assert page.input_value("#labels") == "flute, organ, drums, <u>choir</u>"
    for text, sentence in ((" , ", "Name a few labels"), (",".join(map(str, range(50))), "50 labels; name 40")):
        page.fill("#labels", text)
        page.get_by_role("button", name="Tag", exact=True).click()
        page.wait_for_selector(f"text={sentence}")


@pytest.mark.parametrize("tab, answer", [("Listen like this", ".kz-row"), ("Tag", ".kz-chart li")])
def test_a_clip_is_recorded(visit, tab, answer):
    page = visit()
    open_tab(page, tab)
    page.get_by_role("button", name="Record").click()
    page.wait_for_selector("text=Stop (0:02)")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(f"{answer}:visible")
    assert "Recording · 0:0" in page.inner_text(".kz-clip-about:visible")


COUNT_MICROPHONES = """() => {
  const { mediaDevices } = navigator;
  const ask = mediaDevices.getUserMedia.bind(mediaDevices);
  window.microphones = [];
  mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    microphones.push(...stream.getTracks());
    return stream;
  };
}"""


def test_a_double_click_records_once(visit):
    page = visit()
    open_tab(page, "Listen like this")
    page.evaluate(COUNT_MICROPHONES)
    page.get_by_role("button", name="Record").dblclick()
    page.wait_for_selector("text=Stop (0:02)")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(".kz-row:visible")
    assert page.evaluate("microphones.map(one => one.readyState)") == ["ended"]


def test_without_a_microphone_there_is_a_sentence(visit):
    page = visit()
    open_tab(page, "Listen like this")
    for name, sentence in (
        ("NotAllowedError", "allow it for this page"),
        ("NotFoundError", "There is no microphone"),
        ("NotReadableError", "Another program uses the microphone"),
    ):
        refuse = "() => Promise.reject(new DOMException('', name))"
        page.evaluate(f"(name) => {{ navigator.mediaDevices.getUserMedia = {refuse} }}", name)
        page.get_by_role("button", name="Record").click()
        page.wait_for_selector(f"text={sentence}")
    page.evaluate("() => { Object.defineProperty(navigator, 'mediaDevices', {value: undefined}) }")
    page.get_by_role("button", name="Record").click()
    page.wait_for_selector("text=This browser allows no microphone here")


def test_a_bad_clip_gets_its_sentence(visit, tmp_path):
    page = visit(may_complain=True)  # of refused requests on the console
    open_tab(page, "Listen like this")
    (tmp_path / "notes.mp3").write_text("These are my notes.\n" * 99)
    second = tone(440, 1.5).copy()
    soundfile.write(tmp_path / "silent.wav", 0 * second, 16000)
    soundfile.write(tmp_path / "short.wav", second[:4000], 16000)
    soundfile.write(tmp_path / "loud.wav", 1e30 * second, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "nan.wav", np.nan * second, 16000, subtype="FLOAT")
    with open(tmp_path / "huge.wav", "wb") as file:
        file.truncate(61 * 1024 * 1024)
    for name, sentence in (
        ("notes.mp3", "notes.mp3 cannot be read as a recording"),
        ("silent.wav", "That clip is silent"),
        ("short.wav", "shorter than a second"),
        ("loud.wav", "That clip is far too loud"),
        ("nan.wav", "nan.wav has samples that are not finite"),
    ):
        upload(page, "clip-listen", tmp_path / name)
        page.wait_for_selector(f".kz-notice:visible >> text={sentence}")
        assert page.locator(".kz-row:visible").count() == 0 and "clip=" not in page.url
    page.locator("#clip-listen").set_input_files(str(tmp_path / "huge.wav"))
    page.wait_for_selector(".kz-notice:visible >> text=more than 60 MB")
    upload(page, "clip-listen", write(tmp_path / "long.flac", np.tile(tone(440, 10), 20)))
    page.wait_for_selector("text=its first 3 minutes were listened to")
    page.wait_for_selector(".kz-row:visible")
    gone = visit(path="?tab=tag&clip=gone", may_complain=True)
    gone.wait_for_selector(".kz-notice:visible >> text=choose it again")


def test_a_phone_shows_all_of_it(visit, music):
    page = visit(PHONE, has_touch=True, is_mobile=True)
    for tab, place, answer in (("Listen like this", "clip-listen", ".kz-row"), ("Tag", "clip-tag", ".kz-chart")):
        open_tab(page, tab)
        upload(page, place, music / "rock.flac")
        page.wait_for_selector(f"{answer}:visible")
        assert width(page) <= PHONE["width"], tab


def test_in_a_frame_the_hub_keeps_the_address(visit):
    """The Hub shows a Space in a frame of its own page."""
    page = visit(path="?__theme=dark&__sign=secret")
    page.wait_for_selector(".kz-row")
    page.evaluate("window.parent = {postMessage: (message, origin) => (window.told = [message.queryString, origin])}")
    ask(page, "church organ")
    assert page.evaluate("window.told") == ["q=church+organ", "https://huggingface.co"]
    page.go_back()
    page.wait_for_selector("text=For example:")
    assert page.evaluate("window.told[0]") == ""
