"""The picture that shows before the first picture."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from engine.errors import EngineError
from engine.messages import Uint8, freeze

logger = logging.getLogger(__name__)


def read_still(path: Path) -> Uint8:
    """Read a PNG or JPEG as `(h, w, 3)` RGB uint8. Raises `EngineError`."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise EngineError(
            f"{path} cannot be read ({error.strerror}): give a PNG or a JPEG"
        ) from error
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if pixels is None:
        raise EngineError(f"{path} is no picture: give a PNG or a JPEG")
    still: Uint8 = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8)
    freeze(still)
    return still


def first_still(path: Path | None) -> Uint8:
    """Read the still that shows before the first picture; the shipped one when `path` fails."""
    shipped = Path(str(files("resources") / "stills" / "still.jpg"))
    if path is not None and path.is_file():
        try:
            return read_still(path)
        except EngineError as error:
            logger.info("%s", error)
    return read_still(shipped)
