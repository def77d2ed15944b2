"""What a projector hears of whole clips: the views at the end of every window."""

from __future__ import annotations

import numpy as np

from engine.messages import Float32
from engine.semantic.sound_vectors import SoundViews


def moments(encoder: SoundViews, samples: Float32, rate_hz: int) -> Float32:
    """Views at the end of every whole window of a clip, `(n, 3, width)`, n at least 1."""
    window = max(1, round(encoder.window_s * rate_hz))
    ends = range(window, len(samples) + 1, window) if len(samples) >= window else (len(samples),)
    found = [np.stack(encoder.views(samples[:end], rate_hz)) for end in ends]
    return np.stack(found).astype(np.float32)
