"""The arguments of the commands that turn sound itself into pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.argument_values import as_size
from app.arguments import (
    add_audio,
    add_device,
    add_json,
    add_labels,
    add_listener,
    add_quality,
    add_seconds,
    add_seed,
    add_threads,
)
from app.model_arguments import add_vae
from engine.sound_choices import SOUND_ENCODINGS, SOUND_SCALES


def add_image(parser: argparse.ArgumentParser) -> None:
    """`sonolume image`."""
    add_audio(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT.png",
        help="the picture to write, .png or .jpg",
    )
    parser.add_argument(
        "--prompt",
        default="",
        metavar="TEXT",
        help="what to paint besides the sound (default: nothing but the sound)",
    )
    parser.add_argument(
        "--encoding",
        choices=("semantic", *SOUND_ENCODINGS),
        default="semantic",
        help="how the sound becomes a prompt: in words, by what it is; as it is: its samples, "
        "spectrum, mel bands or their envelope; by a trained adapter (default: semantic)",
    )
    _add_sound(parser)
    parser.add_argument(
        "--start",
        type=float,
        metavar="S",
        help="listen from this many seconds on (default: where the sound is loudest)",
    )
    parser.add_argument(
        "--init-image",
        type=Path,
        metavar="PATH",
        help="picture to paint over (default: none, from nothing)",
    )
    parser.add_argument(
        "--strength",
        type=float,
        metavar="X",
        help="how much of the init image is painted anew, 0.02 to 1 (default: 0.6)",
    )
    add_listener(parser)
    add_labels(parser)
    _add_model(parser)


def add_audio2video(parser: argparse.ArgumentParser) -> None:
    """`sonolume audio2video`."""
    parser.add_argument(
        "--path", required=True, metavar="AUDIO", help="a sound or video file, or `demo`"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.mp4",
        help="the video to write, .mp4, .mov or .mkv (default: beside the sound, .mp4)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        default=20.0,
        metavar="N",
        help="pictures per second, and slices of the sound (default: 20)",
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=0.5,
        metavar="S",
        help="how much of the picture before is painted anew, 0.02 to 1 (default: 0.5)",
    )
    parser.add_argument(
        "--textprompt", metavar="TEXT", help="what to paint besides the sound (default: nothing)"
    )
    parser.add_argument(
        "--textpromptend",
        metavar="TEXT",
        help="what the prompt turns into by the end (default: it stays)",
    )
    parser.add_argument(
        "--prompt-file",
        type=Path,
        metavar="FILE",
        help="prompts over time, one `mm:ss:prompt` a line (default: none)",
    )
    parser.add_argument(
        "--encoding",
        choices=SOUND_ENCODINGS,
        default="fft",
        help="how the sound becomes a prompt (default: fft)",
    )
    _add_sound(parser)
    parser.add_argument(
        "--slices",
        type=float,
        metavar="N",
        help="slices of the sound per second; pictures between two hear both (default: as --fps)",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.0,
        metavar="X",
        help="how much of both neighbours a slice hears besides, 0 to 8 slices (default: 0)",
    )
    parser.add_argument(
        "--seed-policy",
        choices=("fixed", "walk", "per-slice"),
        default="fixed",
        help="one noise for all pictures, one that wanders, or another for every slice "
        "(default: fixed)",
    )
    add_seconds(parser)
    parser.add_argument(
        "--init-image",
        type=Path,
        metavar="PATH",
        help="picture to begin with (default: none, from nothing)",
    )
    add_quality(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where an interrupted run of the same command stopped (default: begin anew)",
    )
    _add_model(parser)


def _add_sound(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="PATH",
        help="the file of the projector or mapper (default: none)",
    )
    parser.add_argument(
        "--scale",
        choices=SOUND_SCALES,
        help="how raw sound is brought to the scale of words: not at all, to their range, to "
        "their mean and spread, or as a mixture of scenes (default: manifold)",
    )
    parser.add_argument(
        "--mix",
        type=float,
        metavar="X",
        help="how much of the prompt is the sound, 0 to 1 (default: 1; with a prompt 0.5, but of "
        "a projector, which takes nothing away, 1)",
    )
    parser.add_argument(
        "--bend",
        type=float,
        default=0.0,
        metavar="X",
        help="how far loudness pushes a prompt made of sound, 0 to 2 (default: 0)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    add_seed(parser)
    parser.add_argument(
        "--size",
        type=as_size,
        default=(512, 512),
        metavar="WxH",
        help="output size in pixels, both sides even, 64 to 4096 (default: 512x512)",
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="what paints, see `sonolume models list` (default: ember)",
    )
    add_vae(parser)
    add_device(parser)
    add_threads(parser)
    add_json(parser)
