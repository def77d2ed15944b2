"""How the diffusion stage opens a model by its request, at ever fewer pixels if need be."""

from __future__ import annotations

from dataclasses import replace

from engine.diffusion.loop import Brush
from engine.protocols import ImageModel
from engine.registry import ModelRequest, find_model, load_factory

_SMALLER = 0.75
_GRID_PX = 64
_SMALLEST_PX = 256


def brush_for(request: ModelRequest) -> Brush:
    """Return the brush of a request; its opener runs on the diffusion thread."""

    def open_model() -> ImageModel:
        model: ImageModel = load_factory(find_model(request.name))(request)
        return model

    def smaller() -> Brush | None:
        fewer = smaller_request(request)
        return None if fewer is None else brush_for(fewer)

    return Brush(request.name, open_model, f"{request.width}x{request.height}", smaller)


def smaller_request(request: ModelRequest) -> ModelRequest | None:
    """Return the request with about half the pixels; None where the longer side is 256 or less."""
    if max(request.width, request.height) <= _SMALLEST_PX:
        return None
    width, height = (
        max(_GRID_PX, int(side * _SMALLER) // _GRID_PX * _GRID_PX)
        for side in (request.width, request.height)
    )
    return replace(request, width=width, height=height)
