"""Where a value lies on a slider, and how it is written. Plain arithmetic, no widgets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.params import ParamSpec


@dataclass(frozen=True, slots=True)
class ParamScale:
    """Maps a parameter's native range to positions in [0, 1].

    Rates (units per second) are squared on both sides of zero: slow motion needs the fine hand.
    """

    spec: ParamSpec

    @property
    def origin(self) -> float:
        """Position of zero, in [0, 1]; the left end when zero is not inside the range."""
        low, high = self.spec.low, self.spec.high
        return -low / (high - low) if low < 0.0 < high else 0.0

    @property
    def squared(self) -> bool:
        """True for rates."""
        return self.spec.unit.endswith("/s")

    def position(self, value: float) -> float:
        """Return the position of `value`, clamped to [0, 1]."""
        spec = self.spec
        value = min(max(value, spec.low), spec.high)
        if not self.squared:
            return (value - spec.low) / (spec.high - spec.low)
        if value < 0.0:
            return float(self.origin * (1.0 - (value / spec.low) ** 0.5))
        return float(self.origin + (1.0 - self.origin) * (value / spec.high) ** 0.5)

    def value(self, position: float) -> float:
        """Return the value at `position`, clamped and rounded as the parameter wants it."""
        spec = self.spec
        position = min(max(position, 0.0), 1.0)
        if not self.squared:
            return spec.clamp(spec.low + position * (spec.high - spec.low))
        if position < self.origin:
            return spec.clamp(spec.low * (1.0 - position / self.origin) ** 2)
        share = (position - self.origin) / (1.0 - self.origin)
        return spec.clamp(spec.high * share * share)

    def text(self, value: float) -> str:
        """Write a value for people, without its unit."""
        spec = self.spec
        if spec.words:
            return spec.words[round(spec.clamp(value) - spec.low)]
        if spec.integer:
            return f"{value:.0f}"
        digits = 0 if spec.high - spec.low >= 200 else 1 if spec.high - spec.low >= 20 else 2
        rounded = round(value, digits) + 0.0  # no minus zero
        sign = "+" if spec.low < 0 and rounded > 0 else ""
        return f"{sign}{rounded:.{digits}f}".replace("-", "\N{MINUS SIGN}")

    def parse(self, text: str) -> float | None:
        """Read what a person typed, a unit behind it allowed; None when it means nothing."""
        typed = text.strip().lower()
        for index, word in enumerate(self.spec.words):
            if typed and word.startswith(typed):
                return self.spec.low + index
        match = re.match(r"\s*([+-]?\d*[.,]?\d+)", text.replace("\N{MINUS SIGN}", "-"))
        if match is None:
            return None
        return self.spec.clamp(float(match[1].replace(",", ".")))


def osc_address(spec: ParamSpec) -> str:
    """Return the address the same parameter has over OSC."""
    return f"/sonolume/{spec.name}"
