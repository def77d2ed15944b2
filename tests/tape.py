"""A recorder like a CUDA graph, on the CPU: operations are taped once and repeated in place.

What is replayed are the operations with the very tensors they were taped with. A number that the
program computed in Python, a branch it took, memory it made anew for a frame: all of that is
frozen in the tape, as it would be in a graph, and shows as a wrong picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

QUESTIONS = (
    "aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero", "aten::equal",
    "aten::masked_select", "aten::_unique2",
)  # fmt: skip
"""Operations whose answer the host has to wait for."""

Step = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]


class Watch(TorchDispatchMode):
    """Notes every operation and refuses those that ask the device something."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.new_bytes = 0
        """Of memory that operations made."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        assert func.name().split(".")[0] not in QUESTIONS, f"{func.name()} waits for the device"
        known = {place(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        result = func(*args, **kwargs)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and place(tensor) not in known:
                self.new_bytes += tensor.untyped_storage().nbytes()
        self.steps.append((func, args, kwargs, result))
        return result


class Tape:
    """A `Recorder`. Recording does the work once, so the first replay does nothing."""

    def __init__(self) -> None:
        self.taped = 0
        self.replayed = 0
        self.closed = 0

    def warm_up(self, work: Callable[[], None]) -> None:
        work()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        self.taped += 1
        with Watch() as watch:
            work()
        first = [True]

        def replay() -> None:
            if first.pop() if first else False:
                return
            self.replayed += 1
            for step in watch.steps:
                repeat(step)

        return replay

    def close(self) -> None:
        self.closed += 1


def repeat(step: Step) -> None:
    """Do an operation again and put its answer where it was."""
    func, args, kwargs, result = step
    again = func(*args, **kwargs)
    for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
        if isinstance(old, Tensor) and place(old) != place(new):
            old.copy_(new)


def place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def forbid_questions(monkeypatch: Any) -> None:
    """Let every way fail by which Python gets at what a tensor holds."""
    for name in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__"):

        def refuse(*_: object, name: str = name) -> None:
            raise AssertionError(f"Tensor.{name} waits for the device")

        monkeypatch.setattr(torch.Tensor, name, refuse)
