"""Ember behind the `Bundle` seam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.conditioning.word_table import MAX_WORDS, heard_words
from engine.diffusion.attention_memory import AttentionMemory
from engine.diffusion.bundle import HeardRows, PromptEmbedding, SizeRule
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.frame_params import MOST_SLOTS, FrameParams
from engine.diffusion.fresh import denoised_once
from engine.diffusion.guidance import guided
from engine.diffusion.models.ember.autoencoder import LATENT_CHANNELS, PIXELS_PER_LATENT
from engine.diffusion.models.ember.calibration import quantised_ember
from engine.diffusion.models.ember.sound_attention import SoundEar, SoundRows, open_ear
from engine.diffusion.models.ember.text import TextEncoder
from engine.diffusion.models.ember.unet import LATENT_MULTIPLE, FlowUNet
from engine.diffusion.models.ember.weights import Sampling, load_ember
from engine.diffusion.noise_level import NoiseLevel, flow_level, on_device
from engine.diffusion.runners.choose import choose_frames
from engine.diffusion.runners.runner import Runner, ShapedNetwork, open_runner
from engine.diffusion.runners.torch_network import TorchNetwork
from engine.errors import ModelLoadError
from engine.messages import Reading
from engine.registry import ModelRequest


@dataclass(frozen=True, slots=True)
class _Networks:
    """What the bundle calls. The text encoder is small and seldom called: always eager."""

    encoder: ShapedNetwork
    decoder: ShapedNetwork
    unet: ShapedNetwork
    text: TextEncoder
    sampling: Sampling
    flow: FlowUNet


class EmberBundle:
    """Ember's networks: rectified flow x_t = (1 - t) x_0 + t n with t = strength.

    With a runner other than eager, the answers of `encode` and `decode` are overwritten by their
    next ones.
    """

    def __init__(self, folder: Path, runner: Runner) -> None:
        loaded = load_ember(folder, runner.device, runner.weights_dtype)
        if runner.dtype is torch.int8:
            loaded = quantised_ember(loaded)
        self._networks: _Networks | None = _Networks(
            ShapedNetwork(runner, loaded.encoder),
            ShapedNetwork(runner, loaded.decoder),
            ShapedNetwork(runner, loaded.unet),
            loaded.text,
            loaded.sampling,
            loaded.unet,
        )
        if loaded.text.table is not None:
            loaded.text.table.prepare()
        self._runner = runner
        self._ear: SoundEar | None = None
        self._loud = torch.zeros(2, device=runner.device)  # of the prompt, of the empty prompt
        self._heard: HeardRows | None = None
        self._memory: AttentionMemory | None = None

    def prepare(self, width: int, height: int) -> None:
        """Have every network ready for pictures of one size, so that none is prepared on stage."""
        noise = torch.zeros(self.latent_shape(width, height), device=self.device)
        prompt = self.encode_prompt("")
        level = on_device(self.noise_level(1.0), self.device)
        for guidance in (1.0, 2.0):
            denoised_once(self, noise, level, prompt, guidance)
        self.encode(self.decode(noise))

    @property
    def name(self) -> str:
        """What the window shows."""
        return "ember"

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._runner.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the convolutional networks; text stays float32."""
        return self._runner.dtype

    @property
    def runner(self) -> str:
        """What executes the convolutional networks."""
        return self._runner.name

    @property
    def size_rule(self) -> SizeRule:
        """Multiples of 64 pixels: 16 per latent cell, latents in multiples of 4."""
        return SizeRule(PIXELS_PER_LATENT * LATENT_MULTIPLE, 128, 1024)

    @property
    def fresh_steps(self) -> int:
        """See `Sampling`."""
        return self._open.sampling.fresh_steps

    @property
    def natural_guidance(self) -> float:
        """See `Sampling`."""
        return self._open.sampling.guidance

    @property
    def lora_networks(self) -> Mapping[str, nn.Module]:
        """Flow network and text encoder, see `LoraBearer`; their layers by ember's own names."""
        if self._runner.static or self._runner.dtype is torch.int8:
            raise ModelLoadError(
                f"the {self._runner.name} runner has a copy of ember's weights that no LoRA can "
                "change: use --runner eager, in float32 or bfloat16"
            )
        return {"unet": self._open.flow, "text_encoder": self._open.text}

    def paint_in_few_steps(self, on: bool) -> None:
        """Ember does so without."""

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Shape `(1, 16, h/16, w/16)`."""
        return (1, LATENT_CHANNELS, height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT)

    def encode_prompt(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        embedding = self._open.text.encode([text])
        return PromptEmbedding(embedding.tokens, embedding.pooled)

    def weights_changed(self) -> None:
        """Nothing is kept that the U-Net computed of a prompt: that costs 0.7 % of a picture."""

    def hold(self, *prompts: PromptEmbedding) -> None:
        """Nothing is kept, so nothing has to be laid out."""

    def forget_prompts(self) -> None:
        """Nothing is kept of what was encoded."""

    def reading(self, text: str) -> Reading:
        """Words ember never learned, each with the nearest it did, and how many it leaves out."""
        unknown = tuple((word.word, word.nearest) for word in self._open.text.unknown_words(text))
        return Reading(unknown, max(0, len(heard_words(text)) - MAX_WORDS))

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` in [-1, 1] -> latent, float32."""
        return self._open.encoder(pixels)

    def decode(self, latent: Tensor) -> Tensor:
        """Latent -> `(1, 3, h, w)` float32."""
        return self._open.decoder(latent)

    def noise_level(self, strength: float) -> NoiseLevel[float]:
        """x_t = (1 - t) x_0 + t n at t = strength."""
        return flow_level(strength)

    def denoised(
        self,
        noisy: Tensor,
        level: NoiseLevel[Tensor],
        prompt: PromptEmbedding,
        guidance: Tensor | None,
    ) -> Tensor:
        """x_0 = x_t - t v(x_t, t), with v guided away from the empty prompt when asked."""
        velocity = guided(lambda rows: self._velocity(rows, level, prompt), noisy, guidance)
        return noisy - level.sigma * velocity

    @property
    def hears_by_stage(self) -> bool:
        """See `HearsSound`: it is too small for stages."""
        return False

    def attach_sound(self, file: Path | None) -> None:
        """See `HearsSound`."""
        if self._ear is not None:
            self._ear.detach()
            self._ear = self._heard = None
        if file is None:
            return
        if self._runner.static or self._runner.dtype is torch.int8:
            raise ModelLoadError(
                f"the {self._runner.name} runner has a copy of ember's weights that cannot hear: "
                "use --runner eager, in float32 or bfloat16, or another sound/encoding"
            )
        self._ear = open_ear(file, self._open.flow, self._runner.device, self._runner.dtype)

    def hear(self, rows: HeardRows | None, strength: float) -> None:
        """See `HearsSound`; the empty prompt's row hears nothing."""
        if self._ear is None:
            return
        if rows is None:
            self._heard = None
            self._ear.hear(None)
            return
        self._loud[0] = strength
        if rows is not self._heard:
            self._heard = rows
            assert rows.pooled is not None, "ember's adapters write both"
            self._ear.hear(SoundRows(rows.tokens[None], rows.pooled[None], self._loud))

    @property
    def memory_slots(self) -> int:
        """See `Remembers`: its pictures have few cells where they look at themselves."""
        return MOST_SLOTS

    def open_memory(
        self, width: int, height: int, rows: int, params: FrameParams
    ) -> AttentionMemory:
        """See `Remembers`."""
        flow = self._open.flow
        shapes = flow.attention_shapes(height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT)
        return AttentionMemory(shapes, self.memory_slots, rows, flow.coarse.weight, params)

    def remember(self, memory: AttentionMemory | None) -> None:
        """See `Remembers`; the U-Net itself is called then, not what a runner made of it."""
        self._memory = memory

    def close(self) -> None:
        """Drop all weights; idempotent."""
        self.attach_sound(None)
        self._networks = self._memory = None

    @property
    def _open(self) -> _Networks:
        assert self._networks is not None, "the bundle is closed"
        return self._networks

    def _velocity(
        self, noisy: Tensor, level: NoiseLevel[Tensor], prompt: PromptEmbedding
    ) -> Tensor:
        assert prompt.pooled is not None
        t = level.time.expand(noisy.shape[0])
        pooled = prompt.pooled if self._ear is None else self._ear.leaning(prompt.pooled)
        if self._memory is None:
            return self._open.unet(noisy, t, prompt.tokens, pooled)
        flow = self._open.flow
        with flow.remembering(self._memory):
            return TorchNetwork(flow, self._runner.weights_dtype)(noisy, t, prompt.tokens, pooled)


def ember_folder() -> Path:
    """Where the shipped weights are."""
    return Path(str(files("resources") / "ember"))


def open_ember(request: ModelRequest) -> FeedbackModel:
    """Load the shipped ember, or another ember folder given by path. Diffusion thread only."""
    folder = ember_folder() if request.name == "ember" else Path(request.name)
    return open_ember_folder(folder, request)


@torch.inference_mode()
def open_ember_folder(folder: Path, request: ModelRequest) -> FeedbackModel:
    """Load ember weights from `folder`, whatever the request's name. Diffusion thread only."""
    runner = open_runner(request)
    bundle = EmberBundle(folder, runner)
    frames = choose_frames(request, bundle)
    model = FeedbackModel(bundle, request.width, request.height, frames, live=request.live)
    if runner.static:
        bundle.prepare(model.width, model.height)
    return model
