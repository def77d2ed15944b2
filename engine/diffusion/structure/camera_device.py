"""Opening a real camera, and saying why one cannot be had."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import cast

import cv2

from engine.diffusion.structure.camera import Capture
from engine.errors import StructureError

WIDTH_PX, HEIGHT_PX = 640, 480
"""Asked of the camera: every one can, and it is enough for shapes."""
DEVICES = Path("/dev")


def open_camera(number: int) -> Capture:
    """Open a camera by its number. Raises `StructureError`; may block for seconds."""
    if sys.platform.startswith("linux"):
        check_device_file(number, DEVICES)
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # we say it ourselves
    try:
        camera = cv2.VideoCapture(number)
        opened = camera.isOpened()
    except cv2.error:
        opened = False
    finally:
        cv2.utils.logging.setLogLevel(before)
    if not opened:
        raise StructureError(_why_not(number))
    camera.set(cv2.CAP_PROP_FRAME_WIDTH, WIDTH_PX)
    camera.set(cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT_PX)
    camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not the oldest of four
    return cast("Capture", camera)


def check_device_file(number: int, devices: Path) -> None:
    """Raise `StructureError` where Linux has no such camera, or not for us."""
    file = devices / f"video{number}"
    if not file.exists():
        there = sorted(
            int(match[1])
            for path in devices.glob("video*")
            if (match := re.fullmatch(r"video(\d+)", path.name))
        )
        others = f"there is {_numbers(there)}" if there else "none is connected"
        raise StructureError(f"no camera {number}: {others}; plug it in, it is waited for")
    if not os.access(file, os.R_OK | os.W_OK):
        raise StructureError(
            f"no permission for camera {number}: add yourself to the group `video` "
            "(sudo usermod -aG video $USER) and log in again"
        )


def _numbers(there: list[int]) -> str:
    return ", ".join(f"camera:{number}" for number in there)


def _why_not(number: int) -> str:
    if sys.platform == "darwin":
        return (
            f"camera {number} cannot be opened: plug it in, and allow it in System Settings, "
            "Privacy & Security, Camera"
        )
    return (
        f"camera {number} cannot be opened: close the program that uses it, or choose another "
        "with camera:N"
    )
