"""What the window, OSC, MIDI and the command line may ask of a running engine: frozen values.

`Engine.post(command)` takes any of them from any thread; each stage applies its own at its own
boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import CommandError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Files that are one picture; any other is taken for a video."""


@dataclass(frozen=True, slots=True)
class SetParam:
    """Set the base value of a parameter, native unit; out of range is clamped."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class SetPrompt:
    """Go to this prompt now: it replaces the current scene's text."""

    text: str
    transition_s: float = 1.5


@dataclass(frozen=True, slots=True)
class NextPrompt:
    """Start the transition to the next prompt of the preset."""


@dataclass(frozen=True, slots=True)
class GoToPrompt:
    """Go to this scene of the walk now; no text changes."""

    index: int
    transition_s: float = 1.5


@dataclass(frozen=True, slots=True)
class LoadPreset:
    """Load a preset by name or path; a broken one leaves the show as it is."""

    name: str


@dataclass(frozen=True, slots=True)
class TapTempo:
    """A tap of the performer's finger, now."""


SLOWEST_BY_HAND_BPM, FASTEST_BY_HAND_BPM = 30.0, 300.0
"""Between these lies a tempo that is set, tapped, halved or doubled by hand."""


@dataclass(frozen=True, slots=True)
class SetTempo:
    """Fix the tempo by hand, beats per minute; 0 gives it back to the tracker."""

    bpm: float


@dataclass(frozen=True, slots=True)
class NudgeTempo:
    """Let the beat come earlier by this share of a beat from now on; below 0 later."""

    beats: float


@dataclass(frozen=True, slots=True)
class HalveTempo:
    """Count half as many beats."""


@dataclass(frozen=True, slots=True)
class DoubleTempo:
    """Count twice as many beats."""


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Record picture and sound; None picks a name in the user's video folder."""

    path: Path | None = None


@dataclass(frozen=True, slots=True)
class StopRecording:
    """Finish the recording."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Hold the picture."""

    on: bool


@dataclass(frozen=True, slots=True)
class Blackout:
    """Black output, at once."""

    on: bool


@dataclass(frozen=True, slots=True)
class Still:
    """Show the shipped still."""

    on: bool


@dataclass(frozen=True, slots=True)
class RestartPicture:
    """Forget the previous picture and paint a fresh one."""


@dataclass(frozen=True, slots=True)
class SourceChoice:
    """Which sound to listen to."""

    kind: Literal["mic", "loopback", "file", "demo", "tone"]
    device: str = ""
    """`host API: name` as `sonolume devices` prints it; empty for the system's default."""
    path: Path | None = None
    """Only for `file`."""


@dataclass(frozen=True, slots=True)
class SelectSource:
    """Listen to another source."""

    choice: SourceChoice


@dataclass(frozen=True, slots=True)
class ClockChoice:
    """Which beat the picture follows."""

    kind: Literal["sound", "midi", "link"] = "sound"
    port: str = ""
    """Only for `midi`: the input's name or a part of it; empty: whichever sends a clock."""


@dataclass(frozen=True, slots=True)
class SelectClock:
    """Follow another beat clock; the sound leads again with `sound`."""

    choice: ClockChoice


@dataclass(frozen=True, slots=True)
class StructureChoice:
    """Which picture, video or camera steers the shapes."""

    kind: Literal["none", "image", "video", "camera"] = "none"
    path: Path | None = None
    """Only for `image` and `video`."""
    camera: int = 0
    """Only for `camera`: the system's number of it."""

    @property
    def spec(self) -> str:
        """How it is written on a command line."""
        if self.kind == "camera":
            return f"camera:{self.camera}"
        return "none" if self.kind == "none" else f"{self.kind}:{self.path}"


NO_STRUCTURE = StructureChoice()


def structure_choice(spec: str) -> StructureChoice:
    """Read `none`, `image:PATH`, `video:PATH`, `camera` or `camera:N`. Raises `CommandError`."""
    kind, _, rest = spec.partition(":")
    if spec in ("none", ""):
        return NO_STRUCTURE
    if kind == "image" and rest:
        return StructureChoice("image", Path(rest).expanduser())
    if kind == "video" and rest:
        return StructureChoice("video", Path(rest).expanduser())
    if spec == "camera" or (kind == "camera" and rest.isdecimal() and len(rest) < 4):
        return StructureChoice("camera", camera=int(rest or 0))
    raise CommandError(
        f"no structure {spec[:120]!r}; choose image:PATH, video:PATH, camera, camera:N or none"
    )


def structure_file(path: Path) -> StructureChoice:
    """Return the choice for a file, a picture or a video by its suffix."""
    return StructureChoice("image" if path.suffix.lower() in IMAGE_SUFFIXES else "video", path)


@dataclass(frozen=True, slots=True)
class SelectStructure:
    """Let another picture, video or camera steer the shapes; `none` sets them free."""

    choice: StructureChoice


@dataclass(frozen=True, slots=True)
class Play:
    """Play or pause a file."""

    on: bool


@dataclass(frozen=True, slots=True)
class Seek:
    """Jump to a position of a file, seconds."""

    position_s: float


@dataclass(frozen=True, slots=True)
class SetLoop:
    """Whether a file starts again at its end."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetVolume:
    """Loudness of a file in the speakers, 0 to 1; what is analysed does not change."""

    volume: float


@dataclass(frozen=True, slots=True)
class SelectModel:
    """Paint with another model (name, folder or hub id); the show keeps its model on failure."""

    name: str


@dataclass(frozen=True, slots=True)
class LoadAdapter:
    """Put a trained adapter between sound and prompt; one that does not fit changes nothing."""

    encoding: Literal["projector", "mapper"]
    """What it is: its card says so, see `engine.conditioning.adapter_choice`."""
    path: Path | None = None
    """None: the one that ships."""


Command = (
    SetParam | SetPrompt | GoToPrompt | NextPrompt | LoadPreset | TapTempo | SetTempo
    | NudgeTempo | HalveTempo | DoubleTempo
    | StartRecording | StopRecording | Freeze | Blackout | Still | RestartPicture | SelectSource
    | Play | Seek | SetLoop | SetVolume | SelectModel | SelectClock | SelectStructure
    | LoadAdapter
)  # fmt: skip
