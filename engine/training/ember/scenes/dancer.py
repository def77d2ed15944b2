"""A dancer in swirling light."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.ember.scenes.backdrops import mirror_floor, stage
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    mix,
    polar,
    smoothstep,
    stack_colours,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    rgb,
    shade,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sculpt import (
    Point,
    chain,
    coat,
    cover,
    facing_sign,
    join,
    lay,
    limb,
    model_grid,
    oval,
    relief,
)

_JOINTS = (
    # head, neck, hip, elbow and hand (near, far), knee and foot (near, far): dancer faces right
    (  # arms raised
        ((0.03, 0.5), (0.0, 0.36), (-0.03, -0.06)),
        ((0.27, 0.58), (0.16, 0.98), (-0.28, 0.56), (-0.2, 0.97)),
        ((0.0, -0.5), (-0.02, -0.96), (0.26, -0.42), (0.02, -0.6)),
    ),
    (  # spinning, arms held wide
        ((0.02, 0.53), (0.0, 0.38), (0.0, -0.04)),
        ((0.36, 0.36), (0.74, 0.5), (-0.36, 0.36), (-0.74, 0.5)),
        ((0.02, -0.5), (0.02, -0.98), (0.32, -0.36), (0.06, -0.56)),
    ),
    (  # arabesque
        ((0.34, 0.58), (0.25, 0.45), (0.0, 0.0)),
        ((0.56, 0.5), (0.94, 0.66), (0.02, 0.5), (-0.32, 0.66)),
        ((0.05, -0.5), (0.05, -0.98), (-0.46, 0.08), (-0.94, 0.3)),
    ),
    (  # leap
        ((0.16, 0.66), (0.1, 0.52), (0.0, 0.1)),
        ((0.4, 0.62), (0.72, 0.86), (-0.22, 0.6), (-0.6, 0.78)),
        ((0.48, 0.08), (0.98, -0.04), (-0.46, 0.0), (-0.96, 0.0)),
    ),
)
_SKIRTS = ((0.5, 0.62), (1.1, 0.5), (0.55, 0.5), (0.7, 0.42))  # flare and length by pose


def paint_dancer(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a dancer on a dark shining stage, ribbons of light whirling round the body."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = knob(values["contrast"], 0.15, 1.6).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    second = shade(colour, light=1.05, turn=turn)
    floor = uniform(generator, batch, -0.72, -0.6)
    light = stage(
        generator,
        x,
        y,
        torch.stack((shade(colour, light=0.9), second), dim=1),
        beams=uniform(generator, batch, 0.5, 3.0),
        smoke=knob(values["smoke"], 0.0, 1.0),
        floor=floor,
    )
    size = knob(values["size"], 0.68, 0.9) * min(1.0, 0.2 + 0.8 * aspect)
    cx = uniform(generator, batch, -0.15, 0.15) * aspect
    pose = (values["pose"] * 4.0).long().clamp(max=3)
    leap = (pose == 3).float().view(-1, 1, 1)
    cy = floor - 0.1 + size * (0.98 - 0.3 * leap)
    behind, before = _ribbons(generator, values, (x, y), (cx, cy, size), (colour, second))
    halo = glow(torch.sqrt(((x - cx) * 1.2) ** 2 + (y - cy) ** 2), 0.75 * size)
    light = light + paint_flat(shade(colour, light=1.05, vivid=0.9), 0.5 * halo) + behind
    facing = facing_sign(values["facing"])
    lamp = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    model = _dancer(generator, pose, (colour, second), lamp)
    place = (cx, cy, size, facing, uniform(generator, batch, -0.06, 0.06))
    light = lay(light, (x, y), place, model)
    light = mirror_floor(light, y, floor - 0.1, 0.45) + before
    return finish(light, shine=0.45, vignette=0.3)


def _ribbons(
    generator: torch.Generator,
    values: Values,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor],
    colours: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Return veils of light that wind round the body: what is behind it and what is before it."""
    height, width = canvas_xy[1].shape[1], canvas_xy[0].shape[2]
    x, y = canvas(max(16, height // 2), max(16, width // 2), canvas_xy[0].device)
    cx, cy, size = place
    batch = size.shape[0]
    wanted = knob(values["ribbons"], 0.6, 5.0)
    strength = knob(values["glow"], 0.5, 1.3)
    sense = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    layers = torch.zeros(batch, 6, y.shape[1], x.shape[2], device=x.device)
    for index in range(5):
        rise = (-0.55, 0.25, -0.2, 0.6, 0.0)[index] + uniform(generator, batch, -0.1, 0.1)
        lean = uniform(generator, batch, -0.45, 0.45)
        u = (x - cx) * sense / size
        v = ((y - cy) / size - rise - lean * u) * uniform(generator, batch, 2.0, 3.2)
        radius, angle = polar(u, v)
        start = uniform(generator, batch, 0.0, 2.0 * math.pi)
        along = torch.remainder(angle - start, 2.0 * math.pi) / (2.0 * math.pi)
        wave = 0.06 * torch.sin(3.0 * angle + 4.0 * start)
        off = radius - uniform(generator, batch, 0.62, 0.85) * (0.65 + 0.55 * along) - wave
        taper = smoothstep(0.0, 0.3, along) * smoothstep(1.0, 0.5, along)
        veil = glow(off, 0.05) + 0.6 * torch.exp(-(off.clamp(min=0.0) / 0.35)) * smoothstep(
            -0.04, 0.04, off
        )
        veil = veil * taper * strength * (wanted - index).clamp(0.0, 1.0)
        front = smoothstep(0.12, -0.12, v)
        colour = colours[index % 2]
        layers[:, :3] += paint_flat(colour, veil * (1.0 - front))
        layers[:, 3:] += paint_flat(colour, veil * front)
    whole = F.interpolate(layers, size=(height, width), mode="bilinear", align_corners=False)
    return whole[:, :3], whole[:, 3:]


def _joint(pose: Tensor, group: int, index: int) -> tuple[Tensor, Tensor]:
    """Place of a joint in each picture's pose, `(b, 1, 1)` each."""
    table = torch.tensor([joints[group][index] for joints in _JOINTS], device=pose.device)
    chosen = table[pose]
    return chosen[:, 0].view(-1, 1, 1), chosen[:, 1].view(-1, 1, 1)


def _dancer(
    generator: torch.Generator, pose: Tensor, colours: tuple[Tensor, Tensor], lamp: Tensor
) -> tuple[Tensor, Tensor]:
    """A dancer in a flying dress, dark against the light, rims lit from the side of `lamp`."""
    u, v = model_grid(pose.device)
    batch = pose.shape[0]
    colour, second = colours
    head, neck, hip = (_joint(pose, 0, i) for i in range(3))
    arms = [_joint(pose, 1, i) for i in range(4)]
    legs = [_joint(pose, 2, i) for i in range(4)]
    waist = (hip[0] + 0.3 * (neck[0] - hip[0]), hip[1] + 0.3 * (neck[1] - hip[1]))
    trunk = chain(u, v, (neck, waist, hip), (0.085, 0.07, 0.105), fillet=0.08)
    shoulder = limb(
        u, v, (neck[0] - 0.1, neck[1] - 0.05), (neck[0] + 0.1, neck[1] - 0.05), 0.05, 0.05
    )
    face = oval(u, v, head, 0.078, 0.095, -0.2)
    bun = oval(u, v, (head[0] - 0.07, head[1] + 0.06), 0.05, 0.05)
    throat = limb(u, v, neck, head, 0.04, 0.04)
    near_arm = chain(u, v, ((neck[0] + 0.09, neck[1] - 0.05), *arms[:2]), (0.048, 0.036, 0.022))
    far_arm = chain(u, v, ((neck[0] - 0.09, neck[1] - 0.05), *arms[2:]), (0.048, 0.036, 0.022))
    near_leg = _leg(u, v, hip, legs[0], legs[1])
    far_leg = _leg(u, v, hip, legs[2], legs[3])
    body = join([trunk, shoulder, throat, face, bun, near_arm, far_arm], 0.03)
    body = join([body, near_leg, far_leg], 0.03)
    dress, folds = _skirt(generator, u, v, pose, (hip, legs[1], legs[3]))
    bodice = torch.maximum(trunk, v - neck[1] + 0.08)
    outline = torch.minimum(body, dress)
    side = (0.8 * lamp, 0.5)
    form, _ = relief(body, 0.08, side)
    flesh = rgb("#c08059").to(u.device) * (0.2 + 0.8 * colour / colour.amax(dim=1, keepdim=True))
    skin = coat(flesh, 0.75 * form)
    gown = stack_colours((shade(second, light=0.5), shade(second, light=0.85)))
    cloth = mix(gown[:, 0, :, None, None], gown[:, 1, :, None, None], folds.unsqueeze(1))
    skin = cover(skin, cloth, torch.minimum(dress, bodice), 0.02)
    _, rim = relief(outline, 0.1, side)
    both = rim + 0.6 * fill(outline.abs() - 0.01, 0.025).expand(batch, -1, -1)
    return outline, skin + paint_flat(shade(colour, light=1.3, vivid=0.7), 0.45 * both)


def _leg(u: Tensor, v: Tensor, hip: Point, knee: Point, foot: Point) -> Tensor:
    """Signed distance to a leg with a pointed foot."""
    ankle = (knee[0] + 0.82 * (foot[0] - knee[0]), knee[1] + 0.82 * (foot[1] - knee[1]))
    return chain(u, v, (hip, knee, ankle, foot), (0.1, 0.062, 0.034, 0.02), fillet=0.05)


def _skirt(
    generator: torch.Generator,
    u: Tensor,
    v: Tensor,
    pose: Tensor,
    joints: tuple[Point, Point, Point],
) -> tuple[Tensor, Tensor]:
    """Distance to a skirt that hangs and flies between the legs, and the light on its folds."""
    batch = pose.shape[0]
    hip, near, far = joints
    shape = torch.tensor(_SKIRTS, device=pose.device)[pose]
    flare, length = shape[:, 0].view(-1, 1, 1), shape[:, 1].view(-1, 1, 1)
    pull = 0.3 * (0.5 * (near[0] + far[0]) - hip[0]) + uniform(generator, batch, -0.12, 0.12)
    drop = (hip[1] + 0.14 - v).clamp(min=0.0)
    share = (drop / length).clamp(0.0, 1.2)
    across = u - hip[0] - pull * share * share
    phase = uniform(generator, batch, 0.0, 6.2)
    half = 0.085 + flare * length * share**0.85
    fan = across / half
    hem = length * (1.0 - 0.22 * fan * fan + 0.05 * torch.sin(9.0 * fan + phase))
    distance = torch.maximum(across.abs() - half, drop - hem)
    distance = torch.maximum(distance, v - hip[1] - 0.14)
    folds = 0.5 + 0.5 * torch.sin(8.0 * fan + phase + 1.5 * torch.sin(3.0 * share))
    return 0.8 * distance, (0.15 + 0.85 * folds * share.clamp(max=1.0)).clamp(0.0, 1.0)


SCENES_DANCER: tuple[Scene, ...] = (
    Scene(
        "dancer",
        (
            "a dancer",
            "a dancer in swirling light",
            "a ballerina",
            "a dancing woman",
            "a dancer on stage",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("violet", "blue", "magenta")),
            Attribute(
                "pose",
                (
                    ("with raised arms", "reaching up"),
                    ("spinning", "in a pirouette"),
                    ("in an arabesque", "balancing on one leg"),
                    ("leaping", "in mid-air", "jumping"),
                ),
            ),
            Attribute(
                "ribbons", ((), (), ("with swirling ribbons of light", "in a whirl of light"))
            ),
            Attribute("contrast", (("in one colour",), (), ("in two colours", "colourful"))),
            Attribute("smoke", (("in clear air",), (), ("in smoke", "in mist"))),
            Attribute("glow", (("in soft light",), (), ("glowing", "radiant"))),
            Attribute("facing", (("facing left",), ("facing right",))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_dancer,
    ),
)
"""Every scene of this file."""
