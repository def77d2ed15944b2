"""From a choice of structure to a source that runs."""

from __future__ import annotations

from pathlib import Path

from engine.clock import Clock
from engine.commands import StructureChoice
from engine.diffusion.structure.camera import CameraStructure
from engine.diffusion.structure.camera_device import open_camera
from engine.diffusion.structure.image import ImageStructure
from engine.diffusion.structure.video import VideoStructure
from engine.errors import StructureError
from engine.protocols import StructureSource


def open_structure(
    choice: StructureChoice, clock: Clock, *, patient: bool
) -> StructureSource | None:
    """Open a source; None for `none`. Raises `StructureError`; may block for a second.

    A patient source waits for the picture of the very moment it is asked about (an export), the
    others never do (a show).
    """
    source: StructureSource
    match choice.kind:
        case "none":
            return None
        case "image":
            source = ImageStructure(_path(choice))
        case "video":
            source = VideoStructure(_path(choice), patient=patient)
        case "camera":
            source = CameraStructure(choice.camera, clock, open_camera)
    source.open()
    return source


def _path(choice: StructureChoice) -> Path:
    if choice.path is None:
        raise StructureError("no file was named: choose one")
    return choice.path
