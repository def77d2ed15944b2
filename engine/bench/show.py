"""A live show without devices and without waiting: sound, analysis, modulation, picture loop."""

from __future__ import annotations

import numpy as np

from engine.analysis.analyzer import Analyzer
from engine.clock import ManualClock
from engine.commands import SetParam
from engine.diffusion.loop import DiffusionLoop
from engine.errors import ModelLoadError
from engine.mailbox import Latest
from engine.messages import ControlState, Float32, Picture
from engine.modulation.stage import Modulation
from engine.presets import Preset
from engine.protocols import ImageModel
from engine.registry import ModelRequest, find_model, load_factory

WARM_UP_S = 20.0
"""Heard before the first picture, so that levels are settled."""
_BLOCK = 2048


class Show:
    """The stages of the live show under a clock that waits; the sound goes round and round.

    The calling thread is the one that runs torch.
    """

    def __init__(
        self,
        preset: Preset,
        sound: Float32,
        sample_rate: int,
        request: ModelRequest,
        ai_fps: float,
    ) -> None:
        """`sound` has shape `(n, 2)`; `ai_fps` pictures are painted per second of it."""
        self.pictures_made = 0
        self._sound = sound
        self._rate = sample_rate
        self._ai_fps = ai_fps
        self._heard = 0
        self._clock = ManualClock()
        self._analyzer = Analyzer(sample_rate)
        self._modulation = Modulation(preset)
        self._controls: Latest[ControlState] = Latest()
        self._pictures: Latest[Picture] = Latest()
        self._loop = DiffusionLoop(self._controls, self._pictures, self._clock)
        self._request = request

    @property
    def model_name(self) -> str:
        """What paints."""
        return self._loop.model_name

    def open(self, *, hold: bool) -> None:
        """Open the model and warm the ears up; with `hold`, the first prompt stays.

        Raises `ModelLoadError`.
        """
        self._loop.open_now(self._open_model)
        if hold:
            self.walk(pace=0.0)
        self._hear_until(round(WARM_UP_S * self._rate))

    def walk(self, *, pace: float) -> None:
        """Set the pace of the walk through the prompts: 0 stays."""
        self._modulation.apply(SetParam("prompt/pace", pace))

    def next_picture(self) -> Picture:
        """Hear the next stretch of sound and paint. Raises `ModelLoadError`."""
        time_s = (self.pictures_made + 0.5) / self._ai_fps
        self._hear_until(round((WARM_UP_S + time_s) * self._rate))
        control = self._controls.get()
        assert control is not None, "the warm-up is longer than a hop"
        self._clock.set(time_s)
        picture = self._loop.step(control)
        if picture is None:
            raise ModelLoadError(self._loop.message)
        self.pictures_made += 1
        return picture

    def close(self) -> None:
        """Free the model."""
        self._loop.close()

    def _open_model(self) -> ImageModel:
        model: ImageModel = load_factory(find_model(self._request.name))(self._request)
        return model

    def _hear_until(self, wanted: int) -> None:
        dt_s = self._analyzer.hop_length / self._rate
        while self._heard < wanted:
            count = min(_BLOCK, wanted - self._heard)
            places = (self._heard + np.arange(count)) % len(self._sound)
            self._heard += count
            self._analyzer.follow(self._modulation.modulated)
            for features in self._analyzer.push(self._sound[places]):
                time_s = features.sample_index / self._rate
                self._controls.put(self._modulation.step(features, dt_s, host_time_s=time_s))
