"""Music of any length with known beats: the unlimited audio of tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.keys import TONICS
from engine.synthesis.bass import bass_note
from engine.synthesis.drummer import Drummer
from engine.synthesis.drums import make_kit
from engine.synthesis.filters import low_pass
from engine.synthesis.lead import pluck_note
from engine.synthesis.mix import Bus
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32, noise
from engine.synthesis.pads import pad_chord
from engine.synthesis.pattern import GROOVES, Groove, Hit, TempoMap, fill
from engine.synthesis.truth import Section, Truth, merge_onsets

_TAIL_S = 0.6
_BARS_PER_PHRASE = 4
# Minor and major progressions as (root above the tonic, third above the root).
_MINOR = ((0, 3), (8, 4), (3, 4), (10, 4))
_MAJOR = ((0, 4), (7, 4), (9, 3), (5, 4))
_PEAK = 0.7


@dataclass(frozen=True, slots=True)
class LoopSpec:
    """What to play.

    `groove` is a key of `pattern.GROOVES`; `swing` and `drift` as in `TempoMap`; `fills` puts a
    fill at the end of every fourth bar; `half_time_bars` and `breakdown_bars` are (first, end) bar
    ranges with half-time drums or without kick and snare. `noise_db` is the level of pink-like
    noise and `interference_db` that of `interference`, both relative to the loudness (RMS) of the
    music. `gain_db` scales the result, whose peak is 0.7 at 0 dB.
    """

    bpm: float = 120.0
    bars: int = 8
    groove: str = "house"
    swing: float = 0.5
    swing_unit: float = 0.5
    drift: float = 0.0
    fills: bool = True
    half_time_bars: tuple[int, int] | None = None
    breakdown_bars: tuple[int, int] | None = None
    bass: bool = True
    pads: bool = True
    lead: bool = False
    humanise_ms: float = 3.0
    kit_variation: float = 0.0
    lead_in_s: float = 0.0
    noise_db: float | None = None
    interference: Float32 | None = None
    interference_db: float = -12.0
    gain_db: float = 0.0


def render_loop(
    spec: LoopSpec | None = None, *, seed: int = 0, **changes: object
) -> tuple[Float32, Truth]:
    """Render a loop: `render_loop(bpm=97, bars=16, swing=0.62, drift=0.02, seed=3)`.

    Keyword arguments replace fields of `spec`. Returns samples of shape `(n, 2)`, float32 at
    44.1 kHz, and the exact truth. The same arguments give the same samples. KeyError for an
    unknown groove, TypeError for an unknown field.
    """
    wanted = replace(spec or LoopSpec(), **changes)  # type: ignore[arg-type]
    return _Loop(wanted, np.random.default_rng(seed)).render()


class _Loop:
    def __init__(self, spec: LoopSpec, rng: np.random.Generator) -> None:
        self._spec = spec
        self._rng = rng
        self._groove = GROOVES[spec.groove]
        self._per_bar = self._groove.beats_per_bar
        drift_phase = float(rng.uniform(0.0, 2.0 * np.pi)) if spec.drift else 0.0
        self._tempo = TempoMap(
            spec.bpm,
            swing=spec.swing,
            swing_unit=spec.swing_unit,
            drift=spec.drift,
            drift_phase=drift_phase,
            start_s=spec.lead_in_s,
        )
        self._end_s = self._tempo.time_s(spec.bars * self._per_bar)
        self._duration_s = self._end_s + _TAIL_S
        self._tonic = int(rng.integers(0, 12))
        self._minor = bool(rng.random() < 0.6)
        self._tones: list[float] = []

    def render(self) -> tuple[Float32, Truth]:
        kicks, kit, music = (Bus(self._duration_s) for _ in range(3))
        drum_kit = make_kit(self._rng, self._spec.kit_variation)
        drummer = Drummer(drum_kit, kicks, kit, self._rng, humanise_ms=self._spec.humanise_ms)
        for bar in range(self._spec.bars):
            drummer.play(self._hits(bar), bar * self._per_bar, self._tempo)
            self._play_harmony(bar, music)
        mixed = 0.7 * kicks.samples + 0.7 * kit.samples + music.samples
        return self._finish(mixed), self._truth(drummer)

    def _hits(self, bar: int) -> list[Hit]:
        spec = self._spec
        groove = GROOVES["halftime"] if _inside(bar, spec.half_time_bars) else self._groove
        hits = list(_cut(groove, self._per_bar))
        if _inside(bar, spec.breakdown_bars):
            return [hit for hit in hits if hit.sound in ("hat", "open_hat")]
        if spec.fills and bar % _BARS_PER_PHRASE == _BARS_PER_PHRASE - 1:
            n_beats = int(self._rng.integers(1, 3))
            first = self._per_bar - n_beats
            kept = [hit for hit in hits if hit.beat < first or hit.sound == "kick"]
            return kept + fill(self._rng, n_beats, self._per_bar)
        return hits

    def _play_harmony(self, bar: int, music: Bus) -> None:
        root, third = (_MINOR if self._minor else _MAJOR)[bar % 4]
        bass = 33 + (self._tonic + root - 9) % 12
        voices = [48 + (self._tonic + root + interval) % 12 for interval in (0, third, 7)]
        start_s = self._beat_s(bar, 0.0)
        bar_s = self._beat_s(bar + 1, 0.0) - start_s
        if self._spec.pads:
            dull = pad_chord(voices, bar_s, self._rng, attack_s=0.12, release_s=0.3)
            for side in range(2):
                dull[:, side] = low_pass(np.ascontiguousarray(dull[:, side]), 1400.0)
            music.place(dull, start_s, 0.2)
            self._tones.append(start_s)
        if self._spec.bass and not _inside(bar, self._spec.breakdown_bars):
            for beat in (0.0, 1.5, 2.5):
                self._tone(bass_note(bass, 0.6 * 60.0 / self._spec.bpm), bar, beat, 0.3, music)
        if self._spec.lead:
            for eighth in range(2 * self._per_bar):
                note = voices[int(self._rng.integers(0, 3))] + 24
                self._tone(pluck_note(note), bar, eighth / 2.0, 0.14, music)

    def _tone(self, sound: Float32, bar: int, beat: float, gain: float, music: Bus) -> None:
        at_s = self._beat_s(bar, beat)
        music.place(sound, at_s, gain)
        self._tones.append(at_s)

    def _beat_s(self, bar: int, beat: float) -> float:
        return self._tempo.time_s(bar * self._per_bar + beat)

    def _finish(self, mixed: Float32) -> Float32:
        spec = self._spec
        rms = float(np.sqrt(np.mean(mixed**2))) or 1.0
        if spec.noise_db is not None:
            hiss = np.stack([_pinkish(len(mixed), self._rng) for _ in range(2)], axis=1)
            mixed = mixed + rms * 10.0 ** (spec.noise_db / 20.0) * hiss
        if spec.interference is not None:
            other = _as_long(spec.interference, len(mixed))
            other_rms = float(np.sqrt(np.mean(other**2))) or 1.0
            mixed = mixed + rms / other_rms * 10.0 ** (spec.interference_db / 20.0) * other
        scale = _PEAK * 10.0 ** (spec.gain_db / 20.0) / max(1e-9, float(np.max(np.abs(mixed))))
        return np.asarray(scale * mixed, dtype=np.float32)

    def _truth(self, drummer: Drummer) -> Truth:
        n_beats = self._spec.bars * self._per_bar
        beats_s = tuple(self._tempo.time_s(beat) for beat in range(n_beats))
        mode = "minor" if self._minor else "major"
        span_s = self._end_s - self._spec.lead_in_s
        return Truth(
            duration_s=round(self._duration_s * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ,
            tempo_bpm=60.0 * n_beats / span_s,
            beats_s=beats_s,
            downbeats_s=beats_s[:: self._per_bar],
            onsets_s=merge_onsets(drummer.all_times_s() + self._tones),
            lanes=drummer.lanes(),
            key=f"{TONICS[self._tonic]} {mode}" if self._spec.pads else None,
            sections=self._sections(),
        )

    def _sections(self) -> tuple[Section, ...]:
        pieces: list[tuple[int, str]] = []
        for bar in range(self._spec.bars):
            label = "groove"
            if _inside(bar, self._spec.breakdown_bars):
                label = "breakdown"
            elif _inside(bar, self._spec.half_time_bars):
                label = "half-time"
            if not pieces or pieces[-1][1] != label:
                pieces.append((bar, label))
        starts_s = [self._beat_s(bar, 0.0) for bar, _ in pieces]
        ends_s = [*starts_s[1:], self._end_s]
        return tuple(
            Section(start_s, end_s, label)
            for start_s, end_s, (_, label) in zip(starts_s, ends_s, pieces, strict=True)
        )


def _cut(groove: Groove, beats_per_bar: int) -> list[Hit]:
    return [hit for hit in groove.hits() if hit.beat < beats_per_bar]


def _inside(bar: int, span: tuple[int, int] | None) -> bool:
    return span is not None and span[0] <= bar < span[1]


def _pinkish(n_samples: int, rng: np.random.Generator) -> Float32:
    """Noise falling 3 dB per octave above 40 Hz, RMS 1."""
    spectrum = np.fft.rfft(noise(n_samples, rng))
    bins_hz = np.fft.rfftfreq(n_samples, 1.0 / SAMPLE_RATE_HZ)
    hiss = np.fft.irfft(spectrum / np.sqrt(np.maximum(bins_hz, 40.0)), n_samples)
    return np.asarray(hiss / np.sqrt(np.mean(hiss**2)), dtype=np.float32)


def _as_long(sound: Float32, n_samples: int) -> Float32:
    """The sound repeated and cut to `n_samples`, as stereo."""
    stereo = sound[:, None].repeat(2, axis=1) if sound.ndim == 1 else sound
    repeats = -(-n_samples // len(stereo))
    return np.tile(stereo, (repeats, 1))[:n_samples]
