"""The prompt bank: every prompt is encoded once and blended for every picture."""

from __future__ import annotations

from collections import OrderedDict

from engine.diffusion.bundle import Bundle, PromptEmbedding, blend_prompts
from engine.messages import PromptWeight

CAPACITY = 64


class PromptBank:
    """Encoded prompts of one bundle, oldest forgotten first. Diffusion thread only."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._embeddings: OrderedDict[str, PromptEmbedding] = OrderedDict()

    def get(self, text: str) -> PromptEmbedding:
        """Return the embedding of a prompt, encoding it the first time."""
        if text in self._embeddings:
            self._embeddings.move_to_end(text)
            return self._embeddings[text]
        embedding = self._bundle.encode_prompt(text)
        self._embeddings[text] = embedding
        if len(self._embeddings) > CAPACITY:
            self._embeddings.popitem(last=False)
        return embedding

    def invalidate(self) -> None:
        """Encode every prompt anew: the text encoder's weights have changed."""
        self._embeddings.clear()

    def blend(self, weights: tuple[PromptWeight, ...]) -> PromptEmbedding:
        """Return the mix of the weighted prompts; parts below 0.1 % are left out."""
        parts = [part for part in weights if part.weight > 1e-3] or list(weights[:1])
        total = sum(part.weight for part in parts)
        return blend_prompts([(self.get(part.text), part.weight / total) for part in parts])
