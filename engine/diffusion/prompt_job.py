"""`PromptJob`: one prompt on its way through the text encoder, a slice at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.diffusion.bundle import PromptEmbedding


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """An encoded prompt, where the denoiser is and where the CPU can look at it."""

    embedding: PromptEmbedding
    host: PromptEmbedding


class Lane(Protocol):
    """Where a text encoder works beside the picture."""

    def work(self) -> AbstractContextManager[object]:
        """Enqueue what is done inside behind what the lane already has to do."""
        ...

    def to_host(self, tensor: Tensor) -> Tensor:
        """Have a copy on the CPU, whole once the lane is done."""
        ...

    def hand_over(self, embedding: PromptEmbedding) -> None:
        """Let the pictures' own stream read what was made here."""
        ...

    def mark(self) -> None:
        """Remember this place."""
        ...

    def done(self) -> bool:
        """Whether the lane has come to the mark; never waits."""
        ...

    def wait(self) -> None:
        """Wait for it."""
        ...


class PlainLane:
    """CPU and MPS: what was called is done, or in order with everything that follows."""

    def work(self) -> AbstractContextManager[object]:
        """Nothing special."""
        return nullcontext()

    def to_host(self, tensor: Tensor) -> Tensor:
        """The tensor itself on a CPU."""
        return tensor.detach().cpu()

    def hand_over(self, embedding: PromptEmbedding) -> None:
        """It is theirs."""

    def mark(self) -> None:
        """Nothing to remember."""

    def done(self) -> bool:
        """At once."""
        return True

    def wait(self) -> None:
        """Nothing to wait for."""


class CudaLane:
    """A stream of its own: the encoder fills what the picture leaves idle of the GPU."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream(device))  # the weights are being copied
        self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def work(self) -> AbstractContextManager[object]:
        """Enqueue on the stream."""
        context: AbstractContextManager[object] = torch.cuda.stream(self._stream)
        return context

    def to_host(self, tensor: Tensor) -> Tensor:
        """A pinned copy, so that nobody waits for it."""
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        return pinned.copy_(tensor, non_blocking=True)

    def hand_over(self, embedding: PromptEmbedding) -> None:
        """Tell the allocator, which knows only the stream that memory was taken on."""
        for tensor in (embedding.tokens, embedding.pooled, embedding.mask):
            if tensor is not None:
                tensor.record_stream(torch.cuda.current_stream(tensor.device))

    def mark(self) -> None:
        """Record an event."""
        self._event.record(self._stream)

    def done(self) -> bool:
        """Ask the event."""
        return bool(self._event.query())  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        """Wait for the event."""
        self._event.synchronize()


def lane_for(device: torch.device) -> Lane:
    """Return the lane of a device."""
    return CudaLane(device) if device.type == "cuda" else PlainLane()


class PromptJob:
    """Asks for slices one by one and says when the prompt is ready. Diffusion thread only."""

    def __init__(self, slices: Generator[None, None, PromptEmbedding], lane: Lane) -> None:
        self._slices = slices
        self._lane = lane
        self._encoded: EncodedPrompt | None = None

    @property
    def enqueued(self) -> bool:
        """Nothing is left to do but for the device to finish."""
        return self._encoded is not None

    def advance(self) -> EncodedPrompt | None:
        """Do one slice more, if there is one; the prompt once it is whole, else None."""
        if self._encoded is None:
            with self._lane.work():
                self._encoded = self._next()
        return self._encoded if self._encoded is not None and self._lane.done() else None

    def finish(self) -> EncodedPrompt:
        """Do all that is left, and wait."""
        with self._lane.work():
            while self._encoded is None:
                self._encoded = self._next()
        self._lane.wait()
        return self._encoded

    def _next(self) -> EncodedPrompt | None:
        try:
            next(self._slices)
        except StopIteration as end:
            embedding: PromptEmbedding = end.value
            host = PromptEmbedding(
                self._lane.to_host(embedding.tokens),
                None if embedding.pooled is None else self._lane.to_host(embedding.pooled),
                None if embedding.mask is None else self._lane.to_host(embedding.mask),
            )
            self._lane.mark()
            return EncodedPrompt(embedding, host)
        return None
