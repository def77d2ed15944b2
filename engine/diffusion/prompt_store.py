"""Encoded prompts kept on disk, so that a show begins without asking the text encoder again."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from pathlib import Path

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.diffusion.bundle import PromptEmbedding

logger = logging.getLogger(__name__)

MOST_BYTES = 256 * 2**20
"""Of all files; beyond it the ones not read for longest go (SD-Turbo in float16: 158 kB each)."""
_KEPT_SHARE = 0.8
_PARTS = ("tokens", "pooled", "mask")


class PromptStore:
    """One file per prompt, named by a digest. A cache: damage and loss do no harm.

    Diffusion thread only; reading takes about half a millisecond, writing one.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        """`folder` is the user's cache unless given."""
        self.folder = folder or user_cache_path("sonolume", appauthor=False) / "prompts"
        self._most_bytes = most_bytes
        self._bytes: int | None = None  # not yet counted
        self._refused = False

    def get(self, key: str, device: torch.device) -> PromptEmbedding | None:
        """Return what was kept under `key`, None when nothing, or nothing whole, was."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                whole = (file.metadata() or {}).get("sha256") == _digest(found)
        except (OSError, SafetensorError, ValueError) as error:
            logger.info("the prompt in %s is encoded anew: %s", path, error)
            return None
        if not whole or "tokens" not in found:
            logger.info("the prompt in %s is encoded anew: the file is damaged", path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # what is read stays
        return PromptEmbedding(**{name: tensor.to(device) for name, tensor in found.items()})

    def add(self, key: str, embedding: PromptEmbedding) -> None:
        """Keep `embedding`; where nothing can be written, say so once and go on."""
        if self._refused:
            return
        found = {
            name: getattr(embedding, name).detach().cpu().contiguous()
            for name in _PARTS
            if getattr(embedding, name) is not None
        }
        path = self._path(key)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(found, part, {"sha256": _digest(found)})
            size = part.stat().st_size
            part.replace(path)
            self._make_room(size)
        except (OSError, SafetensorError) as error:
            self._refused = True
            logger.info("encoded prompts are not kept in %s: %s", self.folder, error)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key[:64]}.safetensors"

    def _make_room(self, added: int) -> None:
        if self._bytes is not None:
            self._bytes += added
            if self._bytes <= self._most_bytes:
                return
        files = []
        for path in self.folder.iterdir():
            with contextlib.suppress(OSError):  # another process makes room at the same time
                facts = path.stat()
                files.append((facts.st_mtime_ns, facts.st_size, path))
        self._bytes = sum(size for _, size, _ in files)
        if self._bytes <= self._most_bytes:
            return
        for _, size, path in sorted(files):
            if self._bytes <= _KEPT_SHARE * self._most_bytes:
                return
            path.unlink(missing_ok=True)
            self._bytes -= size


def _digest(tensors: dict[str, Tensor]) -> str:
    """A hash of all bytes: a file that was cut short by a power failure may have its length."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
