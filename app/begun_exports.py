"""What was asked of an export, kept until it is done: an interrupted one goes on as it began."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

from platformdirs import user_state_path
from pydantic import TypeAdapter, ValidationError

from app.export_job import ExportRequest
from engine.messages import EngineStatus
from engine.presets import format_preset, load_preset, with_changes

logger = logging.getLogger(__name__)

_REQUESTS = TypeAdapter(ExportRequest)


class BegunExports:
    """Two small files per video: the request, and the look of the moment it was asked in."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or user_state_path("sonolume", appauthor=False) / "exports"

    def begin(self, request: ExportRequest, status: EngineStatus) -> ExportRequest:
        """Return the request with sliders and prompts as they are now, and note it.

        Raises `PresetError` or `OSError`.
        """
        look = load_preset(request.preset)
        look = with_changes(look, status.values, status.prompt_texts, status.loras)
        note, preset = self._files(request.output)
        self._folder.mkdir(parents=True, exist_ok=True)
        preset.write_text(format_preset(look), "utf-8")
        seed = int(status.values.get("diffusion/seed", 0.0))
        # A camera cannot be filmed again: its export is free.
        structure = status.structure.spec if status.structure.kind != "camera" else "none"
        files = status.sound.files
        played = replace(
            request, preset=str(preset), seed=seed, structure=structure,
            projector=files.get("projector", ""), mapper=files.get("mapper", ""),
        )  # fmt: skip
        note.write_bytes(_REQUESTS.dump_json(played, indent=1))
        return played

    def recall(self, output: Path) -> ExportRequest | None:
        """Return what goes on with an interrupted export of `output`; None if there is none."""
        from engine.export import resumable

        note, preset = self._files(output)
        try:
            if not resumable(output) or not preset.is_file():
                return None
            request = _REQUESTS.validate_json(note.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            logger.info("%s is of no use: %s", note, error)
            return None
        audio = Path(request.audio)
        return replace(request, audio="demo" if audio == Path("demo") else audio, resume=True)

    def forget(self, output: Path) -> None:
        """The export of `output` is done."""
        for file in self._files(output):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                logger.info("%s stays: %s", file, error)

    def _files(self, output: Path) -> tuple[Path, Path]:
        digest = hashlib.blake2b(str(output.absolute()).encode(), digest_size=8).hexdigest()
        name = f"{output.stem[:40]}-{digest}"
        return self._folder / f"{name}.json", self._folder / f"{name}.toml"
