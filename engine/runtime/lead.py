"""How long after its newest sample a control state is seen: what the beat clock is ahead by."""

from __future__ import annotations

from collections.abc import Mapping

from engine.runtime.pace import Pace
from engine.runtime.pump import Pump

_LOOK_HOPS = 16
"""How often it is looked anew which device is listened to and how fast frames are made."""
HALF_FRAME = 0.5
"""A frame stands for one frame period; its middle is aimed at the beat."""


class Lead:
    """Adds up what lies between a sample and the eye. Analysis thread only.

    What the source knows (a microphone's buffer; a file is given to us before it is heard), what
    is measured while the show runs (newest sample -> frame handed over), half a frame, and what
    `sonolume calibrate` has measured of this device.
    """

    def __init__(self, pace: Pace, fps: float, offsets_ms: Mapping[str, float]) -> None:
        """`offsets_ms`: name of a device, as its `SourceStatus` has it -> ms more than it says."""
        self._pace = pace
        self._frame_s = HALF_FRAME / fps
        self._offsets_ms = dict(offsets_ms)
        self._later_s = 0.0  # offset of the device, and making a frame
        self._hops = 0

    def seconds(self, pump: Pump, sample_index: int) -> float:
        """Return it for the hop that ends at `sample_index`."""
        if self._hops % _LOOK_HOPS == 0:
            offset_ms = self._offsets_ms.get(pump.device, 0.0)
            self._later_s = (offset_ms + self._pace.usual_latency_ms) / 1000.0
        self._hops += 1
        return pump.behind_s(sample_index) + self._later_s + self._frame_s
