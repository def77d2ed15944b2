"""`sonolume score`: how a video follows its sound."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from engine.runtime.listening import audio_path
from engine.scoring.reactivity import score_video


def run(options: argparse.Namespace) -> int:
    """Score and print."""
    audio = audio_path(options.audio) if options.audio else None
    score = asdict(score_video(options.video, audio))
    if options.json:
        print(json.dumps(score))
        return 0
    for key, value in score.items():
        print(f"{key:14} {value:.3f}" if isinstance(value, float) else f"{key:14} {value}")
    return 0
