"""The process in which networks are compiled: low priority, gone when its parent is.

    echo '{"request": {...}, "folder": "..."}' | python -m engine.diffusion.runners.workshop

It opens the checkpoint as the show does and leaves one package per network in the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from engine.diffusion.runners.compiled import CONSTANTS, READY, Compilable, Part
from engine.errors import EngineError
from engine.registry import Guides, ModelRequest, find_model, load_factory

NICENESS = 10


def build(request: ModelRequest, folder: Path) -> None:
    """Compile all parts of a model into `folder`. Raises `EngineError`."""
    model = load_factory(find_model(request.name))(request)
    bundle: object = model.bundle
    assert isinstance(bundle, Compilable), f"{model.name} has nothing to compile"
    with torch.inference_mode():
        parts = bundle.parts(model.width, model.height)
    for name, part in parts.items():
        build_part(part, folder / name)
    # Last and whole: who sees this file may open everything beside it.
    unfinished = folder / f"{READY}.part"
    unfinished.write_text(json.dumps(sorted(parts)), encoding="utf-8")
    unfinished.replace(folder / READY)


def _request(fields: dict[str, Any]) -> ModelRequest:
    return ModelRequest(**{**fields, "guides": Guides(**fields["guides"])})


def build_part(part: Part, folder: Path) -> None:
    """Compile one network, its weights left out, and write what is not among its weights."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    on_gpu = part.inputs[0].device.type == "cuda"
    program = traced_part(part)
    with torch.inference_mode(mode=False), torch.no_grad():
        options: dict[str, Any] = {
            "aot_inductor.package_constants_in_so": False,
            # On a CPU no pool of compilers beside a live show.
            **({} if on_gpu else {"compile_threads": 1}),
        }
        if on_gpu:  # without CUDA graphs of its own: the whole frame becomes one
            options |= {"max_autotune": True, "coordinate_descent_tuning": True}
        torch._inductor.aoti_compile_and_package(  # noqa: SLF001 - it has no public name yet
            program, package_path=str(folder / "part.pt2"), inductor_configs=options
        )
    known = part.module.state_dict()
    lifted = {
        name: tensor.contiguous()
        for name, tensor in program.constants.items()
        if isinstance(tensor, torch.Tensor) and name not in known
    }
    save_file(lifted, folder / CONSTANTS)


def traced_part(part: Part) -> ExportedProgram:
    """Trace one network whole, for the shapes of its inputs."""
    with torch.inference_mode():
        part.module.requires_grad_(requires_grad=False)
    # What is traced in inference mode could not be changed afterwards, and inductor does.
    with torch.inference_mode(mode=False), torch.no_grad():
        inputs = tuple(torch.zeros(x.shape, dtype=x.dtype, device=x.device) for x in part.inputs)
        return torch.export.export(part.module, inputs, strict=False)


def main() -> int:
    """Read an order, work, and end with the parent."""
    with contextlib.suppress(OSError, AttributeError):  # Windows has no niceness
        os.nice(NICENESS)
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        build(_request(order["request"]), Path(order["folder"]))
    except (EngineError, RuntimeError, OSError) as error:
        sys.stderr.write(" ".join(f"{type(error).__name__}: {error}".split())[:400] + "\n")
        return 1
    return 0


def _end_with_parent() -> None:
    # Not through `sys.stdin`: its lock would be held, and compilers' processes, forked with it,
    # would wait for ever when they close theirs.
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main())
