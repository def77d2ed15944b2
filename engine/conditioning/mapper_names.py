"""Names of the networks of mappers: for help texts, so this imports nothing."""

V2D, WIDE, RESIDUAL, SEQUENCE, LINEAR = "v2d", "wide", "residual", "sequence", "linear"
SMALL = "small"
NETWORKS = (V2D, WIDE, RESIDUAL, SEQUENCE, LINEAR, SMALL)
"""V2D's three pooled mappers, its sequence model, the straight line of ridge regression, and one
as V2D's first with hidden widths of 256 and 64, which ships."""
