"""How good ember's pictures are, as the judge sees them: from phrasings no caption ever used.

Per number of calls from pure noise: does a picture show what was asked for (accuracy), in the
style asked for (style accuracy), does the whole look painted (Frechet distance), and is one prompt
always the same picture (diversity)? The same noise is used for every number of calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from engine.bench.area import BenchRequest, Result
from engine.bench.negation import negation_of
from engine.bench.orders import STEPS, THUMBNAIL_PX, Kind, Order, orders_for, paint_all
from engine.contact_sheet import Cell, contact_sheet, write_sheet
from engine.diffusion.bundle import Bundle
from engine.diffusion.models.ember.bundle import open_ember
from engine.errors import LimitError
from engine.registry import ModelRequest
from engine.scoring.frechet import frechet_distance, mean_pairwise_distance
from engine.scoring.held_out_phrases import HELD_OUT_PHRASES
from engine.scoring.judge import PLAIN, UNSTYLED, Judge, judge_folder, load_judge

PICTURES_PER_SCENE = 8
FEWEST_PER_SCENE = 4
"""Two of each phrasing, for there is no diversity of one."""


def quality(
    request: BenchRequest,
    *,
    pictures: int = PICTURES_PER_SCENE,
    seed: int = 0,
    sheets: Path | None = None,
) -> list[Result]:
    """Return `ember/quality/<steps>` for 1, 2 and 4 calls, `painted` and `negation`.

    See `quality_of` and `negation_of`; the judge is the shipped one. `sheets` is a folder for
    contact sheets.
    """
    if pictures < FEWEST_PER_SCENE:
        raise LimitError(
            f"{pictures} pictures per scene say nothing about variety: "
            f"ask for at least {FEWEST_PER_SCENE}"
        )
    judge = load_judge(judge_folder())
    model = open_ember(ModelRequest(request.model, *request.size, request.device_compute))
    try:
        size = (model.width, model.height)
        return [
            *quality_of(model.bundle, size, judge, pictures=pictures, seed=seed, sheets=sheets),
            negation_of(model.bundle, size, judge, pictures=pictures, seed=seed),
        ]
    finally:
        model.close()


def quality_of(
    bundle: Bundle,
    size: tuple[int, int],
    judge: Judge,
    *,
    pictures: int,
    seed: int,
    sheets: Path | None = None,
) -> list[Result]:
    """Judge pictures of `size` (width, height) of any bundle, `pictures` per scene and per style.

    The last result, `painted`, has the same figures of held-out painted pictures: what can be
    reached. Deterministic by `seed` on one machine. Raises `EngineError`.
    """
    orders = orders_for(judge.scenes, judge.styles, pictures, seed)
    painted = paint_all(bundle, size, judge, orders)
    if sheets is not None:
        for steps in STEPS:
            cells = [Cell(pixels) for pixels in painted[steps].thumbnails]
            sheet = contact_sheet(cells, columns=pictures, cell_px=THUMBNAIL_PX)
            write_sheet(sheets / f"quality_{steps}.png", sheet)
    results: list[Result] = [
        {
            "name": f"ember/quality/{steps}",
            **figures(judge, orders, np.concatenate(painted[steps].features)),
        }
        for steps in STEPS
    ]
    return [*results, {"name": "ember/quality/painted", **reachable(judge)}]


def figures(judge: Judge, orders: Sequence[Order], features: NDArray[np.float32]) -> Result:
    """Figures of pictures that were painted to order, from their features `(n, f)`.

    `accuracy`, `style_accuracy` and `composition_accuracy` are shares in [0, 1], as are those of
    the phrasings in foreign words, `foreign_accuracy` and `foreign_style_accuracy`, and
    `order_accuracy`: compositions that would be others if the words came in another order.
    `frechet` is the squared distance from the held-out painted pictures of the same scenes, in no
    style; `diversity` is how far apart the pictures of one prompt are, painted pictures of that
    scene being 1. `scenes` has a row for each scene, with the scene it was most often taken for.
    """
    plain = np.array([order.kind == "plain" for order in orders])
    verdict = judge.look_again(features)
    rows = [
        _scene_row(judge, scene, orders, features, verdict.scenes)
        for scene in dict.fromkeys(order.scene for order in orders if order.kind == "plain")
    ]
    right: dict[Kind, list[bool]] = {kind: [] for kind in get_args(Kind)}
    in_order = []
    for k, order in enumerate(orders):
        if order.style is None:
            right[order.kind].append(judge.scenes[verdict.scenes[k]] == order.scene)
            if order.kind == "composition" and _has_an_opposite(order.scene, judge.scenes):
                in_order.append(right[order.kind][-1])
        elif verdict.styles is not None:
            right[order.kind].append(judge.styles[verdict.styles[k]] == order.style)
    reference = _plain_reference(judge, {row["scene"] for row in rows})
    return {
        "accuracy": round(float(np.mean([row["accuracy"] for row in rows])), 4),
        "style_accuracy": _mean(right["style"]),
        "composition_accuracy": _mean(right["composition"]),
        "order_accuracy": _mean(in_order),
        "foreign_accuracy": _mean(right["foreign"]),
        "foreign_style_accuracy": _mean(right["foreign style"]),
        "frechet": round(frechet_distance(features[plain], reference), 4),
        "diversity": round(float(np.mean([row["diversity"] for row in rows])), 4),
        "pictures": len(orders),
        "scenes": rows,
    }


def reachable(judge: Judge) -> Result:
    """The same figures of held-out painted pictures: no model can be expected to be above them.

    `frechet` is the distance of one half of them from the other. The diversity is 1 by definition.
    """
    reference = judge.reference
    verdict = judge.look_again(reference.features)
    scenes = [scene for scene in judge.scenes if scene in HELD_OUT_PHRASES]
    plain = _plain_reference(judge, set(scenes))
    shares = [
        float((verdict.scenes == index)[reference.scenes == index].mean())
        for index, scene in enumerate(judge.scenes)
        if scene in scenes and (reference.scenes == index).any()
    ]
    style_accuracy = None
    if verdict.styles is not None:
        style_accuracy = round(float((verdict.styles == reference.styles).mean()), 4)
    return {
        "accuracy": round(float(np.mean(shares)), 4),
        "style_accuracy": style_accuracy,
        "frechet": round(frechet_distance(plain[0::2], plain[1::2]), 4),
        "diversity": 1.0,
        "pictures": len(reference.features),
    }


def _has_an_opposite(composition: str, scenes: Sequence[str]) -> bool:
    """Whether the same two things the other way round are a scene too: flames above waves."""
    first, above, second = composition.partition(" above ")
    return bool(above) and f"{second}{above}{first}" in scenes


def _mean(rights: Sequence[bool]) -> float | None:
    return round(float(np.mean(rights)), 4) if rights else None


def _scene_row(
    judge: Judge,
    scene: str,
    orders: Sequence[Order],
    features: NDArray[np.float32],
    found: NDArray[np.int64],
) -> dict[str, Any]:
    """Accuracy and diversity of the unstyled pictures of one scene, and its usual mistake."""
    mine = [k for k, o in enumerate(orders) if o.scene == scene and o.kind == "plain"]
    names = [judge.scenes[found[k]] for k in mine]
    by_prompt: dict[str, list[int]] = {}
    for k in mine:
        by_prompt.setdefault(orders[k].prompt, []).append(k)
    spread = np.mean([mean_pairwise_distance(features[rows]) for rows in by_prompt.values()])
    painted = mean_pairwise_distance(_plain_reference(judge, {scene}))
    mistakes = Counter(name for name in names if name != scene).most_common(1)
    return {
        "scene": scene,
        "accuracy": round(names.count(scene) / len(names), 4),
        "diversity": round(float(spread) / painted, 4),
        "taken_for": mistakes[0][0] if mistakes else None,
    }


def _plain_reference(judge: Judge, scenes: AbstractSet[str]) -> NDArray[np.float32]:
    """Features of the held-out painted pictures of these scenes that are in no style."""
    reference = judge.reference
    wanted = [index for index, scene in enumerate(judge.scenes) if scene in scenes]
    plain = judge.styles.index(PLAIN) if judge.styles else UNSTYLED
    rows = np.isin(reference.scenes, wanted) & (reference.styles == plain)
    return np.asarray(reference.features[rows])
