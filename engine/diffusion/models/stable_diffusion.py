"""Stable-Diffusion-layout checkpoints (SD 1.x, SD-Turbo, SDXL-Turbo) behind the `Bundle` seam.

Components are loaded one by one and called directly: a diffusers pipeline is too dynamic for a
picture loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.diffusion.attention_memory import AttentionMemory
from engine.diffusion.bundle import HeardRows, PromptEmbedding, SizeRule
from engine.diffusion.frame_params import FrameParams
from engine.diffusion.guidance import guided
from engine.diffusion.memory import release_memory
from engine.diffusion.models.audio_attention import AudioAttention
from engine.diffusion.models.autoencoder import autoencoder_facts, open_autoencoder
from engine.diffusion.models.clip_text import ClipText, check_width
from engine.diffusion.models.components import Parts
from engine.diffusion.models.controlnet import ControlNetBranch
from engine.diffusion.models.cross_attention import CrossAttentionCache, can_cache
from engine.diffusion.models.family import FEW_STEPS, PLAIN, Family, Pace
from engine.diffusion.models.guidance_input import guidance_input
from engine.diffusion.models.image_prompt import ImagePrompt, open_image_prompt
from engine.diffusion.models.parts import DecoderPart, EncoderPart, UNetPart
from engine.diffusion.models.schedule import NoiseSchedule
from engine.diffusion.models.self_attention import SelfAttentions
from engine.diffusion.models.sound_hearing import open_sound_hearing
from engine.diffusion.models.text_bending import BentText
from engine.diffusion.noise_level import NoiseLevel, on_device
from engine.diffusion.runners.compiled import Part
from engine.errors import ModelLoadError
from engine.messages import Reading, Uint8
from engine.registry import NO_GUIDES, Guides

MEMORY_SLOTS = 2
"""Pictures it remembers, each of which costs 15 % of the U-Net's work at 512x512: as few as can
take turns."""
LATENT_LIMIT = 5.0
"""Latents are scaled to unit variance; a picture's hardly reach four."""


class StableDiffusionBundle:
    """UNet2DConditionModel + AutoencoderTiny or AutoencoderKL + one or two CLIP text encoders."""

    def __init__(
        self, parts: Parts, family: Family, tiny: Path | None = None, guides: Guides = NO_GUIDES
    ) -> None:
        self._controlnet: ControlNetBranch | None = None
        self._image_prompt: ImagePrompt | None = None
        self._audio: AudioAttention | BentText | None = None
        if guides.controlnet:  # first of all: the wrong one costs no loading
            self._controlnet = ControlNetBranch(
                Path(guides.controlnet).expanduser(), parts.json("unet/config.json"),
                parts.device, parts.dtype, guides.control_map,
            )  # fmt: skip
        self.family = family
        self.pace: Pace = family.pace
        """How it wants to be called."""
        self._name, self._device, self._dtype = parts.name, parts.device, parts.dtype
        self._xl = family.kind == "sdxl"
        try:
            self._schedule = NoiseSchedule(parts.json("scheduler/scheduler_config.json"))
        except ModelLoadError as error:
            raise ModelLoadError(f"{parts.name}: {error}") from error
        self._unet = parts.network("unet", "UNet2DConditionModel")
        self._vae = open_autoencoder(parts, tiny, overflows=self._xl)
        vae = autoencoder_facts(self._vae)
        self._factor = vae.factor
        self._text: ClipText | None = ClipText(parts, xl=self._xl)
        check_width(parts.name, "unet", self._text.width, family.text_width)
        self._looking: SelfAttentions | None = SelfAttentions(self._unet)
        self._memory: AttentionMemory | None = None
        self._keys: CrossAttentionCache | None = None
        if can_cache(self._unet):
            self._keys = CrossAttentionCache(self._unet, self._text.length)
        if guides.ip_adapter:  # after the cache, whose processors it wraps
            self._image_prompt = open_image_prompt(guides, self._unet, self._device, self._dtype)
        self._guidance: Tensor | None = None  # where it is an input of the U-Net: its embedding
        width = int(self._unet.config.get("time_cond_proj_dim") or 0)
        if width:
            self._guidance = torch.zeros(1, width, dtype=self._dtype, device=self._device)
        self._parts: dict[str, nn.Module] = {
            "encode": EncoderPart(self._vae, vae.dtype, vae.scale),
            "decode": DecoderPart(self._vae, vae.dtype, vae.scale),
            "unet": UNetPart(self._unet, self._dtype, self._guidance),
        }
        self._compiled: dict[str, Callable[..., Tensor]] = {}
        self._size_ids: dict[tuple[int, int], Tensor] = {}  # by height and width

    @property
    def name(self) -> str:
        """The name of the checkpoint's folder or file."""
        return self._name

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
        """As the family says; the loop itself needs one call."""
        return self.pace.fresh_steps

    @property
    def natural_guidance(self) -> float:
        """As the family says: 1 for few-step checkpoints and LoRAs, which have theirs inside."""
        return self.pace.guidance

    @property
    def advice(self) -> str:
        """What a checkpoint lacks that was trained for dozens of steps; empty for any other."""
        if self.pace.why != PLAIN.why:
            return ""
        return (
            f"{self.name} was trained to paint in dozens of steps and is asked for one or four: "
            "give it a few-step LoRA (--lora, LCM or Hyper-SD), or take a Turbo or LCM checkpoint"
        )

    @property
    def lora_networks(self) -> Mapping[str, nn.Module]:
        """U-Net and text encoders, see `LoraBearer`."""
        assert self._text is not None, "the bundle is closed"
        return {"unet": self._unet, **self._text.encoders}

    @property
    def networks(self) -> Sequence[nn.Module]:
        """See `Ponderous`."""
        led = [] if self._controlnet is None else [self._controlnet.network]
        return [*self.lora_networks.values(), self._vae, *led]

    def paint_in_few_steps(self, on: bool) -> None:
        """With a few-step LoRA, guidance is inside and nothing has to be advised."""
        self.pace = FEW_STEPS if on else self.family.pace

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Shape `(1, c, h/f, w/f)`."""
        channels = int(self._unet.config.in_channels)
        return (1, channels, height // self._factor, width // self._factor)

    def encode_prompt(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        assert self._text is not None, "the bundle is closed"
        return self._text.encode(text)

    def encoding(self, text: str) -> Generator[None, None, PromptEmbedding]:
        """Encode a prompt in slices, see `SlicedText`."""
        assert self._text is not None, "the bundle is closed"
        return self._text.encoding(text)

    def text_key(self, text: str) -> str:
        """What the embedding of a text is kept under on disk, see `SlicedText`."""
        assert self._text is not None, "the bundle is closed"
        return self._text.text_key(text)

    def weights_changed(self) -> None:
        """Make keys and values of all prompts anew: the U-Net's weights have changed in place."""
        if self._keys is not None:
            self._keys.invalidate()

    def hold(self, *prompts: PromptEmbedding) -> None:
        """Have the next calls see these prompts, one per row of the batch.

        Writes in place where the U-Net reads; before a captured graph runs, never inside.
        """
        if self._keys is not None:
            for row, prompt in enumerate(prompts):
                self._keys.hold(row, prompt)

    def forget_prompts(self) -> None:
        """Encode anew what was encoded: the text encoder's weights have changed."""
        assert self._text is not None, "the bundle is closed"
        self._text.weights_changed()

    def reading(self, text: str) -> Reading:
        """How many words of a prompt are left out."""
        assert self._text is not None, "the bundle is closed"
        return self._text.reading(text)

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` in [-1, 1] -> scaled latent, float32."""
        return self._call("encode", pixels)

    def decode(self, latent: Tensor) -> Tensor:
        """Scaled latent -> `(1, 3, h, w)` float32."""
        return self._call("decode", latent)

    def noise_level(self, strength: float) -> NoiseLevel[float]:
        """x_t = α_t x_0 + σ_t n at t = strength · T."""
        return self._schedule.noise_level(strength)

    def denoised(
        self,
        noisy: Tensor,
        level: NoiseLevel[Tensor],
        prompt: PromptEmbedding,
        guidance: Tensor | None,
    ) -> Tensor:
        """One model call at any t; prompt and empty prompt in one batch where guided."""
        prediction = guided(lambda rows: self._predict(rows, level.time, prompt), noisy, guidance)
        clean = self._schedule.clean(noisy, prediction, level)
        # What lies further out is no picture, and would come back larger.
        return clean.clamp_(-LATENT_LIMIT, LATENT_LIMIT)

    def take_guidance(self, guidance: float) -> bool:
        """See `GuidedInside`: LCM checkpoints are told, others need a second row."""
        if self._guidance is None:
            return False
        width = self._guidance.shape[1]
        self._guidance.copy_(guidance_input(guidance, width, self._device))
        return True

    @property
    def led(self) -> bool:
        """See `Guided`."""
        return self._controlnet is not None and self._controlnet.active

    def guide(self, structure: Uint8 | None, values: Mapping[str, float]) -> None:
        """Lead by `structure/control` and `prompt/image`, where there are guides."""
        if self._controlnet is not None:
            self._controlnet.see(structure, values["structure/control"])
        if self._image_prompt is not None:
            self._image_prompt.weigh(values["prompt/image"])

    @property
    def hears_by_stage(self) -> bool:
        """See `HearsSound`: early, middle and late."""
        return True

    def attach_sound(self, file: Path | None) -> None:
        """See `HearsSound`."""
        if self._audio is not None:
            self._audio.withdraw()
            self._audio = None
        if file is not None:
            self._audio = open_sound_hearing(file, self._unet)
            self._compiled.pop("unet", None)  # it has no ears
            if isinstance(self._audio, BentText) and self._keys is not None:
                self._keys.withdraw()  # of keys made once per prompt nothing can be bent
                self._keys = None

    def hear(self, rows: HeardRows | None, strength: float) -> None:
        """See `HearsSound`."""
        if self._audio is None:
            return
        if rows is None:
            self._audio.hear(None)
        else:
            self._audio.hear(rows.stages, rows.silence)
            self._audio.weigh(strength)

    @property
    def memory_slots(self) -> int:
        """See `Remembers`."""
        assert self._looking is not None, "the bundle is closed"
        return MEMORY_SLOTS if self._looking.can_remember else 0

    def open_memory(
        self, width: int, height: int, rows: int, params: FrameParams
    ) -> AttentionMemory:
        """See `Remembers`."""
        assert self._looking is not None, "the bundle is closed"
        shapes = self._looking.shapes(height // self._factor, width // self._factor)
        weight = self._unet.conv_in.weight
        return AttentionMemory(shapes, MEMORY_SLOTS, rows, weight, params)

    def remember(self, memory: AttentionMemory | None) -> None:
        """See `Remembers`; a compiled U-Net cannot, so meanwhile the network itself is called."""
        self._memory = memory

    def close(self) -> None:
        """Drop all weights; idempotent."""
        self._controlnet = self._image_prompt = self._audio = None
        self._looking = self._memory = None
        self._unet = self._vae = self._text = self._keys = None
        self._parts.clear()
        self._compiled.clear()
        release_memory()

    def parts(self, width: int, height: int) -> dict[str, Part]:
        """See `Compilable`: all networks of a frame, the U-Net for one row.

        A compiled network would keep copies of the keys and values that attention reads from
        outside, so from here on it computes them from the tokens, 0.5 % of a frame. With an image
        prompt or audio attention, which have such copies too, the U-Net stays as it is.
        """
        if self._keys is not None and self._image_prompt is None and self._audio is None:
            self._keys.withdraw()
            self._keys = None
        latent = torch.zeros(self.latent_shape(width, height), device=self._device)
        level = on_device(self.noise_level(0.5), self._device)
        prompt = self.encode_prompt("")
        inputs: dict[str, tuple[Tensor, ...]] = {
            "encode": (torch.zeros(1, 3, height, width, device=self._device),),
            "decode": (latent,),
            "unet": (latent, level.time, prompt.tokens, *self._added(latent, prompt)),
        }
        if self._image_prompt is not None or self._audio is not None:
            del inputs["unet"]
        return {name: Part(self._parts[name], tensors) for name, tensors in inputs.items()}

    def use(self, networks: Mapping[str, Callable[..., Tensor]]) -> None:
        """See `Compilable`."""
        self._compiled = dict(networks)

    def _call(self, name: str, *inputs: Tensor) -> Tensor:
        """Call a compiled network where there is one, for one row; else the part itself."""
        remembering = name == "unet" and self._memory is not None
        alone = inputs[0].shape[0] == 1 and not remembering
        network = self._compiled.get(name) if alone else None
        result: Tensor = (network or self._parts[name])(*inputs)
        return result

    def _predict(self, noisy: Tensor, time: Tensor, prompt: PromptEmbedding) -> Tensor:
        """The network's answers to noisy latents, one row per prompt."""
        if self._memory is None or self._looking is None:
            return self._predict_now(noisy, time, prompt)
        with self._looking.remembering(self._memory):
            return self._predict_now(noisy, time, prompt)

    def _predict_now(self, noisy: Tensor, time: Tensor, prompt: PromptEmbedding) -> Tensor:
        added = self._added(noisy, prompt)
        if self._controlnet is None or not self._controlnet.active:
            return self._call("unet", noisy, time, prompt.tokens, *added)
        sample, tokens = noisy.to(self._dtype), prompt.tokens.to(self._dtype)
        told = {"text_embeds": added[0].to(self._dtype), "time_ids": added[1]} if added else None
        residuals = self._controlnet.residuals(sample, time, tokens, told)
        predicted: Tensor = self._parts["unet"](
            noisy, time, prompt.tokens, *added, residuals=residuals
        )
        return predicted

    def _added(self, noisy: Tensor, prompt: PromptEmbedding) -> tuple[Tensor, ...]:
        """What SDXL is told besides: the pooled prompt, and which size was cut from which."""
        if not self._xl:
            return ()
        assert prompt.pooled is not None
        height, width = noisy.shape[2] * self._factor, noisy.shape[3] * self._factor
        ids = self._size_ids.get((height, width))
        if ids is None:
            ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=self._dtype)
            ids = self._size_ids[height, width] = ids.to(self._device)
        return prompt.pooled, ids.expand(noisy.shape[0], -1)
