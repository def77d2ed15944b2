"""The arguments about models: `--vae`, and those of `sonolume models`."""

from __future__ import annotations

import argparse

from engine.registry import VAE_NAMES


def add_vae(parser: argparse.ArgumentParser) -> None:
    """`--vae`."""
    parser.add_argument(
        "--vae",
        choices=VAE_NAMES,
        default=VAE_NAMES[0],
        help="checkpoints: which autoencoder paints, the small fast one (TAESD) or their own; "
        "auto is the small one where it is on this machine (default: auto)",
    )


def model_name(text: str) -> str:
    """`--model`: anything but nothing."""
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "it is empty; give a name of `sonolume models list`, a folder, a file or a hub id"
        )
    return text


def add_models(parser: argparse.ArgumentParser) -> None:
    """`sonolume models`."""
    parser.add_argument(
        "action",
        choices=("list", "fetch", "remove"),
        help="list: what there is and what is recommended; fetch: bring a model from the hub; "
        "remove: delete a fetched one",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="for fetch and remove: a name from the list, a hub id, or a hub id with a file in it "
        "(OWNER/NAME/FILE.safetensors)",
    )
    parser.add_argument(
        "--with-t5",
        action="store_true",
        help="fetch: the third text encoder of SD 3.x too, 9.5 GB (default: no)",
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="fetch: another hub that speaks the same language (default: HF_ENDPOINT, or "
        "https://huggingface.co)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line (default: no)"
    )
