"""`SoundBank`: what single sounds look like to the pulse network, so that music is a sum of them.

The power of sounds that do not know of each other adds up. A piece made of such sums costs a
hundredth of one that is rendered, and the network learns from as many as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.analysis.analyzer import QUICK_RISE, QUICK_S
from engine.analysis.framer import hop_length
from engine.analysis.pulse_bands import PULSE_BANDS, pulse_weights
from engine.analysis.spectrum import Spectrum
from engine.messages import Float32
from engine.synthesis.bass import bass_note
from engine.synthesis.drums import DrumKit, make_kit
from engine.synthesis.filters import low_pass
from engine.synthesis.lead import lead_note, pluck_note
from engine.synthesis.pads import electric_piano, pad_chord

RATE_HZ = 44_100
HOP = hop_length(RATE_HZ)
DT_S = HOP / RATE_HZ
PLACES = 6
"""Where inside a hop a sound may begin."""
_INAUDIBLE = 1e-7
_PITCHES = 14
_STRUCK = 24
_STRUCK_HZ = {"kick": (45.0, 160.0), "snare": (150.0, 3000.0), "hat": (1500.0, 11000.0)}


@dataclass(frozen=True, slots=True)
class Sound:
    """Power per band of one sound, for each place in a hop where it may begin."""

    places: tuple[Float32, ...]
    """`(hops, 20)` each; the sound begins in the first hop."""


class SoundBank:
    """Kits, notes and chords, analysed once."""

    def __init__(self, rng: np.random.Generator, kits: int = 24) -> None:
        self._eye = SoundEye()
        self.kits: list[Mapping[str, Sound]] = [
            self._kit(make_kit(rng, float(rng.uniform(0.0, 4.0)))) for _ in range(kits)
        ]
        self.struck = {
            lane: self._notes([_struck(rng, *range_hz) for _ in range(_STRUCK)])
            for lane, range_hz in _STRUCK_HZ.items()
        }
        """Sounds that no kit has, by the lane they might play in."""
        self.bass = self._notes([
            bass_note(float(rng.uniform(28, 48)), float(rng.uniform(0.1, 0.5)),
                      bright_hz=float(rng.uniform(400, 1600)))
            for _ in range(_PITCHES)
        ])  # fmt: skip
        self.plucks = self._notes([
            pluck_note(float(rng.uniform(58, 90)), float(rng.uniform(0.05, 0.3)))
            for _ in range(_PITCHES)
        ])  # fmt: skip
        self.leads = self._notes([
            lead_note(float(rng.uniform(55, 84)), float(rng.uniform(0.15, 0.8)))
            for _ in range(_PITCHES)
        ])  # fmt: skip
        self.keys = self._notes([
            np.sum([electric_piano(root + third, 0.8) for third in (0.0, 4.0, 7.0)], axis=0)
            for root in rng.uniform(45, 65, _PITCHES)
        ])  # fmt: skip
        self.pads = self._notes([self._pad(rng) for _ in range(_PITCHES)])

    def _kit(self, kit: DrumKit) -> Mapping[str, Sound]:
        return {name: self._eye.see(kit.sound(name)) for name in kit.__dataclass_fields__}

    def _notes(self, sounds: Sequence[Float32]) -> list[Sound]:
        return [self._eye.see(np.asarray(sound, np.float32)) for sound in sounds]

    def _pad(self, rng: np.random.Generator) -> Float32:
        root = float(rng.uniform(44, 60))
        chord = pad_chord([root, root + 3 + int(rng.integers(2)), root + 7], 2.6, rng,
                          attack_s=float(rng.uniform(0.05, 0.2)), release_s=0.3)  # fmt: skip
        return low_pass(np.ascontiguousarray(chord.mean(axis=1)), float(rng.uniform(900, 3000)))


def _struck(rng: np.random.Generator, low_hz: float, high_hz: float) -> Float32:
    """Return a blip of tone and noise around a random frequency; peak 1."""
    count = round(0.6 * RATE_HZ)
    at_s = np.arange(count) / RATE_HZ
    centre_hz = low_hz * (high_hz / low_hz) ** rng.random()
    width_octaves = rng.uniform(0.3, 2.5)
    hz = np.maximum(np.fft.rfftfreq(count, 1.0 / RATE_HZ), 1.0)
    shape = np.exp(-0.5 * (np.log2(hz / centre_hz) / width_octaves) ** 2)
    hiss = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * shape, count)
    drop = 1.0 + rng.uniform(0.0, 3.0) * np.exp(-at_s / rng.uniform(0.005, 0.04))
    tone = np.sin(2.0 * np.pi * np.cumsum(centre_hz * drop) / RATE_HZ)
    tonal = rng.random()
    mixed = tonal * tone + (1.0 - tonal) * hiss / (3.0 * hiss.std())
    mixed *= np.exp(-at_s / (0.012 * 2.0 ** rng.uniform(0.0, 4.5)))
    mixed *= np.minimum(1.0, at_s / 10.0 ** rng.uniform(-4.0, -2.2))
    return np.asarray(mixed / np.abs(mixed).max(), np.float32)


class SoundEye:
    """The quick spectrum of the analysis in the bands of the pulse network."""

    def __init__(self) -> None:
        self._quick = Spectrum(RATE_HZ, QUICK_S, QUICK_RISE)
        self._weights = pulse_weights(self._quick.frequencies_hz)

    def look(self, samples: Float32) -> Float32:
        """Power per band in every hop of `(n,)` samples, `(hops, 20)`."""
        length = self._quick.length
        padded = np.concatenate([np.zeros(length - HOP, np.float32), samples])
        hops = len(samples) // HOP
        rows = [
            self._weights @ self._quick.power(padded[hop * HOP : hop * HOP + length])
            for hop in range(hops)
        ]
        return np.array(rows, np.float32).reshape(hops, PULSE_BANDS)

    def see(self, sound: Float32) -> Sound:
        """Analyse a one-shot at every place in a hop, cut where it is inaudible."""
        places = []
        for place in range(PLACES):
            start = place * HOP // PLACES
            tail = np.zeros(self._quick.length + HOP, np.float32)
            power = self.look(np.concatenate([np.zeros(start, np.float32), sound, tail]))
            total = power.sum(axis=1)
            heard = np.flatnonzero(total > _INAUDIBLE * total.max())
            places.append(power[: heard[-1] + 1])
        return Sound(tuple(places))
