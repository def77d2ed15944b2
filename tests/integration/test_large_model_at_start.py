"""A checkpoint at the start: ember paints while its files are read, then it takes over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from engine.clock import MonotonicClock
from engine.control.osc_addresses import interpret
from engine.diffusion.models.read_ahead import read_ahead, read_slices
from engine.errors import ModelLoadError
from engine.messages import EngineStatus
from engine.registry import ModelRequest
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from tests.checkpoints import write_sd
from tests.scripted_source import ScriptedSource, feed_realtime

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
LIMIT_S = 120.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    return write_sd(tmp_path / "sd")


@pytest.fixture
def show() -> Iterator[Show]:
    running = Show()
    yield running
    if running.engine is not None:
        running.engine.close()


class Show:
    """A show of 64x64 pixels, whose every frame is looked at."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.black = 0
        self.painters: list[str] = []

    def play_until(self, model: str, condition: Callable[[EngineStatus], bool]) -> EngineStatus:
        """Begin with a model and play until a status fulfils the condition."""
        source, clock = ScriptedSource(), MonotonicClock()
        config = EngineConfig(model=model, width=64, height=64, device_compute="cpu")
        self.engine = engine = Engine(config, open_source=lambda choice: source)
        engine.start()
        end_s, version = clock.now() + LIMIT_S, 0
        while clock.now() < end_s:
            feed_realtime(source, clock, 0.02, threading.Event().wait)
            frame, version = engine.frames.wait(version, 1.0)
            self.black += frame is None or int(frame.pixels.max()) == 0
            status = engine.status()
            if status.model_asked and status.model_asked not in self.painters[-1:]:
                self.painters.append(status.model_asked)
            if condition(status):
                return status
        pytest.fail(f"never happened; last status: {engine.status()}")


def test_ember_paints_until_a_checkpoint_does_and_no_frame_is_black(
    folder: Path, show: Show
) -> None:
    name = str(folder)
    handed_over: list[int] = []
    lines: set[str] = set()

    def painted_by_it(status: EngineStatus) -> bool:
        if status.model_asked == name and not handed_over:
            handed_over.append(status.pictures)
        if status.pictures and status.model_opening and show.engine is not None:
            lines.add(show.engine.why_unpainted())
        return bool(handed_over) and status.pictures > handed_over[0] + 1

    status = show.play_until(name, painted_by_it)
    assert show.painters == ["ember", name]
    assert show.black == 0
    assert f"{name} was still loading, ember painted; run longer" in lines
    assert (status.model, status.model_opening) == ("sd", "")


def test_a_checkpoint_that_cannot_be_opened_leaves_ember_and_its_reason(
    folder: Path, show: Show
) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    status = show.play_until(str(folder), lambda s: s.model_problem != "")
    assert status.message.endswith("; ember paints instead")
    assert "fetched only in part" in status.message
    assert show.painters == ["ember"]
    assert show.black == 0


def test_what_is_read_ahead_is_every_byte_of_the_weights_and_runs_no_torch_operation(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def count(files: Iterable[Path], stopping: threading.Event) -> int:
        seen.extend(files)
        return read_slices(seen, stopping)

    monkeypatch.setattr("engine.diffusion.models.read_ahead.read_slices", count)
    operations: list[str] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: Any = (), named: Any = None
        ) -> Any:
            operations.append(str(function))
            return function(*arguments, **(named or {}))

    with Watch():
        read_ahead(ModelRequest(str(folder), 64, 64, "cpu", "float32"), threading.Event())
    assert sorted(path.parent.name for path in seen) == ["text_encoder", "unet", "vae"]
    assert read_slices(seen, threading.Event()) == sum(path.stat().st_size for path in seen)
    assert operations == []


def test_a_reader_that_is_told_to_stop_reads_nothing(folder: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    assert read_slices(folder.rglob("*.safetensors"), stopping) == 0


def test_what_cannot_be_read_is_told_by_the_reader_too(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="not in diffusers layout"):
        read_ahead(ModelRequest(str(tmp_path), 64, 64), threading.Event())


def test_osc_switches_the_model_of_a_show_and_a_wrong_name_keeps_it(
    folder: Path, show: Show
) -> None:
    asked: list[str] = []

    def send(name: str) -> None:
        assert show.engine is not None
        command, note = interpret("/sonolume/model/load", (name,))
        assert command is not None
        assert note == ""
        show.engine.post(command)
        asked.append(name)

    def both_answered(status: EngineStatus) -> bool:
        if status.model_asked == "null" and status.pictures and not asked:
            send("nul-and-void")
        elif "'nul-and-void'" in status.message and len(asked) == 1:
            assert status.model_asked == "null"
            send(str(folder))
        return status.model_asked == str(folder)

    status = show.play_until("null", both_answered)
    assert status.message == ""
    assert show.painters == ["null", str(folder)]
    assert show.black == 0
