"""`FileSource`: a sound file that plays, and is heard by the engine as it plays."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np

from engine.audio.decode import SoundReader
from engine.audio.playlist import Playlist
from engine.audio.speaker import Speaker, output_rate
from engine.clock import Clock
from engine.errors import AudioDeviceError
from engine.messages import SourceStatus
from engine.ring import SampleRing
from engine.threads import Worker

_SILENTLY = "no loudspeaker ({}): playing silently; connect one and choose the file again"

logger = logging.getLogger(__name__)

_RING_S = 3.0
_PERIOD_S = 0.008
_LEAD_S = 0.04
"""The engine gets samples this long before they are heard: the time it takes to paint."""
_MAX_STALL_S = 1.5


class FileSource:
    """A file as a source, and its transport.

    Where there is a loudspeaker, what it has played is the clock of the show; elsewhere the host
    clock is. The ring's index runs on through pauses, seeks, loops and the end of the file; the
    file's own position is in `status()`.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock,
        loop: bool = False,
        audible: bool = True,
        kind: str = "file",
    ) -> None:
        self.path = Path(path)
        self.kind = kind
        self.audible = audible
        self._clock = clock
        self._loop = loop
        self._volume = 1.0
        self._message = ""
        self._sample_rate = 48_000
        self._ring = SampleRing(round(_RING_S * self._sample_rate), 2)
        self._playlist: Playlist | None = None  # its own lock
        self._speaker: Speaker | None = None  # guarded by _lock
        self._zero_s: float | None = None  # guarded by _lock: host time of musical time 0
        self._heard_s = 0.0  # guarded by _lock: never runs backwards
        self._worker: Worker | None = None
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """Samples per second of the ring: the file's, or one the loudspeaker can play."""
        return self._sample_rate

    @property
    def ring(self) -> SampleRing:
        """Where the samples go, two channels; fixed after `open`."""
        return self._ring

    @property
    def overflows(self) -> int:
        """Times the loudspeaker found nothing to play. Any thread, never blocks."""
        speaker = self._speaker
        return 0 if speaker is None else speaker.underruns

    def open(self) -> None:
        """Open file and loudspeaker. Raises `AudioFileError`; no loudspeaker is fine."""
        reader = SoundReader(self.path)
        self._sample_rate = output_rate(reader.sample_rate) if self.audible else reader.sample_rate
        self._ring = SampleRing(round(_RING_S * self._sample_rate), 2)
        self._playlist = Playlist(reader, self._sample_rate, loop=self._loop)
        if self.audible:
            self._open_speaker()
        with self._lock:
            self._zero_s = self._clock.now() + (0.0 if self._speaker is None else _LEAD_S)
        self._step(self._clock.now())
        self._start_speaker()
        self._worker = Worker("audio-file", self._run)
        self._worker.start()

    def heard_s(self, now_s: float) -> float:
        """Musical time the loudspeakers play at host time `now_s`. Any thread, hardly blocks."""
        with self._lock:
            self._heard_s = max(self._heard_s, self._clock_s(now_s))
            return self._heard_s

    def status(self) -> SourceStatus:
        """How it is doing. Any thread, never blocks for long."""
        worker, playlist = self._worker, self._playlist
        if playlist is None:
            return SourceStatus(self.kind, self.path.name, connected=False, message="not open")
        dead = worker is not None and worker.error is not None
        where = playlist.at(round(self.heard_s(self._clock.now()) * self._sample_rate))
        return SourceStatus(
            kind=self.kind,
            name=self.path.name,
            connected=not dead,
            message=str(worker.error) if worker and dead else self._message or playlist.note,
            playing=where.playing,
            position_s=where.position_s,
            duration_s=playlist.duration_s,
            loop=playlist.loop,
            volume=self._volume,
        )

    def position_s(self, sample: int) -> float:
        """Where in the file sample `sample` of the ring is, seconds. Any thread."""
        return self._opened().at(sample).position_s

    def service(self, now_s: float) -> None:
        """Write what is due at `now_s`, and leave a loudspeaker that has died. Any thread."""
        speaker = self._speaker
        if speaker is not None and speaker.lost(now_s):
            message = "the loudspeaker stopped: playing silently; open the file again for sound"
            logger.warning("%s", message)
            self._leave_speaker(now_s, message)
        self._step(now_s)

    def play(self, on: bool) -> None:
        """Play or pause; at the end, play starts again. Any thread."""
        self._opened().play(on)

    def seek(self, position_s: float) -> None:
        """Jump; clamped to the file. Any thread."""
        self._opened().seek(position_s)

    def set_loop(self, on: bool) -> None:
        """Start again at the end, or stop there. Any thread."""
        self._loop = on
        self._opened().loop = on

    def set_volume(self, volume: float) -> None:
        """Loudness in the speakers in [0, 1]; what is analysed does not change. Any thread."""
        self._volume = min(max(volume, 0.0), 1.0)
        speaker = self._speaker
        if speaker is not None:
            speaker.volume = self._volume

    def close(self) -> None:
        """Stop and free; idempotent."""
        if self._worker is not None:
            self._worker.stop()
        speaker, self._speaker = self._speaker, None
        if speaker is not None:
            speaker.close()
        if self._playlist is not None:
            self._playlist.close()

    def _opened(self) -> Playlist:
        if self._playlist is None:
            raise AudioDeviceError(f"{self.path.name} is not open yet: open it first")
        return self._playlist

    def _open_speaker(self) -> None:
        try:
            speaker = Speaker(self._sample_rate, self._clock)
        except AudioDeviceError as error:
            self._message = _SILENTLY.format(error)
            logger.info("%s", self._message)
        else:
            speaker.volume = self._volume
            self._speaker = speaker

    def _start_speaker(self) -> None:
        if self._speaker is None:
            return
        try:
            self._speaker.start()
        except AudioDeviceError as error:
            self._leave_speaker(self._clock.now(), _SILENTLY.format(error))

    def _leave_speaker(self, now_s: float, message: str) -> None:
        with self._lock:
            speaker, self._speaker = self._speaker, None
            self._zero_s = now_s - self._heard_s
            self._message = message
        if speaker is not None:
            speaker.close()

    def _clock_s(self, now_s: float) -> float:
        """What the master clock says; `_lock` is held."""
        if self._zero_s is None:
            return 0.0
        if self._speaker is not None:
            return self._speaker.heard_s(now_s)
        # A suspended machine wakes up where it fell asleep.
        stall_s = now_s - self._zero_s - self._ring.written / self._sample_rate
        if stall_s > _MAX_STALL_S:
            self._zero_s += stall_s
        return max(0.0, now_s - self._zero_s)

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(_PERIOD_S):
            self._step(self._clock.now())

    def _step(self, now_s: float) -> None:
        playlist = self._opened()
        heard_s = self.heard_s(now_s)
        with playlist.producing:  # the thread and `service` take turns
            speaker = self._speaker
            target = round((heard_s + _LEAD_S) * self._sample_rate)
            if speaker is not None:
                needed = speaker.wanted()
                if needed > 0:
                    speaker.ring.push(playlist.produce(needed))
                target = min(target, speaker.ring.written)
            due = target - self._ring.written
            if due <= 0:
                return
            if speaker is not None:
                self._ring.push(speaker.ring.read(self._ring.written, due))
            else:
                self._ring.push(np.ascontiguousarray(playlist.produce(due)))
