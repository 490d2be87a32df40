"""MusicCaps' table and a WebDataset, through the real huggingface_hub from a server on the loopback."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from made_sets import musiccaps_table
from recordings import tone, write

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.ThreadingHTTPServer):
    """What the Hub answers about data sets: {"user/name": {path: bytes}}."""

    daemon_threads = True

    def __init__(self, sets: dict[str, dict[str, bytes]]):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.sets, self.url = sets, f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def _send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        api = parts[0] == "api"
        name, rest = "/".join(parts[1 + api : 3 + api]), parts[3 + api :]
        files = self.server.sets.get(name)
        if files is None:
            return self._send(b"{}", 404, X_Error_Code="RepoNotFound")
        if not api:  # resolve/REVISION/PATH
            body = files["/".join(rest[2:])]
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            ends = {"X_Repo_Commit": COMMIT, "ETag": f'"{hashlib.sha1(body).hexdigest()}"'}
            part = body[int(first) : int(last) + 1 if last else None]
            return self._send(part, 206 if "Range" in self.headers else 200, **ends)
        if rest[:1] == ["tree"]:
            entries = [{"type": "file", "path": p, "size": len(b), "oid": "0" * 40} for p, b in files.items()]
            return self._send(json.dumps(entries).encode(), Content_Type="application/json")
        about = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": path} for path in files], "private": False}
        about |= {"tags": [], "downloads": 0, "likes": 0, "gated": False, "disabled": False}
        return self._send(json.dumps(about).encode(), Content_Type="application/json")

    do_HEAD = do_GET


def shard(folder, numbers) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for k in numbers:
            sound = write(folder / "x.flac", tone(300 + k, 0.3)).read_bytes()
            for name, data in ((f"{k}.flac", sound), (f"{k}.txt", f"caption {k}".encode())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


SCRIPT = """
from kobza.data.musiccaps_download import read_clips
from kobza.data.recordings import DataSetError
from kobza.training.shard_names import find_shards, open_shards
from kobza.training.streaming import PairStream

print([clip.ytid for clip in read_clips()])
print([item["text"] for item in PairStream([open_shards("hub:user/music")])])
for name in ("user/none", "user/empty"):
    try:
        find_shards("hub:" + name)
    except DataSetError as error:
        print(error)
"""


@pytest.fixture
def hub(tmp_path):
    table = musiccaps_table(tmp_path / "table.csv", ["aaaaaaaaaaa", "bbbbbbbbbbb"]).read_bytes()
    shards = {f"data/{k}.tar": shard(tmp_path, range(3 * k, 3 * k + 3)) for k in range(2)}
    sets = {
        "google/MusicCaps": {"musiccaps-public.csv": table},
        "user/music": {"README.md": b"", **shards},
        "user/empty": {"README.md": b""},
    }
    with Hub(sets) as hub:
        yield hub
        hub.shutdown()


def test_the_table_and_the_shards_come_from_the_hub(hub, tmp_path):
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    root = str(Path(__file__).parents[2] / "src")
    environment["PYTHONPATH"] = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=240)
    lines = run.stdout.splitlines()
    assert lines[:2] == ["['aaaaaaaaaaa', 'bbbbbbbbbbb']", str([f"caption {k}" for k in range(6)])], run.stderr
    assert lines[2].startswith("The data set user/none cannot be read on the Hub")
    assert lines[3] == "hub:user/empty has no tar or Parquet files: give a WebDataset's shards, or Parquet files."
