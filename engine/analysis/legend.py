"""What the arrays of `sonolume analyze --features` hold: one row each, also in the file itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from engine.messages import BAND_NAMES, CHROMA_BINS, LANE_NAMES, MEL_BANDS

_BANDS, _LANES = ", ".join(BAND_NAMES), ", ".join(LANE_NAMES)

LEGEND: Mapping[str, tuple[tuple[int, ...], str, str]] = MappingProxyType(
    {
        "time_s": ((), "s", "end of the hop, the analysis is causal"),
        "sample_index": ((), "samples", "one past the last sample heard"),
        "level_db": ((), "dBFS", "RMS of the newest 46 ms; -120 in digital silence"),
        "peak": ((), "full scale 1", "largest absolute sample of the hop"),
        "silent": ((), "bool", "below the threshold for 300 ms; gain control stands still"),
        "band_level": ((6,), "0..1", f"loudness against the last ~45 s: {_BANDS}"),
        "band_hit": ((6,), "0..1", f"a rise right now, decays in ~200 ms: {_BANDS}"),
        "band_presence": ((6,), "0..1", f"how much there was over ~2 s: {_BANDS}"),
        "onset_strength": ((), "0..1", "0 steady, 1 a clear attack"),
        "onset_count": ((), "count", "onsets since the start"),
        "centroid": ((), "0..1", "spectral centroid, log axis 150..6000 Hz"),
        "flatness": ((), "0..1", "0 a tone, 1 noise"),
        "tempo_bpm": ((), "BPM", "0 while unknown"),
        "tempo_confidence": ((), "0..1", "how sure the tempo is"),
        "beat_count": ((), "count", "beats since the start"),
        "beat_phase": ((), "0..1", "0 at the beat, in beats"),
        "tempo_by_hand": ((), "bool", "the tempo was fixed by hand"),
        "beat_tapped": ((), "bool", "a finger beats on in silence"),
        "lanes_hit": ((3,), "0..1", f"newest stroke, decays in ~200 ms: {_LANES}"),
        "lanes_count": ((3,), "count", f"strokes since the start: {_LANES}"),
        "texture_mel": ((MEL_BANDS,), "0..1", "mel bands, each against its own recent top"),
        "texture_loudness_lufs": ((), "LUFS", "momentary loudness, 400 ms, ITU-R BS.1770"),
        "texture_rolloff": ((), "0..1", "85 % of the spectrum lies below, log axis 100..16000 Hz"),
        "texture_flux": ((), "0..1", "change of the spectrum against its fastest of ~8 s"),
        "texture_crest": ((), "0..1", "peak over RMS, 0..20 dB"),
        "texture_width": ((), "0..1", "stereo width, 0 mono"),
        "texture_percussive": ((), "0..1", "share of strokes against tones"),
        "bar_beats": ((), "beats", "beats per bar, 3 or 4"),
        "bar_count": ((), "count", "bars since the start"),
        "bar_phase": ((), "0..1", "0 at the downbeat, in bars"),
        "bar_confidence": ((), "0..1", "how clearly one beat is the first"),
        "tonal_chroma": (
            (CHROMA_BINS,),
            "0..1",
            "pitch classes from C up; all 0 without a tone",
        ),
        "tonal_key": (
            (),
            "number",
            "0..11 C major to B major, 12..23 the minor ones, -1 none",
        ),
        "tonal_key_confidence": ((), "0..1", "how sure the key is"),
        "tonal_pitch_hz": ((), "Hz", "of the leading voice; 0 before any"),
        "tonal_pitch_confidence": ((), "0..1", "0 where nothing has a pitch"),
        "structure_novelty": ((), "0..1", "how unlike the last seconds are to those before"),
        "structure_build": ((), "0..1", "how surely the music is building up"),
        "structure_drop_count": ((), "count", "drops since the start"),
        "structure_section_count": ((), "count", "sections begun since the start"),
        "structure_section": ((), "number", "which section, 0 is A; -1 while unknown"),
        "structure_heard_before": ((), "bool", "this section was heard earlier"),
        "structure_section_delay_s": ((), "s", "how long it had lasted when it was told"),
    }
)
"""Name -> shape of one row (`()` is one number), unit, meaning."""


def legend_array(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows of text `(arrays, 4)`: name, shape, unit, meaning; the shape with the hops in front."""
    rows = [
        (name, str(arrays[name].shape), unit, meaning)
        for name, (_, unit, meaning) in LEGEND.items()
        if name in arrays
    ]
    return np.array(rows, dtype=np.str_)
