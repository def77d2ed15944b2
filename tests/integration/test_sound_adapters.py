"""Adapters through the real stages: ember hears live, and is given other files meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import commands as cmd
from engine.conditioning.encodings import AdapterShelf
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from tests.adapter_files import VIEW_WIDTH, write_projector
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
