from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from engine.bench.beat_clips import (
    REPORT_SEEDS,
    REPORT_SWITCH_SEEDS,
    TUNING_SEEDS,
    ClipName,
    clip_names,
    generated_clip,
    random_spec,
)
from engine.bench.beat_scores import (
    any_level_f,
    f_measure,
    lock_s,
    paired_interval,
    right_tempo,
)
from engine.bench.beat_table import Score, rows
from engine.errors import EngineError

TRUTH = [0.5 * beat for beat in range(60)]
OFF_BEATS = [beat + 0.25 for beat in TRUTH]

needs_mir_eval = pytest.mark.skipif(find_spec("mir_eval") is None, reason="needs mir_eval")


@needs_mir_eval
def test_beats_on_the_off_beat_are_right_at_another_level_only() -> None:
    assert f_measure(TRUTH, TRUTH) == pytest.approx(1.0)
    assert f_measure(TRUTH, OFF_BEATS) == 0.0
    assert any_level_f(TRUTH, OFF_BEATS) > 0.95
    assert any_level_f(TRUTH, TRUTH[::2]) == pytest.approx(1.0)
    assert f_measure(TRUTH, []) == 0.0


def test_the_tempo_is_right_within_four_per_cent() -> None:
    assert right_tempo(TRUTH, OFF_BEATS)
    assert not right_tempo(TRUTH, TRUTH[::2])
    assert not right_tempo(TRUTH, [])


def test_a_lock_is_four_right_beats_in_a_row() -> None:
    found = [0.2, 0.9, *TRUTH[8:]]
    assert lock_s(TRUTH, found) == pytest.approx(4.0)
    assert lock_s(TRUTH, found, from_s=10.1) == pytest.approx(0.4)
    assert lock_s(TRUTH, OFF_BEATS) == math.inf
    assert lock_s(TRUTH, TRUTH[::2]) == math.inf


def test_a_difference_is_sure_when_its_interval_leaves_zero_out() -> None:
    rng = np.random.default_rng(1)
    theirs = rng.uniform(0.4, 0.6, 100)
    mean, low, high = paired_interval((theirs + 0.1).tolist(), theirs.tolist())
    assert mean == pytest.approx(0.1)
    assert 0.0 < low <= mean <= high
    _, low, high = paired_interval(rng.permutation(theirs).tolist(), theirs.tolist())
    assert low < 0.0 < high


def test_the_table_pairs_ours_with_aubio_and_never_writes_infinity() -> None:
    names = [ClipName("loop", "a", Path()), ClipName("generated", "5000", Path()),
             ClipName("switch", "7000", Path()), ClipName("false", "rain", Path())]  # fmt: skip
    ours, theirs = Score(f=0.9, any_f=0.9, acc1=1.0, downbeat_f=0.5), Score(f=0.5, any_f=0.7)
    table = rows(names, [{"sonolume": ours, "aubio": theirs}] * 4)
    assert [row["name"] for row in table] == [
        "hearing/sonolume", "hearing/aubio", "hearing/paired/loop", "hearing/paired/generated",
        "hearing/downbeats",
    ]  # fmt: skip
    assert table[0]["relock_s"] is None
    paired = table[2]["f"]
    assert isinstance(paired, dict)
    assert paired["ours_minus_aubio"] == pytest.approx(0.4)


def test_what_is_reported_was_not_tuned_on() -> None:
    assert not set(TUNING_SEEDS) & set(REPORT_SEEDS)
    assert not set(REPORT_SWITCH_SEEDS) & set(TUNING_SEEDS)
    assert len(REPORT_SEEDS) >= 200


def test_a_generated_clip_is_the_same_each_time_and_has_its_beats() -> None:
    first, again = generated_clip(1), generated_clip(1)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert 25.0 < len(first.samples) / 44_100 < 32.0
    assert set(first.downbeats_s) < set(first.beats_s)


def test_pieces_differ_in_all_that_makes_a_beat_hard() -> None:
    specs = [random_spec(np.random.default_rng([seed, 4])) for seed in range(200)]
    assert len({spec.groove for spec in specs}) == 7
    for name in ("swing", "drift", "breakdown_bars", "half_time_bars", "fills", "noise_db"):
        assert len({getattr(spec, name) for spec in specs}) > 1


def test_a_folder_without_loops_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="--data names the folder"):
        clip_names(tmp_path)
