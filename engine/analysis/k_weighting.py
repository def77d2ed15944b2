"""`KWeighting`: the filter of ITU-R BS.1770 at any sample rate, a whole hop at once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.messages import Float32

Float64 = NDArray[np.float64]

_SHELF_HZ, _SHELF_DB, _SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
_SHELF_BEND = 0.4996667741545416
_CUT_HZ, _CUT_Q = 38.13547087602444, 0.5003270373238773
_STATES = 4
_REST = 1e-30
"""A state this small is silence; left alone it would decay into slow denormal numbers."""


class KWeighting:
    """A high shelf (the head) and a high-pass (the ear), both biquads. Analysis thread only.

    The coefficients are those of BS.1770-4 at 48 kHz, elsewhere those of the analogue filters
    behind them, by the bilinear transform. A recursion cannot be vectorised over its samples, but
    over short blocks of them: each block is a matrix product of its own samples and of the state
    it begins with, and the states of all blocks are another of what the blocks before put in.
    """

    def __init__(self, sample_rate: int, hop: int) -> None:
        self._a, self._b, self._c, self._d = _cascade(_shelf(sample_rate), _cut(sample_rate))
        self._block = max(1, round(math.sqrt(hop)))
        self._blocks = hop // self._block
        self._main = self._blocks * self._block
        self._state = np.zeros((_STATES, 2))
        power = _powers(self._a, self._block)
        self._response = _toeplitz(self._c, self._d, self._b, power)
        self._seen = np.stack([self._c @ power[i] for i in range(self._block)])
        self._put = np.stack([power[self._block - 1 - i] @ self._b for i in range(self._block)], 1)
        self._carry, self._gather = _between(power[self._block], self._blocks)
        self._rest_power = power[hop - self._main]

    def filter(self, samples: Float32) -> Float64:
        """Weigh one hop `(hop, 2)`, going on from the hop before."""
        block, blocks = self._block, self._blocks
        main = samples[: self._main].astype(np.float64).reshape(blocks, block, 2)
        columns = main.transpose(1, 0, 2).reshape(block, blocks * 2)
        put = (self._put @ columns).reshape(_STATES, blocks, 2).transpose(1, 0, 2)
        states = self._carry @ self._state + self._gather @ put.reshape(_STATES * blocks, 2)
        states = states.reshape(blocks + 1, _STATES, 2)
        begun = states[:-1].transpose(1, 0, 2).reshape(_STATES, blocks * 2)
        heard = self._response @ columns + self._seen @ begun
        out = np.empty(samples.shape)
        out[: self._main] = heard.reshape(block, blocks, 2).transpose(1, 0, 2).reshape(-1, 2)
        self._state = states[-1]
        if self._main < samples.shape[0]:
            self._finish(samples[self._main :].astype(np.float64), out[self._main :])
        self._state[np.abs(self._state) < _REST] = 0.0
        return out

    def _finish(self, rest: Float64, out: Float64) -> None:
        """The samples that did not fill a block."""
        count = rest.shape[0]
        out[:] = self._response[:count, :count] @ rest + self._seen[:count] @ self._state
        put = self._put[:, self._block - count :] @ rest
        self._state = self._rest_power @ self._state + put


Biquad = tuple[float, float, float, float, float]
"""b0, b1, b2, a1, a2 with a0 = 1."""


def _shelf(sample_rate: int) -> Biquad:
    k = math.tan(math.pi * _SHELF_HZ / sample_rate)
    high = 10.0 ** (_SHELF_DB / 20.0)
    band = high**_SHELF_BEND
    a0 = 1.0 + k / _SHELF_Q + k * k
    return (
        (high + band * k / _SHELF_Q + k * k) / a0,
        2.0 * (k * k - high) / a0,
        (high - band * k / _SHELF_Q + k * k) / a0,
        2.0 * (k * k - 1.0) / a0,
        (1.0 - k / _SHELF_Q + k * k) / a0,
    )


def _cut(sample_rate: int) -> Biquad:
    k = math.tan(math.pi * _CUT_HZ / sample_rate)
    a0 = 1.0 + k / _CUT_Q + k * k
    # The standard leaves the numerator at 1, -2, 1: the 0.5 % are part of its -0.691.
    return (1.0, -2.0, 1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / _CUT_Q + k * k) / a0)


def _state_space(section: Biquad) -> tuple[Float64, Float64, Float64, float]:
    """Transposed direct form II as x' = A x + B u, y = C x + D u."""
    b0, b1, b2, a1, a2 = section
    a = np.array([[-a1, 1.0], [-a2, 0.0]])
    return a, np.array([b1 - a1 * b0, b2 - a2 * b0]), np.array([1.0, 0.0]), b0


def _cascade(first: Biquad, second: Biquad) -> tuple[Float64, Float64, Float64, float]:
    a1, b1, c1, d1 = _state_space(first)
    a2, b2, c2, d2 = _state_space(second)
    a = np.block([[a1, np.zeros((2, 2))], [np.outer(b2, c1), a2]])
    return a, np.concatenate([b1, b2 * d1]), np.concatenate([d2 * c1, c2]), d1 * d2


def _powers(a: Float64, count: int) -> list[Float64]:
    powers: list[Float64] = [np.eye(a.shape[0])]
    for _ in range(count):
        powers.append(powers[-1] @ a)
    return powers


def _toeplitz(c: Float64, d: float, b: Float64, powers: list[Float64]) -> Float64:
    """Output of a block by its own input alone."""
    size = len(powers) - 1
    impulse = np.array([d, *(c @ power @ b for power in powers[: size - 1])])
    lag = np.arange(size)[:, None] - np.arange(size)[None, :]
    return np.where(lag >= 0, impulse[np.maximum(lag, 0)], 0.0)


def _between(step: Float64, blocks: int) -> tuple[Float64, Float64]:
    """States at the edges of all blocks: from the state before them, from what blocks put in."""
    powers = _powers(step, blocks)
    carry = np.concatenate(powers)
    gather = np.zeros(((blocks + 1) * _STATES, blocks * _STATES))
    for after in range(1, blocks + 1):
        for block in range(after):
            rows = slice(after * _STATES, (after + 1) * _STATES)
            gather[rows, block * _STATES : (block + 1) * _STATES] = powers[after - 1 - block]
    return carry, gather
