"""What there is to choose from between sound and prompt; for help texts, so no imports."""

from __future__ import annotations

RAW_ENCODINGS: tuple[str, ...] = ("waveform", "fft", "mel", "mfcc")
ADAPTER_ENCODINGS: tuple[str, ...] = ("projector", "mapper")
"""These hear what a sound is, and come from a file."""
SOUND_ENCODINGS = (*RAW_ENCODINGS, *ADAPTER_ENCODINGS)
"""Ways from sound to a prompt, see `engine.conditioning.encodings`."""
SOUND_SCALES: tuple[str, ...] = ("raw", "minmax", "standard", "manifold")
"""How raw rows of sound are brought to the scale of text, see `engine.conditioning.scales`."""
