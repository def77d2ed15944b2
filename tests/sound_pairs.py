"""Small made-up sounds, captions and pictures in AudioCaps' layout."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import soundfile

from engine.messages import Float32

RATE_HZ = 16_000
CLASSES = ("a calm sea", "a burning fire", "a green forest", "a city at night")
COLOURS = ((40, 90, 200), (230, 90, 20), (30, 150, 50), (30, 20, 60))


def sound_of(kind: int, rng: np.random.Generator, seconds: float = 2.0) -> Float32:
    """Four kinds that anybody tells apart: low hum, clicks, chirps, noise."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    if kind == 0:
        wave = np.sin(2 * np.pi * (90.0 + 10.0 * rng.random()) * time_s)
    elif kind == 1:
        wave = (rng.random(len(time_s)) < 0.002).astype(np.float64)
    elif kind == 2:
        wave = np.sin(2 * np.pi * (2000.0 + 800.0 * np.sin(40.0 * time_s)) * time_s)
    else:
        wave = rng.normal(size=len(time_s))
    return np.asarray(0.3 * wave / np.abs(wave).max(), np.float32)


def write_folder(folder: Path, *, count: int = 12, split: str = "train", first: int = 0) -> Path:
    samples = []
    for name in ("audio", "frames"):
        (folder / split / name).mkdir(parents=True)
    for index in range(first, first + count):
        kind, rng = index % len(CLASSES), np.random.default_rng(index)
        soundfile.write(folder / split / "audio" / f"{index}.wav", sound_of(kind, rng), RATE_HZ)
        picture = np.full((64, 64, 3), COLOURS[kind][::-1], np.uint8)
        cv2.circle(picture, (20 + index % 24, 30), 12, (250, 250, 250), -1)
        cv2.imwrite(str(folder / split / "frames" / f"{index}.png"), picture)
        samples.append({"id": str(index), "audio": f"{split}/audio/{index}.wav",
                        "caption": CLASSES[kind], "split": split})  # fmt: skip
    (folder / split / "metadata.json").write_text(json.dumps({"samples": samples}))
    return folder
