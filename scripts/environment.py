"""Set-up of a bare machine: system packages, `.venv`, the right torch, the project itself.

Standard library only. `prepare` takes seconds when all is in place.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch_build
from pip_install import PipError, download_plan, install

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.system_libraries import (  # noqa: E402
    LIBRARIES,
    TEST_TOOLS,
    SystemPart,
    missing_parts,
    package_manager,
    packages_of,
)

_STAMP = "sonolume-setup.json"
_NEEDED_GB = {"cpu": 4.0, "normal": 10.0}
_LAST_LINES = 12


class SetupError(Exception):
    """Set-up cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class Setup:
    """What is wanted of this machine."""

    root: Path = ROOT
    extras: tuple[str, ...] = ()
    parts: tuple[SystemPart, ...] = field(default=LIBRARIES)

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"


def for_running() -> Setup:
    """What `scripts/run.py` needs."""
    return Setup()


def for_testing() -> Setup:
    """What `scripts/test.py` needs besides."""
    return Setup(extras=("test",), parts=LIBRARIES + TEST_TOOLS)


def prepare(setup: Setup) -> Path:
    """Bring this machine to where `setup` wants it; return the `.venv`. Raises `SetupError`."""
    ensure_system_parts(setup.parts)
    flavour = torch_build.flavour()
    key = setup_key(setup.root, flavour)
    if _is_done(setup, key):
        return setup.venv
    ensure_space(setup.root, _NEEDED_GB[flavour])
    ensure_venv(setup.venv)
    try:
        _install(setup, flavour)
    except PipError as error:
        raise SetupError(str(error)) from error
    done = sorted({*setup.extras, *(_stamp(setup.venv, key) or ())})
    (setup.venv / _STAMP).write_text(json.dumps({"key": key, "extras": done}), "utf-8")
    return setup.venv


def program(venv: Path, name: str, system: str = "") -> Path:
    """Return the path of an installed program: `bin/NAME`, on Windows `Scripts/NAME.exe`."""
    if (system or platform.system()) == "Windows":
        return venv / "Scripts" / f"{name}.exe"
    return venv / "bin" / name


def setup_key(root: Path, flavour: str) -> str:
    """Return what `.venv` depends on as one number: a change means installing again."""
    facts = [
        hashlib.sha256((root / "pyproject.toml").read_bytes()).hexdigest(),
        f"{sys.version_info.major}.{sys.version_info.minor}",
        str(root),
        flavour,
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def ensure_system_parts(parts: Sequence[SystemPart]) -> None:
    """Install the system packages that are missing; not being root, say how and stop."""
    missing = missing_parts(parts)
    if not missing:
        return
    names = ", ".join(part.name for part in missing)
    manager = package_manager()
    if manager is None:
        raise SetupError(
            f"this system lacks {names}, and no known package manager was found; install them and "
            "run this again"
        )
    packages = packages_of(missing, manager)
    if not is_root():
        raise SetupError(
            f"this system lacks {names}. Install them with\n\n"
            f"    {manager.line(packages, as_root=False)}\n\nand run this again"
        )
    say(f"Installing system packages: {' '.join(packages)}")
    if manager.refresh:
        run_quietly(manager.refresh)  # old lists may still do; the next line decides
    done = run_quietly((*manager.install, *packages))
    if done.returncode:
        raise SetupError(
            f"installing system packages failed ({manager.line(packages, as_root=True)}):\n"
            + last_lines(done.stdout)
        )
    still = missing_parts(missing)
    if still:
        raise SetupError(
            f"{', '.join(part.name for part in still)} still missing after installing "
            f"{' '.join(packages)}; please tell us the name of your system"
        )


def ensure_space(root: Path, needed_gb: float) -> None:
    """Refuse to start on a disk that cannot hold the installation."""
    free_gb = shutil.disk_usage(root).free / 1e9
    if free_gb < needed_gb:
        raise SetupError(
            f"{free_gb:.1f} GB are free on the disk of {root}, about {needed_gb:.0f} GB are "
            "needed; free some space and run this again"
        )


def ensure_venv(venv: Path) -> None:
    """Make `.venv` unless a working one of this Python version is there."""
    python = program(venv, "python")
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python.exists():
        asked = run_quietly((str(python), "-c", "import pip, sys; print(*sys.version_info[:2])"))
        if not asked.returncode and asked.stdout.split() == wanted.split("."):
            return
        shutil.rmtree(venv)
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        _install_venv_module(wanted)
    say(f"Making {venv} with Python {platform.python_version()}")
    made = run_quietly((sys.executable, "-m", "venv", str(venv)))
    if made.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        raise SetupError(f"cannot make {venv}:\n{last_lines(made.stdout)}")


def is_root() -> bool:
    """True when packages may be installed."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def run_quietly(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command without input; its whole output is in `stdout`."""
    return subprocess.run(
        list(command), check=False, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )  # fmt: skip


def last_lines(output: str) -> str:
    """Return the end of a program's output."""
    return "\n".join(output.strip().splitlines()[-_LAST_LINES:])


def say(line: str) -> None:
    """Tell the user, at once."""
    print(line, flush=True)


def _install(setup: Setup, flavour: str) -> None:
    project = tomllib.loads((setup.root / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in setup.extras:
        wanted += project["optional-dependencies"][extra]
    python = program(setup.venv, "python")
    torch_line = next(line for line in wanted if re.match(r"torch\b(?!-)", line))
    choice = torch_build.choose(python, flavour, torch_line)
    say(f"Torch: {choice.explanation}")
    wanted[wanted.index(torch_line)] = choice.requirement
    plan = download_plan(python, wanted, choice.index_options)
    if plan.packages:
        say(f"Installing {len(plan.packages)} packages, to download: {plan.size_text}")
    install(python, plan, choice.index_options, setup.root)


def _install_venv_module(version: str) -> None:
    if platform.system() == "Linux" and shutil.which("apt-get"):
        package = f"python{version}-venv"
        if is_root():
            say(f"Installing system package: {package}")
            run_quietly(("apt-get", "update"))
            done = run_quietly(("apt-get", "install", "-y", "--no-install-recommends", package))
            if not done.returncode:
                return
        raise SetupError(
            "this Python cannot make virtual environments. Install the missing part with\n\n"
            f"    sudo apt-get install -y {package}\n\nand run this again"
        )
    raise SetupError(
        f"this Python ({sys.executable}) comes without venv and ensurepip; install a complete "
        "Python 3.11 or newer from python.org or your package manager"
    )


def _is_done(setup: Setup, key: str) -> bool:
    done = _stamp(setup.venv, key)
    return (
        done is not None and set(setup.extras) <= done and program(setup.venv, "python").exists()
    )


def _stamp(venv: Path, key: str) -> set[str] | None:
    try:
        stamp = json.loads((venv / _STAMP).read_text("utf-8"))
        return set(stamp["extras"]) if stamp["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
