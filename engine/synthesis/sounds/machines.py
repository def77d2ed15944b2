"""Steam train, bells, clock, helicopter and chainsaw. Mono at 44.1 kHz, peak 0.7."""

from __future__ import annotations

import numpy as np

from engine.synthesis.envelope import n_samples, seconds
from engine.synthesis.filters import band_pass, high_pass, low_pass
from engine.synthesis.oscillator import Float32, noise, saw, sine
from engine.synthesis.sounds.shape import add_at, levelled, moments_s, unit, wander

# Ratio to the strike note, level, decay relative to the hum's: a church bell after Lehr (1986).
_BELL = (
    (0.5, 0.5, 1.0), (1.0, 0.9, 0.6), (1.19, 0.8, 0.5), (1.5, 0.4, 0.35), (2.0, 1.0, 0.3),
    (2.51, 0.45, 0.18), (2.66, 0.35, 0.16), (3.01, 0.5, 0.13), (4.17, 0.4, 0.09),
    (5.43, 0.3, 0.06),
)  # fmt: skip


def bells(rng: np.random.Generator, duration_s: float) -> Float32:
    """One to four bells of a tower, tolled or pealed; sometimes small hand bells."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    small = rng.random() < 0.3
    base_hz = float(rng.uniform(700.0, 2200.0) if small else rng.uniform(150.0, 650.0))
    steps = (1.0, 1.125, 1.25, 1.333, 1.5, 0.75)
    decay_s = float(rng.uniform(0.8, 2.0) if small else rng.uniform(2.0, 6.0))
    tuned = [
        _bell(rng, base_hz * steps[int(rng.integers(len(steps)))], decay_s)
        for _ in range(int(rng.integers(1, 5)))
    ]
    gap_s = float(rng.uniform(0.3, 0.9)) if len(tuned) > 1 else float(rng.uniform(0.9, 2.2))
    for at_s in moments_s(rng, duration_s, gap_s, float(rng.uniform(0.7, 1.0))):
        add_at(out, tuned[int(rng.integers(len(tuned)))], at_s, float(rng.uniform(0.5, 1.0)))
    add_at(out, tuned[0][n_samples(0.4) :], 0.0, 0.5)  # rung before we came
    return levelled(out)


def train(rng: np.random.Generator, duration_s: float) -> Float32:
    """A steam engine: chuffs, wheels over the rails' joints, rumble, now and then a whistle."""
    count = n_samples(duration_s)
    rate_hz = float(rng.uniform(1.6, 7.0)) * np.linspace(1.0, float(rng.uniform(0.8, 1.3)), count)
    cycles = np.cumsum(rate_hz) / 44_100 + float(rng.random())
    inside = cycles % 1.0
    beat = 1.0 - 0.35 * ((cycles // 1.0) % 4 > 0)
    chuff = np.exp(-inside * float(rng.uniform(3.0, 7.0))) * np.minimum(inside / 0.06, 1.0) * beat
    steam = unit(band_pass(noise(count, rng), float(rng.uniform(150, 500)),
                           float(rng.uniform(1800.0, 5000.0)), 1))  # fmt: skip
    out = (steam * chuff).astype(np.float32)
    rumble = unit(low_pass(noise(count, rng), float(rng.uniform(90.0, 250.0))))
    out += np.float32(rng.uniform(0.1, 0.6)) * rumble * wander(rng, count, 1.0, 0.6, 1.0)
    clack_s = float(rng.uniform(0.35, 0.9))
    for at_s in moments_s(rng, duration_s, clack_s, 0.95):
        for later_s in (0.0, 0.12 * clack_s / 0.5):
            add_at(out, _clack(rng), at_s + later_s, float(rng.uniform(0.3, 1.2)))
    if rng.random() < 0.45:
        add_at(out, _whistle(rng), float(rng.uniform(0.0, 0.6 * duration_s)),
               float(rng.uniform(0.5, 1.6)))  # fmt: skip
    return levelled(out)


def clock(rng: np.random.Generator, duration_s: float) -> Float32:
    """Tick, tock: short dry clicks of two kinds, as regular as a pendulum."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    gap_s = float(rng.choice((1.0, 0.5, 0.5, 0.25, 0.2))) * float(rng.uniform(0.95, 1.05))
    low_hz = float(rng.uniform(900.0, 4000.0))
    sounds = [_tick(rng, low_hz), _tick(rng, low_hz * float(rng.uniform(0.7, 1.3)))]
    for index, at_s in enumerate(moments_s(rng, duration_s, gap_s, 1.0)):
        add_at(out, sounds[index % 2], at_s, float(rng.uniform(0.85, 1.0)))
    return levelled(out + np.float32(rng.uniform(0.0, 0.004)) * noise(count, rng))


def helicopter(rng: np.random.Generator, duration_s: float) -> Float32:
    """Blades that chop the air 10 to 24 times a second over a turbine."""
    count = n_samples(duration_s)
    rate_hz = float(rng.uniform(10.0, 24.0))
    inside = (rate_hz * seconds(count) + float(rng.random())) % 1.0
    chop = np.exp(-inside * float(rng.uniform(3.0, 9.0)))
    air = unit(low_pass(noise(count, rng), float(rng.uniform(300.0, 2500.0)), 1))
    thump = sine(rate_hz * float(rng.choice((1.0, 2.0, 4.0))), count)
    out = air * (0.15 + chop) + np.float32(rng.uniform(0.1, 0.8)) * thump * chop
    turbine = band_pass(noise(count, rng), 1500.0, 6000.0)
    out += np.float32(rng.uniform(0.0, 0.25)) * unit(turbine)
    return levelled((out * wander(rng, count, 0.3, 0.6, 1.0)).astype(np.float32))


def chainsaw(rng: np.random.Generator, duration_s: float) -> Float32:
    """A small two-stroke engine that idles and screams under load."""
    count = n_samples(duration_s)
    load = wander(rng, count, 0.7, 0.0, 1.0)
    jitter = 1.0 + 0.03 * wander(rng, count, 40.0, -1.0, 1.0)
    rate_hz = (float(rng.uniform(45.0, 90.0)) * (1.0 + 1.2 * load) * jitter).astype(np.float64)
    engine = np.tanh(3.0 * saw(rate_hz, count)) + 0.4 * saw(2.0 * rate_hz, count)
    rasp = unit(band_pass(noise(count, rng), 1200.0, 7000.0, 1)) * (0.5 + 0.5 * engine)
    out = high_pass(engine.astype(np.float32), 150.0) + (0.3 + 0.7 * load) * rasp
    return levelled((out * (0.5 + 0.5 * load)).astype(np.float32))


def _bell(rng: np.random.Generator, strike_hz: float, decay_s: float) -> Float32:
    count = n_samples(min(decay_s * 2.0, 6.0))
    at_s = seconds(count)
    out = np.zeros(count, np.float32)
    for ratio, level, share in _BELL:
        beat_hz = float(rng.uniform(0.0, 1.2))  # no casting is round
        pitch_hz = strike_hz * ratio * float(rng.uniform(0.99, 1.01))
        if pitch_hz > 16_000.0:
            continue
        pair = sine(pitch_hz, count, float(rng.random()))
        pair += 0.6 * sine(pitch_hz + beat_hz, count, float(rng.random()))
        gain = np.float32(level * rng.uniform(0.5, 1.2))
        out += gain * pair * np.exp(-at_s / np.float32(decay_s * share))
    clang = band_pass(noise(count, rng), 1500.0, 8000.0) * np.exp(-at_s / 0.01)
    return np.asarray(0.3 * out + 0.3 * clang, np.float32)


def _clack(rng: np.random.Generator) -> Float32:
    count = n_samples(0.06)
    hit = band_pass(noise(count, rng), float(rng.uniform(150.0, 400.0)), 2500.0)
    return np.asarray(hit * np.exp(-seconds(count) / 0.012), np.float32)


def _whistle(rng: np.random.Generator) -> Float32:
    count = n_samples(float(rng.uniform(0.6, 1.8)))
    at_s = seconds(count)
    base_hz = float(rng.uniform(320.0, 640.0))
    out = np.zeros(count, np.float32)
    bend = (1.0 - 0.06 * np.exp(-at_s / 0.08)).astype(np.float64)
    for ratio in (1.0, 1.26, 1.5, 2.0):
        out += sine(base_hz * ratio * bend, count, float(rng.random())) / np.float32(ratio)
    out += 0.4 * band_pass(noise(count, rng), base_hz * 2.0, base_hz * 6.0)
    ends = np.minimum(1.0, np.minimum(at_s / 0.08, (at_s[-1] - at_s) / 0.2))
    return np.asarray(0.4 * out * ends, np.float32)


def _tick(rng: np.random.Generator, low_hz: float) -> Float32:
    count = n_samples(0.05)
    at_s = seconds(count)
    click = band_pass(noise(count, rng), low_hz, 2.5 * low_hz)
    ring = sine(low_hz * float(rng.uniform(0.8, 1.6)), count) * np.exp(-at_s / 0.012)
    return np.asarray(click * np.exp(-at_s / 0.004) + 0.4 * ring, np.float32)
