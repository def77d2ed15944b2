"""Texts beside the listener's weights: model card, and whose recordings it learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

from engine.semantic.embedded import LEAST_TAUGHT
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.training.listener.clips import NOTHING, clip_counts, taught_bank

_CARD = """# The embedded listener: model card

Names what a sound is about. Two seconds of sound go in as a log-mel picture, a direction in the
space of ember's word vectors comes out; a label is heard where its words point the same way, so
any words can be listened for. {parameters:,} parameters, float16, run with NumPy alone.
Licence: Apache-2.0.

## Data
- {clips} recordings of ESC-10 (K. J. Piczak, "ESC: Dataset for Environmental Sound
  Classification", ACM Multimedia 2015), those under CC0 and CC-BY 3.0; `ATTRIBUTIONS.md` names
  the authors. No recording is part of this repository.
- {per_sound} clips of each of {sounds} sounds that `engine/synthesis/sounds` makes:
  {names};
  of `voice` {voices}: people who speak, whisper or sing in no language.
- {nothing} clips without a label: hum, hiss and the textures of
  `engine/training/listener/strangers.py`; of them the network is asked to be even over all
  labels (Hendrycks et al. 2019, outlier exposure).

In training they are mixed, filtered, narrowed, put into rooms and noise, sped up and slowed down.
The label `sneeze` was learned, too; the bank that ships leaves it out: ember does not paint it.
A sound whose cosine to every label is below {least:g} is none of them; its features are described.

## Command
`sonolume train listener --data DIR --budget {budget:g} --fold {fold} --seed {seed}`:
{steps} steps, {minutes:.1f} minutes. {folds}

## Figures
Among all {labels} labels, by the nearest; of the recordings' windows quiet ones are left out.

{figures}
"""


def model_card(facts: Mapping[str, float], figures: Mapping[str, float]) -> str:
    """Markdown from the facts of a run and the figures of its test."""
    fold = int(facts["fold"])
    held = f"Fold {fold} was left out, and the figures are of it."
    if not fold:
        held = (
            "These weights learned from all folds.\n"
            "The figures are of the same command with `--fold 4`, on that fold."
        )
    rows = ["none: nothing was left out to test on"]
    if figures:
        rows = ["| what | windows of 2 s | whole clips |", "|---|---|---|"]
        for name in dict.fromkeys(key.rsplit(" ", 1)[0] for key in figures):
            windows, clips = figures[f"{name} windows"], figures[f"{name} clips"]
            rows.append(f"| {name} | {100 * windows:.1f} % | {100 * clips:.1f} % |")
    counts = clip_counts(int(facts["per_sound"]))
    return _CARD.format(
        voices=counts.get("voice", 0), nothing=counts[NOTHING], least=LEAST_TAUGHT,
        **{key: value for key, value in facts.items() if key not in ("steps", "fold", "seed")},
        steps=int(facts["steps"]), fold=fold, seed=int(facts["seed"]), sounds=len(SOUNDS),
        labels=len(taught_bank().labels), folds=held,
        names=fill(", ".join(SOUNDS), 95, subsequent_indent="  ", initial_indent="  ").strip(),
        figures="\n".join(rows),
    )  # fmt: skip


def attributions(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown that names author, title, source and licence of every clip under CC-BY."""
    lines = [
        "# Recordings that the embedded listener learned from",
        "",
        "The weights beside this file were trained with these recordings among others; none of",
        "them is part of this repository. They were cut, mixed and filtered for training. Those",
        "under CC0 need no attribution and are not listed. The data set as a whole: K. J. Piczak,",
        '"ESC: Dataset for Environmental Sound Classification", Proc. ACM Multimedia 2015,',
        "doi:10.1145/2733373.2806390, CC-BY 3.0.",
        "",
        "| title | author | source | licence |",
        "|---|---|---|---|",
    ]
    seen = set()
    for row in rows:
        entry = (row["title"], row["author"], row["source_url"], row["licence"])
        if not row["licence"].startswith("CC-BY") or entry in seen:
            continue
        seen.add(entry)
        title, author = (text.replace("|", "/") for text in entry[:2])
        licence = f"[{row['licence']}]({row['licence_url']})"
        lines.append(f"| {title} | {author} | <{row['source_url']}> | {licence} |")
    return "\n".join(lines) + "\n"
