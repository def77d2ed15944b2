"""Presets: TOML at the door (pydantic), frozen values inside, errors with the nearest name."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_config_path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from engine.errors import PresetError, UnknownPresetError
from engine.messages import LORA_SLOTS, LoraChoice
from engine.params import PARAMS, SOURCES

SCHEMA_VERSION = 1
DEFAULT_PRESET = "default"
LONGEST_PROMPT = 2000
"""Characters; no text encoder reads more than a fraction of it."""


_SHOWN = 120
"""Characters of a name that an error line repeats."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PromptScene(_Frozen):
    """One prompt, how long it stays, and how long the walk to the next one takes.

    Either is in seconds, or in beats of the music where `hold_beats` or `transition_beats` is
    given. Beats follow the beat clock through every change of tempo, fractions too; as long as no
    tempo is known they are those of 120 BPM, half a second each.
    """

    text: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_PROMPT)
    ]
    hold_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 16.0
    transition_s: Annotated[float, Field(ge=0.0, le=600.0)] = 4.0
    hold_beats: Annotated[float, Field(gt=0.0, le=7200.0)] | None = None
    transition_beats: Annotated[float, Field(ge=0.0, le=1200.0)] | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> PromptScene:
        for name in ("hold", "transition"):
            if {f"{name}_s", f"{name}_beats"} <= self.model_fields_set:
                raise ValueError(f"give '{name}_beats' or {name}_s, not both")
        return self


class Route(_Frozen):
    """A source drives a parameter: `amount` in the target's unit at full source."""

    source: str
    target: str
    amount: Annotated[float, Field(ge=-1000.0, le=1000.0)]
    curve: Literal["linear", "square", "root", "smooth", "gate"] = "linear"
    attack_ms: Annotated[float, Field(ge=0.0, le=60_000.0)] = 5.0
    release_ms: Annotated[float, Field(ge=0.0, le=60_000.0)] = 180.0

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        return _known(value, SOURCES, "source")

    @field_validator("target")
    @classmethod
    def _known_target(cls, value: str) -> str:
        _known(value, PARAMS, "parameter")
        if not PARAMS[value].modulatable:
            raise ValueError(f"{value!r} may not be driven by a route")
        return value


class Lora(_Frozen):
    """A LoRA that the look is painted with; `path` relative to the preset's file."""

    path: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    weight: Annotated[float, Field(ge=-4.0, le=4.0)] = 1.0

    @field_validator("path")
    @classmethod
    def _no_pickle(cls, value: str) -> str:
        if Path(value).suffix.lower() in (".ckpt", ".pt", ".pth", ".bin", ".pkl"):
            raise ValueError(f"{value!r} is a pickle, which can run code: give a .safetensors")
        return value

    @property
    def choice(self) -> LoraChoice:
        """What the model is asked for."""
        return LoraChoice(self.path, self.weight)


class Preset(_Frozen):
    """A look and the way it moves."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, max_length=80)]
    author: str = ""
    description: str = ""
    prompts: Annotated[tuple[PromptScene, ...], Field(min_length=1)]
    params: dict[str, float] = Field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    loras: Annotated[tuple[Lora, ...], Field(max_length=LORA_SLOTS)] = ()

    @field_validator("params")
    @classmethod
    def _known_params(cls, values: dict[str, float]) -> dict[str, float]:
        for key, value in values.items():
            spec = PARAMS[_known(key, PARAMS, "parameter")]
            if not spec.low <= value <= spec.high:
                raise ValueError(f"{key!r} is {value:g}, outside {spec.low:g}..{spec.high:g}")
        return values


THUMBNAIL_PX = (176, 104)
"""Width and height of the small pictures of presets."""


_NAMED = 12
"""So many presets are named where one is asked for that is not there."""


def preset_names() -> list[str]:
    """Return the names of all presets, the user's first, each once."""
    names = [path.stem for path in sorted(user_preset_folder().glob("*.toml"))]
    factory = sorted(
        entry.name.removesuffix(".toml")
        for entry in files("presets").iterdir()
        if entry.name.endswith(".toml")
    )
    factory.sort(key=lambda name: name != DEFAULT_PRESET)
    return names + [name for name in factory if name not in names]


def user_preset_folder() -> Path:
    """Where the user's own presets live; it need not exist."""
    return user_config_path("sonolume", appauthor=False) / "presets"


def preset_thumbnail(name: str) -> bytes | None:
    """Return the small picture of a preset as JPEG, None where it has none."""
    user_file = user_preset_folder() / f"{name}.toml"
    if user_file.is_file():
        own = user_file.with_suffix(".jpg")
        return own.read_bytes() if own.is_file() else None
    picture = files("presets") / f"{name}.jpg"
    return picture.read_bytes() if picture.is_file() else None


def load_preset(name: str) -> Preset:
    """Load a preset by name (the user's before the factory's) or by path to a `.toml` file.

    Raises `PresetError` with file, key and nearest name.
    """
    if name.endswith(".toml"):
        return read_preset(Path(name))
    names = preset_names()
    if name not in names:
        hint = _nearest(name, names) or ";"
        raise UnknownPresetError(
            f"no preset {_short(name)!r}{hint} there are {', '.join(names[:_NAMED])}"
            + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        )
    user_file = user_preset_folder() / f"{name}.toml"
    if user_file.is_file():
        return read_preset(user_file)
    factory_file = files("presets") / f"{name}.toml"
    return parse_preset(factory_file.read_text("utf-8"), f"{name}.toml")


def read_preset(path: Path) -> Preset:
    """Read one preset file. Raises `PresetError`."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise PresetError(f"there is no preset file {path}: check the path") from error
    except OSError as error:
        raise PresetError(
            f"{_short(str(path))}: cannot be read ({error.strerror}); is it a preset?"
        ) from error
    except UnicodeDecodeError as error:
        raise PresetError(
            f"{path}: cannot be read as text (byte {error.start} is not UTF-8); is it a preset?"
        ) from error
    return _with_found_loras(parse_preset(text, path.name), path)


def parse_preset(text: str, file_name: str) -> Preset:
    """Check TOML text. Raises `PresetError` naming `file_name`, the key and the nearest name."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PresetError(f"{file_name}: not valid TOML: {error}") from error
    version = table.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise PresetError(
            f"{file_name}: schema_version {version} is newer than {SCHEMA_VERSION}; "
            "update Sonolume to load it"
        )
    try:
        return Preset.model_validate(table)
    except ValidationError as error:
        # A misspelt key is also a missing one: naming the unknown word helps more.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        named = [str(part) for part in first["loc"][-1:]] + re.findall("'([^']+)'", first["msg"])
        where = next(filter(None, (_line_of(text, name) for name in named)), "")
        raise PresetError(f"{file_name}{where}: {key}: {_plain_words(first)}") from error


def _with_found_loras(preset: Preset, file: Path) -> Preset:
    """Return `preset` with paths that hold from everywhere. Raises `PresetError`."""
    found = []
    for number, lora in enumerate(preset.loras):
        path = file.parent / Path(lora.path).expanduser()
        if not path.exists():
            raise PresetError(f"{file.name}: loras.{number}.path: there is no {_short(str(path))}")
        found.append(lora.model_copy(update={"path": str(path.resolve())}))
    return preset.model_copy(update={"loras": tuple(found)})


def _line_of(text: str, word: str) -> str:
    """Return ", line N" where one line only has the key or value, for TOML keeps no places."""
    key = re.escape(word)
    pattern = re.compile(rf"""\s*["']?{key}["']?\s*=|[^#]*=\s*["']{key}["']""")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)]
    return f", line {lines[0]}" if len(lines) == 1 else ""


def with_changes(
    preset: Preset,
    values: Mapping[str, float],
    texts: Sequence[str],
    loras: Sequence[LoraChoice] | None = None,
) -> Preset:
    """Return `preset` as it is played now: base values, prompt texts and LoRAs changed by hand.

    The master fader and the seed stay out: they belong to the moment, not to the look.
    """
    kept = {
        name: value
        for name, value in values.items()
        if name not in ("master/fade", "diffusion/seed") and value != PARAMS[name].default
    }
    pairs = zip(preset.prompts, texts, strict=False)
    prompts = tuple(scene.model_copy(update={"text": text}) for scene, text in pairs)
    worn = preset.loras
    if loras is not None:
        worn = tuple(Lora(path=lora.path, weight=lora.weight) for lora in loras)
    changes = {"params": kept, "prompts": prompts or preset.prompts, "loras": worn}
    return preset.model_copy(update=changes)


def format_preset(preset: Preset) -> str:
    """Write a preset as TOML text that `parse_preset` reads back to an equal preset."""
    lines = [
        f"schema_version = {preset.schema_version}",
        f"name = {_quoted(preset.name)}",
        f"author = {_quoted(preset.author)}",
        f"description = {_quoted(preset.description)}",
    ]
    for prompt in preset.prompts:
        lines += [
            "", "[[prompts]]", f"text = {_quoted(prompt.text)}",
            f"hold_s = {prompt.hold_s!r}" if prompt.hold_beats is None
            else f"hold_beats = {prompt.hold_beats!r}",
            f"transition_s = {prompt.transition_s!r}" if prompt.transition_beats is None
            else f"transition_beats = {prompt.transition_beats!r}",
        ]  # fmt: skip
    lines += ["", "[params]"]
    lines += [f"{_quoted(key)} = {value!r}" for key, value in preset.params.items()]
    for route in preset.routes:
        lines += [
            "", "[[routes]]", f"source = {_quoted(route.source)}",
            f"target = {_quoted(route.target)}", f"amount = {route.amount!r}",
            f"curve = {_quoted(route.curve)}", f"attack_ms = {route.attack_ms!r}",
            f"release_ms = {route.release_ms!r}",
        ]  # fmt: skip
    for lora in preset.loras:
        lines += ["", "[[loras]]", f"path = {_quoted(lora.path)}", f"weight = {lora.weight!r}"]
    return "\n".join(lines) + "\n"


def _known(value: str, table: Mapping[str, object], noun: str) -> str:
    names = list(table)
    if value not in names:
        raise ValueError(f"no {noun} {value!r}{_nearest(value, names)}")
    return value


def _plain_words(error: ErrorDetails) -> str:
    """What is wrong with one key, in words for people who write TOML and not Python."""
    match error["type"]:
        case "extra_forbidden":
            key, beside = str(error["loc"][-1]), _keys_beside(error["loc"])
            return f"unknown key{_nearest(key, beside)}"
        case "missing":
            return "is missing"
        case "tuple_type":
            return f"must be tables that begin with [[{error['loc'][0]}]]"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "must be a table"
        case "float_parsing" | "float_type":
            return f"must be a number, not {error['input']!r:.60}"
        case "string_too_short":
            return "is empty"
    return error["msg"].removeprefix("Value error, ")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"prompts": PromptScene, "routes": Route, "loras": Lora}
    model = models.get(str(location[0]), Preset) if len(location) > 1 else Preset
    return list(model.model_fields)


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.55)
    return f"; did you mean {close[0]!r}?" if close else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = "".join(
        char if char >= " " and char != "\x7f" else f"\\u{ord(char):04x}" for char in escaped
    )
    return f'"{escaped}"'
