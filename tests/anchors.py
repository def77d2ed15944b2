"""The governor and the anchor with the host's numbers beside them, for tests of what they do."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.diffusion.coherence import ColourAnchor
from engine.diffusion.frame_params import FrameParams
from engine.diffusion.governor import AT_REST, Governor
from engine.messages import ControlState, PromptWeight

CPU = torch.device("cpu")
Figures = np.ndarray


class PlannedGovernor:
    """A governor that takes and returns arrays."""

    def __init__(self) -> None:
        self.params = FrameParams(CPU)
        self.governor = Governor(self.params, CPU)
        self._started = torch.zeros(())

    def look(
        self,
        figures: Figures,
        prompts: tuple[PromptWeight, ...],
        values: dict[str, float],
        dt_s: float,
    ) -> None:
        self.governor.plan(prompts, values, dt_s)
        self.governor.look(torch.from_numpy(figures), torch.tensor(True), self._started)
        self._started.fill_(1.0)

    def forget(self) -> None:
        self.governor.forget()
        self._started.zero_()

    @property
    def at_rest(self) -> bool:
        return float(self.governor.unrest()) < AT_REST

    def aim(self, figures: Figures) -> Figures:
        return self.governor.aim(torch.from_numpy(figures)).numpy()

    def leashed(self, figures: Figures, prompts: tuple[PromptWeight, ...]) -> Figures:
        self.governor.plan_homes(prompts)
        return self.governor.leashed(torch.from_numpy(figures)).numpy()

    def trim(self, own: float, shared: float, mask: float) -> float:
        sums = torch.tensor([own, shared, mask], dtype=torch.float64)
        return float(self.governor.trim(*sums))


class PlannedAnchor(ColourAnchor):
    """An anchor that is told about every picture at once."""

    def __init__(self, width: int, height: int) -> None:
        self.params = FrameParams(CPU)
        super().__init__(width, height, CPU, self.params)

    def learnt(self, picture: Tensor, strength: float, dt_s: float, control: ControlState) -> None:
        self.plan(control, strength, dt_s)
        self.learn(picture)

    def pulled(self, picture: Tensor, amount: float) -> Tensor:
        self.params.set("anchor", amount)
        return self.pull(picture)

    def crispened(self, picture: Tensor, amount: float) -> Tensor:
        self.params.set("firmness", min(1.0, amount / 0.25))
        return self.crispen(picture)
