"""OSC: every parameter by its address, whatever a controller sends, and the way back."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import struct
import subprocess
import threading

import numpy as np
import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from engine.clock import ManualClock
from engine.commands import (
    Blackout,
    DoubleTempo,
    Freeze,
    HalveTempo,
    LoadAdapter,
    LoadPreset,
    NextPrompt,
    NudgeTempo,
    RestartPicture,
    SelectModel,
    SetParam,
    SetPrompt,
    SetTempo,
    StartRecording,
    Still,
    StopRecording,
    TapTempo,
)
from engine.control.osc import OscSender, OscServer, address_page, parse_host_port
from engine.control.osc_addresses import ADDRESSES, address_table, interpret
from engine.control.osc_inbox import SPACING_S, OscInbox
from engine.control.osc_packet import MalformedPacketError, read_datagram
from engine.errors import CommandError, EngineError, LimitError
from engine.messages import (
    AudioFeatures,
    EngineStatus,
    Lanes,
    SemanticState,
    Structure,
    Texture,
    Tonal,
    freeze,
)
from engine.params import PARAMS
from tests.adapter_files import write_projector

NOW = 1_800_000_000.0


def osc(address: str, *arguments: object) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build().dgram


def bundle(due: float, *messages: bytes) -> bytes:
    from pythonosc.osc_message import OscMessage

    builder = OscBundleBuilder(due)
    for message in messages:
        builder.add_content(OscMessage(message))
    return builder.build().dgram


def commands(*datagrams: bytes, at: float = NOW) -> list[object]:
    inbox = OscInbox()
    for datagram in datagrams:
        inbox.receive(datagram, at)
    return list(inbox.take(at, 0.0))


@pytest.mark.parametrize("name", sorted(PARAMS))
def test_every_parameter_has_its_address_and_takes_its_whole_range(name):
    spec = PARAMS[name]
    for value in (spec.low, spec.default, spec.high):
        assert interpret(f"/sonolume/{name}", (value,)) == (SetParam(name, value), "")


@pytest.mark.parametrize(
    ("argument", "value"), [(1, 1.0), (0.5, 0.5), (True, 1.0), (False, 0.0), (" 0.25 ", 0.25)]
)
def test_numbers_in_any_clothes_are_taken(argument, value):
    command, note = interpret("/sonolume/prompt/mix", (argument,))
    assert command == SetParam("prompt/mix", value)
    assert note == ""


@pytest.mark.parametrize("arguments", [(), ("loud",), (float("nan"),), (None,), (b"\0",), ([1],)])
def test_what_is_no_number_changes_nothing_and_is_said(arguments):
    command, note = interpret("/sonolume/prompt/mix", arguments)
    assert command is None
    assert note.startswith("/sonolume/prompt/mix: needs a number, got ")


def test_out_of_range_is_clamped_and_said():
    command, note = interpret("/sonolume/diffusion/strength", (7,))
    assert command == SetParam("diffusion/strength", 1.0)
    assert note == "/sonolume/diffusion/strength: 7 is outside 0.02..1, clamped"


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("prompt/next", NextPrompt()), ("tempo/tap", TapTempo()),
        ("tempo/half", HalveTempo()), ("tempo/double", DoubleTempo()),
        ("panic/restart", RestartPicture()),
    ],
)  # fmt: skip
def test_a_trigger_fires_on_the_press_and_not_on_the_release(address, command):
    for press in ((), (1,), (0.7,), (True,), ("1",), (None,), ("bang",)):
        assert interpret(f"/sonolume/{address}", press) == (command, "")
    for release in ((0,), (0.0,), (False,), ("0",)):
        assert interpret(f"/sonolume/{address}", release) == (None, "")


def test_a_nudge_is_a_share_of_a_beat_of_at_most_a_half():
    assert interpret("/sonolume/tempo/nudge", (0.02,)) == (NudgeTempo(0.02), "")
    assert interpret("/sonolume/tempo/nudge", (-0.25,)) == (NudgeTempo(-0.25), "")
    command, note = interpret("/sonolume/tempo/nudge", (3,))
    assert command == NudgeTempo(0.5)
    assert "3 is outside -0.5..0.5, clamped" in note
    assert interpret("/sonolume/tempo/nudge", ())[0] is None


@pytest.mark.parametrize(
    ("address", "on", "off"),
    [
        ("panic/freeze", Freeze(True), Freeze(False)),
        ("panic/black", Blackout(True), Blackout(False)),
        ("panic/still", Still(True), Still(False)),
        ("record", StartRecording(), StopRecording()),
    ],
)
def test_a_state_follows_one_and_zero(address, on, off):
    assert interpret(f"/sonolume/{address}", (1,)) == (on, "")
    assert interpret(f"/sonolume/{address}", (0.0,)) == (off, "")
    assert interpret(f"/sonolume/{address}", ())[0] is None


def test_texts_and_tempo():
    assert interpret("/sonolume/prompt/text", ("a red fox",))[0] == SetPrompt("a red fox")
    assert interpret("/sonolume/preset/load", ("default",))[0] == LoadPreset("default")
    assert interpret("/sonolume/model/load", ("sd-turbo",)) == (SelectModel("sd-turbo"), "")
    assert interpret("/sonolume/model/load", ()) == (
        None,
        "/sonolume/model/load: needs a text, got nothing",
    )
    assert interpret("/sonolume/prompt/text", (" ",))[0] is None
    assert interpret("/sonolume/tempo/bpm", (128,)) == (SetTempo(128.0), "")
    assert interpret("/sonolume/tempo/bpm", (0,)) == (SetTempo(0.0), "")
    assert interpret("/sonolume/tempo/bpm", (9000,))[0] == SetTempo(300.0)
    long, note = interpret("/sonolume/prompt/text", ("x" * 5000,))
    assert isinstance(long, SetPrompt)
    assert len(long.text) == 2000
    assert "cut to 2000" in note


def test_an_adapter_is_loaded_by_its_path_and_is_what_its_card_says(tmp_path):
    for kind in ("projector", "mapper"):
        path = write_projector(tmp_path / f"{kind}.safetensors", kind=kind)
        assert interpret("/sonolume/sound/load", (str(path),)) == (LoadAdapter(kind, path), "")
        assert interpret("/sonolume/sound/load", (kind,)) == (LoadAdapter(kind), "")
    assert interpret("/sonolume/sound/load", ("",))[0] is None


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("gone.safetensors", None, "there is no file"),
        ("old.ckpt", b"x", "is a pickle"),
        ("bare.safetensors", b"\x02" + b"\0" * 7 + b"{}", "is no adapter of Sonolume"),
    ],
)
def test_what_is_no_adapter_is_one_line_with_its_path(tmp_path, name, data, says):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    command, note = interpret("/sonolume/sound/load", (str(tmp_path / name),))
    assert command is None
    assert name in note
    assert says in note


def test_a_card_of_a_later_kind_is_refused(tmp_path):
    path = write_projector(tmp_path / "new.safetensors", kind="antenna")
    command, note = interpret("/sonolume/sound/load", (str(path),))
    assert command is None
    assert "'antenna'" in note


def test_an_unknown_address_is_said_once_with_the_nearest(caplog):
    inbox = OscInbox()
    for _ in range(3):
        inbox.receive(osc("/sonolume/difusion/strenght", 0.5), NOW)
    assert inbox.take(NOW, 0.0) == []
    assert [r.getMessage() for r in caplog.records] == [
        "no OSC address /sonolume/difusion/strenght; "
        "did you mean /sonolume/diffusion/strength? (said once)"
    ]


def test_a_clamp_is_said_once_per_address(caplog):
    inbox = OscInbox()
    for value in (5, 6, 7):
        inbox.receive(osc("/sonolume/prompt/mix", value), NOW)
        inbox.receive(osc("/sonolume/master/fade", value), NOW)
    assert len(caplog.records) == 2


def test_a_flood_of_unknown_addresses_does_not_flood_the_log(caplog):
    inbox = OscInbox()
    for index in range(1000):
        inbox.receive(osc(f"/nobody/{index}", 1), NOW)
    assert len(caplog.records) == 64


@pytest.mark.parametrize(
    "datagram",
    [
        b"", b"\0", b"/", b"hello", b"/sonolume", b"/a\0\0,", b"/a\0\0,f\0\0", b"/a\0\0,i\0\0\0",
        b"/a\0\0,s\0\0abc", b"/a\0\0,b\0\0\x7f\xff\xff\xff", b"/a\0\0,Q\0\0", b"/a\0\0,[\0\0",
        b"/\xff\xfe\0,s\0\0\xff\xfe\xfd\0", b"#bundle\0", b"#bundle\0" + b"\0" * 8 + b"\xff" * 4,
        b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 0) * 100,
        b"#bundle\0" + b"\0" * 7 + b"\1" + struct.pack(">i", -4) + b"/a\0\0",
    ],
)  # fmt: skip
def test_a_malformed_packet_is_counted_and_harmless(datagram, caplog):
    inbox = OscInbox()
    inbox.receive(datagram, NOW)
    inbox.receive(osc("/sonolume/prompt/mix", 0.5), NOW)
    assert inbox.take(NOW, 0.0) == [SetParam("prompt/mix", 0.5)]


def test_random_bytes_never_raise_anything_else():
    rng = np.random.default_rng(0)
    good = bundle(IMMEDIATELY, osc("/sonolume/prompt/text", "abc"), osc("/sonolume/prompt/mix", 1))
    outcomes = set()
    for _ in range(3000):
        noisy = bytearray(good)
        for at in rng.integers(0, len(good), 6):
            noisy[at] = rng.integers(0, 256)
        try:
            read_datagram(bytes(noisy[: rng.integers(0, len(good) + 1)]))
            outcomes.add("read")
        except MalformedPacketError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_endless_nesting_is_refused():
    datagram = osc("/sonolume/prompt/mix", 1.0)
    for _ in range(500):
        datagram = b"#bundle\0" + b"\0" * 7 + b"\1" + struct.pack(">i", len(datagram)) + datagram
    with pytest.raises(MalformedPacketError, match="deep"):
        read_datagram(datagram)


def test_types_that_max_and_pd_send_are_read():
    impulse = b"/sonolume/tempo/tap\0,I\0\0"
    symbol = b"/sonolume/preset/load\0\0\0,S\0\0default\0"
    assert commands(impulse, symbol) == [TapTempo(), LoadPreset("default")]


def test_a_bundle_waits_for_its_time_and_a_late_one_fires_at_once():
    inbox = OscInbox()
    mix = osc("/sonolume/prompt/mix", 0.5)
    inbox.receive(bundle(NOW + 0.05, mix, osc("/sonolume/tempo/tap")), NOW)
    inbox.receive(bundle(NOW + 0.02, osc("/sonolume/prompt/next")), NOW)
    assert inbox.take(NOW, 0.0) == []
    assert inbox.wait_s(NOW, 0.0) == pytest.approx(0.02, abs=1e-3)
    assert inbox.take(NOW + 0.021, 0.021) == [NextPrompt()]
    assert inbox.take(NOW + 0.049, 0.049) == []
    assert inbox.take(NOW + 0.051, 0.051) == [SetParam("prompt/mix", 0.5), TapTempo()]
    inbox.receive(bundle(NOW - 60.0, mix), NOW)
    inbox.receive(bundle(IMMEDIATELY, osc("/sonolume/prompt/next")), NOW)
    assert inbox.take(NOW, 1.0) == [SetParam("prompt/mix", 0.5), NextPrompt()]


def test_scheduled_messages_are_bounded(caplog):
    inbox = OscInbox()
    for _ in range(5000):
        inbox.receive(bundle(NOW + 9.0, osc("/sonolume/prompt/next")), NOW)
    assert inbox.dropped == 5000 - 4096
    assert "4096" in caplog.text


def test_a_flood_is_merged_and_its_last_value_arrives():
    inbox = OscInbox()
    taken: list[object] = []
    for index in range(2000):  # one second at 2 kHz
        now_s = index / 2000
        inbox.receive(osc("/sonolume/prompt/mix", index / 2000), NOW + now_s)
        taken += inbox.take(NOW + now_s, now_s)
    taken += inbox.take(NOW + 1.0 + SPACING_S, 1.0 + SPACING_S)
    assert 100 <= len(taken) <= 260
    assert taken[0] == SetParam("prompt/mix", 0.0)
    assert taken[-1].value == pytest.approx(1999 / 2000)


def test_events_are_never_merged_and_keep_their_place_among_values():
    low, high = osc("/sonolume/prompt/mix", 0.0), osc("/sonolume/prompt/mix", 1.0)
    tap = osc("/sonolume/tempo/tap")
    assert commands(low, high, tap, tap, low) == [
        SetParam("prompt/mix", 1.0), TapTempo(), TapTempo(), SetParam("prompt/mix", 0.0),
    ]  # fmt: skip


class Posted:
    """Commands that a server posted, to be waited for."""

    def __init__(self) -> None:
        self.commands: list[object] = []
        self._changed = threading.Condition()

    def __call__(self, command: object) -> None:
        with self._changed:
            self.commands.append(command)
            self._changed.notify_all()

    def wait_for(self, command: object) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: command in self.commands, 5.0)


@pytest.fixture
def posted() -> Posted:
    return Posted()


@pytest.fixture
def server(posted):
    server = OscServer(posted, port=0)
    server.open()
    yield server
    server.close()
    server.close()


def test_a_server_hears_a_real_socket_through_a_flood(server, posted, caplog):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.connect(("127.0.0.1", server.port))
        peer.send(b"rubbish" * 9000)
        for index in range(2000):
            peer.send(osc("/sonolume/prompt/mix", index / 1999))
            if index % 100 == 99:
                assert posted.wait_for(SetParam("prompt/mix", pytest.approx(index / 1999)))
        peer.send(osc("/sonolume/panic/black", 1))
        assert posted.wait_for(Blackout(True))
    assert server.malformed == 1
    assert server.received == 2002


@pytest.mark.skipif(shutil.which("oscsend") is None, reason="needs liblo-tools")
def test_liblo_drives_it(server, posted):
    address = ["oscsend", "127.0.0.1", str(server.port)]
    subprocess.run([*address, "/sonolume/diffusion/strength", "f", "0.4"], check=True)
    subprocess.run([*address, "/sonolume/panic/freeze", "T"], check=True)
    subprocess.run([*address, "/sonolume/prompt/text", "s", "a glass cathedral"], check=True)
    assert posted.wait_for(SetPrompt("a glass cathedral"))
    assert posted.wait_for(Freeze(True))
    assert posted.wait_for(SetParam("diffusion/strength", pytest.approx(0.4)))


def test_a_port_in_use_is_one_line_with_a_way_out(server, posted):
    second = OscServer(posted, port=server.port)
    with pytest.raises(EngineError, match=rf"port {server.port} is in use .* --osc-port") as error:
        second.open()
    assert "\n" not in str(error.value)
    second.close()


@pytest.mark.parametrize(("host", "port"), [("no.such.host", 9000), ("127.0.0.1", 70_000)])
def test_an_address_that_cannot_be_had_is_refused(posted, host, port):
    with pytest.raises((CommandError, LimitError), match="OSC"):
        OscServer(posted, host=host, port=port).open()


def features(**changes: object) -> AudioFeatures:
    bands = freeze(np.linspace(0.0, 1.0, 6, dtype=np.float32))
    base = AudioFeatures(
        sample_index=0, sample_rate=48_000, level_db=-20.0, peak=0.5, silent=False,
        band_level=bands, band_hit=bands, band_presence=bands, onset_strength=0.0, onset_count=0,
        centroid=0.5, flatness=0.1, tempo_bpm=120.0, tempo_confidence=0.8, beat_count=0,
        beat_phase=0.25, tonal=Tonal(key=14, pitch_hz=293.66, pitch_confidence=0.9),
        lanes=Lanes(count=(4, 2, 9)),
        texture=Texture(loudness_lufs=-18.5, width=0.3),
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


class Peer:
    """A program that listens."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(2.0)
        self.port = self._socket.getsockname()[1]

    def messages(self, count: int) -> list[tuple[str, object]]:
        heard = [read_datagram(self._socket.recv(9000))[0] for _ in range(count)]
        return [(m.address, m.arguments[0]) for m in heard]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def peer():
    peer = Peer()
    yield peer
    peer.close()


def test_the_sender_says_everything_once_and_then_only_changes(peer):
    clock = ManualClock()
    sender = OscSender("127.0.0.1", peer.port, clock=clock)
    sender.open()
    status = EngineStatus(features=features(), values={"prompt/mix": 0.5})
    sender.send(status)
    begun = sender.sent
    first = dict(peer.messages(begun))
    assert first["/sonolume/audio/sub/level"] == 0.0
    assert first["/sonolume/audio/all/presence"] == pytest.approx(1.0)
    assert first["/sonolume/tempo/bpm"] == pytest.approx(120.0)
    assert first["/sonolume/lane/snare"] == 2
    assert first["/sonolume/texture/width"] == pytest.approx(0.3)
    assert first["/sonolume/texture/loudness"] == pytest.approx(-18.5)
    assert first["/sonolume/prompt/mix"] == pytest.approx(0.5)
    assert first["/sonolume/tonal/key"] == "D minor"
    assert first["/sonolume/tonal/pitch_hz"] == pytest.approx(293.7)
    assert first["/sonolume/tonal/pitch_confidence"] == pytest.approx(0.9)
    clock.advance(0.1)
    sender.send(status)
    sender.send(dataclasses.replace(status, features=features(beat_count=1)))
    assert peer.messages(1) == [("/sonolume/beat", 1)]
    sender.send(EngineStatus(values={"prompt/mix": 0.75}))
    assert peer.messages(1) == [("/sonolume/prompt/mix", 0.75)]
    assert sender.sent == begun + 2
    sender.close()
    sender.close()


def test_an_unknown_key_is_an_empty_text(peer):
    sender = OscSender("127.0.0.1", peer.port, clock=ManualClock())
    sender.open()
    sender.send(EngineStatus(features=features(tonal=Tonal())))
    assert dict(peer.messages(sender.sent))["/sonolume/tonal/key"] == ""
    sender.close()


def test_the_sender_tells_sections_drops_and_the_build(peer):
    sender = OscSender("127.0.0.1", peer.port, clock=ManualClock())
    sender.open()
    sender.send(EngineStatus(features=features()))
    first = dict(peer.messages(sender.sent))
    assert first["/sonolume/structure/section"] == -1
    assert first["/sonolume/structure/drop"] == 0
    assert first["/sonolume/structure/build"] == 0.0
    heard = Structure(section=2, section_count=5, drop_count=1, build=0.8764)
    sender.close()
    sender = OscSender("127.0.0.1", peer.port, clock=ManualClock())
    sender.open()
    sender.send(EngineStatus(features=features(structure=heard)))
    now = dict(peer.messages(sender.sent))
    assert now["/sonolume/structure/section"] == 2
    assert now["/sonolume/structure/drop"] == 1
    assert isinstance(now["/sonolume/structure/drop"], int)
    assert now["/sonolume/structure/build"] == pytest.approx(0.876)
    sender.close()


def test_the_sender_says_what_the_sound_is_about(peer):
    sender = OscSender("127.0.0.1", peer.port, clock=ManualClock())
    sender.open()
    heard = SemanticState(0, "embedded", ("rain", "fire"), (0.75, 0.25), label=0)
    sender.send(EngineStatus(semantic=heard))
    assert dict(peer.messages(2)) == {
        "/sonolume/semantic/rain": pytest.approx(0.75),
        "/sonolume/semantic/fire": pytest.approx(0.25),
    }
    sender.close()


def test_the_sender_keeps_to_sixty_a_second_per_address(peer):
    clock = ManualClock()
    sender = OscSender("127.0.0.1", peer.port, clock=clock)
    sender.open()
    for index in range(1000):
        sender.send(EngineStatus(values={"prompt/mix": index / 1000}))
        clock.advance(0.001)
    assert 50 <= sender.sent <= 60
    sender.close()


def test_a_peer_that_is_not_there_is_no_error():
    gone = Peer()
    gone.close()
    clock = ManualClock()
    sender = OscSender("127.0.0.1", gone.port, clock=clock)
    sender.open()
    for index in range(5):
        sender.send(EngineStatus(values={"prompt/mix": index / 10}))
        clock.advance(1.0)
    sender.close()


@pytest.mark.parametrize("text", ["", "9001", "host:", ":9001", "host:0", "host:x", "h:70000"])
def test_a_target_must_be_host_and_port(text):
    with pytest.raises(CommandError, match="is not HOST:PORT"):
        parse_host_port(text)


def test_a_target_is_read():
    assert parse_host_port("10.0.0.7:9001") == ("10.0.0.7", 9001)
    assert parse_host_port("[::1]:9001") == ("::1", 9001)


def test_the_page_names_every_address():
    page = address_page()
    for address in ADDRESSES:
        assert f"| `{address}` |" in page
    assert "`/sonolume/audio/air/hit`" in page
    assert "`/sonolume/beat`" in page
    assert "| `/sonolume/tonal/key` | string |" in page
    assert "`/sonolume/structure/section`" in page


def test_the_table_holds_every_address_with_its_range():
    table = address_table()
    rows = {row["address"]: row for row in table["in"]}
    assert set(rows) == set(ADDRESSES)
    strength = rows["/sonolume/diffusion/strength"]
    assert (strength["low"], strength["high"]) == (0.02, 1.0)
    assert rows["/sonolume/prompt/text"]["low"] is None
    assert "/sonolume/beat" in {row["address"] for row in table["out"]}


def test_what_cannot_be_obeyed_is_told_each_time_and_a_release_is_not(caplog):
    told: list[str] = []
    inbox = OscInbox(told.append)
    for _ in range(2):
        inbox.receive(osc("/sonolume/diffusion/strenght", 0.5), 0.0)
    inbox.receive(osc("/sonolume/record", "on please"), 0.0)
    inbox.receive(osc("/sonolume/panic/restart", 0), 0.0)
    inbox.receive(osc("/sonolume/diffusion/strength", 7.0), 0.0)
    assert told == [
        *["no OSC address /sonolume/diffusion/strenght; "
          "did you mean /sonolume/diffusion/strength?"] * 2,
        "/sonolume/record: needs 1 or 0, got 'on please'",
    ]  # fmt: skip
