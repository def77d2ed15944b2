"""Shapes and sizes of an exported video. Plain arithmetic, no widgets."""

from __future__ import annotations

SHAPES: dict[str, tuple[int, int]] = {"1:1": (1, 1), "16:9": (16, 9), "9:16": (9, 16)}
SIZES = (512, 720, 1080, 1440, 2160)
RATES_FPS = (24.0, 25.0, 30.0, 50.0, 60.0)
QUALITIES = (("Highest", 12), ("High", 18), ("Good", 23), ("Small file", 28))
"""Names of H.264 CRF values; 6 steps double or halve the file."""


def output_size(shape: str, short_side_px: int) -> tuple[int, int]:
    """Return width and height, both even: encoders take nothing else."""
    across, down = SHAPES[shape]
    scale = short_side_px / min(across, down)
    return 2 * round(across * scale / 2), 2 * round(down * scale / 2)


def output_name(stem: str, preset: str, shape: str) -> str:
    """Return a file name that tells sound, preset and shape."""
    words = [stem, preset.removesuffix(".toml").replace("/", "-"), shape.replace(":", "x")]
    return "-".join(word.strip().replace(" ", "-") for word in words if word) + ".mp4"
