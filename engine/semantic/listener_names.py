"""The names of listeners: for help texts, so this imports neither NumPy nor anything else."""

EMBEDDED, CLAP, DESCRIPTORS_ALONE = "embedded", "clap", "descriptors"
LISTENER_NAMES = (EMBEDDED, CLAP, DESCRIPTORS_ALONE)
DEFAULT_LISTENER = EMBEDDED
