"""A category's name to words that can be painted."""

from __future__ import annotations

from functools import lru_cache

from engine.training.listener.clips import LABEL_OF_CATEGORY, taught_bank


def caption_of_category(category: str) -> str:
    """The bank's prompt where the listener knows the category, else its name as words."""
    label = LABEL_OF_CATEGORY.get(category, category)
    return _prompts().get(label) or category.replace("_", " ").replace("-", " ").strip()


@lru_cache(maxsize=1)
def _prompts() -> dict[str, str]:
    return {label.label: label.prompt for label in taught_bank().labels}
