"""Prompts that show how a text encoder writes: the scale of sound, and the span it stays in.

Things, places, weather and styles that every model of pictures knows, ember too; far apart from
one another, so that their span is wide.
"""

from __future__ import annotations

BANK_PROMPTS = (
    "northern lights over a frozen lake",
    "a sunset over the sea",
    "a galaxy in deep space, violet",
    "a neon city by the water at night",
    "a wall of fire",
    "a spiral of blue smoke",
    "a coral reef with bright fish",
    "a snowy mountain under the moon",
    "a field of red poppies",
    "a volcano erupting at night",
    "autumn leaves on a forest path",
    "rain drops on a window",
    "golden waves",
    "a geometric pattern of triangles, black and white",
    "kaleidoscope of stained glass",
    "ink drops in clear water",
    "a desert with dunes at noon",
    "lightning strikes from dark clouds",
    "a butterfly on a flower",
    "a castle on a green hill",
    "a steam locomotive on its rails",
    "a jellyfish in the dark sea",
    "a white bird over the ocean",
    "a crowd in front of a stage",
    "an old clock with hands",
    "bubbles rising in deep water",
    "a rocket above the earth",
    "a tree in blossom, pink",
    "a waterfall in the jungle",
    "marble veins of gold and green",
    "a starry sky over the desert",
    "a lighthouse in the fog",
)
