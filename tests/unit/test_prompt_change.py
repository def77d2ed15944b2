from __future__ import annotations

import numpy as np
import pytest

from engine.bench.prompt_change import measure_prompt_changes
from engine.messages import ControlState, Reading, Uint8

PICTURE_S = 0.02


class Painter:
    """Takes 20 ms for a picture, and longer for one with a prompt it never saw."""

    name = "painter"

    def __init__(self, extra_s: float) -> None:
        self.now_s = 0.0
        self.extra_s = extra_s
        self.seen: set[str] = set()

    def generate(self, control: ControlState, dt_s: float) -> Uint8:
        text = control.prompts[-1].text
        self.now_s += PICTURE_S + (self.extra_s if self.seen and text not in self.seen else 0.0)
        self.seen.add(text)
        return np.zeros((8, 8, 3), np.uint8)

    def reading(self, prompt: str) -> Reading:
        return Reading()


@pytest.mark.parametrize(("extra_s", "ratio", "within"), [(0.008, 1.4, True), (0.03, 2.5, False)])
def test_the_slowest_picture_after_a_change_is_set_against_the_median(
    extra_s: float, ratio: float, within: bool
) -> None:
    painter = Painter(extra_s)
    figures = measure_prompt_changes(
        painter, nonce=7, warm_up=2, steady=5, changes=3, after=4,
        now=lambda: painter.now_s,
    )  # type: ignore[arg-type] # fmt: skip
    assert figures["median_ms"] == pytest.approx(20.0)
    assert figures["worst_before_ms"] == pytest.approx(20.0)
    assert figures["ratio"] == pytest.approx(ratio)
    assert figures["within_budget"] is within
    assert len(painter.seen) == 1 + 3
