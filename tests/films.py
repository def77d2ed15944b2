"""Films for tests, made on the spot."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

RATE = 10


def write_film(path: Path, frames: int = 20, codec: str = "libx264", size: int = 64) -> Path:
    """A film whose every picture has a grey of its own, 10 a second, key pictures 1 s apart."""
    with av.open(str(path), "w") as movie:
        stream = movie.add_stream(codec, rate=RATE)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = RATE
        for k in range(frames):
            pixels = np.full((size, size, 3), 30 + 10 * k % 220, np.uint8)
            movie.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        movie.mux(stream.encode(None))
    return path
