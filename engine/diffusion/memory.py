"""How much memory is free where the networks will be, and what running out of it looks like.

Imports torch only where it asks a GPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """Bytes that a model may use."""

    free: int
    held: int
    """Of what is not free, what this process' own models hold; 0 where nobody can tell."""
    what: str
    """`memory` or `GPU memory`."""


def free_memory(device_type: str) -> FreeMemory:
    """Ask the machine. On CUDA, what torch keeps in reserve counts as free."""
    if device_type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        held = torch.cuda.memory_allocated()
        return FreeMemory(free + torch.cuda.memory_reserved() - held, held, "GPU memory")
    return FreeMemory(min(psutil.virtual_memory().available, _container_bytes()), 0, "memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, on whatever device.

    CUDA and MPS raise `torch.OutOfMemoryError` or a `RuntimeError` of theirs, the CPU a
    `RuntimeError` ("DefaultCPUAllocator: can't allocate memory"), Python `MemoryError`.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        sign in words for sign in ("out of memory", "can't allocate memory", "not enough memory")
    )


def release_memory() -> None:
    """Give back what torch and the C library keep of dropped tensors; other programs want it.

    glibc keeps freed blocks of up to 32 MB for later (M_MMAP_THRESHOLD grows by itself): most
    layers are smaller.
    """
    gc.collect()
    _trim_heap()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _trim_heap() -> None:
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no glibc: nothing to trim
        ctypes.CDLL(None).malloc_trim(0)


def _container_bytes() -> int:
    """What a container's limit leaves (cgroup v2, then v1), else a huge number.

    Files the kernel keeps in memory count as used there, though it drops them when asked.
    """
    for folder, limit, used, cached in (
        (_CGROUP, "memory.max", "memory.current", "inactive_file"),
        (_CGROUP / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
         "total_inactive_file"),
    ):  # fmt: skip
        with contextlib.suppress(OSError, ValueError):
            table = dict(
                line.split() for line in (folder / "memory.stat").read_text().splitlines()
            )
            taken = int((folder / used).read_text()) - int(table.get(cached, "0"))
            return max(0, int((folder / limit).read_text()) - taken)
    return sys.maxsize
