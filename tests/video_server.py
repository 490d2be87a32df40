"""A server of videos on the loopback, with the faults that real ones have; the video's id says which."""

import http.server
import threading
import time
from collections import Counter

import numpy as np
from recordings import write

VIDEO_SECONDS = 24


def video(folder) -> bytes:
    """A tone whose pitch is 200 Hz + 40 Hz a second, so that a cut shows where it was made."""
    t = np.arange(VIDEO_SECONDS * 16000) / 16000
    return write(folder / "video.m4a", (0.5 * np.sin(2 * np.pi * (200 + 20 * t) * t)).astype(np.float32)).read_bytes()


class Videos(http.server.ThreadingHTTPServer):
    """`with Videos(bytes) as server:` answers at `server.url`; `server.asked` counts requests by id.

    An id begins with what happens: 404 and other numbers, that status; busy, 429 for the first request; flaky, 500 for
    the first; html, a page; garbage, no recording under a recording's type; cut, half of what was promised; stall,
    silence after the first bytes; slow, a second for the whole; meet, nothing until two of them are asked for at once;
    else the video.
    """

    daemon_threads = True

    def __init__(self, body: bytes):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.body, self.asked, self.meeting = body, Counter(), threading.Barrier(2)
        self.url = f"http://127.0.0.1:{self.server_port}/{{ytid}}.m4a"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass  # a client that hangs up


class _Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server, name = self.server, self.path[1:].split(".")[0]
        server.asked[name] += 1
        if name.startswith("meet") and server.asked[name] == 1:
            server.meeting.wait(timeout=60)
        self._answer(name, server.asked[name], server.body)

    def _answer(self, name: str, time_asked: int, body: bytes) -> None:
        status, kind = int(name[:3]) if name[:3].isdigit() else 200, "audio/mp4"
        if time_asked == 1 and name.startswith(("busy", "flaky")):
            status = 429 if name.startswith("busy") else 500
        if name.startswith("html"):
            kind, body = "text/html", b"<html><title>Videos</title>Welcome</html>"
        elif name.startswith("garbage"):
            body = b"not what it says" * 500
        elif status != 200:
            body = b"no"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        if name.startswith("cut"):
            body = body[: len(body) // 2]
        elif name.startswith("stall"):
            self.wfile.write(body[:1000])
            self.wfile.flush()
            time.sleep(5)
        pieces = 10 if name.startswith("slow") else 1
        for k in range(pieces):
            self.wfile.write(body[len(body) * k // pieces : len(body) * (k + 1) // pieces])
            self.wfile.flush()
            time.sleep(0.1 if pieces > 1 else 0)
