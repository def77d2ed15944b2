"""CLAP's two towers through transformers. Runs in the process of `clap_process` only.

The audio tower stays; the text tower is loaded for a list of texts and dropped again.
Layout: `laion/clap-htsat-unfused` (transformers `ClapModel`, feature extractor and tokenizer).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soxr

from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.quiet_loaders import quiet_loaders
from engine.semantic.clap_folder import clap_digest

RATE_HZ = 48_000
SAMPLES = 480_000
"""Exactly so many are encoded: of more, CLAP's feature extractor takes a random part."""
TEMPERATURE = 0.07
"""Where the checkpoint does not say; what contrastive training begins with."""
_LONGEST_TEXT = 77
"""Tokens; CLAP was trained with so many."""
_TEXTS_AT_ONCE = 64


class Encoder(Protocol):
    """Sounds and texts to directions in one space."""

    @property
    def temperature(self) -> float:
        """By which cosine a text must be nearer to be e times as likely."""
        ...

    @property
    def digest(self) -> str:
        """Names the weights; equal ones give equal text vectors."""
        ...

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU computes."""
        ...

    def embed_sounds(self, sounds: Float32) -> Float32:
        """Unit directions `(n, width)` of sounds `(n, 480_000)` at 48 kHz."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """Unit directions `(n, width)`."""
        ...


def open_clap(folder: Path, device: str) -> Encoder:
    """Open a checkpoint that `clap_folder` has found, with one CPU thread for all of torch.

    Raises `ModelLoadError`.
    """
    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    return ClapEncoder(folder, device)


def exact_window(samples: Float32, sample_rate: int) -> Float32:
    """Return exactly `SAMPLES` samples at 48 kHz of mono `samples`, not empty, at any rate.

    Too long: the newest. Too short: repeated as often as it fits, then silence, as CLAP's own
    feature extractor does ("repeatpad").
    """
    if sample_rate != RATE_HZ:
        samples = soxr.resample(samples, sample_rate, RATE_HZ)
    samples = np.nan_to_num(np.asarray(samples, np.float32)[-SAMPLES:])
    if not len(samples):
        return np.zeros(SAMPLES, np.float32)
    samples = np.tile(samples, SAMPLES // len(samples))
    return np.pad(samples, (0, SAMPLES - len(samples)))


class ClapEncoder:
    """An `Encoder` of a checkpoint folder. One thread."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """Loads the audio tower. Raises `ModelLoadError`."""
        from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor

        quiet_loaders("transformers")
        self._folder = folder
        self._device = _choose_device(device)
        self._tower = _load_tower(ClapAudioModelWithProjection, folder, self._device)
        self._extract = _whole(ClapFeatureExtractor.from_pretrained, folder)
        expected = (RATE_HZ, SAMPLES)
        if (self._extract.sampling_rate, self._extract.nb_max_samples) != expected:
            raise ModelLoadError(
                f"{folder} listens to {self._extract.nb_max_samples} samples at "
                f"{self._extract.sampling_rate} Hz; Sonolume's CLAP to {SAMPLES} at {RATE_HZ} Hz"
            )
        self.temperature = _temperature(folder)
        self.digest = clap_digest(folder)
        self.on_gpu = self._device != "cpu"

    def embed_sounds(self, sounds: Float32) -> Float32:
        """Unit directions `(n, width)` of sounds `(n, 480_000)` at 48 kHz."""
        import torch

        if sounds.shape[1:] != (SAMPLES,):
            raise ValueError(f"sounds of shape {sounds.shape}, not (n, {SAMPLES})")
        features = self._extract(list(sounds), sampling_rate=RATE_HZ, return_tensors="pt")
        mel = features["input_features"].to(self._device, torch.float32)  # (n, 1 or 4, 1001, 64)
        # Fused checkpoints want to know; the extractor would draw one at random to be "longer".
        longer = torch.zeros((len(sounds), 1), dtype=torch.bool, device=self._device)
        with torch.inference_mode():
            return _unit(self._tower(input_features=mel, is_longer=longer).audio_embeds)

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """Unit directions `(n, width)`; loads the text tower and drops it again."""
        import torch
        from transformers import AutoTokenizer, ClapTextModelWithProjection

        tokenizer = _whole(AutoTokenizer.from_pretrained, self._folder)
        tower = _load_tower(ClapTextModelWithProjection, self._folder, "cpu")
        parts = []
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            tokens = tokenizer(
                list(texts[first : first + _TEXTS_AT_ONCE]), padding=True, truncation=True,
                max_length=_LONGEST_TEXT, return_tensors="pt",
            )  # fmt: skip
            with torch.inference_mode():
                found = tower(tokens["input_ids"], attention_mask=tokens["attention_mask"])
            parts.append(_unit(found.text_embeds))
        return np.concatenate(parts)


def _choose_device(wanted: str) -> str:
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((name for name, is_there in there.items() if is_there), "cpu")
    if not there.get(wanted, wanted == "cpu"):
        raise ModelLoadError(
            f"CLAP cannot use {wanted}: torch {torch.__version__} sees none; "
            "use --device-compute cpu"
        )
    return wanted


def _load_tower(model: Any, folder: Path, device: str) -> Any:
    """Return one tower with every weight read; what is missing is an error, never random."""
    tower, report = _whole(
        model.from_pretrained, folder, use_safetensors=True, output_loading_info=True
    )
    missing = sorted(str(key) for key in report["missing_keys"])
    if missing:
        raise ModelLoadError(
            f"{folder} lacks {len(missing)} weights, the first is {missing[0]}: "
            "fetch the checkpoint again"
        )
    return tower.float().eval().to(device)


def _whole(read: Any, folder: Path, **options: Any) -> Any:
    """Call `from_pretrained` without network; whatever it raises is a damaged checkpoint."""
    from safetensors import SafetensorError

    try:
        return read(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelLoadError(
            f"{folder} cannot be read as CLAP ({first:.160}): fetch the checkpoint again"
        ) from error


def _temperature(folder: Path) -> float:
    """1 / exp(logit_scale_a), as the checkpoint was trained."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            if "logit_scale_a" in file.keys():  # noqa: SIM118 - it is no mapping
                return min(max(math.exp(-float(file.get_tensor("logit_scale_a"))), 0.01), 0.3)
    return TEMPERATURE


def _unit(vectors: Any) -> Float32:
    found = vectors.float().cpu().numpy()
    return np.asarray(found / (np.linalg.norm(found, axis=1, keepdims=True) + 1e-12), np.float32)
