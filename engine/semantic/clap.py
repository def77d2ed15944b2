"""The CLAP listener: knows any words, needs a checkpoint, works in a process of its own.

The newest ten seconds go there when it is idle; meanwhile what is newer is dropped. Its answer
is handed out the next time somebody listens.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from engine.clock import Clock, MonotonicClock
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic import clap_process
from engine.semantic import process_messages as process
from engine.semantic.clap_encoder import RATE_HZ, SAMPLES, TEMPERATURE, Encoder, open_clap
from engine.semantic.clap_folder import DEFAULT_CLAP, clap_folder
from engine.semantic.far_process import FarProcess, FarWork
from engine.semantic.text_vectors import TextVectors

WINDOW_S = SAMPLES / RATE_HZ
CPU_PERIOD_S = 2.0
GPU_PERIOD_S = 1.0
"""Musical time from one window to the next; the features alone take a core 0.1 s."""
SENTENCE = "This is a sound of {}."
"""Around every text: what zero-shot scores of CLAP are measured with."""
LIKENESS_LIMIT = 0.8
"""An encoder that finds noise and a tone more alike than this cannot tell sounds apart."""
LOAD_S = 180.0
OVERDUE_S = 60.0
"""Musical time of sound after which an answer is not waited for any more."""
_LOOK_S = 0.1

T = TypeVar("T")


class ClapListener:
    """A `protocols.Listener`. `hear` takes some milliseconds, however busy the process is."""

    name = "clap"
    window_s = WINDOW_S
    step_s = 0.5
    least_cosine = 0.2

    def __init__(
        self,
        model: str = DEFAULT_CLAP,
        device: str = "auto",
        *,
        patient: bool = False,
        stopping: threading.Event | None = None,
        encoder: Callable[[], Encoder] | None = None,
    ) -> None:
        """`model` is a folder or a hub id, `device` what computes it.

        `patient`: wait for every answer, for files that are not listened to in real time.
        `stopping` ends all waiting. `encoder` opens another one in the process (picklable).
        """
        self.temperature = TEMPERATURE
        self.warning = ""
        """One line after `load` when the encoder cannot be trusted."""
        self.model = model
        """Immutable."""
        self.also: process.Kind | None = None
        """What an adapter hears of the next window, beside the listener."""
        self.found: tuple[process.Kind, tuple[Float32, ...]] | None = None
        """The newest of that, until it is taken."""
        self._also: process.Kind | None = None  # of the window that is being worked on
        self._device = device
        self._patient = patient
        self._stopping = stopping or threading.Event()
        self._opener = encoder
        self._child: FarProcess | None = None
        self._texts: TextVectors | None = None
        self._width = 0
        self._period_s = CPU_PERIOD_S
        self._busy = False  # a window is being worked on
        self._since_s = math.inf  # musical time since a window was handed over
        self._heard: Float32 | None = None  # the newest answer, until it is returned

    def load(self) -> None:
        """Start the process and wait until it has its weights. Raises `ModelLoadError`."""
        opener = self._opener or partial(open_clap, clap_folder(self.model), self._device)
        self._child = FarProcess(FarWork("CLAP", clap_process.serve, opener))
        ready = self._wait(process.Ready)
        self.temperature, self._width = ready.temperature, ready.width
        self._period_s = GPU_PERIOD_S if ready.on_gpu else CPU_PERIOD_S
        self._texts = TextVectors(ready.digest)
        if not ready.likeness < LIKENESS_LIMIT:
            self.warning = (
                f"CLAP {self.model} hardly tells sounds apart (a tone is like noise or clicks "
                f"by {ready.likeness:.2f}, should be below {LIKENESS_LIMIT}): use {DEFAULT_CLAP}"
            )

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """Unit directions `(n, width)`, from the disk if known; zeros for a blank text."""
        child, known = self._loaded()
        sentences = [SENTENCE.format(text.strip()) if text.strip() else "" for text in texts]
        missing = [s for s in dict.fromkeys(sentences) if s and known.get(s) is None]
        if missing:
            child.send(process.Texts(tuple(missing)))
            known.add(missing, self._wait(process.Vectors).vectors)
        vectors = np.zeros((len(texts), self._width), np.float32)
        for row, sentence in zip(vectors, sentences, strict=True):
            vector = known.get(sentence)
            if vector is not None:
                row[:] = vector
        return vectors

    def hear(self, samples: Float32, sample_rate: int) -> Float32 | None:
        """Hand the newest ten seconds over if the process is idle; return what it has found."""
        child, _ = self._loaded()
        self._since_s += self.step_s
        while (message := child.receive(0.0)) is not None:
            self._take(message)
        if self._busy and self._since_s > OVERDUE_S:
            raise child.fail(f"CLAP has not answered for {OVERDUE_S:.0f} s: it is given up")
        if not self._busy and self._since_s >= self._period_s:
            self._also = also = self.also
            child.hand_over(samples, lambda count: process.Window(count, sample_rate, also))
            self._busy, self._since_s = True, 0.0
        if self._patient and self._busy:
            self._take(self._wait(process.Answer))
        heard, self._heard = self._heard, None
        return heard

    @property
    def loaded(self) -> bool:
        """Whether it can be asked: not before `load`, nor after `close`."""
        return self._child is not None

    def close(self) -> None:
        """End the process, within 2 s; idempotent."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _loaded(self) -> tuple[FarProcess, TextVectors]:
        if self._child is None or self._texts is None:
            raise ModelLoadError("CLAP is not loaded")
        return self._child, self._texts

    def _wait(self, kind: type[T]) -> T:
        """Wait for the answer of this kind; those to windows may come before."""
        assert self._child is not None
        clock: Clock = MonotonicClock()
        end_s = clock.now() + LOAD_S
        while not self._stopping.is_set():
            message = self._child.receive(_LOOK_S)
            if isinstance(message, kind):
                return message
            if message is not None:
                self._take(message)
            if clock.now() > end_s:
                raise self._child.fail(f"CLAP has not answered for {LOAD_S:.0f} s: it is given up")
        raise self._child.fail("CLAP was stopped while it was waited for")

    def _take(self, message: object) -> None:
        if isinstance(message, process.Answer):
            self._busy = False
            self._heard = message.direction
            if self._also is not None:
                self.found = self._also, message.also
