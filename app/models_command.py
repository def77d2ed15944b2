"""`sonolume models`: which models there are, fetching them from the hub, removing them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.diffusion.hub.cache import cache_root, home_of
from engine.diffusion.hub.inventory import Fetched, fetched_models, known_here
from engine.errors import FetchError, ModelLoadError, UnknownModelError
from engine.known_models import KNOWN_MODELS, KnownModel, known_model
from engine.registry import model_entries

if TYPE_CHECKING:
    from engine.diffusion.hub.look import Found

_HUB = "https://huggingface.co"


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    if options.action == "list":
        return _list(options)
    if not options.name:
        options.refuse(f"models {options.action} needs a NAME; `sonolume models list` shows them")
    return _fetch(options) if options.action == "fetch" else _remove(options)


def _list(options: argparse.Namespace) -> int:
    root = cache_root()
    fetched, others = fetched_models(root)
    here = known_here(root)
    missing = [known for known in KNOWN_MODELS if known.name not in here]
    if options.json:
        rows = [{"name": e.name, "help": e.help} for e in model_entries()]
        print(json.dumps({"models": rows, "fetched": [_row(entry) for entry in fetched],
                          "recommended": [_known_row(known) for known in missing]}))  # fmt: skip
        return 0
    print("Built in")
    _table([(entry.name, entry.help) for entry in model_entries()])
    if fetched:
        print(f"\nFetched  ({root})")
        _table([
            (entry.name, entry.family or "?", _size(entry.size),
             entry.licence or "no licence named",
             "" if entry.state == "whole" else f"{entry.state}: fetch it again")
            for entry in fetched
        ])  # fmt: skip
    if missing:
        print("\nRecommended  (`sonolume models fetch NAME`)")
        _table([(known.name, known.role, known.help) for known in missing])
    if others:
        print(
            f"\nThe cache holds {others} other {'repository' if others == 1 else 'repositories'}."
        )
    print(
        "\nAny folder, .safetensors file or hub id of SD 1.x, SD 2.x, SDXS, SDXL or SD 3.x can be"
    )
    print("given as --model too.")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from engine.diffusion.hub.choice import choose_files
    from engine.diffusion.hub.client import Hub
    from engine.diffusion.hub.fetch import FetchProgress, bytes_missing, check_room, fetch
    from engine.diffusion.hub.look import look

    hub_id, file = _wanted(options.name)
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
        raise FetchError(f"{hub_id} cannot be fetched: HF_HUB_OFFLINE is set; unset it first")
    root = cache_root()
    with Hub(options.endpoint or os.environ.get("HF_ENDPOINT") or _HUB, _token()) as hub:
        repository = hub.repository(hub_id)
        files = choose_files(repository, file, with_t5=options.with_t5)
        found = look(hub, repository, files)
        total, missing = sum(f.size for f in files), bytes_missing(repository, files, root)
        say = _silent if options.json else print
        say(f"{hub_id}: {_files(len(files))}, {_size(total)}, licence {repository.licence or '?'} "
            f"({repository.page})")  # fmt: skip
        if 0 < missing < total:
            say(f"{_size(total - missing)} are here already")
        check_room(repository, files, root, _free_bytes(root))
        with tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1000, disable=None,
                  initial=total - missing, desc=options.name) as bar:  # fmt: skip

            def show(progress: FetchProgress) -> None:
                bar.update(progress.done - bar.n)

            folder = fetch(hub, repository, files, root, show, time.sleep)
    say(f"fetched: {_use(options.name, hub_id, found, folder)}")
    if found.note:
        say(found.note)
    if options.json:
        print(json.dumps({"name": options.name, "hub_id": hub_id, "path": str(folder),
                          "bytes": total, "licence": repository.licence, "use": found.use,
                          "open_as": _open_as(options.name, hub_id, found, folder)}))  # fmt: skip
    return 0


def _remove(options: argparse.Namespace) -> int:
    from engine.diffusion.hub.cache import cached_models, remove_cached

    if options.name in {entry.name for entry in model_entries()}:
        raise ModelLoadError(f"{options.name} is built in and stays")
    hub_id, _ = _wanted(options.name)
    root = cache_root()
    home = home_of(hub_id, root)
    for model in cached_models(root):
        if model.home == home:
            remove_cached(model)
            if options.json:
                print(json.dumps({"name": options.name, "hub_id": hub_id, "bytes": model.size}))
            else:
                print(f"removed {hub_id} from {root}, {_size(model.size)} are free again")
            return 0
    raise ModelLoadError(f"{options.name} was not fetched: there is no {home}")


def _wanted(name: str) -> tuple[str, str]:
    """Hub id and file of a short name, a hub id, or a hub id with a file in it."""
    known = known_model(name)
    if known is not None:
        return known.hub_id, known.file if name == known.name else ""
    if name in {entry.name for entry in model_entries()}:
        raise UnknownModelError(f"{name} is here already: there is nothing to fetch")
    if Path(name).expanduser().exists():
        raise UnknownModelError(
            f"{name} is here already: there is nothing to fetch, --model takes it"
        )
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if not owner or not repository or name.startswith((".", "~")):
        raise UnknownModelError(
            f"no model {name[:120]!r} can be fetched: give a name from `sonolume models list`, or "
            "a hub id such as stabilityai/sd-turbo"
        )
    return f"{owner}/{repository}", file


def _use(name: str, hub_id: str, found: Found, folder: Path) -> str:
    """What it is good for, in the words of the command line."""
    word = _open_as(name, hub_id, found, folder)
    if found.use == "autoencoder" and known_model(hub_id) is not None:
        return "checkpoints of its family use it from now on"
    return {
        "checkpoint": f"paint with it by --model {word}",
        "autoencoder": f"give its folder {word} the name taesd, taesdxl or taesd3 beside a "
        "checkpoint of its family",
        "lora": f"put it on with --lora {word}",
        "listener": f"hear with it by --listener {word}",
        "controlnet": f"lead a checkpoint with it by --controlnet {word}",
        "ip-adapter": f"use it by --ip-adapter {word} --image-prompt PICTURE, with the folder "
        "image_encoder of its repository beside it",
    }[found.use]


def _open_as(name: str, hub_id: str, found: Found, folder: Path) -> str:
    """The word by which it is opened: a name where one will do, else a path."""
    if found.use == "listener":
        return "clap" if known_model(hub_id) is not None else hub_id
    if found.use in ("controlnet", "ip-adapter", "autoencoder"):
        return str(folder / found.file)
    known = known_model(name)
    if known is not None and name == known.name:
        return name
    if "/" in found.file:
        return str(folder / found.file)
    return f"{hub_id}/{found.file}" if found.file else hub_id


def _token() -> str | None:
    """What `hf auth login` left, or `HF_TOKEN`."""
    from huggingface_hub import get_token

    return get_token()


def _free_bytes(root: Path) -> int:
    folder = root
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"  {'  '.join(cells).rstrip()}")


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _silent(line: str) -> None:
    """Say nothing: the JSON does."""


def _row(entry: Fetched) -> dict[str, Any]:
    return {
        "name": entry.name, "hub_id": entry.hub_id, "family": entry.family,
        "licence": entry.licence, "bytes": entry.size, "state": entry.state,
        "path": str(entry.home),
    }  # fmt: skip


def _known_row(known: KnownModel) -> dict[str, str]:
    return {"name": known.name, "hub_id": known.hub_id, "role": known.role, "help": known.help}
