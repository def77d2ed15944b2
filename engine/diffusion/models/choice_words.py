"""Which autoencoder a request would paint with, in words: two renders must not mix two of them."""

from __future__ import annotations

from engine.diffusion.models.source import checkpoint_family, checkpoint_path
from engine.diffusion.models.tiny_vae import choose_vae, own_vae_class
from engine.errors import ModelLoadError
from engine.registry import CHECKPOINT, find_model


def autoencoder_words(model: str, vae: str) -> str:
    """Return the name of the small autoencoder, or `own`. Imports no torch."""
    if find_model(model) is not CHECKPOINT:
        return "own"
    try:
        path = checkpoint_path(model)
        family = checkpoint_family(path)
        if family.kind == "ember":
            return "own"
        choice = choose_vae(family, path, vae, own_vae_class(path))
    except ModelLoadError:  # opening the model says it better
        return "not known"
    return "own" if choice.folder is None else family.tiny
