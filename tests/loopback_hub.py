"""A Hub on loopback: as much of its protocol as huggingface_hub needs to create a repository, commit and fetch."""

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

TOKEN = "hf_loopback"
API = re.compile(
    r"/api/(models|spaces|datasets)/([^/]+/[^/]+)(?:/(preupload|commit|revision|tree)/([^/?]+))?(?:/([^?]*))?"
)
FILE = re.compile(r"/(?:(spaces|datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)")


class Hub(ThreadingHTTPServer):
    """Repositories in memory: {("models", "me/name"): {"private": bool, "files": {name: bytes}, "commits": int}}.

    Attributes:
        broken: None, or at which commit to fail: "cut" (the connection) or "full" (the Hub says 507).
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.broken, self.asked = {}, None, []
        self.address = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def files(self, repo_id: str, kind: str = "models") -> dict[str, bytes]:
        return self.repositories[kind, repo_id]["files"]

    def handle_error(self, request, client_address):  # a client that went away
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status: int, body: bytes | dict | list = b"", **headers) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status: int, code: str, sentence: str) -> None:
        self.answer(status, {"error": sentence}, X_Error_Code=code, X_Error_Message=sentence)

    @property
    def may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def find(self, kind: str, repo_id: str) -> dict | None:
        """The repository, if there is one that the asker may see."""
        found = self.server.repositories.get((kind or "models", repo_id))
        return found if found and (self.may_write or not found["private"]) else None

    @staticmethod
    def sha(repository: dict) -> str:
        return hashlib.sha1(str(repository["commits"]).encode()).hexdigest()

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path.startswith("/api/whoami"):
            if not self.may_write:
                return self.refuse(401, "", "Invalid credentials")
            return self.answer(200, {"name": "me", "type": "user", "orgs": []})
        if found := FILE.match(self.path):
            kind, repo_id, _, name = found.groups()
            repository = self.find(kind, repo_id)
            if repository is None:
                return self.refuse(404, "RepoNotFound", "Repository not found")
            if name not in repository["files"]:
                return self.refuse(404, "EntryNotFound", "Entry not found")
            content = repository["files"][name]
            etag = f'"{hashlib.sha1(content).hexdigest()}"'
            return self.answer(200, content, ETag=etag, X_Repo_Commit=self.sha(repository))
        if found := API.match(self.path):
            kind, repo_id, action, _, _ = found.groups()
            repository = self.find(kind, repo_id)
            if repository is None:
                return self.refuse(404, "RepoNotFound", "Repository not found")
            files = repository["files"]
            if action == "tree":
                return self.answer(
                    200,
                    [
                        {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                        for n, c in files.items()
                    ],
                )
            siblings = [{"rfilename": name} for name in files]
            about = {"id": repo_id, "modelId": repo_id, "private": repository["private"], "tags": [], "downloads": 0}
            return self.answer(200, {**about, "sha": self.sha(repository), "siblings": siblings})
        return self.refuse(404, "", f"No {self.path} here")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(self.path)
        if not self.may_write:
            return self.refuse(401, "", "Invalid credentials")
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            repo_id = f"{asked.get('organization') or 'me'}/{asked['name']}"
            key = (asked.get("type") or "model") + "s", repo_id
            if not repo_id.startswith("me/"):
                return self.refuse(403, "", "You have no rights there")
            about = {"url": f"{self.server.address}/{repo_id}", "name": repo_id}
            if key in self.server.repositories:
                return self.answer(409, {**about, "error": "You already created this repository"})
            private = bool(asked.get("private")) or asked.get("visibility") == "private"
            self.server.repositories[key] = {"private": private, "files": {}, "commits": 0}
            return self.answer(200, about)
        if self.path == "/api/validate-yaml":
            head = re.match(r"---\n(.*?)\n---\n", json.loads(body)["content"], re.DOTALL)
            wrong = [] if head else [{"message": "no metadata"}]
            return self.answer(400 if wrong else 200, {"errors": wrong, "warnings": []})
        kind, repo_id, action, _, _ = API.match(self.path).groups()
        repository = self.find(kind, repo_id)
        if repository is None:
            return self.refuse(404, "RepoNotFound", "Repository not found")
        if action == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for file in json.loads(body)["files"]
            ]
            return self.answer(200, {"files": files})
        if self.server.broken == "cut":
            self.close_connection = True
            return self.connection.close()
        if self.server.broken == "full":
            return self.refuse(507, "", "Your storage is full")
        for line in body.splitlines():
            item = json.loads(line)
            if item["key"] == "file":
                repository["files"][item["value"]["path"]] = base64.b64decode(item["value"]["content"])
            if item["key"] == "deletedFile":
                del repository["files"][item["value"]["path"]]
        repository["commits"] += 1
        oid = self.sha(repository)
        url = f"{self.server.address}/{repo_id}/commit/{oid}"
        return self.answer(200, {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})
