from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import BankError
from engine.semantic.bank import default_bank, parse_bank, read_bank
from engine.training.ember.captions import CAPTION_WORDS

GOOD = """
[[labels]]
label = "sea"
phrases = ["a storm at sea", "the surf"]
prompt = "a stormy sea"
[[labels]]
label = "village-fete"
"""


def test_a_bank_is_read_and_what_is_left_out_follows_from_the_name():
    sea, fete = parse_bank(GOOD, "mine.toml").labels
    assert sea.phrases == ("a storm at sea", "the surf")
    assert fete.phrases == ("village fete",)
    assert fete.prompt == "village fete"


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("phrases", "phrase", "did you mean 'phrases'"),
        ('"village-fete"', '"sea"', "twice"),
        ('"sea"', '"The Sea"', "no name"),
        ('["a storm at sea", "the surf"]', "[]", "not empty"),
        ('["a storm at sea", "the surf"]', "[3]", "must be a text"),
        ('"sea"', "", "not valid TOML"),
        ('[[labels]]\nlabel = "sea"', '[[label]]\nlabel = "sea"', "unknown key 'label'"),
        ('[[labels]]\nlabel = "village-fete"', "", "2 to 200"),
    ],
)
def test_a_broken_bank_is_refused_with_file_and_remedy(old: str, new: str, part: str):
    with pytest.raises(BankError) as caught:
        parse_bank(GOOD.replace(old, new), "mine.toml")
    assert str(caught.value).startswith("mine.toml")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_bank_and_one_of_bytes_are_one_line(tmp_path: Path):
    with pytest.raises(BankError, match="cannot be read"):
        read_bank(tmp_path / "none.toml")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\x00")
    with pytest.raises(BankError, match="not UTF-8"):
        read_bank(path)


def test_the_bank_that_ships_asks_for_what_ember_can_paint():
    bank = default_bank()
    assert {"thunder", "rain", "waves", "fire", "rooster", "synthesiser"} <= set(bank.names)
    said = {word for label in bank.labels for word in label.prompt.split()}
    assert said <= CAPTION_WORDS | {"a", "in", "of", "the", "on", "its", "with", "at"}
