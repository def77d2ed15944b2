"""Chunks of sound in, one gapless stretch out, on the clock of the recording."""

from __future__ import annotations

from collections import deque

import numpy as np

from engine.messages import Float32


class AudioTimeline:
    """Puts chunks where they belong: gaps become silence, overlaps are heard once.

    Positions are samples since the start of the recording. One thread only.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.taken = 0
        self.end = 0
        self.gap_samples = 0
        self._pending: deque[Float32] = deque()

    def add(self, position: int, samples: Float32) -> None:
        """Place `samples`, shape `(n, any channels)` or `(n,)`, at `position`.

        What lies before the end of what is there already has been heard or filled and is left out.
        """
        block = match_channels(samples, self.channels)
        if position < self.end:
            block = block[self.end - position :]
        elif position > self.end:
            self.gap_samples += position - self.end
            self._append(np.zeros((position - self.end, self.channels), np.float32))
        self._append(block)

    def take(self, until: int) -> Float32:
        """Return all up to position `until`, shape `(n, channels)`, missing sound as silence.

        Empty when `until` is taken already.
        """
        if until > self.end:
            self.gap_samples += until - self.end
            self._append(np.zeros((until - self.end, self.channels), np.float32))
        parts = [np.zeros((0, self.channels), np.float32)]
        while self.taken < until:
            block = self._pending.popleft()
            head, rest = block[: until - self.taken], block[until - self.taken :]
            parts.append(head)
            self.taken += head.shape[0]
            if rest.shape[0]:
                self._pending.appendleft(rest)
        return np.concatenate(parts)

    def forget_untaken(self) -> None:
        """Drop what was not taken: another source begins here."""
        self._pending.clear()
        self.end = self.taken

    def _append(self, block: Float32) -> None:
        if block.shape[0]:
            self._pending.append(block)
            self.end += block.shape[0]


def match_channels(samples: Float32, channels: int) -> Float32:
    """Return `samples` as finite float32 in [-1, 1], shape `(n, channels)`; a copy.

    One channel is heard on all; into one channel all are averaged; surplus ones are left out.
    """
    block = np.nan_to_num(np.asarray(samples, np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    block = block.reshape(block.shape[0], -1)
    if channels == 1 and block.shape[1] > 1:
        block = block.mean(axis=1, keepdims=True)
    elif block.shape[1] < channels:
        block = np.repeat(block[:, :1], channels, axis=1)
    return np.clip(block[:, :channels], -1.0, 1.0)
