"""One command on a bare machine: sets everything up, then starts Sonolume.

python3 scripts/run.py [--setup-only] [arguments of sonolume ...]
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this is what the user runs it with
    sys.exit(
        "Sonolume needs Python 3.11 or newer, this is {}.{}; install one and use that".format(
            *sys.version_info[:2]
        )
    )

sys.path.insert(0, str(Path(__file__).resolve().parent))

from environment import SetupError, for_running, prepare, program, say

USAGE = """usage: python3 scripts/run.py [--setup-only] [ARGUMENTS ...]

Sets Sonolume up (.venv, packages, system libraries) and starts it. ARGUMENTS go to `sonolume`;
without any it opens the window, or renders the demo track to demo.mp4 where there is no display
(and goes on with that video where it was interrupted before).

  --setup-only  stop after the set-up
"""
DEMO_VIDEO = "demo.mp4"


def main(arguments: list[str]) -> int:
    """Set up and start; return the exit code."""
    if arguments in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    setup_only = "--setup-only" in arguments
    rest = [argument for argument in arguments if argument != "--setup-only"]
    try:
        venv = prepare(for_running())
    except SetupError as error:
        print(f"Set-up stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Set-up interrupted; running it again goes on from here", file=sys.stderr)
        return 130
    sonolume = program(venv, "sonolume")
    if setup_only:
        say(f"Ready: {sonolume}")
        return 0
    return start(sonolume, rest)


def start(sonolume: Path, arguments: list[str]) -> int:
    """Run `sonolume`: as asked, or else the window, or else the demo video."""
    if arguments not in ([], ["--resume"]) or has_display():
        return call([str(sonolume), *(arguments or ["live"])])
    video = Path.cwd() / DEMO_VIDEO
    say(f"No display here: rendering the demo track to {video}")
    command = [str(sonolume), "render", "demo", "-o", str(video)]
    if video.with_suffix(".part").is_dir():
        command.append("--resume")
    code = call(command)
    if code == 0:
        say(f"Done: {video}")
    return code


def has_display() -> bool:
    """False only on a Linux without X11 and Wayland."""
    return platform.system() != "Linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def call(command: list[str]) -> int:
    """Run a program to its end; Ctrl-C is its business and not ours."""
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
