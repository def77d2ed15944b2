"""Which device and which number format the networks run in."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path

import torch

from engine.errors import ModelLoadError


def choose_device(wanted: str) -> torch.device:
    """Return the torch device for `auto`, `cpu`, `cuda` or `mps`. Raises `ModelLoadError`."""
    has_cuda = torch.cuda.is_available()
    has_mps = torch.backends.mps.is_available()
    if wanted == "auto":
        return torch.device("cuda" if has_cuda else "mps" if has_mps else "cpu")
    if wanted == "cuda" and not has_cuda:
        raise ModelLoadError(
            f"no CUDA device is visible to torch {torch.__version__}: "
            "install the CUDA build or use --device-compute cpu"
        )
    if wanted == "mps" and not has_mps:
        raise ModelLoadError("no Apple GPU is visible to torch: use --device-compute cpu")
    return torch.device(wanted)


def choose_dtype(wanted: str, device: torch.device, *, half_on_cpu: bool) -> torch.dtype:
    """Return the number format for `auto`, `float32`, `bfloat16` or `float16`.

    `auto` is float16 on CUDA, float32 on MPS, and on a CPU bfloat16 where CPU and model
    (`half_on_cpu`) gain from it, else float32.
    """
    if wanted != "auto":
        chosen: torch.dtype = getattr(torch, wanted)
        return chosen
    if device.type == "cuda":
        return torch.float16
    if device.type == "cpu" and half_on_cpu and cpu_gains_from_bfloat16():
        return torch.bfloat16
    return torch.float32


def cpu_has_bfloat16() -> bool:
    """True where the CPU has instructions that multiply bfloat16 (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch has no public name


def cpu_gains_from_bfloat16() -> bool:
    """True where the CPU is faster in bfloat16: with AMX, or with AVX512-BF16 that is not Intel's.

    Intel's AVX512-BF16 multiplies no faster than float32 and pays for the conversions: on a Xeon
    whose AMX was hidden ember's live show made 18.2 pictures a second in float32 and 13.1 in
    bfloat16; on an AMD EPYC (Zen 5) bfloat16 is 1.6 times as fast (2 cores each, Nov 2026).
    """
    if torch.cpu._is_amx_tile_supported():  # noqa: SLF001 - nor for this
        return True
    return cpu_has_bfloat16() and not _is_intel()


def _is_intel() -> bool:
    """Whether the CPU's maker is Intel, as Linux and Windows name it."""
    name = platform.processor()
    with contextlib.suppress(OSError):
        name += Path("/proc/cpuinfo").read_text(encoding="utf-8")[:200]
    return "GenuineIntel" in name


def set_threads(wanted: int) -> int:
    """Give torch `wanted` CPU threads (0: one per core we may use) and return how many it has.

    Diffusion thread only, before the first operation.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(wanted or cores or 1)
    return torch.get_num_threads()
