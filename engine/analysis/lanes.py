"""`LaneDetector`: strokes of kick, snare and hat told apart, without a model."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis.drum_evidence import DrumEvidence, StrokeTraits, ratio_db
from engine.messages import LANE_NAMES, Float32, Lanes, freeze

LANE_DELAYS_S = (0.028, 0.023, 0.020)
"""How long after a stroke the hop that counts it ends, on average, per lane."""
_LANES = len(LANE_NAMES)
_SNARE, _HAT = LANE_NAMES.index("snare"), LANE_NAMES.index("hat")
_BANDS_HZ = (
    (25.0, 125.0), (125.0, 400.0),
    (1600.0, 3200.0), (3200.0, 6000.0), (6000.0, 9000.0), (9000.0, 12_000.0), (12_000.0, 16_000.0),
)  # fmt: skip
_BODY, _CHIRP, _WIRES, _SNAP, _EDGE, _METAL, _AIR = range(len(_BANDS_HZ))

_CHIRP_HOPS = 4
_CHIRP_LEAST = 0.15
"""A kick falls from several hundred hertz to its pitch within 40 ms; a bass note has no such
start, and a tom does not arrive so low."""
_CHIRP_OVER_HELD = 3.0
"""And that start stands out of what sounds on."""
_CHIRP_FALLEN = 0.5
"""By then the start of a kick has fallen below this share; the overtones of a bass have not."""
_CHIRP_OVER = 0.56
_BODY_LEAST = 0.1
"""A snare's head is in the bands of that start, too, but not below them."""
_WIRES_GAIN, _EDGE_GAIN = 3.0, 0.6
"""How the bands of a snare compare: it is as strong as the weakest of them."""
_METAL_IN_SNAP = 0.2
"""What a hat leaves in the bands of the snare."""
_METAL_SHARE = 0.28
_SNAP_IN_AIR, _CLICK_IN_AIR = 0.62, 2.5
"""What a snare leaves where the hats are, and what the click of a kick does."""
_LASTS = np.array([1.0, 5.0, 1.4])
"""A click is over after one hop; a stroke has fallen at most this much."""
_LASTING = np.array([False, True, True])

_FORGET_S = 12.0
_KNEE = 10.0 ** (np.array([-9.5, -22.0, -21.5]) / 10.0)
_LEAST = 10.0 ** (np.array([-9.0, -17.0, -11.5]) / 10.0)
"""Of the loudest stroke of the last seconds; softer ones are crosstalk."""
_FAINT = 10.0 ** (-32.0 / 10.0)
"""No lane's loudest stroke is taken to be further below that of the loudest lane: before the first
snare, the click of a kick is not one."""
_FAINT_HAT = 0.25
"""The same for the hat against the snare."""
_RISE = np.array([0.5, 0.5, 0.3])
_OVER_HELD = 0.2
"""Of what sounds on in the bands of the lane; noise jitters by less, the wider the band."""
_OVER_MEAN = 2.0
_MEAN_S = 1.3
_LEAST_HEARD_S = 0.15
"""The first stroke after a silence begins a hop before it is one."""
_LEAST_MEAN = 0.01
"""A rise against a mean of nothing is no more than 27 dB: the first sound after a silence."""
_LAG_HOPS = np.array([4, 3, 3])
_WIDE_HOPS = np.array([6, 3, 5])
"""A stroke rises above everything from `_LAG_HOPS` ago to so many hops before that: the tail of a
stroke flickers."""
_REFRACTORY_S = np.array([0.1, 0.06, 0.06])
_HIT_DECAY_S = 0.065
_HIT_RANGE_DB = 24.0


class LaneDetector:
    """Listens to what strikes (`PercussiveSplit`) in log bands. Analysis thread only.

    Each lane is a power that the other two leave empty: the body of a kick that began as a chirp,
    the wires of a snare over its whole width, the air above the snare. A stroke is a rise of that
    power, relative to the loudest stroke of the last seconds; nothing is learned while silent.
    Needs a sample rate of 32 kHz to tell hats from snares well, 18 kHz to hear them at all.
    """

    def __init__(self, centres_hz: np.ndarray, bin_hz: float, dt_s: float) -> None:
        self.hit = np.zeros(_LANES, np.float32)
        self.counts = [0] * _LANES
        self._dt_s = dt_s
        self._pool = _pooling(centres_hz, bin_hz)
        highest_hz = float(centres_hz[-1])
        self._snare_bands = [b for b in (_SNAP, _EDGE) if _BANDS_HZ[b][1] <= 1.05 * highest_hz]
        self._hat_weights = _hat_weights(highest_hz)
        self._chirps = np.zeros(_CHIRP_HOPS)
        self._before = np.zeros(_LANES)
        rows = int((_LAG_HOPS + _WIDE_HOPS).max()) - 1
        ago = np.arange(rows, 0, -1)[:, None]
        self._looked_at = (ago >= _LAG_HOPS) & (ago < _LAG_HOPS + _WIDE_HOPS)
        self._past = np.zeros((rows, _LANES))
        self._top = np.full(_LANES, 1e-12)
        self._mean = np.zeros(_LANES)
        self._last_rise = np.zeros(_LANES)
        self._since_s = np.full(_LANES, math.inf)
        self._heard_s = 0.0
        self._evidence = DrumEvidence(dt_s, _SNARE)

    def step(
        self, whole: Float32, struck: Float32, risen: Float32, held: Float32, *, silent: bool
    ) -> None:
        """Take all power, what of it strikes, rises and sounds on: `(bands,)` each, log bands."""
        pooled = np.stack([whole, struck, risen, held]) @ self._pool.T
        striking, sounding = pooled[1], pooled[3]
        power = self._activations(striking, sounding)
        own_held = np.array(
            [sounding[_BODY], sounding[_SNAP], self._hat_weights @ sounding], np.float64
        )
        if not silent:
            self._top = np.maximum(self._top * math.exp(-self._dt_s / _FORGET_S), power)
            self._top = np.maximum(self._top, _FAINT * self._top.max())
            self._top[_HAT] = max(self._top[_HAT], _FAINT_HAT * self._top[_SNARE])
        knee = self._top * _KNEE
        earlier = np.where(self._looked_at, self._past, 0.0).max(axis=0)
        rise = np.maximum(np.log1p(power / knee) - np.log1p(earlier / knee), 0.0)
        self._past[:-1] = self._past[1:]
        self._past[-1] = power
        self._since_s += self._dt_s
        self.hit *= np.float32(math.exp(-self._dt_s / _HIT_DECAY_S))
        if not silent:
            self._evidence.pass_time()
            least = np.maximum(_OVER_HELD * own_held, _LEAST * self._top)
            strokes = self._rising(power, rise, least)
            if strokes.any():
                traits = self._traits(power, rise, own_held, pooled)
                self._strike(power, self._evidence.passed(strokes, traits))
            self._heard_s += self._dt_s
            heard_s = max(_LEAST_HEARD_S, self._heard_s)
            share = 1.0 - math.exp(-self._dt_s / min(_MEAN_S, heard_s))
            self._mean += share * (rise - self._mean)
        self._last_rise = rise

    def frozen(self) -> Lanes:
        """The lanes as a message."""
        return Lanes(freeze(self.hit.copy()), tuple(self.counts))

    def _activations(self, bands: np.ndarray, sounding: np.ndarray) -> np.ndarray:
        """Power of each lane, `(3,)`, of the power per band that strikes and that sounds on."""
        self._chirps[:-1] = self._chirps[1:]
        chirped = max(float(self._chirps.max()), float(bands[_CHIRP]))
        self._chirps[-1] = bands[_CHIRP]
        kick = bands[_BODY] - _CHIRP_OVER * bands[_CHIRP]
        fallen = bands[_CHIRP] < _CHIRP_FALLEN * chirped
        starts = chirped > _CHIRP_OVER_HELD * sounding[_CHIRP]
        if not (starts and fallen and chirped > _CHIRP_LEAST * bands[_BODY]):
            kick = 0.0
        snare = _WIRES_GAIN * bands[_WIRES]
        for band in self._snare_bands:
            snare = min(snare, (_EDGE_GAIN if band == _EDGE else 1.0) * bands[band])
        snare -= _METAL_IN_SNAP * (bands[_METAL] + bands[_AIR])
        clicks = starts and bands[_BODY] > _BODY_LEAST * chirped > bands[_SNAP]
        snap = _CLICK_IN_AIR if clicks else _SNAP_IN_AIR
        hat = self._hat_weights @ bands - snap * bands[_SNAP]
        raw = np.maximum(np.array([kick, snare, hat], np.float64), 0.0)
        lasting = np.where(_LASTING, np.minimum(_LASTS * raw, self._before), raw)
        self._before = raw
        return lasting

    def _rising(self, power: np.ndarray, rise: np.ndarray, least: np.ndarray) -> np.ndarray:
        risen: np.ndarray = (
            (rise > _RISE)
            & (rise >= self._last_rise)
            & (rise > _OVER_MEAN * self._mean)
            & (power > least)
            & (self._since_s >= _REFRACTORY_S)
        )
        return risen

    def _traits(
        self, power: np.ndarray, rise: np.ndarray, own_held: np.ndarray, pooled: np.ndarray
    ) -> StrokeTraits:
        whole, striking, risen = pooled[0], pooled[1], pooled[2]
        broad_db = ratio_db(striking[_WIRES : _EDGE + 1].sum(), risen[_WIRES : _EDGE + 1].sum())
        return StrokeTraits(
            over_mean_db=ratio_db(rise, np.maximum(self._mean, _LEAST_MEAN)),
            over_held_db=ratio_db(power, own_held),
            of_all_db=ratio_db(power, whole.sum()),
            of_high_db=ratio_db(power, whole[_WIRES:].sum()),
            broad_db=np.broadcast_to(broad_db, power.shape),
            head_db=ratio_db(striking[_CHIRP], power),
        )

    def _strike(self, power: np.ndarray, strokes: np.ndarray) -> None:
        below_db = 10.0 * np.log10(np.maximum(power, 1e-30) / self._top)
        strength = np.clip(1.0 + below_db / _HIT_RANGE_DB, 0.0, 1.0)
        for lane in np.flatnonzero(strokes):
            self.counts[lane] += 1
            self.hit[lane] = max(self.hit[lane], np.float32(strength[lane]))
            self._since_s[lane] = 0.0


def _pooling(centres_hz: np.ndarray, bin_hz: float) -> Float32:
    """Weights `(lane bands, log bands)` that turn density per bin into power."""
    edges_hz = 0.5 * (centres_hz[1:] + centres_hz[:-1])
    first, last = 2.0 * centres_hz[0] - edges_hz[0], 2.0 * centres_hz[-1] - edges_hz[-1]
    edges_hz = np.concatenate([[first], edges_hz, [last]])
    rows = []
    for low, high in _BANDS_HZ:
        overlap = np.minimum(edges_hz[1:], high) - np.maximum(edges_hz[:-1], low)
        rows.append(np.clip(overlap, 0.0, None) / bin_hz)
    return np.array(rows, np.float32)


def _hat_weights(highest_hz: float) -> Float32:
    """Which bands are the air above the snare: the highest there are."""
    weights = np.zeros(len(_BANDS_HZ), np.float32)
    if highest_hz >= 0.9 * _BANDS_HZ[_AIR][1]:
        weights[_METAL], weights[_AIR] = _METAL_SHARE, 1.0
    elif highest_hz >= 0.9 * _BANDS_HZ[_METAL][1]:
        weights[_METAL] = 1.0
    elif highest_hz >= 0.9 * _BANDS_HZ[_EDGE][1]:
        weights[_EDGE] = 1.0
    return weights
