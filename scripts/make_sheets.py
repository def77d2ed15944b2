"""Regenerate the README's contact sheets: what ember paints by scene, style, composition."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engine.contact_sheet import write_sheet  # noqa: E402
from engine.export.prompt_sheet import prompt_sheet  # noqa: E402
from engine.registry import ModelRequest  # noqa: E402
from engine.training.ember.showcase import SHOWCASES  # noqa: E402

if __name__ == "__main__":
    model = sys.argv[1] if len(sys.argv) > 1 else "ember"
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "resources" / "pictures"
    for name, shown in SHOWCASES.items():
        sheet = prompt_sheet(
            ModelRequest(model, 512, 512), shown.prompts, columns=shown.columns,
            cell_px=shown.cell_px,
        )  # fmt: skip
        print(write_sheet(folder / f"ember_{name}.jpg", sheet))
