"""A small picture of a preset: one moment of the demo track, painted with it."""

from __future__ import annotations

from pathlib import Path

from engine.errors import SinkError
from engine.export.session import render
from engine.export.settings import ExportSettings
from engine.presets import THUMBNAIL_PX
from engine.runtime.listening import demo_track

_START_S = 5.0
"""The first prompt, in full sound."""
_SECONDS = 4.0
_SIDE_PX = 512
_JPEG_QUALITY = 88


def write_thumbnail(preset: Path, target: Path, folder: Path) -> Path:
    """Render a few seconds in `folder` and write the last picture of it, cut and shrunk.

    Returns `target`. Raises `EngineError`.
    """
    import av
    import cv2

    movie = folder / f"{preset.stem}.mp4"
    render(
        ExportSettings(
            demo_track(), movie, preset=str(preset), width=_SIDE_PX, height=_SIDE_PX, fps=24.0,
            start_s=_START_S, seconds=_SECONDS,
        )
    )  # fmt: skip
    with av.open(str(movie)) as container:
        *_, last = container.decode(video=0)
    width, height = THUMBNAIL_PX
    rows = _SIDE_PX * height // width
    top = (_SIDE_PX - rows) // 2
    picture = last.to_ndarray(format="bgr24")[top : top + rows]
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    if not cv2.imwrite(str(target), small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]):
        raise SinkError(f"cannot write {target}: check the folder and the free space")
    return target
