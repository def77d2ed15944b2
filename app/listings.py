"""The short commands that show what there is: presets, devices, OSC addresses, health."""

from __future__ import annotations

import argparse
import json


def presets(options: argparse.Namespace) -> int:
    """`sonolume presets list`; a broken one is listed with its error."""
    from engine.errors import PresetError
    from engine.presets import load_preset, preset_names, user_preset_folder

    rows: list[dict[str, object]] = []
    for name in preset_names():
        try:
            preset = load_preset(name)
            rows.append(
                {"name": name, "title": preset.name, "description": preset.description,
                 "prompts": len(preset.prompts), "routes": len(preset.routes)}
            )  # fmt: skip
        except PresetError as error:
            rows.append({"name": name, "error": str(error)})
    if options.json:
        print(json.dumps({"presets": rows}))
        return 0
    for row in rows:
        print(f"{row['name']:12} {row.get('description') or row.get('error') or ''}")
    print(f"Your own presets go into {user_preset_folder()}")
    return 0


def devices(options: argparse.Namespace) -> int:
    """`sonolume devices`."""
    from engine.audio.device import list_devices
    from engine.audio.loopback import list_loopbacks

    found, played = list_devices(), list_loopbacks()
    midi, no_midi = _midi_inputs()
    if options.json:
        rows = [
            {"device": d.key, "inputs": d.inputs, "outputs": d.outputs,
             "sample_rate": d.default_rate_hz, "default": d.default, "loopback": d.loopback}
            for d in (*found, *played)
        ]  # fmt: skip
        print(json.dumps({"devices": rows, "midi_inputs": midi, "midi_message": no_midi}))
        return 0
    for d in found:
        mark = "*" if d.default else " "
        print(f"{mark} {d.key}  (in {d.inputs}, out {d.outputs}, {d.default_rate_hz} Hz)")
    if played:
        print("what this computer plays itself, for `--source loopback`:")
    for d in played:
        print(f"{'*' if d.default else ' '} {d.key}")
    if not found and not played:
        print("no sound device is visible: `--source demo` and `--source file:PATH` play silently")
    for name in midi:
        print(f"  MIDI input: {name}  (--clock 'midi:{name}')")
    if not midi:
        print(no_midi or "no MIDI input is connected")
    return 0


def _midi_inputs() -> tuple[list[str], str]:
    """All MIDI inputs, or none and one line why."""
    from engine.control.midi_ports import midi_input_names
    from engine.errors import TempoSourceError

    try:
        return midi_input_names(), ""
    except TempoSourceError as error:
        return [], str(error)


def osc(options: argparse.Namespace) -> int:
    """`sonolume osc`."""
    from engine.control.osc_addresses import address_page, address_table

    print(json.dumps(address_table()) if options.json else address_page())
    return 0


def doctor(options: argparse.Namespace) -> int:
    """`sonolume doctor`: 0 when nothing essential is missing."""
    from app.doctor import diagnose

    findings = diagnose()
    if options.json:
        rows = [{"name": f.name, "ok": f.ok, "what": f.what, "remedy": f.remedy} for f in findings]
        print(json.dumps({"findings": rows}))
    else:
        for f in findings:
            print(f"{f.mark:3} {f.name}: {f.what}")
            if not f.ok and f.remedy:
                print(f"      remedy: {f.remedy}")
    return 0 if all(f.ok for f in findings) else 1
