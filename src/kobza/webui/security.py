"""Who may ask the page's server, for what, and what a browser may do with the answers.

A browser runs other sites' scripts beside ours. Three checks keep them out: the Host must be one of ours (DNS rebinding
gives another name the address of this machine), whoever asks from a page must ask from ours (another site, or another
port of this machine, can send requests but not our Origin), and only our own paths are answered: Gradio's are closed.
"""

import ipaddress
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kobza.webui.errors import PageError, error_response

LOOPBACK = ("localhost", "127.0.0.1", "::1")
EVERY_ADDRESS = ("", "0.0.0.0", "::")
PORTS = {"http": "80", "https": "443"}
PAGES = ("/", "/favicon.ico")
OWN_PATHS = ("/api/", "/track/", "/static/")
STARTUP_PATH = "/gradio_api/startup-events"  # Gradio asks itself for it once, when it starts
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors "
)


@dataclass(frozen=True)
class Hosts:
    """The host names that the server answers for.

    Attributes:
        names: in lower case, without a port.
        any_address: whether it also answers for every IP address, which a site cannot rebind to this machine.
    """

    names: frozenset[str]
    any_address: bool = False

    @classmethod
    def of(cls, bound: str, allowed: Iterable[str] = ()) -> "Hosts":
        """Those of a server that listens at `bound`, and the further ones that its user allows.

        >>> hosts = Hosts.of("0.0.0.0", ["music.example.org"])
        >>> "music.example.org:8080" in hosts, "192.168.1.5:7860" in hosts, "evil.example" in hosts
        (True, True, False)
        """
        own = {*LOOPBACK, *(host_name(name) for name in allowed)}
        if bound in EVERY_ADDRESS:
            machine = socket.gethostname().lower()
            own |= {machine, f"{machine}.local"}
        else:
            own.add(host_name(bound))
        if space := os.environ.get("SPACE_HOST"):  # on the Hub
            own.add(space.lower())
        return cls(frozenset(own), bound in EVERY_ADDRESS)

    def __contains__(self, host: str) -> bool:
        name = host_name(host)
        return name in self.names or (self.any_address and _is_address(name))


def host_name(host: str) -> str:
    """The name of a Host header, in lower case, without the port and the brackets of IPv6; "" if there is none.

    >>> host_name("Localhost:7860"), host_name("[::1]:7860"), host_name("::1"), host_name("a b")
    ('localhost', '::1', '::1', '')
    """
    if _is_address(host):
        return host.lower()
    try:
        parts = urlsplit(f"//{host}")
        is_plain = parts.netloc == host and parts.username is None and not any(c.isspace() for c in host)
        return (parts.hostname or "").rstrip(".") if is_plain else ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an Origin or Referer is that of the page at a Host. "null", of sandboxes and files, is not.

    >>> is_same_origin("http://localhost:78", "localhost:78"), is_same_origin("http://localhost:9", "localhost:78")
    (True, False)
    >>> is_same_origin("https://music.example.org", "music.example.org:443"), is_same_origin("null", "localhost")
    (True, False)
    """
    try:
        ours, theirs = urlsplit(f"//{host}"), urlsplit(origin)
        default = int(PORTS.get(theirs.scheme, "0"))
        return bool(theirs.hostname) and (theirs.hostname, theirs.port or default) == (
            ours.hostname,
            ours.port or default,
        )
    except ValueError:
        return False


def comes_from_elsewhere(headers: Headers) -> bool:
    """Whether a browser sent the request for another site's page, or for one of another port of this machine.

    Programs other than browsers send none of these headers, and are told from browsers by that.
    """
    host = headers.get("host", "")
    if "origin" in headers:
        return not is_same_origin(headers["origin"], host)
    if "sec-fetch-site" in headers:
        return headers["sec-fetch-site"] not in ("same-origin", "none")
    return "referer" in headers and not is_same_origin(headers["referer"], host)


def refusal(scope: Scope, error: PageError) -> Response:
    """An error, as JSON for the page's own requests and as text for a person."""
    if scope["path"].startswith("/api/"):
        return error_response(error)
    return PlainTextResponse(str(error), error.status, error.headers)


class Gate:
    """The outermost part of the server. All but our own pages' requests end here.

    `is_starting` is set while Gradio starts, which asks its own server to.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts):
        self.app = app
        self.hosts = hosts
        self.is_starting = True
        parent = "https://huggingface.co" if "SPACE_ID" in os.environ else "'none'"  # whose page shows a Space
        self.headers = {
            "Content-Security-Policy": POLICY + parent,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = self._refused(scope)
        await (response or self.app)(scope, receive, self._with_headers(send))

    def _refused(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            name = (host_name(hosts[0]) if len(hosts) == 1 else "") or "NAME"
            return refusal(scope, PageError("host_unknown", 403, name=name))
        if path == STARTUP_PATH and self.is_starting:
            return None
        if not (path in PAGES or path.startswith(OWN_PATHS)):
            return refusal(scope, PageError("page_unknown", 404))
        is_asking = path.startswith(("/api/", "/track/")) or scope["method"] not in ("GET", "HEAD")
        if is_asking and comes_from_elsewhere(headers):
            return refusal(scope, PageError("asked_elsewhere", 403))
        return None

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.startswith("access-control-")]:  # Gradio's
                    del headers[name]
                headers.update(self.headers)
            await send(message)

        return sending
