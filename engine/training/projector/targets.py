"""The frozen models whose prompt space is learned: ember, and checkpoints of Stable Diffusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.conditioning.projector.network import Hearing, Projector, SonicProjector
from engine.conditioning.projector.plan import NORM
from engine.conditioning.sound_embedding import TargetSpec
from engine.diffusion.models.ember.weights import load_ember
from engine.errors import TrainingError

EMBER_PICTURE_PX = 256
ALONE = 0.5
"""Share of the lessons in which the sound stands without a text."""
LEAST_MIX = 0.3
"""Of the others, how much of the prompt is at least the sound's."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Captions as the model's own text encoder writes them."""

    tokens: Tensor
    """`(b, n, d)` float32."""
    pooled: Tensor | None


class Target(Protocol):
    """A frozen model. What it has to learn besides the projector is in `adapter`."""

    spec: TargetSpec
    family: str
    """As `AdapterCard.family` has it."""
    norm: float | None
    """How long rows shall be; None: as its own are."""
    picture_px: int
    adapter: nn.Module | None

    def read(self, captions: Sequence[str]) -> Texts:
        """Encode captions, without gradients."""
        ...

    def latents(self, pictures: Tensor) -> Tensor:
        """`(b, 3, h, w)` in [-1, 1] to what the denoiser works on, without gradients."""
        ...

    def picture_loss(
        self,
        network: Projector | SonicProjector,
        views: Tensor,
        hearing: Hearing,
        captions: Sequence[str],
        latents: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """How badly the model denoises pictures while it hears their sounds."""
        ...

    def adapter_tensors(self) -> dict[str, Tensor]:
        """What a file holds of the adapter, by its public names."""
        ...

    def load_adapter(self, path: Path) -> None:
        """Take it from a file of an earlier stage."""
        ...

    def last_layers(self) -> list[nn.Module]:
        """What the last stage still moves of the adapter."""
        ...


class EmberTarget:
    """Frozen ember: the rows of a sound stand in the place of a prompt, or are mixed with one."""

    family = "ember"
    picture_px = EMBER_PICTURE_PX
    adapter: nn.Module | None = None

    def __init__(self, folder: Path, device: str, norm: float | None = None) -> None:
        """Raises `ModelLoadError`."""
        self.norm = norm
        networks = load_ember(folder, device, torch.float32)
        for part in (networks.encoder, networks.unet, networks.text):
            part.requires_grad_(False)
        self._encoder, self._unet, self._text = networks.encoder, networks.unet, networks.text
        config = networks.text.config
        self.spec = TargetSpec(config.slots, config.width, config.width)
        self._device = torch.device(device)

    @torch.no_grad()
    def read(self, captions: Sequence[str]) -> Texts:
        """Encode captions."""
        found = self._text.encode(list(captions))
        return Texts(found.tokens.float(), found.pooled.float())

    @torch.no_grad()
    def latents(self, pictures: Tensor) -> Tensor:
        """`(b, 3, h, w)` to `(b, 16, h/16, w/16)`."""
        pixels = pictures.to(self._device).contiguous(memory_format=torch.channels_last)
        found: Tensor = self._encoder(pixels)
        return found.float()

    def picture_loss(
        self,
        network: Projector | SonicProjector,
        views: Tensor,
        hearing: Hearing,
        captions: Sequence[str],
        latents: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Squared error of the velocity n - x_0 at x_t = (1 - t) x_0 + t n."""
        found = network(views, hearing)
        if found.pooled is None:
            raise TrainingError("ember has a vector for the whole prompt, this projector none")
        words = self.read(captions)
        share = _shares(len(views), generator).to(views.device)
        tokens = torch.lerp(words.tokens, found.tokens.float(), share[:, None, None])
        assert words.pooled is not None
        pooled = torch.lerp(words.pooled, found.pooled.float(), share[:, None])
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        # Late times, where a prompt decides what the picture becomes.
        t = torch.sigmoid(0.7 + torch.randn(len(latents), generator=generator)).to(latents.device)
        wide = t[:, None, None, None]
        x_t = (1.0 - wide) * latents + wide * noise
        x_t = x_t.contiguous(memory_format=torch.channels_last)
        velocity = self._unet(x_t, t, tokens, pooled)
        loss: Tensor = (velocity.float() - (noise - latents)).square().mean()
        return loss

    def adapter_tensors(self) -> dict[str, Tensor]:
        """Nothing: ember itself learns nothing here."""
        return {}

    def load_adapter(self, path: Path) -> None:
        """Nothing to load."""

    def last_layers(self) -> list[nn.Module]:
        """Nothing to move."""
        return []


def open_target(
    model: str, device: str, norm: float | None, routing: str, insertion: str
) -> Target:
    """Open `ember`, a folder of it, or a folder of a checkpoint. Raises `ModelLoadError`."""
    from engine.diffusion.models.ember.bundle import ember_folder
    from engine.diffusion.models.family import family_of_folder

    folder = ember_folder() if model == "ember" else Path(model).expanduser()
    if not folder.is_dir():
        raise TrainingError(
            f"no model folder {folder}: --target takes ember, or the folder of a checkpoint in "
            "diffusers layout ('sonolume models list' says where those are)"
        )
    family = family_of_folder(folder)
    if family.kind == "ember":
        return EmberTarget(folder, device, norm)
    from engine.training.projector.stable_diffusion_target import StableDiffusionTarget

    return StableDiffusionTarget(
        folder, device, NORM if norm is None else norm, routing, insertion
    )


def _shares(count: int, generator: torch.Generator) -> Tensor:
    """How much of each prompt is the sound's, `(count,)`."""
    mixed = LEAST_MIX + (1.0 - LEAST_MIX) * torch.rand(count, generator=generator)
    alone = torch.rand(count, generator=generator) < ALONE
    return torch.where(alone, torch.ones(count), mixed)
