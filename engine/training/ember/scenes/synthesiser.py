"""A synthesiser: keys in front, glowing knobs, a screen, cables."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import out_of_focus
from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    fill,
    glow,
    knob,
    lookup,
    mix,
    over,
    rotate,
    sdf_box,
    smoothstep,
    stack_colours,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    palette_table,
    pick,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values

CASES = palette_table((("#24262d", "#0e0f13"), ("#cfd0d2", "#8d9096"), ("#6b3f20", "#3a200f")))
CASE_WORDS = (
    ("with a black case", "with a dark panel"),
    ("with a white case", "with a silver panel"),
    ("with a wooden case",),
)
_PITCH = 0.155  # width of a white key, in canvas units at the keys' front
_BLACK_AFTER = (1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0)  # from c to b


def paint_synthesiser(
    values: Values, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """Paint a synthesiser from the player's side: keys, rows of lit knobs, a screen, cables."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.7, 1.8).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    second = shade(colour, light=1.05, turn=turn)
    stops = stack_colours(
        (
            shade(colour, light=0.08, turn=0.4),
            shade(colour, light=0.2),
            shade(colour, light=0.42),
            shade(second, light=0.62),
        )
    )
    light = out_of_focus(generator, x, y, stops, lamps=second, strength=0.6)
    zoom = knob(values["size"], 1.0, 1.3)
    lean = uniform(generator, batch, -0.09, 0.09)
    across, v = rotate(x / zoom, y / zoom, lean)
    v = v + 0.08
    u = across / (1.0 - 0.16 * v)  # the near edge is wider
    shine = knob(values["glow"], 0.35, 1.15)
    wide = min(1.0, aspect) * 0.88 if aspect < 1.2 else 0.78 * aspect
    case = sdf_box(u, v + 0.04, wide, 0.62) - 0.03
    panel = pick(CASES, values["case"])
    cast = 0.3 + 0.7 * colour / colour.amax(dim=1, keepdim=True)
    board = mix(tint(panel[:, 1]), tint(panel[:, 0]), smoothstep(-0.7, 0.7, v).unsqueeze(1))
    board = board * tint(cast) * 0.75
    board = board + paint_flat(
        colour, 0.16 * shine * glow(torch.sqrt(u * u + (v - 0.25) ** 2), 0.6)
    )
    aura = paint_flat(colour, 0.5 * shine * glow(case.clamp(min=0.0), 0.16))
    light = over(light + aura, board, fill(case, 0.012))
    light = _keys(generator, light, (u, v), wide, (colour, cast, shine))
    light = _knobs(generator, values, light, (u, v), wide, (colour, second, shine))
    light = _screen(generator, light, (u, v), (colour, shine))
    light = light + paint_flat(
        shade(colour, light=1.2), 0.35 * shine * fill((case.abs() - 0.008), 0.012)
    )
    light = _cables(generator, values, light, (u, v), wide, (colour, second))
    return finish(light, shine=0.45, vignette=0.3)


def _keys(
    generator: torch.Generator,
    light: Tensor,
    uv: tuple[Tensor, Tensor],
    wide: float,
    tones: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """Lay the keyboard over the near half of the case; a few keys glow as they are held."""
    u, v = uv
    colour, cast, shine = tones
    batch = light.shape[0]
    field = sdf_box(u, v + 0.38, wide - 0.05, 0.245)
    count = round(2.0 * (wide - 0.05) / _PITCH)
    place = (u / (2.0 * (wide - 0.05)) + 0.5).clamp(0.0, 1.0 - 1e-5) * count
    first = torch.floor(uniform(generator, batch, 0.0, 7.0))
    cell = torch.floor(place)
    within = place - cell
    held = draw(generator, batch, 1, count) < 0.16
    down = lookup(held.float(), cell.long())[:, 0]
    gap = smoothstep(0.0, 0.07, torch.minimum(within, 1.0 - within))
    front = smoothstep(-0.66, -0.5, v)
    ivory = tint(cast) * (0.62 * (0.45 + 0.55 * front) * (0.25 + 0.75 * gap)).unsqueeze(1)
    lamp = 0.25 + 0.9 * smoothstep(-0.1, -0.6, v)
    ivory = mix(
        ivory,
        paint_flat(shade(colour, light=1.15), lamp * gap),
        (0.85 * down)[:, None] * shine.clamp(max=1.0).unsqueeze(1),
    )
    light = over(light, ivory, fill(field, 0.012))
    # a black key sits on the seam to the left of a white one, by the pattern of the octave
    seam = torch.floor(place + 0.5)
    pattern = torch.tensor(_BLACK_AFTER, device=u.device).view(1, 1, 7).expand(batch, -1, -1)
    black = lookup(pattern, torch.remainder(seam + first - 1.0, 7.0).long())[:, 0]
    aside = (place - seam).abs() * (2.0 * (wide - 0.05) / count)
    key = torch.maximum(aside - 0.3 * _PITCH, (v + 0.27).abs() - 0.135)
    key = torch.maximum(key, field)
    sheen = 0.03 + 0.16 * smoothstep(-0.34, -0.4, v) + 0.12 * smoothstep(0.03, 0.0, aside)
    return over(light, paint_flat(0.5 * cast + 0.3 * colour, sheen), black * fill(key, 0.012))


def _knobs(
    generator: torch.Generator,
    values: Values,
    light: Tensor,
    uv: tuple[Tensor, Tensor],
    wide: float,
    tones: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """Lay two rows of knobs, each with an arc of light up to its setting."""
    u, v = uv
    colour, second, shine = tones
    batch = light.shape[0]
    columns = torch.round(knob(values["knobs"], 4.0, 7.4) * (wide / 0.88))
    step = 2.0 * (wide - 0.06) / columns
    place = (u / step + 0.5 * columns).clamp(min=0.0)
    place = torch.minimum(place, columns - 1e-4)
    cell = torch.floor(place)
    row = torch.floor(((v - 0.04) / 0.25).clamp(0.0, 1.99))
    a = (place - cell - 0.5) * step
    b = v - 0.04 - (row + 0.5) * 0.25
    chance = lookup(draw(generator, batch, 2, 32), (cell + 14.0 * row).clamp(0.0, 31.0).long())
    setting = 0.15 + 0.85 * chance[:, 0]
    radius = torch.sqrt(a * a + b * b)
    around = torch.remainder(torch.atan2(a, b) / (2.0 * math.pi) + 0.5, 1.0)  # 0 at the bottom
    arc = glow(radius - 0.098, 0.016) * smoothstep(0.1, 0.14, around)
    arc = arc * smoothstep(0.0, -0.03, around - 0.12 - 0.76 * setting)
    # the middle of the panel belongs to the screen
    free = smoothstep(0.27, 0.29, u.abs() - 0.0) * smoothstep(0.05, 0.06, v)
    spare = (((cell + 0.5) * step - (wide - 0.06)).abs() > 0.36).float() * (v > 0.03)
    cap = fill(radius - 0.076, 0.012) * spare
    lit = 0.05 + 0.22 * smoothstep(-0.08, 0.09, b - 0.4 * a)
    metal = paint_flat(0.35 + 0.3 * colour, lit)
    light = over(light, 0.12 * metal, fill(radius - 0.115, 0.02) * spare * 0.7)
    light = over(light, metal, cap)
    angle = 2.0 * math.pi * (0.62 + 0.76 * setting)
    along = a * torch.sin(angle) + b * torch.cos(angle)
    beside = (a * torch.cos(angle) - b * torch.sin(angle)).abs()
    tip = fill(torch.maximum(beside - 0.01, (along - 0.045).abs() - 0.025), 0.012) * spare
    warm = smoothstep(0.4, 0.6, chance[:, 1])
    ring = mix(tint(colour), tint(second), warm.unsqueeze(1))
    return light + ring * (shine * spare * free * (1.5 * arc + tip)).unsqueeze(1)


def _screen(
    generator: torch.Generator,
    light: Tensor,
    uv: tuple[Tensor, Tensor],
    tones: tuple[Tensor, Tensor],
) -> Tensor:
    """Lay a small screen with a glowing wave on the middle of the panel."""
    u, v = uv
    colour, shine = tones
    batch = light.shape[0]
    frame = sdf_box(u, v - 0.29, 0.27, 0.18) - 0.015
    rate = uniform(generator, batch, 9.0, 22.0)
    phase = uniform(generator, batch, 0.0, 6.2)
    wave = torch.sin(rate * u + phase) + 0.45 * torch.sin(2.0 * rate * u + 2.0 * phase)
    trace = v - 0.29 - 0.085 * wave * smoothstep(0.28, 0.1, u.abs())
    glare = 0.1 + 0.14 * glow(trace, 0.12)
    face = paint_flat(shade(colour, light=0.5), glare)
    face = face + paint_flat(
        shade(colour, light=1.25, vivid=0.8), 1.4 * shine * glow(trace, 0.028)
    )
    light = over(light, tint(rgb("#050506").to(u.device)), fill(frame - 0.015, 0.012))
    return over(light, face, fill(frame, 0.012))


def _cables(
    generator: torch.Generator,
    values: Values,
    light: Tensor,
    uv: tuple[Tensor, Tensor],
    wide: float,
    tones: tuple[Tensor, Tensor],
) -> Tensor:
    """Hang up to five bright cables over the panel, from socket to socket or out of the top."""
    u, v = uv
    batch = light.shape[0]
    wanted = knob(values["cables"], -0.6, 5.4)
    for index in range(5):
        middle = (index - 2.0) * 0.36 * wide + uniform(generator, batch, -0.12, 0.12)
        half = uniform(generator, batch, 0.2, 0.42) * wide
        sag = uniform(generator, batch, 0.25, 0.5)
        high = uniform(generator, batch, 0.38, 0.52)
        share = (u - middle) / half
        tilt = uniform(generator, batch, -0.08, 0.08)
        spread = uniform(generator, batch, -0.3, 0.3).view(-1)
        shown = (wanted > index).float()
        if not bool(shown.any()):
            continue
        level = v - high - tilt * share + sag * (1.0 - share * share)
        steep = (2.0 * sag * share - tilt) / half
        distance = level.abs() / torch.sqrt(1.0 + steep * steep)
        inside = smoothstep(1.02, 0.99, share.abs()) * shown
        turn = 0.9 * index - 1.8 + spread
        tone = shade(tones[index % 2], light=0.95, turn=0.6 * turn)
        shadow = fill((level + 0.05).abs() / torch.sqrt(1.0 + steep * steep) - 0.02, 0.05)
        light = light * (1.0 - 0.4 * shadow * inside).unsqueeze(1)
        round_ = smoothstep(0.03, 0.0, (distance - 0.004).abs())
        light = over(
            light, paint_flat(tone, 0.3 + 0.8 * round_), fill(distance - 0.022, 0.01) * inside
        )
        for end in (-1.0, 1.0):
            plug = torch.sqrt((share - end) ** 2 * half**2 + (v - high - tilt * end) ** 2)
            light = over(light, tint(0.25 * tone), fill(plug - 0.034, 0.012) * shown)
    return light


SCENES_SYNTHESISER: tuple[Scene, ...] = (
    Scene(
        "synthesiser",
        (
            "a synthesiser",
            "a synthesizer",
            "a synth with glowing knobs",
            "an electronic keyboard",
            "a modular synth",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("cyan", "violet", "magenta")),
            Attribute("case", CASE_WORDS, natural=("with a black case",)),
            Attribute("knobs", (("with a few knobs",), (), ("full of knobs", "with many knobs"))),
            Attribute(
                "cables", (("without cables",), (), ("with many cables", "with tangled cables"))
            ),
            Attribute("glow", (("dim",), (), ("glowing", "luminous"))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_synthesiser,
    ),
)
"""Every scene of this file."""
