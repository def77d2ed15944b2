"""`Steering`: the picture that steers, at the model's size and on its device."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.diffusion.structure.fitting import cover
from engine.messages import Uint8


class Steering:
    """in = (1 - a) · previous + a · source, before encoding. Diffusion thread only.

    The picture is fitted and uploaded once, however often it is mixed in; everything as large as a
    picture is written into buffers that are made once.
    """

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self.fitted: Uint8 | None = None
        """`(height, width, 3)` RGB; None while nothing steers."""
        self._seen: Uint8 | None = None
        self._size = (width, height)
        self._planes = torch.empty((1, 3, height, width), dtype=torch.uint8, device=device)
        self.picture = torch.zeros((1, 3, height, width), device=device)
        """The same on the device, `(1, 3, h, w)` in [-1, 1]: a buffer that stays where it is."""
        self._mixed = torch.empty_like(self.picture)

    def see(self, pixels: Uint8 | None) -> None:
        """Take the picture that steers from now on, `(h, w, 3)` of any size; None: none."""
        if pixels is self._seen:
            return
        self._seen = pixels
        self.fitted = None if pixels is None else cover(pixels, *self._size)
        if self.fitted is not None:
            self._planes[0].copy_(torch.from_numpy(self.fitted).permute(2, 0, 1))
            self.picture.copy_(self._planes).mul_(1.0 / 127.5).sub_(1.0)

    def amount(self, asked: float) -> float:
        """How much of the source is mixed in; 0 while there is none."""
        return 0.0 if self.fitted is None else asked

    def mix(self, previous: Tensor, amount: Tensor) -> Tensor:
        """Return the mixture, `(1, 3, h, w)` in [-1, 1]; true until the next call."""
        return torch.lerp(previous, self.picture, amount, out=self._mixed)
