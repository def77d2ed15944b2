"""Which autoencoder paints: the small one of the latent space (TAESD) or the checkpoint's own.

Encoding and decoding 512x512 took SD's own autoencoder 227 s and TAESD 14 s (float32, one thread
of a busy Xeon, 28 Nov 2026): the small one is the default where it is here. It is never fetched
by itself. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.diffusion.hub.cache import cache_root, snapshot_of
from engine.diffusion.models.family import Family, read_json
from engine.errors import ModelLoadError
from engine.known_models import known_model
from engine.weights_file import PICKLES


@dataclass(frozen=True, slots=True)
class VaeChoice:
    """Where the autoencoder comes from."""

    folder: Path | None
    """The folder of a small one; None: the checkpoint's own."""
    notice: str = ""
    """One line for the user when the small one is missing."""


def choose_vae(family: Family, checkpoint: Path, wanted: str, own_class: str) -> VaeChoice:
    """Choose for `wanted` in `auto` (small if there is one), `tiny` (or an error) and `own`.

    `own_class` is the class of the checkpoint's own autoencoder; empty where it has none. A
    folder `taesd` (`taesdxl`, `taesd3`) inside the checkpoint's or beside it goes before the
    hub's cache. Raises `ModelLoadError`.
    """
    if own_class == "AutoencoderTiny" or (own_class and wanted == "own"):
        return VaeChoice(None)
    if wanted == "own":
        raise ModelLoadError(
            f"{checkpoint.name} has no autoencoder of its own: leave --vae own out "
            f"and let it paint with {family.tiny}, or fetch the checkpoint again"
        )
    known = known_model(family.tiny)
    assert known is not None, family.tiny
    inside = checkpoint if checkpoint.is_dir() else checkpoint.parent
    cached = snapshot_of(known.hub_id, cache_root())
    for folder in (inside / family.tiny, inside.parent / family.tiny, cached):
        if folder is not None and (folder / "config.json").is_file():
            _check_tiny(folder)
            return VaeChoice(folder)
    if not own_class:
        raise ModelLoadError(
            f"{checkpoint.name} has no autoencoder of its own, and {family.tiny} "
            f"is not on this machine: run `sonolume models fetch {family.tiny}` (10 MB)"
        )
    if wanted == "tiny":
        raise ModelLoadError(
            f"the small autoencoder {family.tiny} is not on this machine: run "
            f"`sonolume models fetch {family.tiny}` (10 MB), or use --vae own"
        )
    return VaeChoice(
        None,
        f"{checkpoint.name} paints with its own large autoencoder, which is slow: "
        f"`sonolume models fetch {family.tiny}` (10 MB) makes it faster",
    )


def _check_tiny(folder: Path) -> None:
    class_name = read_json(folder / "config.json", "it is needed").get("_class_name")
    if class_name != "AutoencoderTiny":
        raise ModelLoadError(
            f"{folder} is a {class_name}, not an AutoencoderTiny: delete or rename it, or use "
            "--vae own"
        )


def own_vae_class(checkpoint: Path) -> str:
    """The class of the checkpoint's own autoencoder; empty where it has none."""
    if checkpoint.is_file():
        return "AutoencoderKL"
    folder = checkpoint / "vae"
    if not folder.is_dir():
        return ""
    lacks = "the checkpoint's vae is missing; fetch it again"
    table = read_json(folder / "config.json", lacks)
    if not any(path.suffix in (".safetensors", *PICKLES) for path in folder.iterdir()):
        return ""
    return str(table.get("_class_name", "AutoencoderKL"))
