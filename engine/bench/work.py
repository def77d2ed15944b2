"""How much arithmetic a frame is, and how much of it a machine can do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_SIDES = {"cuda": 8192, "mps": 4096, "cpu": 2048}
"""Of the matrices that are multiplied: large enough that nothing but the product counts."""
_PRODUCTS = 7


def count_gflop(work: Callable[[], object]) -> float:
    """Run eager torch operations and count 10^9 multiplications and additions, two per MAC.

    Products, convolutions and attention; what is linear in the pixels is not counted.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # The counter does not know the CPU's fused attention; its two products it does.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops()) / 1e9


def matmul_peak_tflops(
    device: torch.device,
    dtype: torch.dtype,
    side: int | None = None,
    now: Callable[[], float] = time.perf_counter,
) -> float:
    """Return 10^12 operations per second of the fastest of seven products of square matrices."""
    import torch

    side = side or _SIDES[device.type]
    wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(device.type)
    with torch.inference_mode():
        generator = torch.Generator().manual_seed(0)
        factor = torch.randn(side, side, generator=generator).to(device, dtype)
        times_s = []
        for _ in range(_PRODUCTS + 1):
            begun_s = now()
            torch.mm(factor, factor)
            if wait is not None:
                wait()
            times_s.append(now() - begun_s)
    return 2.0 * side**3 / min(times_s[1:]) / 1e12
