"""Every style, by name, and scenes painted in all of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.styles.brushes import oil_painting, pastel, watercolour
from engine.training.ember.styles.drawings import ink_drawing, noir, pencil_sketch, risograph
from engine.training.ember.styles.lamps import neon, vaporwave
from engine.training.ember.styles.style import Style
from engine.training.ember.styles.tiles import mosaic, paper_cut, pixel_art, stained_glass

STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style(
            "watercolour",
            (
                "in watercolour",
                "a watercolour of",
                "watercolour style",
                "a watercolor painting of",
            ),
            watercolour,
        ),
        Style(
            "oil painting",
            ("an oil painting of", "in oil paint", "oil painting style", "painted in oil"),
            oil_painting,
        ),
        Style(
            "ink drawing",
            ("an ink drawing of", "in black ink", "ink drawing style", "drawn with ink"),
            ink_drawing,
            keeps_colours=False,
        ),
        Style(
            "neon",
            ("in neon lights", "neon style", "a neon sign of", "as a neon sign"),
            neon,
        ),
        Style(
            "pixel art",
            ("in pixel art", "pixel art of", "pixel art style", "as an 8-bit video game"),
            pixel_art,
        ),
        Style(
            "mosaic",
            ("as a mosaic", "a mosaic of", "mosaic style", "in mosaic tiles"),
            mosaic,
        ),
        Style(
            "pastel",
            ("in pastel", "a pastel drawing of", "pastel style", "drawn in chalk"),
            pastel,
        ),
        Style(
            "noir",
            ("in black and white", "film noir style", "a black and white photo of", "noir"),
            noir,
            keeps_colours=False,
        ),
        Style(
            "risograph",
            ("as a risograph", "a risograph print of", "risograph style", "in halftone print"),
            risograph,
            keeps_colours=False,
        ),
        Style(
            "pencil sketch",
            ("a pencil sketch of", "in pencil", "pencil drawing style", "sketched in pencil"),
            pencil_sketch,
            keeps_colours=False,
        ),
        Style(
            "stained glass",
            ("in stained glass", "a stained glass window of", "stained glass style"),
            stained_glass,
        ),
        Style(
            "paper cut",
            ("in cut paper", "a paper cut of", "paper cut style", "made of layered paper"),
            paper_cut,
        ),
        Style(
            "vaporwave",
            ("in vaporwave style", "vaporwave", "a vaporwave picture of", "retro vaporwave"),
            vaporwave,
            keeps_colours=False,
        ),
    )
}
"""Style by name, in a fixed order. Adding or moving one changes what painted files mean."""

STYLE = Attribute("style", tuple(style.phrases for style in STYLES.values()))
"""Which style a picture is in: one equal range of [0, 1] per style, in the order of `STYLES`."""

STYLED = "+styles"
"""What the name of a scene ends with when it is painted in all styles."""


def style_of(value: float) -> Style:
    """Return the style that a value in [0, 1] of the attribute `STYLE` stands for."""
    return tuple(STYLES.values())[STYLE.range_of(value)]


def styled(scene: Scene) -> Scene:
    """Return the same scene with one attribute more, `STYLE`: pictures of it in every style."""

    def paint(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
        plain = {name: value for name, value in values.items() if name != STYLE.name}
        pictures = scene.paint(plain, generator, height, width)
        rendered = [
            style_of(value).treat(pictures[row : row + 1], generator)
            for row, value in enumerate(values[STYLE.name].tolist())
        ]
        return torch.cat(rendered)

    return replace(
        scene, name=scene.name + STYLED, attributes=(*scene.attributes, STYLE), paint=paint
    )
