"""Listeners by name: `embedded`, `clap`, any CLAP checkpoint, or none."""

from __future__ import annotations

import threading
from pathlib import Path

from engine.errors import UnknownModelError
from engine.protocols import Listener
from engine.semantic.clap_folder import DEFAULT_CLAP
from engine.semantic.listener_names import (
    CLAP,
    DESCRIPTORS_ALONE,
    EMBEDDED,
    LISTENER_NAMES,
)


def check_listener(name: str) -> None:
    """Raise `UnknownModelError` for what can be no listener, whatever is on this machine."""
    known = name in LISTENER_NAMES or name.count("/") == 1 or Path(name).expanduser().is_dir()
    if not known:
        raise UnknownModelError(
            f"no listener {name!r:.80}: choose {', '.join(LISTENER_NAMES)}, "
            f"or a folder or hub id in the layout of {DEFAULT_CLAP}"
        )


def open_listener(
    name: str,
    device: str = "auto",
    *,
    patient: bool = False,
    stopping: threading.Event | None = None,
) -> Listener | None:
    """Return the listener of this name, not loaded; None for descriptors alone.

    `device` computes CLAP. `patient` is for files, where every answer is waited for; `stopping`
    ends a wait. Raises `ModelLoadError`.
    """
    check_listener(name)
    if name == DESCRIPTORS_ALONE:
        return None
    if name == EMBEDDED:
        from engine.semantic.embedded import EmbeddedListener

        return EmbeddedListener()
    from engine.semantic.clap import ClapListener

    model = DEFAULT_CLAP if name == CLAP else name
    return ClapListener(model, device, patient=patient, stopping=stopping)
