"""Bass voice: saw and sine through a closing filter, saturated so that small speakers hear it."""

from __future__ import annotations

import numpy as np

from engine.synthesis.envelope import adsr, seconds
from engine.synthesis.filters import closing
from engine.synthesis.oscillator import Float32, midi_hz, pulse, saw, sine


def bass_note(
    note: float, held_s: float, *, bright_hz: float = 900.0, drive: float = 1.6
) -> Float32:
    """One mono bass note, shape `(n,)`, peak about 1; `bright_hz` is where the filter starts."""
    shape = adsr(held_s, attack_s=0.004, decay_s=0.35, sustain=0.72, release_s=0.05)
    count = len(shape)
    pitch_hz = midi_hz(note)
    growl = 0.6 * saw(pitch_hz, count, 0.25) + 0.4 * pulse(pitch_hz * 1.003, count, width=0.42)
    openness = np.exp(-seconds(count) / np.float32(0.09)).astype(np.float32)
    growl = closing(growl.astype(np.float32), bright_hz, 190.0, openness)
    tone = 0.75 * sine(pitch_hz, count) + 0.55 * growl
    return np.asarray(np.tanh(drive * tone * shape) / np.tanh(drive), dtype=np.float32)
