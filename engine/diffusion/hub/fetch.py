"""Files from the hub into its cache: resumed where they stopped, checked by their hash."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.diffusion.hub.cache import HALF, home_of
from engine.diffusion.hub.client import Hub, Interrupted, RemoteFile, Repository
from engine.errors import FetchError

TRIES = 5
"""How often a broken connection is taken up again without progress before it is given up."""
SPARE_BYTES = 500_000_000
"""What a fetch leaves free on the disk."""
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far a fetch is, over all its files."""

    done: int
    """Bytes that are here, with those of an earlier fetch."""
    total: int
    path: str
    """The file that is being fetched."""


def bytes_missing(repository: Repository, files: Sequence[RemoteFile], root: Path) -> int:
    """How many bytes a fetch still has to bring."""
    blobs = home_of(repository.hub_id, root) / "blobs"
    return sum(file.size - _present(blobs, file) for file in files)


def check_room(
    repository: Repository, files: Sequence[RemoteFile], root: Path, free_bytes: int
) -> None:
    """Raise `FetchError` when what is missing would not fit on the disk."""
    missing = bytes_missing(repository, files, root)
    if missing and free_bytes < missing + SPARE_BYTES:
        raise FetchError(
            f"{repository.hub_id} needs {missing / 1e9:.2f} GB more and {free_bytes / 1e9:.2f} GB "
            f"is free in {root} ({SPARE_BYTES / 1e9:g} GB has to stay free): delete something, "
            "`sonolume models remove` helps, or set HF_HUB_CACHE to a folder on another disk"
        )


def fetch(
    hub: Hub,
    repository: Repository,
    files: Sequence[RemoteFile],
    root: Path,
    progress: Callable[[FetchProgress], None],
    wait: Callable[[float], None],
) -> Path:
    """Bring the files and return the folder where they lie by name.

    A file appears there only when its hash is right. `wait` is called with seconds between two
    tries. Raises `FetchError`; what came until then stays, and the next fetch goes on with it.
    """
    home = home_of(repository.hub_id, root)
    blobs, snapshot = home / "blobs", home / "snapshots" / repository.commit
    for file in files:
        _check_digest(repository, file)
    total = sum(file.size for file in files)
    before = 0
    try:
        blobs.mkdir(parents=True, exist_ok=True)
        for file in files:
            start = before

            def tell(done: int, file: RemoteFile = file, start: int = start) -> None:
                progress(FetchProgress(start + done, total, file.path))

            if not (blobs / file.digest).is_file():
                _fetch_file(hub, repository, file, blobs, tell, wait)
            tell(file.size)
            _link(blobs / file.digest, snapshot / file.path)
            before += file.size
        refs = home / "refs"
        refs.mkdir(exist_ok=True)
        (refs / "main").write_text(repository.commit, "utf-8")
    except OSError as error:
        raise FetchError(f"{home} cannot be written ({error.strerror})") from error
    return snapshot


def _fetch_file(
    hub: Hub,
    repository: Repository,
    file: RemoteFile,
    blobs: Path,
    tell: Callable[[int], None],
    wait: Callable[[float], None],
) -> None:
    half = blobs / (file.digest + HALF)
    tries = 0
    while True:
        had = half.stat().st_size if half.is_file() else 0
        if had > file.size:
            half.unlink()
            had = 0
        try:
            if had < file.size or file.size == 0:
                _append(hub, repository, file, half, tell)
            break
        except Interrupted as error:
            have = half.stat().st_size if half.is_file() else 0
            tries = 0 if have > had else tries + 1
            if tries >= TRIES:
                raise FetchError(
                    f"the connection broke while {file.path} of {repository.hub_id} was fetched "
                    f"({have / 1e6:.1f} of {file.size / 1e6:.1f} MB are here): run the same "
                    "command again, it goes on where it stopped"
                ) from error
            wait(float(2**tries))
    _check_content(repository, file, half)
    half.replace(blobs / file.digest)


def _append(
    hub: Hub, repository: Repository, file: RemoteFile, half: Path, tell: Callable[[int], None]
) -> None:
    """Write what is missing of a file. Raises `Interrupted` when it ends too early."""
    with half.open("ab") as out:
        done = out.tell()
        for piece in hub.pieces(repository, file, done):
            if not piece:  # the hub began anew
                out.truncate(0)
                out.seek(0)
                done = 0
                continue
            out.write(piece)
            done += len(piece)
            if done > file.size:
                break
            tell(done)
    if done < file.size:
        raise Interrupted


def _check_content(repository: Repository, file: RemoteFile, path: Path) -> None:
    size = path.stat().st_size
    digest = hashlib.sha256() if len(file.digest) == 64 else hashlib.sha1(usedforsecurity=False)
    if len(file.digest) == 40:
        digest.update(b"blob %d\0" % size)  # as git does
    with path.open("rb") as stream:
        while piece := stream.read(1 << 22):
            digest.update(piece)
    if digest.hexdigest() != file.digest:
        path.unlink()
        raise FetchError(
            f"{file.path} of {repository.hub_id} arrived damaged (checksum "
            f"{digest.hexdigest()[:12]} instead of {file.digest[:12]}) and was deleted: "
            "run the same command again"
        )


def _check_digest(repository: Repository, file: RemoteFile) -> None:
    if not _HEX.fullmatch(file.digest):
        raise FetchError(
            f"{repository.hub_id} names no checksum for {file.path}: it cannot be trusted"
        )


def _present(blobs: Path, file: RemoteFile) -> int:
    if (blobs / file.digest).is_file():
        return file.size
    half = blobs / (file.digest + HALF)
    return min(half.stat().st_size, file.size) if half.is_file() else 0


def _link(blob: Path, place: Path) -> None:
    """Give a blob its name: a relative link as the hub's own tools make, or the next best."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.exists():
        place.unlink()
    try:
        place.symlink_to(os.path.relpath(blob, place.parent))
    except OSError:  # Windows without the right to make links: the same file under two names
        try:
            place.hardlink_to(blob)
        except OSError:
            shutil.copyfile(blob, place)
