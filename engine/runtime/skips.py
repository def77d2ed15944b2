"""`Skips`: the gaps in what the analysis hears when the machine cannot keep up."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

WINDOW_S = 10.0
"""So long a gap is remembered, and a line about gaps stays."""
_GO_ON = 3
"""So many gaps within the window are no accident."""
_SAY_EVERY_S = 30.0
"""How often the line gets new figures while gaps go on."""


class Skips:
    """Counts gaps, and says so while they go on. Noted by the analysis thread, read by any."""

    def __init__(self, log: Callable[[str], None]) -> None:
        """`log` gets each new line before anyone can read it here. Analysis thread."""
        self.count = 0
        """Gaps since the start."""
        self._log = log
        self._recent: deque[tuple[float, float]] = deque()  # analysis thread only
        self._line = ""
        self._until_s = -math.inf
        self._say_at_s = -math.inf

    def note(self, gap_s: float, now_s: float) -> None:
        """Count a gap of this length. Analysis thread only."""
        self.count += 1
        self._recent.append((now_s, gap_s))
        while now_s - self._recent[0][0] > WINDOW_S:
            self._recent.popleft()
        if len(self._recent) < _GO_ON:
            return
        if now_s >= self._say_at_s:
            self._say_at_s = now_s + _SAY_EVERY_S
            line = _line(sum(gap_s for _, gap_s in self._recent))
            self._log(line)
            self._line = line
        self._until_s = now_s + WINDOW_S

    def message(self, now_s: float) -> str:
        """One line while skips go on, else an empty one. Any thread."""
        return self._line if now_s < self._until_s else ""


def _line(skipped_s: float) -> str:
    return (
        f"the machine cannot keep up with listening: {1000.0 * skipped_s:.0f} ms of sound skipped"
        f" in the last {WINDOW_S:g} s; close other programs, or paint smaller pictures"
        " (--model-size)"
    )
