"""What executes whole frames: the program itself, or a recording of it that a device replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from engine.diffusion.frame import FrameMode, FrameProgram, FrameState
from engine.errors import ModelLoadError

Work = Callable[[], None]

WARM_UPS = 3
"""Frames of a kind that run as they are before one is recorded: libraries choose their kernels
and make their workspaces in the first. They are frames of the show; nothing is painted twice."""


class FrameRunner(Protocol):
    """Executes frames, one after another, into the memory of their program's state."""

    @property
    def name(self) -> str:
        """What `status().runner` says: what has executed the newest frame."""
        ...

    @property
    def message(self) -> str:
        """One line about what is being prepared or could not be; empty when all is well."""
        ...

    @property
    def stepwise(self) -> bool:
        """Whether Python runs every operation of every frame, so that one can be left midway."""
        ...

    def run(self, mode: FrameMode) -> None:
        """Start the next frame; on a GPU it may still be painting when this returns."""
        ...

    def close(self) -> None:
        """Free what it has made; idempotent."""
        ...


class Recorder(Protocol):
    """Records what a device is told to do. Its twin without a GPU is the tests' `Tape`."""

    def warm_up(self, work: Work) -> None:
        """Do the work, in the surroundings in which it will be recorded."""
        ...

    def record(self, work: Work) -> Work:
        """Record the work without doing it; return what does it again and again."""
        ...

    def close(self) -> None:
        """Free all recordings."""
        ...


class DirectFrames:
    """Runs the program itself, operation by operation: works everywhere, nothing to prepare."""

    name = "eager"
    message = ""
    stepwise = True

    def __init__(self, program: FrameProgram) -> None:
        self._program = program

    def run(self, mode: FrameMode) -> None:
        """See `FrameRunner`."""
        self._program(mode)

    def close(self) -> None:
        """See `FrameRunner`."""


class SaidFrames:
    """Frames of another runner than was asked for, and one line that says so."""

    def __init__(self, frames: FrameRunner, message: str) -> None:
        self._frames = frames
        self.message = message

    @property
    def name(self) -> str:
        """See `FrameRunner`."""
        return self._frames.name

    @property
    def stepwise(self) -> bool:
        """See `FrameRunner`."""
        return self._frames.stepwise

    def run(self, mode: FrameMode) -> None:
        """See `FrameRunner`."""
        self._frames.run(mode)

    def close(self) -> None:
        """See `FrameRunner`."""
        self._frames.close()


class RecordedFrames:
    """Replays one recording per kind of frame, made when the kind comes up for the fourth time.

    A recording reads memory at fixed places, so kinds count anew when the prompts' memory had to
    be made anew (`FrameState.prompt_shape`).
    """

    message = ""
    stepwise = False

    def __init__(self, program: FrameProgram, state: FrameState, recorder: Recorder) -> None:
        self._program = program
        self._state = state
        self._recorder = recorder
        self._seen: dict[FrameMode, int] = {}
        self._replays: dict[FrameMode, Work] = {}
        self._prompt_shape = state.prompt_shape

    @property
    def name(self) -> str:
        """See `FrameRunner`."""
        return "graph" if self._replays else "eager"

    @property
    def recorded(self) -> int:
        """Kinds of frames that are replayed."""
        return len(self._replays)

    def run(self, mode: FrameMode) -> None:
        """See `FrameRunner`."""
        if self._prompt_shape != self._state.prompt_shape:
            self.forget()
        replay = self._replays.get(mode)
        if replay is None:
            seen = self._seen[mode] = self._seen.get(mode, 0) + 1
            if seen <= WARM_UPS:
                self._recorder.warm_up(lambda: self._program(mode))
                return
            replay = self._replays[mode] = self._recorder.record(lambda: self._program(mode))
        replay()

    def forget(self) -> None:
        """Drop all recordings: what they read has moved, or other networks are to be recorded."""
        self._replays.clear()
        self._seen.clear()
        self._recorder.close()
        self._prompt_shape = self._state.prompt_shape

    def close(self) -> None:
        """See `FrameRunner`."""
        self.forget()


FrameOpener = Callable[[FrameProgram, FrameState], FrameRunner]
"""Makes the runner of a program's frames."""


def direct_frames(program: FrameProgram, state: FrameState) -> FrameRunner:
    """Return the runner that works everywhere."""
    del state
    return DirectFrames(program)


def graph_frames(program: FrameProgram, state: FrameState) -> RecordedFrames:
    """Return the runner that replays CUDA graphs. Raises `ModelLoadError` on other devices."""
    if program.device.type != "cuda":
        raise ModelLoadError(
            "the graph runner records what a CUDA device does, and this is "
            f"{program.device.type}: use the eager runner"
        )
    from engine.diffusion.runners.cuda_graph import CudaRecorder

    return RecordedFrames(program, state, CudaRecorder(program.device))
