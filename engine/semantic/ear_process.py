"""The process of an encoder that only adapters hear by (VGGish), and how any of them is asked."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import connection
from typing import Any

import numpy as np

from engine.messages import Float32
from engine.semantic.process_main import Answering, answer_until_closed
from engine.semantic.process_messages import Ask, Found, Kind, Opened
from engine.semantic.sound_vectors import SoundVectors, SoundViews, open_sound_vectors


def open_alone(name: str) -> SoundVectors:
    """Open an encoder in its process, with one CPU thread for all of torch.

    Raises `ModelLoadError`.
    """
    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    return open_sound_vectors(name)


def serve(
    pipe: connection.Connection, shared: Any, open_ear: Callable[[], SoundVectors]
) -> None:  # fmt: skip
    """Run until the pipe closes or the parent is gone. Main of the process.

    `shared` is an array of float32 which the parent writes only while no window is asked about.
    """
    sound = np.frombuffer(shared, np.float32)

    def begin() -> tuple[object, Answering]:
        ear = open_ear()
        return Opened(), lambda asked: _answer(ear, sound, asked)

    answer_until_closed(pipe, "VGGish", begin)


def heard_by(
    ear: SoundVectors, kind: Kind, samples: Float32, sample_rate: int
) -> tuple[Float32, ...]:
    """What an adapter hears of a sound, as an export does; see `Found.vectors`."""
    finite = np.nan_to_num(samples)  # a copy too: the shared memory is written again
    match kind:
        case "views":
            assert isinstance(ear, SoundViews)
            return ear.views(finite, sample_rate)
        case "sequence":
            return (ear.sequence(finite, sample_rate),)
        case "vector":
            return (ear.encode(finite, sample_rate),)


def _answer(ear: SoundVectors, sound: Float32, asked: object) -> object:
    match asked:
        case Ask(kind, count, rate):
            return Found(heard_by(ear, kind, sound[:count], rate))
        case _:
            raise TypeError(f"an adapter's encoder is asked {type(asked).__name__}")
