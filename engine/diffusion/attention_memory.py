"""Keys and values of pictures painted a little while ago, kept where self-attention reads them.

Attention sees [own ; remembered], as StreamV2V's feature bank has it (Liang et al. 2024), but in a
ring of fixed memory and without asking what a tensor holds, so that a device can record it: how
much each remembered picture counts is a log-bias on its keys, minus infinity where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.frame_params import FrameParams


@dataclass(frozen=True, slots=True)
class AttentionShape:
    """One self-attention layer at one picture size."""

    heads: int
    cells: int
    width: int
    """Of a head."""


class AttentionMemory:
    """All that one network remembers: a ring of slots per layer, in one buffer that never moves.

    The program reads bias and slot from `FrameParams`; the host says with `keeping` whether the
    next frame is kept. Diffusion thread only.
    """

    def __init__(
        self, shapes: Sequence[AttentionShape], slots: int, rows: int, weight: Tensor,
        params: FrameParams,
    ) -> None:  # fmt: skip
        """Room for `slots` pictures of `rows` rows, in format and place of `weight`."""
        self.rows = rows
        self.slots = slots
        self.keeping = False
        """Whether calls write their keys and values; a frame's last call is what stays."""
        sizes = [rows * shape.heads * slots * shape.cells * shape.width for shape in shapes]
        self.buffer = torch.zeros(2 * sum(sizes), dtype=weight.dtype, device=weight.device)
        parts = iter(
            torch.split(self.buffer, [size for size in sizes for _ in ("keys", "values")])
        )
        self.layers = tuple(
            LayerMemory(self, params, *(
                next(parts).view(rows, shape.heads, slots, shape.cells, shape.width)
                for _ in ("keys", "values")
            ))
            for shape in shapes
        )  # fmt: skip
        """In the order of the shapes."""

    @property
    def bytes(self) -> int:
        """Of the buffer."""
        return self.buffer.untyped_storage().nbytes()

    @torch.inference_mode()
    def forget(self) -> None:
        """Zero everything: what is no number would come through a weight of zero."""
        self.buffer.zero_()

    def state(self) -> dict[str, Any]:
        """What is kept, bit for bit."""
        return {"bits": self.buffer.view(torch.uint8).cpu().numpy().copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, of a memory of the same shapes."""
        self.buffer.view(torch.uint8).copy_(torch.as_tensor(state["bits"]))


class LayerMemory:
    """What one layer remembers; `keys` and `values` are `(rows, heads, slots, cells, width)`."""

    def __init__(
        self, whole: AttentionMemory, params: FrameParams, keys: Tensor, values: Tensor
    ) -> None:
        self.keys, self.values = keys, values
        self._whole, self._params = whole, params

    def beside(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Put what is remembered behind a call's own keys and values `(b, heads, n, width)`.

        Returns both and the bias of all keys, `(1, 1, 1, n + slots * cells)`. The last `cells` of
        the n are the picture's: where the frame is kept, they are written into its slot.
        """
        rows, _, own, _ = key.shape
        slots, cells = self.keys.shape[2:4]
        seen = [
            torch.cat((new, kept[:rows].flatten(2, 3)), dim=2)
            for new, kept in ((key, self.keys), (value, self.values))
        ]
        if self._whole.keeping:
            slot = self._params["memory_slot"].long().view(1)
            for new, kept in ((key, self.keys), (value, self.values)):
                kept[:rows].index_copy_(2, slot, new[:, :, own - cells :].unsqueeze(2))
        bias = self._params["memory_bias"][:slots, None].expand(slots, cells).reshape(-1)
        bias = F.pad(bias, (own, 0)).to(key.dtype).view(1, 1, 1, -1)
        return seen[0], seen[1], bias
