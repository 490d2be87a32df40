"""Requests as a visitor without a browser makes them."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


class Answer:
    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body
        self.text = body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)


def get(url: str, data: bytes | None = None, method: str | None = None, **headers: str) -> Answer:
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def ask(served: str, path: str, **values: object) -> Any:
    """What the API of the page at `served` answers, as JSON; it is no error."""
    answer = get(f"{served}api/{path}?{urllib.parse.urlencode(values)}")
    assert answer.status == 200, answer.text
    return answer.json


def post(url: str, value: object, **headers: str) -> Answer:
    """POST a value as JSON."""
    return get(url, json.dumps(value).encode(), **{"Content-Type": "application/json"} | headers)
