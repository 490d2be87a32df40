"""The Space as a Gradio app: four tabs over one collection."""

import contextlib
import mimetypes
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from kobza.folders import temporary_folder

# Before Gradio is imported: it reports nothing to anyone, and keeps what is uploaded where only this user can enter (by
# default in /tmp/gradio, which belongs to whoever ran Gradio first).
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("GRADIO_TEMP_DIR", str(temporary_folder("gradio")))

import gradio as gr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from kobza.synth.album import DEMO_QUERIES
from kobza.terminal import say
from kobza.webui import markup
from kobza.webui.clips import LISTENED
from kobza.webui.collection import Collection
from kobza.webui.map_layout import map_of
from kobza.webui.theme import theme

STATIC = Path(__file__).parent / "static"
UPLOAD = 60 * 1024 * 1024  # bytes
LETTERS = 400  # of a query
LABELS = "piano, guitar, violin, flute, trumpet, organ, drums, synthesizer, choir, classical, jazz, rock, techno, folk"
TYPES = {".m4a": "audio/mp4", ".m4b": "audio/mp4", ".opus": "audio/ogg", ".oga": "audio/ogg", ".flac": "audio/flac"}
# For every event: four at once go to the one model, the others wait; no part of a public API.
EVENT = {
    "api_visibility": "private",
    "show_progress": "minimal",
    "concurrency_id": "model",
    "concurrency_limit": 4,
}
CLIP_HINT = markup.clip_hint(LISTENED // 60)
# An event of its own element that names the track whose button was pressed.
PRESSED = """element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-more], .kz-point");
  if (button) trigger("select", {track: button.dataset.more || button.dataset.track});
});"""


def build(collection: Collection) -> gr.Blocks:
    """The page. What each function returns is HTML from `markup`, a sentence if it cannot do what is asked."""
    # Every ten minutes what was uploaded more than fifty minutes ago is deleted: an hour at most.
    with gr.Blocks(title="Kobza", analytics_enabled=False, delete_cache=(600, 3000)) as page:
        _html(value=markup.header(collection.totals, collection.made))
        with gr.Tabs() as tabs:
            with gr.Tab("Search", id="search"):
                found = _search_tab(collection)
            with gr.Tab("Listen like this", id="listen"):
                alike = _listen_tab(collection)
            with gr.Tab("Tag", id="tag"):
                _tag_tab(collection)
            with gr.Tab("Map", id="map") as map_tab:
                drawn, chosen = _html(PRESSED), _html(PRESSED)
        _map_events(collection, map_tab, drawn, chosen)
        _more_events(collection, (found, alike, chosen), alike, tabs)
    page.queue(max_size=200)
    return page


def _html(js: str | None = None, value: str = "") -> gr.HTML:
    return gr.HTML(value, js_on_load=js, elem_classes="kz", apply_default_css=False)


def _sentence(function: Callable[..., str]) -> Callable[..., str]:
    """What cannot be done becomes a sentence on the page."""

    def answer(*args) -> str:
        try:
            return function(*args)
        except ValueError as error:
            return markup.notice(str(error))

    return answer


def _search_tab(collection: Collection) -> gr.HTML:
    @_sentence
    def search(text: str) -> str:
        hits = collection.search((text or "")[:LETTERS])
        return markup.hits(hits, collection.link) if hits else markup.empty_library()

    def first() -> str:
        """What stands there before anyone asks: an answer, so that it is seen what answers look like."""
        text = DEMO_QUERIES[0].text
        return markup.heading("For example:", text) + search(text) if collection.totals.tracks else search(text)

    with gr.Row(elem_classes="kz-ask", equal_height=True):
        text = gr.Textbox(
            placeholder="late-night jazz",
            show_label=False,
            container=False,
            max_length=LETTERS,
            scale=5,
            autofocus=True,
            elem_id="query",
        )
        button = gr.Button("Search", variant="primary", scale=1, min_width=110)
    with gr.Row(elem_classes="kz-examples"):
        examples = [gr.Button(query.text, size="sm", min_width=0, scale=0) for query in DEMO_QUERIES]
    found = _html(PRESSED, first())
    gr.on([text.submit, button.click], search, text, found, **EVENT)
    for example in examples:
        example.click(lambda text=example.value: (text, search(text)), outputs=[text, found], **EVENT)
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


def _cut_note(cut: bool) -> str:
    return markup.notice(f"A long clip: its first {LISTENED // 60} minutes were listened to.") if cut else ""


def _listen_tab(collection: Collection) -> gr.HTML:
    @_sentence
    def listen(path: str | None) -> str:
        if path is None:  # the clip was taken away again
            return CLIP_HINT
        clip = collection.hear(path)
        hits = collection.like(clip)
        above = _cut_note(clip.cut) + markup.heading("Nearest to your clip")
        return markup.hits(hits, collection.link, above) if hits else markup.empty_library()

    clip = _clip_input("clip-listen")
    alike = _html(PRESSED, CLIP_HINT)
    clip.change(listen, clip, alike, **EVENT)
    return alike


def _tag_tab(collection: Collection) -> None:
    @_sentence
    def tag(path: str | None, labels: str) -> str:
        clip = collection.hear(path)
        return markup.scores(collection.tag(clip, labels or ""), _cut_note(clip.cut))

    with gr.Row():
        with gr.Column(min_width=300):
            clip = _clip_input("clip-tag")
            about = "Labels, with commas between them"
            labels = gr.Textbox(LABELS, label=about, lines=3, max_length=2000, elem_id="labels")
            button = gr.Button("Tag", variant="primary")
        with gr.Column(min_width=300):
            chart = _html(value=CLIP_HINT)
    button.click(tag, [clip, labels], chart, **EVENT)
    clip.change(lambda path, labels: tag(path, labels) if path else CLIP_HINT, [clip, labels], chart, **EVENT)


def _map_events(collection: Collection, tab: gr.Tab, drawn: gr.HTML, chosen: gr.HTML) -> None:
    def draw() -> str:
        points = collection.map()
        return map_of(points, collection.totals.tracks, collection.link) if points else markup.empty_library()

    def choose(event: gr.EventData) -> str:
        try:
            point = collection.point(str(event.track))
        except ValueError as error:
            return markup.notice(str(error))
        return markup.chosen(point.track, point.moment, collection.link)

    tab.select(draw, outputs=drawn, **EVENT)
    drawn.select(choose, outputs=chosen, **EVENT)


def _more_events(collection: Collection, lists: Sequence[gr.HTML], alike: gr.HTML, tabs: gr.Tabs) -> None:
    """Tracks like the one whose button was pressed, in the tab for that."""

    def more(event: gr.EventData):
        try:
            track, hits = collection.like_track(str(event.track))
        except ValueError as error:
            return markup.notice(str(error)), gr.Tabs(selected="listen")
        above = markup.heading("Sounds like", track.title)
        rows = markup.hits(hits, collection.link, above) if hits else markup.notice("The library has no other track.")
        return rows, gr.Tabs(selected="listen")

    for rows in lists:
        rows.select(more, outputs=[alike, tabs], **EVENT)


def _track_route(collection: Collection) -> Route:
    """Recordings by the links that the page shows; there is no way to name a file."""

    def track(request: Request) -> FileResponse:
        path = collection.file(request.path_params["link"])
        if path is None:
            raise HTTPException(404, "There is no such track.")
        kind = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or ""
        kind = kind if kind.startswith("audio/") else "application/octet-stream"
        return FileResponse(path, media_type=kind, headers={"X-Content-Type-Options": "nosniff"})

    return Route("/track/{link}", track)


def launch(collection: Collection, host: str | None = None, port: int | None = None) -> gr.Blocks:
    """Serve the page without waiting; `page.local_url` says where, `page.close()` ends it.

    Args:
        host, port: by default $GRADIO_SERVER_NAME and $GRADIO_SERVER_PORT, as on the Hub's Spaces, or else 127.0.0.1
            and the first free port from 7860.

    Raises:
        ValueError: the port is taken, or there is no such host.
    """
    page = build(collection)
    routes = [_track_route(collection), Mount("/kobza", StaticFiles(directory=STATIC))]
    try:
        page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            pwa=False,
            run_history=False,
            footer_links=[],
            allowed_paths=[],
            max_file_size=UPLOAD,
            favicon_path=STATIC / "mark.svg",
            theme=theme(),
            head='<link rel="stylesheet" href="kobza/style.css"><script defer src="kobza/player.js"></script>',
            app_kwargs={"routes": routes},
        )
    except (OSError, OverflowError):  # Gradio's sentence speaks of arguments that nobody here can give
        place = f"{host or '127.0.0.1'}, port {port or '7860 and the next hundred'}"
        raise ValueError(
            f"The page cannot be served at {place}: it is taken or not there; choose with --host and --port."
        ) from None
    return page


def run(collection: Collection, host: str | None = None, port: int | None = None) -> None:
    """Serve the page until Ctrl-C. Arguments and errors are those of `launch`."""
    page = launch(collection, host, port)
    say(f"{collection.totals.tracks} tracks are at {page.local_url} now; Ctrl-C stops it.")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    page.close(verbose=False)
    collection.library.close()
