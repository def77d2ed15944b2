"""What lies in the cache of the Hugging Face hub. Imports no torch, touches no network.

The layout is the hub's own, so that nothing is fetched twice: `models--OWNER--NAME` with `blobs`
(files by hash), `snapshots/COMMIT` (links to them by name) and `refs/main` (a commit).
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "models--"
HALF = ".incomplete"
"""Ends the name of a file of which only the beginning is here."""

_LICENCE = re.compile(r"^license(?:_name)?:\s*(\S.*?)\s*$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CachedModel:
    """One repository of the hub that is on this machine, whole or in part."""

    hub_id: str
    home: Path
    """`models--OWNER--NAME`."""
    snapshot: Path | None
    """Where its files are, by name; None while nothing is whole."""
    size: int
    """Bytes on the disk."""
    half: bool
    """Whether a fetch was interrupted."""


def cache_root() -> Path:
    """Return the hub's cache folder, which `HF_HUB_CACHE` and `HF_HOME` move."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def home_of(hub_id: str, root: Path) -> Path:
    """Return the folder of a repository in the cache, there or not."""
    return root / (_PREFIX + hub_id.replace("/", "--"))


def snapshot_of(hub_id: str, root: Path) -> Path | None:
    """Return the folder with the files of a repository, as its `main` was when fetched."""
    return _snapshot(home_of(hub_id, root))


def cached_models(root: Path) -> list[CachedModel]:
    """Return all repositories with models in the cache, by name."""
    if not root.is_dir():
        return []
    found = []
    for home in sorted(root.glob(f"{_PREFIX}*--*")):
        blobs = [path for path in (home / "blobs").glob("*") if path.is_file()]
        snapshot = _snapshot(home)
        size = sum(path.stat().st_size for path in blobs)
        if not blobs and snapshot is not None:  # a system without links: files lie there directly
            size = sum(p.stat().st_size for p in snapshot.rglob("*") if p.is_file())
        hub_id = home.name.removeprefix(_PREFIX).replace("--", "/", 1)
        half = any(path.name.endswith(HALF) for path in blobs)
        found.append(CachedModel(hub_id, home, snapshot, size, half))
    return found


def remove_cached(model: CachedModel) -> None:
    """Delete a repository from the cache."""
    shutil.rmtree(model.home)


def licence_of(snapshot: Path) -> str:
    """Return the licence that the model's card names; empty where it names none."""
    try:
        card = (snapshot / "README.md").read_text("utf-8", errors="replace")
    except OSError:
        return ""
    front = _FRONT_MATTER.match(card)
    names = _LICENCE.findall(front.group(1)) if front else []
    return next((name for name in names if name != "other"), names[0] if names else "")


def _snapshot(home: Path) -> Path | None:
    try:
        commit = (home / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return None
    folder = home / "snapshots" / commit
    return folder if commit and folder.is_dir() else None
