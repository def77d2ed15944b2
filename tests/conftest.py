"""What every test may rely on: quiet logs, no threads left behind, no network, its own home."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from collections.abc import Iterator

import pytest

THIRD_PARTY_THREADS = (
    "tqdm_monitor",  # one per process, ends with it
    "ThreadPoolExecutor",  # kept for reuse by torch's and huggingface's pools
    "Dummy-",  # a C thread that once called into Python: PortAudio, Qt, FFmpeg
    "pytest_timeout",
)
"""Beginnings of names of threads that others own."""

LOOPBACK = ("127.", "localhost", "::1", "0.0.0.0")

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ["CI"] = "true"  # transformers hands its warnings to the root logger only then


class _UnexpectedLogs(logging.Handler):
    """Collects what nobody asked for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def no_unexpected_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that logs a warning or worse, unless it asks for `caplog` and so looks at it."""
    handler = _UnexpectedLogs()
    root = logging.getLogger()
    root.addHandler(handler)
    yield
    root.removeHandler(handler)
    if handler.lines and "caplog" not in request.fixturenames:
        pytest.fail("unexpected log:\n" + "\n".join(handler.lines), pytrace=False)


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """Fail a test whose threads live on."""
    before = set(threading.enumerate())
    yield
    left = [
        thread
        for thread in threading.enumerate()
        if thread not in before and not thread.name.startswith(THIRD_PARTY_THREADS)
    ]
    for thread in left:
        thread.join(2.0)
    names = sorted(thread.name for thread in left if thread.is_alive())
    if names:
        pytest.fail(f"threads left behind: {', '.join(names)}", pytrace=False)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every host but this one unreachable, quickly and the same everywhere."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def connect_here(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if host and not str(host).startswith(LOOPBACK):
            raise OSError(errno.ENETUNREACH, f"tests have no network: {host}")
        connect(self, address)  # type: ignore[arg-type]

    def resolve_here(host: object, *rest: object, **options: object) -> object:
        name = host.decode() if isinstance(host, bytes) else host
        if name and not str(name).startswith(LOOPBACK):
            raise socket.gaierror(socket.EAI_NONAME, f"tests have no network: {name}")
        return resolve(host, *rest, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's settings, presets and caches out of the tests, and the tests out of them."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
