"""The arguments of `sonolume train`."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.arguments import add_device, add_json, add_threads
from app.train_command import SIGHTS_STAGE_NAMES, STAGE_NAMES
from engine.conditioning.encoder_names import ENCODER_NAMES
from engine.conditioning.mapper_names import NETWORKS
from engine.training.sound_datasets.format_names import FORMAT_NAMES


def add_train(parser: argparse.ArgumentParser) -> None:
    """`sonolume train`."""
    parser.add_argument(
        "what",
        choices=("ember", "beat", "listener", "sights", "projector", "mapper", "vggish"),
        help="which networks to train; sights: how ember hears; vggish: convert its published "
        "weights in --data",
    )
    parser.add_argument(
        "--stage",
        metavar="STAGE",
        help=f"ember: one of {', '.join(STAGE_NAMES)}, in this order; beat: pulse; sights: "
        f"{', '.join(SIGHTS_STAGE_NAMES)}; projector: 1, 2, 3 (default: none)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of everything the stages read and write (default: runs/ember, runs/beat); "
        "listener, sights: folder of licensed clips with their table (no default: it has to be "
        "given); "
        "projector: folder as AudioCaps is laid out; mapper: folder of clips with captions",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="listener, sights, projector, mapper: folder of what training writes (default: "
        "runs/ and that name)",
    )
    parser.add_argument(
        "--fold",
        type=int,
        default=4,
        metavar="N",
        help="listener, mapper: leave out this fold of the clips and test on it, 0: none "
        "(default: 4)",
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
    _add_hearing(parser)
    _add_projector(parser)
    _add_mapper(parser)
    add_threads(parser)
    add_device(parser)
    add_json(parser)


def _add_hearing(parser: argparse.ArgumentParser) -> None:
    """What adapters, projector and mapper, are told of both their ends."""
    group = parser.add_argument_group("projector and mapper")
    group.add_argument(
        "--target",
        default="ember",
        metavar="MODEL",
        help="whose prompts it learns to write: ember, or a folder of a checkpoint "
        "(default: ember)",
    )
    group.add_argument(
        "--encoder",
        choices=ENCODER_NAMES,
        default=ENCODER_NAMES[0],
        help="what it hears: the ear that ships, CLAP, or, mapper alone, VGGish, its own numbers "
        "or the quantised ones that AudioSet published (default: ear)",
    )
    group.add_argument(
        "--weights",
        type=Path,
        metavar="PATH",
        help="CLAP's folder, or VGGish's file or folder (default: where they are fetched or "
        "converted to)",
    )


def _add_projector(parser: argparse.ArgumentParser) -> None:
    """What `sonolume train projector` takes besides."""
    group = parser.add_argument_group("projector")
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


def _add_mapper(parser: argparse.ArgumentParser) -> None:
    """What `sonolume train mapper` takes besides."""
    group = parser.add_argument_group("mapper")
    group.add_argument(
        "--format",
        choices=FORMAT_NAMES,
        default=FORMAT_NAMES[0],
        help="how the folder in --data is laid out (default: auto)",
    )
    group.add_argument(
        "--network",
        choices=NETWORKS,
        default=NETWORKS[0],
        help="V2D's pooled mapper, the wide or the residual one, its sequence model, or "
        "the straight line of ridge regression, or a small one (default: v2d)",
    )
    group.add_argument(
        "--synthesised",
        type=int,
        default=0,
        metavar="N",
        help="learn from N synthesised clips of every sound besides (default: 0)",
    )
    group.add_argument(
        "--captions",
        type=Path,
        metavar="FILE",
        help="learn from texts alone, one caption a line, with --encoder clap; --data "
        "then only measures (default: none)",
    )
