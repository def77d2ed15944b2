"""Control states of a show that moves, without a show."""

from __future__ import annotations

from engine.messages import ControlState, PromptWeight, Travel
from engine.params import defaults

FPS = 25.0


def moving_states(
    count: int, prompt: str = "northern lights over a frozen lake"
) -> list[ControlState]:
    """Return `count` states at 25 per second: zooming in, turning a little, noise walking."""
    values = defaults()
    return [
        ControlState(
            sample_index=round(k / FPS * 48_000), time_s=k / FPS, host_time_s=k / FPS,
            values=values,
            travel=Travel(log_zoom=0.004 * k, rotation_deg=0.1 * k, noise_rad=0.02 * k),
            prompts=(PromptWeight(prompt, 1.0),),
            onset_count=0, beat_count=0, beat_phase=0.0, silent=False,
        )
        for k in range(count)
    ]  # fmt: skip
