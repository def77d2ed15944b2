"""Sounds that no label of the listener is about and that its training never makes.

Each is a pure function of a generator and a length in seconds; mono at 44.1 kHz, peak 0.7. They
share no generator with `engine.training.listener.strangers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from engine.messages import Float32
from engine.synthesis.envelope import n_samples, seconds
from engine.synthesis.filters import band_pass, low_pass
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, noise, pulse, saw, sine
from engine.synthesis.sounds.catalogue import Sound
from engine.synthesis.sounds.shape import levelled


def siren(rng: np.random.Generator, duration_s: float) -> Float32:
    """A wail or a yelp: one tone that sweeps up and down."""
    count = n_samples(duration_s)
    turn_hz = float(rng.choice((0.25, 0.5, 3.0))) * float(rng.uniform(0.8, 1.25))
    swing = 0.5 + 0.5 * np.sin(2.0 * np.pi * turn_hz * seconds(count).astype(np.float64))
    low_hz = float(rng.uniform(450.0, 750.0))
    tone = pulse(low_hz * 2.5**swing, count, width=float(rng.uniform(0.2, 0.5)))
    return levelled(low_pass(tone, float(rng.uniform(2500.0, 6000.0))))


def strange_bell(rng: np.random.Generator, duration_s: float) -> Float32:
    """Frequency modulation at ratios that no bell has (J. Chowning 1973), struck now and then."""
    out = np.zeros(n_samples(duration_s), np.float32)
    ratio = float(rng.uniform(0.13, 0.47)) + float(rng.integers(3))
    base_hz, depth = float(rng.uniform(150.0, 900.0)), float(rng.uniform(3.0, 12.0))
    at_s = float(rng.uniform(0.0, 0.3))
    while at_s < duration_s:
        count = n_samples(min(1.5, duration_s - at_s))
        time_s = seconds(count).astype(np.float64)
        fade = np.exp(-time_s / 0.35)
        bend = depth * fade * np.sin(2.0 * np.pi * ratio * base_hz * time_s)
        start = round(at_s * SAMPLE_RATE_HZ)
        struck = fade * np.sin(2.0 * np.pi * base_hz * time_s + bend)
        out[start : start + count] += struck[: len(out) - start].astype(np.float32)
        at_s += float(rng.uniform(0.4, 1.3))
    return levelled(out)


def noise_bursts(rng: np.random.Generator, duration_s: float) -> Float32:
    """White noise switched on and off in a pattern, as a code would be."""
    count = n_samples(duration_s)
    step = n_samples(float(rng.uniform(0.04, 0.2)))
    pattern = rng.random(count // step + 1) < 0.45
    pattern[0] = True
    return levelled(noise(count, rng) * np.repeat(pattern, step)[:count])


def drone(rng: np.random.Generator, duration_s: float) -> Float32:
    """Two bare saws that beat, without end."""
    count = n_samples(duration_s)
    base_hz = float(rng.uniform(45.0, 180.0))
    out = saw(base_hz, count) + saw(base_hz * float(rng.uniform(1.003, 1.02)), count, 0.3)
    return levelled(out)


def telephone(rng: np.random.Generator, duration_s: float) -> Float32:
    """An electronic ringer: two tones in turn, twenty times a second; a second on, one off."""
    count = n_samples(duration_s)
    time_s = seconds(count)
    low_hz = float(rng.uniform(700.0, 1500.0))
    high = np.floor(time_s * float(rng.uniform(16.0, 26.0))) % 2
    pitch_hz = np.where(high > 0, 1.25 * low_hz, low_hz).astype(np.float64)
    ringing = (time_s + float(rng.uniform(0.0, 1.0))) % 2.0 < 1.2
    return levelled(low_pass(pulse(pitch_hz, count), 5000.0) * ringing)


def dialling(rng: np.random.Generator, duration_s: float) -> Float32:
    """Keys of a telephone: pairs of tones (ITU-T Q.23)."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    length, gap = n_samples(0.14), n_samples(float(rng.uniform(0.2, 0.4)))
    for start in range(0, count - length, gap):
        for tones_hz in ((697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0)):
            out[start : start + length] += sine(float(rng.choice(tones_hz)), length)
    return levelled(out)


def typing(rng: np.random.Generator, duration_s: float) -> Float32:
    """Keys that go down and come up again, in bursts of words."""
    out = np.zeros(n_samples(duration_s), np.float32)
    at_s = 0.02
    while at_s < duration_s - 0.15:
        for later_s, level in ((0.0, 1.0), (float(rng.uniform(0.06, 0.1)), 0.4)):
            count = n_samples(0.02)
            click = band_pass(noise(count, rng), float(rng.uniform(1500.0, 3000.0)), 7000.0)
            thud = sine(float(rng.uniform(180.0, 320.0)), count) * np.float32(0.5)
            start = round((at_s + later_s) * SAMPLE_RATE_HZ)
            fall = np.exp(-seconds(count) / np.float32(0.004))
            out[start : start + count] += (
                level * float(rng.uniform(0.5, 1.0)) * (click + thud) * fall
            )
        at_s += float(rng.gamma(4.0, 0.03)) + (0.35 if rng.random() < 0.15 else 0.0)
    return levelled(out + np.float32(0.001) * noise(len(out), rng))


def footsteps(rng: np.random.Generator, duration_s: float) -> Float32:
    """Heel and sole on gravel or boards, left and right a little different."""
    out = np.zeros(n_samples(duration_s), np.float32)
    gap_s = float(rng.uniform(0.45, 0.7))
    gravel = float(rng.uniform(0.0, 1.0))
    for index in range(int(duration_s / gap_s)):
        at_s = 0.05 + index * gap_s + float(rng.normal(0.0, 0.01))
        for later_s, level, low_hz in ((0.0, 1.0, 90.0), (0.11, 0.6, 160.0 + 40.0 * (index % 2))):
            count = n_samples(0.12)
            thump = band_pass(noise(count, rng), low_hz, 4.0 * low_hz)
            crunch = band_pass(noise(count, rng), 1500.0, 6000.0) * (rng.random(count) < 0.02)
            fall = np.exp(-seconds(count) / np.float32(0.03))
            start = round(max(0.0, at_s + later_s) * SAMPLE_RATE_HZ)
            step = ((thump + np.float32(6.0 * gravel) * crunch) * fall * level).astype(np.float32)
            out[start : start + count] += step[: max(0, len(out) - start)]
    return levelled(out)


def alarm(rng: np.random.Generator, duration_s: float) -> Float32:
    """A truck that reverses or a microwave: one tone, on and off."""
    count = n_samples(duration_s)
    on_s = float(rng.uniform(0.15, 0.6))
    on = (seconds(count) + float(rng.random())) % (2.0 * on_s) < on_s
    return levelled(sine(float(rng.uniform(900.0, 3200.0)), count) * on)


def theremin(rng: np.random.Generator, duration_s: float) -> Float32:
    """A tone that looks for its pitch, with a wide vibrato."""
    count = n_samples(duration_s)
    points = np.interp(np.linspace(0.0, 5.0, count), np.arange(6), rng.uniform(-0.7, 0.7, 6))
    vibrato = 0.03 * np.sin(2.0 * np.pi * 6.0 * seconds(count))
    pitch_hz = float(rng.uniform(350.0, 800.0)) * 2.0 ** (points + vibrato)
    return levelled(sine(pitch_hz, count) + np.float32(0.2) * sine(2.0 * pitch_hz, count))


STRANGE: Mapping[str, Sound] = MappingProxyType(
    {
        "siren": siren,
        "strange_bell": strange_bell,
        "noise_bursts": noise_bursts,
        "drone": drone,
        "telephone": telephone,
        "dialling": dialling,
        "typing": typing,
        "footsteps": footsteps,
        "alarm": alarm,
        "theremin": theremin,
    }
)
