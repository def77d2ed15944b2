from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from app.engine_bridge import NUDGE_BEATS, EngineBridge
from app.main_window import MainWindow
from app.widgets.param_row import ParamRow
from engine import commands as cmd
from engine.messages import LoraChoice, PromptWeight, SourceStatus
from engine.params import LORA_PARAMS, PARAMS, defaults
from tests.gui.fake_engine import PROMPTS, FakeEngine

Look = Callable[..., None]
LEFT = Qt.MouseButton.LeftButton
FILE = SourceStatus("file", "song.flac", True, position_s=10.0, duration_s=100.0)


def test_there_is_one_slider_for_every_parameter(window: MainWindow) -> None:
    assert list(window.column.params.rows) == list(PARAMS)


def test_a_lora_has_a_slider_by_its_name_as_long_as_it_is_on(
    window: MainWindow, engine: FakeEngine, bridge: EngineBridge
) -> None:
    panel = window.column.params

    def shown() -> list[str]:
        rows = [panel.rows[name] for name in LORA_PARAMS]
        return [row.name_label.full_text() for row in rows if not row.isHidden()]

    assert panel.sections["lora"].isHidden()
    engine.show(loras=(LoraChoice("/a/ink.safetensors"), LoraChoice("/a/gold.safetensors", 0.3)))
    bridge.poll_status()
    assert not panel.sections["lora"].isHidden()
    assert shown() == ["ink", "gold"]
    engine.show(loras=())
    bridge.poll_status()
    assert panel.sections["lora"].isHidden()
    assert shown() == []


@pytest.mark.parametrize("name", list(PARAMS))
def test_every_slider_posts_native_units_at_both_ends(
    name: str, bridge: EngineBridge, engine: FakeEngine, qtbot: QtBot
) -> None:
    row = ParamRow(PARAMS[name], bridge)
    qtbot.addWidget(row)
    row.slider.resize(200, 24)
    for x in (100, 199, 0):
        qtbot.mouseClick(row.slider, LEFT, pos=QPoint(x, 12))
    posted = [command for command in engine.commands if isinstance(command, cmd.SetParam)]
    assert posted[-1] == cmd.SetParam(name, PARAMS[name].low)
    assert cmd.SetParam(name, PARAMS[name].high) in posted
    assert all(PARAMS[name].low <= command.value <= PARAMS[name].high for command in posted)


def test_a_double_click_resets_to_the_default(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    row = window.column.params.rows["diffusion/strength"]
    row.slider.edit(0.9)
    qtbot.mouseDClick(row.slider, LEFT, pos=QPoint(20, 12))
    assert engine.commands[-1] == cmd.SetParam(
        "diffusion/strength", PARAMS["diffusion/strength"].default
    )


def test_the_figure_can_be_typed_and_is_clamped(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    row = window.column.params.rows["motion/zoom"]
    for text, value in (("-0,5", -0.5), ("99 1/s", PARAMS["motion/zoom"].high)):
        row.figure.setFocus()
        row.figure.selectAll()
        qtbot.keyClicks(row.figure, text)
        qtbot.keyClick(row.figure, Qt.Key.Key_Return)
        assert engine.commands[-1] == cmd.SetParam("motion/zoom", value)


def test_nonsense_in_the_figure_changes_nothing(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    row = window.column.params.rows["motion/zoom"]
    before = row.figure.text()
    row.figure.setFocus()
    row.figure.selectAll()
    qtbot.keyClicks(row.figure, "fast")
    qtbot.keyClick(row.figure, Qt.Key.Key_Return)
    assert engine.commands == []
    assert row.figure.text() == before


def test_esc_gives_the_old_figure_back(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    row = window.column.params.rows["motion/zoom"]
    before = row.figure.text()
    row.figure.setFocus()
    row.figure.selectAll()
    qtbot.keyClicks(row.figure, "1.5")
    qtbot.keyClick(row.figure, Qt.Key.Key_Escape)
    assert not row.figure.hasFocus()
    assert row.figure.text() == before
    assert engine.commands == []


def test_a_slider_shows_base_and_modulated_value_apart(window: MainWindow, look: Look) -> None:
    look(values=defaults() | {"motion/zoom": 0.5}, modulated=defaults() | {"motion/zoom": 1.25})
    slider = window.column.params.rows["motion/zoom"].slider
    assert (slider.value, slider.modulated) == (0.5, 1.25)


def test_a_held_slider_does_not_jump_back_to_older_values(
    window: MainWindow, look: Look, qtbot: QtBot
) -> None:
    row = window.column.params.rows["colour/hue"]
    window.column.params.sections["colour"].set_open(True)
    qtbot.mousePress(row.slider, LEFT, pos=QPoint(40, 12))
    held = row.slider.value
    look(values=defaults() | {"colour/hue": 77.0})
    assert row.slider.value == held
    qtbot.mouseRelease(row.slider, LEFT, pos=QPoint(40, 12))


def test_tooltips_tell_help_and_osc_address(window: MainWindow) -> None:
    for name, row in window.column.params.rows.items():
        assert PARAMS[name].help in row.toolTip()
        assert f"/sonolume/{name}" in row.toolTip()


def test_the_prompt_box_sends_on_enter(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    qtbot.keyClicks(window.column.prompt.box, "  a glass forest ")
    qtbot.keyClick(window.column.prompt.box, Qt.Key.Key_Return)
    assert engine.commands == [cmd.SetPrompt("a glass forest")]


def test_an_empty_prompt_is_not_sent(window: MainWindow, engine: FakeEngine, qtbot: QtBot) -> None:
    qtbot.keyClicks(window.column.prompt.box, "   ")
    qtbot.keyClick(window.column.prompt.box, Qt.Key.Key_Return)
    assert engine.commands == []


def test_words_the_model_does_not_know_are_named_with_the_nearest(
    window: MainWindow, look: Look
) -> None:
    panel = window.column.prompt
    height, below = panel.height(), panel.scenes[0].pos()
    look(
        unknown_words=(("tractor", "train"), ("xyz", "")),
        prompts=(PromptWeight("a tractor in xyz", 1.0),),
    )
    text = panel.warning.full_text()
    assert text == "ember does not know ‘tractor’ (nearest: ‘train’), ‘xyz’"
    # What comes and goes with the scenes must not move what a finger is about to press.
    assert (panel.height(), panel.scenes[0].pos()) == (height, below)


def test_of_many_unknown_words_three_are_named_and_the_others_counted(
    window: MainWindow, look: Look
) -> None:
    words = tuple((f"wug{index}", "") for index in range(24))
    prompt = " ".join(word for word, _ in words)
    look(unknown_words=words, prompts=(PromptWeight(prompt, 1.0),))
    text = window.column.prompt.warning.full_text()
    assert text == "ember does not know ‘wug0’, ‘wug1’, ‘wug2’ and 21 more"


def test_words_beyond_what_the_model_reads_are_counted(window: MainWindow, look: Look) -> None:
    look(words_left_out=6, prompts=(PromptWeight("word " * 30, 1.0),))
    text = window.column.prompt.warning.full_text()
    assert text == "ember leaves out the last 6 words: put what matters first"
    look(words_left_out=0, prompts=(PromptWeight("word " * 24, 1.0),))
    assert window.column.prompt.warning.full_text() == ""


def test_only_the_newest_prompt_is_searched_for_unknown_words(
    window: MainWindow, look: Look
) -> None:
    look(
        unknown_words=(("tractor", "train"), ("wug", "")),
        prompts=(PromptWeight("a tractor", 0.6), PromptWeight("a Wug at night", 0.4)),
    )
    assert window.column.prompt.warning.full_text() == "ember does not know ‘wug’"
    look(prompts=(PromptWeight("night", 1.0),))
    assert window.column.prompt.warning.full_text() == ""


def test_a_prompt_that_is_too_long_is_shortened_aloud(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    panel = window.column.prompt
    text = "word " * 2000
    panel.box.setText(text)
    panel.box.returnPressed.emit()
    kept = text[:2000].strip()
    assert engine.commands == [cmd.SetPrompt(kept)]
    assert panel.shortened.isVisible()
    assert panel.shortened.text() == "Shortened: 9,999 characters, the first 2,000 are kept"
    look(prompt_texts=(kept, *PROMPTS[1:]))
    assert panel.shortened.isVisible()
    look(prompt_texts=PROMPTS)
    assert not panel.shortened.isVisible()
    panel.box.setText("a glass forest")
    panel.box.returnPressed.emit()
    assert engine.commands[-1] == cmd.SetPrompt("a glass forest")
    assert not panel.shortened.isVisible()


def test_the_walk_of_the_preset_is_listed_marked_and_clickable(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    look(prompts=(PromptWeight(PROMPTS[1], 0.7), PromptWeight(PROMPTS[2], 0.3)), prompt_index=1)
    scenes = window.column.prompt.scenes
    assert [scene.prompt for scene in scenes] == list(PROMPTS)
    assert [scene.property("state") for scene in scenes] == ["", "current", "next"]
    assert [scene.share for scene in scenes] == [0.0, 0.7, 0.3]
    scenes[2].click()
    assert engine.commands == [cmd.GoToPrompt(2)]
    assert PROMPTS[1] in window.column.prompt.box.toolTip()  # what Enter would replace


def test_source_buttons_post_their_choice(window: MainWindow, engine: FakeEngine) -> None:
    buttons = window.column.source.buttons
    buttons["demo"].click()
    buttons["tone"].click()
    buttons["mic"].click()
    assert engine.commands == [
        cmd.SelectSource(cmd.SourceChoice("demo")),
        cmd.SelectSource(cmd.SourceChoice("tone")),
        cmd.SelectSource(cmd.SourceChoice("mic")),
    ]


def test_the_systems_own_sound_is_a_source_with_devices_of_its_own(
    window: MainWindow, engine: FakeEngine, bridge: EngineBridge, look: Look
) -> None:
    panel = window.column.source
    bridge.scan_devices()
    bridge.devices.join(5.0)
    bridge.poll_status()
    panel.buttons["loopback"].click()
    look(source=SourceStatus("loopback", "PulseAudio: speakers", True))
    texts = [panel.device.itemText(index) for index in range(panel.device.count())]
    assert texts == ["System default", "PulseAudio: speakers", "PulseAudio: headphones"]
    panel.device.activated.emit(2)
    look(source=SourceStatus("mic", "ALSA: pulse", True))
    assert panel.device.findData("ALSA: USB Audio") > 0
    assert panel.device.findData("PulseAudio: headphones") < 0
    assert engine.commands == [
        cmd.SelectSource(cmd.SourceChoice("loopback")),
        cmd.SelectSource(cmd.SourceChoice("loopback", "PulseAudio: headphones")),
    ]


def test_the_lit_source_is_the_one_the_engine_listens_to(window: MainWindow, look: Look) -> None:
    buttons = window.column.source.buttons
    buttons["demo"].click()
    assert buttons["mic"].isChecked()
    assert not buttons["demo"].isChecked()
    look(source=SourceStatus("demo", "demo", True, duration_s=80.0))
    assert buttons["demo"].isChecked()


def test_a_device_is_chosen_by_name(window: MainWindow, engine: FakeEngine) -> None:
    panel = window.column.source
    panel.device.addItem("ALSA: USB Audio", "ALSA: USB Audio")
    panel.device.activated.emit(1)
    choice = cmd.SourceChoice("mic", "ALSA: USB Audio")
    assert engine.commands == [cmd.SelectSource(choice)]


def test_a_microphone_that_is_waited_for_is_named_and_stays_chosen(
    window: MainWindow, bridge: EngineBridge, look: Look
) -> None:
    panel = window.column.source
    look(source=SourceStatus("mic", "ALSA: Old", False, "there is no sound input 'ALSA: Old'"))
    assert panel.buttons["mic"].isChecked()
    assert panel.name.full_text() == "ALSA: Old: not connected, waiting for it"
    assert panel.device.currentData() == "ALSA: Old"
    bridge.devices.join(5.0)
    bridge.poll_status()
    assert panel.device.currentText() == "ALSA: Old (not connected)"
    assert panel.device.count() == 4
    look(source=SourceStatus("mic", "default input", False, "there is no sound input"))
    assert panel.device.currentData() == "ALSA: Old"


def test_devices_are_listed_anew_when_one_comes_or_goes(
    window: MainWindow, bridge: EngineBridge, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[None] = []
    monkeypatch.setattr(bridge.devices, "start", lambda: scans.append(None))
    look(source=SourceStatus("mic", "ALSA: pulse", False, "gone"))
    look(source=SourceStatus("mic", "ALSA: pulse", False, "still gone"))
    look(source=SourceStatus("mic", "ALSA: pulse", True))
    assert len(scans) == 2


def test_a_file_is_opened_and_remembered(
    window: MainWindow, engine: FakeEngine, tmp_path: Path
) -> None:
    window.column.source.open_file(str(tmp_path / "a.wav"))
    choice = cmd.SourceChoice("file", path=tmp_path / "a.wav")
    assert engine.commands == [cmd.SelectSource(choice)]
    request = window.column.export.request()
    assert request is not None
    assert request.audio == tmp_path / "a.wav"


def test_the_transport_hides_for_live_input(window: MainWindow, look: Look) -> None:
    transport = window.column.source.transport
    assert not transport.isVisible()
    look(source=FILE)
    assert transport.isVisible()
    assert transport.position.text() == "0:10"
    assert transport.duration.text() == "1:40"
    assert transport.seek.share == pytest.approx(0.1)
    look(source=SourceStatus("mic", "x", True))
    assert not transport.isVisible()


def test_the_transport_posts_its_commands(
    window: MainWindow, engine: FakeEngine, look: Look, qtbot: QtBot
) -> None:
    look(source=FILE)
    transport = window.column.source.transport
    transport.seek.resize(112, 22)
    transport.volume.resize(112, 22)
    engine.commands.clear()
    transport.play.click()
    transport.loop.click()
    qtbot.mouseClick(transport.seek, LEFT, pos=QPoint(56, 11))
    qtbot.mouseClick(transport.volume, LEFT, pos=QPoint(31, 11))
    assert engine.commands == [
        cmd.Play(False), cmd.SetLoop(True), cmd.Seek(50.0), cmd.SetVolume(0.25),
    ]  # fmt: skip


def test_a_new_file_gets_the_remembered_volume_and_loop(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    window._store.settings.volume = 0.4
    window._store.settings.loop = True
    look(source=FILE)
    assert engine.commands == [cmd.SetVolume(0.4), cmd.SetLoop(True)]


def test_panic_buttons_post_and_follow_the_engine(
    window: MainWindow, engine: FakeEngine, look: Look
) -> None:
    panic = window.strip.panic
    for button in (panic.freeze, panic.black, panic.still, panic.restart):
        button.click()
    assert engine.commands == [
        cmd.Freeze(True), cmd.Blackout(True), cmd.Still(True), cmd.RestartPicture(),
    ]  # fmt: skip
    look(frozen=True, still=True)
    look(frozen=False, blackout=True)
    assert not panic.freeze.isChecked()
    assert panic.black.isChecked()


def test_tap_auto_record_next_and_presets_post(
    window: MainWindow, engine: FakeEngine, qtbot: QtBot
) -> None:
    window.header.presets.addItems(["default", "neon"])
    qtbot.mousePress(window.strip.tap, LEFT)
    window.strip.auto.click()
    for button in ("half", "double", "later", "earlier"):
        getattr(window.strip.hand, button).click()
    window.header.record.click()
    window.column.prompt.next.click()
    window.header.presets.activated.emit(window.header.presets.findText("neon"))
    assert engine.commands == [
        cmd.TapTempo(), cmd.SetTempo(0.0), cmd.HalveTempo(), cmd.DoubleTempo(),
        cmd.NudgeTempo(-NUDGE_BEATS), cmd.NudgeTempo(NUDGE_BEATS), cmd.StartRecording(),
        cmd.NextPrompt(), cmd.LoadPreset("neon"),
    ]  # fmt: skip


def test_folded_groups_hide_their_rows(window: MainWindow) -> None:
    section = window.column.params.sections["motion"]
    row = window.column.params.rows["motion/zoom"]
    assert row.isVisible()
    section.heading.click()
    assert not row.isVisible()


def test_what_is_played_most_shows_without_scrolling(
    window: MainWindow, qapp: QApplication
) -> None:
    window.resize(1440, 900)
    qapp.processEvents()
    for name in ("audio/gain", "audio/reactivity", "master/fade"):
        row = window.column.params.rows[name]
        assert row.isVisible()
        assert row.visibleRegion().boundingRect() == row.rect()


def test_every_button_without_words_has_a_tooltip(window: MainWindow) -> None:
    silent = [button for button in window.findChildren(QPushButton) if not button.text().strip()]
    assert len(silent) > 8
    assert [button for button in silent if not button.toolTip()] == []


def test_buttons_of_the_header_have_names_where_there_is_room(
    window: MainWindow, qapp: QApplication
) -> None:
    header = window.header
    for width, words in ((1600, ["Keys", "Output", "Full screen"]), (900, ["", "", ""])):
        window.resize(width, 700)
        qapp.processEvents()
        buttons = (header.keys, header.output, header.full_screen)
        assert [button.text().strip() for button in buttons] == words
        assert all(button.toolTip() for button in buttons)
    assert header.output.toolTip() == "Picture in its own window (O)"


def test_room_for_units_is_left_only_where_a_unit_is(window: MainWindow) -> None:
    rows = window.column.params.rows
    window.resize(1600, 1000)
    window.column.params.sections["prompt"].set_open(True)
    for name in ("master/fade", "prompt/pace"):
        row = rows[name]
        assert row.figure.geometry().right() == row.rect().right()
    motion = [rows[name] for name in PARAMS if name.startswith("motion/")]
    assert len({row.figure.geometry().right() for row in motion}) == 1
    for row in motion:
        assert row.unit_label.width() >= row.unit_label.sizeHint().width()


def test_the_demo_that_plays_for_want_of_a_microphone_says_so(
    window: MainWindow, bridge: EngineBridge, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = window.column.source
    demo = SourceStatus("demo", "demo", True, duration_s=80.0)
    look(source=demo)
    assert panel.name.full_text() == "The demo track"
    monkeypatch.setattr(bridge.devices, "_list_devices", tuple)
    bridge.scan_devices()
    bridge.devices.join(5.0)
    bridge.poll_status()
    assert panel.name.full_text() == "No microphone was found: the demo track plays"
    panel.buttons["demo"].click()
    look(source=demo, output_fps=29.0)
    look(source=SourceStatus("demo", "demo", True, duration_s=80.0, position_s=1.0))
    assert panel.name.full_text() == "The demo track"
