"""`OuterBar`: the bar of an outer beat clock, in step with the tracker's own phase."""

from __future__ import annotations

from engine.messages import Bar, TempoReading


class OuterBar:
    """Chooses between the bar that was heard and the one that an outer clock says.

    The outer clock says which beat of the bar this is; where in the beat we are is the tracker's
    phase, so that bar and beat turn over together. `count` never decreases, whoever leads.
    Analysis thread only.
    """

    def __init__(self) -> None:
        self._count = 0
        self._heard_count = 0
        self._beat: int | None = None  # of the bar, while an outer clock leads
        self._beats = 4

    def step(self, heard: Bar, reading: TempoReading | None, beat_phase: float) -> Bar:
        """Return the bar after one more hop; `beat_phase` is the tracker's."""
        newly_heard = heard.count - self._heard_count
        self._heard_count = heard.count
        if reading is None or reading.bar_phase is None or reading.bpm <= 0.0:
            self._beat = None
            self._count += newly_heard
            return Bar(heard.beats, self._count, heard.phase, heard.confidence)
        beats = self._beats = reading.beats_per_bar
        beat = round(reading.bar_phase * beats - beat_phase) % beats
        if beat == 0 and self._beat not in (None, 0) and reading.running:
            self._count += 1
        self._beat = beat
        return Bar(beats, self._count, (beat + beat_phase) / beats, 1.0)

    def skip(self, begun: int, *, counted: bool) -> None:
        """Run on over `begun` beats that nobody heard."""
        if self._beat is not None:
            bars, self._beat = divmod(self._beat + begun, self._beats)
            self._count += bars if counted else 0
