"""A frozen checkpoint of Stable Diffusion that learns to hear, beside its text or through it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.conditioning.projector.network import Hearing, Projector, SonicProjector
from engine.conditioning.projector.projector_file import UNET, part_of
from engine.conditioning.sound_embedding import TargetSpec
from engine.diffusion.models.audio_attention import AudioAttention
from engine.diffusion.models.autoencoder import autoencoder_facts, open_autoencoder
from engine.diffusion.models.clip_text import ClipText
from engine.diffusion.models.components import Components
from engine.diffusion.models.family import family_of_folder
from engine.diffusion.models.parts import EncoderPart
from engine.diffusion.models.schedule import NoiseSchedule
from engine.diffusion.models.text_bending import BentText
from engine.diffusion.noise_level import NoiseLevel
from engine.errors import TrainingError
from engine.training.projector.targets import Texts

DROP_TEXT = 0.5
"""Share of the lessons without a text, so that sound alone has to say it (SonicDiffusion)."""
_LEAST_STRENGTH = 0.02


class StableDiffusionTarget:
    """Text stays as it is; the sound comes in beside it, and the gates learn how loudly."""

    def __init__(
        self, folder: Path, device: str, norm: float, routing: str, insertion: str = "gated"
    ) -> None:
        """Raises `ModelLoadError`, and `TrainingError` for families without a U-Net."""
        family = family_of_folder(folder)
        if family.kind not in ("sd", "sdxl"):
            raise TrainingError(
                f"{folder} is {family.label}, which has no U-Net that could hear: --target takes "
                "ember, or a checkpoint of SD 1.x, SD 2.x or SDXL"
            )
        self.norm: float | None = norm
        self.family = family.label
        self._device = torch.device(device)
        self._xl = family.kind == "sdxl"
        parts = Components(folder, self._device, torch.float32)
        self._schedule = NoiseSchedule(parts.json("scheduler/scheduler_config.json"))
        self._unet: Any = parts.network("unet", "UNet2DConditionModel")
        self._unet.eval().requires_grad_(False)
        vae = open_autoencoder(parts, None, overflows=self._xl).requires_grad_(False)
        facts = autoencoder_facts(vae)
        self._encode = EncoderPart(vae, facts.dtype, facts.scale)
        self._text = ClipText(parts, xl=self._xl)
        self.picture_px = int(self._unet.config.sample_size) * facts.factor
        self.spec = TargetSpec(
            self._text.length, self._text.width, self._text.pooled_width if self._xl else 0
        )
        self._attention: AudioAttention | BentText = (
            BentText(self._unet, routing)
            if insertion == "bend"
            else AudioAttention(self._unet, routing=routing)
        )
        self.adapter: nn.Module | None = self._attention

    @torch.no_grad()
    def read(self, captions: Sequence[str]) -> Texts:
        """Encode captions."""
        found = [self._text.encode(caption) for caption in captions]
        pooled = [one.pooled for one in found if one.pooled is not None]
        return Texts(
            torch.cat([one.tokens for one in found]).float(),
            torch.cat(pooled).float() if self._xl else None,
        )

    @torch.no_grad()
    def latents(self, pictures: Tensor) -> Tensor:
        """`(b, 3, h, w)` to scaled latents."""
        found: Tensor = self._encode(pictures.to(self._device))
        return found

    def picture_loss(
        self,
        network: Projector | SonicProjector,
        views: Tensor,
        hearing: Hearing,
        captions: Sequence[str],
        latents: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Squared error of what the network predicts: noise, or v."""
        dropped = torch.rand(len(captions), generator=generator) < DROP_TEXT
        said = ["" if drop else text for text, drop in zip(captions, dropped, strict=True)]
        words = self.read(said)
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        level = self._levels(len(latents), generator)
        noisy = level.alpha * latents + level.sigma * noise
        self._attention.teach(network.stage_rows(views, hearing))
        predicted = self._unet(
            noisy, level.time, encoder_hidden_states=words.tokens,
            added_cond_kwargs=self._added(words, latents), return_dict=False,
        )[0]  # fmt: skip
        lesson = self._schedule.lesson(latents, noise, level)
        loss: Tensor = (predicted.float() - lesson).square().mean()
        return loss

    def adapter_tensors(self) -> dict[str, Tensor]:
        """Weights of what hears, by the names of its files."""
        return self._attention.named_tensors()

    def load_adapter(self, path: Path) -> None:
        """Take them from the file of an earlier stage. Raises `ModelLoadError`."""
        tensors = part_of(path, UNET)
        if tensors:  # stage 1 has none: the gates begin as they are
            self._attention.load(tensors, path.name)

    def last_layers(self) -> list[nn.Module]:
        """Its output projections."""
        return self._attention.last_layers()

    def _levels(self, count: int, generator: torch.Generator) -> NoiseLevel[Tensor]:
        """How noisy each picture is: timesteps drawn evenly."""
        strengths = _LEAST_STRENGTH + (1 - _LEAST_STRENGTH) * torch.rand(
            count, generator=generator
        )
        levels = [self._schedule.noise_level(float(strength)) for strength in strengths]
        columns = torch.tensor([(one.alpha, one.sigma, one.time) for one in levels])
        alpha, sigma, time = columns.to(self._device).unbind(dim=1)
        return NoiseLevel(alpha.view(-1, 1, 1, 1), sigma.view(-1, 1, 1, 1), time)

    def _added(self, words: Texts, latents: Tensor) -> dict[str, Tensor] | None:
        """What SDXL is told besides."""
        if not self._xl or words.pooled is None:
            return None
        side = float(self.picture_px)
        ids = torch.tensor([[side, side, 0.0, 0.0, side, side]], device=latents.device)
        return {"text_embeds": words.pooled, "time_ids": ids.expand(len(latents), -1)}
