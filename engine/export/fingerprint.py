"""What two renders must have in common for one to go on where the other stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from engine.commands import StructureChoice
from engine.diffusion.lora_file import lora_path
from engine.diffusion.models.choice_words import autoencoder_words
from engine.errors import ResumeError
from engine.export.settings import ExportSettings
from engine.presets import Preset

_SAMPLE_BYTES = 1 << 20


def fingerprint(settings: ExportSettings, preset: Preset) -> dict[str, str]:
    """Return all that decides how the video looks and sounds, by the names of the options."""
    return {
        "the version of Sonolume": version("sonolume"),
        "the sound": _file_facts(settings.audio),
        "the file type": settings.output.suffix.lower(),
        "--preset": settings.preset,
        "the preset": _digest(preset.model_dump_json().encode()),
        "--prompt": " | ".join(settings.prompts),
        "--model": settings.model,
        "--size": f"{settings.width}x{settings.height}",
        "--model-size": f"{settings.model_width}x{settings.model_height}",
        "--fps": f"{settings.fps:g}",
        "--ai-fps": _optional(settings.ai_fps),
        "--strength": _optional(settings.strength),
        "--seed": str(settings.seed),
        "--start": repr(settings.start_s),
        "--seconds": _optional(settings.seconds),
        "--lookahead": settings.lookahead,
        "--init-image": "not given" if settings.init_image is None
        else _file_facts(settings.init_image),
        "--structure": _structure_facts(settings.structure),
        "--controlnet": _weights_facts(settings.guides.controlnet),
        "--control-map": settings.guides.control_map,
        "--ip-adapter": _weights_facts(settings.guides.ip_adapter),
        "--image-prompt": _weights_facts(settings.guides.image_prompt),
        "--listener": settings.listener,
        "--labels": "not given" if settings.labels is None else _file_facts(settings.labels),
        "--lora": _loras(preset),
        "the slices": repr(settings.slices),
        "the adapters of sound": ", ".join(
            f"{name}: {_weights_facts(str(path))}" for name, path in settings.adapters.items()
        ),
        "--quality": str(settings.quality),
        "--device-compute": settings.device_compute,
        "--dtype": settings.dtype,
        "--threads": str(settings.threads),
        "--runner": settings.runner,
        "--vae": settings.vae,
        "the autoencoder": autoencoder_words(settings.model, settings.vae),
    }  # fmt: skip


def check_same(output: Path, begun: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise `ResumeError`, naming the first difference."""
    for name, now in wanted.items():
        before = begun.get(name, "not known")
        if before != now:
            raise ResumeError(
                f"cannot continue {output}: {name} was {before or 'empty'} and is now "
                f"{now or 'empty'}; give the same again, or leave out --resume to begin anew"
            )


def _loras(preset: Preset) -> str:
    """What is in the files, as the preset holds them by now; their paths may change."""
    files = [(lora_path(Path(lora.path)), lora.weight) for lora in preset.loras]
    return " | ".join(f"{_file_facts(path)} x {weight!r}" for path, weight in files)


def _optional(value: float | None) -> str:
    return "not given" if value is None else repr(value)


def _structure_facts(choice: StructureChoice) -> str:
    return choice.kind if choice.path is None else f"{choice.kind}, {_file_facts(choice.path)}"


def _weights_facts(name: str) -> str:
    """Return what tells a file, or a folder of them, from others; its name where there is none."""
    path = Path(name).expanduser()
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.is_file())
    facts = [f"{p.name}: {_file_facts(p)}" for p in files] if name else []
    return ", ".join([name or "not given", *facts])


def _file_facts(path: Path) -> str:
    """Return size and digest of both ends: a long film need not be read whole to be known."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(_SAMPLE_BYTES)
        file.seek(max(size - _SAMPLE_BYTES, 0))
        ends += file.read(_SAMPLE_BYTES)
    return f"{size} bytes, {_digest(ends)}"


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=6).hexdigest()
