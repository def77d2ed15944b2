"""Two of the three hand-over structures: `Latest` (newest wins) and `Fifo` (counts its drops)."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """One slot; a newer value replaces the older. Any thread may put and get."""

    def __init__(self, value: T | None = None) -> None:
        self._value = value  # guarded by _changed
        self._version = 0 if value is None else 1  # guarded by _changed
        self._changed = Condition()

    @property
    def version(self) -> int:
        """How many values were put. Any thread, never blocks."""
        return self._version

    def put(self, value: T) -> None:
        """Publish a value and wake all waiters. Any thread, never blocks."""
        with self._changed:
            self._value = value
            self._version += 1
            self._changed.notify_all()

    def get(self) -> T | None:
        """Return the newest value, None before the first. Any thread, never blocks."""
        return self._value

    def wait(self, seen_version: int, timeout_s: float) -> tuple[T | None, int]:
        """Wait until something newer than `seen_version` is there, at most `timeout_s`.

        Returns the newest value and its version; the version equals `seen_version` on a timeout.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen_version, timeout_s)
            return self._value, self._version

    def wake(self) -> None:
        """Let waiters look at their stop flag. Any thread, never blocks."""
        with self._changed:
            self._changed.notify_all()


class Fifo(Generic[T]):
    """A bounded queue whose producer never blocks: an item without room is dropped and counted."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a Fifo holds at least 1 item, not {capacity}")
        self.capacity = capacity
        self._items: deque[T] = deque()  # guarded by _ready
        self._dropped = 0  # guarded by _ready
        self._closed = False  # guarded by _ready
        self._ready = Condition()

    @property
    def dropped(self) -> int:
        """How many items found no room. Any thread, never blocks."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """True after `close`. Any thread, never blocks."""
        return self._closed

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> bool:
        """Append `item`; False (and counted) when full or closed. Any thread, never blocks."""
        with self._ready:
            if self._closed or len(self._items) >= self.capacity:
                self._dropped += 1
                return False
            self._items.append(item)
            self._ready.notify()
            return True

    def get(self, timeout_s: float) -> T | None:
        """Take the oldest item, waiting at most `timeout_s`; None when there is none."""
        with self._ready:
            self._ready.wait_for(lambda: bool(self._items) or self._closed, timeout_s)
            return self._items.popleft() if self._items else None

    def drain(self) -> list[T]:
        """Take everything there is. Any thread, never blocks."""
        with self._ready:
            items = list(self._items)
            self._items.clear()
            return items

    def close(self) -> None:
        """Refuse further items and wake the reader; what is inside can still be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
