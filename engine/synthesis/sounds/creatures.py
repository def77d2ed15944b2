"""Birds and crowds. Mono at 44.1 kHz, peak 0.7."""

from __future__ import annotations

import numpy as np

from engine.synthesis.envelope import n_samples, seconds
from engine.synthesis.filters import band_pass, high_pass, low_pass
from engine.synthesis.oscillator import Float32, noise, saw, sine
from engine.synthesis.sounds.shape import add_at, levelled, moments_s, scatter, unit, wander


def birds(rng: np.random.Generator, duration_s: float) -> Float32:
    """One to five birds, each with its own song of whistled syllables, over a little air."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    for _ in range(int(rng.integers(1, 6))):
        song = [_syllable(rng) for _ in range(int(rng.integers(1, 4)))]
        loud = float(rng.uniform(0.2, 1.0))
        for start_s in moments_s(rng, duration_s, float(rng.uniform(0.8, 2.2)), 0.4):
            at_s = start_s
            for _ in range(int(rng.integers(2, 9))):
                sound = song[int(rng.integers(len(song)))]
                add_at(out, sound, at_s, loud * float(rng.uniform(0.7, 1.0)))
                at_s += len(sound) / 44_100 + float(rng.uniform(0.01, 0.12))
    air = unit(low_pass(noise(count, rng), float(rng.uniform(500.0, 4000.0)), 1))
    return levelled(out + np.float32(rng.uniform(0.001, 0.03)) * air)


def crowd(rng: np.random.Generator, duration_s: float) -> Float32:
    """Applause, babble and cheers of many people, in any mixture; voices lead."""
    count = n_samples(duration_s)
    shares = rng.dirichlet((0.7, 1.4, 1.4))
    out = np.float32(shares[0]) * unit(_applause(rng, count))
    out += np.float32(shares[1]) * unit(_babble(rng, count, duration_s))
    out += np.float32(shares[2]) * unit(_cheers(rng, count, duration_s))
    out *= wander(rng, count, 0.4, 0.5, 1.0)
    return levelled(out)


def _syllable(rng: np.random.Generator) -> Float32:
    count = n_samples(float(rng.uniform(0.03, 0.22)))
    share = np.linspace(0.0, 1.0, count)
    base_hz = float(rng.uniform(1900.0, 5500.0))
    bend = float(rng.uniform(-0.7, 0.7)) * share + float(rng.uniform(-0.5, 0.5)) * share**2
    trill = float(rng.choice((0.0, 0.0, 0.12))) * np.sin(
        2.0 * np.pi * float(rng.uniform(20.0, 60.0)) * seconds(count)
    )
    pitch_hz = base_hz * 2.0 ** (bend + trill)
    tone = sine(pitch_hz.astype(np.float64), count)
    tone += np.float32(rng.uniform(0.0, 0.2)) * sine(2.0 * pitch_hz.astype(np.float64), count)
    return (tone * np.sin(np.pi * share) ** 0.7).astype(np.float32)


def _applause(rng: np.random.Generator, count: int) -> Float32:
    per_s = float(rng.uniform(40.0, 260.0))
    low_hz = float(rng.uniform(600.0, 1300.0))
    hands = scatter(rng, count, per_s, 0.15)
    length = n_samples(0.012)
    burst = noise(length, rng) * np.exp(-np.arange(length) / (0.25 * length))
    size = 1 << (count + length).bit_length()
    both = np.fft.rfft(hands, size) * np.fft.rfft(burst, size)
    struck = np.fft.irfft(both, size)[:count].astype(np.float32)
    return band_pass(struck, low_hz, 3.5 * low_hz, 1)


def _babble(rng: np.random.Generator, count: int, duration_s: float) -> Float32:
    out = np.zeros(count, np.float32)
    for _ in range(int(rng.integers(6, 12))):
        pitch_hz = float(rng.uniform(90.0, 260.0)) * wander(rng, count, 2.0, 0.85, 1.2)
        voice = saw(pitch_hz.astype(np.float64), count, float(rng.random()))
        for first_hz in rng.uniform(350.0, 800.0, 2):  # two vowels that alternate
            vowel = band_pass(voice, float(first_hz), 1.3 * float(first_hz))
            vowel += 0.5 * band_pass(voice, 2.6 * float(first_hz), 3.2 * float(first_hz))
            spoken = wander(rng, count, float(rng.uniform(2.5, 5.0)), -0.8, 1.0)
            out += vowel * np.maximum(spoken, 0.0) * np.float32(rng.uniform(0.2, 1.0))
    return out + 0.02 * band_pass(noise(count, rng), 300.0, 4000.0)


def _cheers(rng: np.random.Generator, count: int, duration_s: float) -> Float32:
    roar = unit(band_pass(noise(count, rng), 400.0, float(rng.uniform(1500.0, 3500.0)), 1))
    out = np.float32(rng.uniform(0.1, 0.4)) * roar * wander(rng, count, 0.7, 0.4, 1.0)
    for at_s in moments_s(rng, duration_s, float(rng.uniform(0.15, 0.8))):
        length = n_samples(float(rng.uniform(0.4, 1.6)))
        share = np.linspace(0.0, 1.0, length)
        top_hz = float(rng.uniform(300.0, 950.0))
        pitch_hz = top_hz * (0.75 + 0.25 * np.sin(np.pi * np.minimum(share * 1.5, 1.0)))
        voice = saw(pitch_hz, length, float(rng.random()))
        voice = band_pass(voice, 500.0, float(rng.uniform(1500.0, 3000.0)))
        loud = float(rng.uniform(0.1, 0.8))
        add_at(out, (voice * np.sin(np.pi * share)).astype(np.float32), at_s, loud)
    if rng.random() < 0.3:
        out += np.float32(rng.uniform(0.05, 0.2)) * high_pass(noise(count, rng), 2000.0)
    return out
