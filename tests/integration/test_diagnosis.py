"""The doctor looks at this very machine."""

from __future__ import annotations

from app import doctor


def test_every_finding_is_one_line_and_every_trouble_has_a_remedy():
    findings = doctor.diagnose()
    names = [finding.name for finding in findings]
    assert {"python", "torch", "portaudio", "display", "pyside6", "video encoder", "ember",
            "presets"} <= set(names)  # fmt: skip
    for finding in findings:
        assert finding.what
        assert "\n" not in finding.what + finding.remedy
        assert finding.ok or finding.remedy
        assert not (finding.ok and finding.remedy)
