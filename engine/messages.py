"""What the threads say to each other: frozen values, drawn in one line.

`samples -> AudioFeatures -> ControlState -> Picture -> Frame`; `EngineStatus` for whoever looks.

Arrays inside messages are frozen (`freeze`) before they are published; a message never changes.
State may be overwritten by newer state; events (onsets, beats) are counters, so that a slow reader
notices what it did not sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Uint8 = NDArray[np.uint8]

BAND_NAMES: tuple[str, ...] = ("sub", "low", "mid", "high", "air", "all")
"""The five musical bands of the OSC contract and their whole."""

BAND_EDGES_HZ: tuple[tuple[float, float], ...] = (
    (20.0, 60.0), (60.0, 250.0), (250.0, 2000.0), (2000.0, 6000.0), (6000.0, 16000.0),
    (20.0, 16000.0),
)  # fmt: skip

LANE_NAMES: tuple[str, ...] = ("kick", "snare", "hat")
"""The strokes of a drummer that are told apart."""

LORA_SLOTS = 4
"""So many LoRAs can be on at once, one live parameter each."""

MEL_BANDS = 24
CHROMA_BINS = 12


def freeze(array: NDArray[Any]) -> NDArray[Any]:
    """Forbid writing to `array` and return it; a frozen dataclass alone does not protect it."""
    array.flags.writeable = False
    return array


def _zeros(n: int) -> Float32:
    return freeze(np.zeros(n, np.float32))


@dataclass(frozen=True, slots=True)
class Lanes:
    """Strokes of kick, snare and hat, order `LANE_NAMES`."""

    hit: Float32 = field(default_factory=lambda: _zeros(len(LANE_NAMES)))
    """`(3,)` in [0, 1]: strength of the newest stroke, decaying within ~200 ms."""
    count: tuple[int, ...] = (0, 0, 0)
    """Strokes since the start; never decrease."""


@dataclass(frozen=True, slots=True)
class Texture:
    """How the sound is made, beside its bands. Held while silent, but for `mel` and loudness."""

    mel: Float32 = field(default_factory=lambda: _zeros(MEL_BANDS))
    """`(24,)` in [0, 1]: bands on a mel axis, each against its own recent top."""
    loudness_lufs: float = -120.0
    """Momentary loudness (400 ms) after ITU-R BS.1770, before any gain; falls in silence."""
    rolloff: float = 0.0
    """Below it lies 85 % of the spectrum; in [0, 1] on a log axis 100..16000 Hz."""
    flux: float = 0.0
    """How fast the spectrum changes, in [0, 1] against its fastest of the last ~8 s."""
    crest: float = 0.0
    """Peak over RMS, 0..20 dB as [0, 1]: 0 squashed, 1 spiky."""
    width: float = 0.0
    """Stereo width in [0, 1]: 0 mono, 1 no two channels alike."""
    percussive: float = 0.0
    """Share of strokes against tones in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Where in the bar the beat is."""

    beats: int = 4
    """Beats per bar: 3 or 4."""
    count: int = 0
    """Bars since the start; never decreases."""
    phase: float = 0.0
    """In [0, 1): 0 at the downbeat. Runs smoothly with `beat_phase`."""
    confidence: float = 0.0
    """In [0, 1]: how clearly one beat of the bar is the first."""


@dataclass(frozen=True, slots=True)
class Tonal:
    """What sounds: pitch classes, key, melody. Held while silent."""

    chroma: Float32 = field(default_factory=lambda: _zeros(CHROMA_BINS))
    """`(12,)` in [0, 1], C first, the strongest 1; all 0 where there is no tone."""
    key: int = -1
    """0..11 C major .. B major, 12..23 C minor .. B minor; -1 while unknown."""
    key_confidence: float = 0.0
    """In [0, 1]."""
    pitch_hz: float = 0.0
    """Of the leading voice; the last one heard where there is none now."""
    pitch_confidence: float = 0.0
    """In [0, 1]: 0 where nothing has a pitch."""


@dataclass(frozen=True, slots=True)
class Structure:
    """The form of the music: sections, build-ups, drops, and what was heard before."""

    novelty: float = 0.0
    """In [0, 1]: how unlike the last seconds are to those before."""
    build: float = 0.0
    """In [0, 1]: how surely the music is building up to something."""
    drop_count: int = 0
    """Drops since the start; never decreases."""
    section_count: int = 0
    """Sections begun since the start; never decreases."""
    section: int = -1
    """Which section this is, numbered in the order of first hearing; -1 while unknown."""
    heard_before: bool = False
    """This section has been heard earlier, as number `section`."""
    section_delay_s: float = 0.0
    """How long this section had lasted when it was told; music in which nothing is silent."""


def section_name(number: int) -> str:
    """Name of a section: 0 is A, 25 is Z, 26 is AA."""
    name = ""
    number += 1
    while number > 0:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


class TempoState(Enum):
    """How an outer beat clock is doing."""

    WAITING = "waiting"
    """It has not said a tempo yet: the sound leads."""
    RUNNING = "running"
    STOPPED = "stopped"
    """Its transport stands: the phase runs on, beats are not counted."""
    LOST = "lost"
    """It has fallen silent: phase and beats run on at its last tempo."""


@dataclass(frozen=True, slots=True)
class TempoReading:
    """What an outer beat clock (MIDI, Link) says about one moment."""

    bpm: float = 0.0
    """Beats per minute; 0 while unknown."""
    beat_phase: float | None = None
    """In [0, 1), 0 at the beat; None while only the tempo is known: the sound then places it."""
    bar_phase: float | None = None
    """In [0, 1), 0 at the downbeat; None while unknown."""
    beats_per_bar: int = 4
    state: TempoState = TempoState.WAITING
    message: str = ""
    """One line when something is wrong or missing, else empty."""
    source: str = "midi"
    """`midi` or `link`."""

    @property
    def running(self) -> bool:
        """Whether its beats are to be counted."""
        return self.bpm > 0.0 and self.state in (TempoState.RUNNING, TempoState.LOST)


@dataclass(frozen=True, slots=True)
class AudioFeatures:
    """What is heard, once per analysis hop. Written by `analysis`, read by anyone."""

    sample_index: int
    """One past the last sample heard: the analysis is causal."""
    sample_rate: int
    level_db: float
    """RMS of the newest 46 ms before any gain, dBFS; -120 in digital silence."""
    peak: float
    """Largest absolute sample of the newest hop; 1.0 is full scale (the clip lamp)."""
    silent: bool
    """The gate: below the threshold for 300 ms. All gain control stands still while it is true."""
    band_level: Float32
    """`(6,)` in [0, 1], order `BAND_NAMES`: how loud, against the last ~45 s."""
    band_hit: Float32
    """`(6,)` in [0, 1]: a rise right now, decaying within ~200 ms."""
    band_presence: Float32
    """`(6,)` in [0, 1]: how much of this band there has been over ~2 s."""
    onset_strength: float
    """In [0, 1]: 0 steady, 1 a clear attack."""
    onset_count: int
    """Onsets since the start; never decreases."""
    centroid: float
    """Spectral centroid in [0, 1] on a log axis 150..6000 Hz; held while silent."""
    flatness: float
    """Spectral flatness in [0, 1]: 0 a tone, 1 noise; held while silent."""
    tempo_bpm: float
    """0 while unknown."""
    tempo_confidence: float
    """In [0, 1]."""
    beat_count: int
    """Beats since the start; never decreases."""
    beat_phase: float
    """In [0, 1): 0 at the beat. Runs smoothly between beats; free-runs at the last tempo."""
    tempo_by_hand: bool = False
    """Taps or OSC have fixed `tempo_bpm`; `tempo_confidence` is then about a tempo not used."""
    lanes: Lanes = field(default_factory=Lanes)
    texture: Texture = field(default_factory=Texture)
    bar: Bar = field(default_factory=Bar)
    tonal: Tonal = field(default_factory=Tonal)
    structure: Structure = field(default_factory=Structure)
    tempo_source: str = "sound"
    """Who leads the beat: `sound`, `hand`, or the outer clock that is followed, `midi`, `link`."""
    beat_tapped: bool = False
    """A finger beats on in silence: the beat is there though nothing sounds."""


@dataclass(frozen=True, slots=True)
class SemanticState:
    """What the sound is about, in the words of a bank of labels. Written by `semantic`."""

    sample_index: int
    """One past the last sample it answers."""
    listener: str
    """Who listened: `embedded`, `clap` or `descriptors`."""
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    """One per label, sum 1 after smoothing; all 0 while nothing was heard."""
    label: int = -1
    """Index of the label held now, after hysteresis; -1 while unknown or silent."""
    switch_count: int = 0
    """How often `label` has changed; never decreases."""
    prompt: str = ""
    """What the label held now lets be painted; empty while there is none."""


@dataclass(frozen=True, slots=True)
class PromptWeight:
    """One prompt's share of the picture."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Travel:
    """Integrals of the rate parameters since the start, so that no reader ever misses motion.

    The way between two control states is the difference of their travels: diffusion warps by the
    difference between two pictures, the composer by the difference between a picture and now.
    """

    log_zoom: float = 0.0
    rotation_deg: float = 0.0
    pan_x: float = 0.0
    """Widths of the picture."""
    pan_y: float = 0.0
    """Heights of the picture."""
    noise_rad: float = 0.0
    warp_s: float = 0.0
    """Time of the slow swell; stands still in silence only if its route says so."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model makes of the words of a prompt."""

    unknown_words: tuple[tuple[str, str], ...] = ()
    """Words it does not know, each with the nearest it does know; may be empty."""
    left_out: int = 0
    """Words at the end that it does not read."""


@dataclass(frozen=True, slots=True)
class LoraChoice:
    """A LoRA that is to be merged into the model."""

    path: str
    """A `.safetensors` file, or a folder in diffusers or peft layout."""
    weight: float = 1.0
    """How much of it; `lora/1` to `lora/4` scale it live."""


@dataclass(frozen=True, slots=True)
class ControlState:
    """Everything the picture depends on, at one musical time. Plain data: it may cross a process.

    `values` holds every parameter of `engine.params.PARAMS` after modulation and clamping, in its
    native unit. Written by `analysis` (modulation runs there), read by diffusion and composer.
    """

    sample_index: int
    time_s: float
    """Musical time: sample_index / sample_rate, plus the start of the source."""
    host_time_s: float
    """`Clock.now()` when the newest sample arrived; in export equal to `time_s`."""
    values: Mapping[str, float]
    travel: Travel
    prompts: tuple[PromptWeight, ...]
    """Weights sum to 1; one or two of the walk, at most two of what is heard; never empty."""
    onset_count: int
    beat_count: int
    beat_phase: float
    silent: bool
    restart_count: int = 0
    """Increases when the performer asks for a fresh picture (panic/restart)."""
    upcoming: tuple[str, ...] = ()
    """Prompts that may have a share next, the nearest first: a painter can get them ready."""


def control_from(plain: Mapping[str, Any]) -> ControlState:
    """Rebuild a control state from what `dataclasses.asdict` made of it."""
    return ControlState(
        **{
            **plain,
            "travel": Travel(**plain["travel"]),
            "prompts": tuple(PromptWeight(**part) for part in plain["prompts"]),
            "upcoming": tuple(plain.get("upcoming", ())),
        }
    )


@dataclass(frozen=True, slots=True)
class Picture:
    """One generated picture and the state it was made for. Written by `diffusion`."""

    index: int
    pixels: Uint8
    """`(height, width, 3)` RGB, frozen."""
    control: ControlState
    made_in_ms: float
    seconds_per_picture: float
    """Smoothed interval between pictures: the composer's hand-over time."""
    fresh: bool = False
    """True for a cut: the first picture, or after a restart, a size or a model change."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One output frame: what the window shows, the recorder writes, the export holds."""

    index: int
    pixels: Uint8
    """`(height, width, 3)` RGB at the output size, frozen."""
    sample_index: int
    """Musical time of this frame."""
    host_time_s: float
    picture_index: int
    """Which picture it came from; -1 for the still before the first picture."""


class Phase(Enum):
    """The life of the engine as the window shows it."""

    STARTING = "starting"
    LOADING = "loading the model"
    RUNNING = "running"
    FAILED = "failed"
    STOPPED = "stopped"


DEFAULT_INPUT = "default input"
"""Name of the system's own choice of microphone as long as it is not known."""
DEFAULT_LOOPBACK = "system sound"
"""Name of what the system plays through as long as it is not known."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The sound source as the window shows it."""

    kind: str
    """`mic`, `loopback`, `file`, `demo`, `tone` or `none`."""
    name: str
    connected: bool
    """False: no device, which is not the same as a silent one."""
    message: str = ""
    """One line when something is wrong, else empty."""
    playing: bool = True
    position_s: float = 0.0
    duration_s: float | None = None
    """None for live sources."""
    loop: bool = False
    volume: float = 1.0


@dataclass(frozen=True, slots=True)
class TempoStatus:
    """The outer beat clock as the window shows it."""

    kind: str = "sound"
    """`sound` for none, `midi` or `link`."""
    name: str = ""
    """The MIDI input, or how many play along."""
    reading: TempoReading = field(default_factory=TempoReading)


@dataclass(frozen=True, slots=True)
class StructureStatus:
    """What steers the shapes, as the window shows it."""

    kind: str = "none"
    """`none`, `image`, `video` or `camera`."""
    name: str = ""
    """The file's name, or `camera N`."""
    spec: str = "none"
    """How it is written on a command line, to be asked for again."""
    connected: bool = True
    """False: the camera gives no pictures; the shapes are free until it does."""
    message: str = ""
    """One line when something is wrong, else empty."""


@dataclass(frozen=True, slots=True)
class SoundStatus:
    """How the sound itself gets into the picture, as the window shows it."""

    message: str = ""
    """One line on why it does not though it is asked for, or why a file was not taken."""
    adapter: str = ""
    """The file that is open between sound and prompt; empty: none is."""
    encoding: str = ""
    """For which encoding that file is open."""
    levels: tuple[float, ...] = ()
    """How much foreground, background and atmosphere count in the newest sound, sum 1; empty
    where nothing tells them apart."""
    unread: tuple[str, ...] = ()
    """Parameters that what is open does not read: nothing changes with them now."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The user's own adapters, by encoding; the shipped one stands for any other."""


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """A running or finished recording."""

    path: str
    seconds: float
    frames: int
    dropped: int
    """Frames and chunks of sound that the encoder had no room for."""
    message: str = ""
    finishing: bool = False
    """It takes nothing more and is being written to its end."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """One frozen look at the whole engine. Any thread may ask, never blocks."""

    phase: Phase = Phase.STARTING
    message: str = ""
    """One line for the user, empty when all is well."""
    model: str = ""
    """What paints, as the window shows it."""
    model_asked: str = ""
    """Name, folder or hub id by which that model is asked for again; empty before the first."""
    model_opening: str = ""
    """The name of the model that is being opened, empty when none is."""
    runner: str = ""
    """What executes that model's frames now; see `engine.registry.RUNNER_NAMES`."""
    model_problem: str = ""
    """One line when a model could not be opened or failed; another message may hide it."""
    preset: str = ""
    source: SourceStatus = field(default_factory=lambda: SourceStatus("none", "", False))
    tempo: TempoStatus = field(default_factory=TempoStatus)
    structure: StructureStatus = field(default_factory=StructureStatus)
    sound: SoundStatus = field(default_factory=SoundStatus)
    features: AudioFeatures | None = None
    semantic: SemanticState | None = None
    """What the sound is about; None until the listener is ready."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Base values of all parameters (what the sliders show)."""
    modulated: Mapping[str, float] = field(default_factory=dict)
    """The same after modulation (what the picture gets)."""
    prompts: tuple[PromptWeight, ...] = ()
    prompt_texts: tuple[str, ...] = ()
    """All prompts of the walk, with those set by hand."""
    prompt_index: int = 0
    unknown_words: tuple[tuple[str, str], ...] = ()
    """(word, nearest known word) of the current prompts, as far as the model can tell."""
    words_left_out: int = 0
    """Words at the end of the newest prompt that the model does not read."""
    loras: tuple[LoraChoice, ...] = ()
    """What is merged into the model, in the order of `lora/1` to `lora/4`."""
    record: RecordStatus | None = None
    """The recording that runs or is being finished."""
    recorded: RecordStatus | None = None
    """The newest recording that is a whole file; its length is final."""
    ai_fps: float = 0.0
    output_fps: float = 0.0
    frames: int = 0
    pictures: int = 0
    dropped: int = 0
    """Output frames that were asked for since the first one and not made in time."""
    overflows: int = 0
    """How often sound was lost: in the sound system, or because the analysis came too late."""
    latency_ms: float = 0.0
    """Newest sample heard -> frame handed over, smoothed."""
    longest_gap_ms: float = 0.0
    flashes_limited: int = 0
    frozen: bool = False
    blackout: bool = False
    still: bool = False
