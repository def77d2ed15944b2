"""Which lines show: one error until it is dismissed or resolved, one notice for a while."""

from __future__ import annotations

from typing import Literal

from app.snapshots import Message

NOTICE_S = 8.0
"""Long enough to read a path twice."""
READ_S = 1.5
"""An action takes a notice away, but not one that came up under the very same hand."""

NOTHING = Message("")


class MessageBoard:
    """Takes what every origin has to say and keeps the newest of each level. GUI thread only.

    What was replaced or dismissed stays away, even while its origin still says it: of two lines
    the performer has seen both.
    """

    def __init__(self) -> None:
        self.error = NOTHING
        self.notice = NOTHING
        self._standing: dict[str, Message] = {}  # what every origin says now
        self._noticed_s = 0.0

    def put(self, origin: str, message: Message, now_s: float) -> None:
        """Take what `origin` says now; nothing changes while it says the same."""
        before = self._standing.get(origin, NOTHING)
        if before == message:
            return
        # The engine passes on what the source says: the same line twice is no news.
        is_news = message not in self._standing.values()
        self._standing.pop(origin, None)
        if message.text:
            self._standing[origin] = message
            if is_news:
                self._show(message, now_s)
        self._take_back(before)

    def say(self, message: Message, now_s: float) -> None:
        """Take an answer of the window itself, which shows however often it is given."""
        before = self._standing.pop("window", NOTHING)
        self._take_back(before)
        if message.text:
            self._standing["window"] = message
            self._show(message, now_s)

    def act(self, now_s: float) -> None:
        """The performer did something: a notice that could be read goes."""
        if now_s - self._noticed_s >= READ_S:
            self.notice = NOTHING

    def step(self, now_s: float) -> None:
        """Let time pass."""
        if now_s - self._noticed_s >= NOTICE_S:
            self.notice = NOTHING

    def dismiss(self, level: Literal["error", "notice"]) -> None:
        """Hide the line of this level."""
        if level == "error":
            self.error = NOTHING
        else:
            self.notice = NOTHING

    def _show(self, message: Message, now_s: float) -> None:
        if message.level == "error":
            self.error = message
        else:
            self.notice = message
            self._noticed_s = now_s

    def _take_back(self, message: Message) -> None:
        """Hide what nobody says any more."""
        if message in self._standing.values():
            return
        if self.error == message:
            self.error = NOTHING
        if self.notice == message:
            self.notice = NOTHING
