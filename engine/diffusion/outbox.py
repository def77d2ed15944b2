"""Where finished frames leave the device: pinned memory and an event, and nothing else waits."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from engine.diffusion.frame_params import IN_FLIGHT
from engine.messages import Uint8, freeze


class Outbox:
    """Frames on their way to the host, at most `IN_FLIGHT`, oldest first. Diffusion thread only.

    On a GPU a copy into pinned memory follows the frame on the device's own queue, and an event
    after it is all that is ever waited for. Elsewhere posting is waiting.
    """

    def __init__(self, pixels: Tensor, report: Tensor) -> None:
        self._pixels, self._report = pixels, report
        self._cuda = pixels.device.type == "cuda"
        self._slots = [
            (
                torch.zeros(pixels.shape, dtype=pixels.dtype, pin_memory=self._cuda),
                torch.zeros(report.shape, pin_memory=self._cuda),
            )
            for _ in range(IN_FLIGHT)
        ]
        self._events = [_event() for _ in self._slots if self._cuda]
        self._posted: deque[int] = deque()
        self._next = 0

    @property
    def waiting(self) -> int:
        """Frames posted and not yet taken."""
        return len(self._posted)

    def post(self) -> None:
        """Send the frame that the device is painting after itself."""
        assert len(self._posted) < IN_FLIGHT, "a frame would be overwritten before it was taken"
        slot = self._next
        pixels, report = self._slots[slot]
        pixels.copy_(self._pixels, non_blocking=self._cuda)
        report.copy_(self._report, non_blocking=self._cuda)
        if self._cuda:
            self._events[slot].record()
        self._posted.append(slot)
        self._next = (slot + 1) % IN_FLIGHT

    def take(self) -> tuple[Uint8, list[float]]:
        """Wait for the oldest frame; return its pixels `(h, w, 3)` and its report.

        They go to other threads, so the array is the one thing that is new for every picture.
        """
        slot = self._posted.popleft()
        if self._cuda:
            self._events[slot].synchronize()
        pixels, report = self._slots[slot]
        array: Uint8 = pixels.numpy().copy()
        return freeze(array), report.tolist()

    def clear(self) -> None:
        """Forget what was posted."""
        while self._posted:
            self.take()


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
