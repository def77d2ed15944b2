"""Pictures, videos and cameras that steer the shapes: the right picture, and one line when not."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from engine.clock import ManualClock, MonotonicClock
from engine.commands import NO_STRUCTURE, StructureChoice, structure_choice, structure_file
from engine.diffusion.structure.camera import STALE_S, CameraStructure
from engine.diffusion.structure.camera_device import check_device_file
from engine.diffusion.structure.control_map import control_map
from engine.diffusion.structure.fitting import LARGEST_PX, cover
from engine.diffusion.structure.image import claimed_size, read_picture
from engine.diffusion.structure.opening import open_structure
from engine.diffusion.structure.shapes import DrawnShapes
from engine.diffusion.structure.video import VideoStructure
from engine.diffusion.structure.video_reader import VideoReader
from engine.errors import CommandError, StructureError
from engine.messages import StructureStatus, Uint8
from engine.protocols import StructureSource
from engine.runtime.structure_slot import StructureSlot
from tests.films import RATE, write_film

WAIT_S = 20.0


def number_of(pixels: Uint8) -> int:
    return round((float(pixels.mean()) - 30.0) / 10.0)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4")


# choices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "choice"),
    [
        ("none", NO_STRUCTURE),
        ("image:a b.png", StructureChoice("image", Path("a b.png"))),
        ("video:C:/x.mp4", StructureChoice("video", Path("C:/x.mp4"))),
        ("camera", StructureChoice("camera")),
        ("camera:2", StructureChoice("camera", camera=2)),
    ],
)
def test_a_choice_is_read_from_a_word_and_written_as_one(
    spec: str, choice: StructureChoice
) -> None:
    assert structure_choice(spec) == choice
    assert structure_choice(choice.spec) == choice


@pytest.mark.parametrize("spec", ["image", "image:", "camera:x", "camera:-1", "webcam", "video"])
def test_another_word_is_refused_with_the_choices(spec: str) -> None:
    with pytest.raises(CommandError, match=r"choose image:PATH, video:PATH, camera"):
        structure_choice(spec)


def test_a_file_is_a_picture_or_a_video_by_its_suffix() -> None:
    assert structure_file(Path("a.JPG")).kind == "image"
    assert structure_file(Path("a.mp4")).kind == "video"


# fitting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(64, 64), (96, 32), (32, 96)])
def test_a_picture_covers_the_model_and_its_middle_stays_in_the_middle(
    width: int, height: int
) -> None:
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[35:55, 70:90] = 255
    fitted = cover(picture, width, height)
    assert fitted.shape == (height, width, 3)
    ys, xs = np.nonzero(fitted[:, :, 0] > 127)
    assert abs(ys.mean() + 0.5 - height / 2) <= 1.0
    assert abs(xs.mean() + 0.5 - width / 2) <= 1.0
    assert abs(np.ptp(ys) - np.ptp(xs)) <= 1  # nothing is stretched


# pictures ---------------------------------------------------------------------------------------


def test_a_picture_is_read_in_rgb_and_no_larger_than_it_has_to_be(tmp_path: Path) -> None:
    wide = np.zeros((1000, 3000, 3), np.uint8)
    wide[:, :, 2] = 200  # red in BGR
    cv2.imwrite(str(tmp_path / "red.png"), wide)
    picture = read_picture(tmp_path / "red.png")
    assert picture.shape == (round(LARGEST_PX / 3), LARGEST_PX, 3)
    assert picture[0, 0].tolist() == [200, 0, 0]
    assert not picture.flags.writeable


def huge_png(width: int, height: int) -> bytes:
    """The beginning of a picture that would unpack to gigabytes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IHDR" + head
    chunk = struct.pack(">I", len(head)) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk


def test_the_size_of_a_jpeg_is_read_from_its_head() -> None:
    data = cv2.imencode(".jpg", np.zeros((37, 53, 3), np.uint8))[1].tobytes()
    assert claimed_size(data) == (53, 37)
    assert claimed_size(data[:30]) is None
    assert claimed_size(b"RIFF") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "0 bytes"),
        (b"this is no picture", "no picture or is damaged"),
        (huge_png(60_000, 60_000), "60000x60000 pixels"),
        (huge_png(100, 100), "no picture or is damaged"),
    ],
)
def test_a_picture_that_will_not_do_is_one_line_with_the_remedy(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StructureError, match=words) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    assert "bad.png" in str(caught.value)


def test_a_film_given_as_a_picture_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    with path.open("wb") as file:
        file.truncate(1 << 29)  # sparse
    with pytest.raises(StructureError, match=r"512 MiB.*video:film.png"):
        read_picture(path)


# videos -----------------------------------------------------------------------------------------


def test_a_time_has_the_same_picture_however_one_gets_there(film: Path) -> None:
    rng = np.random.default_rng(3)
    times = np.concatenate((np.arange(0.0, 5.0, 1 / 24), rng.uniform(0.0, 9.0, 40)))
    there = VideoReader(film)
    onward = {float(t): number_of(there.at(float(t)).pixels) for t in sorted(times)}
    jumping = VideoReader(film)
    for t in rng.permutation(times):
        assert number_of(jumping.at(float(t)).pixels) == onward[float(t)]
        assert onward[float(t)] == int(float(t) % 2.0 * RATE + 1e-3)
    there.close()
    jumping.close()


def test_a_jump_far_on_is_made_by_key_pictures_and_ends_at_the_same_picture(
    tmp_path: Path,
) -> None:
    reader = VideoReader(write_film(tmp_path / "long.mp4", 22 * RATE))
    for time_s in (20.55, 3.05, 13.3, 0.0, 21.95):
        pixels = reader.at(time_s).pixels
        # Greys come again: compare with what a reader finds that never jumps.
        slow = VideoReader(tmp_path / "long.mp4")
        for step in np.arange(0.0, time_s, 2.0):
            slow.at(float(step))
        assert np.array_equal(pixels, slow.at(time_s).pixels)
        slow.close()
    reader.close()


def test_a_picture_that_shows_on_is_the_very_same_object(film: Path) -> None:
    source = VideoStructure(film, patient=True)
    source.open()
    assert source.picture_at(0.51) is source.picture_at(0.59)
    assert source.picture_at(0.59) is not source.picture_at(0.61)
    source.close()


def test_a_live_video_shows_what_an_export_gets(film: Path) -> None:
    live = VideoStructure(film, patient=False)
    exact = VideoReader(film)
    live.open()
    try:
        for time_s in np.arange(100.0, 104.4, 1 / 24):  # through two turns of the loop
            wanted = number_of(exact.at(float(time_s)).pixels)
            wait_for(lambda t=float(time_s), n=wanted: shows(live.picture_at(t), n))  # type: ignore[misc]
        assert live.status().connected
    finally:
        live.close()
        live.close()
        exact.close()


def shows(pixels: Uint8 | None, number: int) -> bool:
    return pixels is not None and number_of(pixels) == number


def wait_for(condition: Callable[[], bool]) -> None:
    clock, pause = MonotonicClock(), threading.Event()
    end_s = clock.now() + WAIT_S
    while not condition():
        assert clock.now() < end_s, "it never came"
        pause.wait(0.002)


def test_a_film_that_does_not_tell_its_length_is_looped_too(tmp_path: Path) -> None:
    path = tmp_path / "raw.ts"
    write_film(path, codec="mpeg4")
    reader = VideoReader(path)
    assert reader.duration_s == pytest.approx(2.0, abs=0.11)
    first = reader.at(0.0).pixels
    assert np.array_equal(reader.at(reader.duration_s).pixels, first)
    reader.close()


def test_a_film_taken_with_the_telephone_upright_is_shown_upright(tmp_path: Path) -> None:
    lying = np.zeros((64, 96, 3), np.uint8)
    lying[:, 64:] = 220  # the right third
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    with av.open(str(plain), "w") as movie:
        stream = movie.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(4):
            movie.mux(stream.encode(av.VideoFrame.from_ndarray(lying, format="rgb24")))
        movie.mux(stream.encode(None))
    data = bytearray(plain.read_bytes())
    # The 3x3 matrix of the track header, 16.16 fixed point (ISO/IEC 14496-12, 8.3.2): a quarter
    # turn clockwise, as a telephone held upright writes it.
    place = data.index(b"tkhd") + 4 + 4 + 20 + 16
    one = 1 << 16
    data[place : place + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    turned.write_bytes(data)
    reader = VideoReader(turned)
    picture = reader.at(0.0).pixels
    assert picture.shape == (96, 64, 3)
    assert picture[80:, :].mean() > 180.0  # what was on the right is below
    assert picture[:50, :].mean() < 40.0
    reader.close()


def test_a_damaged_film_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "whole.mkv", 30).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    reader = VideoReader(tmp_path / "cut.mkv")
    assert number_of(reader.at(0.35).pixels) == 3
    last = number_of(reader.at(reader.duration_s - 0.01).pixels)
    assert 3 < last <= 29
    reader.close()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.mp4", None, "No such file"),
        ("empty.mp4", b"", "cannot be opened as a video"),
        ("text.mp4", b"this is no film " * 100, "cannot be opened as a video|not one picture"),
    ],
)
def test_a_video_that_cannot_be_opened_is_one_line(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(StructureError, match=words) as caught:
        VideoStructure(tmp_path / name, patient=False).open()
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_film_whose_pictures_are_gone_or_that_is_a_sound_is_refused(tmp_path: Path) -> None:
    sound = tmp_path / "sound.mka"
    with av.open(str(sound), "w") as movie:
        stream = movie.add_stream("aac", rate=48_000)
        samples = np.zeros((1, 4096), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        movie.mux(stream.encode(frame))
        movie.mux(stream.encode(None))
    with pytest.raises(StructureError, match="no pictures in it"):
        VideoReader(sound)


# cameras ----------------------------------------------------------------------------------------


class FakeCamera:
    """Gives numbered pictures as they are asked for, until it is pulled out."""

    def __init__(self) -> None:
        self.plugged = True
        self.missing = ""
        self.opened = self.released = 0
        self.given = 0

    def open(self, number: int) -> FakeCamera:
        if self.missing:
            raise StructureError(self.missing)
        self.opened += 1
        return self

    def read(self) -> tuple[bool, Uint8 | None]:
        threading.Event().wait(0.002)
        if not self.plugged:
            return False, None
        self.given += 1
        return True, np.full((48, 64, 3), (10, 20, 30), np.uint8)

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def fake() -> FakeCamera:
    return FakeCamera()


@pytest.fixture
def camera(fake: FakeCamera) -> Iterator[CameraStructure]:
    camera = CameraStructure(3, MonotonicClock(), fake.open, retry_s=0.01)
    yield camera
    camera.close()


def test_a_camera_gives_its_newest_picture_in_rgb(
    camera: CameraStructure, fake: FakeCamera
) -> None:
    assert camera.picture_at(0.0) is None
    assert not camera.status().connected
    camera.open()
    wait_for(lambda: camera.picture_at(0.0) is not None)
    pixels = camera.picture_at(5.0)
    assert pixels is not None
    assert pixels[0, 0].tolist() == [30, 20, 10]
    status = camera.status()
    assert status == StructureStatus("camera", "camera 3", "camera:3", connected=True)
    wait_for(lambda: fake.given > 3)
    camera.close()
    assert fake.opened == fake.released == 1


def test_a_camera_that_is_pulled_out_is_a_state_and_comes_back_by_itself(
    camera: CameraStructure, fake: FakeCamera
) -> None:
    camera.open()
    wait_for(lambda: camera.status().connected)
    fake.missing, fake.plugged = "no camera 3: none is connected", False
    wait_for(lambda: fake.missing in camera.status().message)
    assert not camera.status().connected
    fake.missing, fake.plugged = "", True
    wait_for(lambda: camera.status().connected)
    assert camera.status().message == ""
    assert fake.opened == 2


def test_a_camera_that_gives_no_pictures_says_who_may_have_it(
    camera: CameraStructure, fake: FakeCamera
) -> None:
    fake.plugged = False
    camera.open()
    wait_for(lambda: "close the program that uses it" in camera.status().message)
    assert not camera.status().connected
    wait_for(lambda: fake.opened > 2)


def test_a_camera_that_hangs_sets_the_shapes_free(fake: FakeCamera) -> None:
    clock = ManualClock(10.0)
    hanging = threading.Event()
    given = fake.read

    def read() -> tuple[bool, Uint8 | None]:
        if fake.given:
            hanging.wait(WAIT_S)
        return given()

    fake.read = read  # type: ignore[method-assign]
    camera = CameraStructure(0, clock, fake.open)
    camera.open()
    wait_for(lambda: camera.picture_at(0.0) is not None)
    clock.advance(STALE_S + 0.1)
    assert camera.picture_at(0.0) is None
    assert "stopped giving pictures" in camera.status().message
    hanging.set()
    camera.close()


def test_linux_says_why_there_is_no_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StructureError, match="no camera 0: none is connected"):
        check_device_file(0, tmp_path)
    (tmp_path / "video1").touch()
    (tmp_path / "video10").touch()
    with pytest.raises(StructureError, match="there is camera:1, camera:10"):
        check_device_file(0, tmp_path)
    check_device_file(1, tmp_path)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StructureError, match="usermod -aG video"):
        check_device_file(1, tmp_path)


# the slot ---------------------------------------------------------------------------------------


class Noted(DrawnShapes):
    """Says what is done to it."""

    def __init__(self, log: list[str], choice: StructureChoice) -> None:
        super().__init__(32, 32)
        self.log, self.choice = log, choice
        log.append(f"open {choice.spec}")

    def close(self) -> None:
        self.log.append(f"close {self.choice.spec}")


def test_sources_are_exchanged_and_a_camera_is_free_before_the_next_is_asked_for() -> None:
    log: list[str] = []

    def opener(choice: StructureChoice) -> StructureSource | None:
        return None if choice.kind == "none" else Noted(log, choice)

    slot = StructureSlot(ManualClock(), opener)
    assert slot.picture_at(0.0) is None
    assert slot.status() == StructureStatus()
    for spec in ("image:a.png", "camera", "camera", "camera:1", "none"):
        slot.choose(structure_choice(spec))
        assert (slot.picture_at(0.0) is None) == (spec == "none")
    slot.close()
    assert log == [
        "open image:a.png", "open camera:0", "close image:a.png", "close camera:0",
        "open camera:1", "close camera:1",
    ]  # fmt: skip


def test_a_source_that_cannot_be_opened_leaves_the_old_one_steering(
    film: Path, tmp_path: Path
) -> None:
    slot = StructureSlot(ManualClock())
    slot.choose(StructureChoice("video", film))
    with pytest.raises(StructureError):
        slot.choose(StructureChoice("image", tmp_path / "gone.png"))
    with pytest.raises(StructureError, match="choose one"):
        slot.choose(StructureChoice("image"))
    assert slot.status().name == "film.mp4"
    slot.close()
    assert slot.status().kind == "none"


def test_every_kind_is_opened_by_its_choice(film: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((8, 8, 3), 7, np.uint8))
    for spec in (f"image:{tmp_path / 'a.png'}", f"video:{film}", "camera:99"):
        source = open_structure(structure_choice(spec), ManualClock(), patient=False)
        assert source is not None
        assert source.status().spec == spec
        source.close()


# what a ControlNet is shown ---------------------------------------------------------------------


def test_a_canny_map_is_white_where_an_edge_is_and_black_elsewhere() -> None:
    picture = np.full((64, 64, 3), 30, np.uint8)
    picture[:, 32:] = 220
    edges = control_map(picture, "canny")
    assert set(np.unique(edges)) == {0, 255}
    assert edges[20:40, 30:34].max() == 255
    assert not edges[:, :28].any()
    assert not edges[:, 36:].any()
    assert control_map(picture, "none") is picture
