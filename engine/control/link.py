"""`LinkTempo`: Ableton Link as a source of the beat, through the optional package `link`.

Link itself is GPL 2 or later (or licensed by Ableton), which is why it is an extra and imported
only when asked for. LinkPython-extern wraps it without asyncio and has wheels for Python 3.9-3.15
on three systems (August 2026); aalink, the other kept wrapper, needs an event loop to say a phase.
"""

from __future__ import annotations

from typing import Any

from engine.clock import Clock
from engine.errors import TempoSourceError
from engine.messages import TempoReading, TempoState

REMEDY = "install it with `pip install 'sonolume[link]'`"
_DEFAULT_BPM = 120.0
_LONGEST_LOOK_S = 0.0005
"""Two clocks that were read further apart than this are not compared: a thread came between."""


class LinkTempo:
    """Follows the Link session of the local network; it never changes its tempo.

    Until somebody else is there it says nothing and the sound leads; when all others have left,
    the session's beat runs on. `open` and `close` by one thread; the rest is for any.
    """

    kind = "link"

    def __init__(self, clock: Clock, beats_per_bar: int = 4, library: Any = None) -> None:
        """`library` replaces the package `link` in tests."""
        self._clock = clock
        self._beats_per_bar = beats_per_bar
        self._library = library
        self._link: Any = None
        self._ahead_us = 0.0  # Link's clock minus ours
        self._met = False

    @property
    def name(self) -> str:
        """How many play along. Any thread, never blocks."""
        link = self._link
        peers = int(link.numPeers()) if link is not None else 0
        return f"{peers} peer" if peers == 1 else f"{peers} peers"

    def open(self) -> None:
        """Join the session of this network. Raises `TempoSourceError`."""
        if self._library is None:
            try:
                import link
            except (ImportError, OSError) as error:
                raise TempoSourceError(
                    f"Ableton Link needs the package LinkPython-extern: {REMEDY}"
                ) from error
            self._library = link
        try:
            self._link = self._library.Link(_DEFAULT_BPM)
            self._link.enabled = True
        except (RuntimeError, OSError, AttributeError) as error:  # or another package `link`
            self._link = None
            raise TempoSourceError(
                f"Ableton Link cannot start: {error}; check that this machine has a network"
            ) from error
        self._compare_clocks(self._link, sure=True)

    def state_at(self, host_time_s: float) -> TempoReading:
        """Tempo and phase of the session. Any thread, never blocks."""
        link = self._link
        if link is None:
            return TempoReading(message="Ableton Link is not open", source=self.kind)
        peers = int(link.numPeers())
        if not peers and not self._met:
            waiting = "nobody else is in the Link session yet: waiting"
            return TempoReading(message=waiting, source=self.kind)
        self._met = True
        self._compare_clocks(link, sure=False)
        session = link.captureAppSessionState()
        at_us = round(host_time_s * 1e6 + self._ahead_us)
        # Link's phase is never negative, before the session's first beat neither.
        bar_beats = float(session.phaseAtTime(at_us, float(self._beats_per_bar)))
        bpm = float(session.tempo())
        alone = f"alone in the Link session: running on at {bpm:.1f} BPM"
        return TempoReading(
            bpm=bpm,
            beat_phase=bar_beats % 1.0,
            bar_phase=bar_beats / self._beats_per_bar % 1.0,
            beats_per_bar=self._beats_per_bar,
            state=TempoState.RUNNING if peers else TempoState.LOST,
            message="" if peers else alone,
            source=self.kind,
        )

    def service(self, now_s: float) -> None:
        """Nothing to look after: Link finds its peers by itself."""

    def close(self) -> None:
        """Leave the session; idempotent."""
        link, self._link = self._link, None
        if link is not None:
            link.enabled = False

    def _compare_clocks(self, link: Any, *, sure: bool) -> None:
        """Note by how much Link's clock is ahead; the two drift apart slowly."""
        before_s = self._clock.now()
        link_us = float(link.clock().micros())
        after_s = self._clock.now()
        if sure or after_s - before_s < _LONGEST_LOOK_S:
            self._ahead_us = link_us - 0.5e6 * (before_s + after_s)
