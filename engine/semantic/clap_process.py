"""The process in which CLAP runs: one torch thread, low priority, gone when its parent is.

Only one thread of the show's process may run torch on a CPU (a second one costs the picture
30 %), so CLAP has a process of its own. Windows come through shared memory, everything else as
small messages through a pipe, answered in order. Nothing heavy is imported before it runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from typing import Any

import numpy as np

from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic.clap_encoder import RATE_HZ, SAMPLES, Encoder, exact_window

NICENESS = 10
_SEED = 48_000
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """Asks for the direction of what lies in the shared memory."""

    count: int
    """Samples, mono."""
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Answer:
    """To a `Window`."""

    direction: Float32
    """Unit `(width,)`."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Asks for the directions of texts."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vectors:
    """To `Texts`."""

    vectors: Float32
    """Shape `(texts, width)`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The first message: the encoder is loaded."""

    width: int
    temperature: float
    digest: str
    on_gpu: bool
    likeness: float
    """Of sounds that are nothing like each other; see `likeness`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The last message: one line for the user."""

    line: str


def serve(
    pipe: connection.Connection, shared: Any, open_encoder: Callable[[], Encoder]
) -> None:  # fmt: skip
    """Run until the pipe closes or the parent is gone. Main of the process.

    `shared` is an array of float32 which the parent writes only while no window is asked for.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it closes the pipe
    os.environ.update(_ENVIRONMENT)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    _be_humble()
    sound = np.frombuffer(shared, np.float32)
    try:
        encoder = open_encoder()
        strangers = encoder.embed_sounds(_strangers())
        width, alike = strangers.shape[1], likeness(strangers)
        pipe.send(Ready(width, encoder.temperature, encoder.digest, encoder.on_gpu, alike))
        while True:
            asked = pipe.recv()
            if isinstance(asked, Texts):
                pipe.send(Vectors(encoder.embed_texts(asked.texts)))
            else:
                window = exact_window(sound[: asked.count], asked.sample_rate)
                pipe.send(Answer(encoder.embed_sounds(window[None])[0]))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except ModelLoadError as error:
        _say_last(pipe, str(error))
    except (RuntimeError, MemoryError) as error:  # torch's way to say that memory is short
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        _say_last(pipe, f"CLAP has failed ({first:.160}): close other programs")


def likeness(directions: Float32) -> float:
    """Return how alike a tone is to noise or to clicks, whichever is more, as a cosine.

    `directions` are theirs, in this order. A trained encoder keeps them apart (about 0.4); one
    with random weights, or a broken port, hears nearly the same in every sound (0.95 to 1).
    """
    return float(max(directions[0] @ directions[1], directions[0] @ directions[2]))


def _strangers() -> Float32:
    """A tone, noise and clicks, shape `(3, SAMPLES)`."""
    time_s = np.arange(SAMPLES) / RATE_HZ
    tone = 0.3 * np.sin(2.0 * np.pi * 440.0 * time_s)
    noise = 0.1 * np.random.default_rng(_SEED).standard_normal(SAMPLES)
    clicks = np.where(np.arange(SAMPLES) % (RATE_HZ // 4) < 4, 0.8, 0.0)
    return np.stack([tone, noise, clicks]).astype(np.float32)


def _say_last(pipe: connection.Connection, line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be there to hear it
        pipe.send(Failure(line))


def _be_humble() -> None:
    if os.name == "posix":
        os.nice(NICENESS)
    else:
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)


def _end_with_parent() -> None:
    """A parent that was killed closes no pipe in the middle of a long computation."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(0)
