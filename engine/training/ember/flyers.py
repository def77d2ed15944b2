"""What flies, to be laid over a picture of another scene: whale, jellyfish, balloons, birds.

Drawn as in `foregrounds`: by the scenes' own functions, in the light of the picture behind.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.foregrounds import air, canvas_of
from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.birds import bird_shape
from engine.training.ember.scenes.creatures import jelly_shape, whale_shape
from engine.training.ember.scenes.helicopter import helicopter_shape
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.objects import balloon_shape
from engine.training.ember.scenes.stamp import stamp


def whale(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A whale that swims through the air, lit from above."""
    x, y, aspect = canvas_of(light)
    opacity, relief = _whale(x, y, aspect, light.shape[0], generator)
    own = main_colour(colour)
    sky = air(light)
    tones = fields.stack_colours(
        (
            palettes.shade(own, light=0.16) + 0.4 * sky[:, 4],
            palettes.shade(own, light=0.42, vivid=0.9),
            palettes.shade(own, light=0.85, vivid=0.8),
            palettes.shade(own, light=1.2, vivid=0.55) + 0.2 * sky[:, 0],
        )
    )
    return fields.over(light, palettes.ramp(tones, 0.06 + 0.9 * relief), opacity)


def jellyfish(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Glowing jellyfish adrift in the air."""
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    own = main_colour(colour)
    turn = fields.uniform(generator, batch, 0.4, 0.9).view(-1)
    light = light * 0.72
    for index in (2, 1, 0):
        far = (1.0, 0.62, 0.45)[index]
        jx = (0.0, 0.6, -0.62)[index] * aspect + fields.uniform(generator, batch, -0.2, 0.2)
        jy = fields.uniform(generator, batch, 0.1, 0.5)
        size = fields.uniform(generator, batch, 0.32, 0.42) * far
        lean = fields.uniform(generator, batch, -0.5, 0.5)
        mood = fields.draw(generator, batch, 3, 1)
        power = torch.full_like(jx, 0.75 + 0.35 * far)
        light = jelly_shape(light, (x, y), (jx, jy, size, lean), mood, power, (own, turn))
    return light


def balloons(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Hot-air balloons, one of them near."""
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    own = main_colour(colour)
    sky = air(light)
    level = (0.4 + 1.2 * light.mean((1, 2, 3))).clamp(0.5, 1.0).view(-1, 1)
    warm = (0.5 * sky[:, 0] + 0.3 * palettes.rgb("#ffd8a0").to(light.device)) * level
    sun = torch.sign(fields.uniform(generator, batch, -1.0, 1.0))
    for index, (far, side) in enumerate(((0.4, 0.62), (0.55, -0.6), (1.0, 0.08))):
        bx = side * aspect + fields.uniform(generator, batch, -0.18, 0.18)
        by = fields.uniform(generator, batch, 0.0, 0.5)
        scale = fields.uniform(generator, batch, 0.28, 0.38) * far
        turn = fields.uniform(generator, batch, -0.5, 0.5).view(-1) * float(index < 2)
        cloth = palettes.shade(own, turn=turn) * level
        shown = torch.ones_like(bx)
        haze = 0.3 * (1.0 - far)
        light = balloon_shape(
            generator, light, ((x - bx) / scale, (y - by) / scale), (cloth, warm), shown, sun, haze
        )
    return light


def birds(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A flock of birds, dark against a bright picture, pale in a dark one."""
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    sky = air(light)
    night = fields.smoothstep(0.1, 0.03, light.mean((1, 2, 3))).view(-1, 1)
    tone = fields.mix(sky[:, 4] * 0.35, 0.3 + 0.5 * sky[:, 0], night)
    course = fields.uniform(generator, batch, -0.3, 0.3)
    flock_y = fields.uniform(generator, batch, 0.1, 0.35)
    for _ in range(14):
        bx = 1.5 * aspect * fields.uniform(generator, batch, -0.5, 0.5)
        by = flock_y + fields.uniform(generator, batch, -0.5, 0.5)
        scale = fields.uniform(generator, batch, 0.08, 0.19)
        lean = course + fields.uniform(generator, batch, -0.2, 0.2)
        beat = fields.uniform(generator, batch, -0.55, 0.95)

        def fly(
            which: slice,
            patch: Tensor,
            px: Tensor,
            py: Tensor,
            place: tuple[Tensor, ...] = (bx, by, scale, lean, beat),
        ) -> Tensor:
            ox, oy, big, tilt, wing = (figure[which] for figure in place)
            u, v = fields.rotate((px - ox) / big, (py - oy) / big, tilt)
            shape = bird_shape(u, v, wing, 0.02 / big)
            return fields.over(patch, palettes.tint(tone[which]), shape)

        light = stamp(light, (x, y), (bx, by), 1.2 * scale, fly)
    return light


def helicopter(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A helicopter in flight."""
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    sky = air(light)
    warm = 0.5 * sky[:, 0] + 0.3 * sky[:, 2] + 0.05
    hx = fields.uniform(generator, batch, -0.22, 0.22) * aspect
    hy = fields.uniform(generator, batch, 0.05, 0.4)
    size = fields.uniform(generator, batch, 0.4, 0.6) * min(1.0, 0.35 + 0.65 * aspect)
    facing = torch.sign(fields.uniform(generator, batch, -1.0, 1.0))
    lean = fields.uniform(generator, batch, -0.22, -0.02)
    lamp = torch.ones_like(hx)
    return helicopter_shape(light, (x, y), (hx, hy, size, facing, lean), (sky[:, 4], warm), lamp)


def whale_window(light: Tensor, filling: Tensor, generator: torch.Generator) -> Tensor:
    """A whale's shape through which another picture `filling` `(b, 3, h, w)` is seen."""
    x, y, aspect = canvas_of(light)
    opacity, relief = _whale(x, y, aspect, light.shape[0], generator)
    return fields.over(light, (0.03 + filling) * (0.7 + 0.9 * relief).unsqueeze(1), opacity)


def _whale(
    x: Tensor, y: Tensor, aspect: float, batch: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Opacity and relief of a great whale somewhere in the middle, `(b, h, w)` each."""
    size = fields.uniform(generator, batch, 0.62, 0.85) * min(1.0, 0.4 + 0.6 * aspect)
    facing = torch.sign(fields.uniform(generator, batch, -1.0, 1.0))
    wx = fields.uniform(generator, batch, -0.15, 0.15)
    wy = fields.uniform(generator, batch, 0.05, 0.4)
    lean = fields.uniform(generator, batch, -0.3, 0.45)
    u, v = fields.rotate((x - wx) * facing / size, (y - wy) / size, lean)
    return whale_shape(u, v, fields.uniform(generator, batch, -0.25, 0.35))
