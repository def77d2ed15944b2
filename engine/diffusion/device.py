"""Which device and which number format the networks run in."""

from __future__ import annotations

import os

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

    `auto` is float16 on CUDA, float32 on MPS, and on a CPU bfloat16 where its instructions are
    there and the model gains from it (`half_on_cpu`), else float32.
    """
    if wanted != "auto":
        chosen: torch.dtype = getattr(torch, wanted)
        return chosen
    if device.type == "cuda":
        return torch.float16
    if device.type == "cpu" and half_on_cpu and cpu_has_bfloat16():
        return torch.bfloat16
    return torch.float32


def cpu_has_bfloat16() -> bool:
    """True where the CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001 - torch has no public name


def set_threads(wanted: int) -> int:
    """Give torch `wanted` CPU threads (0: one per core we may use) and return how many it has.

    Diffusion thread only, before the first operation.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(wanted or cores or 1)
    return torch.get_num_threads()
