"""The shipped adapters by the judge: the sound is seen, and so is the scene that was told."""

from __future__ import annotations

import numpy as np
import pytest

from engine.bench.sights import (
    SCENES,
    SoundJudge,
    figures_of,
    hearing_ember,
    judged,
    open_sound_judge,
    painted,
    synthesised,
)
from engine.conditioning.sound_embedding import SoundMoment
from engine.diffusion.feedback import FeedbackModel

LABELS = ("thunder", "rain", "waves", "fire")
OTHER = {"thunder": "waves", "rain": "fire", "waves": "thunder", "fire": "rain"}


@pytest.fixture(scope="module")
def ember() -> FeedbackModel:
    return hearing_ember(512)


@pytest.fixture(scope="module")
def judge() -> SoundJudge:
    return open_sound_judge()


@pytest.fixture(scope="module")
def clips() -> dict[str, SoundMoment]:
    """Clips of seeds that training never drew."""
    return {label: synthesised(label, 0) for label in LABELS}


def test_the_sound_is_seen_and_the_scene_still_recognised(
    ember: FeedbackModel, judge: SoundJudge, clips: dict[str, SoundMoment]
) -> None:
    ranks = [rank for label in LABELS for rank in judged(ember, judge, label, [clips[label]])]
    figures = figures_of(ranks)
    assert figures["sound"] >= 0.7, figures
    assert figures["scene"] >= 0.7, figures


def test_a_sound_is_not_seen_where_another_was_heard(
    ember: FeedbackModel, judge: SoundJudge, clips: dict[str, SoundMoment]
) -> None:
    ranks = [
        rank for label in LABELS for rank in judged(ember, judge, label, [clips[OTHER[label]]])
    ]
    assert figures_of(ranks)["sound"] <= 0.2


def test_thunder_makes_three_different_pictures_of_beach_city_and_forest(
    ember: FeedbackModel, judge: SoundJudge, clips: dict[str, SoundMoment]
) -> None:
    prompts = ("a beach", "a city", "a forest")
    stormy = [painted(ember, prompt, clips["thunder"], "projector") for prompt in prompts]
    plain = [painted(ember, prompt, None, "projector") for prompt in prompts]
    for prompt, storm, calm in zip(prompts, stormy, plain, strict=True):
        ((sound, _),) = judge.ranks([storm], "thunder", SCENES[prompt])
        ((sound_in_calm, _),) = judge.ranks([calm], "thunder", SCENES[prompt])
        assert sound < min(3, sound_in_calm)
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(stormy[one].astype(int) - stormy[two]).mean() > 10.0


def test_the_slider_fades_the_sound_in(
    ember: FeedbackModel, clips: dict[str, SoundMoment]
) -> None:
    calm = painted(ember, "a forest", None, "projector").astype(int)
    changes = [
        np.abs(painted(ember, "a forest", clips["fire"], "projector", mix=mix) - calm).mean()
        for mix in (0.25, 0.5, 1.0)
    ]
    assert 0.5 < changes[0] < changes[1] < changes[2]


def test_the_shipped_mapper_paints_what_it_hears(
    ember: FeedbackModel, judge: SoundJudge, clips: dict[str, SoundMoment]
) -> None:
    found = []
    for label in LABELS:
        picture = painted(ember, "", clips[label], "mapper", mix=1.0)
        found += judge.ranks([picture], label, "forest")
    assert sum(sound < 3 for sound, _ in found) >= 3
