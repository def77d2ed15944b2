"""The arguments of `sonolume train`: one help for each of its trainers."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from app.train_command import (
    BEAT_STAGE_NAMES,
    PROJECTOR_STAGE_NAMES,
    SIGHTS_STAGE_NAMES,
    STAGE_NAMES,
)
from app.train_options import (
    BEAT,
    EMBER,
    LISTENER,
    MAPPER,
    PROJECTOR,
    SIGHTS,
    TRAINER_NAMES,
    VGGISH,
    Add,
    add_options,
    encoder,
    folder,
    stage,
    threads,
    weights,
)
from engine.conditioning.encoder_names import ENCODER_NAMES, VIEWED_ENCODERS

_EVERY_CORE, _ONE_CORE = threads("one per core"), threads("one thread")
_CLIPS = "folder of licensed clips with their table"


@dataclass(frozen=True, slots=True)
class Trainer:
    """What the help of one trainer says."""

    text: str
    """One line in the list of trainers."""
    example: str
    words: Mapping[str, Add]
    """Options whose meaning is this trainer's own, by flag."""


TRAINERS: Mapping[str, Trainer] = {
    EMBER: Trainer(
        "ember, the model that paints",
        "sonolume train ember --stage flow --data RUN --budget 43",
        {
            "--stage": stage(STAGE_NAMES, "in this order, but judge and sheets at any time"),
            "--data": folder("--data", "folder that the stages read and write", "runs/ember"),
            "--threads": _EVERY_CORE,
        },
    ),
    BEAT: Trainer(
        "the network that hears beats",
        "sonolume train beat --stage pulse --budget 55",
        {
            "--stage": stage(BEAT_STAGE_NAMES, "there is no other"),
            "--data": folder(
                "--data", "folder that the stage writes; sounds without a beat in its noise/ are "
                "mixed in", "runs/beat",
            ),
            "--threads": _EVERY_CORE,
        },
    ),
    LISTENER: Trainer(
        "the listener, which hears what a sound is",
        "sonolume train listener --data CLIPS --budget 29 --fold 0",
        {
            "--data": folder("--data", _CLIPS, None),
            "--work": folder("--work", "folder of what training writes", "runs/listener"),
            "--threads": _ONE_CORE,
        },
    ),
    SIGHTS: Trainer(
        "how ember hears: its projector and attention to sound",
        "sonolume train sights --stage adapter --data CLIPS --budget 60",
        {
            "--stage": stage(SIGHTS_STAGE_NAMES),
            "--data": folder("--data", _CLIPS, "none; adapter has to be given it"),
            "--work": folder("--work", "folder of what the stages write", "runs/sights"),
            "--threads": _ONE_CORE,
        },
    ),
    PROJECTOR: Trainer(
        "an audio projector, from sound to the prompts of any model",
        "sonolume train projector --stage 1 --data PAIRS --target ember",
        {
            "--stage": stage(
                PROJECTOR_STAGE_NAMES, "1 aligns rows with captions, 2 paints, 3 polishes the "
                "last layers",
            ),
            "--data": folder(
                "--data", "folder as AudioCaps is laid out: {split}/audio, {split}/frames, "
                "metadata.json", None,
            ),
            "--work": folder("--work", "folder of what the stages write", "runs/projector"),
            "--encoder": encoder(*VIEWED_ENCODERS, meaning="the ear that ships, or CLAP"),
            "--weights": weights("CLAP's folder (default: where it is fetched to)"),
            "--threads": _EVERY_CORE,
        },
    ),
    MAPPER: Trainer(
        "a mapper, from what is heard to a whole prompt of any model",
        "sonolume train mapper --data CLIPS --network small --budget 6",
        {
            "--data": folder(
                "--data", "folder of clips with captions", "none, with --captions alone",
            ),
            "--work": folder("--work", "folder of what training writes", "runs/mapper"),
            "--encoder": encoder(
                *ENCODER_NAMES, meaning="the ear that ships, CLAP, or VGGish, its own numbers or "
                "the quantised ones that AudioSet published",
            ),
            "--weights": weights(
                "CLAP's folder, or VGGish's file or folder (default: where they are fetched or "
                "converted to)"
            ),
            "--threads": _ONE_CORE,
        },
    ),
    VGGISH: Trainer(
        "convert the published weights of VGGish; nothing is trained",
        "sonolume train vggish --data DOWNLOADS",
        {
            "--data": folder("--data", "folder with the published files", None),
            "--work": folder("--work", "folder of the file it writes", "where mappers look"),
        },
    ),
}  # fmt: skip
"""By name, in the order of `TRAINER_NAMES`."""


def add_train(parser: argparse.ArgumentParser) -> None:
    """`sonolume train`."""
    parser.epilog = "'sonolume train TRAINER --help' tells what one of them reads."
    trainers = parser.add_subparsers(metavar="TRAINER", dest="what", required=True)
    for name in TRAINER_NAMES:
        trainer = TRAINERS[name]
        sub = trainers.add_parser(
            name, help=trainer.text, description=_sentence(name, trainer.text),
            epilog=f"example:\n  {trainer.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        # No default: that of `train` itself stands, `sonolume train --debug ember` is meant too.
        sub.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS,
            help="log everything, show tracebacks (default: no)",
        )  # fmt: skip
        add_options(sub, name, trainer.words)
        sub.set_defaults(refuse=sub.error)


def _sentence(name: str, text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if name == VGGISH else f"Train {text}."
