"""What this machine has, what it lacks, and the remedy: `sonolume doctor`. Imports no Qt."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.system_libraries import missing_parts, package_manager, packages_of
from engine.errors import EngineError
from engine.presets import load_preset, preset_names, user_preset_folder

NEEDED_GB = 1.0
"""Free disk space below which a recording or an export will not get far."""

_OLDEST_PYTHON = (3, 11)
_BAD_PYSIDE = "6.12.0"
_LAST_PYTHON_WITH_MORTAL_BOOLS = (3, 11)
_REINSTALL = "run `python3 scripts/run.py --setup-only`, or `pip install --upgrade sonolume`"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    what: str
    """What was found, one line."""
    remedy: str = ""
    """What to do about it, one line; empty when nothing is wrong."""
    present: bool = True
    """False for what this machine has not and need not have: `what` says what happens instead."""

    @property
    def mark(self) -> str:
        """How the list begins: `ok`, `-` for what lacks and is not needed, `!!` for trouble."""
        if not self.ok:
            return "!!"
        return "ok" if self.present else "-"


def diagnose() -> list[Finding]:
    """Look at everything that Sonolume stands on; takes a few seconds, changes nothing.

    What it works without (a GPU, a microphone, a display) is never an error; `what` says what
    happens instead.
    """
    findings: list[Finding] = []
    for check in _CHECKS:
        findings += check()
    return findings


def check_python() -> list[Finding]:
    """Version of Python."""
    what = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    ok = sys.version_info >= _OLDEST_PYTHON
    return [Finding("python", ok, what, "" if ok else "install Python 3.11 or newer")]


def check_torch() -> list[Finding]:
    """Build of torch and the device it computes on."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return [Finding("torch", False, f"cannot be loaded: {error}", _REINSTALL)]
    count = torch.get_num_threads()
    threads = f"{count} thread" if count == 1 else f"{count} threads"
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        gigabytes = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free"
        device = f"cuda: {torch.cuda.get_device_name(0)}, {gigabytes}"
    elif torch.backends.mps.is_available():
        device = "mps: Apple GPU"
    else:
        device = f"cpu: {threads}"
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        remedy = "update the NVIDIA driver, then " + _REINSTALL
        what = f"{torch.__version__} does not see the NVIDIA GPU; computing on {device}"
        return [Finding("torch", False, what, remedy)]
    return [Finding("torch", True, f"{torch.__version__}, {device}")]


def check_sound() -> list[Finding]:
    """PortAudio, and what can be heard and played."""
    try:
        import sounddevice

        devices = list(sounddevice.query_devices())
        library = sounddevice.get_portaudio_version()[1].split(",")[0]
    except (ImportError, OSError) as error:
        remedy = _library_remedy(["libportaudio.so.2"]) or _REINSTALL
        return [Finding("portaudio", False, f"cannot be loaded: {error}", remedy)]
    except sounddevice.PortAudioError as error:
        remedy = "restart the sound server of the system"
        return [Finding("portaudio", False, f"does not answer: {error}", remedy)]
    return [
        Finding("portaudio", True, library),
        _sound_direction("sound input", devices, "max_input_channels", "the demo track plays"),
        _sound_direction("sound output", devices, "max_output_channels", "files play silently"),
    ]


def check_loopback() -> list[Finding]:
    """Whether the system's own sound can be heard (`--source loopback`)."""
    from engine.audio.loopback import cables, no_loopback, sound_system
    from engine.audio.portaudio import list_devices
    from engine.errors import AudioDeviceError

    system = sound_system()
    try:
        found = cables(list_devices()) if system is None else system.loopbacks()
    except AudioDeviceError as error:
        return [Finding("system sound", True, f"none: {error}", present=False)]
    what = f"{len(found)}: {', '.join(info.name for info in found)}" if found else no_loopback()
    return [Finding("system sound", True, what, present=bool(found))]


def check_outer_clocks() -> list[Finding]:
    """Whether MIDI clock and Ableton Link can be followed (`--clock`)."""
    from engine.control.midi_ports import midi_input_names
    from engine.errors import TempoSourceError

    try:
        names = midi_input_names()
    except TempoSourceError as error:
        midi = Finding("midi clock", True, f"none: {error}", present=False)
    else:
        what = f"{len(names)}: {', '.join(names)}" if names else "no MIDI input is connected"
        midi = Finding("midi clock", True, what, present=bool(names))
    there = find_spec("link") is not None
    what = "can be followed" if there else "none: `pip install 'sonolume[link]'` lets it lead"
    return [midi, Finding("ableton link", True, what, present=there)]


def check_display() -> list[Finding]:
    """Whether a window can open."""
    if platform.system() != "Linux":
        return [Finding("display", True, f"{platform.system()} has one")]
    shown = [f"{n}={os.environ[n]}" for n in ("WAYLAND_DISPLAY", "DISPLAY") if os.environ.get(n)]
    what = ", ".join(shown) or "none: no window; `render` and `live --headless` work"
    return [Finding("display", True, what, present=bool(shown))]


def check_window_libraries() -> list[Finding]:
    """PySide6, and the system libraries of its window."""
    findings = [_pyside()]
    missing = [part.name for part in missing_parts()]
    if missing:
        what = f"missing: {', '.join(missing)}"
        findings.append(Finding("system libraries", False, what, _library_remedy(missing)))
    else:
        findings.append(Finding("system libraries", True, "all there"))
    return findings


def check_encoders() -> list[Finding]:
    """Whether recordings can be written."""
    try:
        import av
    except (ImportError, OSError) as error:
        return [Finding("video encoder", False, f"PyAV cannot be loaded: {error}", _REINSTALL)]
    wanted = {"libx264": "video encoder", "aac": "sound encoder"}
    findings = []
    for codec, name in wanted.items():
        try:
            av.Codec(codec, "w")
        except ValueError:  # av.codec.UnknownCodecError is one
            remedy = "install PyAV's own wheel: `pip install --force-reinstall --no-deps av`"
            what = f"PyAV {av.__version__} lacks {codec}"
            findings.append(Finding(name, False, what, remedy))
        else:
            findings.append(Finding(name, True, f"{codec} in PyAV {av.__version__}"))
    return findings


def check_weights() -> list[Finding]:
    """Whether ember's weights are where they belong, and whole."""
    weights = _weights(files("resources").joinpath("ember"))
    megabytes = sum(size for _, size in weights) / 1e6
    empty = [name for name, size in weights if size < 1000]  # a Git LFS pointer is that small
    if not weights or empty:
        what = f"{empty[0]} is not a weight file" if empty else "resources/ember holds no weights"
        return [Finding("ember", False, what, f"{_REINSTALL}; `--model null` runs without")]
    return [Finding("ember", True, f"{len(weights)} weight files, {megabytes:.1f} MB")]


def check_disk() -> list[Finding]:
    """Room for recordings where the user is and in the home folder."""
    findings = []
    for name, folder in (("disk here", Path.cwd()), ("disk of home", Path.home())):
        free_gb = shutil.disk_usage(folder).free / 1e9
        ok = free_gb >= NEEDED_GB
        remedy = "" if ok else f"free some space: recordings need at least {NEEDED_GB:g} GB"
        findings.append(Finding(name, ok, f"{free_gb:.1f} GB free in {folder}", remedy))
    return findings


def check_presets() -> list[Finding]:
    """Whether every preset can be loaded."""
    broken = []
    names = preset_names()
    for name in names:
        try:
            load_preset(name)
        except EngineError as error:
            broken.append(str(error))
    if broken:
        remedy = f"mend or delete it; your own are in {user_preset_folder()}"
        return [Finding("presets", False, line, remedy) for line in broken]
    return [Finding("presets", True, f"{len(names)}: {', '.join(names)}")]


def _pyside() -> Finding:
    try:
        found = version("PySide6_Essentials")
    except PackageNotFoundError:
        return Finding("pyside6", False, "not installed: no window", _REINSTALL)
    if found == _BAD_PYSIDE and sys.version_info[:2] <= _LAST_PYTHON_WITH_MORTAL_BOOLS:
        what = f"{found} aborts on Python {platform.python_version()} after some hundred signals"
        remedy = "pip install 'PySide6-Essentials!=6.12.0'"
        return Finding("pyside6", False, what, remedy)
    return Finding("pyside6", True, found)


def _sound_direction(name: str, devices: Iterable[Any], column: str, otherwise: str) -> Finding:
    able = [str(device["name"]) for device in devices if device[column] > 0]
    what = f"{len(able)}: {', '.join(able)}" if able else f"none: {otherwise}"
    return Finding(name, True, what, present=bool(able))


def _library_remedy(names: Iterable[str]) -> str:
    wanted = set(names)
    parts = [part for part in missing_parts() if part.name in wanted]
    manager = package_manager()
    if not parts or manager is None:
        return ""
    return manager.line(packages_of(parts, manager), as_root=False)


def _weights(folder: Any) -> list[tuple[str, int]]:
    """Names and sizes of all safetensors below a folder that may lie inside a zip."""
    if not folder.is_dir():
        return []
    found: list[tuple[str, int]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _weights(entry)
        elif entry.name.endswith(".safetensors"):
            size = entry.stat().st_size if isinstance(entry, Path) else len(entry.read_bytes())
            found.append((entry.name, size))
    return found


_CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    check_python,
    check_torch,
    check_sound,
    check_loopback,
    check_outer_clocks,
    check_display,
    check_window_libraries,
    check_encoders,
    check_weights,
    check_disk,
    check_presets,
)
