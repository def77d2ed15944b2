"""What a model needs is told before it is loaded, and what it had comes back afterwards."""

from __future__ import annotations

import itertools
import weakref
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
import torch

from engine.clock import ManualClock
from engine.diffusion import memory
from engine.diffusion.brush import Brush
from engine.diffusion.loop import COME_BACK_S, DiffusionLoop
from engine.diffusion.memory import FreeMemory, is_out_of_memory
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.family import family_of_folder
from engine.diffusion.models.memory_need import MemoryNeed, check_memory, memory_need
from engine.diffusion.models.null import NullModel
from engine.errors import MemoryShortError
from engine.mailbox import Latest
from engine.messages import ControlState, Uint8
from engine.registry import ModelRequest
from engine.runtime.brushes import brush_for, smaller_request
from tests.checkpoints import write_sd, write_taesd
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 1 byte"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
    MemoryError(),
)


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))


def request_of(folder: Path, width: int = 64, height: int = 64) -> ModelRequest:
    return ModelRequest(str(folder), width, height, "cpu", "float32", 1)


def at_once(request: ModelRequest) -> Brush:
    """A brush without a thread that reads ahead."""
    return replace(brush_for(request), ahead=None)


# before loading ---------------------------------------------------------------------------------


@torch.inference_mode()
def test_the_weights_in_the_estimate_are_those_that_are_loaded(tmp_path: Path) -> None:
    folder = write_sd(tmp_path / "sd", tiny_vae=False)
    need = memory_need(folder, family_of_folder(folder), None, 4, (64, 64))
    bundle = open_checkpoint(request_of(folder)).bundle
    networks = (bundle._unet, bundle._vae, bundle._text._encoders[0][1])  # type: ignore[attr-defined]
    held = sum(p.numel() * p.element_size() for n in networks for p in n.parameters())
    assert need.weights == held


def test_the_estimate_follows_size_format_and_autoencoder(tmp_path: Path) -> None:
    folder = write_sd(tmp_path / "sd", tiny_vae=False)
    tiny = write_taesd(tmp_path / "tiny")
    family = family_of_folder(folder)
    whole = memory_need(folder, family, None, 4, (1024, 1024))
    half = memory_need(folder, family, None, 2, (1024, 1024))
    assert half.weights * 2 == whole.weights
    assert memory_need(folder, family, None, 4, (512, 512)).painting < whole.painting
    assert memory_need(folder, family, tiny, 4, (1024, 1024)).painting < whole.painting / 3


def test_a_model_that_does_not_fit_is_refused_with_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_sd(tmp_path / "sd")
    monkeypatch.setattr(
        "engine.diffusion.models.checkpoint.free_memory",
        lambda kind: FreeMemory(100_000_000, 0, "memory"),
    )
    monkeypatch.setattr("engine.diffusion.models.components.fill", pytest.fail)
    with pytest.raises(MemoryShortError, match=r"needs about 0\.2 GB of memory.*0\.1 GB is free"):
        open_checkpoint(request_of(folder))


def test_a_gpu_of_2_gb_is_told_what_holds_its_memory() -> None:
    need = MemoryNeed(2_600_000_000, 700_000_000)
    free = FreeMemory(1_400_000_000, 500_000_000, "GPU memory")
    with pytest.raises(MemoryShortError) as caught:
        check_memory("sd-turbo", need, free, ["--model-size 384x384", "ember"])
    assert str(caught.value) == (
        "sd-turbo needs about 3.3 GB of GPU memory, 2.6 for its weights and 0.7 to paint, and "
        "1.4 GB is free (0.5 GB is held by the model that paints now): --model-size 384x384 or "
        "ember"
    )
    check_memory("sd-turbo", need, FreeMemory(3_300_000_000, 0, "GPU memory"), [])


def test_a_containers_limit_counts_and_its_file_cache_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    whole = psutil.virtual_memory().available
    assert memory.free_memory("cpu").free == pytest.approx(whole, rel=0.2)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 300000\n")
    assert memory.free_memory("cpu").free == 400_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory("cpu").free > 1_000_000


# while painting ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_running_out_of_memory_is_recognised_on_every_device(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_other_errors_are_not_taken_for_it() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


class Hungry(NullModel):
    """Paints as long as its picture is no larger than what is free."""

    def __init__(self, studio: Studio, width: int) -> None:
        super().__init__(width, width)
        self._studio = studio

    @property
    def name(self) -> str:
        return "hungry"

    def generate(self, control: ControlState, dt_s: float) -> Uint8:
        if self.width > self._studio.room_px:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().generate(control, dt_s)


class Studio:
    """A loop whose thread and clock are the test's own."""

    def __init__(self, room_px: int) -> None:
        self.room_px = room_px
        self.opened: list[str] = []
        self.refused = False
        self.clock = ManualClock()
        self.loop = DiffusionLoop(Latest(), Latest(), self.clock, Brush("ember", self._ember))

    def brush(self, width: int) -> Brush:
        def opener() -> NullModel:
            if self.refused and width > 256:
                raise MemoryShortError("hungry needs more than is free")
            self.opened.append(f"{width}")
            return Hungry(self, width)

        return Brush(
            "hungry", opener, f"{width}x{width}",
            lambda: self.brush(width // 2) if width > 256 else None,
        )  # fmt: skip

    def _ember(self) -> NullModel:
        self.opened.append("ember")
        return NullModel(64, 64)

    def paint(self, pictures: int = 1) -> int:
        """Let the loop go round; return the width of the last picture, 0 for none."""
        width = 0
        for _ in range(pictures):
            self.loop._switch_model()
            picture = self.loop.step(control()) if self.loop._model is not None else None
            width = 0 if picture is None else picture.pixels.shape[1]
        return width


def test_a_model_that_runs_out_of_memory_paints_fewer_pixels_and_says_so() -> None:
    studio = Studio(room_px=256)
    studio.loop.request_model(studio.brush(1024))
    assert studio.paint() == 0
    assert "hungry ran out of memory at 1024x1024" in studio.loop.message
    assert studio.paint(2) == 256
    assert studio.opened == ["1024", "512", "256"]
    assert studio.loop.message == "hungry ran out of memory at 512x512 and paints 256x256"
    assert studio.loop.model_asked == "hungry"


def test_the_model_itself_is_given_up_last() -> None:
    studio = Studio(room_px=100)
    studio.loop.request_model(studio.brush(512))
    assert studio.paint(3) == 64
    assert studio.opened == ["512", "256", "ember"]
    assert "ran out of memory at 256x256" in studio.loop.message
    assert "paints instead" in studio.loop.message


def test_it_comes_back_to_the_size_asked_for_when_there_is_room() -> None:
    studio = Studio(room_px=256)
    studio.loop.request_model(studio.brush(512))
    studio.paint(3)
    studio.refused = True  # what paints leaves no room for another
    studio.clock.set(COME_BACK_S + 1.0)
    assert studio.paint() == 256
    assert studio.loop.message == "hungry ran out of memory at 512x512 and paints 256x256"
    studio.refused, studio.room_px = False, 512
    studio.clock.set(COME_BACK_S + 2.0)
    assert studio.paint() == 256  # not before its time
    studio.clock.set(4.0 * COME_BACK_S)
    assert studio.paint() == 512
    assert studio.loop.message == ""
    studio.clock.set(40.0 * COME_BACK_S)
    studio.paint(3)
    assert studio.opened == ["512", "256", "512"]


def test_a_size_that_fails_again_is_tried_less_and_less_often() -> None:
    studio = Studio(room_px=256)
    studio.loop.request_model(studio.brush(512))
    tries = []
    for second in range(0, 1500, 10):
        studio.clock.set(float(second))
        before = studio.opened.count("512")
        studio.paint(2)
        if studio.opened.count("512") > before:
            tries.append(second)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert gaps
    assert all(later >= 1.8 * earlier for earlier, later in itertools.pairwise(gaps))


def test_another_model_chosen_by_hand_ends_the_coming_back() -> None:
    studio = Studio(room_px=256)
    studio.loop.request_model(studio.brush(512))
    studio.paint(3)
    studio.loop.request_model(Brush("ember", studio._ember))
    studio.clock.set(100.0 * COME_BACK_S)
    assert studio.paint(3) == 64
    assert studio.opened == ["512", "256", "ember"]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_running_out_of_memory_while_loading_keeps_the_old_model(error: Exception) -> None:
    studio = Studio(room_px=512)
    studio.loop.request_model(studio.brush(512))
    studio.paint()

    def opener() -> NullModel:
        raise error

    studio.loop.request_model(Brush("huge", opener))
    assert studio.paint() == 512
    assert studio.loop.message.startswith("the memory was not enough to load the model")


def test_a_defect_is_still_a_defect() -> None:
    studio = Studio(room_px=512)
    studio.loop.request_model(studio.brush(512))
    studio.paint()
    studio.loop._model.generate = lambda *_: [][0]  # type: ignore[union-attr, method-assign]
    with pytest.raises(IndexError):
        studio.paint()


def test_smaller_sizes_keep_the_aspect_and_end_at_256() -> None:
    sizes = []
    request: ModelRequest | None = ModelRequest("x", 1280, 720)
    while request is not None:
        sizes.append((request.width, request.height))
        request = smaller_request(request)
    assert sizes == [(1280, 720), (960, 512), (704, 384), (512, 256), (384, 192), (256, 128)]
    brush = brush_for(ModelRequest("null", 256, 256))
    assert (brush.size, brush.smaller()) == ("256x256", None)


# afterwards -------------------------------------------------------------------------------------


def test_every_tensor_is_released_when_the_model_is_switched(tmp_path: Path) -> None:
    folder = write_sd(tmp_path / "sd", tiny_vae=False)
    loop = DiffusionLoop(Latest(), Latest(), ManualClock())
    loop.request_model(at_once(request_of(folder)))
    loop._switch_model()
    assert loop.step(control()) is not None
    model = loop._model
    assert model is not None
    bundle = model.bundle  # type: ignore[attr-defined]
    networks = (bundle._unet, bundle._vae, bundle._text._encoders[0][1])
    kept = [weakref.ref(p) for network in networks for p in network.parameters()]
    kept += [weakref.ref(model), weakref.ref(model._state.picture)]  # type: ignore[attr-defined]
    del model, bundle, networks
    loop.request_model(at_once(ModelRequest("null", 64, 64)))
    loop._switch_model()
    assert loop.model_name == "null"
    assert [reference for reference in kept if reference() is not None] == []


def memory_of_a_switch(folder: Path) -> tuple[int, int, int]:
    """Bytes of this process before a checkpoint is open, while it is, and after it."""
    process = psutil.Process()
    loop = DiffusionLoop(Latest(), Latest(), ManualClock())
    loop.request_model(at_once(ModelRequest("null", 64, 64)))
    loop._switch_model()
    before = process.memory_info().rss
    loop.request_model(at_once(request_of(folder)))
    loop._switch_model()
    full = process.memory_info().rss
    loop.request_model(at_once(ModelRequest("null", 64, 64)))
    loop._switch_model()
    return before, full, process.memory_info().rss


def test_the_memory_of_a_large_model_goes_back_to_the_system(tmp_path: Path) -> None:
    folder = write_sd(tmp_path / "sd", width=2048)  # text encoder and cross-attention are wide
    size = memory_need(folder, family_of_folder(folder), None, 4, (64, 64)).weights
    assert size > 100_000_000
    # A process of its own: one that has run other tests has room that nobody gave back.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        before, full, after = pool.submit(memory_of_a_switch, folder).result()
    assert full - before > 0.8 * size
    assert full - after > 0.7 * size
