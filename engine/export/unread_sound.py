"""What a video was told of its sound and nothing reads: one line, once it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.export.sound_look import unread_words
from engine.messages import SoundStatus
from engine.params import PARAMS
from engine.presets import Preset
from engine.sound_choices import SOUND_READERS


class UnreadSound:
    """Compares what was asked for with what the open encoding reads."""

    def __init__(
        self, preset: Preset, given: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        """`given` as for `unread_words`; what the preset sets or moves counts too."""
        self._asked = {**asked_by(preset), **given}
        self._say = say

    def look(self, status: SoundStatus) -> None:
        """Say it with the first picture that is led by sound."""
        words = unread_words(self._asked, status.unread)
        if words:
            self._say(words)
            self._asked = {}


def asked_by(preset: Preset) -> dict[str, str]:
    """What a preset wants of sound otherwise than usual, by parameter, and how it says so."""
    routed = {route.target for route in preset.routes}
    asked: dict[str, str] = {}
    for name in SOUND_READERS:
        value = preset.params.get(name, PARAMS[name].default)
        if value != PARAMS[name].default:
            words = PARAMS[name].words
            asked[name] = f"{name} {words[int(value)] if words else format(value, 'g')}"
        elif name in routed:
            asked[name] = f"the route to {name}"
    return asked
