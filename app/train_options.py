"""The options of `sonolume train`: each once, with the trainers that read it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.arguments import add_device, add_json, add_threads
from engine.conditioning.encoder_names import ENCODER_NAMES
from engine.conditioning.mapper_names import NETWORKS
from engine.training.sound_datasets.format_names import FORMAT_NAMES

EMBER, BEAT, LISTENER, SIGHTS = "ember", "beat", "listener", "sights"
PROJECTOR, MAPPER, VGGISH = "projector", "mapper", "vggish"
TRAINER_NAMES = (EMBER, BEAT, LISTENER, SIGHTS, PROJECTOR, MAPPER, VGGISH)
_LEARNERS = TRAINER_NAMES[:-1]
_HEARERS = (LISTENER, SIGHTS, PROJECTOR, MAPPER)
_ADAPTERS = (PROJECTOR, MAPPER)

Add = Callable[[argparse.ArgumentParser], object]


@dataclass(frozen=True, slots=True)
class TrainOption:
    """One option."""

    flag: str
    readers: tuple[str, ...]
    """Trainers that do something with it."""
    add: Add | None = None
    """Adds it to such a trainer's parser; None: its words differ from trainer to trainer."""


class _Unread(argparse.Action):
    """Takes an option that this trainer does not read, to be refused by name."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Note it; the command says so in one line."""
        del parser, values, option_string
        namespace.unread = (*getattr(namespace, "unread", ()), self.option_strings[0])


def add_options(parser: argparse.ArgumentParser, trainer: str, words: Mapping[str, Add]) -> None:
    """Add what a trainer reads, and what only others read so that it is refused by name.

    `words` adds the options whose meaning differs from trainer to trainer, by flag.
    """
    for option in TRAIN_OPTIONS:
        if trainer not in option.readers:
            parser.add_argument(option.flag, action=_Unread, nargs="?", help=argparse.SUPPRESS)
        elif option.add is not None:
            option.add(parser)
        else:
            words[option.flag](parser)


def unread_words(trainer: str, flags: Sequence[str]) -> str:
    """One line about options that a trainer does not read; empty where there are none."""
    readers = {option.flag: option.readers for option in TRAIN_OPTIONS}
    said = [f"{flag} (only {_reading(readers[flag])} it)" for flag in dict.fromkeys(flags)]
    return f"'train {trainer}' does not read all this: leave out {', '.join(said)}" if said else ""


def _reading(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} reads"
    return f"{', '.join(names[:-1])} and {names[-1]} read"


def _option(flag: str, *readers: str, **words: Any) -> TrainOption:
    return TrainOption(flag, readers, lambda parser: parser.add_argument(flag, **words))


TRAIN_OPTIONS: tuple[TrainOption, ...] = (
    TrainOption("--stage", (EMBER, BEAT, SIGHTS, PROJECTOR)),
    TrainOption("--data", TRAINER_NAMES),
    # its old name
    _option("--out", *TRAINER_NAMES, type=Path, dest="data", help=argparse.SUPPRESS),
    TrainOption("--work", (*_HEARERS, VGGISH)),
    _option(
        "--fold", LISTENER, MAPPER, type=int, default=4, metavar="N",
        help="leave out this fold of the clips and test on it, 0: none (default: 4)",
    ),
    _option(
        "--budget", *_LEARNERS, type=float, default=60.0, metavar="MINUTES",
        help="how long to train, in minutes (default: 60)",
    ),
    _option(
        "--resume", *_LEARNERS, action="store_true",
        help="go on with what the folder holds (default: begin anew)",
    ),
    _option(
        "--seed", *_LEARNERS, type=int, default=0, metavar="N",
        help="what all randomness grows from (default: 0)",
    ),
    _option(
        "--target", *_ADAPTERS, default="ember", metavar="MODEL",
        help="whose prompts it learns to write: ember, or a folder of a checkpoint "
        "(default: ember)",
    ),
    TrainOption("--encoder", _ADAPTERS),
    TrainOption("--weights", _ADAPTERS),
    _option(
        "--decomposer", PROJECTOR, choices=("soft", "rigid", "sonic"), default="soft",
        help="stage 1: soft levels, a branch per level, or SonicDiffusion's adapter without "
        "levels (default: soft)",
    ),
    _option(
        "--generator", PROJECTOR, choices=("transformer", "self-attention"),
        default="transformer", help="stage 1: what writes the rows (default: transformer)",
    ),
    _option(
        "--routing", PROJECTOR, choices=("published", "planned"), default="published",
        help="stages of the U-Net by level: atmosphere early, or foreground early "
        "(default: published)",
    ),
    _option(
        "--insertion", PROJECTOR, choices=("gated", "bend"), default="gated",
        help="how a checkpoint's U-Net hears: by attention of its own behind gates, or by texts "
        "that the sound bends; stages 2 and 3 (default: gated)",
    ),
    _option(
        "--norm", PROJECTOR, type=float, metavar="N",
        help="stage 1: how long rows shall be (default: 60, of ember as its own)",
    ),
    _option(
        "--steps", PROJECTOR, type=int, metavar="N",
        help="steps (default: 3000, 2000, 1000 by stage)",
    ),
    _option(
        "--batch", PROJECTOR, type=int, metavar="N",
        help="pairs per small batch (default: 8, 4, 2 by stage)",
    ),
    _option(
        "--precision", PROJECTOR, choices=("auto", "float32", "bfloat16"), default="auto",
        help="number format; auto: bfloat16 on a GPU that has it (default: auto)",
    ),
    _option(
        "--convert", PROJECTOR, type=Path, action="append", metavar="FILE",
        help="write checkpoints of SonicDiffusion as safetensors to --work instead of training; "
        "repeatable (default: train)",
    ),
    _option(
        "--format", MAPPER, choices=FORMAT_NAMES, default=FORMAT_NAMES[0],
        help="how the folder in --data is laid out (default: auto)",
    ),
    _option(
        "--network", MAPPER, choices=NETWORKS, default=NETWORKS[0],
        help="V2D's pooled mapper, the wide or the residual one, its sequence model, or the "
        "straight line of ridge regression, or a small one (default: v2d)",
    ),
    _option(
        "--synthesised", MAPPER, type=int, default=0, metavar="N",
        help="learn from N synthesised clips of every sound besides (default: 0)",
    ),
    _option(
        "--captions", MAPPER, type=Path, metavar="FILE",
        help="learn from texts alone, one caption a line, with --encoder clap; --data then only "
        "measures (default: none)",
    ),
    TrainOption("--threads", _LEARNERS),
    TrainOption("--device-compute", (EMBER, BEAT, *_ADAPTERS), add_device),
    TrainOption("--json", TRAINER_NAMES, add_json),
)  # fmt: skip
"""In the order in which help shows them."""


def stage(names: Sequence[str], meaning: str = "in this order") -> Add:
    """`--stage`; what is wrong with one is said by the command."""
    text = f"one of {', '.join(names)}; {meaning} (no default: it has to be given)"
    return lambda parser: parser.add_argument("--stage", metavar="STAGE", help=text)


def folder(flag: str, meaning: str, default: str | None) -> Add:
    """`--data` or `--work`."""
    end = "no default: it has to be given" if default is None else f"default: {default}"
    text = f"{meaning} ({end})"
    return lambda parser: parser.add_argument(flag, type=Path, metavar="DIR", help=text)


def encoder(*names: str, meaning: str) -> Add:
    """`--encoder`; one that a trainer cannot use is told by the command, with the remedy."""
    text = f"what it hears by: {meaning} (default: {ENCODER_NAMES[0]})"
    return lambda parser: parser.add_argument(
        "--encoder", choices=ENCODER_NAMES, default=ENCODER_NAMES[0],
        metavar="{" + ",".join(names) + "}", help=text,
    )  # fmt: skip


def weights(meaning: str) -> Add:
    """`--weights`."""
    return lambda parser: parser.add_argument("--weights", type=Path, metavar="PATH", help=meaning)


def threads(unless_said: str) -> Add:
    """`--threads`; what 0 stands for differs."""
    return lambda parser: add_threads(parser, unless_said)
