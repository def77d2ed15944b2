"""Names of encoders as `AdapterCard.encoder` keeps them; for help texts, so no imports."""

EAR, CLAP, VGGISH, VGGISH_QUANTISED = "ear", "clap", "vggish", "vggish-quantised"
ENCODER_NAMES = (EAR, CLAP, VGGISH, VGGISH_QUANTISED)
VIEWED_ENCODERS = (EAR, CLAP)
"""Those that see a sound in three views, for projectors."""
