from __future__ import annotations

import re
from pathlib import Path

from engine.threads import THREADS

ROOT = Path(__file__).parents[2]


def test_the_thread_table_of_the_architecture_page_is_the_one_in_the_code() -> None:
    text = (ROOT / "engine" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.M)
    table = [tuple(cell.strip() for cell in row) for row in rows]
    expected = [(t.name, t.rate, t.may_block_on, t.writes) for t in THREADS]
    assert [row for row in table if row in expected] == expected
