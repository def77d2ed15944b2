"""The choices that are remembered between two evenings: one JSON file, checked at the door."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.commands import SourceChoice

logger = logging.getLogger(__name__)


class _Checked(BaseModel):
    # Unknown keys of a newer version are dropped, not fatal; wrong values are.
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, validate_assignment=True)


class SourceSettings(_Checked):
    """The sound source; devices by name, never by number."""

    kind: Literal["mic", "loopback", "file", "demo", "tone"] = "mic"
    device: str = ""
    path: Path | None = None

    def choice(self) -> SourceChoice:
        """Return it as a command's value."""
        return SourceChoice(self.kind, self.device, self.path)


class WindowSettings(_Checked):
    """Where the window was; None lets the system decide."""

    x: int | None = None
    y: int | None = None
    width: Annotated[int, Field(ge=640, le=16_384)] = 1440
    height: Annotated[int, Field(ge=480, le=16_384)] = 880
    maximized: bool = False


class ExportSettings(_Checked):
    """The export panel."""

    folder: Path | None = None
    shape: Literal["1:1", "16:9", "9:16"] = "1:1"
    size: Annotated[int, Field(ge=64, le=4320)] = 512
    """The shorter side, pixels."""
    fps: Annotated[float, Field(gt=0.0, le=120.0)] = 30.0
    quality: Annotated[int, Field(ge=0, le=51)] = 18
    """H.264 CRF."""


class Settings(_Checked):
    """Everything that is remembered."""

    preset: str = ""
    """Empty: the default preset."""
    model: str = ""
    """Name, folder or hub id; empty: the default model."""
    models: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Folders and hub ids that have painted, newest first."""
    volume: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    loop: bool = False
    source: SourceSettings | None = None
    """None: nothing was chosen yet."""
    offsets_ms: dict[str, Annotated[float, Field(ge=-1000.0, le=1000.0)]] = Field(
        default_factory=dict
    )
    """Input by name -> how much later it hears than it says (`sonolume calibrate`)."""
    window: WindowSettings = Field(default_factory=WindowSettings)
    export: ExportSettings = Field(default_factory=ExportSettings)
    closed_groups: tuple[str, ...] = ("colour", "prompt")
    """Parameter groups that are folded."""


class SettingsStore:
    """Reads and writes the settings file. GUI thread only."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_config_path("sonolume", appauthor=False) / "settings.json"
        self.problem = ""
        """One line when the file could not be used, else empty."""
        self.settings = self._load()

    def save(self) -> None:
        """Write all or nothing; a failure is a line in `problem`, never an exception."""
        text = self.settings.model_dump_json(indent=2) + "\n"
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, "utf-8")
            part.replace(self.path)
        except OSError as error:
            self.problem = f"Settings are not kept: {self.path}: {error.strerror or error}"
            logger.warning("%s", self.problem)

    def _load(self) -> Settings:
        try:
            return Settings.model_validate_json(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return Settings()
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "file"
            reason = f"{key}: {first['msg']}"
        except (OSError, UnicodeDecodeError) as error:
            reason = str(error)
        self.problem = f"{self.path.name} is ignored, defaults are used ({reason})"
        logger.warning("%s: %s", self.path, self.problem)
        self._put_aside()
        return Settings()

    def _put_aside(self) -> None:
        """Keep the unusable file under another name: the next save would overwrite it."""
        try:
            os.replace(self.path, self.path.with_suffix(".broken.json"))  # noqa: PTH105
        except OSError as error:
            logger.warning("%s stays where it is: %s", self.path, error)
