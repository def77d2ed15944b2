"""What a loader raises, in one line that names the component."""

from __future__ import annotations

from engine.diffusion.memory import is_out_of_memory
from engine.errors import ModelLoadError


class named_errors:  # noqa: N801 - reads like the context managers of contextlib
    """Turn what a loader raises into one line that names the component and the remedy."""

    def __init__(self, *path: str) -> None:
        self._part = ": ".join(path)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(
            error, (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError)
        ):
            if is_out_of_memory(error):
                return
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise ModelLoadError(
                f"{self._part} cannot be loaded ({reason}): "
                "fetch the checkpoint again, with safetensors weights"
            ) from error
