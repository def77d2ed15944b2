"""The one table of live parameters, and the one table of modulation sources.

Sliders, OSC addresses, MIDI, presets, clamping, routes and the generated documentation all read
these. Values are in native units; everything that accumulates is a rate per second, so that 8 and
60 pictures per second look alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from engine.messages import BAND_NAMES, LANE_NAMES, LORA_SLOTS
from engine.sound_choices import SOUND_ENCODINGS, SOUND_SCALES

Applies = Literal["picture", "frame", "audio", "prompt"]
"""Who reads a parameter: diffusion, the composer, the analysis, or the scene clock."""


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """One live parameter."""

    name: str
    default: float
    low: float
    high: float
    unit: str
    """`""` for dimensionless values."""
    applies: Applies
    help: str
    modulate_low: float | None = None
    """The safer range routes are clamped to; None: may not be modulated."""
    modulate_high: float | None = None
    integer: bool = False
    words: tuple[str, ...] = ()
    """What the whole values mean, from `low` on; people see these instead of figures."""

    @property
    def group(self) -> str:
        """The part before the slash."""
        return self.name.split("/")[0]

    @property
    def label(self) -> str:
        """The part after the slash, for people."""
        return self.name.split("/")[1].replace("_", " ")

    @property
    def modulatable(self) -> bool:
        """True when a route may drive it."""
        return self.modulate_low is not None

    def clamp(self, value: float) -> float:
        """Return the nearest allowed value."""
        value = min(max(value, self.low), self.high)
        return float(round(value)) if self.integer else value


LORA_PARAMS = tuple(f"lora/{slot}" for slot in range(1, LORA_SLOTS + 1))
"""Live weights of the LoRAs, in the order they were given in."""


def _table(*specs: ParamSpec) -> Mapping[str, ParamSpec]:
    return MappingProxyType({spec.name: spec for spec in specs})


PARAMS: Mapping[str, ParamSpec] = _table(
    ParamSpec(
        "diffusion/strength", 0.6, 0.02, 1.0, "", "picture",
        "How much of the previous picture is painted anew: 0.3 glides, 0.6 lives, 1 forgets.",
        0.1, 0.98,
    ),
    ParamSpec(
        "diffusion/guidance", 1.0, 0.0, 4.0, "", "picture",
        "How strictly the prompt is obeyed: 1 is what the model looks best with.",
    ),
    ParamSpec(
        "diffusion/seed", 0.0, 0.0, 999_999.0, "", "picture",
        "Which noise the pictures grow from.", integer=True,
    ),
    ParamSpec(
        "diffusion/noise_walk", 0.25, 0.0, 12.0, "rad/s", "picture",
        "How fast the noise wanders: shapes keep growing even in silence.", 0.0, 12.0,
    ),
    ParamSpec(
        "diffusion/feedback", 1.0, 0.0, 1.0, "", "picture",
        "How much of the previous picture is seen at all: 0 paints every picture from nothing.",
        0.0, 1.0,
    ),
    ParamSpec(
        "diffusion/noise_warp", 0.0, 0.0, 1.0, "", "picture",
        "How far the noise goes along when the picture moves: 1 sticks to it.", 0.0, 1.0,
    ),
    ParamSpec(
        "diffusion/memory", 0.0, 0.0, 1.0, "", "picture",
        "How much pictures look back at those of the last second: shapes are steadier and change "
        "later; not on SD 3.x, which cannot.",
        0.0, 1.0,
    ),
    ParamSpec(
        "diffusion/steps", 1.0, 1.0, 4.0, "", "picture",
        "Model calls per picture: more are truer to the prompt and take that much longer.",
        integer=True,
    ),
    ParamSpec(
        "diffusion/sharpen", 0.0, 0.0, 0.6, "", "picture",
        "Crispness given back to the warped picture before it is painted over.", 0.0, 0.5,
    ),
    ParamSpec(
        "diffusion/anchor", 0.25, 0.0, 1.0, "", "picture",
        "How firmly colour and contrast are held, so that hours neither burn nor fade.",
    ),
    ParamSpec(
        "structure/amount", 0.5, 0.0, 1.0, "", "picture",
        "How much the shapes follow the structure picture, video or camera: 0.3 hints, 0.5 lets "
        "them belong to the scene, 0.8 shows them, 1 paints over them alone.",
        0.0, 1.0,
    ),
    ParamSpec(
        "structure/control", 1.0, 0.0, 2.0, "", "picture",
        "How strictly a ControlNet holds the lines of the structure; only with --controlnet.",
        0.0, 2.0,
    ),
    ParamSpec(
        "motion/zoom", 0.04, -1.5, 3.0, "1/s", "picture",
        "Flight into the picture: 0.1 grows it by 10 % a second.", -1.0, 2.5,
    ),
    ParamSpec(
        "motion/rotation", 0.0, -180.0, 180.0, "deg/s", "picture",
        "Turn of the picture, positive is counter-clockwise.", -120.0, 120.0,
    ),
    ParamSpec(
        "motion/pan_x", 0.0, -1.0, 1.0, "width/s", "picture",
        "Drift of the picture to the right.", -0.8, 0.8,
    ),
    ParamSpec(
        "motion/pan_y", 0.0, -1.0, 1.0, "height/s", "picture",
        "Drift of the picture downwards.", -0.8, 0.8,
    ),
    ParamSpec(
        "motion/warp", 0.0, 0.0, 1.0, "", "picture",
        "Slow swell that bends the picture like water.", 0.0, 1.0,
    ),
    *(
        ParamSpec(
            name, 1.0, 0.0, 2.0, "", "picture",
            f"Share of the weight of LoRA {name[-1]}: 0 is without it, 1 as it was given.",
            0.0, 2.0,
        )
        for name in LORA_PARAMS
    ),
    ParamSpec(
        "prompt/mix", 0.0, 0.0, 1.0, "", "prompt",
        "Leans from the current prompt towards the next one.", 0.0, 1.0,
    ),
    ParamSpec(
        "prompt/blend", 0.0, 0.0, 1.0, "", "picture",
        "How prompts melt: lerp along the straight line, slerp at constant speed along the arc.",
        integer=True, words=("lerp", "slerp"),
    ),
    ParamSpec(
        "prompt/pace", 1.0, 0.0, 8.0, "", "prompt",
        "Speed of the walk through the prompts: 0 stays, 2 is twice as fast.",
    ),
    ParamSpec(
        "prompt/follow_sections", 0.0, 0.0, 1.0, "", "prompt",
        "1 walks on with every new part of the music; a part heard before gets its prompt back.",
        integer=True, words=("off", "on"),
    ),
    ParamSpec(
        "prompt/describe", 0.0, 0.0, 1.0, "", "prompt",
        "How much of the picture follows the notes: pitch, key, rhythm and tempo become colour, "
        "shape and movement.",
        0.0, 1.0,
    ),
    ParamSpec(
        "prompt/listen", 0.0, 0.0, 1.0, "", "prompt",
        "How much of the picture belongs to what is heard: rain, bells, a piano; 0 ignores it.",
        0.0, 1.0,
    ),
    ParamSpec(
        "prompt/image", 0.6, 0.0, 1.5, "", "picture",
        "How much the look of the image prompt counts beside the words; only with --ip-adapter.",
        0.0, 1.2,
    ),
    ParamSpec(
        "sound/mix", 0.0, 0.0, 1.0, "", "picture",
        "How much of the prompt is the sound itself: 0 only words, 1 only sound.", 0.0, 1.0,
    ),
    ParamSpec(
        "sound/encoding", 4.0, 0.0, len(SOUND_ENCODINGS) - 1.0, "", "picture",
        "How sound becomes a prompt: its samples, spectrum, mel bands, their envelope, or a "
        "trained adapter.",
        integer=True, words=SOUND_ENCODINGS,
    ),
    ParamSpec(
        "sound/scale", 3.0, 0.0, len(SOUND_SCALES) - 1.0, "", "picture",
        "Scale of sound as a prompt: raw and minmax make all sounds alike, standard spreads them "
        "as words are, manifold mixes scenes by them. Adapters have their own.",
        integer=True, words=SOUND_SCALES,
    ),
    ParamSpec(
        "sound/bend", 0.0, 0.0, 2.0, "", "picture",
        "How far loudness pushes the prompt that is made of sound.", 0.0, 2.0,
    ),
    ParamSpec(
        "sound/norm", 60.0, 10.0, 200.0, "", "picture",
        "How long the rows of a projector are: 60 is what it was trained with, more is louder.",
        10.0, 200.0,
    ),
    ParamSpec(
        "sound/temperature", 0.5, 0.5, 2.0, "", "picture",
        "How softly a projector tells foreground, background and atmosphere apart.", 0.5, 2.0,
    ),
    ParamSpec(
        "sound/foreground", 1.0, 0.0, 1.0, "", "picture",
        "How open a projector is for what strikes.", 0.0, 1.0,
    ),
    ParamSpec(
        "sound/background", 1.0, 0.0, 1.0, "", "picture",
        "How open a projector is for what sounds.", 0.0, 1.0,
    ),
    ParamSpec(
        "sound/atmosphere", 1.0, 0.0, 1.0, "", "picture",
        "How open a projector is for what never goes away.", 0.0, 1.0,
    ),
    ParamSpec(
        "colour/exposure", 0.0, -2.0, 2.0, "stops", "frame",
        "Brightness of the output.", -1.0, 1.0,
    ),
    ParamSpec(
        "colour/contrast", 1.0, 0.5, 1.8, "", "frame",
        "Contrast of the output around middle grey.", 0.7, 1.5,
    ),
    ParamSpec(
        "colour/saturation", 1.0, 0.0, 2.0, "", "frame",
        "Colourfulness of the output: 0 is black and white.", 0.0, 1.8,
    ),
    ParamSpec(
        "colour/hue", 0.0, -180.0, 180.0, "deg", "frame",
        "Turns all colours around the wheel.", -180.0, 180.0,
    ),
    ParamSpec(
        "audio/gain", 0.0, -24.0, 24.0, "dB", "audio",
        "Gain before the gate and the automatic level.",
    ),
    ParamSpec(
        "audio/mood", 1.0, 0.0, 2.0, "", "audio",
        "Mood of the automatic level: 0 steady, 1 even, 2 lively.", integer=True,
        words=("steady", "even", "lively"),
    ),
    ParamSpec(
        "audio/reactivity", 1.0, 0.0, 2.0, "", "audio",
        "Scales every route from the sound to the picture: 0 ignores the music.",
    ),
    ParamSpec(
        "audio/latency", 0.0, -250.0, 250.0, "ms", "audio",
        "Delay of screen or sound that is left: what moves with the beat comes this much earlier.",
    ),
    ParamSpec(
        "master/fade", 1.0, 0.0, 1.0, "", "frame",
        "The last fader: 0 is black.", 0.0, 1.0,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One modulation source; all run in [0, 1] except `lfo.*` and `beat.sine`, in [-1, 1]."""

    name: str
    help: str


SOURCES: Mapping[str, SourceSpec] = MappingProxyType(
    {
        **{
            f"{band}.{kind}": SourceSpec(f"{band}.{kind}", text)
            for band in BAND_NAMES
            for kind, text in (
                ("level", f"How loud the {band} band is against its last 45 s."),
                ("hit", f"A rise in the {band} band, right now."),
                ("presence", f"How much {band} there has been in the last 2 s."),
            )
        },
        **{
            f"{lane}.hit": SourceSpec(f"{lane}.hit", f"A stroke of the {lane}, right now.")
            for lane in LANE_NAMES
        },
        **{
            spec.name: spec
            for spec in (
                SourceSpec("onset.strength", "How sharp the newest attack is."),
                SourceSpec("onset.pulse", "Jumps to 1 at every onset and falls."),
                SourceSpec("beat.pulse", "1 on the beat, falling until the next."),
                SourceSpec("beat.phase", "Rises from 0 to 1 between two beats."),
                SourceSpec("beat.sine", "A sine locked to the beat."),
                SourceSpec("bar.phase", "Rises from 0 to 1 between two first beats of a bar."),
                SourceSpec("bar.pulse", "1 on the first beat of a bar, falling until the next."),
                SourceSpec("bar.sine", "A sine locked to the bar, 1 on its first beat."),
                SourceSpec("tempo.confidence", "How sure the tempo is."),
                SourceSpec("centroid", "Brightness of the sound."),
                SourceSpec("flatness", "Noisiness of the sound."),
                SourceSpec("pitch", "Pitch of the leading voice, 60 Hz to 960 Hz in octaves."),
                SourceSpec("pitch.confidence", "How surely there is a pitch right now."),
                SourceSpec("key.hue", "Place of the key on the circle of fifths, C major at 0."),
                SourceSpec("key.minor", "1 in a minor key."),
                SourceSpec("key.confidence", "How clearly it is this key and no other."),
                SourceSpec("section.novelty", "How unlike the last 3 s are to those before."),
                SourceSpec("build", "How surely the music is building up to something."),
                SourceSpec("drop.pulse", "Jumps to 1 at every drop and falls."),
                SourceSpec("rolloff", "How far up the sound reaches."),
                SourceSpec("flux", "How fast the sound changes."),
                SourceSpec("crest", "Spikiness: 0 squashed, 1 nothing but peaks."),
                SourceSpec("width", "Stereo width: 0 mono."),
                SourceSpec("percussive", "Strokes against tones."),
                SourceSpec(
                    "loudness", "Loudness as it is, -50 to -8 LUFS: a soft song stays soft."
                ),
                SourceSpec("silence", "1 while the gate is closed."),
                SourceSpec("lfo.slow", "A free sine of 16 s."),
                SourceSpec("lfo.fast", "A free sine of 3 s."),
            )
        },
    }
)

CURVES: tuple[str, ...] = ("linear", "square", "root", "smooth", "gate")
"""Shapes a route may bend its source with: x, x^2, sqrt(x), 3x^2-2x^3, x >= 0.5."""


def defaults() -> dict[str, float]:
    """Return a new dict of every parameter's default."""
    return {name: spec.default for name, spec in PARAMS.items()}
