"""OscServer: any OSC program drives Sonolume over UDP."""

from __future__ import annotations

import errno
import selectors
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from engine.clock import Clock, MonotonicClock
from engine.commands import Command
from engine.control.osc_addresses import address_page
from engine.control.osc_inbox import OscInbox
from engine.control.osc_sender import OscSender, parse_host_port
from engine.errors import CommandError, LimitError
from engine.threads import Worker

__all__ = ["DEFAULT_PORT", "OscSender", "OscServer", "address_page", "parse_host_port"]

DEFAULT_PORT = 9000
_LARGEST_DATAGRAM = 65_536
_MOST_PER_TURN = 256


class OscServer:
    """Listens on its own thread `control` and posts commands.

    `post` is called on that thread and must not block (`Engine.post`). `open` raises
    `CommandError`, one line, when the port cannot be had.
    """

    def __init__(
        self,
        post: Callable[[Command], None],
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        clock: Clock | None = None,
        on_failure: Callable[[str, BaseException], None] | None = None,
        on_refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_refused` is told in one line what could not be obeyed (`Engine.warn`)."""
        self.host = host
        self.port = port
        self._post = post
        self._clock = clock or MonotonicClock()
        self._inbox = OscInbox(on_refused)  # control thread only; its counters may be read by any
        self._socket: socket.socket | None = None
        self._on_failure = on_failure
        self._worker: Worker | None = None

    @property
    def received(self) -> int:
        """Datagrams so far. Any thread, never blocks."""
        return self._inbox.received

    @property
    def malformed(self) -> int:
        """Datagrams that were not OSC. Any thread, never blocks."""
        return self._inbox.malformed

    def open(self) -> None:
        """Bind the port and start listening; port 0 takes a free one, `port` then says which."""
        self._socket = _bound(self.host, self.port)
        self.port = int(self._socket.getsockname()[1])
        self._worker = Worker("control", self._run, self._on_failure)
        self._worker.start()

    def close(self) -> None:
        """Stop listening; idempotent."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()
        listening, self._socket = self._socket, None
        if listening is not None:
            listening.close()

    def _run(self, stopping: threading.Event) -> None:
        listening = self._socket
        if listening is None:
            raise CommandError("OSC is closed; open it first")
        with selectors.DefaultSelector() as selector:
            selector.register(listening, selectors.EVENT_READ)
            while not stopping.is_set():
                if selector.select(self._inbox.wait_s(_unix_s(), self._clock.now())):
                    self._read_waiting(listening)
                for command in self._inbox.take(_unix_s(), self._clock.now()):
                    self._post(command)

    def _read_waiting(self, listening: socket.socket) -> None:
        for _ in range(_MOST_PER_TURN):
            try:
                datagram = listening.recv(_LARGEST_DATAGRAM)
            except BlockingIOError:
                return
            except ConnectionError:  # Windows reports a peer that hung up here
                continue
            self._inbox.receive(datagram, _unix_s())


def _unix_s() -> float:
    """Wall-clock time: OSC time tags are written in it, and nothing else here is."""
    return datetime.now(UTC).timestamp()


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise LimitError(f"OSC port {port} is outside 1..65535; try {DEFAULT_PORT}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CommandError(
            f"cannot listen for OSC on {host!r}: {error.strerror}; use 127.0.0.1 or 0.0.0.0"
        ) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        listening.setblocking(False)
        listening.bind(address)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"OSC port {port} is in use by another program; close it or choose another "
                f"with --osc-port {port + 1 if port < 65_535 else DEFAULT_PORT}"
            ) from error
        raise CommandError(
            f"cannot listen for OSC on {host}:{port}: {error.strerror}; choose another with "
            "--osc-port"
        ) from error
    return listening
