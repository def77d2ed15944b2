"""Every sound event by name: a pure function of a generator and a length in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from engine.synthesis.oscillator import Float32
from engine.synthesis.sounds.creatures import birds, crowd
from engine.synthesis.sounds.machines import bells, chainsaw, clock, helicopter, train
from engine.synthesis.sounds.players import drums, guitar, pads, piano, synthesiser
from engine.synthesis.sounds.speech import voice
from engine.synthesis.sounds.weather import fire, rain, thunder, waves, wind

Sound = Callable[[np.random.Generator, float], Float32]
"""`(rng, duration_s)` -> mono `(n,)` float32 at 44.1 kHz, peak 0.7; the same for the same rng."""

SOUNDS: Mapping[str, Sound] = MappingProxyType(
    {
        "thunder": thunder,
        "rain": rain,
        "waves": waves,
        "fire": fire,
        "helicopter": helicopter,
        "chainsaw": chainsaw,
        "clock": clock,
        "train": train,
        "bells": bells,
        "wind": wind,
        "birds": birds,
        "crowd": crowd,
        "drums": drums,
        "guitar": guitar,
        "piano": piano,
        "pads": pads,
        "synthesiser": synthesiser,
        "voice": voice,
    }
)
