"""What changes over a piece: keys, tempo, build-ups, drops, loudness: for `sonolume analyze`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.keys import KEY_NAMES

TEMPO_EVERY_S = LOUDNESS_EVERY_S = 1.0
_SURE_KEY = 0.02
"""Less sure than this for all of a span, a key is none."""
_BEGINS, _ENDS = 0.3, 0.1
"""A build-up is one from the first on, until it falls below the second."""
_GATE_LUFS, _BELOW_MEAN_LU = -70.0, -10.0
"""The two gates of ITU-R BS.1770-4."""


def keys(arrays: Mapping[str, np.ndarray], duration_s: float) -> list[dict[str, Any]]:
    """The spans in which one key was held: `start_s`, `end_s`, `key`; without gaps, `key` null
    where there was none.
    """  # noqa: D205
    held = np.where(arrays["tonal_key"] >= 0, arrays["tonal_key"], -1).astype(int)
    spans: list[dict[str, Any]] = []
    for first, end in _runs(held):
        sure = float(arrays["tonal_key_confidence"][first:end].max()) >= _SURE_KEY
        name = KEY_NAMES[held[first]] if held[first] >= 0 and sure else None
        start_s = round(float(arrays["time_s"][first]), 3) if spans else 0.0
        if spans and spans[-1]["key"] == name:
            continue
        if spans:
            spans[-1]["end_s"] = start_s
        spans.append({"start_s": start_s, "end_s": round(duration_s, 3), "key": name})
    return spans


def tempi(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The tempo once a second: `time_s`, `bpm` (null while unknown), `confidence` in [0, 1]."""
    return [
        {
            "time_s": round(float(arrays["time_s"][hop]), 3),
            "bpm": round(float(arrays["tempo_bpm"][hop]), 2) or None,
            "confidence": round(float(arrays["tempo_confidence"][hop]), 3),
        }
        for hop in _once_every(arrays["time_s"], TEMPO_EVERY_S)
    ]


def build_ups(arrays: Mapping[str, np.ndarray]) -> list[dict[str, float]]:
    """The build-ups: `start_s`, `end_s` and `strength`, the surest moment, in [0, 1]."""
    build, time_s = arrays["structure_build"], arrays["time_s"]
    found: list[dict[str, float]] = []
    for first, end in _runs(build >= _ENDS):
        strength = float(build[first:end].max())
        if build[first] >= _ENDS and strength >= _BEGINS:
            last = min(end, time_s.shape[0] - 1)
            found.append(
                {
                    "start_s": round(float(time_s[first]), 3),
                    "end_s": round(float(time_s[last]), 3),
                    "strength": round(strength, 3),
                }
            )
    return found


def drops_s(arrays: Mapping[str, np.ndarray]) -> list[float]:
    """When each drop was heard."""
    counted = np.flatnonzero(np.diff(arrays["structure_drop_count"], prepend=0) > 0)
    return [round(float(time_s), 3) for time_s in arrays["time_s"][counted]]


def loudness(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How loud it is, LUFS: `integrated_lufs` (null in silence), `loudest_lufs`, `momentary`.

    Integrated as in ITU-R BS.1770-4 over the momentary blocks of 400 ms, one per hop; `momentary`
    has `time_s` and `lufs`, the loudest of each second.
    """
    lufs, time_s = arrays["texture_loudness_lufs"].astype(np.float64), arrays["time_s"]
    loud = lufs[lufs > _GATE_LUFS]
    integrated = None
    if loud.size:
        above = loud[loud > _mean_lufs(loud) + _BELOW_MEAN_LU]
        integrated = round(_mean_lufs(above), 2)
    hops = _once_every(time_s, LOUDNESS_EVERY_S)
    ends = [*hops[1:], time_s.shape[0]] if hops else []
    seconds = [
        {
            "time_s": round(float(time_s[end - 1]), 3),
            "lufs": round(float(lufs[first:end].max()), 2),
        }
        for first, end in zip(hops, ends, strict=True)
    ]
    loudest = round(float(lufs.max()), 2) if loud.size else None
    return {"integrated_lufs": integrated, "loudest_lufs": loudest, "momentary": seconds}


def _mean_lufs(lufs: np.ndarray) -> float:
    return float(10.0 * np.log10(np.mean(10.0 ** (lufs / 10.0))))


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """First hop and end of every run of one value."""
    if not values.shape[0]:
        return []
    edges = np.flatnonzero(np.diff(values)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), values.shape[0]], strict=True))


def _once_every(time_s: np.ndarray, every_s: float) -> list[int]:
    """The first hop of every `every_s` seconds."""
    turns = np.floor(time_s / every_s).astype(int)
    first: list[int] = np.flatnonzero(np.diff(turns, prepend=-1)).tolist()
    return first
