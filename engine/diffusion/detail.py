"""What of a picture is fine: its detail, how much of it there is, and more or less of it.

Pictures here are `(1, 3, h, w)` float32 in [-1, 1].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLUR_PX = 9
"""Of ember's cell of 16: what is finer than half a cell hardly comes through an autoencoder.

Ember at 512x512, `diffusion/sharpen` at 0.6, 50 pictures of a sunset (2026-11-28): the Laplacian's
variance grows by 2 % with 3 pixels, 26 % with 9, sixfold with 17, where it eats the picture.
"""


def unsharp(picture: Tensor, amount: Tensor) -> Tensor:
    """(1 + k) x - k blur(x), k 0-d: gives back what warping and coding took; k < 0 softens."""
    columns = F.avg_pool2d(picture, (BLUR_PX, 1), 1, (BLUR_PX // 2, 0), count_include_pad=False)
    blurred = F.avg_pool2d(columns, (1, BLUR_PX), 1, (0, BLUR_PX // 2), count_include_pad=False)
    return torch.sub(picture, blurred, out=blurred).mul_(amount).add_(picture)


class Detail:
    """Luma of a picture, its finest detail, and the Laplacians of both.

    Everything is written into buffers that are made once, so what a call returns is true until
    the next call. Diffusion thread only.
    """

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self._luma = torch.empty(height, width, device=device)
        self._rows = torch.empty(height - 2, width, device=device)
        self._mask = torch.zeros(height, width, device=device)
        size = (len(range(1, height - 1, 2)), len(range(1, width - 1, 2)))
        self._own, self._high = (torch.empty(size, device=device) for _ in range(2))

    def look(self, picture: Tensor) -> Tensor:
        """Take the luma of `picture` and return the logarithm of its Laplacian's variance."""
        red, green, blue = picture[0]
        torch.add(red, blue, out=self._luma).mul_(0.25).add_(green, alpha=0.5)
        return _laplacian(self._luma, self._own).var().clamp_min(1e-12).log()

    def mask(self) -> Tensor:
        """X - blur(x) of the luma last looked at, `(h, w)`, the blur the mean of 3x3.

        Sums of shifted views: a pooling kernel takes fifty times as long on a CPU. Its edges are
        nought, whatever it is multiplied with afterwards.
        """
        x, rows, inner = self._luma, self._rows, self._mask[1:-1, 1:-1]
        torch.add(x[:-2], x[1:-1], out=rows).add_(x[2:])
        torch.add(rows[:, :-2], rows[:, 1:-1], out=inner).add_(rows[:, 2:]).mul_(-1.0 / 9.0)
        inner.add_(x[1:-1, 1:-1])
        return self._mask

    def moments(self) -> Tensor:
        """Variances and covariance of the Laplacians of luma and `mask`: own, shared, mask's.

        Shape `(3,)`.
        """
        own = _laplacian(self._luma, self._own)
        high = _laplacian(self._mask, self._high)
        own.sub_(own.mean())
        high.sub_(high.mean())
        own, high = own.flatten(), high.flatten()
        return torch.stack((own.dot(own), own.dot(high), high.dot(high))) / len(own)


def _laplacian(luma: Tensor, out: Tensor) -> Tensor:
    """Return the Laplacian at every second pixel of every second row, of neighbours beside it."""
    torch.add(luma[1:-1:2, :-2:2], luma[1:-1:2, 2::2], out=out)
    out.add_(luma[:-2:2, 1:-1:2]).add_(luma[2::2, 1:-1:2])
    return out.sub_(luma[1:-1:2, 1:-1:2], alpha=4.0)
