"""Reading and writing ember's weights: safetensors in the diffusers folder layout, no diffusers.

    ember/model_index.json               what is where, with the SHA-256 of every file
    ember/autoencoder/{config.json, model-*.safetensors}
    ember/unet/{config.json, model-*.safetensors}
    ember/text/{config.json, model-*.safetensors, word_table.safetensors, vocab.txt}

Everything is stored as float16 (the word table as int8) in shards below `SHARD_BYTES`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from engine.conditioning.word_table import WordTable
from engine.diffusion.models.ember.autoencoder import AutoencoderConfig, Decoder, Encoder
from engine.diffusion.models.ember.text import TextConfig, TextEncoder
from engine.diffusion.models.ember.unet import FlowUNet, UNetConfig
from engine.errors import ModelLoadError

FORMAT_VERSION = 1
SHARD_BYTES = 12_000_000

_REMEDY = (
    "copy the folder again; the shipped one comes back with 'git checkout resources/ember' or by "
    "installing sonolume again"
)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How these weights look best: looked at and measured when they were made.

    `fresh_steps` calls for a picture from pure noise, more no longer look better; `guidance` 1
    where the weights were distilled with it inside, above 1 each call costs two.
    """

    fresh_steps: int
    guidance: float


@dataclass(frozen=True, slots=True)
class EmberNetworks:
    """The four networks, in evaluation mode, without gradients. The text encoder is float32."""

    encoder: Encoder
    decoder: Decoder
    unet: FlowUNet
    text: TextEncoder
    sampling: Sampling


def load_ember(folder: Path, device: torch.device | str, dtype: torch.dtype) -> EmberNetworks:
    """Load ember from `folder`; convolutional networks come in channels_last.

    Raises `ModelLoadError`, naming the file, when one is missing, damaged or of another version.
    Diffusion thread only: it runs torch operations.
    """
    reader = _Reader(folder)
    auto = AutoencoderConfig(**_tupled(reader.config("autoencoder")))
    with torch.device("meta"):
        encoder, decoder = Encoder(auto), Decoder(auto)
        unet = FlowUNet(UNetConfig(**_tupled(reader.config("unet"))))
        text_config = reader.config("text")
        table_config = text_config.pop("word_table")
        text = TextEncoder(TextConfig(**text_config))
    reader.fill(nn.ModuleDict({"encoder": encoder, "decoder": decoder}), "autoencoder")
    reader.fill(unet, "unet")
    reader.fill(text, "text")
    encoder.fold_normalisation(auto.latents_mean, auto.latents_std)
    text.table = reader.word_table(table_config)
    for network in (encoder, decoder, unet):
        network.to(device=device, dtype=dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    text.to(device)
    return EmberNetworks(
        encoder.eval(), decoder.eval(), unet.eval(), text.eval(), reader.sampling()
    )


def save_ember(
    folder: Path,
    autoencoder: tuple[AutoencoderConfig, Mapping[str, Tensor]],
    unet: tuple[UNetConfig, Mapping[str, Tensor]],
    text: tuple[TextConfig, Mapping[str, Tensor]],
    table: Path,
    sampling: Sampling,
) -> None:
    """Write the folder. `table` is the folder that `text_table.build_table` has written.

    The state dictionaries are those of `nn.ModuleDict({"encoder", "decoder"})` (the normalisation
    not folded in), of the U-Net and of the text encoder.
    """
    writer = _Writer(folder)
    writer.component("autoencoder", dataclasses.asdict(autoencoder[0]), autoencoder[1])
    writer.component("unet", dataclasses.asdict(unet[0]), unet[1])
    table_config = json.loads((table / "word_table.json").read_text())
    writer.component("text", dataclasses.asdict(text[0]) | {"word_table": table_config}, text[1])
    for name in ("word_table.safetensors", "vocab.txt"):
        writer.write(f"text/{name}", (table / name).read_bytes())
    writer.finish(sampling)


def read_parts(folder: Path) -> dict[str, tuple[dict[str, Any], dict[str, Tensor]]]:
    """Settings and float32 tensors of each component, of whatever layout: for training on.

    Raises `ModelLoadError`.
    """
    reader = _Reader(folder)
    names = ("autoencoder", "unet", "text")
    return {name: (reader.config(name), reader.tensors(name)) for name in names}


def read_word_table(folder: Path) -> WordTable:
    """Open a table written by `text_table.build_table`."""
    config = json.loads((folder / "word_table.json").read_text())
    pieces = (folder / "vocab.txt").read_text().splitlines()
    return _table(load_tensors((folder / "word_table.safetensors").read_bytes()), pieces, config)


class _Reader:
    """Reads files of one folder, turning every failure into one line with a remedy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        index_path = folder / "model_index.json"
        index = self._json(index_path, self._bytes(index_path))
        if index.get("format_version") != FORMAT_VERSION:
            raise ModelLoadError(
                f"{index_path} has format version {index.get('format_version')}, "
                f"this program reads {FORMAT_VERSION}: {_REMEDY}"
            )
        self._index = index
        self._hashes: dict[str, str] = index.get("files", {})

    def sampling(self) -> Sampling:
        """How to sample with these weights."""
        try:
            stored = self._index["sampling"]
            return Sampling(int(stored["fresh_steps"]), float(stored["guidance"]))
        except (TypeError, KeyError, ValueError) as error:
            raise ModelLoadError(
                f"{self._folder / 'model_index.json'} does not say how to sample: {_REMEDY}"
            ) from error

    def config(self, component: str) -> dict[str, Any]:
        """Settings of a component."""
        name = f"{component}/config.json"
        return self._json(self._folder / name, self._verified(name))

    def fill(self, module: nn.Module, component: str) -> None:
        """Give the module its stored weights as float32."""
        try:
            module.load_state_dict(self.tensors(component), assign=True)
        except RuntimeError as error:
            raise ModelLoadError(
                f"{self._folder / component} holds weights of another layout: {_REMEDY}"
            ) from error
        module.requires_grad_(False)

    def tensors(self, component: str) -> dict[str, Tensor]:
        """The stored weights of a component as float32."""
        state: dict[str, Tensor] = {}
        for name in sorted(self._hashes):
            if name.startswith(f"{component}/model-"):
                state |= self._tensors(name)
        return {key: value.float() for key, value in state.items()}

    def word_table(self, config: dict[str, Any]) -> WordTable:
        """The table of word vectors."""
        pieces = self._verified("text/vocab.txt").decode().splitlines()
        return _table(self._tensors("text/word_table.safetensors"), pieces, config)

    def _tensors(self, name: str) -> dict[str, Tensor]:
        try:
            return load_tensors(self._verified(name))
        except SafetensorError as error:
            raise ModelLoadError(f"{self._folder / name} is damaged: {_REMEDY}") from error

    def _verified(self, name: str) -> bytes:
        data = self._bytes(self._folder / name)
        if hashlib.sha256(data).hexdigest() != self._hashes.get(name):
            raise ModelLoadError(
                f"{self._folder / name} ({len(data)} bytes) is damaged, "
                f"its checksum differs from model_index.json: {_REMEDY}"
            )
        return data

    @staticmethod
    def _bytes(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise ModelLoadError(f"{path} cannot be read ({error.strerror}): {_REMEDY}") from error

    @staticmethod
    def _json(path: Path, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except ValueError as error:
            raise ModelLoadError(f"{path} is damaged: {_REMEDY}") from error
        if not isinstance(value, dict):
            raise ModelLoadError(f"{path} is damaged: {_REMEDY}")
        return value


class _Writer:
    """Writes files of one folder and remembers their checksums; the index comes last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashes: dict[str, str] = {}

    def component(self, name: str, config: dict[str, Any], state: Mapping[str, Tensor]) -> None:
        """Write config.json and the shards of one component."""
        (self._folder / name).mkdir(parents=True, exist_ok=True)
        for stale in (self._folder / name).glob("model-*.safetensors"):
            stale.unlink()
        self.write(f"{name}/config.json", (json.dumps(config, indent=2) + "\n").encode())
        shards = _shards(state)
        for index, shard in enumerate(shards, 1):
            path = f"{name}/model-{index:05d}-of-{len(shards):05d}.safetensors"
            self.write(path, dump_tensors(shard))

    def write(self, name: str, data: bytes) -> None:
        """Write one file."""
        (self._folder / name).write_bytes(data)
        self._hashes[name] = hashlib.sha256(data).hexdigest()

    def finish(self, sampling: Sampling) -> None:
        """Write the index."""
        index = {
            "_class_name": "Ember",
            "format_version": FORMAT_VERSION,
            "autoencoder": ["engine.diffusion.models.ember", "Encoder, Decoder"],
            "unet": ["engine.diffusion.models.ember", "FlowUNet"],
            "text": ["engine.diffusion.models.ember", "TextEncoder"],
            "sampling": dataclasses.asdict(sampling),
            "files": dict(sorted(self._hashes.items())),
        }
        (self._folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def _shards(state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Float16 copies, in order, cut so that no shard exceeds `SHARD_BYTES`."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for key, value in state.items():
        half = value.detach().to("cpu", torch.float16).contiguous()
        n_bytes = half.numel() * half.element_size()
        if shards[-1] and size + n_bytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][key] = half
        size += n_bytes
    return shards


def _table(tensors: Mapping[str, Tensor], pieces: list[str], config: dict[str, Any]) -> WordTable:
    return WordTable(
        pieces,
        tensors["vectors"].numpy(),
        tensors["weights"].numpy().astype(np.float32),
        tuple(config["known_words"]),
        float(config["known_similarity"]),
    )


def _tupled(config: dict[str, Any]) -> dict[str, Any]:
    """JSON lists as the tuples that the configurations hold."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
