"""The command line: `sonolume COMMAND ...`. Only parsing here; each command lives in its own file.

Exit codes: 0 done, 1 failed with one clear line on stderr, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from engine.errors import EngineError

COMPUTE_DEVICES = ("auto", "cpu", "cuda", "mps")
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in _TOP_LEVEL):
        arguments.insert(0, "live")
    options = _parser().parse_args(arguments)
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
        return 1
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
        return 1
    except Exception as error:  # a defect: still one line, and where to find the rest
        if options.debug:
            raise
        print(f"sonolume: {_defect(error)}", file=sys.stderr)
        return 1


def _written(code: int) -> int:
    """Return `code`, or 1 when what was printed does not arrive."""
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
    return 1


def _defect(error: Exception) -> str:
    words = next(iter(str(error).splitlines()), "")
    named = f"{type(error).__name__}: {words}" if words else type(error).__name__
    if isinstance(error, MemoryError):
        return f"the memory is not enough ({named}); choose a smaller size"
    return f"an unexpected {named}; please report what the same command with --debug prints"


_TOP_LEVEL = ("-h", "--help", "--version")


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--debug", action="store_true", help="log everything, show tracebacks")
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
        sub.set_defaults(run=run)
        return sub

    _add_live(command("live", "open the window and listen", _live))
    _add_render(command("render", "export a sound file to a video", _render))
    _add_analyze(command("analyze", "run the live analysis over a file", _analyze))
    _add_score(command("score", "measure how a video follows its sound", _score))
    _add_listing(command("models", "which image models there are", _models), "list")
    _add_listing(command("presets", "which presets there are", _presets), "list")
    _add_json(command("devices", "which sound devices there are", _devices))
    command("osc", "print the OSC address page", _osc)
    _add_json(command("doctor", "say what is missing on this machine, and the remedy", _doctor))
    _add_train(command("train", "train the networks that ship with Sonolume", _train))
    _add_bench(command("bench", "measure speed, memory and quality", _bench))
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def _add_listing(parser: argparse.ArgumentParser, *actions: str) -> None:
    parser.add_argument("action", choices=actions)
    _add_json(parser)


def _add_picture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="preset name or .toml file (default: default)")
    parser.add_argument("--model", help="ember, or a Stable Diffusion folder or hub id")
    parser.add_argument("--size", type=_size, default=(512, 512), metavar="WxH")
    parser.add_argument("--model-size", type=_size, default=(0, 0), metavar="WxH")
    parser.add_argument("--fps", type=float, default=30.0, help="output frames per second")
    parser.add_argument("--device-compute", choices=COMPUTE_DEVICES, default="auto")
    _add_json(parser)


def _add_live(parser: argparse.ArgumentParser) -> None:
    _add_picture(parser)
    parser.add_argument("--source", metavar="mic|demo|file:PATH|tone")
    parser.add_argument("--device", default="", help="sound device as `sonolume devices` names it")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--record", type=Path, metavar="PATH")
    parser.add_argument("--osc-port", type=int, default=9000, help="0: do not listen")
    parser.add_argument("--osc-host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--osc-out", type=_host_port, metavar="HOST:PORT")
    parser.add_argument("--seconds", type=float, help="stop by itself")
    parser.add_argument("--headless", action="store_true", help="no window")
    parser.add_argument("--announce", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--mute", action="store_true", help="files are not heard")


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", metavar="AUDIO", help="a sound or video file, or `demo`")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.mp4")
    _add_picture(parser)
    parser.add_argument("--prompt", action="append", default=[], help="repeatable")
    parser.add_argument("--ai-fps", type=float, help="pictures per second (default: fps)")
    parser.add_argument("--strength", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--init-image", type=Path)
    parser.add_argument("--quality", type=int, default=18, help="H.264 CRF: 0 best, 51 worst")
    parser.add_argument(
        "--resume", action="store_true", help="go on where an interrupted render stopped"
    )
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: all cores)")
    parser.add_argument("--progress-json", action="store_true", help=argparse.SUPPRESS)


def _add_analyze(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", metavar="AUDIO")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT.json")
    parser.add_argument("--features", type=Path, metavar="OUT.npz")


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("video", type=Path, metavar="VIDEO")
    parser.add_argument("--audio", help="another sound than the video's own")
    _add_json(parser)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("ember",))
    parser.add_argument("--stage", required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/ember"), metavar="DIR")
    parser.add_argument("--budget", type=float, default=60.0, metavar="MINUTES")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device-compute", choices=COMPUTE_DEVICES, default="auto")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("area", nargs="?", help="one area instead of all")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the live runs")
    parser.add_argument("--device-compute", choices=COMPUTE_DEVICES, default="auto")
    _add_json(parser)


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 640x360") from None
    return width, height


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT; write 127.0.0.1:9001")
    return host, int(port)


def _live(options: argparse.Namespace) -> int:
    from app.live_command import run

    return run(options)


def _render(options: argparse.Namespace) -> int:
    from app.render_command import run

    return run(options)


def _analyze(options: argparse.Namespace) -> int:
    from app.analyze_command import run

    return run(options)


def _score(options: argparse.Namespace) -> int:
    from app.score_command import run

    return run(options)


def _models(options: argparse.Namespace) -> int:
    from app.listings import models

    return models(options)


def _presets(options: argparse.Namespace) -> int:
    from app.listings import presets

    return presets(options)


def _devices(options: argparse.Namespace) -> int:
    from app.listings import devices

    return devices(options)


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
