"""Weights that begin as normal random numbers, without the cost of them where none are needed."""

from __future__ import annotations

import torch
from torch import nn


def spread(deviation: float, *shape: int) -> nn.Parameter:
    """Normal numbers around 0; left empty on the meta device, where a file fills them later.

    There the first random number makes torch import 500 modules: 0.3 s of an idle machine, 2 s of
    the start of a show, in which all threads want the interpreter.
    """
    values = torch.empty(shape)
    return nn.Parameter(values if values.is_meta else deviation * torch.randn(shape))
