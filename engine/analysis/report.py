"""`analyze`: the live analysis over a whole sound, as the JSON of `sonolume analyze`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from engine.analysis.analyzer import ATTACK_DELAY_S, Analyzer
from engine.analysis.lanes import LANE_DELAYS_S
from engine.analysis.timeline import build_ups, drops_s, keys, loudness, tempi
from engine.keys import KEY_NAMES
from engine.messages import (
    BAND_NAMES,
    LANE_NAMES,
    AudioFeatures,
    Bar,
    Float32,
    Lanes,
    Structure,
    Texture,
    Tonal,
    section_name,
)

GROUPS: Mapping[str, type[Lanes | Texture | Bar | Tonal | Structure]] = {
    "lanes": Lanes, "texture": Texture, "bar": Bar, "tonal": Tonal, "structure": Structure,
}  # fmt: skip
"""Fields of `AudioFeatures` with fields of their own: `tonal.key` is the array `tonal_key`."""
FEATURE_NAMES: tuple[str, ...] = tuple(
    row.name
    for row in fields(AudioFeatures)
    if row.name not in ("sample_rate", "tempo_source") and row.name not in GROUPS
)
_CONFIDENT = 0.3
_TEMPO_STEP = 1.005


def analyze(
    blocks: Iterable[Float32],
    sample_rate: int,
    beat: Callable[[AudioFeatures, float], AudioFeatures] | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Run the live analysis over `blocks`, shape `(n, channels <= 2)` each.

    Returns the report (keys as in the command's JSON; null for what is not yet analysed) and one
    array per field of `AudioFeatures`, one row per hop, plus `time_s`. `beat` puts a beat that is
    known from elsewhere (`GridClock.step`) in place of the one heard.
    """
    analyzer = Analyzer(sample_rate)
    features: list[AudioFeatures] = []
    samples = 0
    for block in blocks:
        samples += block.shape[0]
        for heard in analyzer.push(block):
            at_s = heard.sample_index / sample_rate
            features.append(heard if beat is None else beat(heard, at_s))
    arrays = feature_arrays(features, sample_rate)
    duration_s = samples / sample_rate
    report: dict[str, Any] = {
        "duration_s": duration_s,
        "tempo_bpm": global_tempo_bpm(arrays["tempo_bpm"], arrays["tempo_confidence"]),
        "beats_s": beat_times_s(arrays),
        "downbeats_s": downbeat_times_s(arrays),
        "onsets_s": onset_times_s(arrays),
        "key": global_key(arrays["tonal_key"], arrays["tonal_key_confidence"]),
        "sections": sections(arrays, duration_s),
        "lanes": lane_times_s(arrays),
        "keys": keys(arrays, duration_s),
        "tempo": tempi(arrays),
        "build_ups": build_ups(arrays),
        "drops_s": drops_s(arrays),
        "loudness": loudness(arrays),
    }
    return report, arrays


def feature_arrays(features: list[AudioFeatures], sample_rate: int) -> dict[str, np.ndarray]:
    """One array per field, one row per hop; `time_s` is the end of each hop."""
    arrays = {name: np.array([getattr(f, name) for f in features]) for name in FEATURE_NAMES}
    for name in ("band_level", "band_hit", "band_presence"):
        arrays[name] = arrays[name].reshape(len(features), len(BAND_NAMES))
    for group, kind in GROUPS.items():
        parts = [getattr(f, group) for f in features]
        for row in fields(kind):
            arrays[f"{group}_{row.name}"] = np.array([getattr(part, row.name) for part in parts])
    arrays["time_s"] = arrays["sample_index"] / sample_rate
    return arrays


def global_tempo_bpm(tempo_bpm: np.ndarray, confidence: np.ndarray) -> float | None:
    """One tempo for all of it: the median of the most common tempo, weighted by confidence.

    None when no hop was confident.
    """
    sure = (confidence >= _CONFIDENT) & (tempo_bpm > 0.0)
    if not sure.any():
        return None
    tempi, weights = tempo_bpm[sure], confidence[sure]
    # A weighted median over two tempi may lie at neither, so find the crowd first.
    bins = np.round(np.log(tempi) / np.log(_TEMPO_STEP)).astype(int)
    totals = np.bincount(bins - bins.min(), weights)
    crowd = np.convolve(totals, np.ones(7), mode="same").argmax() + bins.min()
    near = np.abs(bins - crowd) <= 3
    tempi, weights = tempi[near], weights[near]
    order = np.argsort(tempi)
    half = np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum())
    return float(tempi[order][half])


def global_key(key: np.ndarray, confidence: np.ndarray) -> str | None:
    """One key for all of it, like "D minor": the one held longest, weighted by confidence.

    None when no key was ever held with any confidence.
    """
    known = key >= 0
    totals = np.bincount(key[known].astype(int), confidence[known], len(KEY_NAMES))
    return KEY_NAMES[int(totals.argmax())] if totals.any() else None


def beat_times_s(arrays: dict[str, np.ndarray]) -> list[float]:
    """When each beat fell, between the hops: where the phase was 0."""
    began = np.flatnonzero(np.diff(arrays["beat_count"], prepend=0) > 0)
    period_s = 60.0 / arrays["tempo_bpm"][began]
    times = arrays["time_s"][began] - arrays["beat_phase"][began] * period_s
    return [round(max(0.0, float(t)), 4) for t in times]


def downbeat_times_s(arrays: dict[str, np.ndarray]) -> list[float]:
    """When each bar began: the beats that were counted as first."""
    began = np.flatnonzero(np.diff(arrays["bar_count"], prepend=0) > 0)
    period_s = 60.0 / arrays["tempo_bpm"][began]
    times = arrays["time_s"][began] - arrays["beat_phase"][began] * period_s
    return [round(max(0.0, float(t)), 4) for t in times]


def onset_times_s(arrays: dict[str, np.ndarray]) -> list[float]:
    """When each attack fell: the hop that showed it, less the delay of the analysis."""
    began = np.flatnonzero(np.diff(arrays["onset_count"], prepend=0) > 0)
    return [round(max(0.0, float(t) - ATTACK_DELAY_S), 4) for t in arrays["time_s"][began]]


def sections(arrays: dict[str, np.ndarray], duration_s: float) -> list[dict[str, Any]]:
    """The form: `start_s`, `end_s` and `label` of every section, `A` the first one heard.

    Each boundary is put where it fell, not where it was told. Empty for what is too short.
    """
    began = np.flatnonzero(np.diff(arrays["structure_section_count"], prepend=0) > 0)
    starts_s = arrays["time_s"][began] - arrays["structure_section_delay_s"][began]
    ends_s = np.append(starts_s, duration_s)[1:]
    numbers = arrays["structure_section"][began].tolist()
    return [
        {
            "start_s": max(0.0, round(start, 3)),
            "end_s": round(end, 3),
            "label": section_name(number),
        }
        for start, end, number in zip(starts_s.tolist(), ends_s.tolist(), numbers, strict=True)
    ]


def lane_times_s(arrays: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """When each stroke of each lane fell: the hop that counted it, less the delay of its lane."""
    counts = arrays["lanes_count"].reshape(-1, len(LANE_NAMES))
    times: dict[str, list[float]] = {}
    for lane, name in enumerate(LANE_NAMES):
        struck = np.flatnonzero(np.diff(counts[:, lane], prepend=0) > 0)
        found = arrays["time_s"][struck] - LANE_DELAYS_S[lane]
        times[name] = [round(max(0.0, float(t)), 4) for t in found]
    return times
