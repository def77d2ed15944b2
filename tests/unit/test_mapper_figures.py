"""Figures of mappers; V2D's table, decoded: its rows use three different "combined losses"."""

from __future__ import annotations

import numpy as np
import pytest

from engine.training.mapper.figures import (
    combined,
    distinct,
    mapper_figures,
    sequence_combined,
)


def test_the_row_of_the_first_assessment_is_the_pooled_loss() -> None:
    assert combined(0.31, 0.81) == pytest.approx(0.226)
    assert combined(0.31, 0.81) == pytest.approx(0.225, abs=0.002)


def test_the_row_of_novelty_1_is_the_sum_of_mse_and_of_what_the_cosine_lacks() -> None:
    assert sequence_combined([0.5342], [0.5479]) == pytest.approx(0.9863)


@pytest.mark.parametrize(("cosine", "printed"), [(0.5640, 0.4360), (0.7689, 0.2311)])
def test_the_rows_of_novelty_2_and_3_are_the_cosine_alone(cosine: float, printed: float) -> None:
    """Their MSE, .5462 and .9653, is from the stage before."""
    assert sequence_combined([0.5462], [cosine], with_mse=False) == pytest.approx(printed)


def test_the_first_stage_of_experiment_2_weighs_the_mean_cosine_of_all_encoders() -> None:
    assert sequence_combined([0.1, 0.2, 0.3], [0.5, 0.6, 0.7], 5.0) == pytest.approx(0.6 + 5 * 0.4)


def test_figures_of_a_perfect_and_of_a_wrong_answer() -> None:
    bank = np.eye(4, dtype=np.float32) * 2.0
    perfect = mapper_figures(bank, bank, bank)
    assert perfect["mse"] == 0.0
    assert perfect["cosine"] == pytest.approx(1.0)
    assert perfect["centred_cosine"] == pytest.approx(1.0)
    assert perfect["combined"] == pytest.approx(0.0, abs=1e-6)
    assert perfect["retrieval_at_1"] == 1.0
    wrong = mapper_figures(bank[[1, 0, 2, 3]], bank, bank)
    assert wrong["retrieval_at_1"] == 0.5
    assert wrong["mse"] == pytest.approx(2 * (2 * 4.0) / 16)
    assert wrong["cosine"] == pytest.approx(0.5)


def test_the_plain_cosine_flatters_and_the_centred_one_does_not() -> None:
    """Prompts that share nearly everything: their mean is near each of them and says nothing."""
    rng = np.random.default_rng(0)
    bank = 10.0 + rng.normal(size=(8, 64)).astype(np.float32)
    mean = np.repeat(bank.mean(axis=0)[None], 8, axis=0)
    figures = mapper_figures(mean, bank, bank)
    assert figures["cosine"] > 0.99
    assert abs(figures["centred_cosine"]) < 0.01


def test_distinct_prompts_keep_their_order() -> None:
    rows = np.array([[3.0], [1.0], [3.0], [2.0], [1.0]], np.float32)
    assert distinct(rows)[:, 0].tolist() == [3.0, 1.0, 2.0]
