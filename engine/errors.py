"""Every error a user can meet. `str(error)` is one line: what happened, the figure, the remedy."""

from __future__ import annotations


class EngineError(Exception):
    """The root of all expected failures; anything else is a defect."""


class UsageError(EngineError):
    """What was asked for is wrong in itself, whatever files and devices are there: exit code 2."""


class AudioDeviceError(EngineError):
    """A microphone, line or loudspeaker cannot be opened or has vanished."""


class CalibrationError(EngineError):
    """The clicks of a calibration were not heard, or cannot be relied on."""


class AudioFileError(EngineError):
    """A sound file is missing, empty, truncated, or is not sound."""


class OverrunError(EngineError):
    """A reader came too late: the samples asked for are overwritten already."""


class CommandError(EngineError):
    """A command from the window, OSC or MIDI cannot be applied."""


class TempoSourceError(EngineError):
    """MIDI clock or Ableton Link cannot be followed: a package or the system's MIDI is missing."""


class PresetError(EngineError):
    """A preset file is broken; the message names the file, the key and the nearest name."""


class UnknownPresetError(PresetError, UsageError):
    """No preset has this name; the message has the nearest one."""


class BankError(EngineError):
    """A bank of labels is broken; the message names the file, the label and the key."""


class ModelLoadError(EngineError):
    """An image model is missing, damaged, of another layout, or does not fit into memory."""


class UnknownModelError(ModelLoadError, UsageError):
    """No image model, or no listener, has this name, and it is no folder or hub id."""


class GuidesError(ModelLoadError, UsageError):
    """A ControlNet or an image prompt is asked for that the model cannot have."""


class StructureError(EngineError):
    """A picture, video or camera that should steer the shapes is missing, broken or taken."""


class FetchError(ModelLoadError):
    """A model cannot be fetched: no network, no room, no such model, or damaged on the way."""


class MemoryShortError(ModelLoadError):
    """A model or a picture does not fit into the memory that is free."""


class LimitError(UsageError):
    """A number or a text is outside its stated limits."""


class SizeError(UsageError):
    """A picture size is outside the stated limits."""


class SinkError(EngineError):
    """A recording or an export cannot be written."""


class MovieError(SinkError, UsageError):
    """No movie can be made like this: its name, size, rate, quality."""


class ResumeError(EngineError):
    """An interrupted render cannot be continued: other settings, or its work folder is damaged."""


class ScoreError(EngineError):
    """A video cannot be scored: no pictures, no sound, or too short."""


class TrainingError(EngineError):
    """A training stage cannot run: missing data, missing earlier stage, or no budget."""
