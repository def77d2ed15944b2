"""Training checkpoints: one safetensors file with tensors and a JSON note, replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.errors import TrainingError

_NOTE = "note"


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write to a neighbour file and rename it, so that a kill leaves the old one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    plain = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    save_file(plain, temporary, metadata={_NOTE: json.dumps(dict(note))})
    temporary.replace(path)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the note; raises `TrainingError` where the file is no checkpoint."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            note = json.loads((file.metadata() or {})[_NOTE])
    except FileNotFoundError as error:
        raise TrainingError(f"{path} is missing: run the earlier stage first") from error
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise TrainingError(f"{path} is damaged: delete it and train again") from error
    return tensors, note


LONGEST_STEP_S = 60.0


class TrainState:
    """Network, its moving average and its optimiser as one flat set of tensors."""

    def __init__(self, network: nn.Module, optimiser: torch.optim.AdamW, decay: float) -> None:
        self.network = network
        self.optimiser = optimiser
        self.decay = decay
        self.step = 0
        self.seconds = 0.0
        self.average = {key: value.detach().clone() for key, value in _floats(network).items()}

    def set_rate(self, rate: float) -> None:
        """Let the next steps learn at this rate."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def spend(self, seconds: float) -> None:
        """Count the time of one step; what is longer than any step was a pause, not work."""
        self.seconds += min(seconds, LONGEST_STEP_S)

    def learn(self, loss: Tensor, most_norm: float = 1.0) -> float:
        """Take one step down a loss; return the norm its gradient had. See `advance`."""
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        return self.advance(most_norm)

    def advance(self, most_norm: float = 1.0) -> float:
        """Take one step down the gradient that is there, clipped to `most_norm`; count it."""
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), most_norm)
        self.optimiser.step()
        self.step += 1
        self.update_average()
        return float(norm)

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the average towards the network; young averages move faster."""
        keep = min(self.decay, (1 + self.step) / (10 + self.step))
        current = _floats(self.network)
        torch._foreach_lerp_(
            [self.average[key] for key in current], list(current.values()), 1 - keep
        )

    @torch.no_grad()
    def take_average(self) -> None:
        """Let the average be the network as it is, as after loading other weights."""
        for key, value in _floats(self.network).items():
            self.average[key].copy_(value)

    def averaged_state(self) -> dict[str, Tensor]:
        """State dictionary of the network with averaged weights."""
        return dict(self.network.state_dict()) | self.average

    def save(
        self, path: Path, note: Mapping[str, Any], extra: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write everything that `restore` needs, and `extra` tensors beside it."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        for index, slot in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in slot.items()}
        tensors |= extra or {}
        save_checkpoint(path, tensors, {**note, "step": self.step, "seconds": self.seconds})

    def restore(self, path: Path) -> dict[str, Any]:
        """Take up where `save` stopped; return its note."""
        tensors, note = load_checkpoint(path)
        try:
            self.network.load_state_dict(_part(tensors, "network."))
        except RuntimeError as error:
            raise TrainingError(
                f"{path} is of another architecture: delete it and train again"
            ) from error
        for key, value in _part(tensors, "average.").items():
            self.average[key].copy_(value)
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in _part(tensors, "optimiser.").items():
            index, name = key.split(".")
            slots.setdefault(int(index), {})[name] = value
        state = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": slots, "param_groups": state["param_groups"]})
        self.step, self.seconds = int(note["step"]), float(note["seconds"])
        return note


def averaged_weights(path: Path) -> dict[str, Tensor]:
    """Only the averaged weights of a checkpoint, completed by what is not averaged."""
    tensors, _ = load_checkpoint(path)
    return _part(tensors, "network.") | _part(tensors, "average.")


def stored_part(path: Path, prefix: str) -> dict[str, Tensor]:
    """Tensors of a checkpoint whose names start with `prefix`, without it."""
    return _part(load_checkpoint(path)[0], prefix)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _floats(network: nn.Module) -> dict[str, Tensor]:
    state = network.state_dict()
    return {key: value for key, value in state.items() if value.is_floating_point()}
