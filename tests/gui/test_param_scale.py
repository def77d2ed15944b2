from __future__ import annotations

import pytest

from app.widgets.param_scale import ParamScale
from engine.params import PARAMS, ParamSpec

SCALES = [pytest.param(ParamScale(spec), id=name) for name, spec in PARAMS.items()]


@pytest.mark.parametrize("scale", SCALES)
def test_positions_rise_and_come_back_as_the_same_value(scale: ParamScale) -> None:
    spec = scale.spec
    values = [spec.low + (spec.high - spec.low) * step / 40 for step in range(41)]
    positions = [scale.position(value) for value in values]
    assert positions == sorted(positions)
    assert positions[0] == pytest.approx(0.0)
    assert positions[-1] == pytest.approx(1.0)
    for value, position in zip(values, positions, strict=True):
        tolerance = 0.5 if spec.integer else 1e-6 * (spec.high - spec.low)
        assert scale.value(position) == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_written_can_be_typed_back(scale: ParamScale) -> None:
    spec = scale.spec
    for value in (spec.low, spec.default, spec.high):
        typed = scale.parse(f"{scale.text(value)} {spec.unit}")
        assert typed is not None
        assert typed == pytest.approx(value, abs=0.51 if spec.high - spec.low >= 200 else 0.051)


def test_zero_lies_at_the_origin_of_bipolar_parameters() -> None:
    scale = ParamScale(PARAMS["motion/zoom"])
    assert scale.position(0.0) == pytest.approx(scale.origin) == pytest.approx(1 / 3)


@pytest.mark.parametrize("text", ["", "abc", "-", "."])
def test_no_number_is_no_value(text: str) -> None:
    assert ParamScale(PARAMS["motion/zoom"]).parse(text) is None


def test_values_that_have_words_are_shown_and_typed_as_words() -> None:
    mood = ParamScale(PARAMS["audio/mood"])
    assert [mood.text(value) for value in (0.0, 1.0, 2.0)] == ["steady", "even", "lively"]
    assert mood.parse("Li") == 2.0
    assert mood.parse("1") == 1.0
    assert mood.parse("loud") is None


@pytest.mark.parametrize("spec", PARAMS.values(), ids=lambda spec: spec.name)
def test_words_name_every_whole_value(spec: ParamSpec) -> None:
    if spec.words:
        assert spec.integer
        assert len(spec.words) == spec.high - spec.low + 1
