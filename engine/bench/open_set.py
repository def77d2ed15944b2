"""What the embedded listener says of sounds that are none of its labels, and of voices.

`engine.bench.strange_sounds` makes what nobody trained on; voices are synthesised with seeds that
training never uses or, with a folder of recordings, read aloud (`speech/` in it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.audio.decode import SoundReader
from engine.bench.area import Result
from engine.bench.strange_sounds import STRANGE
from engine.messages import Float32
from engine.semantic.bank import default_bank
from engine.semantic.embedded import EmbeddedListener
from engine.semantic.stage import label_directions
from engine.semantic.tracker import ENOUGH
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS

CLIP_S = 5.0
CLIPS = 6
"""Of every strange sound, and of voices twice as many."""
HOP_S = 1.0
_SEED = 4242
NOBODY = "none"


def measure(data: Path | None = None) -> list[Result]:
    """Return `hearing/strangers` and `hearing/voice`; `data` is a folder with `speech/`.

    `named`: share of windows (2 s, one a second) whose likeliest label is likely enough to be
    taken up, which for a stranger is wrong; then the same by kind of sound. Of voices, the share
    of every label instead.
    """
    heard = {name: _counts(_windows(clips)) for name, clips in _strange().items()}
    named = {name: 1.0 - counts[NOBODY] / counts.total() for name, counts in heard.items()}
    voices = _counts(_windows(_voices(data)))
    shares = {name: round(count / voices.total(), 3) for name, count in voices.most_common()}
    return [
        {
            "name": "hearing/strangers",
            "named": round(float(np.mean(list(named.values()))), 3),
            **{name: round(share, 3) for name, share in named.items()},
        },
        {
            "name": "hearing/voice",
            "heard": shares,
            "on": "recordings" if data is not None else "synthesis",
        },
    ]


def _strange() -> dict[str, list[tuple[Float32, int]]]:
    return {
        name: [
            (sound(np.random.default_rng((_SEED, number)), CLIP_S), SAMPLE_RATE_HZ)
            for number in range(CLIPS)
        ]
        for name, sound in STRANGE.items()
    }


def _voices(data: Path | None) -> list[tuple[Float32, int]]:
    if data is None:
        return [
            (SOUNDS["voice"](np.random.default_rng((_SEED, number)), CLIP_S), SAMPLE_RATE_HZ)
            for number in range(2 * CLIPS)
        ]
    clips = []
    for path in sorted((data / "speech").glob("*.ogg")):
        with SoundReader(path) as reader:
            clips.append((reader.read_all().mean(axis=1), reader.sample_rate))
    return clips


def _windows(clips: list[tuple[Float32, int]]) -> Iterator[tuple[Float32, int]]:
    for samples, rate in clips:
        length, hop = round(EmbeddedListener.window_s * rate), round(HOP_S * rate)
        for start in range(0, len(samples) - length + 1, hop):
            yield samples[start : start + length], rate


def _counts(windows: Iterator[tuple[Float32, int]]) -> Counter[str]:
    """How many windows each label would be taken up for."""
    listener, bank = EmbeddedListener(), default_bank()
    listener.load()
    directions = label_directions(listener, bank)
    counts: Counter[str] = Counter()
    for samples, rate in windows:
        direction = listener.hear(samples, rate)
        assert direction is not None  # the embedded listener answers at once
        cosines = directions @ direction
        likely = np.exp((cosines - cosines.max()) / listener.temperature)
        sure = cosines.max() >= listener.least_cosine and 1.0 / likely.sum() >= ENOUGH
        counts[bank.names[int(cosines.argmax())] if sure else NOBODY] += 1
    return counts
