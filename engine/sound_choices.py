"""What there is to choose from between sound and prompt; for help texts, so no imports."""

from __future__ import annotations

from collections.abc import Mapping

RAW_ENCODINGS: tuple[str, ...] = ("waveform", "fft", "mel", "mfcc")
ADAPTER_ENCODINGS: tuple[str, ...] = ("projector", "mapper")
"""These hear what a sound is, and come from a file."""
SOUND_ENCODINGS = (*RAW_ENCODINGS, *ADAPTER_ENCODINGS)
"""Ways from sound to a prompt, see `engine.conditioning.encodings`."""
SOUND_SCALES: tuple[str, ...] = ("raw", "minmax", "standard", "manifold")
"""How raw rows of sound are brought to the scale of text, see `engine.conditioning.scales`."""
SOUND_READERS: Mapping[str, tuple[str, ...]] = {
    "sound/scale": RAW_ENCODINGS,
    "sound/bend": (*RAW_ENCODINGS, *ADAPTER_ENCODINGS),
    "sound/norm": ("projector",),
    "sound/temperature": ("projector",),
    "sound/foreground": ("projector",),
    "sound/background": ("projector",),
    "sound/atmosphere": ("projector",),
}
"""Parameters that some encodings do not read, and those that do; an adapter's file may read fewer,
which `SoundStatus.unread` says."""
READER_WORDS: Mapping[str, str] = {
    "sound/bend": f"{', '.join(RAW_ENCODINGS)}, mapper, and a projector whose rows are a prompt "
    "(one with ears for the model has none)",
    "sound/norm": "a projector that was trained with a length of rows",
    "sound/temperature": "a projector with soft levels",
}
"""Of which adapters not all read a parameter."""


def readers_of(param: str) -> str:
    """Which encodings read a parameter, for people."""
    return READER_WORDS.get(param) or ", ".join(SOUND_READERS[param])


def unread_by(encoding: str) -> tuple[str, ...]:
    """Parameters of sound that no file makes an encoding read."""
    return tuple(name for name, readers in SOUND_READERS.items() if encoding not in readers)
