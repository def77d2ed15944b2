"""A module or compiled module as a `Network`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class TorchNetwork:
    """A torch callable that gets maps in its number format and layout and answers in float32.

    Maps are four-dimensional; vectors (time, words) stay as they are, the networks know best.
    """

    def __init__(self, network: Callable[..., Tensor], dtype: torch.dtype) -> None:
        self._network = network
        self._dtype = dtype

    def __call__(self, *inputs: Tensor) -> Tensor:
        """See `Network`; every answer has its own memory."""
        return self._network(*[self._converted(tensor) for tensor in inputs]).float()

    def _converted(self, tensor: Tensor) -> Tensor:
        if tensor.ndim != 4:
            return tensor
        return tensor.to(self._dtype).contiguous(memory_format=torch.channels_last)
