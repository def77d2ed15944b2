"""The prompt bank: every prompt is encoded once, beside the pictures, and blended for each.

On a CPU exactly one thread may run torch, so a prompt is encoded on the diffusion thread too, in
slices between pictures: a quarter of a picture's time each. On CUDA the slices go to a stream of
their own. A prompt that a `ControlState` names as upcoming is ready before it is needed; one that
nobody could foresee appears a few pictures later, and the blend of before stays until then.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Sequence

from engine.diffusion.bundle import Bundle, PromptEmbedding, SlicedText
from engine.diffusion.prompt_job import EncodedPrompt, PromptJob, lane_for
from engine.diffusion.prompt_mixer import PromptMixer
from engine.diffusion.prompt_store import PromptStore
from engine.messages import ControlState, PromptWeight

CAPACITY = 64
LEAST_WEIGHT = 1e-3
"""Parts below it are left out."""
WORK_SHARE = 0.25
"""Of a picture's time, beside every picture, as long as there is a prompt to encode."""
_INTERVALS = 8


class PromptBank:
    """Encoded prompts of one bundle, the ones not asked for longest forgotten first.

    `live`: pictures may not wait for prompts. Otherwise (exports, which must not depend on how
    fast the machine is) each prompt is encoded in full when a picture first has a share of it.
    Diffusion thread only, in inference mode.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        live: bool = False,
        store: PromptStore | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`store` is the user's cache on disk unless given; used where encoding takes long."""
        self._bundle = bundle
        self._live = live
        self._store = store or PromptStore()
        self._now = now
        self._lane = lane_for(bundle.device)
        self._mixer = PromptMixer()
        self._encoded: OrderedDict[str, EncodedPrompt] = OrderedDict()
        self._jobs: dict[str, PromptJob] = {}
        self._to_keep: dict[str, str] = {}  # newly encoded: text and its key on disk
        self._blended: PromptEmbedding | None = None
        self._intervals_s: deque[float] = deque(maxlen=_INTERVALS)
        self._left_s: float | None = None
        self._also: tuple[str, ...] = ()  # to be encoded besides, see `gather`

    def step(self, control: ControlState) -> PromptEmbedding:
        """Return the blend for a picture, and encode a little of what is missing or upcoming."""
        weights = _counted(control.prompts)
        if self._live:
            self._note_picture()
            wanted = [part.text for part in weights]
            self._work([*wanted, *control.upcoming, *self._also])
            if self._blended is not None and any(text not in self._encoded for text in wanted):
                self._left_s = self._now()
                return self._blended
        blended = self.blend(weights, int(control.values["prompt/blend"]))
        self._left_s = self._now()
        return blended

    def blend(self, weights: Sequence[PromptWeight], blend: int) -> PromptEmbedding:
        """Return the mix of the weighted prompts, encoding at once those that are missing.

        Its tensors are overwritten by the next blend.
        """
        parts = _counted(weights)
        total = sum(part.weight for part in parts)
        prompts = [self._get(part.text) for part in parts]
        shares = [part.weight / total for part in parts]
        self._blended = self._mixer.mix(prompts, shares, blend)
        return self._blended

    def empty(self) -> PromptEmbedding:
        """Return the empty prompt, which guidance leads away from; encoded at once if need be."""
        return self._get("").embedding

    def gather(self, texts: Sequence[str]) -> bool:
        """Whether all of `texts`, fewer than `CAPACITY`, are encoded.

        Live, the missing ones are encoded beside the pictures to come; else `on_host` does it.
        """
        missing = [text for text in texts if text not in self._encoded]
        for text in texts:
            if text in self._encoded:
                self._encoded.move_to_end(text)
        self._also = tuple(texts) if missing and self._live else ()
        return not missing or not self._live

    def on_host(self, text: str) -> PromptEmbedding:
        """Return a prompt where the CPU can look at it, encoding it at once if need be."""
        return self._get(text).host

    def ready(self, text: str) -> bool:
        """Whether a prompt is encoded."""
        return text in self._encoded

    def forget(self) -> None:
        """Encode everything anew: the weights of the text encoder have changed."""
        self._encoded.clear()
        self._jobs.clear()
        self._blended = None

    def _get(self, text: str) -> EncodedPrompt:
        if text not in self._encoded:
            job = self._jobs.pop(text, None) or self._job(text)
            self._adopt(text, job.finish())
        self._encoded.move_to_end(text)
        return self._encoded[text]

    def _adopt(self, text: str, prompt: EncodedPrompt) -> None:
        self._lane.hand_over(prompt.embedding)
        self._encoded[text] = prompt
        if len(self._encoded) > CAPACITY:
            self._encoded.popitem(last=False)
        key = self._to_keep.pop(text, None)
        if key is not None:
            self._store.add(key, prompt.host)

    def _work(self, texts: Sequence[str]) -> None:
        """Encode what `texts` still lack, the first of them first, for a share of a picture."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._encoded]
        self._jobs = {text: job for text, job in self._jobs.items() if text in missing}
        until_s = self._now() + WORK_SHARE * min(self._intervals_s, default=0.0)
        for text in missing:
            job = self._jobs.pop(text, None) or self._job(text)  # one that is left midway is gone
            while (prompt := job.advance()) is None and not job.enqueued:
                if self._now() >= until_s:
                    self._jobs[text] = job
                    return
            if prompt is not None:
                self._adopt(text, prompt)
            else:
                self._jobs[text] = job
            if self._now() >= until_s:
                return

    def _note_picture(self) -> None:
        """Learn how long a picture takes without what is done here; the quickest of a few.

        A first picture, or one after a pause, takes longer and must not be the measure.
        """
        if self._left_s is not None:
            self._intervals_s.append(self._now() - self._left_s)

    def _job(self, text: str) -> PromptJob:
        return PromptJob(self._slices(text), self._lane)

    def _slices(self, text: str) -> Generator[None, None, PromptEmbedding]:
        bundle = self._bundle
        if not isinstance(bundle, SlicedText):
            return bundle.encode_prompt(text)
        key = bundle.text_key(text)
        kept = self._store.get(key, bundle.device)
        if kept is not None:
            return kept
        embedding = yield from bundle.encoding(text)
        self._to_keep[text] = key
        return embedding


def _counted(weights: Sequence[PromptWeight]) -> Sequence[PromptWeight]:
    return [part for part in weights if part.weight > LEAST_WEIGHT] or list(weights[:1])
