"""The picture loop: the previous picture, moved and noised, is painted anew for the new state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.sound_embedding import LevelShares
from engine.diffusion.breath import breathe_between_blocks
from engine.diffusion.bundle import Bundle, Guided, GuidedInside, HearsSound, Ponderous
from engine.diffusion.frame import FrameMode, FrameProgram, FrameState
from engine.diffusion.frame_params import MOST_CALLS
from engine.diffusion.fresh import strengths
from engine.diffusion.governor import AT_REST
from engine.diffusion.lora import Changed
from engine.diffusion.lora_rack import LoraRack
from engine.diffusion.outbox import Outbox
from engine.diffusion.picture_memory import PictureMemory
from engine.diffusion.prompts import PromptBank
from engine.diffusion.runners.frames import FrameOpener, FrameRunner, direct_frames
from engine.diffusion.sound_blend import SoundBlend
from engine.diffusion.sound_led import HeardPart
from engine.diffusion.warp import is_bent, is_still
from engine.errors import ModelLoadError
from engine.messages import ControlState, LoraChoice, Reading, Travel, Uint8

_GOLDEN = 0.618034
_UNFIT_IN_A_ROW = 3
"""An overflow may happen; what is painted anew that often in vain will not come right."""


class FeedbackModel:
    """An `ImageModel` out of any `Bundle`: img2img of the previous picture, one call a picture.

    The host's side of a frame: it decides what kind of frame is painted next, writes the numbers
    that steer it into one vector, has a runner execute `FrameProgram`, and hands the picture over.
    It never asks the device anything but for finished frames. Diffusion thread only.
    """

    def __init__(
        self, bundle: Bundle, width: int, height: int, frames: FrameOpener = direct_frames,
        *, live: bool = False, notice: str = "",
    ) -> None:  # fmt: skip
        self.notice = notice
        """One line that the user should know about how it was opened; empty when all is well."""
        self.width, self.height = bundle.size_rule.nearest(width, height)
        self._bundle = bundle
        self._prompts = PromptBank(bundle, live=live)
        self._sound = SoundBlend(bundle, self._prompts)
        self._loras = LoraRack(bundle)
        self._state = FrameState(bundle, self.width, self.height)
        self._memory = PictureMemory(bundle, self._state)
        self._outbox = Outbox(self._state.pixels, self._state.report)
        self._frames = frames(FrameProgram(bundle, self._state), self._state)
        self._has_picture = self._has_latent = False
        self._learnt = self._at_rest = True
        self._painted = 0
        self._ears = 0
        self._unfit = 0  # pictures in a row that were no numbers
        self._newest: Uint8 | None = None
        self._travel = Travel()
        self.restart()

    @property
    def name(self) -> str:
        """What the window shows."""
        return self._bundle.name

    @property
    def bundle(self) -> Bundle:
        """The checkpoint it paints with."""
        return self._bundle

    @property
    def frames(self) -> FrameRunner:
        """What executes its frames."""
        return self._frames

    @property
    def runner(self) -> str:
        """What executes it now: frames as a whole, or the networks in them."""
        name = self._frames.name
        return name if name != "eager" else getattr(self._bundle, "runner", name)

    @property
    def runner_message(self) -> str:
        """See `OnRunner`."""
        return self._frames.message

    def load(self) -> None:
        """Nothing is left to do: the bundle is open."""

    def breathe(self) -> None:
        """See `Breathing`; what a device records has no such places."""
        if self._frames.stepwise and isinstance(self._bundle, Ponderous):
            breathe_between_blocks(self._bundle.networks)

    @torch.inference_mode()
    def start_from(self, pixels: Uint8) -> None:
        """Make `(h, w, 3)` RGB the previous picture, an init image, scaled to fit the model."""
        tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1).unsqueeze(0).float()
        tensor = torch.nn.functional.interpolate(
            tensor, (self.height, self.width), mode="bilinear", antialias=True
        )
        self._state.picture.copy_(tensor / 127.5 - 1.0)
        self._has_picture, self._has_latent = True, False
        self._memory.forget()

    @torch.inference_mode()
    def steer(self, picture: Uint8 | None) -> None:
        """Take the picture whose shapes are followed from now on; None: none."""
        self._state.steering.see(picture)

    @property
    def sound_message(self) -> str:
        """See `SoundLed`, as for those below."""
        return self._sound.message

    @property
    def sound_levels(self) -> LevelShares | None:
        """What a projector found in the newest sound."""
        return self._sound.levels

    @property
    def sound_step_s(self) -> float:
        """After how much sound it wants another."""
        return self._sound.step_s

    @property
    def sound_adapter(self) -> tuple[str, Path] | None:
        """Which adapter is open."""
        return self._sound.adapter

    @property
    def sound_unread(self) -> tuple[str, ...]:
        """Which parameters it does not read."""
        return self._sound.unread

    @torch.inference_mode()
    def use_adapters(self, shelf: AdapterShelf) -> None:
        """Which adapters there are."""
        self._sound.use_adapters(shelf)

    @torch.inference_mode()
    def exchange_adapter(self, name: str, shelf: AdapterShelf) -> None:
        """Use other adapters if one can be opened."""
        self._sound.exchange_adapter(name, shelf)

    @torch.inference_mode()
    def sound_window_s(self, values: Mapping[str, float]) -> float:
        """How much sound the next picture wants to hear."""
        return self._sound.window_s(values)

    def hear(self, parts: Sequence[HeardPart]) -> None:
        """Take the sound of the next picture."""
        self._sound.hear(parts)

    @torch.inference_mode()
    def put_on(self, loras: Sequence[LoraChoice]) -> None:
        """Merge these LoRAs and no others from the next picture on, see `LoraRack`."""
        self._drop_outdated(self._loras.put_on(loras))

    @property
    def advice(self) -> str:
        """One line on how the model would paint better; empty when all is well."""
        return self._memory.message or getattr(self._bundle, "advice", "")

    def generate(self, control: ControlState, dt_s: float) -> Uint8:
        """Paint the next picture, `(h, w, 3)` uint8, and wait for it."""
        self.submit(control, dt_s)
        return self.collect()

    @torch.inference_mode()
    def submit(self, control: ControlState, dt_s: float) -> None:
        """Have the next picture painted, at most two before they are collected."""
        self._drop_outdated(self._loras.follow(control.values, control.time_s))
        if isinstance(self._bundle, Guided):
            self._bundle.guide(self._state.steering.fitted, control.values)
        prompt = self._sound.step(self._prompts.step(control), control.values)
        if self._sound.ears_changed != self._ears:
            self._ears = self._sound.ears_changed
            self._state.prompt_shape += 1  # what is recorded has the denoiser's other ears
        mode = self._mode(control, dt_s)
        self._plan(mode, control, dt_s)
        self._state.params.send()
        empty = self._prompts.empty() if mode.guided else prompt
        self._state.hold_prompts(prompt, empty)
        self._bundle.hold(*((prompt, empty) if mode.guided else (prompt,)))
        self._frames.run(mode)
        self._outbox.post()
        self._has_picture = self._has_latent = self._learnt = True
        self._travel = control.travel
        self._painted += 1

    def collect(self) -> Uint8:
        """Wait for the oldest picture that was submitted and return it, `(h, w, 3)` uint8."""
        pixels, (unrest, fit) = self._outbox.take()
        self._at_rest = unrest < AT_REST
        if fit:
            self._unfit, self._newest = 0, pixels
            return pixels
        # An overflow would feed on itself for ever: the next picture is painted from nothing.
        self._has_picture = self._has_latent = False
        self._memory.forget()
        self._unfit += 1
        if self._unfit >= _UNFIT_IN_A_ROW or self._newest is None:
            raise ModelLoadError(
                f"{self.name} paints what is no number: its weights are damaged or overflow in "
                f"{str(self._bundle.dtype).removeprefix('torch.')}; fetch it again, or choose "
                "another --dtype (render) or model"
            )
        return self._newest

    @torch.inference_mode()
    def restart(self) -> None:
        """Forget the previous picture."""
        self._outbox.clear()
        self._has_picture = self._has_latent = self._learnt = False
        self._at_rest = True
        self._state.anchor.forget()
        self._memory.forget()

    @torch.inference_mode()
    def state(self) -> dict[str, Any]:
        """The previous picture, its latent, where it was, noise that was moved, and the anchor."""
        return {
            "picture": self._state.picture.cpu().numpy().copy(),
            "latent": self._state.latent.cpu().numpy().copy(),
            "has": [self._has_picture, self._has_latent, self._learnt, self._at_rest],
            "painted": self._painted,
            "travel": asdict(self._travel),
            "noise": self._state.noise.state(),
            "anchor": self._state.anchor.state(),
            "memory": self._memory.state(),
            "loras": self._loras.state(),
        }

    @torch.inference_mode()
    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the picture that `state` was taken after."""
        self._state.picture.copy_(torch.as_tensor(state["picture"]))
        self._state.latent.copy_(torch.as_tensor(state["latent"]))
        self._has_picture, self._has_latent, self._learnt, self._at_rest = state["has"]
        self._painted = state["painted"]
        self._travel = Travel(**state["travel"])
        self._state.noise.restore(state["noise"])
        self._state.anchor.restore(state["anchor"])
        self._memory.restore(state["memory"])
        self._drop_outdated(self._loras.restore(state["loras"]))

    def reading(self, prompt: str) -> Reading:
        """What the model makes of the words of a prompt."""
        return self._bundle.reading(prompt)

    def close(self) -> None:
        """Free the bundle."""
        self._frames.close()
        self._loras.close()
        self._bundle.close()

    def _drop_outdated(self, changed: Changed) -> None:
        if changed.picture:
            self._bundle.weights_changed()
        if changed.text:
            self._bundle.forget_prompts()
            self._prompts.forget()
            self._sound.forget()

    def _mode(self, control: ControlState, dt_s: float) -> FrameMode:
        """What kind of frame comes next."""
        values = control.values
        guidance = values["diffusion/guidance"] * self._bundle.natural_guidance
        inside = isinstance(self._bundle, GuidedInside) and self._bundle.take_guidance(guidance)
        guided = guidance != 1.0 and not inside
        anchored = values["diffusion/anchor"] > 0.0
        led = isinstance(self._bundle, Guided) and self._bundle.led
        heard = self._sound.hearing
        if isinstance(self._bundle, HearsSound) and not heard:
            self._bundle.hear(None, 0.0)
        steered = self._state.steering.amount(values["structure/amount"]) > 0.0
        recall = self._memory.plan(
            values["diffusion/memory"], dt_s, guided=guided, fresh=not self._has_picture
        )
        remembered, kept = recall != "none", recall == "kept"
        if not self._has_picture:
            fresh = self._bundle.fresh_steps
            return FrameMode("nothing", fresh, guided, anchored, led=led, heard=heard)
        calls = round(values["diffusion/steps"])
        still = is_still(self._travel, control.travel)
        if still and self._has_latent and not steered and not (anchored and not self._at_rest):
            return FrameMode(
                "latent", calls, guided, anchored, led=led, heard=heard,
                remembered=remembered, kept=kept,
            )  # fmt: skip
        return FrameMode(
            "picture", calls, guided, anchored,
            moved=not still, bent=is_bent(self._travel, control.travel),
            sharpened=values["diffusion/sharpen"] != 0.0,
            steered=steered, led=led, heard=heard,
            noise_moved=not still and values["diffusion/noise_warp"] > 0.0,
            remembered=remembered, kept=kept,
        )  # fmt: skip

    def _plan(self, mode: FrameMode, control: ControlState, dt_s: float) -> None:
        """Write all numbers of the frame into its vector."""
        values, params = control.values, self._state.params
        strength = 1.0 - values["diffusion/feedback"] * (1.0 - values["diffusion/strength"])
        if mode.source == "nothing":
            strength = 1.0
        levels = [self._bundle.noise_level(strength * share) for share in strengths(mode.calls)]
        params.set("levels", [(level.alpha, level.sigma, level.time) for level in levels])
        params.set("guidance", values["diffusion/guidance"] * self._bundle.natural_guidance)
        params.set("sharpen", values["diffusion/sharpen"])
        params.set("structure", values["structure/amount"])
        params.set("noise_warp", values["diffusion/noise_warp"])
        params.set("noise_turn", self._painted * _GOLDEN % 1.0)
        if mode.moved:
            params.set("warp", self._state.warp.plan(self._travel, control.travel))
        seed = int(values["diffusion/seed"])
        self._state.noise.plan(control.travel.noise_rad, mode.calls, seed)
        self._state.anchor.plan(control, strength, dt_s)
        assert mode.calls <= MOST_CALLS
