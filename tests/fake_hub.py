"""A hub on the loopback interface: repositories in memory, and everything that can go wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeRepository:
    files: dict[str, bytes]
    licence: str = "apache-2.0"
    gated: bool = False
    large: tuple[str, ...] = (".safetensors",)
    """What is kept in LFS, and has a SHA-256; the rest has the SHA-1 of git."""


@dataclass
class FakeHub:
    url: str
    repositories: dict[str, FakeRepository] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    """Break the connection after so many bytes, once for each number."""
    flipped: set[str] = field(default_factory=set)
    """Files that arrive with one byte changed."""
    ignores_ranges: bool = False
    answers_pages: bool = False
    """Every answer is a web page, as of a hotel's network."""
    elsewhere: str = ""
    """Redirect files there, as the hub does to its store."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, `Range` and `Authorization` of every request."""

    def add(self, hub_id: str, folder: Path, **settings: object) -> FakeRepository:
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        repository = FakeRepository(files, **settings)  # type: ignore[arg-type]
        self.repositories[hub_id] = repository
        return repository


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = FakeHub(f"http://127.0.0.1:{server.server_address[1]}")
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        hub: FakeHub = self.server.hub  # type: ignore[attr-defined]
        path = unquote(urlsplit(self.path).path)
        hub.asked.append(
            (path, self.headers.get("Range", ""), self.headers.get("Authorization", ""))
        )
        if hub.answers_pages:
            self._send(200, b"<html>Welcome! Accept our terms.</html>")
        elif path.startswith("/api/models/"):
            self._listing(hub, path.removeprefix("/api/models/").removesuffix("/revision/main"))
        else:
            owner, name, _, _, file = path.lstrip("/").split("/", 4)
            self._file(hub, f"{owner}/{name}", file)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _listing(self, hub: FakeHub, hub_id: str) -> None:
        repository = hub.repositories.get(hub_id)
        if repository is None:
            self._refuse(401, "RepoNotFound")
            return
        siblings = []
        for path, data in repository.files.items():
            git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            entry: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": git}
            if path.endswith(repository.large):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            siblings.append(entry)
        table = {"id": hub_id, "sha": COMMIT, "cardData": {"license": repository.licence},
                 "siblings": siblings}  # fmt: skip
        self._send(200, json.dumps(table).encode())

    def _file(self, hub: FakeHub, hub_id: str, path: str) -> None:
        repository = hub.repositories[hub_id]
        if repository.gated:
            self._refuse(401, "GatedRepo")
            return
        if hub.elsewhere:
            self.send_response(302)
            self.send_header("Location", f"{hub.elsewhere}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = repository.files[path]
        if path in hub.flipped:
            data = bytes([data[0] ^ 1]) + data[1:]
        start = 0
        if self.headers.get("Range") and not hub.ignores_ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self._send(206 if start else 200, data[start:], cut=hub.cut_after)

    def _send(self, status: int, data: bytes, cut: list[int] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if cut and len(data) > cut[0]:
            self.wfile.write(data[: cut.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(data)

    def _refuse(self, status: int, why: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", why)
        self.send_header("Content-Length", "0")
        self.end_headers()
