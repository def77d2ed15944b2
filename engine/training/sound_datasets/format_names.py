"""Names of dataset formats: for help texts, so this imports nothing."""

AUTO = "auto"
FORMAT_NAMES = (AUTO, "esc50", "audiocaps", "audioset", "folder")
