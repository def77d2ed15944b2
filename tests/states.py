"""Control states for tests that need one."""

from __future__ import annotations

from engine.messages import ControlState, PromptWeight, Travel
from engine.params import defaults


def control(
    time_s: float = 0.0,
    *,
    prompts: tuple[tuple[str, float], ...] = (("northern lights over a frozen lake", 1.0),),
    travel: Travel | None = None,
    restart_count: int = 0,
    **values: float,
) -> ControlState:
    """Return a state at `time_s`; `values` are parameter names with `__` for the slash."""
    named = {name.replace("__", "/"): value for name, value in values.items()}
    return ControlState(
        sample_index=round(time_s * 48_000),
        time_s=time_s,
        host_time_s=time_s,
        values=defaults() | named,
        travel=travel or Travel(),
        prompts=tuple(PromptWeight(text, weight) for text, weight in prompts),
        onset_count=0,
        beat_count=0,
        beat_phase=0.0,
        silent=False,
        restart_count=restart_count,
    )
