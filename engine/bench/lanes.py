"""Kick, snare, hat and onsets against the exact truth of synthesised loops with bass and pads.

The loops are not those that the constants of `engine.analysis` were tuned on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from engine.analysis.report import analyze
from engine.bench.area import Result
from engine.bench.matching import f_of, matched
from engine.messages import LANE_NAMES
from engine.synthesis.loop import render_loop
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.song import render_song
from engine.synthesis.truth import Truth

STROKE_WINDOW_S = 0.05
_TEMPI_BPM: Mapping[str, tuple[float, float]] = {
    "house": (115.0, 130.0), "rock": (95.0, 150.0), "breaks": (120.0, 140.0),
    "hiphop": (80.0, 100.0), "dnb": (165.0, 178.0), "halftime": (120.0, 150.0),
    "waltz": (85.0, 180.0),
}  # fmt: skip
_PER_GROOVE = 3
_BARS = 8
_SEED = 2026
_SONG_SEEDS = range(200, 210)
"""A finished mix: tune on seeds 100 to 109."""

Strokes = Mapping[str, Sequence[float]]
"""Seconds per lane."""


def bench_lanes() -> list[Result]:
    """Return `hearing/lanes`, `hearing/lanes/songs` (F per lane, crosstalk), `hearing/onsets` (F).

    All loops are pooled, and all songs, which are finished mixes.
    F counts strokes within 50 ms, each matched once. Crosstalk of a lane is the share of the
    other lanes' strokes, where it has none itself, at which it fired.
    """
    loops, onsets = _Scores(), _Count()
    for samples, truth in _loops():
        report, _ = analyze([samples], SAMPLE_RATE_HZ)
        onsets.add(report["onsets_s"], truth.onsets_s)
        loops.add(report["lanes"], truth.lanes)
    songs = _Scores()
    for seed in _SONG_SEEDS:
        samples, truth = render_song(np.random.default_rng(seed))
        songs.add(analyze([samples], SAMPLE_RATE_HZ)[0]["lanes"], truth.lanes)
    return [
        {"name": "hearing/lanes", **loops.row(), "loops": loops.pieces},
        {"name": "hearing/lanes/songs", **songs.row(), "songs": songs.pieces},
        {"name": "hearing/onsets", "f": round(onsets.f, 3),
         "precision": round(onsets.precision, 3), "recall": round(onsets.recall, 3),
         "loops": loops.pieces},
    ]  # fmt: skip


def lane_f(found: Strokes, truth: Strokes, lane: str) -> float:
    """F of one lane."""
    count = _Count()
    count.add(found[lane], truth[lane])
    return count.f


def bleed(found: Strokes, truth: Strokes, lane: str) -> float:
    """Share of the other lanes' strokes at which this lane fired without one of its own."""
    fired, chances = _bleeding(found, truth, lane)
    return fired / max(chances, 1)


class _Count:
    def __init__(self) -> None:
        self._hits = self._found = self._true = 0

    def add(self, found_s: Sequence[float], true_s: Sequence[float]) -> None:
        self._hits += len(matched(found_s, true_s, STROKE_WINDOW_S))
        self._found += len(found_s)
        self._true += len(true_s)

    @property
    def precision(self) -> float:
        return self._hits / max(self._found, 1)

    @property
    def recall(self) -> float:
        return self._hits / max(self._true, 1)

    @property
    def f(self) -> float:
        return f_of(self._hits, self._found, self._true)


class _Scores:
    """F and crosstalk per lane over several pieces."""

    def __init__(self) -> None:
        self.pieces = 0
        self._lanes = {lane: _Count() for lane in LANE_NAMES}
        self._crossed = dict.fromkeys(LANE_NAMES, 0)
        self._strange = dict.fromkeys(LANE_NAMES, 0)

    def add(self, found: Strokes, truth: Strokes) -> None:
        self.pieces += 1
        for lane, count in self._lanes.items():
            count.add(found[lane], truth[lane])
            fired, chances = _bleeding(found, truth, lane)
            self._crossed[lane] += fired
            self._strange[lane] += chances

    def row(self) -> Result:
        crossed, strange = sum(self._crossed.values()), sum(self._strange.values())
        return {
            **{lane: round(count.f, 3) for lane, count in self._lanes.items()},
            "crosstalk": round(crossed / max(strange, 1), 3),
            **{
                f"{lane}_crosstalk": round(self._crossed[lane] / max(self._strange[lane], 1), 3)
                for lane in LANE_NAMES
            },
        }


def _bleeding(found: Strokes, truth: Strokes, lane: str) -> tuple[int, int]:
    own = truth[lane]
    own_hits = set(matched(found[lane], own, STROKE_WINDOW_S))
    free = [t for t in found[lane] if t not in own_hits]
    others = sorted(t for name in LANE_NAMES if name != lane for t in truth[name])
    alone = [t for t in others if not _near(t, own)]
    return sum(_near(t, free) for t in alone), len(alone)


def _near(time_s: float, times_s: Sequence[float]) -> bool:
    return any(abs(time_s - other) <= STROKE_WINDOW_S for other in times_s)


def _loops() -> Iterator[tuple[np.ndarray, Truth]]:
    rng = np.random.default_rng(_SEED)
    for index in range(_PER_GROOVE * len(_TEMPI_BPM)):
        groove = list(_TEMPI_BPM)[index % len(_TEMPI_BPM)]
        yield render_loop(
            seed=int(rng.integers(1_000_000)),
            groove=groove,
            bpm=float(rng.uniform(*_TEMPI_BPM[groove])),
            bars=_BARS,
            swing=float(rng.choice([0.5, 0.58, 0.64])),
            drift=float(rng.choice([0.0, 0.02])),
            kit_variation=float(rng.uniform()),
            humanise_ms=float(rng.choice([2.0, 4.0])),
            lead=bool(rng.random() < 0.4),
            noise_db=(None, -30.0, -20.0)[int(rng.integers(3))],
            gain_db=float(rng.choice([0.0, -12.0, -24.0])),
        )
