"""The Space's page in Gradio: four tabs over one collection."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from kobza.folders import temporary_folder

# Set before Gradio is imported: no analytics, and uploads go to a folder that only this user can read (Gradio's default
# is /tmp/gradio, which belongs to whichever user ran Gradio first).
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("GRADIO_TEMP_DIR", str(temporary_folder("gradio")))

import gradio as gr

from kobza.synth.album import DEMO_QUERIES
from kobza.webui import markup
from kobza.webui.clips import MAX_CLIP_SECONDS, Clip
from kobza.webui.collection import Collection
from kobza.webui.map_layout import render_map

MAX_QUERY_LETTERS = 400
DEFAULT_LABELS = (
    "piano, guitar, violin, flute, trumpet, organ, drums, synthesizer, choir, classical, jazz, rock, techno, folk"
)
# For every event: at most four run at once, for the one model; none is part of a public API.
EVENT: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "minimal",
    "concurrency_id": "model",
    "concurrency_limit": 4,
}
CLIP_HINT = markup.clip_hint(MAX_CLIP_SECONDS // 60)
# Triggers an event with the track whose button was clicked.
ON_CLICK = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-more], .kz-point");
  if (button) trigger("select", {track: button.dataset.more || button.dataset.track});
});"""


def build(collection: Collection) -> gr.Blocks:
    """The page. Event handlers return HTML from `markup`; an error becomes a notice."""
    # Every ten minutes, uploads older than fifty minutes are deleted: they are kept for an hour at most.
    with gr.Blocks(title="Kobza", analytics_enabled=False, delete_cache=(600, 3000)) as page:
        _html(value=markup.header(collection.totals, collection.is_demo))
        with gr.Tabs() as tabs:
            with gr.Tab("Search", id="search"):
                found = _search_tab(collection)
            with gr.Tab("Listen like this", id="listen"):
                alike = _listen_tab(collection)
            with gr.Tab("Tag", id="tag"):
                _tag_tab(collection)
            with gr.Tab("Map", id="map") as map_tab:
                drawn, chosen = _html(ON_CLICK), _html(ON_CLICK)
        _map_events(collection, map_tab, drawn, chosen)
        _more_events(collection, (found, alike, chosen), alike, tabs)
    page.queue(max_size=200)
    return page


def _html(js: str | None = None, value: str = "") -> gr.HTML:
    return gr.HTML(value, js_on_load=js, elem_classes="kz", apply_default_css=False)


def _errors_as_notices(function: Callable[..., str]) -> Callable[..., str]:
    """Show a ValueError's message on the page."""

    def answer(*args: Any) -> str:
        try:
            return function(*args)
        except ValueError as error:
            return markup.notice(str(error))

    return answer


def _search_tab(collection: Collection) -> gr.HTML:
    @_errors_as_notices
    def search(text: str) -> str:
        hits = collection.search((text or "")[:MAX_QUERY_LETTERS])
        return markup.hits(hits, collection.link) if hits else markup.empty_library()

    def example() -> str:
        """The results of an example query, shown before the first search."""
        text = DEMO_QUERIES[0].text
        return markup.heading("For example:", text) + search(text) if collection.totals.tracks else search(text)

    with gr.Row(elem_classes="kz-ask", equal_height=True):
        text = gr.Textbox(
            placeholder="late-night jazz",
            show_label=False,
            container=False,
            max_length=MAX_QUERY_LETTERS,
            scale=5,
            autofocus=True,
            elem_id="query",
        )
        button = gr.Button("Search", variant="primary", scale=1, min_width=110)
    with gr.Row(elem_classes="kz-examples"):
        examples = [gr.Button(demo.text, size="sm", min_width=0, scale=0) for demo in DEMO_QUERIES]
    found = _html(ON_CLICK, example())
    gr.on([text.submit, button.click], search, text, found, **EVENT)
    for query in examples:
        query.click(lambda text=query.value: (text, search(text)), outputs=[text, found], **EVENT)
    return found


def _clip_input(name: str) -> gr.Audio:
    return gr.Audio(
        sources=["upload", "microphone"],
        type="filepath",
        editable=False,
        label="Drop a recording, or record one",
        buttons=[],
        elem_id=name,
        waveform_options={"waveform_color": "#d9a573", "waveform_progress_color": "#8c4f22"},
    )


def _cut_note(clip: Clip) -> str:
    if not clip.is_cut:
        return ""
    return markup.notice(f"A long clip: its first {MAX_CLIP_SECONDS // 60} minutes were listened to.")


def _listen_tab(collection: Collection) -> gr.HTML:
    @_errors_as_notices
    def listen(path: str | None) -> str:
        if path is None:  # the clip was removed
            return CLIP_HINT
        clip = collection.embed_clip(path)
        hits = collection.like(clip)
        above = _cut_note(clip) + markup.heading("Nearest to your clip")
        return markup.hits(hits, collection.link, above) if hits else markup.empty_library()

    clip = _clip_input("clip-listen")
    alike = _html(ON_CLICK, CLIP_HINT)
    clip.change(listen, clip, alike, **EVENT)
    return alike


def _tag_tab(collection: Collection) -> None:
    @_errors_as_notices
    def tag(path: str | None, labels: str) -> str:
        clip = collection.embed_clip(path)
        return markup.scores(collection.tag(clip, labels or ""), _cut_note(clip))

    with gr.Row():
        with gr.Column(min_width=300):
            clip = _clip_input("clip-tag")
            about = "Labels, with commas between them"
            labels = gr.Textbox(DEFAULT_LABELS, label=about, lines=3, max_length=2000, elem_id="labels")
            button = gr.Button("Tag", variant="primary")
        with gr.Column(min_width=300):
            chart = _html(value=CLIP_HINT)
    button.click(tag, [clip, labels], chart, **EVENT)
    clip.change(lambda path, labels: tag(path, labels) if path else CLIP_HINT, [clip, labels], chart, **EVENT)


def _map_events(collection: Collection, tab: gr.Tab, drawn: gr.HTML, chosen: gr.HTML) -> None:
    def draw() -> str:
        points = collection.map()
        return render_map(points, collection.totals.tracks, collection.link) if points else markup.empty_library()

    def choose(event: gr.EventData) -> str:
        try:
            point = collection.point(str(event.track))
        except ValueError as error:
            return markup.notice(str(error))
        return markup.chosen(point.track, point.moment, collection.link)

    tab.select(draw, outputs=drawn, **EVENT)
    drawn.select(choose, outputs=chosen, **EVENT)


def _more_events(collection: Collection, lists: Sequence[gr.HTML], alike: gr.HTML, tabs: gr.Tabs) -> None:
    """ "More like this": show similar tracks in their tab."""

    def more(event: gr.EventData) -> tuple[str, gr.Tabs]:
        try:
            track, hits = collection.like_track(str(event.track))
        except ValueError as error:
            return markup.notice(str(error)), gr.Tabs(selected="listen")
        above = markup.heading("Sounds like", track.title)
        rows = markup.hits(hits, collection.link, above) if hits else markup.notice("The library has no other track.")
        return rows, gr.Tabs(selected="listen")

    for rows in lists:
        rows.select(more, outputs=[alike, tabs], **EVENT)
