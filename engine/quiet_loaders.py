"""Libraries that load checkpoints say nothing themselves: our own errors tell what went wrong."""

from __future__ import annotations

from importlib import import_module


def quiet_loaders(*libraries: str) -> None:
    """Silence bars, hints and reports of `"diffusers"`, `"transformers"`; imports them.

    Their warnings would cover the one line that a performer needs, and part of what they report
    is meant so: of a checkpoint with two towers one is loaded, the other is "unexpected".
    """
    for library in libraries:
        logs = import_module(f"{library}.utils.logging")
        logs.set_verbosity_error()
        logs.disable_progress_bar()
