"""Which build of torch this machine wants, and where pip finds it."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

WHEELS = "https://download.pytorch.org/whl"
_CUDA_TAGS = ("cu130", "cu128", "cu126")
_REACH_S = 6.0
_ASK_S = 60.0

Version = tuple[int, ...]


@dataclass(frozen=True)
class TorchChoice:
    """A requirement for pip and what to tell the user about it."""

    requirement: str
    explanation: str
    index_options: tuple[str, ...] = ()


def flavour() -> str:
    """Return `normal` with an NVIDIA GPU or on macOS, else `cpu`."""
    return "normal" if platform.system() == "Darwin" or has_nvidia_gpu() else "cpu"


def has_nvidia_gpu() -> bool:
    """Ask the driver's own tool whether it sees a GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        seen = subprocess.run(
            [tool, "-L"], capture_output=True, text=True, check=False, timeout=20.0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return seen.returncode == 0 and "GPU" in seen.stdout


def choose(python: Path, flavour: str, requirement: str) -> TorchChoice:
    """Return the build for `flavour` within `requirement` (`torch>=LOW,<=HIGH`)."""
    windows = platform.system() == "Windows"
    if flavour == "normal":
        if windows:  # PyPI has only the CPU build there
            for tag in _CUDA_TAGS:
                found = _local_build(python, requirement, f"+{tag}", f"{WHEELS}/{tag}")
                if found:
                    return TorchChoice(
                        found, f"{found} (NVIDIA GPU)", ("--extra-index-url", f"{WHEELS}/{tag}")
                    )
        return TorchChoice(requirement, "the normal build, which uses the GPU")
    if platform.system() == "Linux":
        found = _local_build(python, requirement, "+cpu", None)
        if found:
            return TorchChoice(found, f"{found} (no NVIDIA GPU here)")
        found = _local_build(python, requirement, "+cpu", f"{WHEELS}/cpu")
        if found:
            return TorchChoice(
                found, f"{found} (no NVIDIA GPU here)", ("--extra-index-url", f"{WHEELS}/cpu")
            )
    return TorchChoice(requirement, "the normal build (no CPU-only build was found)")


def bounds(requirement: str) -> tuple[Version, Version]:
    """Read lowest and highest version from `torch>=LOW,<=HIGH`."""
    match = re.search(r">=\s*([\d.]+)\s*,\s*<=\s*([\d.]+)", requirement)
    if match is None:
        raise ValueError(f"{requirement!r} does not say >=LOW,<=HIGH")
    return _version(match[1]), _version(match[2])


def best_local_version(listing: str, requirement: str, suffix: str) -> str | None:
    """Return the newest version in `pip index versions` output that fits and ends in `suffix`."""
    low, high = bounds(requirement)
    found = re.findall(rf"(?<![\w.])(\d+(?:\.\d+)+){re.escape(suffix)}\b", listing)
    fitting = [version for version in found if low <= _version(version) <= high]
    return f"{max(fitting, key=_version)}{suffix}" if fitting else None


def _local_build(python: Path, requirement: str, suffix: str, index: str | None) -> str | None:
    if index is not None and not _is_reachable(f"{index}/torch/"):
        return None
    command = [str(python), "-m", "pip", "index", "versions", "torch", "--timeout", "10",
               "--retries", "1", *(("--index-url", index) if index else ())]  # fmt: skip
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_ASK_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
    version = best_local_version(asked.stdout, requirement, suffix)
    return f"torch=={version}" if version else None


def _is_reachable(url: str) -> bool:
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_REACH_S):
            return True
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split(".") if part)
