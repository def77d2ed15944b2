"""`BeatPointer`: every tempo and every place in the beat at once, weighed by what is heard."""

from __future__ import annotations

import math

import numpy as np

SLOWEST_BPM, FASTEST_BPM = 55.0, 215.0
_WINDOW_HOPS = 3
"""How many hops count as the beginning of a beat, and as the middle between two."""
_LEVELS = (0.005, 0.015, 0.03, 0.055, 0.095, 0.16, 0.25, 0.37, 0.52, 0.67)
_ON_BEAT = (0.1, 0.4, 0.8, 1.9, 4.0, 7.0, 13.0, 30.0, 60.0, 60.0)
_OFF_BEAT = (0.6, 1.3, 1.8, 2.3, 2.8, 3.2, 3.0, 3.0, 3.0, 3.0)
"""How many times as often the network says that much on a beat, and half-way to the next, as it
says so elsewhere: counted on 80 tuning clips, smoothed, and faint sounds made to say less (noise
is faint everywhere). Weak strokes between the beats are thus no proof of a tempo twice as fast."""
_STEPS = 128
_TEMPO_STIFFNESS = 80.0
"""Tempo changes by the share x of a beat to the next are as likely as exp(-stiffness * x)."""
_RESTART = 1e-4
"""Share of the belief that begins anew in each hop: a new song is heard quickly."""
_PRIOR_BPM, _PRIOR_OCTAVES = 118.0, 0.75
_SHARPNESS, _OFF_SHARPNESS = 0.5, 0.5
"""Neighbouring hops, and beats, say much the same: they count less than fully."""
_EVIDENCE_S = 2.5
_CHANCE = 1.0 / 16.0
"""The share of the hops that a beat is expected in."""
_DOUBT_S = 2.5
"""So much music without any evidence is imagined before the first: a start proves little."""
_NEAR = 0.045
"""Periods this close are one tempo."""
_STAY = 1.5
"""The present tempo is kept until another is believed that much more."""
MOST_UNHEARD_HOPS = 96
"""Of a longer gap (1 s) only so many hops are gone through; the rest just turns the belief."""


class BeatPointer:
    """A hidden Markov model of the beat, filtered forwards only. Analysis thread only.

    One state per hop of a beat, for every period of whole hops between 55 and 215 BPM; the tempo
    may change only at a beat (Krebs, Boeck and Widmer, ISMIR 2015). The states of one tempo are a
    ring that stands still while the pointer runs over it, so that a hop costs what its beats cost.

    `period` and `phase` are those of the tempo believed most, between the whole hops.
    """

    def __init__(self, dt_s: float) -> None:
        self.period = 0.0
        """Hops per beat; 0 before the first step."""
        self.phase = 0.0
        self.clarity = 0.0
        """In [0, 1]: belief in this tempo times how sharply it points at one phase."""
        self.evidence = 0.0
        """Nats per second over the last seconds by which beats come where they were expected.

        About 0 where expecting them is no better than chance: noise, rubato.
        """
        first = math.ceil(60.0 / (FASTEST_BPM * dt_s))
        self._periods = np.arange(first, math.floor(60.0 / (SLOWEST_BPM * dt_s)) + 1)
        self._begins = np.concatenate([[0], np.cumsum(self._periods)])
        self._low = np.searchsorted(self._periods, self._periods * (1.0 - _NEAR), side="left")
        self._high = np.searchsorted(self._periods, self._periods * (1.0 + _NEAR), side="right")
        octaves = np.log2(60.0 / (self._periods * dt_s) / _PRIOR_BPM)
        prior = np.exp(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2)
        prior /= prior.sum()
        self._restart = np.repeat(prior / self._periods, self._periods)
        self._belief = self._restart.copy()
        self._turns = np.concatenate(
            [np.exp(2j * np.pi * np.arange(period) / period) for period in self._periods]
        )
        window = np.arange(_WINDOW_HOPS) - _WINDOW_HOPS // 2
        self._on_offset = np.tile(window, len(self._periods))
        self._off_offset = (self._periods[:, None] // 2 + window).ravel()
        self._window_period = np.repeat(self._periods, _WINDOW_HOPS)
        self._window_begin = np.repeat(self._begins[:-1], _WINDOW_HOPS)
        self._on_ratios = _ratios(_ON_BEAT, _SHARPNESS)
        self._off_ratios = _ratios(_OFF_BEAT, _OFF_SHARPNESS)
        ratio = self._periods[None, :] / self._periods[:, None]
        change = np.exp(-_TEMPO_STIFFNESS * np.abs(ratio - 1.0))
        self._change = change / change.sum(axis=1, keepdims=True)
        self._hop = 0
        self._dt_s = dt_s
        self._heard_s = _DOUBT_S
        self._best = -1

    def step(self, beat: float | None) -> None:
        """Move on by one hop that is a beat with this probability; None: nothing is known."""
        self._hop += 1
        wrapped = self._begins[:-1] + (-self._hop) % self._periods
        self._belief[wrapped] = self._belief[wrapped] @ self._change
        if beat is not None:
            self._listen(beat)
        self._belief *= (1.0 - _RESTART) / self._belief.sum()
        self._belief += _RESTART * self._restart
        self._read()

    def skip(self, hops: int) -> None:
        """Move on by hops that nobody heard. What it costs does not grow with a long gap."""
        near = min(hops, MOST_UNHEARD_HOPS)
        for _ in range(near):
            self.step(None)
        if hops > near:
            self._hop += hops - near
            kept = (1.0 - _RESTART) ** (hops - near)
            self._belief = kept * self._belief + (1.0 - kept) * self._restart
            self._read()

    def _listen(self, beat: float) -> None:
        step = round(math.sqrt(min(max(beat, 0.0), 1.0)) * _STEPS)
        ratio, off_ratio = self._on_ratios[step], self._off_ratios[step]
        window = self._window_begin + (self._on_offset - self._hop) % self._window_period
        self._weigh(ratio, float(self._belief[window].sum()))
        self._belief[window] *= ratio
        window = self._window_begin + (self._off_offset - self._hop) % self._window_period
        self._belief[window] *= off_ratio

    def open_phase(self) -> None:
        """Keep what is believed of the tempo, forget the phase: music may begin anywhere."""
        weights = np.add.reduceat(self._belief, self._begins[:-1])
        self._belief = np.repeat(weights / self._periods, self._periods)

    def _weigh(self, ratio: float, expected: float) -> None:
        """Compare what was expected of this hop with what chance would have expected.

        To expect nothing between two strokes is no merit; to expect a beat that fails is a fault.
        """
        gain = math.log(1.0 + expected * (ratio - 1.0))
        if ratio > 1.0:
            gain -= math.log(1.0 + _CHANCE * (ratio - 1.0))
        self._heard_s += self._dt_s
        share = 1.0 - math.exp(-self._dt_s / min(_EVIDENCE_S, self._heard_s))
        self.evidence += share * (gain / self._dt_s - self.evidence)

    def _read(self) -> None:
        """Find the tempo believed most, and where in its beat it is."""
        weights = np.add.reduceat(self._belief, self._begins[:-1])
        total = np.concatenate([[0.0], np.cumsum(weights)])
        low, high = self._low, self._high
        clusters = total[high] - total[low]
        best = int(clusters.argmax())
        if self._best >= 0:
            near = slice(low[self._best], high[self._best])
            here = near.start + int(clusters[near].argmax())
            if clusters[here] * _STAY >= clusters[best]:
                best = here
        self._best = best
        first, last = int(low[best]), int(high[best])
        periods, mass = self._periods[first:last], weights[first:last]
        self.period = float(np.dot(mass, periods) / mass.sum())
        begin, end = self._begins[first], self._begins[last]
        turned = np.add.reduceat(
            self._belief[begin:end] * self._turns[begin:end], self._begins[first:last] - begin
        )
        pointed = complex(np.dot(turned, np.exp(2j * np.pi * (self._hop % periods) / periods)))
        self.clarity = min(abs(pointed), 1.0)
        self.phase = math.atan2(pointed.imag, pointed.real) / math.tau % 1.0


def _ratios(ratios: tuple[float, ...], sharpness: float) -> list[float]:
    """Return the likelihood ratios over the square root of the probability of a beat."""
    said = (np.arange(_STEPS + 1) / _STEPS) ** 2
    said = np.clip(said, _LEVELS[0], _LEVELS[-1])
    logits, known = np.log(said / (1.0 - said)), np.array(_LEVELS)
    logs = np.interp(logits, np.log(known / (1.0 - known)), np.log(ratios))
    result: list[float] = np.exp(sharpness * logs).tolist()
    return result
