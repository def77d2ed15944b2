"""The one small vector through which the host steers a frame: everything that changes per frame.

The host writes plain numbers into it, one copy carries them to the device, and the tensor program
reads views of it. So nothing per frame is a Python number inside the program, which a captured
graph would freeze.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

MOST_CALLS = 8
"""Model calls that one frame can make: a fresh picture of a plain checkpoint needs so many."""
MOST_PROMPTS = 8
"""Prompts whose homes the governor mixes; more than any scene walk and listener give."""
MOST_SLOTS = 4
"""Pictures that a network remembers at most."""
IN_FLIGHT = 2
"""Frames that may be on their way on a device: host vectors are written in turn."""

FIELDS: Mapping[str, tuple[int, ...]] = {
    "warp": (2, 7),  # where x and y come from, by the seven fields of `Warp`
    "sharpen": (),
    "structure": (),  # share of the steering picture, in [0, 1]
    "anchor": (),  # how far colours are pulled, in [0, 1]
    "firmness": (),  # how firmly detail is held, in [0, 1]
    "memory_share": (),  # by which the anchor's memory moves to the new picture
    "dt_s": (),
    "smooth_share": (),  # by which the governor's mean moves to the new picture
    "home": (),  # row of the prompt that is alone in the picture
    "home_is_new": (),
    "homes": (MOST_PROMPTS,),  # rows of all prompts
    "home_weights": (MOST_PROMPTS,),  # 0 where a prompt has no home
    "levels": (MOST_CALLS, 3),  # alpha, sigma and time of each model call
    "noise": (MOST_CALLS, 2),  # weights of each call's two fields
    "guidance": (),
    "memory_bias": (MOST_SLOTS,),  # ln of what each remembered picture counts
    "memory_slot": (),  # which of them is written
    "noise_warp": (),  # share of the picture's way that the noise goes
    "noise_turn": (),  # where in the reservoir new noise is taken from, in [0, 1)
}
"""Name and shape of everything in the vector; numbers and shares, or said beside it."""


class FrameParams:
    """The vector, on the host and on the device. Diffusion thread only."""

    def __init__(self, device: torch.device) -> None:
        self._offsets: dict[str, slice] = {}
        length = 0
        for name, shape in FIELDS.items():
            self._offsets[name] = slice(length, length + math.prod(shape))
            length += math.prod(shape)
        pinned = device.type == "cuda"
        # On the CPU the program reads what the host writes: one memory, nothing to copy.
        copies = 1 if device.type == "cpu" else IN_FLIGHT
        self._hosts = [torch.zeros(length, pin_memory=pinned) for _ in range(copies)]
        self._arrays = [host.numpy() for host in self._hosts]
        self._turn = 0
        self._device = (
            self._hosts[0] if device.type == "cpu" else torch.zeros(length, device=device)
        )
        self._views = {
            name: self._device[place].view(FIELDS[name]) for name, place in self._offsets.items()
        }

    def __getitem__(self, name: str) -> Tensor:
        """Return the device's view of an entry: always the same memory."""
        return self._views[name]

    def set(self, name: str, values: float | Sequence[float] | Sequence[Sequence[float]]) -> None:
        """Write an entry from its start; what `values` do not reach stays."""
        flat = np.asarray(values, dtype=np.float32).reshape(-1)
        start = self._offsets[name].start
        assert start + len(flat) <= self._offsets[name].stop, name
        self._arrays[self._turn][start : start + len(flat)] = flat

    def send(self) -> None:
        """Carry the vector to the device, without waiting; then write the next one."""
        if self._device is self._hosts[0]:
            return
        self._device.copy_(self._hosts[self._turn], non_blocking=True)
        following = (self._turn + 1) % len(self._hosts)
        np.copyto(self._arrays[following], self._arrays[self._turn])
        self._turn = following
