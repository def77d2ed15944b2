"""How the show goes now: the rates of the last seconds, the losses of the last minute.

The engine's own figures run from its start, where models load and everything is slow; what a
performer wants to know is whether something is wrong at this moment.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from app.snapshots import Health, Recent
from engine.messages import EngineStatus, Frame, Phase

RATE_S = 3.0
"""Rates are measured over this long: a hiccup of half a second is a gap, not a rate."""
LOSSES_S = 60.0
SETTLE_S = 3.0
"""What is lost in the first seconds of painting is the start's, and no fault of the show."""
STUTTERS_BELOW, STUTTERS_NO_MORE = 0.8, 0.87
"""Share of the asked output rate: from one frame in five missing, motion visibly jerks."""
LAGS_BELOW_FPS, LAGS_NO_MORE_FPS = 2.0, 2.2
"""Pictures per second: fewer than 2, and each is older than a beat at 120 BPM when it goes."""
MARK_S = 1.0


@dataclass(frozen=True, slots=True)
class _Count:
    """The engine's counters at one look."""

    now_s: float
    frames: int
    pictures: int
    dropped: int
    overflows: int


class RecentFigures:
    """Takes every look at the engine and every frame that is shown. GUI thread only."""

    def __init__(self, asked_fps: float) -> None:
        self._asked_fps = asked_fps
        self._rates: deque[_Count] = deque()  # of the last RATE_S, while the model paints
        self._marks: deque[_Count] = deque()  # of the last LOSSES_S, one a second
        self._gaps: deque[tuple[float, float]] = deque()  # (now_s, gap_ms), ever smaller ones
        self._began_s: float | None = None  # when it painted first
        self._longest_ms = 0.0  # as the engine says, since its start
        self._frame: Frame | None = None
        self._health = Health.GOOD

    def see(self, frame: Frame, now_s: float) -> None:
        """Take the newest frame; where some were not seen, the mean of their gaps."""
        before, self._frame = self._frame, frame
        if before is not None and frame.index > before.index:
            gap_s = (frame.host_time_s - before.host_time_s) / (frame.index - before.index)
            self._note_gap(1000.0 * gap_s, now_s)

    def look(self, status: EngineStatus, now_s: float) -> Recent:
        """Take one look at the engine and say how it does."""
        count = _Count(now_s, status.frames, status.pictures, status.dropped, status.overflows)
        if status.phase is Phase.RUNNING:
            if self._began_s is None:
                self._began_s = now_s
            self._rates.append(count)
        else:
            self._rates.clear()
        if self._began_s is None or now_s - self._began_s < SETTLE_S:
            self._marks.clear()
            self._gaps.clear()
        elif status.longest_gap_ms > self._longest_ms:
            self._note_gap(status.longest_gap_ms, now_s)
        self._longest_ms = status.longest_gap_ms
        self._forget(count)
        return self._judge(self._losses(count), status)

    def _note_gap(self, gap_ms: float, now_s: float) -> None:
        while self._gaps and self._gaps[-1][1] <= gap_ms:
            self._gaps.pop()
        self._gaps.append((now_s, gap_ms))

    def _forget(self, count: _Count) -> None:
        now_s = count.now_s
        while len(self._rates) > 1 and self._rates[1].now_s <= now_s - RATE_S:
            self._rates.popleft()
        if not self._marks or now_s - self._marks[-1].now_s >= MARK_S:
            self._marks.append(count)
        while len(self._marks) > 1 and self._marks[1].now_s <= now_s - LOSSES_S:
            self._marks.popleft()
        while self._gaps and self._gaps[0][0] <= now_s - LOSSES_S:
            self._gaps.popleft()

    def _losses(self, count: _Count) -> Recent:
        first = self._marks[0]
        return Recent(
            frames=count.frames - first.frames,
            dropped=count.dropped - first.dropped,
            overflows=count.overflows - first.overflows,
            longest_gap_ms=self._gaps[0][1] if self._gaps else 0.0,
        )

    def _judge(self, losses: Recent, status: EngineStatus) -> Recent:
        measured = self._measured()
        if measured is None:  # not for long enough yet, or it does not paint
            self._health = Health.GOOD
            return replace(losses, output_fps=status.output_fps, ai_fps=status.ai_fps)
        output_fps, ai_fps = measured
        self._health = self._now(output_fps, ai_fps)
        # The engine's figures are the smoother ones, but stand still when everything does.
        stutters, lags = self._health is Health.STUTTERS, ai_fps < 0.5 * status.ai_fps
        return replace(
            losses,
            health=self._health,
            output_fps=output_fps if stutters else status.output_fps,
            ai_fps=ai_fps if lags else status.ai_fps,
        )

    def _measured(self) -> tuple[float, float] | None:
        """Output frames and pictures per second; None before `RATE_S` of painting."""
        if not self._rates:
            return None
        first, last = self._rates[0], self._rates[-1]
        span_s = last.now_s - first.now_s
        if span_s < RATE_S:
            return None
        return (last.frames - first.frames) / span_s, (last.pictures - first.pictures) / span_s

    def _now(self, output_fps: float, ai_fps: float) -> Health:
        stuttered, lagged = self._health is Health.STUTTERS, self._health is Health.LAGS
        share = STUTTERS_NO_MORE if stuttered else STUTTERS_BELOW
        if output_fps < share * self._asked_fps:
            return Health.STUTTERS
        least_fps = LAGS_NO_MORE_FPS if lagged else LAGS_BELOW_FPS
        if ai_fps < min(least_fps, share * self._asked_fps):
            return Health.LAGS
        return Health.GOOD
