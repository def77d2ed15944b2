"""Sound beside the prompt: the embedding of what is heard, mixed into that of what is said.

    SoundMoment -> SoundEncoding -> rows as a text encoder writes them -> E' = (1-a) E_text + a E

Where `sound/mix` is 0, nothing is asked, computed or copied, and the prompt goes on as it came.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.conditioning.bank_prompts import BANK_PROMPTS
from engine.conditioning.encodings import AdapterShelf, open_encoding
from engine.conditioning.projector.encoding import ProjectorEncoding
from engine.conditioning.projector.network import Hearing
from engine.conditioning.projector.plan import NORM
from engine.conditioning.projector.projector_file import has_ears
from engine.conditioning.raw_encoding import loudness_rms
from engine.conditioning.sound_embedding import (
    VIEWS,
    LevelShares,
    SoundEmbedding,
    SoundEncoding,
    SoundMoment,
    TargetSpec,
)
from engine.conditioning.sound_mix import MOST_STRETCH, bent, mixed
from engine.conditioning.text_statistics import TextStatistics, text_statistics
from engine.diffusion.bundle import Bundle, HeardRows, HearsSound, PromptEmbedding
from engine.diffusion.prompts import PromptBank
from engine.diffusion.sound_led import HeardPart
from engine.errors import EngineError
from engine.messages import Float32
from engine.sound_choices import RAW_ENCODINGS, SOUND_ENCODINGS, SOUND_SCALES, unread_by

logger = logging.getLogger(__name__)

_TINY = 1e-6
_LEAST_MIX = 1e-3
_EVENNESS = 0.7
"""Of the slider to what gated attention adds: below a third of it, hardly anything is seen."""
_KEPT = 4
"""Newest embeddings, so that a slice is encoded once for all pictures that it has a share of."""


class SoundBlend:
    """Mixes sound into the prompts of one bundle. Diffusion thread only, in inference mode.

    Live, the statistics that raw encodings are scaled by are gathered beside the pictures: the
    first answer to the sound comes some pictures after the fader is opened.
    """

    def __init__(self, bundle: Bundle, prompts: PromptBank) -> None:
        self.ears_changed = 0
        """Counts up when the denoiser got other ears, or lost them."""
        self._bundle = bundle
        self._prompts = prompts
        self._listens = False  # the fader is open
        self._refused = ""  # why there is no encoding
        self._shelf = AdapterShelf()
        self._parts: Sequence[HeardPart] = ()
        self._text: TextStatistics | None = None
        self._opened: tuple[str, str] | None = None
        self._encoding: SoundEncoding | None = None
        self._file: Path | None = None
        self._embedded: list[tuple[SoundMoment, SoundEmbedding | None]] = []
        self._heard: tuple[SoundEmbedding, HeardRows] | None = None
        self._hearing = False
        self._eared = False
        self._tokens: Tensor | None = None
        self._pooled: Tensor | None = None

    @property
    def message(self) -> str:
        """See `SoundLed.sound_message`."""
        if not self._listens or self._encoding is None:
            return self._refused
        return self._encoding.message

    @property
    def hearing(self) -> bool:
        """Whether the denoiser hears the next picture's sound beside its prompt."""
        return self._hearing

    @property
    def levels(self) -> LevelShares | None:
        """See `SoundLed.sound_levels`."""
        encoding = self._encoding
        return encoding.levels if isinstance(encoding, ProjectorEncoding) else None

    @property
    def adapter(self) -> tuple[str, Path] | None:
        """See `SoundLed.sound_adapter`."""
        if self._encoding is None or self._opened is None or self._file is None:
            return None
        return self._opened[0], self._file

    @property
    def unread(self) -> tuple[str, ...]:
        """See `SoundLed.sound_unread`; ears leave no row of a prompt that could be bent."""
        encoding = self._encoding
        if encoding is None or self._opened is None:
            return ()
        own = encoding.unread if isinstance(encoding, ProjectorEncoding) else ()
        ears = ("sound/bend",) if self._eared else ()
        return (*unread_by(self._opened[0]), *own, *ears)

    @property
    def step_s(self) -> float:
        """See `SoundLed.sound_step_s`."""
        return 0.0 if self._encoding is None else self._encoding.step_s

    def use_adapters(self, shelf: AdapterShelf) -> None:
        """See `SoundLed`."""
        self._shelf = shelf
        self._close()

    def exchange_adapter(self, name: str, shelf: AdapterShelf) -> None:
        """See `SoundLed`; where it is not listened by now, its ears are tried when it is."""
        file = shelf.file_of(name, self._bundle.name)
        encoding = self._encoding_of(name, file, "", shelf)
        before, self._shelf = self._shelf, shelf
        if self._opened is None or self._opened[0] != name:
            return
        self._close()
        try:
            self._adopt((name, ""), encoding, file)
        except EngineError:
            self._shelf = before  # opened again by the next picture
            self._close()
            raise

    def window_s(self, values: Mapping[str, float]) -> float:
        """See `SoundLed`; opens what is asked for."""
        self._listens = values["sound/mix"] >= _LEAST_MIX
        if not self._listens:
            self._refused = ""
            return 0.0
        self._open(
            SOUND_ENCODINGS[int(values["sound/encoding"])],
            SOUND_SCALES[int(values["sound/scale"])],
        )
        return 0.0 if self._encoding is None else self._encoding.window_s

    def hear(self, parts: Sequence[HeardPart]) -> None:
        """See `SoundLed`."""
        self._parts = parts

    def step(self, prompt: PromptEmbedding, values: Mapping[str, float]) -> PromptEmbedding:
        """Return the prompt with the sound mixed in; itself where there is nothing to mix.

        Its tensors are overwritten by the next blend.
        """
        mix = values["sound/mix"]
        self._hearing = False
        if mix < _LEAST_MIX or self._encoding is None or not self._parts:
            return prompt
        if isinstance(self._encoding, ProjectorEncoding):
            self._encoding.set(_hearing(values, self._encoding.natural_norm))
        heard = [(self._embed(moment), share) for moment, share in self._parts]
        parts = [(each, share) for each, share in heard if each is not None]
        total = sum(share for _, share in parts)  # silence has no share of a picture
        if not parts or mix * total < _LEAST_MIX:
            return prompt
        if self._eared:
            self._hear(self._encoding, parts[0][0], mix * total)
            return prompt
        sound = mixed([each for each, _ in parts], [share / total for _, share in parts])
        rms = sum(share * loudness_rms(moment.samples) for moment, share in self._parts)
        return self._blend(prompt, bent(sound, rms, values["sound/bend"]), mix * total)

    def forget(self) -> None:
        """The text encoder's weights have changed: it writes in another way now."""
        self._text = None
        self._close()

    def _open(self, name: str, scale: str) -> None:
        """Have the encoding that is asked for; None while it cannot be had."""
        key = (name, scale if name in RAW_ENCODINGS else "")
        if key == self._opened:
            return
        raw = name in RAW_ENCODINGS
        if raw and self._text is None and not self._prompts.gather(BANK_PROMPTS):
            return
        self._close()
        self._opened = key
        file = self._shelf.file_of(name, self._bundle.name)
        try:
            self._adopt(key, self._encoding_of(name, file, scale, self._shelf), file)
        except EngineError as error:
            self._encoding = None
            self._refused = str(error)
            logger.info("sound is not mixed in: %s", error)

    def _encoding_of(
        self, name: str, file: Path | None, scale: str, shelf: AdapterShelf
    ) -> SoundEncoding:
        return open_encoding(
            name, file, target_of(self._prompts.on_host("")),
            scale=scale, text=self._statistics, opener=shelf.opener,
        )  # fmt: skip

    def _adopt(self, key: tuple[str, str], encoding: SoundEncoding, file: Path | None) -> None:
        self._opened, self._encoding, self._file = key, encoding, file
        self._put_ears_on(file)

    def _put_ears_on(self, file: Path | None) -> None:
        """Have the denoiser itself hear, where the adapter has attention for it."""
        if file is None or not isinstance(self._encoding, ProjectorEncoding):
            return
        if isinstance(self._bundle, HearsSound) and has_ears(file):
            self._bundle.attach_sound(file)
            self._eared = True
            self.ears_changed += 1

    def _hear(self, encoding: SoundEncoding, sound: SoundEmbedding, strength: float) -> None:
        assert isinstance(encoding, ProjectorEncoding)
        assert isinstance(self._bundle, HearsSound)
        if self._heard is None or self._heard[0] is not sound:
            by_stage = self._bundle.hears_by_stage
            self._heard = (sound, self._rows(encoding, sound, by_stage=by_stage))
        self._bundle.hear(self._heard[1], strength**_EVENNESS)
        self._hearing = True

    def _rows(
        self, encoding: ProjectorEncoding, sound: SoundEmbedding, *, by_stage: bool
    ) -> HeardRows:
        def there(array: Float32) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self._bundle.device)

        return HeardRows(
            there(sound.tokens),
            None if sound.pooled is None else there(sound.pooled),
            there(encoding.newest_stage_rows()) if by_stage else None,
            there(encoding.silence()) if by_stage else None,
        )

    def _close(self) -> None:
        if self._eared and isinstance(self._bundle, HearsSound):
            self._bundle.attach_sound(None)
            self.ears_changed += 1
        self._eared = self._hearing = False
        self._heard = None
        self._encoding, self._opened, self._file, self._refused = None, None, None, ""
        self._embedded.clear()

    def _statistics(self) -> TextStatistics:
        if self._text is None:
            self._text = text_statistics(
                [_as_sound(self._prompts.on_host(text)) for text in BANK_PROMPTS]
            )
        return self._text

    def _embed(self, moment: SoundMoment) -> SoundEmbedding | None:
        assert self._encoding is not None
        if isinstance(self._encoding, ProjectorEncoding):  # it remembers, and its settings move
            return self._encoding.embed(moment)
        for known, embedding in self._embedded:
            if known is moment:
                return embedding
        made = self._encoding.embed(moment)
        self._embedded = [*self._embedded[1 - _KEPT :], (moment, made)]
        return made

    def _blend(
        self, prompt: PromptEmbedding, sound: SoundEmbedding, mix: float
    ) -> PromptEmbedding:
        tokens = _mix(self._tokens, prompt.tokens, sound.tokens[None], mix)
        pooled = prompt.pooled
        if pooled is not None and sound.pooled is not None:
            pooled = self._pooled = _mix(self._pooled, pooled, sound.pooled[None], mix)
        self._tokens = tokens
        mask = None if prompt.mask is None else torch.ones_like(prompt.mask)
        return PromptEmbedding(tokens, pooled, mask, passing=True)


def _hearing(values: Mapping[str, float], natural_norm: float) -> Hearing:
    gates = tuple(values[f"sound/{level}"] for level in VIEWS)
    norm = natural_norm * values["sound/norm"] / NORM
    return Hearing(values["sound/temperature"], norm, (gates[0], gates[1], gates[2]))


def target_of(prompt: PromptEmbedding) -> TargetSpec:
    """The prompt space that an encoded prompt is of."""
    pooled = 0 if prompt.pooled is None else prompt.pooled.shape[-1]
    return TargetSpec(prompt.tokens.shape[1], prompt.tokens.shape[2], pooled)


def _as_sound(prompt: PromptEmbedding) -> SoundEmbedding:
    pooled = None if prompt.pooled is None else prompt.pooled[0].float().numpy()
    return SoundEmbedding(prompt.tokens[0].float().numpy(), pooled)


def _mix(target: Tensor | None, text: Tensor, sound: Float32, mix: float) -> Tensor:
    """(1-a) E_text + a E_sound, each row as long as theirs are on average; in place once it can.

    The same as `engine.conditioning.sound_mix.mixed`, where the prompt is.
    """
    heard = torch.from_numpy(np.ascontiguousarray(sound, np.float32)).to(
        text.device, non_blocking=True
    )
    said = text.float()
    mean = (1.0 - mix) * said + mix * heard
    wanted = (1.0 - mix) * said.norm(dim=-1, keepdim=True)
    wanted += mix * heard.norm(dim=-1, keepdim=True)
    mean *= (wanted / (mean.norm(dim=-1, keepdim=True) + _TINY)).clamp_(max=MOST_STRETCH)
    if target is None:
        target = torch.empty_like(text)
    return target.copy_(mean)
