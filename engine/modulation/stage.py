"""The modulation stage: audio features in, the state of the whole picture out, at hop rate."""

from __future__ import annotations

import difflib
import math

from engine.clock import samples_to_seconds
from engine.commands import Command, GoToPrompt, NextPrompt, RestartPicture, SetParam, SetPrompt
from engine.errors import CommandError
from engine.messages import (
    AudioFeatures,
    ControlState,
    PromptWeight,
    SemanticState,
    Travel,
)
from engine.modulation.beat_count import BeatCount
from engine.modulation.envelopes import share_covered
from engine.modulation.listening import HeardPrompts
from engine.modulation.lookahead import Lookahead
from engine.modulation.router import Router, modulated
from engine.modulation.scenes import SceneWalk
from engine.modulation.sources import SourceBank
from engine.params import PARAMS, defaults
from engine.presets import Preset

GLIDE_MS = 30.0
"""Base values glide, so that a stepping fader does not zip."""
GLIDE_REST = 1e-4
"""Share of a parameter's range at which a glide lands."""
KEPT = (
    "audio/gain", "audio/mood", "audio/latency", "audio/reactivity", "master/fade",
    "diffusion/seed",
)  # fmt: skip
"""The performer's, not the look's: another preset leaves them unless it names them."""


class Modulation:
    """Base values, routes, prompts and travel. Analysis thread only, except the properties.

    `start_s` is the musical time of sample 0 of the source (`--start`).
    """

    def __init__(self, preset: Preset, *, start_s: float = 0.0) -> None:
        self.start_s = start_s
        self._preset = preset
        self._target = defaults() | preset.params
        self._base = dict(self._target)
        self._values = dict(self._target)
        self._lookahead = Lookahead()
        self._sources = SourceBank()
        self._router = Router(preset.routes)
        self._scenes = SceneWalk(preset.prompts)
        self._beats = BeatCount()
        self._heard = HeardPrompts()
        self._described = HeardPrompts()
        self._prompts = self._scenes.prompts
        self._travel = Travel()
        self._restarts = 0

    @property
    def preset(self) -> Preset:
        """The preset in use. Any thread, never blocks."""
        return self._preset

    @property
    def base(self) -> dict[str, float]:
        """Base values as they were set: what the sliders show. Any thread, never blocks."""
        return dict(self._target)

    @property
    def modulated(self) -> dict[str, float]:
        """The newest values after modulation. Any thread, never blocks."""
        return dict(self._values)

    @property
    def prompt_index(self) -> int:
        """The scene with the larger weight. Any thread, never blocks."""
        return self._scenes.index

    @property
    def prompt_texts(self) -> tuple[str, ...]:
        """The prompts of all scenes. Any thread, never blocks."""
        return self._scenes.texts

    @property
    def prompts(self) -> tuple[PromptWeight, ...]:
        """The newest weights. Any thread, never blocks."""
        return self._prompts

    def listen(self, state: SemanticState | None) -> None:
        """Take what the sound is about; `prompt/listen` says how much that counts."""
        self._heard.prompt = state.prompt if state is not None else ""

    def describe(self, text: str) -> None:
        """Take the music in the words of a prompt; `prompt/describe` says how much they count."""
        self._described.prompt = text

    @property
    def describes(self) -> bool:
        """Whether a description is asked for. Any thread, never blocks."""
        return self._values["prompt/describe"] > 0.0

    def apply(self, command: Command) -> bool:
        """Take `SetParam`, the commands for prompts and `RestartPicture`; False for any other.

        `LoadPreset` is read by the runtime, which hands the result to `set_preset`. Raises
        `CommandError` for an unknown parameter, a value that is no number or an empty prompt.
        """
        match command:
            case SetParam(name, value):
                self._set_param(name, value)
            case SetPrompt(text, transition_s):
                if not text.strip():
                    raise CommandError("the prompt is empty; say what to paint")
                self._scenes.set_text(text.strip(), max(transition_s, 0.0))
            case GoToPrompt(index, transition_s):
                self._scenes.go_to(index, max(transition_s, 0.0))
            case NextPrompt():
                self._scenes.next()
            case RestartPicture():
                self._restarts += 1
            case _:
                return False
        return True

    def set_preset(self, preset: Preset) -> None:
        """Change the look: values glide, the first prompt arrives within 1.5 s."""
        kept = {name: self._target[name] for name in KEPT}
        self._preset = preset
        self._target = defaults() | kept | preset.params
        self._router = Router(preset.routes)
        self._scenes.replace_scenes(preset.prompts)

    def begin_at(self, time_s: float) -> None:
        """Go on from the scene that has its turn `time_s` seconds into the music.

        A walk that follows the sections begins anew: what was played before is not known.
        """
        if self._base["prompt/follow_sections"]:
            return
        pace = self._base["prompt/pace"]
        for _ in range(int(time_s)):
            self._scenes.step(1.0, pace=pace, mix=0.0)
        self._scenes.step(time_s % 1.0, pace=pace, mix=0.0)

    def step(
        self, features: AudioFeatures, dt_s: float, *, host_time_s: float, lead_s: float = 0.0
    ) -> ControlState:
        """Advance by one hop of `dt_s` seconds and return everything the picture depends on.

        `lead_s` is how much later than the newest sample the frame will be seen: what follows the
        predicted beat is made for then; 0 where pictures are made for their own moment (export).
        """
        self._glide(dt_s)
        lead_s += self._base["audio/latency"] / 1000.0
        seen = self._lookahead.step(features, lead_s, dt_s)
        sources = self._sources.step(seen, dt_s)
        offsets = self._router.step(sources, self._base["audio/reactivity"], dt_s)
        values = dict(self._base)
        for name, offset in offsets.items():
            values[name] = modulated(PARAMS[name], values[name], offset)
        self._values = values
        self._travel = advance(self._travel, values, dt_s)
        follows = values["prompt/follow_sections"] > 0.0
        walk = self._scenes.step(
            dt_s,
            pace=values["prompt/pace"],
            mix=values["prompt/mix"],
            section=features.structure.section if follows else None,
            beats=self._beats.step(seen, dt_s),
        )
        walk = self._described.step(walk, values["prompt/describe"], dt_s)
        prompts = self._prompts = self._heard.step(walk, values["prompt/listen"], dt_s)
        time_s = samples_to_seconds(features.sample_index, features.sample_rate)
        return ControlState(
            sample_index=features.sample_index,
            time_s=self.start_s + time_s,
            host_time_s=host_time_s,
            values=values,
            travel=self._travel,
            prompts=prompts,
            onset_count=features.onset_count,
            beat_count=features.beat_count,
            beat_phase=features.beat_phase,
            silent=features.silent,
            restart_count=self._restarts,
            upcoming=self._scenes.upcoming,
        )

    def _set_param(self, name: str, value: float) -> None:
        spec = PARAMS.get(name)
        if spec is None:
            close = difflib.get_close_matches(name, PARAMS, n=1, cutoff=0.4)
            nearest = f"; did you mean {close[0]!r}?" if close else ""
            raise CommandError(f"no parameter {name!r}{nearest}")
        if not math.isfinite(value):
            raise CommandError(f"{name!r} cannot be {value}; it takes {spec.low:g}..{spec.high:g}")
        self._target[name] = spec.clamp(value)

    def _glide(self, dt_s: float) -> None:
        share = share_covered(dt_s, GLIDE_MS)
        for name, target in self._target.items():
            here = self._base[name]
            if here == target:
                continue
            spec = PARAMS[name]
            here += (target - here) * share
            landed = abs(target - here) < GLIDE_REST * (spec.high - spec.low)
            self._base[name] = target if landed or spec.integer else here


def advance(travel: Travel, values: dict[str, float], dt_s: float) -> Travel:
    """Return `travel` after `dt_s` more seconds at the rates in `values`.

    The picture's size grows as exp(log_zoom), so zoom 0.1 is 10.5 % a second and -0.1 its exact
    opposite. Rotation is counter-clockwise, pan to the right and downwards, on screen. `warp_s`
    is the swell's time weighed by `motion/warp`: what has been bent in all, so that the difference
    of two states is the bending between them, and a route that lets warp fall to 0 lets it rest.
    """
    return Travel(
        log_zoom=travel.log_zoom + values["motion/zoom"] * dt_s,
        rotation_deg=travel.rotation_deg + values["motion/rotation"] * dt_s,
        pan_x=travel.pan_x + values["motion/pan_x"] * dt_s,
        pan_y=travel.pan_y + values["motion/pan_y"] * dt_s,
        noise_rad=travel.noise_rad + values["diffusion/noise_walk"] * dt_s,
        warp_s=travel.warp_s + values["motion/warp"] * dt_s,
    )
