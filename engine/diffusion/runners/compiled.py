"""Compiled networks that are made beside the show and taken over between two frames.

Another process (`workshop.py`) opens the same checkpoint, has inductor compile its networks ahead
of time (AOTInductor) and leaves packages in the cache folder; nothing of that happens on the
diffusion thread, where tracing alone would stop the picture for half a minute. A package holds
kernels without weights: it is pointed at the weights of the model that paints, so that it takes no
memory twice and a LoRA merged in place is seen at once.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from engine.errors import ModelLoadError
from engine.registry import ModelRequest

READY = "ready.json"
CONSTANTS = "constants.safetensors"
_PROBES = 2
_TOLERANCE = 0.05
"""Share of the answer's spread by which a compiled network may be off, root mean square."""

Progress = Literal["building", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class Part:
    """A network of a bundle with tensors in and one tensor out, and inputs of the right shapes."""

    module: nn.Module
    inputs: tuple[Tensor, ...]


@runtime_checkable
class Compilable(Protocol):
    """A bundle whose networks can be replaced by compiled ones. Diffusion thread only."""

    def parts(self, width: int, height: int) -> Mapping[str, Part]:
        """Return the networks that a frame of this size calls, by name."""
        ...

    def use(self, networks: Mapping[str, Callable[..., Tensor]]) -> None:
        """Call these instead of the parts of the same names; none for an empty mapping."""
        ...


class Workshop:
    """Has the parts of a model compiled in a process of its own. Diffusion thread only.

    What was made before is found in `home` and ready at once.
    """

    def __init__(self, request: ModelRequest, home: Path) -> None:
        self.folder = home / _key(request)
        self._process: subprocess.Popen[str] | None = None
        self._log = self.folder / "log.txt"
        if not (self.folder / READY).is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._process = self._start(request)

    def progress(self) -> Progress:
        """How far it is; never blocks."""
        if self._process is None or self._process.poll() == 0:
            return "ready"
        return "building" if self._process.poll() is None else "failed"

    def wait(self) -> None:
        """Block until it is ready. Raises `ModelLoadError`."""
        if self._process is not None:
            self._process.wait()
        if self.progress() == "failed":
            raise ModelLoadError(f"compiling failed ({self._reason()}): use the graph runner")

    def close(self) -> None:
        """End the process; idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    def _reason(self) -> str:
        """The last line that the process said."""
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it was ended from outside"

    def _start(self, request: ModelRequest) -> subprocess.Popen[str]:
        order = json.dumps({"request": asdict(request), "folder": str(self.folder)})
        with self._log.open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "engine.diffusion.runners.workshop"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, text=True,
            )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(order + "\n")  # and stays open: its end is the end of the parent
        process.stdin.flush()
        return process


def load_parts(folder: Path, parts: Mapping[str, Part]) -> dict[str, Callable[..., Tensor]]:
    """Open what a workshop made for `parts` and point it at their weights.

    Raises `ModelLoadError` where an answer is not the part's own.
    """
    from safetensors.torch import load_file

    loaded: dict[str, Callable[..., Tensor]] = {}
    for name, part in parts.items():
        own = dict(part.module.state_dict())
        device = next(iter(own.values())).device
        own |= load_file(folder / name / CONSTANTS, device=str(device))
        try:
            package = torch._inductor.aoti_load_package(str(folder / name / "part.pt2"))  # noqa: SLF001 - the public name of it is not there yet
            weights = {key: own[key] for key in package.get_constant_fqns()}
            package.load_constants(weights, check_full_update=True, user_managed=True)
        except (RuntimeError, OSError, KeyError) as error:
            raise ModelLoadError(
                f"the compiled {name} cannot be opened ({error!r:.160})"
            ) from error
        _check(name, package, part)
        loaded[name] = package
    return loaded


def _check(name: str, network: Callable[..., Tensor], part: Part) -> None:
    """Wrong pictures must not pass for the model's."""
    expected = part.module(*part.inputs).float()
    for _ in range(_PROBES):
        answer = network(*part.inputs).float()
    share = float((answer - expected).square().mean().sqrt() / expected.std())
    if not share <= _TOLERANCE:  # nor NaN
        raise ModelLoadError(
            f"the compiled {name} computes something else than the model here (off by "
            f"{100.0 * share:.0f} % of its spread): use the graph runner"
        )


def _key(request: ModelRequest) -> str:
    """Names everything that kernels depend on; small constants lie in them, so the files too."""
    folder = Path(request.name).expanduser()
    files = [
        [str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    device = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else torch.backends.cpu.get_cpu_capability()
    )
    facts = [asdict(request), files, torch.__version__, torch.version.cuda, device]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=10).hexdigest()
