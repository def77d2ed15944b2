"""The routes: sources through curve, envelope and amount, summed per parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.modulation.envelopes import Envelope
from engine.modulation.shapes import bend
from engine.params import ParamSpec
from engine.presets import Route

FREE_GROUP = "lfo."
"""Sources that do not come from the sound: `audio/reactivity` leaves them alone."""


class Router:
    """Runs a preset's routes at hop rate. Analysis thread only."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._lanes = [(route, Envelope(route.attack_ms, route.release_ms)) for route in routes]

    def step(
        self, sources: Mapping[str, float], reactivity: float, dt_s: float
    ) -> dict[str, float]:
        """Return the offset of every routed parameter, native unit.

        `reactivity` in [0, 2] scales what comes from the sound, after the envelope, so that the
        knob acts at once.
        """
        offsets: dict[str, float] = {}
        for route, envelope in self._lanes:
            height = envelope.step(bend(route.curve, sources[route.source]), dt_s)
            scale = 1.0 if route.source.startswith(FREE_GROUP) else reactivity
            offsets[route.target] = offsets.get(route.target, 0.0) + route.amount * scale * height
        return offsets


def modulated(spec: ParamSpec, base: float, offset: float) -> float:
    """Return base plus offset within the parameter's safer range.

    A base value that the performer has set outside that range is respected: the range reaches to
    it, and routes may only lead back in.
    """
    if offset == 0.0 or spec.modulate_low is None or spec.modulate_high is None:
        return base
    low = min(spec.modulate_low, base)
    high = max(spec.modulate_high, base)
    return min(max(base + offset, low), high)
