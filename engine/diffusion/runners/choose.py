"""Which runner executes whole frames, from the name that was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from platformdirs import user_cache_path

from engine.diffusion.bundle import Bundle
from engine.diffusion.frame import FrameProgram, FrameState
from engine.diffusion.runners.climb import ClimbingFrames
from engine.diffusion.runners.compiled import Compilable, Workshop, load_parts
from engine.diffusion.runners.frames import (
    FrameOpener,
    FrameRunner,
    SaidFrames,
    direct_frames,
    graph_frames,
)
from engine.registry import AUTO_RUNNER, ModelRequest


def choose_frames(request: ModelRequest, bundle: Bundle) -> FrameOpener:
    """Return what opens the runner of frames that `request` asks for.

    `auto` begins with what needs nothing and climbs; elsewhere than on CUDA there is nothing to
    climb to that would not cost the show its cores. Any other name happens, is a
    `ModelLoadError`, or, where a bundle has nothing that could be compiled, is said in `message`.
    """
    on_cuda = bundle.device.type == "cuda"
    compilable = bundle if isinstance(bundle, Compilable) else None
    if request.runner == AUTO_RUNNER:
        if not on_cuda:
            return direct_frames
        return graph_frames if compilable is None else _climbing(request, compilable)
    if request.runner == "graph":
        return graph_frames
    if request.runner == "compile":
        if compilable is not None:
            return _compiled(request, compilable)
        plain = graph_frames if on_cuda else direct_frames
        return plain if getattr(bundle, "runner", "") == "compile" else _uncompiled(plain)
    return direct_frames


def _uncompiled(plain: FrameOpener) -> FrameOpener:
    """Paint all the same and say so: nothing of the bundle is compiled."""

    def opened(program: FrameProgram, state: FrameState) -> FrameRunner:
        frames = plain(program, state)
        return SaidFrames(
            frames, "compile knows U-Nets only: this model paints as eager does (graph on CUDA)"
        )

    return opened


def _climbing(request: ModelRequest, bundle: Compilable) -> FrameOpener:
    def opened(program: FrameProgram, state: FrameState) -> FrameRunner:
        workshop = Workshop(replace(request, runner="eager"), _home())
        return ClimbingFrames(graph_frames(program, state), bundle, state.size, workshop)

    return opened


def _compiled(request: ModelRequest, bundle: Compilable) -> FrameOpener:
    """Wait for the compiler: for exports, whose runner is the same from the first frame on."""

    def opened(program: FrameProgram, state: FrameState) -> FrameRunner:
        workshop = Workshop(replace(request, runner="eager"), _home())
        try:
            workshop.wait()
            bundle.use(load_parts(workshop.folder, bundle.parts(*state.size)))
        finally:
            workshop.close()
        if program.device.type == "cuda":
            return graph_frames(program, state)
        return direct_frames(program, state)

    return opened


def _home() -> Path:
    return user_cache_path("sonolume", appauthor=False) / "compiled"
