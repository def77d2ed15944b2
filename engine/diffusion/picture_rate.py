"""How fast pictures come."""

from __future__ import annotations

_SMOOTHING = 0.1


class PictureRate:
    """Counts pictures and the times between them. One writer, read from any thread."""

    def __init__(self) -> None:
        self.made = 0
        """Pictures since the start."""
        self.interval_s = 0.0
        """Smoothed time between two pictures; 0 before the second."""
        self.finished_s = 0.0
        """When the newest one was finished, on the loop's clock."""
        self._painting_s = 0.0
        self._intervals = 0

    @property
    def per_second(self) -> float:
        """Smoothed rate."""
        return 1.0 / self.interval_s if self.interval_s > 0.0 else 0.0

    @property
    def mean_per_second(self) -> float:
        """Over the whole run, the loading of models left out."""
        return self._intervals / self._painting_s if self._painting_s > 0.0 else 0.0

    def note(self, finished_s: float, *, fresh: bool) -> None:
        """A picture is finished; one that is `fresh` waited for more than for its painting."""
        if not fresh:
            interval_s = finished_s - self.finished_s
            self._painting_s += interval_s
            self._intervals += 1
            if self.interval_s == 0.0:
                self.interval_s = interval_s
            self.interval_s += _SMOOTHING * (interval_s - self.interval_s)
        self.finished_s = finished_s
        self.made += 1

    def state(self) -> list[float]:
        """All of it, for `restore`."""
        return [self.made, self._intervals, self.interval_s, self.finished_s, self._painting_s]

    def restore(self, state: list[float]) -> None:
        """Go on after the picture that `state` was taken after."""
        made, intervals, self.interval_s, self.finished_s, self._painting_s = state
        self.made, self._intervals = int(made), int(intervals)
