"""The judge of ember: names the scene (and style) of pictures; reading and writing its weights.

    judge/judge.json                what it can tell apart, its figures, SHA-256 of the files
    judge/model.safetensors         the network, float16
    judge/reference.safetensors     its features of held-out painted pictures, float16

It learned from painted pictures alone and has nothing in common with ember but the painters. The
reference is what ember's pictures are compared with, so that nothing has to be painted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from engine.errors import ModelLoadError
from engine.scoring.judge_network import INPUT_PX, JudgeConfig, JudgeNetwork

FORMAT_VERSION = 1
MODEL_FILE = "model.safetensors"
REFERENCE_FILE = "reference.safetensors"
PLAIN = "plain"
"""The style of pictures in no style, where a judge knows styles."""
UNSTYLED = -1
"""Style index of every picture where a judge knows no styles."""

_INDEX_FILE = "judge.json"
_REMEDY = "restore the folder with 'git checkout resources/judge' or install sonolume again"

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge thinks of `b` pictures."""

    scenes: Int64
    """Shape `(b,)`: indices into `Judge.scenes`."""
    styles: Int64 | None
    """Shape `(b,)`: indices into `Judge.styles`; None where it knows no styles."""
    features: Float32
    """Shape `(b, f)`."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Held-out painted pictures as the judge sees them."""

    features: Float32
    """Shape `(n, f)`."""
    scenes: Int64
    """Shape `(n,)`: what was painted, indices into `Judge.scenes`."""
    styles: Int64
    """Shape `(n,)`: in which style, indices into `Judge.styles` or `UNSTYLED`."""


class Judge:
    """Looks at pictures. One thread at a time: it runs torch operations."""

    def __init__(self, network: JudgeNetwork, reference: Reference) -> None:
        network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = network
        self.reference = reference

    @property
    def network(self) -> JudgeNetwork:
        """What it looks with, for `features_of`."""
        return self._network

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the scenes that it can tell apart."""
        return self._network.config.scenes

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles that it can tell apart; may be empty."""
        return self._network.config.styles

    def look(self, pictures: NDArray[np.uint8]) -> Verdict:
        """Judge RGB pictures `(b, h, w, 3)` of any size, by their central squares."""
        return self.look_again(features_of(self._network, pictures))

    @torch.inference_mode()
    def look_again(self, features: Float32) -> Verdict:
        """Judge pictures by their features `(b, f)`, of an earlier look."""
        device = self._network.stem.weight.device
        scene, style = self._network.scores(torch.from_numpy(features).to(device))
        chosen = None if style is None else style.argmax(dim=1).cpu().numpy()
        return Verdict(scene.argmax(dim=1).cpu().numpy(), chosen, features)


@torch.inference_mode()
def features_of(network: JudgeNetwork, pictures: NDArray[np.uint8]) -> Float32:
    """Features `(b, f)` of RGB pictures `(b, h, w, 3)`; the network is in evaluation mode."""
    seen = to_input(pictures).to(network.stem.weight.device)
    features = network.features(seen.contiguous(memory_format=torch.channels_last))
    return np.asarray(features.float().cpu().numpy(), np.float32)


def to_input(pictures: NDArray[np.uint8]) -> Tensor:
    """Central squares of RGB pictures `(b, h, w, 3)` as `(b, 3, 128, 128)` float32 in [-1, 1]."""
    small = np.stack([shrink(picture, INPUT_PX) for picture in pictures])
    return torch.from_numpy(small).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def shrink(picture: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """The central square of an RGB picture `(h, w, 3)`, scaled to `side_px` by area."""
    import cv2

    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    small = cv2.resize(square, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def judge_folder() -> Path:
    """Where the shipped judge is."""
    return Path(str(files("resources") / "judge"))


def load_judge(folder: Path, device: torch.device | str = "cpu") -> Judge:
    """Load a judge. Raises `ModelLoadError`, naming the file and the remedy."""
    index = _read_index(folder / _INDEX_FILE)
    config = _config_of(index, folder / _INDEX_FILE)
    model = _verified_tensors(folder / MODEL_FILE, index)
    stored = _verified_tensors(folder / REFERENCE_FILE, index)
    network = JudgeNetwork(config)
    try:
        network.load_state_dict({key: _widened(value) for key, value in model.items()})
        reference = Reference(
            stored["features"].float().numpy(),
            stored["scenes"].long().numpy(),
            stored["styles"].long().numpy(),
        )
    except (RuntimeError, KeyError) as error:
        raise ModelLoadError(f"{folder} holds a judge of another layout: {_REMEDY}") from error
    return Judge(network.requires_grad_(False).to(device), reference)


def save_judge(
    folder: Path,
    network: JudgeNetwork,
    reference: Reference,
    figures: Mapping[str, Any],
) -> None:
    """Write a folder as `load_judge` reads it; `figures` go into judge.json as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    model = {key: _narrowed(value) for key, value in network.state_dict().items()}
    stored = {
        "features": torch.from_numpy(reference.features).half(),
        "scenes": torch.from_numpy(reference.scenes).short(),
        "styles": torch.from_numpy(reference.styles).short(),
    }
    hashes = {}
    for name, tensors in ((MODEL_FILE, model), (REFERENCE_FILE, stored)):
        data = dump_tensors(tensors)
        (folder / name).write_bytes(data)
        hashes[name] = hashlib.sha256(data).hexdigest()
    config = network.config
    index = {
        "format_version": FORMAT_VERSION,
        "licence": "Apache-2.0",
        "scenes": list(config.scenes),
        "styles": list(config.styles),
        "widths": list(config.widths),
        "figures": dict(figures),
        "files": hashes,
    }
    (folder / _INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n")


def _read_index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read ({error.strerror}): {_REMEDY}") from error
    except ValueError as error:
        raise ModelLoadError(f"{path} is damaged: {_REMEDY}") from error
    if not isinstance(index, dict) or index.get("format_version") != FORMAT_VERSION:
        version = index.get("format_version") if isinstance(index, dict) else None
        raise ModelLoadError(
            f"{path} has format version {version}, this program reads {FORMAT_VERSION}: {_REMEDY}"
        )
    return index


def _config_of(index: dict[str, Any], path: Path) -> JudgeConfig:
    try:
        first, second, third, fourth = (int(width) for width in index["widths"])
        scenes, styles = (tuple(map(str, index[key])) for key in ("scenes", "styles"))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelLoadError(f"{path} does not say what it can judge: {_REMEDY}") from error
    return JudgeConfig(scenes, styles, (first, second, third, fourth))


def _verified_tensors(path: Path, index: dict[str, Any]) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read ({error.strerror}): {_REMEDY}") from error
    hashes = index.get("files")
    expected = hashes.get(path.name) if isinstance(hashes, dict) else None
    if hashlib.sha256(data).hexdigest() != expected:
        raise ModelLoadError(
            f"{path} ({len(data)} bytes) is damaged, "
            f"its checksum differs from {_INDEX_FILE}: {_REMEDY}"
        )
    try:
        return load_tensors(data)
    except SafetensorError as error:
        raise ModelLoadError(f"{path} is damaged: {_REMEDY}") from error


def _narrowed(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    return (value.half() if value.is_floating_point() else value).contiguous()


def _widened(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value
