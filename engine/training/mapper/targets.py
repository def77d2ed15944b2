"""The prompt space that a mapper learns to speak: of any model, by its own text encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from engine.conditioning.mapper_embedding import EmbeddingMapper
from engine.conditioning.sound_embedding import TargetSpec
from engine.diffusion.feedback import FeedbackModel
from engine.errors import TrainingError
from engine.registry import ModelRequest, find_model, load_factory

_SIDE_PX = 256
_MOST_BYTES = 8e9


class PromptSpace:
    """A model, open for its text encoder. One thread; close it when the prompts are encoded."""

    def __init__(self, model: str, device: str, threads: int) -> None:
        """`model` as `--model` takes it. Raises `ModelLoadError`, for `null` `TrainingError`."""
        request = ModelRequest(model, _SIDE_PX, _SIDE_PX, device, threads=threads)
        opened = load_factory(find_model(model))(request)
        if not isinstance(opened, FeedbackModel):
            raise TrainingError(f"{model} has no prompts: choose ember or a checkpoint")
        self._model = opened
        self.family = _family(model)
        """As `AdapterCard.family` keeps it."""
        tokens, pooled = self._encoded("")
        self.spec = TargetSpec(
            tokens.shape[1], tokens.shape[2], 0 if pooled is None else pooled.shape[1]
        )

    @torch.inference_mode()
    def flat_prompts(self, captions: Sequence[str], mapper: EmbeddingMapper) -> Tensor:
        """What `mapper` is to write for each caption, `(n, flat)` float32.

        Raises `TrainingError` where they would not fit into memory.
        """
        width = mapper.output_mean.numel()
        if len(captions) * width * 4 > _MOST_BYTES:
            raise TrainingError(
                f"{len(captions)} prompts of {width} numbers take "
                f"{len(captions) * width * 4 / 1e9:.0f} GB: train on fewer captions, at most "
                f"{_MOST_BYTES / width / 4:.0f} of this model's"
            )
        rows = torch.empty(len(captions), width)
        for row, caption in zip(rows, tqdm(captions, desc="prompts", disable=None), strict=True):
            row.copy_(mapper.flat(*self._encoded(caption))[0])
        return rows

    def close(self) -> None:
        """Free the model; idempotent."""
        self._model.close()

    @torch.inference_mode()
    def _encoded(self, caption: str) -> tuple[Tensor, Tensor | None]:
        found = self._model.bundle.encode_prompt(caption)
        pooled = None if found.pooled is None else found.pooled.float().cpu()
        return found.tokens.float().cpu(), pooled


def _family(model: str) -> str:
    from engine.diffusion.models.source import checkpoint_family, checkpoint_path

    return "ember" if model == "ember" else checkpoint_family(checkpoint_path(model)).label
