"""`ImagePrompt`: a picture as a prompt, by an IP-Adapter.

Ye et al. 2023, "IP-Adapter: Text Compatible Image Prompt Adapter": a CLIP picture vector becomes a
few tokens, and every cross-attention layer looks at them with keys and values of their own, beside
the text: out = W (attention(Q, K, V) + s · attention(Q, K_ip, V_ip)) + b.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.models.cross_attention import by_head, one_width
from engine.diffusion.models.guide_files import encoder_folder
from engine.diffusion.models.named_errors import named_errors
from engine.diffusion.structure.fitting import cover
from engine.diffusion.structure.image import read_picture
from engine.errors import ModelLoadError, StructureError
from engine.messages import Uint8
from engine.quiet_loaders import quiet_loaders
from engine.registry import Guides

_PROJECTION = ("proj.weight", "proj.bias", "norm.weight", "norm.bias")
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class ImagePrompt:
    """Looks at one picture, whose encoder is needed only once and freed. Diffusion thread only.

    Keys, values and scale are buffers that stay where they are. The picture counts for all rows of
    a call: guidance leans away from the empty text, never from the picture.
    """

    def __init__(
        self, adapter: Path, picture: Uint8, unet: Any, device: torch.device, dtype: torch.dtype
    ) -> None:
        """Put the adapter in `adapter` around the attention processors that `unet` has.

        Whoever exchanges processors has to do so before. Raises `ModelLoadError`, with `unet` as
        it was.
        """
        weights = _read(adapter)
        layers = _layers(unet)
        check_family(adapter, weights, layers)
        vector = _picture_vector(adapter, picture, device, dtype, weights)
        tokens = _tokens({name: part.to(device) for name, part in weights.items()}, vector)
        self._scale = torch.zeros((), device=device, dtype=dtype)
        for index, attention in layers.items():
            key, value = (
                _keyed(tokens, weights[f"ip_adapter.{index}.{name}.weight"], attention.heads)
                for name in ("to_k_ip", "to_v_ip")
            )
            attention.set_processor(
                ImagePromptAttention(
                    attention.processor, key.to(dtype), value.to(dtype), self._scale
                )
            )

    def weigh(self, scale: float) -> None:
        """How much the picture counts from now on; 0 is the text alone."""
        self._scale.fill_(scale)


def open_image_prompt(
    guides: Guides, unet: Any, device: torch.device, dtype: torch.dtype
) -> ImagePrompt:
    """Open what `guides` names. Raises `ModelLoadError`."""
    try:
        picture = read_picture(Path(guides.image_prompt).expanduser())
    except StructureError as error:
        raise ModelLoadError(f"--image-prompt: {error}") from error
    return ImagePrompt(Path(guides.ip_adapter).expanduser(), picture, unet, device, dtype)


class ImagePromptAttention:
    """A diffusers attention processor around another one, whatever that does with the text."""

    def __init__(self, inner: Any, key: Tensor, value: Tensor, scale: Tensor) -> None:
        """`key` and `value` are `(1, heads, tokens, width of a head)`, `scale` is 0-d."""
        self._inner = inner
        self._key, self._value, self._scale = key, value, scale

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Add what is seen in the picture to what the inner processor returns."""
        out: Tensor = self._inner(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        rows = hidden_states.shape[0]
        query = by_head(attn.to_q(hidden_states), attn.heads)
        key, value = (part.expand(rows, -1, -1, -1) for part in (self._key, self._value))
        seen = F.scaled_dot_product_attention(query, key, value)
        seen = one_width(seen) * self._scale
        # `to_out` is linear: the picture's share needs its matrix, not its bias a second time.
        share: Tensor = F.linear(seen, attn.to_out[0].weight) / attn.rescale_output_factor
        return out + share


def check_family(adapter: Path, weights: Mapping[str, Tensor], layers: Mapping[int, Any]) -> None:
    """Raise `ModelLoadError` where an adapter is of another kind or for another U-Net."""
    if not all(f"image_proj.{name}" in weights for name in _PROJECTION):
        kind = "one of another kind (plus, face)" if _is_adapter(weights) else "no IP-Adapter"
        raise ModelLoadError(
            f"{adapter.name} is {kind}: give --ip-adapter a plain one, such as "
            "ip-adapter_sd15.safetensors or ip-adapter_sdxl.safetensors"
        )
    for index, attention in layers.items():
        name = f"ip_adapter.{index}.to_k_ip.weight"
        theirs = weights.get(name)
        ours = tuple(attention.to_k.weight.shape)
        if theirs is None or tuple(theirs.shape) != ours:
            found = "is missing" if theirs is None else f"is {tuple(theirs.shape)}"
            raise ModelLoadError(
                f"{adapter.name} is an IP-Adapter for another family ({name} {found}, this model "
                f"needs {ours}): choose one made for this model, or leave --ip-adapter out"
            )


def _is_adapter(weights: Mapping[str, Tensor]) -> bool:
    return any(name.startswith("image_proj.") for name in weights)


def _layers(unet: Any) -> dict[int, Any]:
    """Cross-attention layers by their number among all attention layers, as adapters count."""
    modules = dict(unet.named_modules())
    return {
        index: modules[name.removesuffix(".processor")]
        for index, name in enumerate(unet.attn_processors)
        if name.endswith("attn2.processor")
    }


def _tokens(weights: Mapping[str, Tensor], vector: Tensor) -> Tensor:
    """The projection: a linear map to some tokens, each normalised. Shape `(tokens, d)`."""
    flat = F.linear(vector, weights["image_proj.proj.weight"].float(),
                    weights["image_proj.proj.bias"].float())  # fmt: skip
    norm = weights["image_proj.norm.weight"].float()
    return F.layer_norm(
        flat.view(-1, len(norm)), (len(norm),), norm, weights["image_proj.norm.bias"].float()
    )


def _keyed(tokens: Tensor, weight: Tensor, heads: int) -> Tensor:
    """Keys or values of the tokens, `(1, heads, tokens, width of a head)` float32."""
    states = tokens @ weight.to(tokens.device).float().t()
    return states.view(1, len(states), heads, -1).transpose(1, 2).contiguous()


def _picture_vector(
    adapter: Path, picture: Uint8, device: torch.device, dtype: torch.dtype,
    weights: Mapping[str, Tensor],
) -> Tensor:  # fmt: skip
    """What CLIP makes of the picture, `(d,)` float32; its encoder is gone afterwards."""
    from transformers import CLIPVisionModelWithProjection

    quiet_loaders("diffusers", "transformers")
    folder = encoder_folder(adapter)
    with named_errors(folder.name, "the image encoder"):
        encoder: Any = CLIPVisionModelWithProjection.from_pretrained(
            folder, dtype=dtype, use_safetensors=True
        )
    wanted = weights["image_proj.proj.weight"].shape[1]
    if encoder.config.projection_dim != wanted:
        raise ModelLoadError(
            f"{folder} makes vectors of {encoder.config.projection_dim}, and {adapter.name} reads "
            f"{wanted}: put the encoder that belongs to it there"
        )
    size = int(encoder.config.image_size)
    pixels = torch.from_numpy(cover(picture, size, size).astype(np.float32) / 255.0)
    pixels = (pixels - torch.tensor(_CLIP_MEAN)) / torch.tensor(_CLIP_STD)
    pixels = pixels.permute(2, 0, 1).unsqueeze(0).to(device, dtype)
    vector: Tensor = encoder.to(device).eval()(pixel_values=pixels).image_embeds[0]
    return vector.float()


def _read(adapter: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if adapter.suffix != ".safetensors":
        raise ModelLoadError(
            f"{adapter} is no .safetensors file, and nothing else is read: a pickle can run code"
        )
    try:
        return load_file(adapter)
    except (OSError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or ["damaged"])[0][:120]
        raise ModelLoadError(f"{adapter} cannot be read ({reason}): fetch it again") from error
