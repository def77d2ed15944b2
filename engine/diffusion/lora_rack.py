"""`LoraRack`: the LoRAs of one open model, exchanged and weighted between its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import nn

from engine.diffusion.lora import Changed, LoraStack
from engine.diffusion.lora_plan import plan_loras
from engine.errors import ModelLoadError
from engine.messages import LoraChoice
from engine.params import LORA_PARAMS


@runtime_checkable
class LoraBearer(Protocol):
    """What bundles can do whose networks take LoRAs. Diffusion thread only."""

    @property
    def name(self) -> str:
        """What the window shows."""
        ...

    @property
    def lora_networks(self) -> Mapping[str, nn.Module]:
        """Networks whose weights may be changed in place, by component: `unet`, `text_encoder`.

        Raises `ModelLoadError` where what executes them has a copy of its own.
        """
        ...

    def paint_in_few_steps(self, on: bool) -> None:
        """Know that a LoRA makes few steps enough, or that none does any more."""
        ...


class LoraRack:
    """Exchanges the LoRAs of a bundle, all or nothing. Diffusion thread only.

    What is returned says which caches are out of date.
    """

    def __init__(self, bundle: object) -> None:
        self._bundle = bundle
        self._stack: LoraStack | None = None

    def put_on(self, choices: Sequence[LoraChoice]) -> Changed:
        """Take off what is on and put these on; their weights are merged by the next `follow`.

        Raises `ModelLoadError`: the LoRAs of before then stay on.
        """
        if not choices:
            return self._take_off()
        if not isinstance(self._bundle, LoraBearer):
            name = getattr(self._bundle, "name", "this model")
            raise ModelLoadError(f"{name} takes no LoRAs")
        networks = self._bundle.lora_networks
        loras = plan_loras(networks, choices, self._bundle.name)
        before = self._stack
        changed = self._take_off()
        try:
            self._stack = LoraStack(networks, loras)
        except ModelLoadError:
            self._stack = before  # merged again by the next `follow`
            raise
        self._bundle.paint_in_few_steps(self._stack.few_step)
        return changed

    def follow(self, values: Mapping[str, float], time_s: float) -> Changed:
        """Merge the weights that the parameters ask for at musical time `time_s`."""
        if self._stack is None:
            return Changed()
        shares = [values[name] for name in LORA_PARAMS[: len(self._stack.loras)]]
        return self._stack.follow(shares, time_s)

    def state(self) -> dict[str, Any] | None:
        """What is merged; None without LoRAs."""
        return None if self._stack is None else self._stack.state()

    def restore(self, state: Mapping[str, Any] | None) -> Changed:
        """Merge what was merged when `state` was taken, with the same LoRAs put on."""
        if self._stack is None or state is None:
            return Changed()
        return self._stack.restore(state)

    def close(self) -> None:
        """Forget originals and factors; the weights stay as they are."""
        self._stack = None

    def _take_off(self) -> Changed:
        stack, self._stack = self._stack, None
        if stack is None:
            return Changed()
        if isinstance(self._bundle, LoraBearer):
            self._bundle.paint_in_few_steps(False)
        return stack.remove()
