"""Noise that wanders: always standard normal, never the same twice, continuous in its angle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.frame_params import MOST_CALLS, FrameParams
from engine.diffusion.noise_warp import NoiseWarp

QUARTER_TURN_RAD = math.pi / 2.0
_SEED_STRIDE = 7919  # a prime, so that neighbouring seeds do not share fields


class NoiseWalk:
    """n(θ) = cos φ · n_k + sin φ · n_{k+1}, with k = ⌊θ / (π/2)⌋ and φ = θ mod π/2.

    cos² + sin² = 1 keeps the variance. Every quarter turn a new field enters, so the walk is a
    path and not the circle of two fixed fields, which would repeat every 2π. A frame of several
    model calls walks for each of them half a turn further on, where nothing of the noise before is
    left. Fields are drawn on the CPU, so that every device walks the same way, and lie in places
    that never move: an even field in the first of a call's two, an odd one in the second. `plan`
    is the host's part, the rest the device's. Diffusion thread only.
    """

    def __init__(
        self, shape: tuple[int, ...], seed: int, device: torch.device, params: FrameParams
    ) -> None:
        self.shape = shape
        self.seed = seed
        self.warp = NoiseWarp(shape, device, params)
        self._device = device
        self._params = params
        self._fields = torch.zeros((MOST_CALLS, 2, *shape), device=device)
        self._held: dict[tuple[int, int], int] = {}  # which field of the walk lies where
        self._noise = torch.zeros(shape, device=device)
        self._other = torch.zeros_like(self._noise)

    def plan(self, angle_rad: float, calls: int, seed: int) -> None:
        """Have the fields of an angle in place for so many calls, and write their weights."""
        if seed != self.seed:
            self.seed = seed
            self._held.clear()
        weights = []
        for call in range(calls):
            angle = angle_rad + call * math.pi
            turn = math.floor(angle / QUARTER_TURN_RAD)
            phase = angle - turn * QUARTER_TURN_RAD
            for index in (turn, turn + 1):
                self._hold(call, index)
            pair = (math.cos(phase), math.sin(phase))
            weights.append(pair if turn % 2 == 0 else pair[::-1])
        self._params.set("noise", weights)

    def at(self, call: int) -> Tensor:
        """Return the planned noise of a model call, shape `self.shape`, true until the next."""
        weights, fields = self._params["noise"][call], self._fields[call]
        torch.mul(fields[0], weights[0], out=self._noise)
        torch.mul(fields[1], weights[1], out=self._other)
        return self._noise.add_(self._other)

    def carry(self, picture_weights: Tensor) -> None:
        """Move all fields the way of the picture; see `NoiseWarp`."""
        self.warp(self._fields.view(2 * MOST_CALLS, *self.shape[1:]), picture_weights)

    def state(self) -> dict[str, Any]:
        """What was carried, and where; fields that never moved are drawn anew."""
        return {
            "seed": self.seed,
            "held": [[*place, index] for place, index in self._held.items()],
            "fields": self._fields.cpu().numpy().copy(),
            "warp": self.warp.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.seed = int(state["seed"])
        self._held = {(int(call), int(place)): int(k) for call, place, k in state["held"]}
        self._fields.copy_(torch.as_tensor(state["fields"]))
        self.warp.restore(state["warp"])

    def _hold(self, call: int, index: int) -> None:
        place = (call, index % 2)
        if self._held.get(place) == index:
            return
        generator = torch.Generator("cpu").manual_seed(
            self.seed * _SEED_STRIDE + index + 1_000_003
        )
        field = torch.randn(self.shape, generator=generator)
        if self._device.type == "cuda":
            field = field.pin_memory()  # else the copy would wait for the device
        self._fields[place].copy_(field, non_blocking=True)
        self._held[place] = index
