"""VGGish in torch, with torchvggish's names: a patch of log-mel in, 128 numbers out.

Six 3x3 convolutions and three dense layers after VGG-A (Hershey et al. 2017), 72,141,184
parameters. The weights were trained in TensorFlow, which flattens height, width, channels in this
order: channels last, or the dense layers read another picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.conditioning.vggish_frontend import BANDS, PATCH_FRAMES

OUT = 128
_CHANNELS: tuple[int | None, ...] = (64, None, 128, None, 256, 256, None, 512, 512, None)
"""None: a maximum over 2x2, after which height and width are halved."""
_DENSE = 4096
_PLACES = (PATCH_FRAMES // 16) * (BANDS // 16)


class VggishNetwork(nn.Module):
    """`(n, 96, 64)` to `(n, 128)`, none below 0."""

    def __init__(self, base: int = 64) -> None:
        """`base`: channels of the first convolution; 64 in the published one, all else with it."""
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for wanted in _CHANNELS:
            if wanted is None:
                layers.append(nn.MaxPool2d(2, 2))
                continue
            width = wanted * base // 64
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        dense = _DENSE * base // 64
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(_PLACES * channels, dense), nn.ReLU(),
            nn.Linear(dense, dense), nn.ReLU(),
            nn.Linear(dense, OUT), nn.ReLU(),
        )  # fmt: skip

    def forward(self, patches: Tensor) -> Tensor:
        """Return the 128 numbers of every patch."""
        found = self.features(patches[:, None])  # (n, 512, 6, 4)
        out: Tensor = self.embeddings(torch.permute(found, (0, 2, 3, 1)).flatten(1))
        return out
