"""The third hand-over structure: `SampleRing`, samples from one writer to any reader."""

from __future__ import annotations

from threading import Condition

import numpy as np

from engine.errors import OverrunError
from engine.messages import Float32


class SampleRing:
    """A ring of the newest samples, addressed by absolute sample index.

    One writer (the audio callback) pushes; readers ask for windows by index. A window is whole or
    refused, never torn: the reader checks after its copy that the writer has not lapped it. The
    writer does no allocation and takes no lock that a reader can hold for longer than a wake-up.
    """

    def __init__(self, capacity: int, channels: int = 2) -> None:
        if capacity < 1 or channels < 1:
            raise ValueError(f"ring of {capacity} samples x {channels} channels")
        self.capacity = capacity
        self.channels = channels
        self._data = np.zeros((capacity, channels), np.float32)
        self._claimed = 0  # written by the producer only: samples being overwritten up to here
        self._written = 0  # written by the producer only: samples readable up to here
        self._ready = Condition()

    @property
    def written(self) -> int:
        """One past the newest readable sample. Any thread, never blocks."""
        return self._written

    def push(self, block: Float32) -> None:
        """Append `block`, shape `(n, channels)` float32. Producer only, never waits."""
        n = block.shape[0]
        if n == 0:
            return
        first = self._written
        self._claimed = first + n
        if n > self.capacity:  # only the newest part survives anyway
            block = block[n - self.capacity :]
        start = (first + n - block.shape[0]) % self.capacity
        head = min(block.shape[0], self.capacity - start)
        self._data[start : start + head] = block[:head]
        self._data[: block.shape[0] - head] = block[head:]
        self._written = first + n
        if self._ready.acquire(blocking=False):  # a busy reader looks again by itself
            try:
                self._ready.notify_all()
            finally:
                self._ready.release()

    def read(self, start: int, count: int) -> Float32:
        """Return samples `[start, start + count)` as a new array, shape `(count, channels)`.

        Raises `ValueError` for samples not yet written and `OverrunError` for samples overwritten.
        Any thread, never blocks.
        """
        if start < 0 or count < 0 or start + count > self._written:
            raise ValueError(f"samples {start}..{start + count} of {self._written} written")
        if count > self.capacity:
            raise OverrunError(
                f"a window of {count} samples does not fit a ring of {self.capacity}"
            )
        if self._claimed - start > self.capacity:
            raise OverrunError(f"samples from {start} are gone: {self._written} are written")
        index = start % self.capacity
        head = min(count, self.capacity - index)
        window = np.empty((count, self.channels), np.float32)
        window[:head] = self._data[index : index + head]
        window[head:] = self._data[: count - head]
        if self._claimed - start > self.capacity:  # the writer came by while we copied
            raise OverrunError(f"samples from {start} were overwritten while being read")
        return window

    def wait(self, needed: int, timeout_s: float) -> bool:
        """Wait until sample index `needed` is written; False on a timeout."""
        if self._written >= needed:
            return True
        with self._ready:
            # The writer skips the wake-up rather than wait for us, so look again every 10 ms.
            remaining_s = timeout_s
            while self._written < needed and remaining_s > 0.0:
                slice_s = min(0.01, remaining_s)
                self._ready.wait(slice_s)
                remaining_s -= slice_s
        return self._written >= needed

    def wake(self) -> None:
        """Let waiters look at their stop flag. Any thread."""
        with self._ready:
            self._ready.notify_all()
