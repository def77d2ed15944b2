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

from app.train_command import STAGE_NAMES
from engine.errors import EngineError
from engine.registry import RUNNER_NAMES

COMPUTE_DEVICES = ("auto", "cpu", "cuda", "mps")
INTERRUPTED = 130


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

    _add_live(command("live", "open the window and listen", _live))
    _add_render(command("render", "export a sound file to a video", _render))
    _add_analyze(command("analyze", "run the live analysis over a file", _analyze))
    _add_score(command("score", "measure how a video follows its sound", _score))
    _add_listing(command("models", "which image models there are", _models), "list")
    _add_listing(command("presets", "which presets there are", _presets), "list")
    _add_json(command("devices", "which sound devices there are", _devices))
    _add_json(command("osc", "print the OSC address page", _osc))
    _add_json(command("doctor", "say what is missing on this machine, and the remedy", _doctor))
    _add_train(command("train", "train the networks that ship with Sonolume", _train))
    _add_bench(command("bench", "measure speed, memory and quality", _bench))
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line (default: no)"
    )


def _add_listing(parser: argparse.ArgumentParser, *actions: str) -> None:
    parser.add_argument("action", choices=actions, help="list: print them all")
    _add_json(parser)


def _add_picture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="look and movement: a preset's name or a .toml file (default: `default`, in the "
        "window the last one chosen)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="what paints: ember, or a folder or hub id in Stable Diffusion layout (default: "
        "ember, in the window the last one chosen)",
    )
    parser.add_argument(
        "--size",
        type=_size,
        default=(512, 512),
        metavar="WxH",
        help="output size in pixels, both sides even, 64 to 4096 (default: 512x512)",
    )
    parser.add_argument(
        "--model-size",
        type=_size,
        default=(0, 0),
        metavar="WxH",
        help="size in pixels that the model paints (default: the nearest it supports to --size)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        default=30.0,
        metavar="N",
        help="output frames per second, 1 to 240 (default: 30)",
    )
    _add_device(parser)
    _add_runner(parser)
    _add_json(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device-compute",
        choices=COMPUTE_DEVICES,
        default="auto",
        help="what computes the networks (default: auto, a GPU if there is one)",
    )


def _add_runner(parser: argparse.ArgumentParser, *more: str) -> None:
    names = (*more, *RUNNER_NAMES)
    parser.add_argument(
        "--runner",
        choices=names,
        default=names[0],
        help="what executes the networks: torch itself, its compiler, or another runtime "
        f"installed beside (default: {names[0]})",
    )


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads of the networks; OMP_NUM_THREADS is not used (default: 0, one per core)",
    )


def _add_live(parser: argparse.ArgumentParser) -> None:
    _add_picture(parser)
    parser.add_argument(
        "--source",
        metavar="mic|demo|file:PATH|tone",
        help="what to listen to (default: the last one chosen; at first the microphone, or the "
        "demo track where there is none)",
    )
    parser.add_argument(
        "--device",
        default="",
        metavar="NAME",
        help="sound input as `sonolume devices` names it (default: the system's)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="which noise the pictures grow from, 0 to 999999 (default: the preset's)",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="PATH",
        help="record the show from the start into this .mp4, .mov or .mkv (default: no recording)",
    )
    parser.add_argument(
        "--osc-port",
        type=int,
        metavar="N",
        help="UDP port to listen on for OSC, 0: do not listen (default: 9000, if it is free)",
    )
    parser.add_argument(
        "--osc-host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on for OSC, 0.0.0.0: every network (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--osc-out",
        type=_host_port,
        metavar="HOST:PORT",
        help="send what is heard and every changed parameter there by OSC (default: nowhere)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="stop by itself after this many seconds (default: never)",
    )
    parser.add_argument(
        "--headless", action="store_true", help="no window (default: open the window)"
    )
    parser.add_argument("--announce", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--mute",
        action="store_true",
        help="do not play files through the speakers (default: play them)",
    )


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", metavar="AUDIO", help="a sound or video file, or `demo`")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT.mp4",
        help="the video to write, .mp4, .mov or .mkv",
    )
    _add_picture(parser)
    parser.add_argument(
        "--prompt",
        action="append",
        default=[],
        metavar="TEXT",
        help="what to paint; repeat it for several, spread evenly (default: the preset's prompts)",
    )
    parser.add_argument(
        "--ai-fps",
        type=float,
        metavar="N",
        help="painted pictures per second, 0.1 to 240 (default: one for every frame)",
    )
    parser.add_argument(
        "--strength",
        type=float,
        metavar="X",
        help="how much of each picture is painted anew, 0.02 to 1 (default: the preset's)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="which noise the pictures grow from, 0 to 999999 (default: 0)",
    )
    parser.add_argument(
        "--start",
        type=float,
        default=0.0,
        metavar="S",
        help="begin this many seconds into the sound (default: 0)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="length of the video in seconds (default: to the end of the sound)",
    )
    parser.add_argument(
        "--init-image",
        type=Path,
        metavar="PATH",
        help="picture to begin with (default: none, the prompt alone)",
    )
    parser.add_argument(
        "--quality",
        type=int,
        default=18,
        metavar="CRF",
        help="quality of H.264, 0 best and largest to 51 worst (default: 18)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where an interrupted render of the same output stopped (default: begin anew)",
    )
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16", "int8"),
        default="auto",
        help="numbers the networks compute in (default: auto, what suits the device)",
    )
    _add_threads(parser)
    parser.add_argument("--progress-json", action="store_true", help=argparse.SUPPRESS)


def _add_analyze(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audio", metavar="AUDIO", help="a sound or video file, or `demo`")
    parser.add_argument(
        "--json",
        type=Path,
        required=True,
        metavar="OUT.json",
        help="where to write tempo, beats, onsets and lanes, times in seconds",
    )
    parser.add_argument(
        "--features",
        type=Path,
        metavar="OUT.npz",
        help="where to write the features of every hop as NumPy arrays (default: nowhere)",
    )


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("video", type=Path, metavar="VIDEO", help="the video to measure")
    parser.add_argument(
        "--audio",
        metavar="AUDIO",
        help="the sound to measure against, a file or `demo` (default: the video's own)",
    )
    _add_json(parser)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("ember",), help="which networks to train")
    parser.add_argument(
        "--stage",
        required=True,
        metavar="STAGE",
        help=f"one of {', '.join(STAGE_NAMES)}, in this order",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("runs/ember"),
        metavar="DIR",
        help="folder of everything the stages read and write (default: runs/ember)",
    )
    parser.add_argument("--out", type=Path, dest="data", help=argparse.SUPPRESS)  # its old name
    parser.add_argument(
        "--budget",
        type=float,
        default=60.0,
        metavar="MINUTES",
        help="how long to train, in minutes (default: 60)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with what the folder holds of this stage (default: begin anew)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="what all randomness grows from (default: 0)",
    )
    _add_threads(parser)
    _add_device(parser)
    _add_json(parser)


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("area", nargs="?", help="one area instead of all")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the live runs")
    parser.add_argument(
        "--loop",
        type=_duration_s,
        metavar="10m",
        help="ember: so much feedback (90s, 10m, 1h): does it burn, blur, grow?",
    )
    parser.add_argument(
        "--morph",
        action="store_true",
        help="ember: from prompt to prompt in 60 pictures: does it jump?",
    )
    parser.add_argument(
        "--quality",
        action="store_true",
        help="ember: what an independent judge sees in pictures of 1, 2 and 4 calls",
    )
    parser.add_argument(
        "--pictures",
        type=int,
        default=8,
        metavar="N",
        help="for --quality: pictures per scene and per style, at least 4 (default: 8)",
    )
    parser.add_argument(
        "--sheets",
        type=Path,
        metavar="DIR",
        help="for --quality: write contact sheets there (default: none)",
    )
    _add_runner(parser, "all")
    parser.add_argument("--model", help="for --loop, --morph, --quality: another than ember")
    parser.add_argument(
        "--size",
        type=_size,
        default=(512, 512),
        metavar="WxH",
        help="for --loop, --morph, --quality",
    )
    parser.add_argument(
        "--ai-fps",
        type=float,
        default=20.0,
        help="for --loop and --morph: pictures per second of music",
    )
    parser.add_argument("--device-compute", choices=COMPUTE_DEVICES, default="auto")
    _add_json(parser)


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 640x360") from None
    return width, height


def _duration_s(text: str) -> float:
    unit_s = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:].lower())
    try:
        return float(text) if unit_s is None else unit_s * float(text[:-1])
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration; write 90s, 10m or 1h"
        ) from None


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
