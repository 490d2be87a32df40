"""A web server on the loopback that answers with given files, whole or cut off."""

import http.server
import threading


class Files(http.server.ThreadingHTTPServer):
    """`with Files({"/a.txt": b"..."}) as server:` answers at `server.url`; `server.asked` lists the requests' paths.

    Of the paths in `server.cut` only the first half is sent, though the whole length is promised.
    """

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files, self.cut, self.asked = files, set(), []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path in self.server.cut else content)
