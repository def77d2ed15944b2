"""The one seam between the picture loop and any checkpoint family."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from engine.diffusion.attention_memory import AttentionMemory
from engine.diffusion.frame_params import FrameParams
from engine.diffusion.noise_level import NoiseLevel
from engine.messages import Reading, Uint8


@dataclass(frozen=True, slots=True)
class PromptEmbedding:
    """An encoded prompt, as the denoiser wants it.

    `tokens` is `(1, n, d)`; `pooled` is `(1, p)` or None; `mask` is `(1, n)`, 1 for tokens that
    count, or None where all do. Of a blend, `tokens = sum_i factors[i] * parts[i].tokens`, so that
    whatever is linear in the tokens can be blended instead of computed: `parts` are the encoded
    prompts and `factors` is `(len(parts), n)` float32 on the device; both empty for one prompt.
    One that is `passing` was made for a single picture: nothing computed from it is worth keeping,
    and its tensors are overwritten by the next one.
    """

    tokens: Tensor
    pooled: Tensor | None = None
    mask: Tensor | None = None
    parts: tuple[PromptEmbedding, ...] = ()
    factors: Tensor | None = None
    passing: bool = False


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Which picture sizes a model paints, in pixels."""

    multiple: int
    smallest: int
    largest: int

    def nearest(self, width: int, height: int) -> tuple[int, int]:
        """Return the model size whose aspect and area come nearest to `width x height`."""
        return (self._round(width), self._round(height))

    def _round(self, length: int) -> int:
        steps = max(1, round(length / self.multiple))
        return min(max(steps * self.multiple, self.smallest), self.largest)


class Bundle(Protocol):
    """Text encoder, autoencoder and denoiser of one checkpoint. Diffusion thread only.

    Latents are whatever the denoiser works on. `strength` is continuous in (0, 1]: 1 is pure
    noise. Arithmetic that divides by a small number stays in float32. `encode`, `decode` and
    `denoised` are called inside a program that may be recorded and replayed (`FrameProgram`).
    """

    @property
    def name(self) -> str:
        """What the window shows."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the networks."""
        ...

    @property
    def size_rule(self) -> SizeRule:
        """Picture sizes it paints."""
        ...

    @property
    def fresh_steps(self) -> int:
        """Calls a picture from pure noise needs to be crisp; the loop itself needs one."""
        ...

    @property
    def natural_guidance(self) -> float:
        """Guidance the model looks best with; 1 for models that were distilled with it inside."""
        ...

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Shape `(1, c, h, w)` of the latent of a `width x height` picture."""
        ...

    def encode_prompt(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        ...

    def weights_changed(self) -> None:
        """Compute anew what was kept of prompts: the denoiser has other weights now."""
        ...

    def hold(self, *prompts: PromptEmbedding) -> None:
        """Have the next calls see these prompts, one per row of the batch.

        Writes in place where the denoiser reads; before a captured graph runs, never inside.
        """
        ...

    def forget_prompts(self) -> None:
        """Encode anew what was encoded: the text encoder's weights have changed."""
        ...

    def reading(self, text: str) -> Reading:
        """What the model makes of the words of a prompt."""
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` float in [-1, 1] -> latent, float32."""
        ...

    def decode(self, latent: Tensor) -> Tensor:
        """Latent, float32 -> `(1, 3, h, w)` float32, about [-1, 1]."""
        ...

    def noise_level(self, strength: float) -> NoiseLevel[float]:
        """How much noise a strength is; continuous and monotone in it."""
        ...

    def denoised(
        self,
        noisy: Tensor,
        level: NoiseLevel[Tensor],
        prompt: PromptEmbedding,
        guidance: Tensor | None,
    ) -> Tensor:
        """One model call: the clean latent, float32, that it sees in `noisy` `(1, c, h, w)`.

        With `guidance`, 0-d, `prompt` has two rows, the second the empty prompt, and the answer
        leans away from the second row's. Part of a program that a device records: no question to
        the device, no branch on what a tensor holds, no memory that outlives the call.
        """
        ...

    def close(self) -> None:
        """Drop all weights; idempotent."""
        ...


def stacked(prompt: PromptEmbedding, empty: PromptEmbedding) -> PromptEmbedding:
    """Put the empty prompt below a prompt, two rows in each part: what `guidance` needs."""

    def pair(above: Tensor | None, below: Tensor | None) -> Tensor | None:
        return None if above is None or below is None else torch.cat((above, below))

    tokens = torch.cat((prompt.tokens, empty.tokens))
    return PromptEmbedding(
        tokens, pair(prompt.pooled, empty.pooled), pair(prompt.mask, empty.mask)
    )


@runtime_checkable
class Guided(Protocol):
    """A bundle that may have guides beside its prompt: a ControlNet, an image prompt."""

    @property
    def led(self) -> bool:
        """Whether the calls of the next frame are led by a structure picture."""
        ...

    def guide(self, structure: Uint8 | None, values: Mapping[str, float]) -> None:
        """Lead the calls from now on by a structure picture of the model's size and live values.

        `structure` is `(h, w, 3)` RGB, the same object as long as it is the same picture; None:
        there is none. Diffusion thread only.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class HeardRows:
    """What a projector made of one sound, on the bundle's device. Equal only to itself."""

    tokens: Tensor
    """Rows as the text encoder would have written them, `(n, d)`."""
    pooled: Tensor | None
    """`(p,)`, where the model has a vector for the whole prompt."""
    stages: Tensor | None = None
    """What each stage of a U-Net hears, `(3, n, d)`; None for a bundle that hears `tokens`."""
    silence: Tensor | None = None
    """The same of nothing at all: what the second row of a guided call hears."""


@runtime_checkable
class HearsSound(Protocol):
    """A bundle whose denoiser can look at a sound beside its prompt. Diffusion thread only."""

    @property
    def hears_by_stage(self) -> bool:
        """Whether it reads `HeardRows.stages`, which cost a projector as much again each."""
        ...

    def attach_sound(self, file: Path | None) -> None:
        """Have the denoiser hear as a projector's file says; None takes that out.

        Before the networks are compiled. Raises `ModelLoadError`, with the denoiser as it was
        before anything was attached.
        """
        ...

    def hear(self, rows: HeardRows | None, strength: float) -> None:
        """Have the next calls hear what a projector made of a sound, at a strength from 0 on.

        `rows` is the same object as long as it is the same sound, so that keys and values are
        computed once per sound; None: the plain denoiser. Before a captured graph runs, never
        inside.
        """
        ...


@runtime_checkable
class Remembers(Protocol):
    """A bundle whose denoiser can look at pictures it painted before. Diffusion thread only."""

    @property
    def memory_slots(self) -> int:
        """How many pictures it can keep, at least 2; 0 where its attention is of another kind."""
        ...

    def open_memory(
        self, width: int, height: int, rows: int, params: FrameParams
    ) -> AttentionMemory:
        """Make room for so many pictures of one size; `rows` 2 where calls may be guided."""
        ...

    def remember(self, memory: AttentionMemory | None) -> None:
        """Have the next calls look at `memory`, and write it where it says so; None: at nothing.

        Before a captured graph runs, never inside.
        """
        ...


@runtime_checkable
class GuidedInside(Protocol):
    """A bundle whose guidance may be an input of its network, as LCM checkpoints have it."""

    def take_guidance(self, guidance: float) -> bool:
        """Have the next calls guided so; False where a second row has to do it."""
        ...


@runtime_checkable
class Ponderous(Protocol):
    """A bundle whose calls may take seconds, so that they have to be left midway."""

    @property
    def networks(self) -> Sequence[nn.Module]:
        """All that is called for a picture and its prompts, see `breathe_between_blocks`."""
        ...


@runtime_checkable
class SlicedText(Protocol):
    """What bundles can do whose text encoder is large. Diffusion thread only."""

    def encoding(self, text: str) -> Generator[None, None, PromptEmbedding]:
        """Encode a prompt in slices of a few milliseconds: a `yield` after each, then the result.

        To the last bit what `encode_prompt` gives.
        """
        ...

    def text_key(self, text: str) -> str:
        """A digest of all that the embedding of `text` depends on, for the cache on disk."""
        ...
