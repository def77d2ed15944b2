"""Image models by name: `name -> "module:factory"`, imported on use, so that a list costs nothing.

Third parties add models through the entry-point group `sonolume.models`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from threading import Event
from typing import Any

from engine.errors import GuidesError, UnknownModelError
from engine.known_models import KNOWN_MODELS, known_model, way_of

DEFAULT_MODEL = "ember"
RUNNER_NAMES = ("eager", "graph", "compile", "openvino", "onnx")
"""What can execute frames and networks (`engine.diffusion.runners`); named here, where no torch is
needed."""
DEFAULT_RUNNER = RUNNER_NAMES[0]
STATIC_RUNNERS = RUNNER_NAMES[2:]
"""Of ember: those that make a copy of its weights, which nothing can change any more."""
AUTO_RUNNER = "auto"
"""Begins as `eager` and climbs while it paints: for a live show. Exports name what they run on."""
VAE_NAMES = ("auto", "tiny", "own")
"""`tiny`: the small one of the latent space (TAESD); `auto`: that where it is on the machine."""
DEFAULT_VAE = VAE_NAMES[0]
ENTRY_POINT_GROUP = "sonolume.models"


@dataclass(frozen=True, slots=True)
class Guides:
    """What leads a checkpoint beside its prompt. Models of other kinds take none of it."""

    controlnet: str = ""
    """Folder of a ControlNet; empty: none."""
    control_map: str = "canny"
    """What the ControlNet is shown of the structure: `canny` edges, or `none`, as it is."""
    ip_adapter: str = ""
    """File of an IP-Adapter; empty: none."""
    image_prompt: str = ""
    """Picture that the IP-Adapter looks at."""


NO_GUIDES = Guides()


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What is asked of a model's factory."""

    name: str
    """The model's name, or a folder or hub id for checkpoints."""
    width: int
    height: int
    """Wanted picture size in pixels; the model takes the nearest it supports."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    dtype: str = "auto"
    """`auto`, `float32`, `bfloat16`, `float16` or `int8`."""
    threads: int = 0
    """CPU threads of the networks; 0 for all cores."""
    runner: str = DEFAULT_RUNNER
    """One of `RUNNER_NAMES`, or `AUTO_RUNNER`."""
    guides: Guides = NO_GUIDES
    live: bool = False
    """Pictures may not wait for a new prompt to be encoded; exports do, to be the same always."""
    vae: str = DEFAULT_VAE
    """Which autoencoder paints: one of `VAE_NAMES`."""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model that can be named."""

    name: str
    target: str
    """`module:factory`; the factory takes a `ModelRequest` and returns an `ImageModel`."""
    help: str
    ahead: str = ""
    """`module:function`, called with the request and a stop `Event` on a thread of its own before
    a live show opens the model: it reads the files and runs no torch operation."""


BUILT_IN: tuple[ModelEntry, ...] = (
    ModelEntry(
        "ember",
        "engine.diffusion.models.ember.bundle:open_ember",
        "ships with Sonolume: text-steered, made for two CPU cores",
    ),
    ModelEntry(
        "null",
        "engine.diffusion.models.null:open_null",
        "a drawn test picture without a network, for tests and calibration",
    ),
)

_TEST_MODEL = "null"  # nobody who mistypes a name wants that one

_HUB_ID = re.compile(r"[\w][\w.-]{0,95}/[\w][\w.-]{0,95}(/[^/\\:]+\.safetensors)?")

CHECKPOINT = ModelEntry(
    "checkpoint",
    "engine.diffusion.models.checkpoint:open_checkpoint",
    "a folder, .safetensors file or hub id: SD 1.x, SD 2.x, SDXS, SDXL, SD 3.x",
    "engine.diffusion.models.read_ahead:read_ahead",
)


def model_entries() -> tuple[ModelEntry, ...]:
    """Return all named models: the built-in ones and those of installed plug-ins."""
    plugins = (
        ModelEntry(point.name, point.value, f"from {point.dist.name if point.dist else '?'}")
        for point in entry_points(group=ENTRY_POINT_GROUP)
    )
    return (*BUILT_IN, *plugins)


def find_model(name: str) -> ModelEntry:
    """Return the entry for a name; anything else is a checkpoint's folder or hub id.

    Raises `UnknownModelError`, with the nearest name, for what can be none of them.
    """
    entries = model_entries()
    for entry in entries:
        if entry.name == name:
            return entry
    known = known_model(name)
    if known is not None and known.role != "checkpoint":
        raise UnknownModelError(f"{way_of(known)}; --model names what paints")
    fetched = [known.name for known in KNOWN_MODELS if known.role == "checkpoint"]
    if _HUB_ID.fullmatch(name) or name in fetched or _exists(Path(name).expanduser()):
        return CHECKPOINT
    if name.endswith(".safetensors"):
        raise UnknownModelError(f"there is no file {name[:200]}: check the path")
    names = [entry.name for entry in entries if entry.name != _TEST_MODEL] + fetched
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    raise UnknownModelError(
        f"no model {name[:120]!r}: it is no known name, folder or hub id{hint} "
        "`sonolume models list` shows what there is"
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than any file's
        return False


def check_guides(guides: Guides, model: str) -> None:
    """Raise `GuidesError` where guides are asked for that the model cannot use."""
    if bool(guides.ip_adapter) != bool(guides.image_prompt):
        missing, given = "--image-prompt", "--ip-adapter"
        if guides.image_prompt:
            missing, given = given, missing
        raise GuidesError(
            f"{given} without {missing}: an IP-Adapter and the picture it looks at go together"
        )
    asked = "--controlnet" if guides.controlnet else "--ip-adapter" if guides.ip_adapter else ""
    if asked and model in {entry.name for entry in BUILT_IN}:
        raise GuidesError(
            f"{asked} leads Stable Diffusion checkpoints, and {model} is none: name one with "
            f"--model, or leave {asked} out; --structure alone steers every model"
        )


def load_factory(entry: ModelEntry) -> Callable[..., Any]:
    """Import the module of an entry and return its factory."""
    return _load(entry.target)


def load_ahead(entry: ModelEntry) -> Callable[[ModelRequest, Event], None]:
    """Import what reads an entry's files before it is opened; where it names none, nothing is."""
    return _load(entry.ahead) if entry.ahead else lambda request, stopping: None


def _load(target: str) -> Callable[..., Any]:
    module_name, _, attribute = target.partition(":")
    function: Callable[..., Any] = getattr(import_module(module_name), attribute)
    return function
