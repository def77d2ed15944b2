"""CLIP's tokenizer, for checkpoints that come without: its vocabulary ships with Sonolume.

`resources/clip/bpe_simple_vocab_16e6.txt.gz` is the byte-pair list of OpenAI's CLIP (MIT); every
Stable Diffusion reads its words by it. A tokenizer folder beside the checkpoint goes first.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.errors import ModelLoadError

_MERGES = 49_152 - 256 - 2  # as many as CLIP's own code keeps
_PLACES = 77
_VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"


def clip_tokenizer(beside: Path, *, pad_token: str) -> Any:
    """Return a CLIP tokenizer: the one in the folder `beside`, or else the shipped one.

    `pad_token` is `<|endoftext|>` for OpenAI's CLIP and `!` (number 0) for OpenCLIP.
    """
    from transformers import CLIPTokenizer

    if (beside / "vocab.json").is_file() or (beside / "tokenizer.json").is_file():
        return CLIPTokenizer.from_pretrained(beside)
    with tempfile.TemporaryDirectory(prefix="sonolume-clip-") as name:
        folder = Path(name)
        write_tokenizer(folder, pad_token)
        return CLIPTokenizer.from_pretrained(folder)


def write_tokenizer(folder: Path, pad_token: str) -> None:
    """Write the files of `CLIPTokenizer` into a folder."""
    merges = _merges()
    letters = list(_byte_letters().values())
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(m) for m in merges),
             "<|startoftext|>", "<|endoftext|>"]  # fmt: skip
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), "utf-8")
    config = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": _PLACES,
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "pad_token": pad_token,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")


def _merges() -> list[tuple[str, ...]]:
    shipped = files("resources") / "clip" / _VOCABULARY
    try:
        text = gzip.decompress(shipped.read_bytes()).decode("utf-8")
    except (OSError, EOFError) as error:
        raise ModelLoadError(
            f"resources/clip/{_VOCABULARY} is missing or damaged: install Sonolume again, or put "
            "the folders tokenizer and tokenizer_2 of any Stable Diffusion beside the checkpoint"
        ) from error
    return [tuple(line.split()) for line in text.split("\n")[1 : _MERGES + 1]]


def _byte_letters() -> dict[int, str]:
    """A printable letter for every byte, as in GPT-2 and CLIP."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {
        byte: chr(256 + place) for place, byte in enumerate(hidden)
    }
