"""Regenerate `presets/*.jpg`: what each factory preset looks like on the demo track."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine.export.thumbnail import write_thumbnail  # noqa: E402

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for preset in sorted((ROOT / "presets").glob("*.toml")):
            print(write_thumbnail(preset, preset.with_suffix(".jpg"), Path(folder)))
