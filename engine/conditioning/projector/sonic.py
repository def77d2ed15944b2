"""SonicDiffusion's projector, by the names of its checkpoints: one vector to 77 rows.

`burakcanbiner/SonicDiffusion`, `audio_projector_{landscape,gh}.pth`: Microsoft CLAP 2022 (1024
numbers) to 77 x 768, 6,130,050 parameters. Built from the facts of its layout; its code, which
has no licence, is not used.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

_HEADS = 8
_HEAD_WIDTH = 40
_DROPOUT = 0.1
_KERNEL = 17


class _Attention(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.to_q_adapter = nn.Linear(width, inner, bias=False)
        self.to_k_adapter = nn.Linear(width, inner, bias=False)
        self.to_v_adapter = nn.Linear(width, inner, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, n, _ = x.shape
        q, k, v = (
            layer(x).view(b, n, _HEADS, -1).transpose(1, 2)
            for layer in (self.to_q_adapter, self.to_k_adapter, self.to_v_adapter)
        )
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, -1)


class SonicAdapter(nn.Module):
    """Convolutions along the vector, one channel per row, then self-attention.

    `chained` is for new training. Without, as in the published network, every layer starts from
    the convolutions again, so only the last of the four counts: their checkpoints need it so.
    """

    def __init__(
        self,
        tokens: int = 77,
        input_width: int = 1024,
        width: int = 768,
        layers: int = 4,
        *,
        chained: bool = False,
    ) -> None:
        super().__init__()
        inner = _HEADS * _HEAD_WIDTH
        kernel, stride, padding, wide = _last_convolution(input_width, width)
        self.chained = chained
        self.audio_emb_projection = nn.Sequential(
            nn.Conv1d(1, tokens, _KERNEL, padding=8),
            nn.GELU(),
            nn.Conv1d(tokens, tokens, _KERNEL, padding=8),
            nn.GELU(),
            nn.LayerNorm([tokens, input_width]),
            nn.Conv1d(tokens, tokens, _KERNEL, padding=8),
            nn.GELU(),
            nn.LayerNorm([tokens, input_width]),
            nn.ConvTranspose1d(tokens, tokens, _KERNEL, stride=3, padding=7),
            nn.GELU(),
            nn.LayerNorm([tokens, wide]),
            nn.GELU(),
            nn.Conv1d(tokens, tokens, kernel, stride=stride, padding=padding),
            nn.Dropout(_DROPOUT),
        )
        self.cross_attention = nn.ModuleList(_Attention(width, inner) for _ in range(layers))
        self.between_attention = nn.ModuleList(
            nn.Sequential(
                nn.Linear(inner, inner), nn.GELU(), nn.Linear(inner, width), nn.Dropout(_DROPOUT)
            )
            for _ in range(layers)
        )
        self.to_out_adapter = nn.Sequential(nn.Linear(width, width), nn.Dropout(_DROPOUT))

    def forward(self, vector: Tensor) -> Tensor:
        """A vector `(b, input_width)` to rows `(b, tokens, width)`."""
        projected = self.audio_emb_projection(vector[:, None])
        x = projected
        layers = list(zip(self.cross_attention, self.between_attention, strict=True))
        for attention, between in layers if self.chained else layers[-1:]:
            x = x + between(attention(x))
        out: Tensor = self.to_out_adapter(x)
        return out

    def last_layers(self) -> list[nn.Module]:
        """What the last stage of training still moves."""
        return [self.to_out_adapter]


def _last_convolution(input_width: int, width: int) -> tuple[int, int, int, int]:
    """Kernel, stride, padding of the last convolution, and how wide what it reads is.

    1024 numbers become 3072 and then, by a kernel of 17 and a stride of 4, 768; the 512 of LAION's
    CLAP become 1536, and a kernel of 17 would end at 767.
    """
    wide = 3 * input_width
    stride, odd = divmod(wide, width)
    if odd or stride not in (2, 4):
        raise ValueError(f"{input_width} numbers cannot become rows of {width}")
    return (_KERNEL if stride == 4 else _KERNEL - 1), stride, 7, wide
