"""Regenerate `resources/demo/demo.ogg` and `demo.json` from the synthesiser."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine.synthesis.demo import write_demo  # noqa: E402

if __name__ == "__main__":
    for written in write_demo(ROOT / "resources" / "demo"):
        print(written)
