"""VGGish's weights: where they lie, whether they are whole, how published files become them.

    vggish.safetensors   `features.*`, `embeddings.*`; `pproc.pca_eigen_vectors` (128, 128) and
                         `pproc.pca_means` (128, 1) where the quantised numbers are wanted too

They do not ship: 288 MB. Published as pickles, which are never opened when Sonolume paints; the
conversion reads them once, plain tensors and arrays only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from platformdirs import user_data_path

from engine.errors import ModelLoadError
from engine.weights_file import read_weights_file

if TYPE_CHECKING:
    from torch import Tensor

    from engine.conditioning.vggish_network import VggishNetwork

FILE_NAME = "vggish.safetensors"
NETWORK_PICKLE, PCA_PICKLE = "vggish-10086976.pth", "vggish_pca_params-970ea276.pth"
SOURCE = "https://github.com/harritaylor/torchvggish/releases/tag/v0.1"
EIGEN_VECTORS, MEANS = "pca_eigen_vectors", "pca_means"
_FIRST = "features.0.weight"
_REMEDY = (
    f"download {NETWORK_PICKLE} and {PCA_PICKLE} from {SOURCE} into a folder and run "
    "'sonolume train vggish --data FOLDER' once"
)
_ARRAY_NAMES = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")


def default_vggish() -> Path:
    """Where the conversion puts the weights unless told otherwise."""
    return user_data_path("sonolume", appauthor=False) / FILE_NAME


def vggish_file(place: Path | None = None) -> Path:
    """Return the weights file at `place`, a file or a folder; without it, the default one.

    Raises `ModelLoadError` with the remedy: missing, or a pickle.
    """
    path = default_vggish() if place is None else place.expanduser()
    if path.is_dir():
        pickled = path / NETWORK_PICKLE
        path = path / FILE_NAME
        if pickled.is_file() and not path.is_file():
            path = pickled
    if path.suffix.lower() in (".pth", ".pt", ".bin"):
        raise ModelLoadError(
            f"{path} is a pickle, which can run any code when it is opened: convert it once with "
            f"'sonolume train vggish --data {path.parent}'"
        )
    if not path.is_file():
        raise ModelLoadError(f"VGGish's weights are not in {path}: {_REMEDY}")
    return path


def load_vggish(path: Path) -> tuple[VggishNetwork, tuple[np.ndarray, np.ndarray] | None]:
    """Return the network and its principal components, None where the file has none.

    Raises `ModelLoadError` for a file that is not whole or of another shape.
    """
    import torch
    from safetensors.torch import load_file

    from engine.conditioning.vggish_network import VggishNetwork

    shapes = {name: facts.shape for name, facts in read_weights_file(path).tensors.items()}
    with torch.device("meta"):
        network = VggishNetwork(_base(shapes, path))
    for name, value in network.state_dict().items():
        if shapes.get(name) != tuple(value.shape):
            raise _other_shape(path, name, tuple(value.shape), shapes.get(name))
    tensors = load_file(path)
    weights = {name: tensors[name].float() for name in network.state_dict()}
    network.load_state_dict(weights, assign=True)
    return network.eval(), _components(tensors, path)


def convert_vggish(folder: Path, target: Path) -> Path:
    """Write the published pickles in `folder` as one safetensors file; return its path.

    Only plain tensors and arrays are read (`torch.load(weights_only=True)`): a pickle that asks
    for anything else is refused. Raises `ModelLoadError`.
    """
    from safetensors.torch import save_file

    tensors = _pickled(folder / NETWORK_PICKLE)
    tensors = {name: value for name, value in tensors.items() if not name.startswith("pproc.")}
    if (folder / PCA_PICKLE).is_file():
        found = _pickled(folder / PCA_PICKLE)
        tensors |= {f"pproc.{name}": value for name, value in found.items()}
        means = tensors.get(f"pproc.{MEANS}")
        if means is not None:
            tensors[f"pproc.{MEANS}"] = means.reshape(-1, 1)
    plain = {name: value.float().contiguous() for name, value in tensors.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    save_file(plain, part, metadata={"source": SOURCE})
    try:
        load_vggish(part)
    except ModelLoadError:
        part.unlink()
        raise
    part.replace(target)
    return target


def _pickled(path: Path) -> dict[str, Tensor]:
    import codecs
    import pickle

    import torch

    if not path.is_file():
        raise ModelLoadError(f"there is no {path}: download it from {SOURCE}")
    rebuild = np.zeros(0).__reduce__()[0]  # the two files of PCA are NumPy arrays
    allowed: list[Any] = [(rebuild, name) for name in _ARRAY_NAMES]
    allowed += [np.ndarray, np.dtype, type(np.dtype("f4")), type(np.dtype("f8")), codecs.encode]
    try:
        with torch.serialization.safe_globals(allowed):
            table = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): torch.as_tensor(value) for name, value in table.items()}
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, AttributeError, TypeError,
            ValueError) as error:  # fmt: skip
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelLoadError(
            f"{path} holds something else than tensors, or is damaged ({first:.120}): download "
            f"it again from {SOURCE}"
        ) from error


def _base(shapes: Mapping[str, tuple[int, ...]], path: Path) -> int:
    shape = shapes.get(_FIRST, ())
    if len(shape) != 4 or shape[1:] != (1, 3, 3) or shape[0] % 2:
        raise _other_shape(path, _FIRST, (64, 1, 3, 3), shapes.get(_FIRST))
    return shape[0]


def _components(tensors: Mapping[str, Tensor], path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    names = (f"pproc.{EIGEN_VECTORS}", f"pproc.{MEANS}")
    found = [tensors[name].float().numpy() for name in names if name in tensors]
    if not found:
        return None
    if [part.shape for part in found] != [(128, 128), (128, 1)]:
        raise ModelLoadError(
            f"the principal components in {path} are {[part.shape for part in found]}, not "
            f"(128, 128) and (128, 1): {_REMEDY}"
        )
    return found[0], found[1]


def _other_shape(
    path: Path, name: str, wanted: tuple[int, ...], found: tuple[int, ...] | None
) -> ModelLoadError:
    is_there = "is missing" if found is None else f"is {found}"
    return ModelLoadError(f"{path} is no VGGish: {name} {is_there}, not {wanted}; {_REMEDY}")
