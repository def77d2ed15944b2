"""Trains one stage of a projector through accelerate: mixed precision, one GPU or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.conditioning.projector.network import Projector, SonicProjector
from engine.conditioning.projector.plan import COLDEST, HOTTEST, temperature
from engine.errors import TrainingError
from engine.training.ember.checkpoint import load_checkpoint, save_checkpoint
from engine.training.projector.examples import Examples
from engine.training.projector.plan import StagePlan
from engine.training.projector.stage_loss import Lesson, StageLoss, TextFacts
from engine.training.projector.targets import Target

_BETAS = (0.9, 0.999)
_WEIGHT_DECAY = 0.01
_LAST_STAGE = 3


def accelerator(device: str, precision: str, accumulate: int) -> Any:
    """Return accelerate's own; `precision` is one of `PRECISIONS`. Raises `TrainingError`."""
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
    except ImportError as error:
        raise TrainingError(
            "training a projector needs accelerate, which is not installed: "
            "pip install 'sonolume[training]'"
        ) from error
    if precision == "auto":
        half = device == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bfloat16" if half else "float32"
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision={"bfloat16": "bf16", "float32": "no"}[precision],
        gradient_accumulation_steps=accumulate,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


class ProjectorTrainer:
    """One step at a time; everything random comes from the seed and the step number."""

    def __init__(
        self,
        network: Projector | SonicProjector,
        target: Target,
        examples: Examples,
        facts: TextFacts,
        plan: StagePlan,
        accelerate: Any,
    ) -> None:
        self.step_count = 0
        self.network, self.target, self.plan = network, target, plan
        self._examples = examples
        self._accelerate = accelerate
        loss = StageLoss(plan.stage, network, target, facts).to(accelerate.device)
        trained = _choose_trained(loss, target, plan.stage)
        self._names = [name for name, _ in trained]
        self._parameters = [parameter for _, parameter in trained]
        optimiser = torch.optim.AdamW(
            self._parameters, plan.learning_rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY
        )
        self._loss, self._optimiser = accelerate.prepare(loss, optimiser)

    def step(self) -> dict[str, float]:
        """Take one step of the optimiser over all its small batches; return mean figures."""
        plan, accelerate = self.plan, self._accelerate
        self._loss.train()
        for group in self._optimiser.param_groups:
            group["lr"] = plan.rate(self.step_count)
        sums: dict[str, float] = {}
        for part in range(plan.accumulate):
            with accelerate.accumulate(self._loss):
                lesson = self._lesson(part)
                with accelerate.autocast():
                    loss, figures = self._loss(lesson)
                accelerate.backward(loss)
                if accelerate.sync_gradients:
                    accelerate.clip_grad_norm_(self._parameters, plan.clip_norm)
                self._optimiser.step()
                self._optimiser.zero_grad()
            for name, value in ({"loss": loss} | figures).items():
                sums[name] = sums.get(name, 0.0) + float(value.detach()) / plan.accumulate
        if not np.isfinite(sums["loss"]):
            raise TrainingError(
                f"the loss of step {self.step_count} is not a number: go on with --resume and "
                "--precision float32"
            )
        self.step_count += 1
        return sums

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs."""
        tensors: dict[str, Tensor] = {
            f"parameter.{n}": p for n, p in zip(self._names, self._parameters, strict=True)
        }
        for index, slot in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in slot.items()}
        save_checkpoint(path, tensors, {**self._note(), "step": self.step_count})

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped. Raises `TrainingError` where it was another training."""
        tensors, note = load_checkpoint(path)
        for key, value in self._note().items():
            if note.get(key) != value:
                raise TrainingError(
                    f"{path} was trained with {key} {note.get(key)}, now it is {value}: train "
                    "with the same, or begin anew without --resume"
                )
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, index, key = name.split(".")
                slots.setdefault(int(index), {})[key] = tensor
        with torch.no_grad():
            for name, parameter in zip(self._names, self._parameters, strict=True):
                parameter.copy_(tensors[f"parameter.{name}"])
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": slots, "param_groups": groups})
        self.step_count = int(note["step"])

    def _note(self) -> dict[str, Any]:
        """What a checkpoint must agree in, as JSON brings it back."""
        plan = self.network.plan
        return {
            "stage": self.plan.stage, "steps": self.plan.steps, "seed": self.plan.seed,
            "batch": self.plan.batch, "accumulate": self.plan.accumulate,
            "target": str(plan.target), "input_width": plan.input_width,
            "settings": plan.settings(),
        }  # fmt: skip

    def _lesson(self, part: int) -> Lesson:
        plan, process = self.plan, self._accelerate.process_index
        rng = np.random.default_rng((plan.seed, self.step_count, part, process))
        # Dropout draws from torch's own generator, everything else from one that is handed over.
        torch.manual_seed(int(rng.integers(2**62)))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        places = [int(place) for place in self._examples.draw(rng, plan.batch)]
        latents = None
        if plan.stage > 1:
            side = self.target.picture_px
            latents = self.target.latents(self._examples.pictures_of(places, side, side))
        return Lesson(
            self._examples.views_of(places, rng).to(self._accelerate.device),
            [self._examples.pairs[place].caption for place in places],
            latents,
            _temperature(plan, self.step_count),
            generator,
        )


def _temperature(plan: StagePlan, step: int) -> float:
    """Stage 1 is soft, stage 2 cools down, stage 3 is as it is on stage."""
    if plan.stage == 1:
        return HOTTEST
    if plan.stage == _LAST_STAGE:
        return COLDEST
    return temperature(step, plan.steps, min(200, plan.steps // 10))


def _choose_trained(
    loss: StageLoss, target: Target, stage: int
) -> list[tuple[str, torch.nn.Parameter]]:
    """Freeze what this stage leaves alone; return the rest by name.

    Stage 1 knows no picture, so no adapter either; the last one moves the last layers alone.
    """
    moved: list[torch.nn.Module] = [loss.network] if stage == 1 else [loss]
    if stage == _LAST_STAGE:
        moved = [*loss.network.last_layers(), *target.last_layers()]
    loss.requires_grad_(False)
    for module in moved:
        module.requires_grad_(True)
    return [(n, parameter) for n, parameter in loss.named_parameters() if parameter.requires_grad]
