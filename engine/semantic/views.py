"""One sound in three views, so that what is decomposed later was apart from the beginning.

A vector of a whole mixture cannot be taken apart again (`conditioning.sound_embedding.VIEWS`):
foreground is the percussive part, background the harmonic part (median filtering of the spectrum
along either axis: FitzGerald 2010, "Harmonic/percussive separation using median filtering", here
on mel bands), atmosphere the bed that never goes away: a low quantile of the second around.
"""

from __future__ import annotations

import numpy as np

from engine.conditioning.rank_filter import ranked
from engine.messages import Float32
from engine.semantic.log_mel import FRAMES, RANGE_DB, mel_power
from engine.semantic.network import HEAD, ListenerNetwork

EAR_WIDTH = 2 * HEAD
_LONG_FRAMES = 17
"""0.4 s: what is steadier than that is harmonic."""
_WIDE_BANDS = 17
"""What is wider than that is percussive."""
_BED_FRAMES = 41
_BED_SHARE = 0.25
_FLOOR = 1e-12


def split_power(power: Float32) -> Float32:
    """Return power `(3, frames, BANDS)` of foreground, background and atmosphere.

    Foreground and background sum to `power` `(frames, BANDS)`.
    """
    harmonic = ranked(power, _LONG_FRAMES, axis=0, edge="reflect")
    percussive = ranked(power, _WIDE_BANDS, axis=1, edge="reflect")
    share = percussive**2 / (percussive**2 + harmonic**2 + _FLOOR**2)
    lowest = ranked(power, _BED_FRAMES, axis=0, share=_BED_SHARE, edge="reflect")
    bed = np.minimum(lowest, power)
    return np.stack([share * power, (1.0 - share) * power, bed]).astype(np.float32)


def view_levels(power: Float32) -> Float32:
    """Return levels `(3, frames, BANDS)` in [0, 1]: 1 is the loudest cell of the whole sound.

    So a part that is hardly there is dark, and does not look like noise.
    """
    top_db = 10.0 * np.log10(power.max() + _FLOOR)
    level_db = 10.0 * np.log10(split_power(power) + _FLOOR)
    return np.asarray(np.maximum((level_db - top_db) / RANGE_DB + 1.0, 0.0), np.float32)


def view_features(network: ListenerNetwork, power: Float32) -> tuple[Float32, ...]:
    """Return three vectors `(EAR_WIDTH,)` of a window's power `(frames, BANDS)`."""
    return tuple(network.features(levels) for levels in view_levels(power))


def hear_views(
    network: ListenerNetwork, samples: Float32, sample_rate: int
) -> tuple[Float32, ...]:
    """The same of mono samples: their newest two seconds."""
    return view_features(network, mel_power(samples, sample_rate, FRAMES))
