"""Weights into networks: every tensor checked by name and shape before a byte of it is copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from torch import Tensor, nn

from engine.diffusion.breath import breathe
from engine.diffusion.models.named_errors import named_errors
from engine.errors import ModelLoadError
from engine.weights_file import TensorFacts, read_weights_file


class Weights(Protocol):
    """Named tensors that need not be in memory yet."""

    @property
    def facts(self) -> Mapping[str, TensorFacts]:
        """Every tensor there is."""
        ...

    def tensor(self, name: str) -> Tensor:
        """Read one."""
        ...


class FileWeights:
    """The tensors of one or more safetensors files, read one by one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._home: dict[str, Path] = {}
        self.facts: dict[str, TensorFacts] = {}
        for path in paths:
            file = read_weights_file(path)
            self.facts.update(file.tensors)
            self._home.update(dict.fromkeys(file.tensors, path))
        self._open: dict[Path, Any] = {}

    def tensor(self, name: str) -> Tensor:
        """Read one."""
        path = self._home[name]
        if path not in self._open:
            self._open[path] = safe_open(path, framework="pt")
        tensor: Tensor = self._open[path].get_tensor(name)
        return tensor


class HeldWeights:
    """Tensors that are in memory, as after the conversion of a single file."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self.facts = {
            name: TensorFacts(str(tensor.dtype), tuple(tensor.shape))
            for name, tensor in tensors.items()
        }

    def tensor(self, name: str) -> Tensor:
        """Return one."""
        return self._tensors[name]


def fill(
    network: nn.Module, weights: Weights, part: str, device: torch.device, dtype: torch.dtype
) -> None:
    """Give a network, made on the meta device, its weights in `dtype` on `device`.

    Convolutions come channels last. No tensor is in memory twice. `part` is how an error names
    it, as in `sd-turbo: unet`. A show breathes between two tensors. Raises `ModelLoadError`,
    naming the tensor.
    """
    with named_errors(part):
        names = _sources(network, weights, part)
    state: dict[str, Tensor] = {}
    for name, source in names.items():
        with named_errors(part):
            state[name] = _copied(weights.tensor(source), device, dtype)
        breathe()
    with named_errors(part):
        network.load_state_dict(state, strict=True, assign=True)
        _number_positions(network, part, device)
    network.requires_grad_(requires_grad=False).eval()


def _sources(network: nn.Module, weights: Weights, part: str) -> dict[str, str]:
    """Name in the network -> name in the file, of the same shape."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    names = _matched(wanted, weights.facts, part)
    for name, source in names.items():
        found = weights.facts[source].shape
        if found != wanted[name]:
            raise ModelLoadError(
                f"{part}: {source} has the shape {_words(found)}, its config.json says "
                f"{_words(wanted[name])}: weights and configuration are of different checkpoints"
            )
    return names


def _copied(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    layout = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
    kind = dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.to(device, kind, copy=True, memory_format=layout)


def _matched(
    wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, TensorFacts], part: str
) -> dict[str, str]:
    """Name in the network -> name in the file."""
    renamed = {_today(name): name for name in found}
    names: dict[str, str] = {}
    missing: list[str] = []
    for name in wanted:
        for candidate in (name, f"text_model.{name}", name.removeprefix("text_model.")):
            if candidate in renamed:
                names[name] = renamed[candidate]
                break
        else:
            missing.append(name)
    if missing:
        raise ModelLoadError(
            f"{part} lacks {len(missing)} of {len(wanted)} tensors, the first is {missing[0]}: "
            "the file is not whole or is of another network; fetch the checkpoint again"
        )
    return names


_OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.",
                  ".proj_attn.": ".to_out.0."}  # fmt: skip


def _today(name: str) -> str:
    """Autoencoders saved before diffusers 0.15 (SD 1.5's) name their attention otherwise."""
    for old, new in _OLD_ATTENTION.items():
        if ".attentions." in name:
            name = name.replace(old, new)
    return name


def _number_positions(network: nn.Module, part: str, device: torch.device) -> None:
    """CLIP counts its positions in a buffer that no file holds."""
    for name, buffer in list(network.named_buffers()):
        if not buffer.is_meta:
            continue
        owner_name, _, leaf = name.rpartition(".")
        if leaf != "position_ids":
            raise ModelLoadError(f"{part}: {name} is neither in the file nor known")
        owner = network.get_submodule(owner_name)
        places = torch.arange(buffer.shape[-1], device=device).expand(tuple(buffer.shape))
        owner.register_buffer(leaf, places, persistent=False)


def _words(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape) or "one number"
