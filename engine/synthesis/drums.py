"""The drum kit: every sound is one mono one-shot, shape `(n,)`, float32, peak about 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.synthesis.envelope import exponential, fade_out, n_samples, seconds
from engine.synthesis.filters import band_pass, high_pass, low_pass
from engine.synthesis.oscillator import Float32, noise, pulse, sine

# Six inharmonic pulses, the recipe of analogue drum machines for cymbals.
_METAL_HZ = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)


@dataclass(frozen=True, slots=True)
class DrumKit:
    """One rendered kit; `make_kit` tunes it a little differently for every generator."""

    kick: Float32
    snare: Float32
    clap: Float32
    hat: Float32
    open_hat: Float32
    shaker: Float32
    tom_low: Float32
    tom_high: Float32
    crash: Float32

    def sound(self, name: str) -> Float32:
        """The one-shot of that name; KeyError when the kit has none."""
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        sound: Float32 = getattr(self, name)
        return sound


def make_kit(rng: np.random.Generator, variation: float = 0.0) -> DrumKit:
    """Render a kit; `variation` 0 is the reference tuning, 1 spreads pitch and decay by ~20 %."""

    def spread() -> float:
        return float(2.0 ** (variation * rng.uniform(-0.3, 0.3)))

    return DrumKit(
        kick=kick(rng, base_hz=47.0 * spread(), decay_s=0.16 * spread()),
        snare=snare(rng, tone_hz=186.0 * spread(), decay_s=0.11 * spread()),
        clap=clap(rng, decay_s=0.12 * spread()),
        hat=hat(rng, decay_s=0.028 * spread(), tune=spread()),
        open_hat=hat(rng, decay_s=0.14 * spread(), tune=spread()),
        shaker=shaker(rng),
        tom_low=tom(rng, base_hz=92.0 * spread()),
        tom_high=tom(rng, base_hz=146.0 * spread()),
        crash=crash(rng),
    )


def kick(rng: np.random.Generator, base_hz: float = 47.0, decay_s: float = 0.16) -> Float32:
    """Sine falling from ~6x its base within 40 ms, saturated, with a 3 ms click on top."""
    count = n_samples(decay_s * 3.4)
    at_s = seconds(count)
    sweep_hz = base_hz * (1.0 + 1.3 * np.exp(-at_s / 0.035) + 4.2 * np.exp(-at_s / 0.0075))
    body = sine(sweep_hz.astype(np.float64), count)
    # A plateau before the fall keeps the thump; a plain exponential sounds thin.
    shape = np.minimum(1.0, np.exp(-(at_s - 0.045) / decay_s)) * np.minimum(1.0, at_s / 0.0008)
    click = high_pass(noise(count, rng), 2500.0) * exponential(count, 0.003)
    punch = np.tanh(1.7 * body * shape) / np.tanh(1.7) + 0.16 * click
    return _peak_one(fade_out(punch.astype(np.float32), 0.02))


def snare(rng: np.random.Generator, tone_hz: float = 186.0, decay_s: float = 0.11) -> Float32:
    """Two drum-head modes with a pitch drop under band-passed wire noise."""
    count = n_samples(decay_s * 4.0)
    at_s = seconds(count)
    bend = 1.0 + 0.35 * np.exp(-at_s / 0.012)
    head = sine((tone_hz * bend).astype(np.float64), count) * exponential(count, 0.055)
    head += (
        0.55 * sine((tone_hz * 1.79 * bend).astype(np.float64), count) * exponential(count, 0.035)
    )
    wires = band_pass(noise(count, rng), 1400.0, 9500.0) * exponential(count, decay_s)
    snap = high_pass(noise(count, rng), 3500.0) * exponential(count, 0.006)
    return _peak_one(fade_out(0.75 * head + 0.42 * wires + 0.3 * snap, 0.02))


def clap(rng: np.random.Generator, decay_s: float = 0.12) -> Float32:
    """Three short bursts 9 ms apart and a longer tail, around 1-3 kHz."""
    count = n_samples(decay_s * 4.0)
    shape = np.zeros(count, dtype=np.float32)
    for index, start_s in enumerate((0.0, 0.009, 0.019)):
        first = round(start_s * 44_100)
        tau_s = decay_s if index == 2 else 0.005
        shape[first:] = np.maximum(shape[first:], exponential(count - first, tau_s))
    hands = band_pass(noise(count, rng), 950.0, 4200.0)
    return _peak_one(fade_out(np.tanh(1.4 * hands * shape).astype(np.float32), 0.02))


def hat(rng: np.random.Generator, decay_s: float = 0.028, tune: float = 1.0) -> Float32:
    """Closed (short) or open (long) hi-hat: metal and noise above 7 kHz."""
    count = n_samples(max(0.06, decay_s * 4.5))
    metal = np.zeros(count, dtype=np.float32)
    for partial_hz in _METAL_HZ:
        metal += pulse(partial_hz * 1.52 * tune, count, start=float(rng.random()))
    bright = high_pass(0.35 * metal + 0.6 * noise(count, rng), 7200.0, order=3)
    shape = exponential(count, decay_s) * np.minimum(1.0, seconds(count) / 0.0006)
    return _peak_one(low_pass(bright, 15500.0) * shape)


def shaker(rng: np.random.Generator) -> Float32:
    """Soft grain with a 12 ms attack, for off-beats under the hats."""
    count = n_samples(0.11)
    at_s = seconds(count)
    shape = np.minimum(1.0, at_s / 0.012) * np.exp(-np.maximum(0.0, at_s - 0.012) / 0.022)
    grain = band_pass(noise(count, rng), 4200.0, 10500.0) * shape
    return _peak_one(fade_out(grain.astype(np.float32), 0.01))


def tom(rng: np.random.Generator, base_hz: float = 110.0) -> Float32:
    """Falling sine with a little skin noise."""
    count = n_samples(0.42)
    at_s = seconds(count)
    sweep_hz = base_hz * (1.0 + 0.7 * np.exp(-at_s / 0.045))
    body = np.tanh(1.4 * sine(sweep_hz.astype(np.float64), count) * exponential(count, 0.13))
    skin = band_pass(noise(count, rng), 500.0, 3500.0) * exponential(count, 0.02)
    return _peak_one(fade_out((body + 0.18 * skin).astype(np.float32), 0.03))


def crash(rng: np.random.Generator, decay_s: float = 0.75) -> Float32:
    """Cymbal: metal and noise whose highest part fades first."""
    count = n_samples(decay_s * 3.6)
    metal = np.zeros(count, dtype=np.float32)
    for partial_hz in _METAL_HZ:
        metal += pulse(partial_hz * 1.27, count, start=float(rng.random()))
    raw = 0.25 * metal + 0.8 * noise(count, rng)
    air = high_pass(raw, 6500.0) * exponential(count, decay_s * 0.45)
    body = band_pass(raw, 2600.0, 7500.0) * exponential(count, decay_s)
    return _peak_one(fade_out((air + 0.5 * body).astype(np.float32), 0.3))


def _peak_one(sound: Float32) -> Float32:
    peak = float(np.max(np.abs(sound)))
    return (sound / peak).astype(np.float32) if peak > 0.0 else sound
