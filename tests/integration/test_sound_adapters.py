"""Adapters through the real stages: ember hears live, and is given other files meanwhile."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from huggingface_hub import constants

from engine import commands as cmd
from engine.conditioning.encodings import AdapterShelf
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from engine.semantic.far_ears import waiting
from tests.adapter_files import VIEW_WIDTH, write_projector
from tests.checkpoints import write_fetched_clap
from tests.integration.test_engine import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def engine() -> Iterator[Engine]:
    demo = cmd.SourceChoice("demo")
    running = Engine(
        EngineConfig(demo, model="ember", width=128, height=128, fps=10.0, audible=False)
    )
    running.start()
    yield running
    running.close()


def test_the_status_has_the_levels_and_the_file_and_a_bad_one_leaves_the_show_as_it_is(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = AdapterShelf().file_of("projector", "ember")
    engine.post(cmd.SetParam("sound/mix", 1.0))
    status = until(engine, lambda s: bool(s.sound.levels))
    assert sum(status.sound.levels) == pytest.approx(1.0, abs=0.01)
    assert status.sound.adapter == str(shipped)
    assert set(status.sound.unread) == {"sound/scale", "sound/bend"}
    own = write_projector(tmp_path / "own.safetensors")  # fits ember, but hears another ear
    engine.post(cmd.LoadAdapter("projector", own))
    status = until(engine, lambda s: "own.safetensors hears" in s.message)
    assert f"({VIEW_WIDTH} numbers)" in status.sound.message
    assert status.sound.adapter == str(shipped)
    painted = status.pictures
    assert until(engine, lambda s: s.pictures > painted).model_problem == ""
    engine.post(cmd.LoadAdapter("projector"))
    until(engine, lambda s: not s.sound.message)
    sound = engine.report()["sound"]
    assert isinstance(sound, dict)
    assert sound["adapter"] == str(shipped)


def clap_children() -> list[BaseProcess]:
    return [child for child in multiprocessing.active_children() if "clap" in child.name]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ember_hears_by_clap_while_it_paints_and_paints_on_when_its_process_is_killed(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    own = write_projector(tmp_path / "own.safetensors", encoder="clap", width=48)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "nowhere"))
    engine.post(cmd.SetParam("sound/mix", 1.0))
    engine.post(cmd.LoadAdapter("projector", own))
    status = until(engine, lambda s: "hf download" in s.sound.message)
    assert "\n" not in status.sound.message
    assert status.sound.files == {}  # the one before stays
    write_fetched_clap(tmp_path / "hub")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    engine.post(cmd.LoadAdapter("projector", own))
    status = until(engine, lambda s: s.sound.adapter == str(own) and bool(s.sound.message))
    assert status.sound.message == waiting("clap")
    assert status.sound.levels == ()
    painted = status.pictures
    status = until(engine, lambda s: bool(s.sound.levels))
    assert status.pictures > painted  # meanwhile
    assert sum(status.sound.levels) == pytest.approx(1.0, abs=0.01)
    assert "hardly tells sounds apart" in status.sound.message  # its weights are random
    clap_children()[0].kill()
    status = until(engine, lambda s: "killed by SIGKILL" in s.sound.message)
    assert "load the adapter again" in status.sound.message
    assert status.model_problem == ""
    painted = status.pictures
    until(engine, lambda s: s.pictures > painted + 3 and not s.sound.levels)
    engine.post(cmd.LoadAdapter("projector", own))
    until(engine, lambda s: bool(s.sound.levels))
    assert len(clap_children()) == 1
    engine.close()
    assert not clap_children()
    said = [record.getMessage() for record in caplog.records]
    assert sum("killed by SIGKILL" in line for line in said) == 1
