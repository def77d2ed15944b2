"""Names of the networks of mappers: for help texts, so this imports nothing."""

V2D, WIDE, RESIDUAL, SEQUENCE, LINEAR = "v2d", "wide", "residual", "sequence", "linear"
NETWORKS = (V2D, WIDE, RESIDUAL, SEQUENCE, LINEAR)
"""V2D's three pooled mappers, its sequence model, and the straight line of ridge regression."""
