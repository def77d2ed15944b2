"""The beat trackers of the table: samples in, beats out. Ours, and what others use."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from engine.analysis.report import analyze
from engine.messages import Float32

BeatsAndDownbeats = tuple[list[float], list[float] | None]
"""Seconds; None where a tracker knows no bars."""

_BLOCK = 4096


def sonolume(samples: Float32, rate_hz: int) -> BeatsAndDownbeats:
    """Beats and downbeats of the live analysis, each as it was announced."""
    blocks = (samples[i : i + _BLOCK, None] for i in range(0, len(samples), _BLOCK))
    report, _ = analyze(blocks, rate_hz)
    return report["beats_s"], report["downbeats_s"]


def aubio(samples: Float32, rate_hz: int) -> BeatsAndDownbeats:
    """Beats of aubio's causal tracker with the settings of its own command line."""
    import aubio as library

    hop = 512
    tracker: Any = library.tempo("default", 1024, hop, rate_hz)
    beats = [
        float(tracker.get_last_s())
        for start in range(0, len(samples) - hop, hop)
        if tracker(samples[start : start + hop])[0]
    ]
    return beats, None


def librosa(samples: Float32, rate_hz: int) -> BeatsAndDownbeats:
    """Beats of librosa's tracker, which sees the whole file at once (not causal)."""
    import librosa as library

    half = library.resample(samples, orig_sr=rate_hz, target_sr=rate_hz // 2)
    _, beats = library.beat.beat_track(y=half, sr=rate_hz // 2, units="time")
    return [float(beat) for beat in np.atleast_1d(beats)], None


def trackers() -> dict[str, Callable[[Float32, int], BeatsAndDownbeats]]:
    """Return ours first, then those that are installed here."""
    table: dict[str, Callable[[Float32, int], BeatsAndDownbeats]] = {"sonolume": sonolume}
    if find_spec("aubio") is not None:
        table["aubio"] = aubio
    table["librosa"] = librosa
    return table
