"""Whether "without" means without: pictures of a thing named, denied and not spoken of.

All three begin with the same noise. A denial is obeyed where its picture is nearer to that of the
prompt which does not speak of the thing than to that of the prompt which has it, as the judge sees
them. Who paints every word that is heard gets 0, who is deaf to the word gets 1/2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bench.area import Result
from engine.bench.orders import STEPS, Order, paint_all, seed_of
from engine.diffusion.bundle import Bundle
from engine.scoring.held_out_phrases import NEGATIONS
from engine.scoring.judge import Judge

_PROMPTS = 3


def negation_of(
    bundle: Bundle, size: tuple[int, int], judge: Judge, *, pictures: int, seed: int
) -> Result:
    """Share of denials that are obeyed, in [0, 1], per number of calls, and by denial.

    Paints `pictures` of each of three prompts. Deterministic by `seed` on one machine.
    """
    orders = [
        Order(prompt, "", None, seed_of(seed, "negation", index, k))
        for index, prompts in enumerate(NEGATIONS)
        for k in range(pictures)
        for prompt in prompts
    ]
    painted = paint_all(bundle, size, judge, orders)
    obeyed = {steps: _obeyed(np.concatenate(painted[steps].features)) for steps in STEPS}
    return {"name": "ember/quality/negation", **figures(obeyed, pictures)}


def figures(obeyed: Mapping[int, Sequence[bool]], pictures: int) -> Result:
    """`accuracy_1`, `accuracy_2`... and a row for each denial with the share that obeys it."""
    rows = [
        {"prompt": denied, **{
            f"accuracy_{steps}": round(float(np.mean(found[k * pictures : (k + 1) * pictures])), 4)
            for steps, found in obeyed.items()
        }}
        for k, (_, denied, _) in enumerate(NEGATIONS)
    ]  # fmt: skip
    shares = {f"accuracy_{steps}": round(float(np.mean(x)), 4) for steps, x in obeyed.items()}
    return {**shares, "pictures": _PROMPTS * pictures * len(NEGATIONS), "denials": rows}


def _obeyed(features: NDArray[np.float32]) -> list[bool]:
    """Whether each denial is nearer to what is not spoken of; features `(3 n, f)`."""
    present, denied, absent = features.reshape(-1, _PROMPTS, features.shape[1]).transpose(1, 0, 2)
    to_present = np.linalg.norm(denied - present, axis=1)
    to_absent = np.linalg.norm(denied - absent, axis=1)
    return [bool(near) for near in to_absent < to_present]
