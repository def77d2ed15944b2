"""The command line: `sonolume COMMAND ...`. Only parsing here; each command lives in its own file.

Exit codes: 0 done, 1 failed with one clear line on stderr, 2 wrong usage (also one line, after
argparse's own usage where that finds it), 130 interrupted. Wrong usage is what the words alone
show: a value out of range, an unknown name, arguments that contradict each other. What files,
devices and networks have to say is a failure.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

import app._blas_threads  # noqa: F401 - first, before anything imports NumPy
from app.arguments import (
    add_analyze,
    add_calibrate,
    add_json,
    add_listen,
    add_listing,
    add_live,
    add_render,
    add_score,
)
from app.model_arguments import add_models
from app.sound_arguments import add_audio2video, add_image
from app.train_arguments import add_train
from app.workshop_arguments import add_bench
from engine.errors import EngineError, UsageError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in _TOP_LEVEL):
        arguments.insert(0, "live")
    options, strange = _parser().parse_known_args(arguments)
    if strange:
        refuse: Callable[[str], None] = options.refuse
        refuse(f"no such argument: {' '.join(strange)}")
    logging.basicConfig(
        level=logging.DEBUG if options.debug else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("numba").setLevel(logging.WARNING)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return _written(run(options))
    except EngineError as error:
        if options.debug:
            raise
        print(f"sonolume: {error}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print("sonolume: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return _deaf()
    except OSError as error:
        if options.debug:
            raise
        if error.filename is None:  # print itself: `sonolume osc > /dev/full`
            return _deaf(error)
        print(f"sonolume: {error.filename} cannot be used: {error.strerror}", file=sys.stderr)
        return FAILED
    except Exception as error:  # a defect: still one line, and where to find the rest
        if options.debug:
            raise
        print(f"sonolume: {_defect(error)}", file=sys.stderr)
        return FAILED


def _written(code: int) -> int:
    """Return `code`, or `FAILED` when what was printed does not arrive."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _deaf()
    except OSError as error:
        return _deaf(error)
    return code


def _deaf(error: OSError | None = None) -> int:
    """Nobody reads any more (`sonolume osc | head`): print nothing else, at exit neither."""
    if error is not None:
        reason = error.strerror or error
        print(f"sonolume: the output cannot be written: {reason}", file=sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _defect(error: Exception) -> str:
    words = next(iter(str(error).splitlines()), "")
    named = f"{type(error).__name__}: {words}" if words else type(error).__name__
    if isinstance(error, MemoryError):
        return f"the memory is not enough ({named}); choose a smaller size"
    return f"an unexpected {named}; please report what the same command with --debug prints"


_TOP_LEVEL = ("-h", "--help", "--version")


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--debug", action="store_true", help="log everything, show tracebacks (default: no)"
    )
    parser = argparse.ArgumentParser(
        prog="sonolume",
        description="Listens, and paints living pictures in time with the music.",
        epilog="Without a command: the window (`sonolume live`).",
    )
    parser.add_argument("--version", action="version", version=f"sonolume {version('sonolume')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, text: str, run: Callable[[argparse.Namespace], int]
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=[shared])
        sub.set_defaults(run=run, refuse=sub.error)  # which shows the usage of this command
        return sub

    add_live(command("live", "open the window and listen", _live))
    add_render(command("render", "export a sound file to a video", _render))
    add_image(command("image", "paint one picture from a sound", _image))
    add_audio2video(
        command("audio2video", "paint a video from the slices of a sound", _audio2video)
    )
    add_analyze(command("analyze", "run the live analysis over a file", _analyze))
    add_listen(command("listen", "say what a sound file is about, over time", _listen))
    add_score(command("score", "measure how a video follows its sound", _score))
    add_models(command("models", "which image models there are; fetch and remove them", _models))
    add_listing(command("presets", "which presets there are", _presets), "list")
    add_json(command("devices", "which sound devices there are", _devices))
    add_calibrate(command("calibrate", "measure how late an input hears", _calibrate))
    add_json(command("osc", "print the OSC address page", _osc))
    add_json(command("doctor", "say what is missing on this machine, and the remedy", _doctor))
    add_train(command("train", "train the networks that ship with Sonolume", _train))
    add_bench(command("bench", "measure speed, memory and quality", _bench))
    return parser


def _live(options: argparse.Namespace) -> int:
    from app.live_command import run

    return run(options)


def _render(options: argparse.Namespace) -> int:
    from app.render_command import run

    return run(options)


def _image(options: argparse.Namespace) -> int:
    from app.image_command import run

    return run(options)


def _audio2video(options: argparse.Namespace) -> int:
    from app.audio2video_command import run

    return run(options)


def _analyze(options: argparse.Namespace) -> int:
    from app.analyze_command import run

    return run(options)


def _listen(options: argparse.Namespace) -> int:
    from app.listen_command import run

    return run(options)


def _score(options: argparse.Namespace) -> int:
    from app.score_command import run

    return run(options)


def _models(options: argparse.Namespace) -> int:
    from app.models_command import run

    return run(options)


def _presets(options: argparse.Namespace) -> int:
    from app.listings import presets

    return presets(options)


def _devices(options: argparse.Namespace) -> int:
    from app.listings import devices

    return devices(options)


def _calibrate(options: argparse.Namespace) -> int:
    from app.calibrate_command import run

    return run(options)


def _osc(options: argparse.Namespace) -> int:
    from app.listings import osc

    return osc(options)


def _doctor(options: argparse.Namespace) -> int:
    from app.listings import doctor

    return doctor(options)


def _train(options: argparse.Namespace) -> int:
    from app.train_command import run

    return run(options)


def _bench(options: argparse.Namespace) -> int:
    from app.bench_command import run

    return run(options)
