"""`ImageStructure`: one picture file that steers the shapes."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

from engine.diffusion.structure.fitting import picture_from_bgr
from engine.errors import StructureError
from engine.messages import StructureStatus, Uint8

MOST_PIXELS = 1 << 26
"""8192 x 8192. Unpacked, a picture is up to a thousand times as large as its file."""
MOST_BYTES = 1 << 28


class ImageStructure:
    """The same picture at any time. `open` on any thread; the rest never blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path  # immutable
        self._pixels: Uint8 | None = None  # written by open and close only

    def open(self) -> None:
        """Read the file. Raises `StructureError`."""
        self._pixels = read_picture(self._path)

    def picture_at(self, time_s: float) -> Uint8 | None:
        """The picture."""
        return self._pixels

    def status(self) -> StructureStatus:
        """There is nothing that could go wrong later."""
        return StructureStatus("image", self._path.name, f"image:{self._path}")

    def close(self) -> None:
        """Free the picture."""
        self._pixels = None


def read_picture(path: Path) -> Uint8:
    """Read a PNG, JPEG, WebP, BMP or TIFF as `(h, w, 3)` RGB, frozen, within `LARGEST_PX`.

    Raises `StructureError`.
    """
    data = _read(path)
    claimed = claimed_size(data)
    if claimed is not None and claimed[0] * claimed[1] > MOST_PIXELS:
        raise StructureError(
            f"{path} is {claimed[0]}x{claimed[1]} pixels, and at most 8192x8192 are read: "
            "give a smaller copy, shapes need no more than 1024"
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # it unpacks to more than OpenCV allows
        pixels = None
    if pixels is None:
        raise StructureError(f"{path} is no picture or is damaged: give a PNG or a JPEG")
    return picture_from_bgr(pixels)


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the head of a PNG or JPEG tells, None for any other data."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return int(width), int(height)
    return _jpeg_size(data) if data[:2] == b"\xff\xd8" else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Size in the frame header (SOF0 to SOF15) of a JPEG; ITU-T T.81, B.1.1.3 and B.2.2."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return int(width), int(height)
        place += 2 + length
    return None


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise StructureError(
                f"{path} has {size / 2**20:.0f} MiB, and a picture at most "
                f"{MOST_BYTES // 2**20}: for a film write video:{path.name}"
            )
        data = path.read_bytes()
    except OSError as error:
        raise StructureError(
            f"{path} cannot be read ({error.strerror}): choose a picture"
        ) from error
    if not data:
        raise StructureError(f"{path} is empty, 0 bytes: choose another picture")
    return data
