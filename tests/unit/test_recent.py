from __future__ import annotations

import numpy as np
import pytest

from app.recent import LOSSES_S, SETTLE_S, RecentFigures
from app.snapshots import Health, Recent
from engine.messages import EngineStatus, Frame, Phase, freeze

ASKED_FPS = 30.0
PIXELS = freeze(np.zeros((2, 2, 3), np.uint8))


class Show:
    """A show whose rates are set by hand; looked at ten times a second."""

    def __init__(self) -> None:
        self.figures = RecentFigures(ASKED_FPS)
        self.now_s = 100.0
        self.frames = self.pictures = 0.0
        self.dropped = 0
        self.longest_gap_ms = 0.0

    def run(
        self, seconds: float, output_fps: float, ai_fps: float, phase: Phase = Phase.RUNNING
    ) -> Recent:
        """Go on for so long; return the last look."""
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            self.frames += 0.1 * output_fps
            self.pictures += 0.1 * ai_fps
            status = EngineStatus(
                phase, frames=round(self.frames), pictures=round(self.pictures),
                dropped=self.dropped, longest_gap_ms=self.longest_gap_ms,
                output_fps=ASKED_FPS, ai_fps=20.0,
            )  # fmt: skip
            recent = self.figures.look(status, self.now_s)
        return recent


@pytest.mark.parametrize(
    ("output_fps", "ai_fps", "health"),
    [
        (30.0, 20.0, Health.GOOD), (25.5, 20.0, Health.GOOD), (30.0, 2.5, Health.GOOD),
        (22.0, 20.0, Health.STUTTERS), (4.5, 0.0, Health.STUTTERS), (0.0, 20.0, Health.STUTTERS),
        (30.0, 1.2, Health.LAGS), (30.0, 0.0, Health.LAGS),
    ],
)  # fmt: skip
def test_a_show_far_below_what_was_asked_is_told_within_six_seconds(
    output_fps: float, ai_fps: float, health: Health
) -> None:
    show = Show()
    assert show.run(10.0, 30.0, 20.0).health is Health.GOOD
    assert show.run(6.0, output_fps, ai_fps).health is health
    assert show.run(6.0, 30.0, 20.0).health is Health.GOOD


def test_a_rate_at_the_limit_does_not_flicker_between_good_and_bad() -> None:
    show = Show()
    show.run(10.0, 30.0, 20.0)
    show.run(6.0, 23.0, 20.0)
    seen = {show.run(0.1, rate, 20.0).health for rate in [23.5, 24.5] * 40}
    assert seen == {Health.STUTTERS}


def test_a_show_that_stands_still_shows_the_rate_it_has_and_not_the_last_one() -> None:
    show = Show()
    show.run(10.0, 30.0, 20.0)
    recent = show.run(6.0, 0.0, 0.0)
    assert (recent.output_fps, recent.ai_fps) == (0.0, 0.0)


def test_a_model_that_loads_is_not_blamed_for_painting_nothing() -> None:
    show = Show()
    show.run(10.0, 30.0, 20.0)
    assert show.run(6.0, 30.0, 0.0, Phase.LOADING).health is Health.GOOD
    assert show.run(1.0, 30.0, 0.0).health is Health.GOOD


def test_what_the_start_has_lost_does_not_count() -> None:
    show = Show()
    show.dropped, show.longest_gap_ms = 40, 3416.0
    show.run(5.0, 4.0, 0.0, Phase.LOADING)
    show.dropped, show.longest_gap_ms = 45, 3500.0
    recent = show.run(SETTLE_S + 1.0, 30.0, 20.0)
    assert (recent.dropped, recent.longest_gap_ms) == (0, 0.0)


def test_losses_of_the_show_count_for_a_minute_and_are_forgiven() -> None:
    show = Show()
    show.run(10.0, 30.0, 20.0)
    show.dropped, show.longest_gap_ms = 7, 800.0
    recent = show.run(1.0, 30.0, 20.0)
    assert (recent.dropped, recent.longest_gap_ms) == (7, 800.0)
    recent = show.run(LOSSES_S - 5.0, 30.0, 20.0)
    assert (recent.dropped, recent.longest_gap_ms) == (7, 800.0)
    recent = show.run(7.0, 30.0, 20.0)
    assert (recent.dropped, recent.longest_gap_ms) == (0, 0.0)


def test_a_gap_shorter_than_the_longest_ever_is_seen_on_the_frames() -> None:
    show = Show()
    show.longest_gap_ms = 5000.0
    show.run(10.0, 30.0, 20.0)
    for index, host_time_s in enumerate((10.0, 10.03, 10.33, 10.36)):
        show.figures.see(Frame(index, PIXELS, 0, host_time_s, 0), show.now_s)
    assert show.run(0.1, 30.0, 20.0).longest_gap_ms == pytest.approx(300.0)


def test_frames_that_the_window_missed_are_no_gap() -> None:
    show = Show()
    show.run(10.0, 30.0, 20.0)
    for index, host_time_s in ((0, 10.0), (30, 11.0)):
        show.figures.see(Frame(index, PIXELS, 0, host_time_s, 0), show.now_s)
    assert show.run(0.1, 30.0, 20.0).longest_gap_ms == pytest.approx(1000.0 / 30.0)
