"""A coral reef in clear water: branching, round, fan and tube corals, small fish."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.creatures import motes
from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    fbm,
    fill,
    glow,
    knob,
    mix,
    over,
    polar,
    profile,
    rotate,
    sample,
    sdf_circle,
    sdf_segment,
    smoothstep,
    stack_colours,
    texture,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.outlines import sdf_oval, sdf_polygon, union
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    palette_table,
    pick,
    ramp,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.stamp import stamp

_WATERS = palette_table(
    (  # deep, body, bright, at the surface
        ("#03142c", "#0c4c8c", "#2c94d0", "#c8f0ff"),
        ("#042428", "#0c6c78", "#34c0b4", "#d8fff0"),
        ("#0c0828", "#2c2878", "#6858c8", "#d8d0ff"),
    )
)
_WATER_WORDS = (
    ("in blue water", "in the deep blue"),
    ("in turquoise water", "in a lagoon"),
    ("in violet water", "at dusk"),
)

_Grow = tuple[Tensor, Tensor, Tensor, Tensor]


def paint_reef(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a reef: corals in layers that fade into the water, rays from above, fish."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    stops = pick(_WATERS, values["water"])
    light = _water(values, generator, x, y, stops)
    size = knob(values["size"], 0.9, 1.4)
    variety = 0.12 + 2.0 * values["variety"] ** 1.5
    turns = (0.0, 0.9, -0.2, -0.9, 0.3)
    step = int(4.0 * draw(generator, 1))  # which kind of coral stands where
    for layer in range(3):
        near = (layer + 1) / 3.0
        floor = (
            -0.28
            - 0.26 * layer
            + 0.13 * profile(generator, batch, x, cells=1.3 - 0.2 * layer, octaves=4)
        )
        murk = stops[:, 1] * (1.0 - near) + 0.35 * stops[:, 0] * near
        sand = 0.6 * murk + 0.16 * near * shade(colour, light=0.5, vivid=0.7)
        top = torch.exp(-6.0 * (floor - y).clamp(min=0.0))
        light = over(light, paint_flat(sand, 0.6 + 0.8 * top), fill(y - floor, 0.02))
        count = (4, 3, 3)[layer]
        for index in range(count):
            side = 2.0 * (index + 0.5) / count - 1.0 + 0.1 * (-1.0) ** layer
            gx = side * aspect + uniform(generator, batch, -0.14, 0.14) * aspect
            gy = -0.4 - 0.27 * layer + uniform(generator, batch, -0.05, 0.05)
            big = size * (0.16 + 0.15 * near) * uniform(generator, batch, 0.8, 1.25)
            skin = shade(colour, light=1.0, turn=variety * turns[step % 5])
            tones = _tones(skin, stops, near)
            place = (gx, gy, big, uniform(generator, batch, -0.25, 0.25))
            grow = (_branches, _round, _fan, _tubes)[(3 * step + layer) % 4]
            light = grow(generator, light, (x, y), place, tones)
            step += 1
    light = _fish(generator, light, (x, y), (colour, stops), values)
    light = light + _rays(values, generator, x, y, stops) * 0.5
    light = light + motes(generator, batch, x, y, stops[:, 2], 30)
    return finish(light, shine=0.35, vignette=0.3)


def _tones(skin: Tensor, stops: Tensor, near: float) -> Tensor:
    """Colours of a coral from its shadow to its lit tips, sunk into the water when far."""
    water = stops[:, 1] * 0.9
    tones = stack_colours(
        (
            0.5 * shade(skin, light=0.25, turn=-0.3) + 0.35 * stops[:, 0],
            shade(skin, light=0.66),
            shade(skin, light=1.08),
            shade(skin, light=1.4, vivid=0.5),
        )
    )
    fade = 0.75 * math.sqrt(1.0 - near)
    return tones * (1.0 - fade) + water.unsqueeze(1) * fade


def _water(
    values: Values, generator: torch.Generator, x: Tensor, y: Tensor, stops: Tensor
) -> Tensor:
    """Water that brightens towards a rippled surface."""
    batch, height, width = stops.shape[0], y.shape[1], x.shape[2]
    dim = knob(values["depth"], 0.2, -0.25)
    haze = fbm(generator, batch, height, width, cells=1.4, octaves=3, stretch=2.0)
    light = ramp(stops, 0.42 + 0.36 * y + dim + 0.05 * haze)
    ripple = fbm(generator, batch, height, width, cells=5.0, octaves=2, stretch=3.0)
    surface = smoothstep(0.6, 1.0, y + 0.08 * ripple)
    caustic = (1.0 - 2.0 * ripple.abs()).clamp(min=0.0) ** 2
    shine = surface * (0.15 + 0.8 * caustic) * (0.7 + 2.0 * dim).clamp(min=0.1)
    return light + paint_flat(stops[:, 3], shine)


def _rays(
    values: Values, generator: torch.Generator, x: Tensor, y: Tensor, stops: Tensor
) -> Tensor:
    """Shafts of sun that fan out from above, `(b, 3, h, w)`."""
    batch = stops.shape[0]
    angle = torch.atan2(x - uniform(generator, batch, -0.6, 0.6), 1.9 - y)
    tile = texture(generator, batch, 128, cells=8, octaves=3, gain=0.6)
    streak = sample(tile, angle * 0.55, torch.zeros_like(angle) + uniform(generator, batch))
    ray = smoothstep(-0.45, 0.95, streak) * glow(angle, 0.62) * smoothstep(-1.2, 1.0, y) ** 1.3
    return paint_flat(stops[:, 3], knob(values["rays"], 0.0, 0.75) * ray)


def _branches(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: _Grow,
    tones: Tensor,
) -> Tensor:
    """A staghorn coral: boughs that fork twice, pale at their tips."""
    gx, gy, size, lean = place
    twigs = []
    for bough in range(5):
        aim = 0.5 * math.pi + (bough - 2) * 0.42
        long = 0.85 - 0.1 * abs(bough - 2)
        mid = (0.62 * long * math.cos(aim), 0.62 * long * math.sin(aim))
        twigs.append(((0.06 * (bough - 2), -0.2), mid, 0.085))
        for fork in (-0.42, 0.36):
            end = (
                mid[0] + 0.75 * long * math.cos(aim + fork),
                mid[1] + 0.75 * long * math.sin(aim + fork),
            )
            twigs.append((mid, end, 0.062))

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = rotate((x - gx[which]) / size[which], (y - gy[which]) / size[which], lean[which])
        shape = union(*(sdf_segment(u, v, start, end) - half for start, end, half in twigs))
        reach = torch.sqrt(u * u + v * v)
        tone = 0.12 + 0.36 * reach + 0.3 * smoothstep(0.0, -0.06, shape) + 0.1 * v
        tone = tone + 0.3 * smoothstep(1.0, 1.25, reach)
        return over(patch, ramp(tones[which], tone), fill(shape, 0.014 / size[which]))

    return stamp(light, canvas_xy, (gx, gy + 0.5 * size), 1.35 * size, paint)


def _round(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: _Grow,
    tones: Tensor,
) -> Tensor:
    """A brain coral: a dome with winding grooves."""
    gx, gy, size, _ = place
    tile = texture(generator, tones.shape[0], 64, cells=4, octaves=2)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = (x - gx[which]) / size[which], (y - gy[which]) / size[which]
        shape = sdf_oval(u, v, 0.95, 0.78)
        bulge = (1.0 - (u / 0.95) ** 2 - (v / 0.78) ** 2).clamp(min=0.0).sqrt()
        maze = sample(tile[which], u * 0.33, v * 0.33)
        groove = smoothstep(0.2, 0.75, (torch.sin(maze * 9.0)).abs())
        tone = 0.05 + 0.38 * bulge + 0.28 * v + 0.3 * groove
        return over(patch, ramp(tones[which], tone), fill(shape, 0.014 / size[which]))

    return stamp(light, canvas_xy, (gx, gy), 1.1 * size, paint)


def _fan(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: _Grow,
    tones: Tensor,
) -> Tensor:
    """A sea fan: a flat round leaf with ribs, on a stem."""
    gx, gy, size, lean = place
    ribs = uniform(generator, tones.shape[0], 0.0, 6.2)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = rotate((x - gx[which]) / size[which], (y - gy[which]) / size[which], lean[which])
        reach, angle = polar(v, u)  # the angle from straight up
        edge = 1.35 - 0.16 * angle**2 + 0.06 * torch.sin(5.0 * angle + ribs[which])
        leaf = torch.maximum(reach - edge, angle.abs() - 1.1)
        stem = sdf_segment(u, v, (0.0, -0.3), (0.0, 0.3)) - 0.06
        bend = angle * 13.0 + 0.8 * torch.sin(reach * 7.0)
        lines = smoothstep(0.1, 0.8, torch.sin(bend).abs())
        rings = 0.5 + 0.5 * torch.sin(reach * 16.0 + ribs[which])
        tone = (
            0.16 + 0.34 * reach + 0.22 * lines + 0.12 * rings + 0.2 * smoothstep(-0.12, 0.0, leaf)
        )
        shape = torch.minimum(leaf, stem)
        return over(patch, ramp(tones[which], tone), 0.96 * fill(shape, 0.02 / size[which]))

    return stamp(light, canvas_xy, (gx, gy + 0.55 * size), 1.3 * size, paint)


def _tubes(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: _Grow,
    tones: Tensor,
) -> Tensor:
    """Tube sponges: thick pipes with dark mouths."""
    gx, gy, size, lean = place

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = rotate((x - gx[which]) / size[which], (y - gy[which]) / size[which], lean[which])
        soft = 0.014 / size[which]
        for at, tall, half in (
            (-0.3, 1.15, 0.17),
            (0.28, 1.35, 0.18),
            (-0.56, 0.72, 0.15),
            (0.62, 0.8, 0.15),
            (0.0, 0.9, 0.2),
        ):
            axis = at * (0.6 + 0.4 * v)
            girth = half * (0.75 + 0.25 * (v / tall).clamp(0.0, 1.0))
            across = ((u - axis) / girth).clamp(-1.0, 1.0)
            wall = torch.maximum((u - axis).abs() - girth, torch.maximum(v - tall, -v - 0.3))
            tone = 0.1 + 0.42 * torch.sqrt(1.0 - across * across) - 0.14 * across + 0.3 * v / tall
            patch = over(patch, ramp(tones[which], tone), fill(wall, soft))
            mouth = sdf_oval(u - axis, v - tall, girth, 0.45 * girth)
            patch = over(patch, tint(tones[which, 3]) * 0.9, fill(mouth, soft))
            patch = over(patch, tint(tones[which, 0]), fill(mouth + 0.05, soft))
        return patch

    return stamp(light, canvas_xy, (gx, gy + 0.5 * size), 1.2 * size, paint)


def _fish(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    tones: tuple[Tensor, Tensor],
    values: Values,
) -> Tensor:
    """A few bright fish over the corals."""
    colour, stops = tones
    batch = colour.shape[0]
    aspect = light.shape[3] / light.shape[2]
    wanted = knob(values["fish"], -1.5, 8.0)
    for index in range(8):
        fx = uniform(generator, batch, -0.85, 0.85) * aspect
        fy = uniform(generator, batch, -0.15, 0.65)
        facing = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
        rank = (index + 1) / 8.0
        size = (0.07 + 0.08 * rank) * (wanted > 7 - index)
        turn = uniform(generator, batch, 1.2, 2.6).view(-1)
        skin = shade(colour, light=1.15, turn=turn) * (0.5 + 0.5 * rank) + stops[:, 1] * 0.3
        belly = shade(colour, light=1.4, vivid=0.5, turn=turn)

        def swim(
            which: slice,
            patch: Tensor,
            x: Tensor,
            y: Tensor,
            place: tuple[Tensor, ...] = (fx, fy, size, facing),
            tones: tuple[Tensor, Tensor] = (skin, belly),
        ) -> Tensor:
            ox, oy, big, side = (figure[which] for figure in place)
            u, v = (x - ox) / big * side, (y - oy) / big
            body = sdf_oval(u, v, 0.9, 0.5)
            tail = sdf_polygon(u, v, ((-0.7, 0.0), (-1.35, 0.45), (-1.2, 0.0), (-1.35, -0.45)))
            fin = sdf_polygon(u, v, ((-0.4, 0.35), (0.3, 0.45), (-0.3, 0.75)))
            band = smoothstep(0.12, 0.06, (u - 0.2).abs()) + smoothstep(
                0.12, 0.06, (u + 0.35).abs()
            )
            coat = mix(tint(tones[0][which]), tint(tones[1][which]), band.unsqueeze(1))
            coat = coat * (0.7 + 0.5 * v).unsqueeze(1)
            soft = 0.012 / big
            patch = over(patch, coat, fill(union(body, tail, fin), soft))
            return patch * (1.0 - 0.9 * fill(sdf_circle(u - 0.58, v - 0.1, 0.09), soft)).unsqueeze(
                1
            )

        light = stamp(light, canvas_xy, (fx, fy), 1.45 * size, swim)
    return light


SCENES_REEF: tuple[Scene, ...] = (
    Scene(
        "coral reef",
        (
            "a coral reef",
            "corals under water",
            "an underwater reef",
            "a reef with corals and fish",
            "a garden of corals",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("magenta", "pink")),
            Attribute("water", _WATER_WORDS),
            Attribute("variety", (("in one colour",), (), ("colourful", "in many colours"))),
            Attribute("size", (("small",), (), ("big", "close"))),
            Attribute("depth", (("in bright water",), (), ("in dark water", "in the deep"))),
            Attribute("rays", ((), (), ("with rays of light", "in shafts of sun"))),
            Attribute("fish", (("without fish",), (), ("with fish", "with many fish"))),
        ),
        paint_reef,
    ),
)
"""Every scene of this file."""
