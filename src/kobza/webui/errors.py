"""What the page's server refuses: each error has a stable code, and values for the places in its sentence.

An answer that is an error is {"error": the sentence in English, "code": ..., "values": {...}}. The page says the
sentence `error.CODE` of its catalogues (static/i18n), which are also where the English one is taken from. `n` is the
number whose plural the sentence has. The codes, with the names of their values:

    limits      too_fast (n: seconds to wait), too_much_at_once (n), too_many_visitors (n), too_large (n: kB)
    password    password_needed, password_wrong, too_many_tries (n: seconds to wait)
    clips       clip_missing, clip_form, clip_large (n: MB), clip_slow (n: seconds), clip_incomplete, clips_busy,
                clip_pending, clip_unreadable (name, reason: in English), clip_loud (peak), clip_short, clip_silent,
                clip_not_finite, clip_gone, clip_unwanted
    labels      labels_missing, labels_many (n, most)
    tracks      track_gone, tracks_gone, file_gone, links_many (n, most), examples_many (n, most)
    map         map_computing, map_changed, map_area, map_none; map_failed, as `code` of api/map
    playlists   playlist_busy, playlist_nameless, player_unknown (player)
    security    host_unknown (name), asked_elsewhere, page_unknown
    the rest    value_invalid (name, reason: in English), stopping, unexpected

Errors of the library itself, whose sentences are also said in the shell, have their codes where they are raised:

    query       query_empty, query_term_empty (term), query_weight (term, most), query_open (start), query_excludes_only
    filters     filter_invalid (filter, token, at: its first character, from 1; reason: in English),
                filter_incomplete (filter, reason)
"""

import json
from importlib.resources import files
from typing import Any

from starlette.responses import JSONResponse

from kobza.errors import KobzaError

_CATALOGUE = json.loads(files("kobza.webui").joinpath("static/i18n/en.json").read_text(encoding="utf-8"))
PREFIX = "error."


class PageError(KobzaError):
    """A refusal with a code.

    Attributes:
        status: of HTTP.
        headers: of the answer.
    """

    def __init__(self, code: str, status: int = 400, retry_after: int | None = None, **values: str | float):
        super().__init__(english(code, values), code, **values)
        self.status = status
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


def english(code: str, values: dict[str, Any]) -> str:
    """The sentence of a code.

    >>> english("too_fast", {"n": 1})
    'You ask faster than this server answers; try again in 1 second.'
    """
    entry = _CATALOGUE[PREFIX + code]
    if not isinstance(entry, str):
        entry = entry["one" if values["n"] == 1 else "other"]
    sentence: str = entry.format(**values)
    return sentence


def error_response(error: KobzaError) -> JSONResponse:
    """An error as JSON; one without a code, of a part that the page does not translate, has its sentence alone."""
    coded = {"code": error.code, "values": error.values} if error.code else {}
    status, headers = (error.status, error.headers) if isinstance(error, PageError) else (400, {})
    return JSONResponse({"error": str(error)} | coded, status, headers)
