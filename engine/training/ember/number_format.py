"""The number format that training is faster in on this machine: bfloat16 where it helps.

Having the instructions is not enough: on a CPU with AVX512-BF16 but without AMX a step of the flow
network took 1.7 times as long in bfloat16 as in float32 on one machine, and less on another (Intel
Xeon 6.207 and AMD EPYC Zen 5, torch 2.13, Nov 2026). So it is measured once in a process; where
the two are about equally fast, a resumed run may go on in the other, as on another machine.
"""

from __future__ import annotations

import functools
import time

import torch
from torch.nn import functional as F

_REPEATS = 4


def fast_numbers(device: str | torch.device) -> torch.autocast:
    """Return a context in which the networks compute in the faster of the two formats."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=half_is_faster(kind))


@functools.cache
def half_is_faster(device_type: str) -> bool:
    """Whether a convolution as ember has them trains faster in bfloat16 than in float32."""
    if device_type != "cpu":
        return True
    return _seconds(torch.bfloat16) < _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    """The shortest time of a convolution forward and back, whatever mode the caller is in."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        return min(_times(dtype))


def _times(dtype: torch.dtype) -> list[float]:
    x = torch.ones(16, 96, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(96, 96, 3, 3, dtype=dtype, requires_grad=True)
    x.requires_grad_()
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        out = F.conv2d(x, weight, padding=1)
        torch.autograd.grad(out, (x, weight), torch.ones_like(out))
        times.append(time.perf_counter() - began)
    return times
