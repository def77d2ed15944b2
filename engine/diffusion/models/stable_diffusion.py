"""Stable-Diffusion-layout checkpoints (SD 1.x, SD-Turbo, SDXL-Turbo) behind the `Bundle` seam.

Components are loaded one by one and called directly: a diffusers pipeline is too dynamic for a
picture loop. One step at continuous t instead of diffusers' strength staircase
(reference: x̂0 = (x_t - σ_t ε) / α_t for ε-prediction, α_t x_t - σ_t v for v-prediction).
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.bundle import PromptEmbedding, SizeRule
from engine.errors import ModelLoadError
from engine.messages import Reading
from engine.quiet_loaders import quiet_loaders


class StableDiffusionBundle:
    """UNet2DConditionModel + AutoencoderTiny or AutoencoderKL + one or two CLIP text encoders."""

    def __init__(
        self, folder: Path, device: torch.device, dtype: torch.dtype, *, xl: bool
    ) -> None:
        quiet_loaders("diffusers", "transformers")
        self._folder = folder
        self._device = device
        self._dtype = dtype
        self._xl = xl
        self._unet = self._network("unet", "UNet2DConditionModel")
        self._vae = self._autoencoder()
        self._text = [self._text_encoder(name) for name in self._text_names()]
        alphas = _alphas_cumprod(self._json("scheduler/scheduler_config.json"))
        self._alpha = alphas.sqrt()
        self._sigma = (1.0 - alphas).sqrt()
        self._predicts = self._json("scheduler/scheduler_config.json").get(
            "prediction_type", "epsilon"
        )
        if self._predicts not in ("epsilon", "v_prediction"):
            raise ModelLoadError(f"{folder} predicts {self._predicts!r}; epsilon or v are known")
        self._scaling = float(getattr(self._vae.config, "scaling_factor", 1.0) or 1.0)
        self._factor = 2 ** (len(self._vae.config.block_out_channels) - 1)
        if type(self._vae).__name__ == "AutoencoderTiny":
            self._factor = 2 ** (len(self._vae.config.encoder_block_out_channels) - 1)

    @property
    def name(self) -> str:
        """The checkpoint's folder name."""
        return self._folder.name

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the networks."""
        return self._dtype

    @property
    def size_rule(self) -> SizeRule:
        """Multiples of 8 latent cells, so that every level of the U-Net divides evenly."""
        levels = 2 ** (len(self._unet.config.block_out_channels) - 1)
        return SizeRule(self._factor * levels, self._factor * levels, 2048)

    @property
    def fresh_steps(self) -> int:
        """Turbo-class models are crisp in one call, others get four."""
        return 4

    @property
    def natural_guidance(self) -> float:
        """1: few-step checkpoints have their guidance inside."""
        return 1.0

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Shape `(1, c, h/f, w/f)`."""
        channels = int(self._unet.config.in_channels)
        return (1, channels, height // self._factor, width // self._factor)

    def encode_prompt(self, text: str) -> PromptEmbedding:
        """Encode a prompt to the penultimate (SDXL) or last (SD) hidden states."""
        tokens: list[Tensor] = []
        pooled: Tensor | None = None
        for tokenizer, encoder in self._text:
            ids = tokenizer(
                text, padding="max_length", truncation=True,
                max_length=tokenizer.model_max_length, return_tensors="pt",
            ).input_ids.to(self._device)  # fmt: skip
            output = encoder(ids, output_hidden_states=self._xl)
            tokens.append(output.hidden_states[-2] if self._xl else output[0])
            if self._xl:
                pooled = output[0] if output[0].dim() == 2 else pooled
        return PromptEmbedding(torch.cat(tokens, dim=-1).to(self._dtype), pooled)

    def reading(self, text: str) -> Reading:
        """CLIP's vocabulary is open, no word is unknown; it reads a limited number of pieces."""
        tokenizer = self._text[0][0]
        words = text.split()
        # Words are cut into pieces one by one, so what fits can be counted word by word.
        pieces = [len(tokenizer(word, add_special_tokens=False).input_ids) for word in words]
        room = tokenizer.model_max_length - 2  # it begins and ends with a mark
        read = sum(total <= room for total in itertools.accumulate(pieces))
        return Reading(left_out=len(words) - read)

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` in [-1, 1] -> scaled latent, float32."""
        encoded = self._vae.encode(pixels.to(self._dtype))
        latent = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        scaled: Tensor = latent.float() * self._scaling
        return scaled

    def decode(self, latent: Tensor) -> Tensor:
        """Scaled latent -> `(1, 3, h, w)` float32."""
        pixels: Tensor = self._vae.decode((latent / self._scaling).to(self._dtype)).sample
        return pixels.float()

    def noised(self, latent: Tensor, noise: Tensor, strength: float) -> Tensor:
        """x_t = α_t x_0 + σ_t n at t = strength · T."""
        t = self._timestep(strength)
        return float(self._alpha[t]) * latent + float(self._sigma[t]) * noise

    def denoised(
        self, noisy: Tensor, strength: float, prompt: PromptEmbedding, guidance: float
    ) -> Tensor:
        """One model call at continuous t; the division by α_t stays in float32."""
        t = self._timestep(strength)
        prediction = self._predict(noisy, t, prompt)
        if guidance != 1.0:
            empty = self._predict(noisy, t, self.encode_prompt(""))
            prediction = empty + guidance * (prediction - empty)
        alpha, sigma = float(self._alpha[t]), float(self._sigma[t])
        if self._predicts == "epsilon":
            return (noisy - sigma * prediction) / alpha
        return alpha * noisy - sigma * prediction

    def close(self) -> None:
        """Drop all weights; idempotent."""
        self._unet = self._vae = None
        self._text = []
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _timestep(self, strength: float) -> int:
        last = len(self._alpha) - 1
        return min(max(round(strength * last), 1), last)

    def _predict(self, noisy: Tensor, t: int, prompt: PromptEmbedding) -> Tensor:
        extra: dict[str, Tensor] = {}
        if self._xl:
            assert prompt.pooled is not None
            height, width = noisy.shape[2] * self._factor, noisy.shape[3] * self._factor
            ids = torch.tensor([[height, width, 0, 0, height, width]], device=self._device)
            extra = {"text_embeds": prompt.pooled.to(self._dtype), "time_ids": ids.to(self._dtype)}
        result: Tensor = self._unet(
            noisy.to(self._dtype),
            torch.tensor([t], device=self._device),
            encoder_hidden_states=prompt.tokens.to(self._dtype),
            added_cond_kwargs=extra or None,
            return_dict=False,
        )[0]
        return result.float()

    def _text_names(self) -> list[tuple[str, str]]:
        names = [("tokenizer", "text_encoder")]
        return [*names, ("tokenizer_2", "text_encoder_2")] if self._xl else names

    def _text_encoder(self, names: tuple[str, str]) -> tuple[Any, Any]:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        tokenizer_name, encoder_name = names
        config = self._json(f"{encoder_name}/config.json")
        projected = "CLIPTextModelWithProjection" in config.get("architectures", [])
        encoder_class = CLIPTextModelWithProjection if projected else CLIPTextModel
        with _named_errors(self._folder, encoder_name):
            tokenizer = CLIPTokenizer.from_pretrained(self._folder / tokenizer_name)
            encoder: Any = encoder_class.from_pretrained(
                self._folder / encoder_name, dtype=self._dtype, use_safetensors=True
            )
        return tokenizer, encoder.to(self._device).eval()

    def _autoencoder(self) -> Any:
        class_name = self._json("vae/config.json").get("_class_name", "AutoencoderKL")
        if class_name not in ("AutoencoderKL", "AutoencoderTiny"):
            raise ModelLoadError(f"{self._folder / 'vae'} is a {class_name}; KL or Tiny are known")
        return self._network("vae", class_name)

    def _network(self, component: str, class_name: str) -> Any:
        import diffusers

        with _named_errors(self._folder, component):
            network = getattr(diffusers, class_name).from_pretrained(
                self._folder, subfolder=component, torch_dtype=self._dtype,
                use_safetensors=True, low_cpu_mem_usage=False,
            )  # fmt: skip
        return network.to(self._device).to(memory_format=torch.channels_last).eval()

    def _json(self, name: str) -> dict[str, Any]:
        with _named_errors(self._folder, name.split("/")[0]):
            table: dict[str, Any] = json.loads((self._folder / name).read_text("utf-8"))
            return table


class _named_errors:  # noqa: N801 - reads like the context managers of contextlib
    """Turn what a loader raises into one line that names the component and the remedy."""

    def __init__(self, folder: Path, component: str) -> None:
        self._folder, self._component = folder, component

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, ValueError, RuntimeError, KeyError, ImportError)):
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise ModelLoadError(
                f"{self._folder.name}: {self._component} cannot be loaded ({reason}): "
                "fetch the checkpoint again, with safetensors weights"
            ) from error


def _alphas_cumprod(config: dict[str, Any]) -> Tensor:
    """ᾱ_t of a scheduler configuration, float32, shape `(T,)`."""
    steps = int(config.get("num_train_timesteps", 1000))
    start, end = float(config.get("beta_start", 0.00085)), float(config.get("beta_end", 0.012))
    schedule = config.get("beta_schedule", "scaled_linear")
    if schedule == "scaled_linear":
        betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    elif schedule == "linear":
        betas = torch.linspace(start, end, steps, dtype=torch.float64)
    else:
        raise ModelLoadError(f"noise schedule {schedule!r} is not known: linear or scaled_linear")
    return torch.cumprod(1.0 - betas, dim=0).float()
