"""Scenes of space: spiral galaxy, nebula, ringed planet, black hole."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    fbm,
    fill,
    glow,
    knob,
    polar,
    profile,
    rotate,
    sample,
    smoothstep,
    splats,
    stack_colours,
    stars,
    texture,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    ramp,
    rgb,
    shade,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values


def paint_galaxy(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a spiral galaxy: log-spiral arms with dust lanes round a warm bulge."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    x = x - uniform(generator, batch, -0.2, 0.2)
    y = y - uniform(generator, batch, -0.15, 0.15)
    size = knob(values["size"], 0.55, 1.05)
    u, v = rotate(x, y, uniform(generator, batch, -1.0, 1.0))
    squash = knob(values["tilt"], 1.0, 0.3)
    radius, angle = polar(u / size, v / (size * squash))
    bulge = torch.sqrt(u * u + (v / (0.45 + 0.55 * squash)) ** 2) / size
    turns = knob(values["swirl"], 1.4, 3.4)
    sense = torch.sign(uniform(generator, batch, -1.0, 1.0))
    arms = torch.round(knob(values["arms"], 1.6, 4.4))
    spiral = angle * sense - turns * torch.log(radius + 0.05)
    cloud = texture(generator, batch, cells=6, octaves=4)
    spin = (angle * sense - turns * 0.8 * torch.log(radius + 0.05)) / (2.0 * math.pi)
    dust = sample(cloud, spin, radius * 0.55)
    clumps = sample(cloud, spin * 2.0 + 0.37, radius * 1.1 + 0.5)
    crest = torch.cos(arms * spiral + 0.9 * dust)
    lane = torch.cos(arms * spiral + 0.9 * dust + 0.95)
    ridge = torch.exp(1.9 * (crest - 1.0)) * (0.75 + 0.55 * dust)
    disc = 1.15 * torch.exp(-2.1 * radius) * smoothstep(1.9, 0.7, radius)
    shadow = 1.0 - 0.75 * smoothstep(0.35, 1.0, lane + 0.5 * clumps) * smoothstep(0.1, 0.3, radius)
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, -0.6, 0.6).view(-1)
    arm_colour = ramp(
        stack_colours(
            (
                shade(colour, light=1.25, vivid=0.5),
                colour,
                shade(colour, light=0.85, vivid=1.1, turn=turn),
                shade(colour, light=0.7, turn=1.8 * turn),
            )
        ),
        radius * 0.8,
    )
    warm = rgb("#ffe2b0").to(colour.device) * 0.75 + 0.25 * colour
    light = arm_colour * ((4.2 * ridge + 0.55) * disc * shadow).unsqueeze(1)
    knots = smoothstep(0.3, 1.15, clumps + 0.25 * crest) * disc * smoothstep(-0.2, 0.7, crest)
    light = light + paint_flat(shade(colour, light=1.2, vivid=0.8, turn=1.1), 1.8 * knots)
    core = 1.5 * glow(bulge, 0.13) + 0.32 * glow(bulge, 0.4)
    core = core * (0.65 + 0.35 * shadow)
    light = light + paint_flat(warm, core * knob(values["glow"], 0.7, 1.7))
    haze = 0.5 + fbm(generator, batch, height, width, cells=1.5, octaves=3)
    sky = paint_flat(shade(colour, light=0.55, turn=2.0 * turn), 0.05 * haze.clamp(min=0.0))
    field = stars(generator, batch, *canvas(height, width, generator.device), count=70)
    return finish(light + sky + 0.5 * field + 0.006, shine=0.35)


def paint_nebula(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a nebula: two colours of gas, lit from inside, behind dark dust."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    tile = texture(generator, batch, cells=4, octaves=5, gain=0.55)
    detail = texture(generator, batch, cells=5, octaves=4, gain=0.5)
    scale = knob(values["scale"], 0.42, 0.2)
    u, v = rotate(x * scale, y * scale, uniform(generator, batch, -3.1, 3.1))
    stir = knob(values["swirl"], 0.02, 0.12)
    bend = sample(tile, u * 0.5 + 0.2, v * 0.5 + 0.7)
    lean = sample(tile, u * 0.5 + 0.8, v * 0.5 + 0.1)
    gas = sample(tile, u + stir * bend, v + stir * lean)
    second = sample(detail, u * 0.8 + stir * lean, v * 0.8 - stir * bend)
    filament = (1.0 - sample(detail, u * 1.3 - stir * bend, v * 1.3 + stir * gas).abs()) ** 5
    cx = uniform(generator, batch, -0.45, 0.45)
    cy = uniform(generator, batch, -0.35, 0.35)
    away = torch.sqrt((x - cx) ** 2 + (y - cy) ** 2)
    lamp = glow(away, 0.85)
    body = smoothstep(-0.75, 1.0, gas + 0.9 * lamp - 0.35)
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.7, 1.6).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    accent = shade(colour, light=0.95, turn=turn)
    deep = shade(colour, light=0.3, vivid=0.6, turn=-0.6 * turn)
    stops = stack_colours(
        (
            shade(deep, light=0.35),
            deep,
            shade(colour, light=0.8),
            shade(colour, light=1.05, vivid=0.95),
            shade(colour, light=1.35, vivid=0.4, turn=0.4 * turn),
        )
    )
    light = ramp(stops, body * (0.62 + 0.3 * second + 0.25 * lamp)) * (
        0.25 + 0.75 * body
    ).unsqueeze(1)
    veil = smoothstep(0.0, 0.9, second + 0.25) * (1.0 - 0.5 * body)
    light = light + paint_flat(accent, 0.8 * veil * (0.25 + lamp))
    light = light + paint_flat(shade(accent, light=1.25, vivid=0.7), 0.5 * filament * body * lamp)
    dust = smoothstep(
        0.0, 0.75, sample(tile, u * 0.9 + 0.5, v * 0.9 + 0.3 - stir * lean) + 0.12 * gas
    )
    cover = knob(values["dust"], 0.25, 0.95) * dust * (1.0 - 0.65 * glow(away, 0.35))
    light = light * (1.0 - cover).unsqueeze(1)
    rim = smoothstep(0.1, 0.5, dust) * smoothstep(0.9, 0.5, dust) * lamp
    light = light + paint_flat(shade(colour, light=1.2, vivid=0.7, turn=0.5 * turn), 0.22 * rim)
    light = light + paint_flat(
        shade(colour, light=1.4, vivid=0.3), knob(values["glow"], 0.1, 0.9) * glow(away, 0.2)
    )
    light = light + _bright_stars(generator, batch, x, y, 7)
    return finish(light + 0.7 * stars(generator, batch, x, y, count=60), shine=0.35)


def paint_ringed_planet(
    values: Values, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """Paint a banded planet with rings, lit from one side, before stars and faint gas."""
    batch = values["hue"].shape[0]
    wide_x, wide_y = canvas(height, width, generator.device)
    x = wide_x - uniform(generator, batch, -0.2, 0.2)
    y = wide_y - uniform(generator, batch, -0.15, 0.15)
    size = knob(values["size"], 0.32, 0.6)
    u, v = rotate(x / size, y / size, uniform(generator, batch, -0.5, 0.5))
    radius = torch.sqrt(u * u + v * v)
    open_ = knob(values["tilt"], 0.1, 0.45)
    ball, disc, sun = _planet_ball(values, generator, u, v, radius, open_)
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, -0.9, 0.9).view(-1)
    ring, opacity = _planet_rings(generator, u, v / open_, sun)
    ring_colour = shade(colour, light=1.1, vivid=0.55, turn=turn)
    gas = fbm(generator, batch, height, width, cells=1.6, octaves=4, gain=0.45)
    second = fbm(generator, batch, height, width, cells=1.2, octaves=3)
    sky = paint_flat(shade(colour, light=0.5, turn=1.2), 0.24 * smoothstep(-0.5, 1.2, gas))
    sky = sky + paint_flat(
        shade(colour, light=0.42, turn=-0.8), 0.2 * smoothstep(-0.3, 1.2, second)
    )
    light = sky + 0.8 * stars(generator, batch, wide_x, wide_y, count=80)
    behind = smoothstep(-0.01, 0.01, v)
    ring_light = paint_flat(ring_colour, ring)
    light = light * (1.0 - opacity * behind).unsqueeze(1) + ring_light * behind.unsqueeze(1)
    halo = glow((radius - 1.0).clamp(min=0.0), 0.16) * smoothstep(-0.7, 0.8, sun)
    air = shade(colour, light=1.15, vivid=0.8, turn=0.3)
    light = light + paint_flat(air, 0.4 * halo * (radius > 1.0))
    light = light + (ball - light) * disc.unsqueeze(1)
    front = 1.0 - behind
    light = light * (1.0 - opacity * front).unsqueeze(1) + ring_light * front.unsqueeze(1)
    return finish(light, shine=0.3)


def _planet_ball(
    values: Values, generator: torch.Generator, u: Tensor, v: Tensor, radius: Tensor, tilt: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the lit globe, its opacity and how far each direction faces the sun in [-1, 1]."""
    batch = values["hue"].shape[0]
    up = torch.sqrt((1.0 - radius * radius).clamp(min=0.0))
    latitude = v * torch.sqrt(1.0 - tilt * tilt) + up * tilt
    longitude = torch.atan2(u, up + 0.3)
    tile = texture(generator, batch, cells=4, octaves=4)
    swirl = sample(tile, longitude * 0.16, latitude * 0.5)
    bands = profile(
        generator,
        batch,
        torch.linspace(-1.5, 1.5, 512, device=u.device).view(1, 1, -1),
        cells=3.0,
        octaves=3,
    )
    place = ((latitude + 0.07 * swirl + 1.5) / 3.0).clamp(0.0, 1.0)
    index = (place * 511.0).long()
    tone = bands.expand(batch, 1, 512).flatten(1).gather(1, index.flatten(1)).view_as(place)
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, -0.8, 0.8).view(-1)
    stops = stack_colours(
        (
            shade(colour, light=0.5, vivid=0.9, turn=-0.4),
            shade(colour, light=0.8, turn=turn),
            colour,
            shade(colour, light=1.2, vivid=0.55, turn=0.3),
        )
    )
    skin = ramp(stops, 0.5 + 0.42 * tone + 0.12 * swirl)
    side = torch.sign(uniform(generator, batch, -1.0, 1.0))
    phase = knob(values["phase"], 1.9, 0.35)
    reach = torch.sqrt((1.0 - 0.12) * torch.ones_like(phase)) * torch.sin(phase) * side
    facing = u * reach + v * 0.33 + up * torch.cos(phase)
    day = smoothstep(-0.12, 0.75, facing)
    rim = (1.0 - up) ** 3 * day
    lit = skin * (0.012 + 1.25 * day).unsqueeze(1)
    lit = lit + paint_flat(shade(colour, light=1.3, vivid=0.6, turn=0.3), 0.8 * rim)
    edge = fill(radius - 1.0, 0.02)
    sun = (u * reach + v * 0.33) / radius.clamp(min=0.3)
    return lit, edge, sun


def _planet_rings(
    generator: torch.Generator, u: Tensor, v: Tensor, sun: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the light and the opacity of the rings; u, v: ring plane, planet radii."""
    batch = sun.shape[0]
    radius = torch.sqrt(u * u + v * v)
    steps = torch.linspace(0.0, 3.0, 512, device=u.device).view(1, 1, -1)
    grooves = profile(generator, batch, steps, cells=5.0, octaves=3, gain=0.6)
    index = ((radius / 3.0).clamp(0.0, 1.0) * 511.0).long()
    tone = grooves.expand(batch, 1, 512).flatten(1).gather(1, index.flatten(1)).view_as(radius)
    band = smoothstep(1.28, 1.4, radius) * smoothstep(2.3, 2.15, radius)
    gap = 1.0 - 0.85 * smoothstep(0.07, 0.03, (radius - 1.86).abs())
    opacity = (band * gap * (0.62 + 0.42 * tone)).clamp(0.0, 0.95)
    shadow = smoothstep(0.95, 1.12, v.abs() + 0.0 * u) + smoothstep(-0.4, 0.1, sun)
    light = opacity * (0.8 + 0.35 * tone) * (0.1 + 0.9 * shadow.clamp(0.0, 1.0))
    return light.clamp(min=0.0), opacity


def paint_black_hole(
    values: Values, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """Paint a black hole: a glowing disc, its light bent round the dark centre."""
    batch = values["hue"].shape[0]
    wide_x, wide_y = canvas(height, width, generator.device)
    x = wide_x - uniform(generator, batch, -0.2, 0.2)
    y = wide_y - uniform(generator, batch, -0.12, 0.12)
    size = knob(values["size"], 0.22, 0.42)
    u, v = rotate(x / size, y / size, uniform(generator, batch, -0.5, 0.5))
    radius, angle = polar(u, v)
    squash = knob(values["tilt"], 0.09, 0.42)
    tile = texture(generator, batch, cells=5, octaves=4, gain=0.6)
    colour = main_colour(values["hue"])
    disc_radius, disc_angle = polar(u, v / squash)
    beam = 1.0 - 0.55 * u / (radius + 0.6) * torch.sign(uniform(generator, batch, -1.0, 1.0))
    heat = _disc_heat(tile, disc_radius, disc_angle, knob(values["swirl"], 0.1, 0.55))
    front = heat * (smoothstep(0.98, 1.04, radius) + smoothstep(0.02, -0.02, v)).clamp(max=1.0)
    # the far side of the disc, lifted over and under the shadow by the bending of light
    lifted = (radius - 1.0) * 1.9 + 1.15
    arch = _disc_heat(tile, lifted + 0.25, angle, knob(values["swirl"], 0.1, 0.55))
    arch = (
        arch
        * smoothstep(1.0, 1.1, radius)
        * (0.35 + 0.65 * (v / radius.clamp(min=0.1)).abs() ** 1.5)
    )
    arch = arch * (0.6 + 0.4 * smoothstep(-0.3, 0.3, v)) * (1.0 - 0.6 * squash)
    ring = torch.exp(-(((radius - 1.03) / 0.035) ** 2))
    heat = (front + 0.9 * arch + 1.2 * ring) * beam
    stops = stack_colours(
        (
            shade(colour, light=0.2),
            shade(colour, light=0.65, turn=-0.25),
            colour,
            shade(colour, light=1.25, vivid=0.75, turn=0.25),
            shade(colour, light=1.5, vivid=0.25),
        )
    )
    light = ramp(stops, 0.75 * heat) * (1.5 * heat).unsqueeze(1)
    away = (radius - 0.9).clamp(min=0.0)
    halo = knob(values["glow"], 0.12, 0.5) * glow(away, 0.9) + 0.25 * glow(v * 3.5, 1.0) * glow(
        u, 2.6
    )
    light = light + paint_flat(shade(colour, light=0.85), halo * smoothstep(0.9, 1.05, radius))
    field = stars(generator, batch, wide_x, wide_y, count=80)
    gas = fbm(generator, batch, height, width, cells=1.6, octaves=4)
    back = 0.7 * field + paint_flat(
        shade(colour, light=0.45, turn=1.4), 0.16 * smoothstep(-0.4, 1.2, gas)
    )
    hidden = smoothstep(0.97, 1.08, radius)
    light = light + back * (hidden * (1.0 - front.clamp(max=1.0))).unsqueeze(1)
    return finish(light, shine=0.5)


def _disc_heat(tile: Tensor, radius: Tensor, angle: Tensor, swirl: Tensor) -> Tensor:
    """Return the brightness of the gas disc: streaks that trail round, hot inside, fading out."""
    turn = angle / (2.0 * math.pi) + swirl * torch.log(radius.clamp(min=0.2)) * 2.0
    streak = sample(tile, turn, radius * 0.33)
    band = smoothstep(1.25, 1.6, radius) * smoothstep(4.2, 2.0, radius)
    return (band * (0.62 + 0.62 * streak) * (2.1 / radius.clamp(min=0.6))).clamp(min=0.0)


def _bright_stars(
    generator: torch.Generator, batch: int, x: Tensor, y: Tensor, count: int
) -> Tensor:
    """A few near stars with crossed rays, shape `(b, 3, h, w)`."""
    places = draw(generator, batch, count, 2) * 1.9 - 0.95
    places[..., 0] *= float(x.abs().max())
    radius = 0.01 + 0.012 * draw(generator, batch, count) ** 2
    power = 0.4 + 1.2 * draw(generator, batch, count, 1) ** 2
    tone = torch.tensor([0.9, 0.95, 1.1], device=x.device)
    points = splats(x, y, places, radius, power * tone * 1.6)
    wide = splats(x, y, places, radius * 4.0, power * tone * 0.12)
    upright = splats(x, y, places, radius * 0.35, power * tone * 0.7, tall=12.0)
    across = splats(x, y, places, radius * 4.2, power * tone * 0.7, tall=1.0 / 12.0)
    return points + wide + upright + across


SCENES_SPACE: tuple[Scene, ...] = (
    Scene(
        "galaxy",
        (
            "a spiral galaxy",
            "a galaxy in deep space",
            "a whirling galaxy of stars",
            "the milky way from afar",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("blue", "violet")),
            Attribute("tilt", (("seen face-on",), (), ("tilted", "seen from the side"))),
            Attribute("swirl", (("loosely wound",), (), ("tightly wound", "swirling"))),
            Attribute("arms", (("two-armed",), (), ("many-armed",))),
            Attribute("size", (("distant", "small"), (), ("huge", "close"))),
            Attribute("glow", ((), (), ("with a blazing core", "with a bright core"))),
        ),
        paint_galaxy,
    ),
    Scene(
        "nebula",
        (
            "a nebula",
            "glowing gas clouds in space",
            "a cosmic cloud of gas and dust",
            "a star nursery",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("violet", "magenta")),
            Attribute("dust", (("clear", "bright"), (), ("dusty", "with dark dust clouds"))),
            Attribute("swirl", (("smooth",), (), ("turbulent", "swirling"))),
            Attribute("scale", (("vast", "with fine detail"), (), ("close", "with big clouds"))),
            Attribute("glow", (("faint",), (), ("glowing", "with light inside"))),
        ),
        paint_nebula,
    ),
    Scene(
        "ringed planet",
        ("a planet with rings", "saturn", "a giant ringed planet in space", "a ringed world"),
        (
            Attribute("hue", HUE_WORDS, natural=("orange", "golden")),
            Attribute(
                "tilt", (("with thin rings", "with rings edge-on"), (), ("with wide open rings",))
            ),
            Attribute("phase", (("crescent", "in shadow"), (), ("fully lit", "in full light"))),
            Attribute("size", (("small", "distant"), (), ("huge", "close"))),
        ),
        paint_ringed_planet,
    ),
    Scene(
        "black hole",
        (
            "a black hole",
            "a black hole with a glowing disc",
            "an event horizon",
            "a dark star ringed by fire",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("orange", "golden")),
            Attribute("tilt", (("seen edge-on",), (), ("seen from above", "tilted"))),
            Attribute("swirl", (("smooth",), (), ("swirling", "churning"))),
            Attribute("size", (("small", "distant"), (), ("huge", "close"))),
            Attribute("glow", (("dim",), (), ("glowing", "blazing"))),
        ),
        paint_black_hole,
    ),
)
