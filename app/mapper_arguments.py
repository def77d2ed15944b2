"""The arguments of `sonolume train mapper`."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.conditioning.mapper_names import NETWORKS
from engine.semantic.sound_vector_names import ENCODER_NAMES
from engine.training.sound_datasets.format_names import FORMAT_NAMES


def add_mapper(parser: argparse.ArgumentParser) -> None:
    """What only a mapper is told."""
    parser.add_argument(
        "--encoder",
        choices=ENCODER_NAMES,
        default=ENCODER_NAMES[0],
        help="mapper: what hears: the ear that ships, CLAP, or VGGish, its own numbers or the "
        "quantised ones that AudioSet published (default: ear)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="PATH",
        help="mapper: CLAP's folder, or VGGish's file or folder (default: where they are fetched "
        "or converted to)",
    )
    parser.add_argument(
        "--target",
        default="ember",
        metavar="MODEL",
        help="mapper: the model whose prompts it learns to speak (default: ember)",
    )
    parser.add_argument(
        "--format",
        choices=FORMAT_NAMES,
        default=FORMAT_NAMES[0],
        help="mapper: how the folder in --data is laid out (default: auto)",
    )
    parser.add_argument(
        "--network",
        choices=NETWORKS,
        default=NETWORKS[0],
        help="mapper: V2D's pooled mapper, the wide or the residual one, its sequence model, or "
        "the straight line of ridge regression (default: v2d)",
    )
    parser.add_argument(
        "--captions",
        type=Path,
        metavar="FILE",
        help="mapper: learn from texts alone, one caption a line, with --encoder clap; --data "
        "then only measures (default: none)",
    )
