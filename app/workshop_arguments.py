"""The arguments of the commands that make and measure: `train` and `bench`."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.arguments import (
    add_device,
    add_json,
    add_runner,
    add_threads,
    as_duration_s,
    as_size,
)
from app.train_command import PROJECTOR_ENCODERS, STAGE_NAMES
from engine.bench.area import AREAS


def add_train(parser: argparse.ArgumentParser) -> None:
    """`sonolume train`."""
    parser.add_argument(
        "what", choices=("ember", "beat", "listener", "projector"), help="which networks to train"
    )
    parser.add_argument(
        "--stage",
        metavar="STAGE",
        help=f"ember: one of {', '.join(STAGE_NAMES)}, in this order; beat: pulse; projector: 1, "
        "2, 3 (default: none)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of everything the stages read and write (default: runs/ember, runs/beat); "
        "listener: folder of licensed clips with their table (no default: it has to be given); "
        "projector: folder as AudioCaps is laid out",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="listener, projector: folder of what training writes (default: runs/listener, "
        "runs/projector)",
    )
    parser.add_argument(
        "--fold",
        type=int,
        default=4,
        metavar="N",
        help="listener: leave out this fold of the clips and test on it, 0: none (default: 4)",
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
    _add_projector(parser)
    add_threads(parser)
    add_device(parser)
    add_json(parser)


def _add_projector(parser: argparse.ArgumentParser) -> None:
    """What `sonolume train projector` takes besides."""
    group = parser.add_argument_group("projector")
    group.add_argument(
        "--target",
        default="ember",
        metavar="MODEL",
        help="whose prompts it learns to write: ember, or a folder of a checkpoint "
        "(default: ember)",
    )
    group.add_argument(
        "--encoder",
        choices=PROJECTOR_ENCODERS,
        default="ear",
        help="what it hears: the listener that ships, or CLAP (default: ear)",
    )
    group.add_argument(
        "--clap", default="", metavar="NAME", help="folder or hub id of CLAP (default: LAION's)"
    )
    group.add_argument(
        "--decomposer",
        choices=("soft", "rigid", "sonic"),
        default="soft",
        help="stage 1: soft levels, a branch per level, or SonicDiffusion's adapter without "
        "levels (default: soft)",
    )
    group.add_argument(
        "--generator",
        choices=("transformer", "self-attention"),
        default="transformer",
        help="stage 1: what writes the rows (default: transformer)",
    )
    group.add_argument(
        "--routing",
        choices=("published", "planned"),
        default="published",
        help="stages of the U-Net by level: atmosphere early, or foreground early "
        "(default: published)",
    )
    group.add_argument(
        "--insertion",
        choices=("gated", "bend"),
        default="gated",
        help="how a checkpoint's U-Net hears: by attention of its own behind gates, or by texts "
        "that the sound bends; stages 2 and 3 (default: gated)",
    )
    group.add_argument(
        "--norm",
        type=float,
        metavar="N",
        help="stage 1: how long rows shall be (default: 60, of ember as its own)",
    )
    group.add_argument(
        "--steps", type=int, metavar="N", help="steps (default: 3000, 2000, 1000 by stage)"
    )
    group.add_argument(
        "--batch", type=int, metavar="N", help="pairs per small batch (default: 8, 4, 2 by stage)"
    )
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="number format; auto: bfloat16 on a GPU that has it (default: auto)",
    )
    group.add_argument(
        "--convert",
        type=Path,
        action="append",
        metavar="FILE",
        help="write checkpoints of SonicDiffusion as safetensors to --work instead of training; "
        "repeatable (default: train)",
    )


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
        help="for --quality: write contact sheets there (default: none)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="hearing: compare beat trackers on loops and sounds in DIR (default: on the demo)",
    )
    add_runner(parser, "all")
    parser.add_argument(
        "--model",
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
