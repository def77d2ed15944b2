"""What is seen of a sound in a prompt's picture: the judge names the sound and the scene.

Pictures of ember that hears a clip and is told a scene. `sound`: share of pictures in which the
judge's first of 20 sounds is the one that was heard, `sound_in_3` among its first three; `scene`,
`scene_in_3`: the same of the scene that was told, of 68. `sights/<encoding>/silence` is the same
prompts without a sound, as often as the sound is seen where there is none, and `.../other` with
the sound of another label in its place. Clips are synthesised from seeds that training never drew,
or with `--data` recordings of the fold that it left out (thunder, which has none there, stays
synthesised).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.audio.decode import SoundReader
from engine.bench.area import BenchRequest, Result
from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.sound_embedding import SoundMoment
from engine.contact_sheet import Cell, contact_sheet, write_sheet
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.ember.bundle import open_ember
from engine.errors import AudioFileError, ModelLoadError
from engine.export.sound_look import usual_mix
from engine.messages import ControlState, Float32, PromptWeight, Travel, Uint8
from engine.params import defaults
from engine.registry import ModelRequest
from engine.scoring.judge import features_of, judge_folder, load_judge
from engine.scoring.judge_network import JudgeNetwork
from engine.scoring.sound_heads import SoundHeads, load_heads, shipped_heads
from engine.semantic.adapters import open_adapter
from engine.sound_choices import SOUND_ENCODINGS
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS

LABELS = ("thunder", "rain", "waves", "fire", "rooster")
SCENES: Mapping[str, str] = {
    "a beach": "waves", "a city": "skyline", "a forest": "forest",
    "snowy mountains": "mountains", "the desert": "dunes", "a castle on a hill": "castle",
}  # fmt: skip
"""Prompt -> the scene that the judge should see; none of them says a sound."""
CLIPS = 2
"""Of every label in every scene."""
PICTURE_PX = 512
WINDOW_S = 2.0
_CATEGORY = {"rain": "rain", "waves": "sea_waves", "fire": "fire_crackling", "rooster": "rooster"}
"""Label -> category of ESC-10's table; thunder is not in it."""
_HELD_OUT_FOLD = "4"
"""The fold that `engine.training.sights` never hears."""
_SEED = 900_001
_CELL_PX = 128


@dataclass(frozen=True, slots=True)
class SoundJudge:
    """The judge with its heads for sounds and scenes."""

    network: JudgeNetwork
    heads: SoundHeads

    def ranks(self, pictures: Sequence[Uint8], label: str, scene: str) -> list[tuple[int, int]]:
        """How many sounds and scenes are likelier than these, per picture."""
        features = features_of(self.network, np.stack(pictures))
        sounds = self.heads.sound_ranks(features, label)
        scenes = self.heads.scene_ranks(features, scene)
        return [(int(a), int(b)) for a, b in zip(sounds, scenes, strict=True)]


def open_sound_judge() -> SoundJudge:
    """The shipped one. Raises `ModelLoadError`."""
    return SoundJudge(load_judge(judge_folder()).network, load_heads(shipped_heads()))


def bench(request: BenchRequest) -> list[Result]:
    """Results per encoding, label, and without the sound; with `sheets`, a picture."""
    judge = open_sound_judge()
    model = hearing_ember(request.size[0])
    found = {label: list(_clips(label, request.data)) for label in LABELS}
    clips = {label: heard for label, heard in found.items() if heard}
    results: list[Result] = []
    for encoding in ("projector", "mapper"):
        every: list[tuple[int, int]] = []
        for label in clips:
            ranks = judged(model, judge, label, clips[label], encoding)
            results.append({"name": f"sights/{encoding}/{label}", **figures_of(ranks)})
            every += ranks
        results.append({"name": f"sights/{encoding}", **figures_of(every)})
        results += _controls(model, judge, clips, encoding)
    if request.sheets is not None:
        _write(model, clips, request.sheets)
    model.close()
    return results


def hearing_ember(side_px: int) -> FeedbackModel:
    """Ember with its shipped adapters, on the CPU."""
    model = open_ember(ModelRequest("ember", side_px, side_px, "cpu", "float32"))
    model.use_adapters(AdapterShelf({}, open_adapter))
    return model


def judged(
    model: FeedbackModel,
    judge: SoundJudge,
    label: str,
    clips: Sequence[SoundMoment | None],
    encoding: str = "projector",
) -> list[tuple[int, int]]:
    """Ranks of `label` and of the scene in every scene's pictures, one per clip; None: silence."""
    ranks: list[tuple[int, int]] = []
    for prompt, scene in SCENES.items():
        pictures = [
            painted(model, prompt, clip, encoding, seed=seed) for seed, clip in enumerate(clips)
        ]
        ranks += judge.ranks(pictures, label, scene)
    return ranks


def painted(
    model: FeedbackModel, prompt: str, clip: SoundMoment | None, encoding: str, *, seed: int = 0,
    mix: float | None = None,
) -> Uint8:  # fmt: skip
    """One picture from nothing, mixed as is usual for an encoding unless told otherwise.

    Raises `ModelLoadError` where the sound is not in it.
    """
    if mix is None:
        mix = usual_mix(encoding, None, told=bool(prompt))
    if clip is None:
        mix = 0.0
    values = defaults() | {
        "sound/mix": mix, "sound/encoding": float(SOUND_ENCODINGS.index(encoding)),
        "diffusion/seed": float(seed),
    }  # fmt: skip
    words = (PromptWeight(prompt, 1.0),)
    control = ControlState(0, 0.0, 0.0, values, Travel(), words, 0, 0, 0.0, silent=False)
    model.restart()
    model.sound_window_s(values)
    if model.sound_message:
        raise ModelLoadError(model.sound_message)
    model.hear(() if clip is None else ((clip, 1.0),))
    return model.generate(control, 0.0)


def figures_of(ranks: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Shares of pictures in which sound and scene come first, or among the first three."""
    table = np.array(ranks)
    return {
        f"{what}{suffix}": round(float((table[:, column] < most).mean()), 3)
        for column, what in enumerate(("sound", "scene"))
        for suffix, most in (("", 1), ("_in_3", 3))
    }


def synthesised(label: str, number: int) -> SoundMoment:
    """A clip that nobody has heard before, its loudest two seconds."""
    rng = np.random.default_rng((_SEED, LABELS.index(label), number))
    return _loudest(SOUNDS[label](rng, 5.0), SAMPLE_RATE_HZ)


def _clips(label: str, data: Path | None) -> Iterator[SoundMoment]:
    files = [] if data is None else _recordings(data / "esc10", label)
    for number in range(CLIPS):
        if not files:
            if label in SOUNDS:  # nobody has synthesised a rooster yet
                yield synthesised(label, number)
        else:
            with SoundReader(files[number * len(files) // CLIPS]) as reader:
                yield _loudest(reader.read_all().mean(axis=1), reader.sample_rate)


def _recordings(folder: Path, label: str) -> list[Path]:
    tables = sorted(folder.glob("*.csv"))
    if not tables:
        raise AudioFileError(f"{folder} has no table of clips: leave --data, or give its folder")
    with tables[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = (_CATEGORY.get(label), _HELD_OUT_FOLD)
    return [folder / row["file"] for row in rows if (row["category"], row["fold"]) == wanted]


def _loudest(samples: Float32, sample_rate: int) -> SoundMoment:
    length = round(WINDOW_S * sample_rate)
    power = np.cumsum(np.concatenate([[0.0], samples.astype(np.float64) ** 2]))
    ends = np.arange(min(length, len(samples)), len(samples) + 1)
    end = int(ends[np.argmax(power[ends] - power[np.maximum(ends - length, 0)])])
    return SoundMoment(samples[max(0, end - length) : end].astype(np.float32), sample_rate)


def _controls(
    model: FeedbackModel,
    judge: SoundJudge,
    clips: Mapping[str, Sequence[SoundMoment]],
    encoding: str,
) -> list[Result]:
    """The same questions about pictures that heard nothing, and that heard another label."""
    silence: list[tuple[int, int]] = []
    other: list[tuple[int, int]] = []
    labels = list(clips)
    for index, label in enumerate(labels):
        silence += judged(model, judge, label, [None] * CLIPS, encoding)
        wrong = labels[(index + 1) % len(labels)]
        other += judged(model, judge, label, clips[wrong], encoding)
    return [
        {"name": f"sights/{encoding}/silence", **figures_of(silence)},
        {"name": f"sights/{encoding}/other", **figures_of(other)},
    ]


def _write(model: FeedbackModel, clips: Mapping[str, Sequence[SoundMoment]], folder: Path) -> None:
    """Rows: silence and the sounds; columns: the prompts."""
    import cv2

    cells: list[Cell] = []
    for name in ("no sound", *clips):
        for column, prompt in enumerate(SCENES):
            clip = None if name == "no sound" else clips[name][0]
            picture = painted(model, prompt, clip, "projector")
            small = cv2.resize(picture, (_CELL_PX, _CELL_PX), interpolation=cv2.INTER_AREA)
            title = f"{name}: {prompt}" if column == 0 else prompt
            cells.append(Cell(np.asarray(small, np.uint8), title))
    folder.mkdir(parents=True, exist_ok=True)
    write_sheet(folder / "sound_sights.jpg", contact_sheet(cells, columns=len(SCENES)))
