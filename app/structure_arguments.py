"""Arguments for what leads a picture beside its prompt: structure, ControlNet, image prompt."""

from __future__ import annotations

import argparse

from engine.commands import NO_STRUCTURE, StructureChoice, structure_choice
from engine.errors import CommandError
from engine.registry import Guides


def add_structure(parser: argparse.ArgumentParser) -> None:
    """`--structure` of a show."""
    parser.add_argument(
        "--structure",
        type=as_structure,
        default=NO_STRUCTURE,
        metavar="image:PATH|video:PATH|camera[:N]|none",
        help="picture, looped video or camera whose shapes the pictures follow, as much as "
        "structure/amount says (default: none)",
    )


def add_recorded_structure(parser: argparse.ArgumentParser) -> None:
    """`--structure` of an export."""
    parser.add_argument(
        "--structure",
        type=as_recorded_structure,
        default=NO_STRUCTURE,
        metavar="image:PATH|video:PATH|none",
        help="picture or looped video whose shapes the pictures follow, as much as the preset's "
        "structure/amount says (default: none)",
    )


def add_guides(parser: argparse.ArgumentParser) -> None:
    """What leads a checkpoint beside its prompt."""
    parser.add_argument(
        "--controlnet",
        default="",
        metavar="PATH",
        help="folder of a ControlNet in diffusers layout, of the family of --model: it holds the "
        "lines of --structure (default: none)",
    )
    parser.add_argument(
        "--control-map",
        choices=("canny", "none"),
        default="canny",
        help="what the ControlNet is shown: edges of the structure, or the structure as it is, "
        "for depth, pose and others (default: canny)",
    )
    parser.add_argument(
        "--ip-adapter",
        default="",
        metavar="FILE",
        help="IP-Adapter of the family of --model, .safetensors, with its folder image_encoder "
        "beside it (default: none)",
    )
    parser.add_argument(
        "--image-prompt",
        default="",
        metavar="PATH",
        help="picture that the IP-Adapter takes for a prompt (default: none)",
    )


def as_guides(options: argparse.Namespace) -> Guides:
    """Return what these flags ask for."""
    return Guides(
        options.controlnet, options.control_map, options.ip_adapter, options.image_prompt
    )


def as_structure(text: str) -> StructureChoice:
    """`image:PATH`, `video:PATH`, `camera`, `camera:N` or `none`."""
    try:
        return structure_choice(text)
    except CommandError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def as_recorded_structure(text: str) -> StructureChoice:
    """The same without cameras: an export cannot film what has not happened yet."""
    choice = as_structure(text)
    if choice.kind == "camera":
        raise argparse.ArgumentTypeError(
            "a camera steers live shows only: film it first and give video:PATH"
        )
    return choice
