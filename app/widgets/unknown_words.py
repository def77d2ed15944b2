"""Which words of the newest prompt the model does not know or read. Plain text, no widgets."""

from __future__ import annotations

from app.snapshots import PromptState

MOST_WORDS = 3
"""More of them push the controls off the screen and help nobody."""


def unknown_words_text(state: PromptState) -> str:
    """Name at most three unknown words and count the others; empty when all are known and read."""
    model = state.model or "the model"
    words = _of_the_newest(state)
    if not words:
        left_out = state.words_left_out
        counted = "the last word" if left_out == 1 else f"the last {left_out} words"
        return f"{model} leaves out {counted}: put what matters first" if left_out else ""
    named = ", ".join(_named(word, nearest) for word, nearest in words[:MOST_WORDS])
    others = len(words) - MOST_WORDS
    more = f" and {others} more" if others > 0 else ""
    return f"{model} does not know {named}{more}"


def _of_the_newest(state: PromptState) -> list[tuple[str, str]]:
    """The engine names the words of both prompts of a transition; the later one is the newer."""
    newest = state.texts[-1].casefold() if state.texts else ""
    return [pair for pair in state.unknown_words if pair[0].casefold() in newest]


def _named(word: str, nearest: str) -> str:
    return f"{_quoted(word)} (nearest: {_quoted(nearest)})" if nearest else _quoted(word)


def _quoted(word: str) -> str:
    return f"\N{LEFT SINGLE QUOTATION MARK}{word}\N{RIGHT SINGLE QUOTATION MARK}"
