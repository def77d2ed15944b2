"""One frame as a tensor program over memory that never moves: what a device can record and replay.

previous picture -> warp -> sharpen -> anchor colour -> encode -> noise at strength t -> calls of
the model -> decode -> learn, crispen -> uint8. All that differs from frame to frame comes out of
one vector (`FrameParams`); nothing here asks the device a question, so no call waits for it. What
the host decides beforehand is a `FrameMode`, and every mode is a program of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.diffusion.bundle import Bundle, PromptEmbedding
from engine.diffusion.coherence import ColourAnchor
from engine.diffusion.detail import unsharp
from engine.diffusion.frame_params import FrameParams
from engine.diffusion.noise import NoiseWalk
from engine.diffusion.noise_level import NoiseLevel, noised
from engine.diffusion.structure.steering import Steering
from engine.diffusion.warp import Warp

_TENSORS = ("tokens", "pooled", "mask")
"""What the denoiser is given of a `PromptEmbedding`."""

Source = Literal["nothing", "latent", "picture"]


@dataclass(frozen=True, slots=True)
class FrameMode:
    """What the host has decided about a frame; two frames of one mode run the same operations."""

    source: Source
    """`latent` where nothing moved and nothing has to be held: the encoder is not called."""
    calls: int = 1
    """Model calls."""
    guided: bool = False
    """Two rows per call: the prompt and the empty one."""
    anchored: bool = True
    moved: bool = False
    bent: bool = False
    """The swell is part of the way."""
    sharpened: bool = False
    steered: bool = False
    """A structure picture is mixed in."""
    led: bool = False
    """A ControlNet takes part in the model's calls."""
    heard: bool = False
    """The denoiser hears a sound beside its prompt."""
    noise_moved: bool = False
    """The noise goes the picture's way."""
    remembered: bool = False
    """The denoiser sees earlier pictures beside its own."""
    kept: bool = False
    """It is one that later ones see."""


class FrameState:
    """All memory of the picture loop, made once for one size. Diffusion thread only."""

    def __init__(self, bundle: Bundle, width: int, height: int) -> None:
        device = bundle.device
        self.size = (width, height)
        shape = bundle.latent_shape(width, height)
        self.params = FrameParams(device)
        self.picture = torch.zeros(1, 3, height, width, device=device)
        self.latent = torch.zeros(shape, device=device)
        self.steering = Steering(width, height, device)
        self.warp = Warp(width, height, device)
        self.noise = NoiseWalk(shape, 0, device, self.params)
        self.anchor = ColourAnchor(width, height, device, self.params)
        self.pixels = torch.zeros(height, width, 3, dtype=torch.uint8, device=device)
        self.report = torch.zeros(2, device=device)
        """See `ColourAnchor.report`."""
        self.scaled = torch.zeros(3, height, width, device=device)
        self._prompts: PromptEmbedding | None = None  # two rows: the prompt and the empty one
        self._one: PromptEmbedding | None = None  # the first of them
        self.prompt_shape = 0
        """Counts up when prompts of another shape needed other memory."""

    def hold_prompts(self, prompt: PromptEmbedding, empty: PromptEmbedding) -> None:
        """Copy the frame's prompts to where the program reads them."""
        if self._prompts is None or not _fits(self._prompts, prompt):
            self._prompts = _row_pair(prompt)
            self._one = _first_row(self._prompts)
            self.prompt_shape += 1
        for name in _TENSORS:
            rows = getattr(self._prompts, name)
            if rows is not None:
                rows[:1].copy_(getattr(prompt, name))
                rows[1:].copy_(getattr(empty, name))

    def prompt(self, *, guided: bool) -> PromptEmbedding:
        """Return the held prompt, `(1, ...)`, or with the empty one below it, `(2, ...)`."""
        assert self._prompts is not None
        assert self._one is not None
        return self._prompts if guided else self._one


class FrameProgram:
    """Runs a mode once: reads and writes `state` only. Diffusion thread only."""

    def __init__(self, bundle: Bundle, state: FrameState) -> None:
        self._bundle = bundle
        self._state = state

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._bundle.device

    def __call__(self, mode: FrameMode) -> None:
        """Paint the next picture into the state."""
        s = self._state
        latent = self._called(mode, self._source(mode))
        torch.clamp(self._bundle.decode(latent), -1.0, 1.0, out=s.picture)
        s.latent.copy_(latent)
        s.anchor.learn(s.picture)
        if mode.anchored:
            s.anchor.crispen(s.picture).clamp_(-1.0, 1.0)
        torch.add(s.picture[0], 1.0, out=s.scaled).mul_(127.5).round_()
        s.pixels.copy_(s.scaled.permute(1, 2, 0))
        s.report.copy_(s.anchor.report())

    def _source(self, mode: FrameMode) -> Tensor | None:
        """The latent that the new picture grows from; None where it grows from noise alone."""
        s = self._state
        if mode.noise_moved:
            s.noise.carry(s.params["warp"])
        if mode.source == "nothing":
            return None
        if mode.source == "latent":
            return s.latent
        picture = s.picture
        if mode.moved:
            picture = s.warp(picture, s.params["warp"], bent=mode.bent)
        if mode.sharpened:
            picture = unsharp(picture, s.params["sharpen"])
        if mode.steered:
            picture = s.steering.mix(picture, s.params["structure"])
        if mode.anchored:
            picture = s.anchor.pull(picture)
        return self._bundle.encode(picture.clamp_(-1.0, 1.0))

    def _called(self, mode: FrameMode, latent: Tensor | None) -> Tensor:
        """The clean latent after all model calls.

        Multistep consistency sampling (Song et al. 2023, algorithm 1): what a call paints is
        covered with *new* noise for the next. Noise used twice would show the network its own
        answer.
        """
        s = self._state
        prompt = s.prompt(guided=mode.guided)
        guidance = s.params["guidance"] if mode.guided else None
        for call in range(mode.calls):
            level = NoiseLevel(*s.params["levels"][call])
            noise = s.noise.at(call)
            noisy = noise if latent is None else noised(latent, noise, level)
            latent = self._bundle.denoised(noisy, level, prompt, guidance)
        assert latent is not None, "a frame makes at least one call"
        return latent


def _fits(held: PromptEmbedding, prompt: PromptEmbedding) -> bool:
    for name in _TENSORS:
        rows, row = getattr(held, name), getattr(prompt, name)
        if (rows is None) != (row is None) or (
            row is not None and (rows.shape[1:] != row.shape[1:] or rows.dtype != row.dtype)
        ):
            return False
    return True


def _row_pair(prompt: PromptEmbedding) -> PromptEmbedding:
    def pair(value: Tensor | None) -> Tensor | None:
        return None if value is None else torch.zeros_like(torch.cat((value, value)))

    tokens = torch.zeros_like(torch.cat((prompt.tokens, prompt.tokens)))
    return PromptEmbedding(tokens, pair(prompt.pooled), pair(prompt.mask))


def _first_row(rows: PromptEmbedding) -> PromptEmbedding:
    def first(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[:1]

    return PromptEmbedding(rows.tokens[:1], first(rows.pooled), first(rows.mask))
