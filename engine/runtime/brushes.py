"""How the diffusion stage opens a model by its request, at ever fewer pixels if need be."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

from engine.diffusion.brush import Brush
from engine.diffusion.models.source import checkpoint_family, checkpoint_path
from engine.protocols import ImageModel
from engine.registry import (
    BUILT_IN,
    CHECKPOINT,
    ModelRequest,
    find_model,
    load_ahead,
    load_factory,
)

_SMALLER = 0.75
_GRID_PX = 64
_SMALLEST_PX = 256


def brush_for(request: ModelRequest) -> Brush:
    """Return the brush of a request; its opener runs on the diffusion thread.

    What ships opens at once; whatever else there is may be gigabytes, which are read beforehand.
    """

    def open_model() -> ImageModel:
        model: ImageModel = load_factory(find_model(request.name))(request)
        return model

    def check() -> None:
        if find_model(request.name) is CHECKPOINT:
            checkpoint_family(checkpoint_path(request.name))

    def read_ahead(stopping: Event) -> None:
        load_ahead(find_model(request.name))(request, stopping)

    def smaller() -> Brush | None:
        fewer = smaller_request(request)
        return None if fewer is None else brush_for(fewer)

    size = f"{request.width}x{request.height}"
    quick = request.name in {entry.name for entry in BUILT_IN}
    return Brush(request.name, open_model, size, smaller, check, None if quick else read_ahead)


def smaller_request(request: ModelRequest) -> ModelRequest | None:
    """Return the request with about half the pixels; None where the longer side is 256 or less."""
    if max(request.width, request.height) <= _SMALLEST_PX:
        return None
    width, height = (
        max(_GRID_PX, int(side * _SMALLER) // _GRID_PX * _GRID_PX)
        for side in (request.width, request.height)
    )
    return replace(request, width=width, height=height)
