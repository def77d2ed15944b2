"""The arguments of the commands that make and measure: `train` and `bench`."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.argument_values import as_duration_s, as_size
from app.arguments import add_device, add_json, add_runner
from app.model_arguments import model_name
from engine.bench.area import AREAS


def add_bench(parser: argparse.ArgumentParser) -> None:
    """`sonolume bench`."""
    parser.add_argument(
        "area", nargs="?", metavar="AREA", help=f"one of {', '.join(AREAS)} (default: all)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=20.0,
        metavar="S",
        help="length of the live runs in seconds (default: 20)",
    )
    parser.add_argument(
        "--loop",
        type=as_duration_s,
        metavar="10m",
        help="ember: so much feedback (90s, 10m, 1h): does it burn, blur, grow? "
        "(default: measure speed)",
    )
    parser.add_argument(
        "--morph",
        action="store_true",
        help="ember: from prompt to prompt in 60 pictures: does it jump? (default: no)",
    )
    parser.add_argument(
        "--quality",
        action="store_true",
        help="ember: what an independent judge sees in pictures of 1, 2 and 4 calls (default: no)",
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
        help="for --quality, encodings and sights: write contact sheets there (default: none)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="hearing: compare beat trackers on loops and sounds in DIR (default: on the demo); "
        "sights: recordings that were left out of training (default: synthesised sounds)",
    )
    add_runner(parser, "all")
    parser.add_argument(
        "--model",
        type=model_name,
        metavar="NAME",
        help="for engine, --loop, --morph, --quality; engine builds sd-turbo and sdxl-turbo with "
        "random weights where they were not fetched (default: ember)",
    )
    parser.add_argument(
        "--size",
        type=as_size,
        default=(512, 512),
        metavar="WxH",
        help="size in pixels for engine, --loop, --morph, --quality (default: 512x512)",
    )
    parser.add_argument(
        "--ai-fps",
        type=float,
        default=20.0,
        metavar="N",
        help="for --loop and --morph: pictures per second of music (default: 20)",
    )
    add_device(parser)
    add_json(parser)
