"""Files of mappers: the card says what is heard and spoken, the rest is `EmbeddingMapper`'s."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.conditioning.adapter_file import AdapterCard, card_metadata, card_of
from engine.conditioning.mapper_names import SMALL
from engine.conditioning.mapper_shape import shape_of
from engine.errors import ModelLoadError
from engine.weights_file import read_weights_file

if TYPE_CHECKING:
    from engine.conditioning.mapper_embedding import EmbeddingMapper

KIND = "mapper"


def save_mapper(path: Path, mapper: EmbeddingMapper, card: AdapterCard) -> None:
    """Write a mapper and its card, whole or not at all."""
    from safetensors.torch import save_file

    from engine.conditioning.int8_rows import packed

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    tensors = {name: value.contiguous() for name, value in mapper.state_dict().items()}
    if mapper.shape.network == SMALL:  # it ships
        tensors = packed(tensors)
    save_file(tensors, part, metadata=card_metadata(card))
    part.replace(path)


def load_mapper(path: Path) -> tuple[EmbeddingMapper, AdapterCard]:
    """Return a mapper on the CPU and its card.

    Raises `ModelLoadError` for what is no mapper, and for tensors that are not what the card says.
    """
    import torch
    from safetensors.torch import load_file

    from engine.conditioning.int8_rows import unpacked
    from engine.conditioning.mapper_embedding import EmbeddingMapper

    if not path.is_file():
        raise ModelLoadError(
            f"there is no mapper {path}: train one with 'sonolume train mapper', or check the path"
        )
    card = card_of(path)
    if card.kind != KIND:
        raise ModelLoadError(
            f"{path} is a {card.kind}, not a mapper: choose the encoding '{card.kind}', or "
            "another file"
        )
    try:
        with torch.device("meta"):
            mapper = EmbeddingMapper(card.input_width, card.target, shape_of(card.settings))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(f"the card of {path} is damaged: fetch or train it again") from error
    shapes = {name: facts.shape for name, facts in read_weights_file(path).tensors.items()}
    for name, value in mapper.state_dict().items():
        if shapes.get(name) != tuple(value.shape):
            raise ModelLoadError(
                f"{path} is not what its card says: {name} is {shapes.get(name, 'missing')}, not "
                f"{tuple(value.shape)}; fetch or train it again"
            )
    tensors = unpacked(load_file(path))
    mapper.load_state_dict({name: tensors[name].float() for name in mapper.state_dict()},
                           assign=True)  # fmt: skip
    _fill_positions(mapper)
    return mapper.eval(), card


def _fill_positions(mapper: EmbeddingMapper) -> None:
    """Compute what is in no file: built on `meta`, it has no numbers yet."""
    from engine.conditioning.mapper_networks import MultiOutputTransformer, sinusoids

    if isinstance(mapper.network, MultiOutputTransformer):
        mapper.network.position = sinusoids(*mapper.network.position.shape)
