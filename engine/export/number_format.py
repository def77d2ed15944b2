"""In which arithmetic a model paints: it decides the last bit of every picture."""

from __future__ import annotations

from typing import Any

from engine.protocols import ImageModel
from engine.registry import DEFAULT_RUNNER


def number_format(model: ImageModel) -> dict[str, Any]:
    """Return where and in which numbers a model computes."""
    bundle = getattr(model, "bundle", None)
    if bundle is None:
        return {"runner": DEFAULT_RUNNER, "device": "cpu", "dtype": "uint8", "threads": 1}
    import torch

    return {
        "runner": getattr(model, "runner", DEFAULT_RUNNER),
        "device": str(bundle.device),
        "dtype": str(bundle.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }
