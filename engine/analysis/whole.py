"""`beat_grid`: the beats of a whole file, found with the end in view.

Two passes. Forwards, the causal analysis hears the file, and the tempo of every half second is
weighed anew (autocorrelation, comb, prior, and what the causal tracker found there and later);
then one path of least resistance through all of them settles tempo and octave for the file
(Viterbi). Then the beats: the dynamic programme of Ellis ("Beat
Tracking by Dynamic Programming", JNMR 2007), whose period follows that path. Our own code after
the papers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.analysis.analyzer import Analyzer
from engine.analysis.pointer import FASTEST_BPM, SLOWEST_BPM
from engine.analysis.report import beat_times_s, feature_arrays
from engine.analysis.whole_novelty import WholeNovelty, smoothed
from engine.messages import AudioFeatures, Float32, freeze

_STEP = 1.01
_WINDOW_S = 14.0
_EVERY_S = 0.5
_BLUR_HOPS = 1.2
"""Strokes of one beat are not exactly together: the autocorrelation is blurred by this much."""
_COMB = (1.0, 0.9, 0.7, 0.6)
_PRIOR_BPM, _PRIOR_OCTAVES = 118.0, 0.6
_SHARPNESS = 3.0
_DRIFT_COST = 30.0
"""For an octave of drift within half a second, squared."""
_JUMP_COST = 20.0
"""For a change to any other tempo."""
_VOTE = 8.0
"""What the causal tracker's tempo is worth against the comb."""
_VOTE_LATER_S, _VOTE_EARLIER_S = 15.0, 5.0
_HEARD_BEAT = 2.0
"""What a beat that it heard is worth, in units of the novelty's scale."""
_BASS_SHARE = 0.5
_TIGHT = 60.0
"""How much a beat that is late by the factor e costs, in units of the novelty's scale."""
_START = 0.01
"""What was there before must have been worth so much for a chain to go on."""
_FIT_BEATS = 4
_NEAR_HOPS = 4
_CLEAR, _UNCLEAR = 0.25, 0.07
"""Clarity that counts as certain, and as none."""
_SURE = 0.3
_SILENT_DB, _BELOW_LOUD_DB = -60.0, -50.0
_SILENT_S = 1.2


@dataclass(frozen=True, slots=True)
class BeatGrid:
    """Every beat of a file."""

    beats_s: np.ndarray
    """`(n,)`, ascending, in the file's own time. Goes on evenly where nothing can be heard."""
    confidence: np.ndarray
    """`(n,)` in [0, 1]: how clear the beat is there; 0 in silence."""
    beats_per_bar: int = 4
    downbeat: int = 0
    """Index of a beat that begins a bar, below `beats_per_bar`."""
    bar_confidence: float = 0.0

    @property
    def sure(self) -> np.ndarray:
        """`(n,)` bool: beats that are counted."""
        return self.confidence >= _SURE


def beat_grid(blocks: Iterable[Float32], sample_rate: int) -> BeatGrid:
    """Find the beats of a sound that comes in blocks `(n, channels)`; takes seconds."""
    novelty = WholeNovelty(sample_rate)
    causal = Analyzer(sample_rate)
    rows: list[AudioFeatures] = []
    for block in blocks:
        novelty.push(block)
        rows.extend(causal.push(block))
    whole, low, level_db = novelty.finish()
    strength = (whole + _BASS_SHARE * low) / (1.0 + _BASS_SHARE)
    heard_beats_s = np.array(beat_times_s(feature_arrays(rows, sample_rate)) if rows else [])
    hops, clarity = _beats(strength, novelty.dt_s, novelty.hops(heard_beats_s))
    if hops.shape[0] < 4:
        return BeatGrid(freeze(np.zeros(0)), freeze(np.zeros(0)))
    nearest = np.clip(np.round(hops).astype(int), 0, whole.shape[0] - 1)
    clear = np.clip((clarity[nearest] - _UNCLEAR) / (_CLEAR - _UNCLEAR), 0.0, 1.0)
    heard = _heard(level_db, novelty.dt_s)[nearest]
    per_bar, first, bar_confidence = _bars(low[nearest] + whole[nearest])
    return BeatGrid(
        freeze(novelty.time_s(hops)), freeze(np.where(heard, clear, 0.0)),
        per_bar, first, bar_confidence,
    )  # fmt: skip


def _beats(strength: np.ndarray, dt_s: float, heard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Beats in hops, with fractions, and the clarity of the tempo at every hop.

    `heard` are the beats of the causal tracker, in hops.
    """
    size = strength.shape[0]
    if size * dt_s < 2.0 or not strength.any():
        return np.zeros(0), np.zeros(size)
    path, clear = tempo_path(strength, dt_s, heard)
    at = np.arange(path.shape[0]) * round(_EVERY_S / dt_s)
    index = np.arange(size)
    periods = np.exp(np.interp(index, at, np.log(path)))
    clarity = np.interp(index, at, clear)
    agreed = strength + _HEARD_BEAT * _bumps(heard, size)
    return _refined(_programme(agreed, periods), strength, periods), clarity


def _bumps(heard: np.ndarray, size: int) -> np.ndarray:
    """1 at every beat that was heard, less around it."""
    bumps = np.zeros(size)
    for beat in heard:
        near = np.arange(max(0, int(beat) - 6), min(size, int(beat) + 8))
        bumps[near] = np.maximum(bumps[near], np.exp(-0.5 * ((near - beat) / 2.0) ** 2))
    return bumps


def _votes(heard: np.ndarray, dt_s: float, steps: int, log_periods: np.ndarray) -> np.ndarray:
    """How much of what was heard around each step had each period, `(steps, periods)`, 0..1.

    The causal tracker needs time to find a tempo: what it heard later counts for now.
    """
    votes = np.zeros((steps, log_periods.shape[0]))
    if heard.shape[0] < 2:
        return votes
    every = round(_EVERY_S / dt_s)
    gaps = np.maximum(np.diff(heard), 1.0)
    times_s = 0.5 * (heard[1:] + heard[:-1]) * dt_s
    near = np.exp(-0.5 * ((log_periods[None, :] - np.log(gaps)[:, None]) / 0.03) ** 2)
    for step in range(steps):
        late_s = times_s - step * every * dt_s
        weight = gaps * np.where(late_s > 0.0, np.exp(-late_s / _VOTE_LATER_S),
                                 np.exp(late_s / _VOTE_EARLIER_S))  # fmt: skip
        votes[step] = weight @ near / max(float(weight.sum()), 1e-9)
    return votes


def tempo_path(
    strength: np.ndarray, dt_s: float, heard: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Period in hops, and its clarity, for every half second of `strength`."""
    count = math.floor(math.log(FASTEST_BPM / SLOWEST_BPM) / math.log(_STEP)) + 1
    tempi_bpm = SLOWEST_BPM * _STEP ** np.arange(count)
    periods = 60.0 / (tempi_bpm * dt_s)
    scores = _scores(strength, dt_s, periods)
    octaves = np.log2(tempi_bpm / _PRIOR_BPM)
    prior = -0.5 * (octaves / _PRIOR_OCTAVES) ** 2
    votes = _votes(heard, dt_s, scores.shape[0], np.log(periods))
    value = _SHARPNESS * np.log(np.maximum(scores, 0.02)) + prior + _VOTE * votes
    apart = np.log2(tempi_bpm)[:, None] - np.log2(tempi_bpm)[None, :]
    cost = np.minimum((_DRIFT_COST * apart) ** 2, _JUMP_COST)
    best = value[0]
    back = np.zeros(value.shape, np.intp)
    for step in range(1, value.shape[0]):
        paths = best[None, :] - cost
        back[step] = np.argmax(paths, axis=1)
        best = value[step] + paths[np.arange(count), back[step]]
    chosen = np.zeros(value.shape[0], np.intp)
    chosen[-1] = int(np.argmax(best))
    for step in range(value.shape[0] - 1, 0, -1):
        chosen[step - 1] = back[step][chosen[step]]
    clear = scores[np.arange(chosen.shape[0]), chosen]
    return _between(chosen, scores, periods), clear


def _between(chosen: np.ndarray, scores: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """A parabola through each chosen tempo and its neighbours."""
    rows = np.arange(chosen.shape[0])
    inner = np.clip(chosen, 1, periods.shape[0] - 2)
    left, middle, right = (scores[rows, inner + k] for k in (-1, 0, 1))
    curve = left - 2.0 * middle + right
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(curve < -1e-9, 0.5 * (left - right) / curve, 0.0)
    shift = np.where(inner == chosen, np.clip(shift, -0.5, 0.5), 0.0)
    refined: np.ndarray = periods[chosen] * _STEP**-shift
    return refined


def _scores(strength: np.ndarray, dt_s: float, periods: np.ndarray) -> np.ndarray:
    """How periodic the novelty around every half second is, `(steps, periods)`."""
    half = round(0.5 * _WINDOW_S / dt_s)
    every = round(_EVERY_S / dt_s)
    padded = np.concatenate([np.zeros(half), strength, np.zeros(half)])
    there = np.concatenate([np.zeros(half), np.ones(strength.shape[0]), np.zeros(half)])
    window = np.hanning(2 * half)
    n_fft = 1 << (4 * half - 1).bit_length()
    blur = np.exp(-((2.0 * np.pi * np.fft.rfftfreq(n_fft) * _BLUR_HOPS) ** 2))
    combs = _comb(periods, 2 * half)
    rows = []
    for first in range(0, strength.shape[0], every):
        weight = window * there[first : first + 2 * half]
        part = padded[first : first + 2 * half]
        mean = float(np.dot(weight, part)) / max(float(weight.sum()), 1e-9)
        spectra = np.fft.rfft(np.stack([(part - mean) * weight, weight]), n_fft, axis=1)
        power = np.abs(spectra) ** 2
        power[0] *= blur
        acf = np.fft.irfft(power, n_fft, axis=1)[:, : 2 * half]
        overlap = np.maximum(acf[1], 0.02 * acf[1, 0])
        similarity = acf[0] / overlap
        zero = float(similarity[0])
        rows.append(combs @ (similarity / zero) if zero > 1e-9 else np.zeros(periods.shape[0]))
    return np.array(rows)


def _comb(periods: np.ndarray, size: int) -> np.ndarray:
    """Weights `(periods, lags)`: triangles around the first multiples of each period."""
    lags = np.arange(size)
    total = np.zeros((periods.shape[0], size))
    weights = np.zeros(periods.shape[0])
    for tooth, strength in enumerate(_COMB, start=1):
        centre = tooth * periods[:, None]
        row = np.clip(1.0 - np.abs(lags[None, :] - centre) / (1.5 + 0.006 * centre), 0.0, None)
        whole = row.sum(axis=1)
        usable = (tooth * periods < 0.8 * size) * strength
        total += row / np.maximum(whole, 1e-9)[:, None] * usable[:, None]
        weights += usable
    combs: np.ndarray = total / np.maximum(weights, 1e-9)[:, None]
    return combs


def _programme(strength: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Ellis's dynamic programme: the beats, in whole hops, that are strong and evenly spaced."""
    size = strength.shape[0]
    score = strength.copy()
    back = np.full(size, -1, np.intp)
    gaps = np.arange(size)
    logs = np.log(np.maximum(gaps, 1))
    log_periods = np.log(periods)
    nearest = np.maximum(1, np.round(0.6 * periods)).astype(int)
    farthest = np.round(1.6 * periods).astype(int)
    for hop in range(size):
        low, high = nearest[hop], min(farthest[hop], hop)
        if high < low:
            continue
        late = logs[low : high + 1] - log_periods[hop]
        before = score[hop - high : hop - low + 1][::-1] - _TIGHT * periods[hop] ** 0.5 * late**2
        best = int(np.argmax(before))
        if before[best] > _START:
            score[hop] += before[best]
            back[hop] = hop - low - best
    tail = max(0, size - round(float(periods[-1])))
    beat = tail + int(np.argmax(score[tail:]))
    beats = []
    while beat >= 0:
        beats.append(beat)
        beat = int(back[beat])
    return np.array(beats[::-1], np.float64)


def _refined(beats: np.ndarray, strength: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Between the hops: each beat moves to where its neighbours and itself agree on a line."""
    if beats.shape[0] < 3:
        return beats
    offsets = np.arange(-_NEAR_HOPS, _NEAR_HOPS + 1)
    index = np.clip(beats[:, None].astype(int) + offsets, 0, strength.shape[0] - 1)
    heights = strength[index]
    weight = heights.sum(axis=1)
    centre = beats + (heights * offsets).sum(axis=1) / np.maximum(weight, 1e-9)
    weight = np.minimum(weight, np.median(weight) * 2.0 + 1e-6) + 1e-3
    lines = np.empty(beats.shape[0])
    for k in range(beats.shape[0]):
        first, last = max(0, k - _FIT_BEATS), min(beats.shape[0], k + _FIT_BEATS + 1)
        number = np.arange(first, last) - k
        near = weight[first:last] * np.exp(-0.5 * (number / (0.6 * _FIT_BEATS)) ** 2)
        mean_n = float(np.dot(near, number) / near.sum())
        mean_t = float(np.dot(near, centre[first:last]) / near.sum())
        spread = float(np.dot(near, (number - mean_n) ** 2))
        slope = float(np.dot(near, (number - mean_n) * (centre[first:last] - mean_t)))
        slope = slope / spread if spread > 1e-9 else float(periods[int(beats[k])])
        lines[k] = mean_t - slope * mean_n
    ordered: np.ndarray = np.maximum.accumulate(lines)
    return ordered


def _heard(level_db: np.ndarray, dt_s: float) -> np.ndarray:
    """False in the middle of what is silent for longer than a rest."""
    loud = level_db > max(_SILENT_DB, float(level_db.max()) + _BELOW_LOUD_DB)
    heard: np.ndarray = smoothed(loud.astype(np.float64), _SILENT_S / dt_s) > 0.0
    return heard


def _bars(accents: np.ndarray) -> tuple[int, int, float]:
    """Beats per bar, the first of them, and how much it stands out in [0, 1]."""
    found = []
    for per_bar in (4, 3):
        means = np.array([accents[first::per_bar].mean() for first in range(per_bar)])
        first = int(np.argmax(means))
        others = np.delete(means, first)
        found.append((float(means[first] - others.max()), per_bar, first))
    scale = max(float(accents.std()), 1e-9)
    four, three = found
    lead, per_bar, first = three if three[0] > 0.3 * scale + 1.5 * max(four[0], 0.0) else four
    return per_bar, first, min(max(lead / scale, 0.0), 1.0)
