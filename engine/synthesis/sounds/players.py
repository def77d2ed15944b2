"""Guitar, piano, synthesiser and drums, each played alone. Mono at 44.1 kHz, peak 0.7."""

from __future__ import annotations

import numpy as np

from engine.synthesis.drums import make_kit
from engine.synthesis.effects import riser
from engine.synthesis.envelope import n_samples, seconds
from engine.synthesis.filters import band_pass, high_pass, low_pass
from engine.synthesis.lead import lead_note, pluck_note
from engine.synthesis.oscillator import Float32, midi_hz, noise
from engine.synthesis.pads import chorus, pad_chord
from engine.synthesis.sounds.shape import add_at, in_a_room, levelled, moments_s

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10))
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 5, 7), (0, 7, 12, 16))
_KIT = ("kick", "snare", "hat", "open_hat", "clap", "tom_low", "tom_high", "shaker")
_STRINGS = (40, 45, 50, 55, 59, 64)


def guitar(rng: np.random.Generator, duration_s: float) -> Float32:
    """Picked, strummed or overdriven."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    plucked: dict[float, Float32] = {}

    def pluck(note: float) -> Float32:
        if note not in plucked:
            plucked[note] = _string(rng, note, 1.5, bright)
        return plucked[note]

    root = float(rng.integers(-2, 6))
    manner = rng.random()
    gap_s = float(rng.uniform(0.14, 0.4) if manner < 0.5 else rng.uniform(0.25, 0.8))
    bright = float(rng.uniform(0.3, 1.0))
    for at_s in moments_s(rng, duration_s, gap_s, 0.9):
        if manner < 0.5:  # picked
            string = _STRINGS[int(rng.integers(6))] + root + float(rng.choice((0, 0, 2, 3, 5)))
            add_at(out, pluck(string), at_s, float(rng.uniform(0.5, 1.0)))
            continue
        shape = _CHORDS[int(rng.integers(len(_CHORDS)))]
        low = 40.0 + root + float(rng.choice((0, 3, 5, 7)))
        strings = [low + 12 * k + step for k in (0, 1) for step in shape][:6]
        if rng.random() < 0.5:
            strings.reverse()
        for index, note in enumerate(strings):
            later_s = index * float(rng.uniform(0.006, 0.02))
            add_at(out, pluck(note), at_s + later_s, 0.5)
    if rng.random() < 0.35:  # an amplifier that is turned up
        drive = float(rng.uniform(3.0, 14.0))
        out = low_pass(np.tanh(drive * levelled(out)), float(rng.uniform(2500.0, 5000.0)))
    return levelled(in_a_room(rng, out))


def piano(rng: np.random.Generator, duration_s: float) -> Float32:
    """Chords and melodies on hammered strings."""
    count = n_samples(duration_s)
    out = np.zeros(count, np.float32)
    scale = _SCALES[int(rng.integers(len(_SCALES)))]
    root = int(rng.integers(36, 60))
    gap_s = float(rng.uniform(0.15, 0.6))
    hardness = float(rng.uniform(0.3, 1.0))
    struck: dict[int, Float32] = {}
    for at_s in moments_s(rng, duration_s, gap_s, 0.85):
        degree = scale[int(rng.integers(len(scale)))]
        notes = [root + 12 * int(rng.integers(0, 4)) + degree]
        if rng.random() < 0.35:
            notes += [root + degree + step for step in _CHORDS[int(rng.integers(4))]]
        for note in notes:
            if note not in struck:
                struck[note] = _hammered(rng, note, hardness)
            add_at(out, struck[note], at_s, float(rng.uniform(0.4, 1.0)))
    return levelled(in_a_room(rng, out))


def synthesiser(rng: np.random.Generator, duration_s: float) -> Float32:
    """Pads, arpeggios or a lead, alone or together."""
    parts = rng.random(3) < (0.6, 0.35, 0.3)
    if not parts.any():
        parts[0] = True
    out = np.zeros(n_samples(duration_s), np.float32)
    root = int(rng.integers(40, 58))
    if parts[0]:
        out += pads(rng, duration_s, root)
    if parts[1]:
        out += np.float32(rng.uniform(0.4, 1.0)) * _arpeggio(rng, duration_s, root)
    if parts[2]:
        out += np.float32(rng.uniform(0.4, 1.0)) * _lead(rng, duration_s, root)
    if rng.random() < 0.08:
        out += 0.6 * riser(duration_s, rng).mean(axis=1)[: len(out)]
    return levelled(out)


def pads(rng: np.random.Generator, duration_s: float, root: int = 48) -> Float32:
    """Slow chords of detuned saws through a low-pass."""
    count = n_samples(duration_s)
    out = np.zeros((count, 2), np.float32)
    length_s = float(rng.uniform(1.5, 5.0))
    at_s = -float(rng.uniform(0.3, 0.9)) * length_s  # somewhere inside a chord
    while at_s < duration_s:
        steps = _CHORDS[int(rng.integers(len(_CHORDS)))]
        degree = int(rng.choice((0, 0, 3, 5, 7, -4)))
        notes = [root + degree + step for step in steps] + [root + degree - 12]
        chord = pad_chord(notes, length_s, rng, attack_s=float(rng.uniform(0.1, 0.6)),
                          release_s=float(rng.uniform(0.3, 1.0)))  # fmt: skip
        start = round(at_s * 44_100)
        chord = chord[max(0, -start) :]
        start = max(0, start)
        piece = chord[: max(0, count - start)]
        out[start : start + len(piece)] += piece
        at_s += length_s
    mono = chorus(out).mean(axis=1)
    return levelled(in_a_room(rng, low_pass(mono, float(rng.uniform(400.0, 5000.0)))))


def drums(rng: np.random.Generator, duration_s: float) -> Float32:
    """A kit that keeps a beat, from a bare kick to all of it."""
    kit = make_kit(rng, variation=1.0)
    tuned = {
        name: _at_pitch(kit.sound(name), float(2.0 ** rng.uniform(-0.6, 0.6))) for name in _KIT
    }
    out = np.zeros(n_samples(duration_s), np.float32)
    step_s = 60.0 / float(rng.uniform(70.0, 178.0)) / 4.0
    lanes = {
        "kick": _steps(rng, (0, 8), (4, 6, 10, 12, 14), 0.3),
        "snare": _steps(rng, (4, 12), (7, 9, 15), 0.15),
        "hat": _steps(rng, tuple(range(0, 16, int(rng.choice((1, 2, 4))))), (), 0.0),
        "open_hat": _steps(rng, (), (2, 6, 10, 14), 0.3),
        "clap": _steps(rng, (), (4, 12), 0.3),
        "tom_low": _steps(rng, (), (11, 13, 14), 0.2),
        "tom_high": _steps(rng, (), (10, 12, 15), 0.2),
        "shaker": _steps(rng, (), tuple(range(16)), float(rng.choice((0.0, 0.0, 0.7)))),
    }
    loud = {name: float(rng.uniform(0.3, 1.0)) for name in lanes}
    loud["kick"] = float(rng.uniform(0.7, 1.2))
    for name in lanes:
        if name != "kick" and rng.random() < (0.15 if name == "snare" else 0.3):
            loud[name] = 0.0
    shift = int(rng.integers(16))
    for step in range(int(duration_s / step_s) + 1):
        for name, steps in lanes.items():
            if (step + shift) % 16 in steps and loud[name] > 0.0:
                add_at(out, tuned[name], step * step_s, loud[name] * float(rng.uniform(0.7, 1)))
    if rng.random() < 0.35:  # a sampler, or a desk that is turned up
        drive = float(rng.uniform(1.5, 6.0))
        out = low_pass(np.tanh(drive * levelled(out)), float(rng.uniform(3000.0, 12_000.0)))
    if rng.random() < 0.3:
        out = high_pass(out, float(rng.uniform(60.0, 350.0)))
    return levelled(in_a_room(rng, out) if rng.random() < 0.5 else out)


def _at_pitch(sound: Float32, speed: float) -> Float32:
    """The sound played `speed` times as fast."""
    place = np.arange(0.0, len(sound) - 1.0, speed)
    return np.asarray(np.interp(place, np.arange(len(sound)), sound), np.float32)


def _steps(
    rng: np.random.Generator, always: tuple[int, ...], maybe: tuple[int, ...], chance: float
) -> frozenset[int]:
    return frozenset((*always, *(step for step in maybe if rng.random() < chance)))


def _arpeggio(rng: np.random.Generator, duration_s: float, root: int) -> Float32:
    out = np.zeros(n_samples(duration_s), np.float32)
    chord = _CHORDS[int(rng.integers(len(_CHORDS)))]
    gap_s = float(rng.uniform(0.09, 0.25))
    bright_hz = float(rng.uniform(1200.0, 6000.0))
    for index, at_s in enumerate(moments_s(rng, duration_s, gap_s, 1.0)):
        note = root + 12 * (1 + index // len(chord) % 2) + chord[index % len(chord)]
        add_at(out, pluck_note(note, 0.6 * gap_s, bright_hz=bright_hz), at_s, 0.8)
    return levelled(in_a_room(rng, out))


def _lead(rng: np.random.Generator, duration_s: float, root: int) -> Float32:
    out = np.zeros(n_samples(duration_s), np.float32)
    scale = _SCALES[int(rng.integers(len(_SCALES)))]
    held_s = float(rng.uniform(0.2, 0.7))
    before: float | None = None
    for at_s in moments_s(rng, duration_s, held_s, 0.95):
        note = float(root + 12 + scale[int(rng.integers(len(scale)))])
        add_at(out, lead_note(note, held_s, from_note=before), at_s, 0.8)
        before = note
    return levelled(in_a_room(rng, out))


def _string(rng: np.random.Generator, note: float, length_s: float, bright: float) -> Float32:
    """A plucked string: partials n with level sin(n pi p)/n, the higher ones gone sooner."""
    count = n_samples(length_s)
    at_s = seconds(count)
    base_hz = midi_hz(note) * float(rng.uniform(0.998, 1.002))
    place = float(rng.uniform(0.08, 0.35))
    out = np.zeros(count, np.float32)
    for n in range(1, 26):
        pitch_hz = n * base_hz * np.sqrt(1.0 + 4e-5 * n * n)
        if pitch_hz > 11_000.0:
            break
        level = np.sin(np.pi * n * place) / n ** (1.6 - 0.8 * bright)
        tau_s = 0.9 / (1.0 + 0.18 * n + (pitch_hz / 2500.0) ** 1.5)
        wave = np.sin(np.float32(2.0 * np.pi * pitch_hz) * at_s)
        out += (level * wave * np.exp(-at_s / tau_s)).astype(np.float32)
    pick = band_pass(noise(count, rng), 1500.0, 6000.0) * np.exp(-at_s / 0.004)
    out = out * np.minimum(at_s / 0.0015, 1.0) + np.float32(0.25 * bright) * pick
    return np.asarray(0.5 * out * np.minimum(1.0, (at_s[-1] - at_s) / 0.05), np.float32)


def _hammered(rng: np.random.Generator, note: float, hardness: float) -> Float32:
    """A piano string pair: stiff partials, a fast and a slow decay, the knock of the hammer."""
    length_s = float(rng.uniform(0.5, 2.2))
    count = n_samples(length_s)
    at_s = seconds(count)
    base_hz = midi_hz(note)
    stiff = 1.5e-4 * 2.0 ** ((note - 48.0) / 12.0)
    out = np.zeros(count, np.float32)
    for n in range(1, 22):
        pitch_hz = n * base_hz * np.sqrt(1.0 + stiff * n * n)
        if pitch_hz > 10_000.0:
            break
        level = np.exp(-(n - 1) * (0.55 - 0.38 * hardness)) * abs(np.sin(np.pi * n / 8.0) + 0.15)
        slow_s = 3.0 * (220.0 / base_hz) ** 0.5 / (1.0 + 0.2 * n)
        fade = 0.7 * np.exp(-at_s / (0.18 * slow_s)) + 0.3 * np.exp(-at_s / slow_s)
        wave = np.sin(np.float32(2.0 * np.pi * pitch_hz) * at_s)
        wave += 0.8 * np.sin(np.float32(2.0 * np.pi * pitch_hz * 1.0007) * at_s + 1.0)
        out += (level * wave * fade).astype(np.float32)
    knock = band_pass(noise(count, rng), 100.0, 1800.0) * np.exp(-at_s / 0.012)
    rise = np.minimum(at_s / (0.001 + 0.002 * (1.0 - hardness)), 1.0)
    damped = np.minimum(1.0, (at_s[-1] - at_s) / 0.12)
    return np.asarray(0.4 * (out * rise + 0.5 * knock) * damped, np.float32)
