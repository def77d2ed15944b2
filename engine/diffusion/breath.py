"""Places in long work of the diffusion thread at which it can be left, or something else be done.

Opening a checkpoint copies gigabytes, and a picture of a large model takes a CPU many seconds.
Between two tensors and between two blocks of a network such work calls `breathe`; what happens
there is the business of whoever began it, with `breathing`. Elsewhere (exports, other threads,
tools) nothing happens. Never inside what a device records: only runners that execute a program
operation by operation have such places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

Breath = Callable[[], None]

_BREATH: ContextVar[Breath | None] = ContextVar("breath", default=None)
"""Of this thread; the openers and networks in between need not know of it."""


class Abandoned(BaseException):
    """Nobody waits any more for what is being done. No error, and nothing may take it for one."""


@contextmanager
def breathing(breath: Breath) -> Iterator[None]:
    """Have the work inside call `breath` at its places; what that raises ends the work."""
    token = _BREATH.set(breath)
    try:
        yield
    finally:
        _BREATH.reset(token)


def breathe() -> None:
    """Let whoever began this work look up."""
    breath = _BREATH.get()
    if breath is not None:
        breath()


def breathe_between_blocks(networks: Iterable[nn.Module]) -> None:
    """Make every block of the networks a place to breathe, before it computes.

    A block is a module with others inside: 223 of SD-Turbo's U-Net. Between two of them a 512x512
    picture computes for 0.38 s at most, for 0.64 s after the last (one thread of a Xeon without
    AMX, 28 Nov 2026). What is computed stays the same to the last bit.
    """
    for network in networks:
        for module in network.modules():
            if next(module.children(), None) is not None:
                module.register_forward_pre_hook(_before)


def _before(module: nn.Module, arguments: object) -> None:
    del module, arguments
    breathe()
