"""Closed segments and their sound become one movie; packets are copied, nothing is encoded."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.sinks.movie_file import writing_failed

if TYPE_CHECKING:
    from av import Packet


def join(
    segments: Sequence[Path], frames_each: int, rate: Fraction, sound: Path, target: Path
) -> None:
    """Write `target`: the segments, `frames_each` pictures long but the last, and the sound.

    An MP4 gets its index first. Raises `SinkError`.
    """
    import av

    options = {} if target.suffix.lower() == ".mkv" else {"movflags": "faststart"}
    try:
        with (
            av.open(str(target), "w", container_options=options) as movie,
            av.open(str(segments[0])) as first,
            av.open(str(sound)) as heard,
        ):
            pictures = movie.add_stream_from_template(first.streams.video[0])
            pictures.time_base = 1 / rate
            samples = movie.add_stream_from_template(heard.streams.audio[0])
            both = (
                ((_dts_s(p), p) for p in _pictures(segments, frames_each, rate)),
                ((_dts_s(p), p) for p in heard.demux() if p.dts is not None),
            )
            for _, packet in heapq.merge(*both, key=lambda pair: pair[0]):
                packet.stream = samples if packet.stream is heard.streams.audio[0] else pictures
                movie.mux(packet)
    except (av.FFmpegError, OSError) as error:
        raise writing_failed(target, error) from error


def _pictures(segments: Sequence[Path], frames_each: int, rate: Fraction) -> Iterator[Packet[Any]]:
    """Yield the packets of all segments, stamped in slots since the first picture."""
    import av

    for index, path in enumerate(segments):
        with av.open(str(path)) as segment:
            for packet in segment.demux():
                if packet.dts is None or packet.pts is None:  # the empty one that ends a stream
                    continue
                slots = packet.time_base * rate
                packet.pts = round(packet.pts * slots) + index * frames_each
                packet.dts = round(packet.dts * slots) + index * frames_each
                packet.duration = 1
                packet.time_base = 1 / rate
                yield packet


def _dts_s(packet: Packet[Any]) -> Fraction:
    return (packet.dts or 0) * packet.time_base
