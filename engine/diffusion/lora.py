"""LoRAs merged into a model's own weights, in place, with weights that change while it paints.

W = W0 + sum s_i (alpha_i / r_i) B_i A_i is written into the memory the network already has
(reference/engine.md, section 8): a picture costs nothing more, captured graphs stay valid, and
the originals W0 of the layers that are changed are kept, in their own number format and on their
own device, so that taking a LoRA off leaves the very same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from engine.diffusion.lora_change import Change, as_matrix
from engine.diffusion.lora_plan import Networks, PlannedLora
from engine.errors import ModelLoadError

PICTURE_STEPS, PICTURE_INTERVAL_S = 64, 1.0 / 30.0
"""Shares move in 64ths, at most 30 times per second of music: 30 merges of about 6 ms, not 300."""
TEXT_STEPS, TEXT_INTERVAL_S = 8, 0.5
"""Every change of the text encoder has all prompts encoded anew: coarser and seldom."""

_SPARE = 1.1
"""Free memory must be so many times what is needed."""


class Changed(NamedTuple):
    """What a new weight has changed."""

    picture: bool = False
    """The denoiser: what it made of prompts (keys and values) is out of date."""
    text: bool = False
    """The text encoders: encoded prompts are out of date."""


class _Layer:
    """One layer's weight, its original, and what is added to it."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        self.weight: Tensor = layer.weight.data
        self.original = self.weight.clone()  # the same order in memory
        self.changes: list[tuple[int, Change]] = []

    def merge(self, weights: Sequence[float]) -> None:
        """Write original plus changes into the weight, summed in float32."""
        active = [(weights[slot], change) for slot, change in self.changes if weights[slot]]
        if not active:
            self.weight.copy_(self.original)
            return
        if self.weight.dtype is torch.float32:
            self.weight.copy_(self.original)
            total = self.weight
        else:
            total = self.original.float()
        matrix = as_matrix(total)
        for weight, change in active:
            change.add_to(matrix, weight)
        if total is not self.weight:
            self.weight.copy_(total)


class _Half:
    """The layers of either the denoiser or the text encoders, and the weights merged into them."""

    def __init__(self, steps: int, interval_s: float) -> None:
        self.layers: dict[int, _Layer] = {}  # by the identity of the module
        self.merged: tuple[float, ...] = ()  # shares, in whole steps
        self.merged_s = 0.0
        self._steps, self._interval_s = steps, interval_s

    def due(self, shares: Sequence[float], time_s: float) -> tuple[float, ...] | None:
        """Return the shares to merge now, None for none."""
        wanted = tuple(round(share * self._steps) / self._steps for share in shares)
        passed_s = abs(time_s - self.merged_s)  # a show may begin anew
        # Half a microsecond: 30 pictures a second are 30 merges, however time was added up.
        soon = bool(self.merged) and passed_s < self._interval_s - 5e-7
        return None if not self.layers or wanted == self.merged or soon else wanted

    def merge(self, shares: tuple[float, ...], loras: Sequence[PlannedLora]) -> None:
        """Bring every layer that this changes up to date."""
        weights = [s * lora.weight for s, lora in zip(shares, loras, strict=True)]
        before = self.merged or (0.0,) * len(shares)
        moved = {slot for slot, share in enumerate(shares) if share != before[slot]}
        for layer in self.layers.values():
            if any(slot in moved for slot, _ in layer.changes):
                layer.merge(weights)
        self.merged = shares


class LoraStack:
    """LoRAs on one model. Nothing is merged before `follow`. Diffusion thread only.

    Raises `ModelLoadError`, before anything has changed, where there is no room for the originals.
    """

    def __init__(self, networks: Networks, loras: Sequence[PlannedLora]) -> None:
        self.loras = tuple(loras)
        self._halves = {
            "picture": _Half(PICTURE_STEPS, PICTURE_INTERVAL_S),
            "text": _Half(TEXT_STEPS, TEXT_INTERVAL_S),
        }
        device = next(next(iter(networks.values())).parameters()).device
        _check_memory(self.loras, device)
        for slot, lora in enumerate(self.loras):
            for component, module, change in lora.changes:
                half = self._halves["text" if component.startswith("text") else "picture"]
                if id(module) not in half.layers:
                    half.layers[id(module)] = _Layer(module)
                layer = half.layers[id(module)]
                layer.changes.append((slot, change.to(layer.weight.device)))

    @property
    def n_bytes(self) -> int:
        """Memory of originals and factors."""
        layers = [layer for half in self._halves.values() for layer in half.layers.values()]
        factors = sum(change.n_bytes for layer in layers for _, change in layer.changes)
        return factors + sum(layer.original.nbytes for layer in layers)

    @property
    def few_step(self) -> bool:
        """One of them makes few steps enough."""
        return any(lora.few_step for lora in self.loras)

    @property
    def text_shares(self) -> tuple[float, ...]:
        """What is merged into the text encoders now; empty while they are the checkpoint's."""
        merged = self._halves["text"].merged
        return merged if any(merged) else ()

    def follow(self, shares: Sequence[float], time_s: float) -> Changed:
        """Merge each LoRA at `shares[k]` times its own weight, if that is new.

        `time_s` is musical time: what comes too soon after the last change waits, so that the
        same states always give the same pictures.
        """
        changed: dict[str, bool] = {}
        for name, half in self._halves.items():
            due = half.due(shares, time_s)
            changed[name] = due is not None
            if due is not None:
                half.merge(due, self.loras)
                half.merged_s = time_s
        return Changed(**changed)

    def remove(self) -> Changed:
        """Give every layer its original bits back."""
        changed = {name: any(half.merged) for name, half in self._halves.items()}
        for half in self._halves.values():
            for layer in half.layers.values():
                layer.weight.copy_(layer.original)
            half.merged = ()
        return Changed(**changed)

    def state(self) -> dict[str, Any]:
        """What is merged, and since when."""
        return {
            name: {"shares": list(half.merged), "time_s": half.merged_s}
            for name, half in self._halves.items()
        }

    def restore(self, state: Mapping[str, Any]) -> Changed:
        """Merge what was merged when `state` was taken."""
        for name, half in self._halves.items():
            shares = tuple(state[name]["shares"])
            if shares:
                half.merge(shares, self.loras)
            half.merged_s = state[name]["time_s"]
        return Changed(*(bool(half.layers) for half in self._halves.values()))


def _check_memory(loras: Sequence[PlannedLora], device: torch.device) -> None:
    """Raise `ModelLoadError` unless originals and factors have room."""
    weights = {id(layer): layer.weight.nbytes for lora in loras for _, layer, _ in lora.changes}
    factors = sum(change.n_bytes for lora in loras for _, _, change in lora.changes)
    needed = sum(weights.values()) + (factors if device.type != "cpu" else 0)
    free = _free_bytes(device)
    if free is not None and free < _SPARE * needed:
        raise ModelLoadError(
            f"the LoRAs keep {needed / 2**30:.1f} GiB of original weights and {free / 2**30:.1f} "
            "GiB are free: leave one out, close other programs or choose a smaller model"
        )


def _free_bytes(device: torch.device) -> int | None:
    """Free memory of a device; None where nobody tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "cpu":
        import psutil

        return int(psutil.virtual_memory().available)
    return None
