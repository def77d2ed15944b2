"""The walk through a preset's prompts: in seconds, in beats, or from section to section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.messages import PromptWeight
from engine.modulation.beat_count import UNKNOWN_TEMPO_BPM
from engine.modulation.places import SectionPlaces
from engine.modulation.shapes import melt, smoothstep
from engine.presets import PromptScene

PRESET_TRANSITION_S = 1.5
MOST_MOVES = 8
"""Scenes begun or left in one step: a list of tiny holds must not stop the show."""
MOST_UPCOMING = 8
"""So many of the scenes ahead are named for painters to get ready."""
LEAN_RETURN_S = 1.0
"""How long `prompt/mix` takes to lean again after a prompt was set by hand."""


@dataclass(frozen=True, slots=True)
class _Span:
    """A length of time."""

    length: float
    in_beats: bool = False

    def of(self, step: _Step) -> float:
        """How much of a step's time there is in this span's unit."""
        return step.beats if self.in_beats else step.seconds


@dataclass(frozen=True, slots=True)
class _Step:
    """The time that passes between two calls, in both units."""

    seconds: float
    beats: float


@dataclass(slots=True)
class _Arrival:
    """A prompt set by hand is on its way: `leaving` still has `weight` at the start."""

    leaving: str
    weight: float
    transition: _Span
    elapsed: float = 0.0

    @property
    def leaving_weight(self) -> float:
        if self.elapsed >= self.transition.length:
            return 0.0
        return self.weight * (1.0 - melt(self.elapsed / self.transition.length))


class SceneWalk:
    """Which prompts the picture follows now. Analysis thread only.

    The place on the walk is one number: the scene's index, plus the evened progress of the
    transition, plus `prompt/mix`; its fraction is the weight of the later of two neighbours. So
    leaning and walking never jump, whatever the two do together.
    """

    def __init__(self, scenes: Sequence[PromptScene]) -> None:
        self._scenes = list(scenes)
        self._texts = [scene.text for scene in scenes]
        self._index = 0
        self._held = 0.0  # in the unit of the scene's hold
        self._progress: float | None = None  # in [0, 1) during a transition
        self._queued = 0  # transitions asked for by hand
        self._by_hand = False
        self._arrival: _Arrival | None = None
        self._lean = 1.0
        self._places = SectionPlaces()
        self.prompts: tuple[PromptWeight, ...] = (PromptWeight(self._texts[0], 1.0),)
        """The newest weights; sum 1, one or two entries."""

    @property
    def index(self) -> int:
        """The scene whose weight is the larger."""
        ahead = self._progress is not None and self._progress >= 0.5
        return (self._index + ahead) % len(self._texts)

    @property
    def texts(self) -> tuple[str, ...]:
        """The prompts of all scenes, with those set by hand."""
        return tuple(self._texts)

    @property
    def upcoming(self) -> tuple[str, ...]:
        """Prompts of the scenes ahead that have no weight yet, the nearest first."""
        count = len(self._texts)
        ahead = [self._texts[(self._index + k) % count] for k in range(min(count, MOST_UPCOMING))]
        now = {prompt.text for prompt in self.prompts}
        return tuple(text for text in dict.fromkeys(ahead) if text not in now)

    def replace_scenes(self, scenes: Sequence[PromptScene]) -> None:
        """Walk another list from its start; the first prompt arrives within 1.5 s."""
        self._scenes = list(scenes)
        self._texts = [scene.text for scene in scenes]
        self._index = 0
        self._places.forget()
        self._arrive(_Span(PRESET_TRANSITION_S))

    def set_text(self, text: str, transition_s: float) -> None:
        """Replace the current scene's prompt and go there in `transition_s` seconds."""
        self._index = self.index
        self._texts[self._index] = text
        self._arrive(_Span(transition_s))

    def go_to(self, index: int, transition_s: float) -> None:
        """Go to scene number `index` in `transition_s` seconds; another number is ignored."""
        if 0 <= index < len(self._texts):
            self._index = index
            self._arrive(_Span(transition_s))

    def next(self) -> None:
        """Start the transition to the next scene; another one waits for its end."""
        if len(self._texts) > 1:
            self._queued += 1

    def step(
        self, dt_s: float, *, pace: float, mix: float,
        section: int | None = None, beats: float | None = None,
    ) -> tuple[PromptWeight, ...]:  # fmt: skip
        """Walk on for `dt_s` seconds, in which `beats` beats pass, and return the weights.

        Without `beats` they are those of 120 BPM. `pace` scales the scene clock (transitions
        started by hand take their own time), `mix` in
        [0, 1] leans towards the next scene. With the number of a `section` (-1 while unknown) the
        walk follows the music instead of its clock.
        """
        step = _Step(dt_s, dt_s * UNKNOWN_TEMPO_BPM / 60.0 if beats is None else beats)
        self._follow(section)
        if self._arrival is not None:
            self._arrival.elapsed += self._arrival.transition.of(step)
            leaving = self._arrival.leaving_weight
            self.prompts = _pair(self._arrival.leaving, self._texts[self._index], 1.0 - leaving)
            if leaving <= 0.0:
                self._arrival = None
                self._lean = 0.0
            return self.prompts
        self._lean = min(self._lean + dt_s / LEAN_RETURN_S, 1.0)
        if len(self._texts) > 1:
            self._walk(step, pace, by_clock=section is None)
        place = melt(self._progress or 0.0) + mix * smoothstep(self._lean)
        whole = min(int(place), 1)
        first = (self._index + whole) % len(self._texts)
        second = (first + 1) % len(self._texts)
        self.prompts = _pair(self._texts[first], self._texts[second], place - whole)
        return self.prompts

    def _follow(self, section: int | None) -> None:
        if section is None:
            self._places.forget()
            return
        ahead = self._queued + (self._progress is not None)
        here = (self._index + ahead) % len(self._texts)
        place = self._places.step(section, here, len(self._texts))
        if place != here:
            transition = _transition(self._scenes[self.index])
            self._index = place
            self._arrive(transition)

    def _walk(self, step: _Step, pace: float, *, by_clock: bool) -> None:
        left = 1.0  # of the step
        for _ in range(MOST_MOVES):
            scene = self._scenes[self._index]
            if self._progress is None:
                hold = _hold(scene)
                speed, wait = hold.of(step) * pace, hold.length - self._held
                if self._queued:
                    self._queued -= 1
                    self._by_hand = True
                elif not by_clock:
                    return
                elif left * speed < wait:
                    self._held += left * speed
                    return
                else:
                    left -= wait / speed if speed else 0.0
                    self._by_hand = False
                self._progress = 0.0
            transition = _transition(scene)
            speed = transition.of(step) * (1.0 if self._by_hand else pace)
            to_go = (1.0 - self._progress) * transition.length
            if left * speed < to_go:
                self._progress += left * speed / transition.length
                return
            left -= to_go / speed if speed else 0.0
            self._progress = None
            self._held = 0.0
            self._index = (self._index + 1) % len(self._texts)

    def _arrive(self, transition: _Span) -> None:
        # Only two prompts fit: the weaker one of a running mixture gives its share to the new one.
        heavier = max(self.prompts, key=lambda prompt: prompt.weight)
        self._arrival = _Arrival(heavier.text, heavier.weight, transition)
        self._held = 0.0
        self._progress = None
        self._queued = 0


def _hold(scene: PromptScene) -> _Span:
    if scene.hold_beats is not None:
        return _Span(scene.hold_beats, in_beats=True)
    return _Span(scene.hold_s)


def _transition(scene: PromptScene) -> _Span:
    if scene.transition_beats is not None:
        return _Span(scene.transition_beats, in_beats=True)
    return _Span(scene.transition_s)


def _pair(first: str, second: str, second_weight: float) -> tuple[PromptWeight, ...]:
    if second_weight <= 0.0 or first == second:
        return (PromptWeight(first, 1.0),)
    if second_weight >= 1.0:
        return (PromptWeight(second, 1.0),)
    return PromptWeight(first, 1.0 - second_weight), PromptWeight(second, second_weight)
