"""Whether a model's runner lets LoRAs change it, told before anything is opened. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diffusion.models.source import checkpoint_family, checkpoint_path
from engine.errors import ModelLoadError, UsageError
from engine.messages import LoraChoice
from engine.registry import CHECKPOINT, DEFAULT_MODEL, STATIC_RUNNERS, find_model


def check_loras_run(model: str, runner: str, dtype: str, loras: Sequence[LoraChoice]) -> None:
    """Raise `UsageError` where ember would run on a copy of its weights that no LoRA can change.

    Compiling it to find that out takes minutes.
    """
    copies = runner in STATIC_RUNNERS or dtype == "int8"
    if loras and copies and _is_ember(model):
        what = f"the {runner} runner" if runner in STATIC_RUNNERS else "int8"
        raise UsageError(
            f"{what} has a copy of ember's weights that no LoRA can change: use --runner eager, "
            "in float32 or bfloat16, or leave the LoRAs out"
        )


def _is_ember(model: str) -> bool:
    if find_model(model) is not CHECKPOINT:
        return model == DEFAULT_MODEL
    try:
        return checkpoint_family(checkpoint_path(model)).kind == "ember"
    except ModelLoadError:  # opening it says why
        return False
