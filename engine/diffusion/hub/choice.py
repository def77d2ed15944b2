"""Which files of a repository are wanted: configurations, one set of safetensors, no pickles."""

from __future__ import annotations

from pathlib import PurePosixPath

from engine.diffusion.hub.client import RemoteFile, Repository
from engine.errors import FetchError

_COMPONENTS = (
    "unet", "transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2",
    "scheduler",
)  # fmt: skip
_T5 = ("text_encoder_3", "tokenizer_3")
_TEXTS = (".json", ".txt", ".model")
_LARGEST_TEXT_BYTES = 50_000_000
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


def choose_files(
    repository: Repository, file: str = "", *, with_t5: bool = False
) -> list[RemoteFile]:
    """Return what a fetch takes; with `file` that one only. Raises `FetchError`.

    Weights there are in several formats: float16 goes before float32, for it is half as long and
    every device can widen it. T5, the third text encoder of SD 3.x (9.5 GB), only when asked for.
    """
    by_path = {entry.path: entry for entry in repository.files}
    _refuse_strange_paths(repository)
    extras = [by_path[name] for name in ("README.md", "LICENSE.md", "LICENSE") if name in by_path]
    if file:
        if not file.endswith(".safetensors"):
            raise FetchError(f"{file} is no .safetensors: Sonolume fetches no pickles")
        if file not in by_path:
            raise FetchError(
                f"{repository.hub_id} has no {file}; it has {_weights_words(repository)}"
            )
        return [by_path[file], *extras]
    if "model_index.json" in by_path:
        folders = (*_COMPONENTS, *(_T5 if with_t5 else ()))
        chosen = [by_path["model_index.json"]]
        for folder in folders:
            chosen += _component(repository, folder)
    elif "config.json" in by_path:
        chosen = _component(repository, "")
    else:
        chosen = [e for e in repository.files if _is_weights(e) and "/" not in e.path]
        if len(chosen) > 1:
            raise FetchError(
                f"{repository.hub_id} holds {len(chosen)} files of weights, name one of them: "
                f"{repository.hub_id}/FILE with FILE one of {_weights_words(repository)}"
            )
    if not any(_is_weights(entry) for entry in chosen):
        raise FetchError(_no_weights(repository))
    return [*chosen, *extras]


def _component(repository: Repository, folder: str) -> list[RemoteFile]:
    inside = [e for e in repository.files if str(PurePosixPath(e.path).parent) == (folder or ".")]
    weights = [e for e in inside if _is_weights(e)]
    texts = [
        e for e in inside
        if e.path.endswith(_TEXTS) and e.size <= _LARGEST_TEXT_BYTES
        and not e.path.endswith("index.json") and e.path != "model_index.json"
    ]  # fmt: skip
    for stem in ("diffusion_pytorch_model", "model"):
        for variant in (".fp16", ""):
            prefix = f"{folder}/" if folder else ""
            whole = [e for e in weights if e.path == f"{prefix}{stem}{variant}.safetensors"]
            if whole:
                return [*texts, *whole]
            index = f"{prefix}{stem}.safetensors.index{variant}.json"
            shards = [
                e for e in weights
                if e.path.startswith(f"{prefix}{stem}{variant}-") and "-of-" in e.path
            ]  # fmt: skip
            table = [e for e in inside if e.path == index]
            if shards and table:
                return [*texts, *table, *shards]
    return texts


def _is_weights(entry: RemoteFile) -> bool:
    return entry.path.endswith(".safetensors")


def pickle_words_of(repository: Repository, part: str) -> str:
    """Why a checkpoint whose `part` comes without safetensors is not fetched, and the remedy."""
    inside = [e.path for e in repository.files if e.path.startswith(f"{part}/")]
    pickles = [path for path in inside if path.endswith(_PICKLES)]
    if pickles:
        return (
            f"{repository.hub_id} holds its {part} as a pickle only ({pickles[0]}), which can run "
            f"any code when opened: {_without_pickles(repository)}"
        )
    return f"{repository.hub_id} has no weights of its {part}: {_without_pickles(repository)}"


def _without_pickles(repository: Repository) -> str:
    single = [e.path for e in repository.files if _is_weights(e) and "/" not in e.path]
    if single:
        return f"`sonolume models fetch {repository.hub_id}/{single[0]}` takes its single file"
    return "look for the same model in safetensors"


def _no_weights(repository: Repository) -> str:
    pickles = [e.path for e in repository.files if e.path.endswith(_PICKLES)]
    if pickles:
        return (
            f"{repository.hub_id} holds its weights as pickles only ({pickles[0]}), which can "
            f"run any code when opened: {_without_pickles(repository)}"
        )
    return f"{repository.hub_id} holds no safetensors weights: it is no model Sonolume can open"


def _weights_words(repository: Repository) -> str:
    names = [e.path for e in repository.files if _is_weights(e)]
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return (", ".join(names[:6]) + more) or "no safetensors"


def _refuse_strange_paths(repository: Repository) -> None:
    for entry in repository.files:
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.path or ":" in entry.path:
            raise FetchError(
                f"{repository.hub_id} names a file {entry.path!r}, which would lie outside its "
                "folder: nothing was fetched"
            )
