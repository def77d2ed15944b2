"""Thunder, wind, rain, sea waves and fire: noise with a shape. Mono at 44.1 kHz, peak 0.7."""

from __future__ import annotations

import numpy as np

from engine.synthesis.envelope import n_samples, seconds
from engine.synthesis.filters import band_pass, high_pass, low_pass
from engine.synthesis.oscillator import Float32, noise
from engine.synthesis.sounds.shape import add_at, levelled, moments_s, scatter, unit, wander


def thunder(rng: np.random.Generator, duration_s: float) -> Float32:
    """Claps near or far: a crack, then rolling low noise that grows dark and slow."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    nearness = float(rng.uniform(0.0, 1.0))
    for at_s in moments_s(rng, duration_s, float(rng.uniform(2.5, 5.0)), 0.5):
        add_at(out, _clap(rng, nearness), at_s, float(rng.uniform(0.6, 1.0)))
    out += 0.25 * _clap(rng, 0.0, duration_s)[:count]  # the storm behind never quite ends
    if rng.random() < 0.4:
        out += np.float32(rng.uniform(0.003, 0.02)) * high_pass(noise(count, rng), 900.0)
    return levelled(out)


def wind(rng: np.random.Generator, duration_s: float) -> Float32:
    """Gusts: bands of noise that swell each in its own time, sometimes with a whistle."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    gust = wander(rng, count, float(rng.uniform(0.15, 0.6)), 0.15, 1.0)
    tilt = float(rng.uniform(0.4, 1.1))
    for low_hz in (90.0, 180.0, 360.0, 720.0, 1440.0):
        band = unit(band_pass(noise(count, rng), low_hz, 1.8 * low_hz))
        swell = gust * wander(rng, count, 0.8, 0.5, 1.0)
        out += np.float32((low_hz / 90.0) ** -tilt) * band * swell ** (1.0 + low_hz / 700.0)
    if rng.random() < 0.5:
        place_hz = float(rng.uniform(350.0, 1100.0))
        whistle = unit(band_pass(noise(count, rng), place_hz, 1.04 * place_hz, 6))
        out += np.float32(rng.uniform(0.1, 0.5)) * whistle * gust**3
    return levelled(out)


def rain(rng: np.random.Generator, duration_s: float) -> Float32:
    """A steady wash above 1 kHz and drops on something near."""
    count = n_samples(duration_s)
    wash = unit(high_pass(noise(count, rng), float(rng.uniform(500.0, 2500.0)), 1))
    wash = low_pass(wash, float(rng.uniform(5000.0, 15000.0)), 1)
    drops = scatter(rng, count, float(rng.uniform(60.0, 900.0)))
    low_hz = float(rng.uniform(900.0, 3000.0))
    drops = band_pass(drops, low_hz, 3.0 * low_hz)
    steady = wander(rng, count, 0.3, 0.8, 1.0)
    out = wash * steady + np.float32(rng.uniform(0.2, 1.5)) * unit(drops)
    return levelled(out)


def waves(rng: np.random.Generator, duration_s: float) -> Float32:
    """Surf: every few seconds a wave rises, breaks bright and runs out."""
    count = n_samples(duration_s)
    at_s = seconds(count)
    period_s = float(rng.uniform(3.0, 8.0))
    phase = (at_s / period_s + float(rng.random()) + 0.1 * wander(rng, count, 0.3, -1, 1)) % 1.0
    rise = float(rng.uniform(0.25, 0.5))
    swell = np.where(phase < rise, phase / rise, (1.0 - phase) / (1.0 - rise)) ** 1.6
    dark = unit(low_pass(noise(count, rng), float(rng.uniform(250.0, 600.0))))
    bright = unit(band_pass(noise(count, rng), 600.0, float(rng.uniform(3500.0, 8000.0)), 1))
    out = dark * (0.3 + 0.6 * swell) + bright * (0.06 + 0.9 * swell**2)
    return levelled(out.astype(np.float32))


def fire(rng: np.random.Generator, duration_s: float) -> Float32:
    """Crackling: sharp pops of every size over a soft roar."""
    count = n_samples(duration_s)
    pops = scatter(rng, count, float(rng.uniform(6.0, 40.0)), 0.05)
    low_hz = float(rng.uniform(700.0, 2500.0))
    crackle = band_pass(pops, low_hz, float(rng.uniform(5000.0, 12000.0)), 1)
    snaps = np.zeros(count, np.float32)
    for at_s in moments_s(rng, duration_s, float(rng.uniform(0.3, 1.2))):
        length = n_samples(float(rng.uniform(0.004, 0.02)))
        snap = noise(length, rng) * np.exp(-np.arange(length) / (0.25 * length))
        add_at(snaps, snap.astype(np.float32), at_s, float(rng.uniform(0.2, 1.0)))
    roar = unit(low_pass(noise(count, rng), float(rng.uniform(150.0, 700.0))))
    roar *= wander(rng, count, 3.0, 0.4, 1.0)
    peak = float(np.max(np.abs(crackle))) + 1e-9
    out = crackle / np.float32(peak) + 0.5 * high_pass(snaps, 600.0)
    return levelled(out + np.float32(rng.uniform(0.01, 0.12)) * roar)


def _clap(rng: np.random.Generator, nearness: float, length_s: float = 0.0) -> Float32:
    length_s = length_s or float(rng.uniform(2.0, 5.0))
    count = n_samples(length_s)
    at_s = seconds(count)
    rolls = np.zeros(count, np.float32)
    for start_s in moments_s(rng, length_s * 0.8, 0.35):
        after_s = np.maximum(at_s - start_s, 0.0)
        strength = float(rng.uniform(0.2, 1.0)) * np.exp(-start_s / (0.45 * length_s))
        rolls += (
            np.float32(strength)
            * (after_s / 0.08)
            * np.exp(1.0 - after_s / 0.08)
            * (after_s > 0.0)
        )
        rolls += np.float32(0.5 * strength) * np.exp(-after_s / 0.5) * (after_s > 0.0)
    rumble = unit(low_pass(noise(count, rng), float(rng.uniform(60.0, 160.0)), 2))
    body = unit(band_pass(noise(count, rng), 60.0, 220.0 + 500.0 * nearness, 1))
    crack = high_pass(noise(count, rng), 700.0, 1) * np.exp(-at_s / (0.05 + 0.2 * nearness))
    out = rolls * (rumble + 0.7 * body) + np.float32(1.6 * nearness**2) * crack
    return np.asarray(0.3 * out, np.float32)
