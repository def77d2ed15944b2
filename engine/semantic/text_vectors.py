"""Text vectors kept on disk, so that a text tower is needed once per text and checkpoint."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from engine.messages import Float32

logger = logging.getLogger(__name__)

MOST_TEXTS = 5_000
"""Of one checkpoint; beyond it the oldest are forgotten (10 MB at 512 numbers each)."""


class TextVectors:
    """The vectors known of one checkpoint, by exact text. A cache: damage and loss do no harm."""

    def __init__(self, digest: str, folder: Path | None = None) -> None:
        """`digest` names the weights; `folder` is the user's cache unless given."""
        home = folder or user_cache_path("sonolume", appauthor=False) / "clap"
        self.path = home / f"{digest[:40]}.safetensors"
        self._known = self._read()

    def get(self, text: str) -> Float32 | None:
        """Return the vector of `text`, None when it was never added."""
        return self._known.get(text)

    def add(self, texts: list[str], vectors: Float32) -> None:
        """Keep `vectors[i]` for `texts[i]`, in memory and on disk."""
        self._known |= dict(zip(texts, vectors, strict=True))
        kept = list(self._known)[-MOST_TEXTS:]
        stack = np.stack([self._known[text] for text in kept])
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"vectors": stack}, part, {"texts": json.dumps(kept)})
            part.replace(self.path)
        except (OSError, SafetensorError) as error:
            logger.info("text vectors were not kept in %s: %s", self.path, error)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _read(self) -> dict[str, Float32]:
        if not self.path.is_file():
            return {}
        try:
            with safe_open(self.path, "np") as file:
                texts = json.loads((file.metadata() or {})["texts"])
                vectors = np.asarray(file.get_tensor("vectors"), np.float32)
            return dict(zip(map(str, texts), vectors, strict=True))
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            logger.info("text vectors in %s are made anew: %s", self.path, error)
            return {}
