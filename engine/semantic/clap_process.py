"""The process in which CLAP runs, for the listener, for adapters, or for both at once."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import connection
from typing import Any

import numpy as np

from engine.messages import Float32
from engine.semantic.clap_encoder import RATE_HZ, SAMPLES, Encoder, exact_window
from engine.semantic.ear_process import heard_by
from engine.semantic.process_main import Answering, answer_until_closed
from engine.semantic.process_messages import Answer, Ask, Found, Ready, Texts, Vectors, Window
from engine.semantic.sound_vectors import ClapVectors

_SEED = 48_000


def serve(
    pipe: connection.Connection, shared: Any, open_encoder: Callable[[], Encoder]
) -> None:  # fmt: skip
    """Run until the pipe closes or the parent is gone. Main of the process.

    `shared` is an array of float32 which the parent writes only while no window is asked about.
    """
    sound = np.frombuffer(shared, np.float32)

    def begin() -> tuple[object, Answering]:
        encoder = open_encoder()
        strangers = encoder.embed_sounds(_strangers())
        ear = ClapVectors(encoder, strangers.shape[1])
        ready = Ready(
            ear.width, encoder.temperature, encoder.digest, encoder.on_gpu, likeness(strangers)
        )
        return ready, lambda asked: _answer(encoder, ear, sound, asked)

    answer_until_closed(pipe, "CLAP", begin)


def likeness(directions: Float32) -> float:
    """Return how alike a tone is to noise or to clicks, whichever is more, as a cosine.

    `directions` are theirs, in this order. A trained encoder keeps them apart (about 0.4); one
    with random weights, or a broken port, hears nearly the same in every sound (0.95 to 1).
    """
    return float(max(directions[0] @ directions[1], directions[0] @ directions[2]))


def _answer(encoder: Encoder, ear: ClapVectors, sound: Float32, asked: object) -> object:
    match asked:
        case Texts(texts):
            return Vectors(encoder.embed_texts(texts))
        case Ask(kind, count, rate):
            return Found(heard_by(ear, kind, sound[:count], rate))
        case Window(count, rate, also):
            window = exact_window(sound[:count], rate)
            direction = encoder.embed_sounds(window[None])[0]
            return Answer(direction, heard_by(ear, also, sound[:count], rate) if also else ())
        case _:
            raise TypeError(f"CLAP is asked {type(asked).__name__}")


def _strangers() -> Float32:
    """A tone, noise and clicks, shape `(3, SAMPLES)`."""
    time_s = np.arange(SAMPLES) / RATE_HZ
    tone = 0.3 * np.sin(2.0 * np.pi * 440.0 * time_s)
    noise = 0.1 * np.random.default_rng(_SEED).standard_normal(SAMPLES)
    clicks = np.where(np.arange(SAMPLES) % (RATE_HZ // 4) < 4, 0.8, 0.0)
    return np.stack([tone, noise, clicks]).astype(np.float32)
