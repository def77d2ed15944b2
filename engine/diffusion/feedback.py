"""The picture loop: the previous picture, moved and noised, is painted anew for the new state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.bundle import Bundle, PromptEmbedding
from engine.diffusion.coherence import ColourAnchor
from engine.diffusion.detail import unsharp
from engine.diffusion.fresh import paint_fresh
from engine.diffusion.noise import NoiseWalk
from engine.diffusion.prompts import PromptBank
from engine.diffusion.warp import Warp, is_still
from engine.messages import ControlState, Float32, Reading, Travel, Uint8, freeze


class FeedbackModel:
    """An `ImageModel` out of any `Bundle`: img2img of the previous picture, one call a picture.

    previous picture -> warp -> sharpen -> anchor colour -> encode -> noise at strength t -> one
    model call -> decode -> crispness -> uint8. Where nothing moved and nothing has to be held, the
    latent is fed back directly and the encoder is not called. Beside what the bundle makes, only
    the warped picture (`grid_sample` has nowhere to write to) and the pixels handed over are new
    memory: everything else has a buffer. Diffusion thread only.
    """

    def __init__(self, bundle: Bundle, width: int, height: int, notice: str = "") -> None:
        self.notice = notice
        """One line that the user should know about how it was opened; empty when all is well."""
        self.width, self.height = bundle.size_rule.nearest(width, height)
        self._bundle = bundle
        self._prompts = PromptBank(bundle)
        self._warp = Warp(self.width, self.height, bundle.device)
        self._anchor = ColourAnchor(self.width, self.height, bundle.device)
        self._shape = bundle.latent_shape(self.width, self.height)
        self._noise = NoiseWalk(self._shape, 0, bundle.device)
        self._picture: Tensor | None = None  # (1, 3, h, w) in [-1, 1]
        self._latent: Tensor | None = None
        self._scaled = torch.empty((3, self.height, self.width), device=bundle.device)
        self._planes = torch.empty_like(self._scaled, dtype=torch.uint8)
        self._travel = Travel()

    @property
    def name(self) -> str:
        """What the window shows."""
        return self._bundle.name

    @property
    def bundle(self) -> Bundle:
        """The checkpoint it paints with."""
        return self._bundle

    def load(self) -> None:
        """Nothing is left to do: the bundle is open."""

    def start_from(self, pixels: Uint8) -> None:
        """Make `(h, w, 3)` RGB the previous picture, an init image, scaled to fit the model."""
        tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1).unsqueeze(0).float()
        tensor = torch.nn.functional.interpolate(
            tensor, (self.height, self.width), mode="bilinear", antialias=True
        )
        self._picture = (tensor / 127.5 - 1.0).to(self._bundle.device)
        self._latent = None

    @torch.inference_mode()
    def generate(self, control: ControlState, dt_s: float) -> Uint8:
        """Paint the next picture, `(h, w, 3)` uint8."""
        values = control.values
        prompt = self._prompts.blend(control.prompts)
        feedback = values["diffusion/feedback"]
        strength = 1.0 - feedback * (1.0 - values["diffusion/strength"])
        guidance = values["diffusion/guidance"] * self._bundle.natural_guidance
        if self._picture is None:
            latent = self._fresh(control, prompt, guidance)
            strength = 1.0
        else:
            source = self._source(control)
            noise = self._walk_for(control).at(control.travel.noise_rad)
            noisy = self._bundle.noised(source, noise, strength)
            latent = self._bundle.denoised(noisy, strength, prompt, guidance)
        picture = self._bundle.decode(latent).clamp_(-1.0, 1.0)
        self._anchor.learn(picture, strength, dt_s, control)
        picture = self._anchor.crispen(picture, values["diffusion/anchor"]).clamp_(-1.0, 1.0)
        self._picture, self._latent, self._travel = picture, latent, control.travel
        return self._pixels_of(picture)

    def restart(self) -> None:
        """Forget the previous picture."""
        self._picture = self._latent = None
        self._anchor.forget()

    def state(self) -> dict[str, Any]:
        """The previous picture, its latent, where it was, and the anchor; noise is computed."""
        return {
            "picture": _to_array(self._picture),
            "latent": _to_array(self._latent),
            "travel": asdict(self._travel),
            "anchor": self._anchor.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the picture that `state` was taken after."""
        device = self._bundle.device
        self._picture = _to_tensor(state["picture"], device)
        self._latent = _to_tensor(state["latent"], device)
        self._travel = Travel(**state["travel"])
        self._anchor.restore(state["anchor"])

    def reading(self, prompt: str) -> Reading:
        """What the model makes of the words of a prompt."""
        return self._bundle.reading(prompt)

    def close(self) -> None:
        """Free the bundle."""
        self._picture = self._latent = None
        self._bundle.close()

    def _pixels_of(self, picture: Tensor) -> Uint8:
        self._planes.copy_(torch.add(picture[0], 1.0, out=self._scaled).mul_(127.5).round_())
        # Handed to another thread, so it is the one array that has to be new for every picture.
        array: Uint8 = self._planes.permute(1, 2, 0).contiguous().cpu().numpy()
        return freeze(array)

    def _source(self, control: ControlState) -> Tensor:
        assert self._picture is not None
        unmoved = is_still(self._travel, control.travel)
        governed = control.values["diffusion/anchor"] > 0.0 and not self._anchor.governor.at_rest
        if unmoved and self._latent is not None and not governed:
            return self._latent
        moved = self._warp(self._picture, self._travel, control.travel)
        moved = unsharp(moved, control.values["diffusion/sharpen"])
        moved = self._anchor.pull(moved, control.values["diffusion/anchor"])
        return self._bundle.encode(moved.clamp_(-1.0, 1.0))

    def _fresh(self, control: ControlState, prompt: PromptEmbedding, guidance: float) -> Tensor:
        angle_rad = control.travel.noise_rad
        walk = self._walk_for(control)
        # Two quarter turns further on, nothing of the noise before is left.
        noises = [walk.at(angle_rad + k * math.pi) for k in range(self._bundle.fresh_steps)]
        return paint_fresh(self._bundle, noises, prompt, guidance)

    def _walk_for(self, control: ControlState) -> NoiseWalk:
        seed = int(control.values["diffusion/seed"])
        if seed != self._noise.seed:
            self._noise = NoiseWalk(self._shape, seed, self._bundle.device)
        return self._noise


def _to_array(tensor: Tensor | None) -> Float32 | None:
    return None if tensor is None else tensor.float().cpu().numpy().copy()


def _to_tensor(array: Float32 | None, device: torch.device) -> Tensor | None:
    return None if array is None else torch.from_numpy(array.copy()).to(device)
