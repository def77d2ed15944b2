"""Memory that torch shares with another runtime, so that calls allocate nothing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class StaticBuffers:
    """Float32 inputs and one answer, contiguous, on the CPU; tensors and arrays are one memory."""

    def __init__(self, inputs: Iterable[Tensor], answer_shape: Iterable[int]) -> None:
        self.arrays = tuple(np.zeros(tuple(tensor.shape), np.float32) for tensor in inputs)
        self.answer_array: NDArray[np.float32] = np.zeros(tuple(answer_shape), np.float32)
        # Tensors born in inference mode could not be written to outside it.
        with torch.inference_mode(mode=False):
            self._tensors = tuple(torch.from_numpy(array) for array in self.arrays)
            self.answer: Tensor = torch.from_numpy(self.answer_array)

    def fill(self, inputs: tuple[Tensor, ...]) -> None:
        """Copy inputs in, whatever their number format and layout."""
        for tensor, given in zip(self._tensors, inputs, strict=True):
            tensor.copy_(given)
