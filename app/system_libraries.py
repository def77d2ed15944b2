"""The system libraries that no Python wheel brings, and how each Linux installs them.

Standard library only and nothing of ours: `scripts/` reads this before anything is installed.
"""

from __future__ import annotations

import ctypes
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("~/.fonts"))


@dataclass(frozen=True, slots=True)
class SystemPart:
    """A library, program or font, and its package by package manager."""

    name: str
    """A library's file name as the dynamic linker knows it, a program's name, or `a font`."""
    purpose: str
    apt: str
    dnf: str
    pacman: str
    zypper: str


@dataclass(frozen=True, slots=True)
class PackageManager:
    """A Linux package manager."""

    program: str
    install: tuple[str, ...]
    refresh: tuple[str, ...] = ()

    def line(self, packages: Iterable[str], *, as_root: bool) -> str:
        """Return the shell line that installs `packages`."""
        words = (*self.install, *packages)
        return " ".join(words if as_root else ("sudo", *words))


LIBRARIES: tuple[SystemPart, ...] = (
    SystemPart("libportaudio.so.2", "sound in and out", "libportaudio2", "portaudio", "portaudio",
               "libportaudio2"),
    SystemPart("libEGL.so.1", "the window", "libegl1", "libglvnd-egl", "libglvnd", "Mesa-libEGL1"),
    SystemPart("libGL.so.1", "the window", "libgl1", "libglvnd-glx", "libglvnd", "Mesa-libGL1"),
    SystemPart("libxkbcommon.so.0", "the keyboard", "libxkbcommon0", "libxkbcommon",
               "libxkbcommon", "libxkbcommon0"),
    SystemPart("libxkbcommon-x11.so.0", "the keyboard", "libxkbcommon-x11-0", "libxkbcommon-x11",
               "libxkbcommon-x11", "libxkbcommon-x11-0"),
    SystemPart("libX11-xcb.so.1", "X11", "libx11-xcb1", "libX11-xcb", "libx11", "libX11-xcb1"),
    SystemPart("libxcb-cursor.so.0", "X11", "libxcb-cursor0", "xcb-util-cursor",
               "xcb-util-cursor", "libxcb-cursor0"),
    SystemPart("libxcb-icccm.so.4", "X11", "libxcb-icccm4", "xcb-util-wm", "xcb-util-wm",
               "libxcb-icccm4"),
    SystemPart("libxcb-image.so.0", "X11", "libxcb-image0", "xcb-util-image", "xcb-util-image",
               "libxcb-image0"),
    SystemPart("libxcb-keysyms.so.1", "X11", "libxcb-keysyms1", "xcb-util-keysyms",
               "xcb-util-keysyms", "libxcb-keysyms1"),
    SystemPart("libxcb-randr.so.0", "X11", "libxcb-randr0", "libxcb", "libxcb", "libxcb-randr0"),
    SystemPart("libxcb-render.so.0", "X11", "libxcb-render0", "libxcb", "libxcb",
               "libxcb-render0"),
    SystemPart("libxcb-render-util.so.0", "X11", "libxcb-render-util0", "xcb-util-renderutil",
               "xcb-util-renderutil", "libxcb-render-util0"),
    SystemPart("libxcb-shape.so.0", "X11", "libxcb-shape0", "libxcb", "libxcb", "libxcb-shape0"),
    SystemPart("libxcb-shm.so.0", "X11", "libxcb-shm0", "libxcb", "libxcb", "libxcb-shm0"),
    SystemPart("libxcb-sync.so.1", "X11", "libxcb-sync1", "libxcb", "libxcb", "libxcb-sync1"),
    SystemPart("libxcb-xfixes.so.0", "X11", "libxcb-xfixes0", "libxcb", "libxcb",
               "libxcb-xfixes0"),
    SystemPart("libxcb-xkb.so.1", "X11", "libxcb-xkb1", "libxcb", "libxcb", "libxcb-xkb1"),
    SystemPart("libdbus-1.so.3", "the desktop", "libdbus-1-3", "dbus-libs", "dbus",
               "libdbus-1-3"),
    SystemPart("libfontconfig.so.1", "text", "libfontconfig1", "fontconfig", "fontconfig",
               "fontconfig"),
    SystemPart("libglib-2.0.so.0", "Qt", "libglib2.0-0", "glib2", "glib2", "libglib-2_0-0"),
    SystemPart("a font", "text", "fonts-dejavu-core", "dejavu-sans-fonts", "ttf-dejavu",
               "dejavu-fonts"),
)  # fmt: skip

TEST_TOOLS: tuple[SystemPart, ...] = (
    SystemPart("Xvfb", "an X server", "xvfb", "xorg-x11-server-Xvfb", "xorg-server-xvfb",
               "xorg-x11-server-Xvfb"),
    SystemPart("xauth", "an X server", "xauth", "xorg-x11-xauth", "xorg-xauth", "xauth"),
    SystemPart("xdotool", "a hand at the keyboard", "xdotool", "xdotool", "xdotool", "xdotool"),
    SystemPart("pulseaudio", "a microphone", "pulseaudio", "pulseaudio", "pulseaudio",
               "pulseaudio"),
    SystemPart("paplay", "a microphone", "pulseaudio-utils", "pulseaudio-utils", "libpulse",
               "pulseaudio-utils"),
    SystemPart("libasound_module_pcm_pulse.so", "a microphone", "libasound2-plugins",
               "alsa-plugins-pulseaudio", "alsa-plugins", "alsa-plugins-pulse"),
    SystemPart("oscsend", "an OSC peer", "liblo-tools", "liblo", "liblo", "liblo-tools"),
    SystemPart("ffprobe", "another decoder", "ffmpeg", "ffmpeg-free", "ffmpeg", "ffmpeg"),
)  # fmt: skip

PACKAGE_MANAGERS: tuple[PackageManager, ...] = (
    PackageManager(
        "apt-get",
        ("apt-get", "install", "-y", "--no-install-recommends"),
        ("apt-get", "update"),
    ),
    PackageManager("dnf", ("dnf", "install", "-y")),
    PackageManager("pacman", ("pacman", "-S", "--needed", "--noconfirm"), ("pacman", "-Sy")),
    PackageManager("zypper", ("zypper", "--non-interactive", "install")),
)


def missing_parts(parts: Iterable[SystemPart] = LIBRARIES) -> list[SystemPart]:
    """Return the parts that this Linux lacks; elsewhere none are needed."""
    if platform.system() != "Linux":
        return []
    return [part for part in parts if not _is_there(part.name)]


def package_manager() -> PackageManager | None:
    """Return this system's package manager, None when it has none that we know."""
    return next((m for m in PACKAGE_MANAGERS if shutil.which(m.program)), None)


def packages_of(parts: Iterable[SystemPart], manager: PackageManager) -> list[str]:
    """Return the packages that hold `parts`, each once, in order."""
    column = manager.program.removesuffix("-get")
    return list(dict.fromkeys(str(getattr(part, column)) for part in parts))


def _is_there(name: str) -> bool:
    if name == "a font":
        fonts = (f.expanduser() for f in FONT_FOLDERS)
        return any(next(f.rglob("*.[to]t[fc]"), None) for f in fonts if f.is_dir())
    if name.startswith("libasound_module"):  # a plug-in, outside the linker's path
        places = (f"alsa-lib/{name}", f"*/alsa-lib/{name}")
        folders = (Path("/usr/lib"), Path("/usr/lib64"))
        return any(next(f.glob(place), None) for f in folders for place in places)
    if ".so" not in name:
        return shutil.which(name) is not None
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
