"""Prompts that show what ember was taught: scenes, styles and compositions of two things."""

from __future__ import annotations

from dataclasses import dataclass

from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.styles.gallery import STYLES

_STYLED = ("a sunset over the sea", "a castle on a hill", "a sailing ship", "a flower in bloom")
_COMPOSED = (
    "a boat under northern lights", "a lighthouse in a thunderstorm", "fireworks over a castle",
    "a whale below the stars", "hot-air balloons above the dunes", "a horse in front of a volcano",
    "an owl before the moon", "birds over a waterfall", "a steam train in the snowy mountains",
    "a dancer in a forest", "a tree under a galaxy", "a bridge in the rain",
)  # fmt: skip


def _in_styles() -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            style.name,
            f"{subject} {phrase}" if not phrase.endswith(" of") else f"{phrase} {subject}",
        )
        for subject in _STYLED
        for style in STYLES.values()
        for phrase in style.phrases[:1]
    )


@dataclass(frozen=True, slots=True)
class Showcase:
    """One sheet: how it is laid out, and the name and prompt of each picture."""

    columns: int
    cell_px: int
    prompts: tuple[tuple[str, str], ...]


SHOWCASES = {
    "scenes": Showcase(12, 128, tuple((name, s.phrases[0]) for name, s in SCENES.items())),
    "styles": Showcase(len(STYLES), 120, _in_styles()),
    "compositions": Showcase(6, 256, tuple((prompt, prompt) for prompt in _COMPOSED)),
}
