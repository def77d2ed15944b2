"""From a choice of source to a source that runs."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from engine import commands as cmd
from engine.audio.device import DeviceSource
from engine.audio.file import FileSource
from engine.audio.loopback import LoopbackSource, cables, find_loopback, sound_system
from engine.audio.portaudio import list_devices, reinitialise
from engine.audio.tone import ToneSource
from engine.clock import Clock
from engine.errors import AudioFileError
from engine.protocols import AudioSource, Transport


def demo_track() -> Path:
    """Where the shipped demo track is."""
    return Path(str(files("resources") / "demo" / "demo.ogg"))


def audio_path(name: str) -> Path:
    """The file behind an `AUDIO` argument: a path, or the word `demo`."""
    return demo_track() if name == "demo" else Path(name)


def open_source(choice: cmd.SourceChoice, clock: Clock, *, audible: bool) -> AudioSource:
    """Open a source. Raises `AudioDeviceError` or `AudioFileError`; may block for a second."""
    source: AudioSource
    match choice.kind:
        case "mic":
            source = DeviceSource(choice.device)
        case "loopback":
            source = _system_sound(choice.device, clock)
        case "demo":
            source = FileSource(demo_track(), clock=clock, loop=True, audible=audible, kind="demo")
        case "file":
            if choice.path is None:
                raise AudioFileError("no file was named: choose one")
            source = FileSource(choice.path, clock=clock, audible=audible)
        case "tone":
            source = ToneSource(clock=clock)
    source.open()
    return source


def _system_sound(device: str, clock: Clock) -> AudioSource:
    """What this computer plays itself, or the virtual cable that carries it."""
    system = sound_system()
    if system is not None:
        return LoopbackSource(device, clock=clock, system=system)
    cable = find_loopback(device, cables(list_devices()))
    return DeviceSource(cable.key, clock=clock, kind="loopback")


def open_missing_source(choice: cmd.SourceChoice, clock: Clock) -> AudioSource:
    """Open an input that was missing, after a fresh look at the hardware.

    Raises `AudioDeviceError`. No other stream may be open; may block for a second.
    """
    if choice.kind == "mic" or sound_system() is None:
        reinitialise()
    return open_source(choice, clock, audible=False)


def operate(source: Transport, command: cmd.Command) -> None:
    """Play, pause, seek, loop or set the volume of a file."""
    match command:
        case cmd.Play(on):
            source.play(on)
        case cmd.Seek(position_s):
            source.seek(position_s)
        case cmd.SetLoop(on):
            source.set_loop(on)
        case cmd.SetVolume(volume):
            source.set_volume(volume)
