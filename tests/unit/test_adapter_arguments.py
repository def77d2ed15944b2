from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from app.adapter_arguments import chosen_adapters, unheard_adapters
from app.cli import _parser
from app.export_job import ExportRequest
from engine.errors import ModelLoadError
from engine.export import ExportSettings
from engine.export.fingerprint import fingerprint
from engine.presets import Route, load_preset
from tests.adapter_files import write_projector

COMMANDS = (["live"], ["render", "demo", "-o", "x.mp4"])


def parsed(*words: str | Path) -> argparse.Namespace:
    return _parser().parse_args([str(word) for word in words])


@pytest.mark.parametrize("command", COMMANDS)
def test_live_and_render_take_a_file_for_either_encoding(
    command: list[str], tmp_path: Path
) -> None:
    assert chosen_adapters(parsed(*command)) == {}
    files = {kind: write_projector(tmp_path / f"{kind}.st", kind=kind)
             for kind in ("projector", "mapper")}  # fmt: skip
    words = ["--projector", files["projector"], "--mapper", files["mapper"]]
    assert chosen_adapters(parsed(*command, *words)) == files


def test_a_file_of_the_other_kind_and_one_that_is_not_there_are_one_line(tmp_path: Path) -> None:
    path = write_projector(tmp_path / "p.safetensors")
    with pytest.raises(ModelLoadError, match="not a mapper: give it as --projector"):
        chosen_adapters(parsed("live", "--mapper", path))
    with pytest.raises(ModelLoadError, match=r"there is no file .*gone\.safetensors"):
        chosen_adapters(parsed("live", "--projector", tmp_path / "gone.safetensors"))


def test_a_file_named_like_an_encoding_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_projector(tmp_path / "projector")
    assert chosen_adapters(parsed("live", "--projector", "projector")) == {"projector": path}


def test_two_exports_with_other_adapters_are_two_exports(tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"sound")
    look = load_preset("default")
    own = write_projector(tmp_path / "p.safetensors", seed=1)

    def mark(**files: Path) -> str:
        settings = ExportSettings(song, tmp_path / "x.mp4", adapters=files)
        return fingerprint(settings, look)["the adapters of sound"]

    marks = {mark(), mark(projector=own)}
    write_projector(own, seed=2)
    marks.add(mark(projector=own))
    assert len(marks) == 3


def test_an_export_out_of_the_window_names_the_files_of_the_show() -> None:
    request = ExportRequest(
        "demo", Path("x.mp4"), "default", 64, 64, 8.0, projector="/a/p.st", mapper="/a/m.st"
    )
    options = _parser().parse_args(request.arguments())
    assert (options.projector, options.mapper) == (Path("/a/p.st"), Path("/a/m.st"))


def test_a_file_that_a_render_never_hears_by_is_said() -> None:
    files = ("projector", "mapper")
    default, weather = load_preset("default"), load_preset("weather")
    assert [line.split(": ")[-1] for line in unheard_adapters(default, files)] == [
        "its sound/mix is 0"
    ] * 2
    assert unheard_adapters(weather, files) == [
        "--mapper changes nothing with the preset Weather: its sound/encoding is projector"
    ]
    moved = default.model_copy(
        update={"routes": (Route(source="low.hit", target="sound/mix", amount=0.5),)}
    )
    assert unheard_adapters(moved, ("projector",)) == []
