"""Files as users really have them: cut off, empty, silent, of another kind, full of NaN."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile

RATE_HZ = 48_000
SECONDS = 1.0

PRESET = 'name = "X"\n[[prompts]]\ntext = "aurora"\n'
BROKEN_PRESETS = {
    "no_toml": 'name = "X',
    "nothing": "",
    "key": PRESET.replace("name", "nam", 1),
    "param": PRESET + '[params]\n"diffusion/strenght" = 0.4\n',
    "range": PRESET + '[params]\n"diffusion/strength" = 7\n',
    "kind": PRESET + '[params]\n"diffusion/strength" = "much"\n',
    "number": PRESET + '[params]\n"diffusion/strength" = nan\n',
    "source": PRESET + '[[routes]]\nsource = "low.hitt"\ntarget = "motion/zoom"\namount = 1\n',
    "newer": "schema_version = 9\n" + PRESET,
    "list": 'name = "X"\nprompts = 3\n',
    "blank": PRESET.replace("aurora", "  "),
}


def write_sounds(folder: Path) -> None:
    """Write every kind of sound file, good and bad, into `folder`."""
    rng = np.random.default_rng(0)
    sound = (0.2 * rng.standard_normal((round(RATE_HZ * SECONDS), 2))).astype(np.float32)

    def write(name: str, samples: np.ndarray, rate_hz: int = RATE_HZ) -> bytes:
        kind = {"subtype": "FLOAT"} if samples.ndim == 2 and name.endswith(".wav") else {}
        soundfile.write(folder / name, samples, rate_hz, **kind)
        return (folder / name).read_bytes()

    whole = write("good.wav", sound)
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "header.wav").write_bytes(whole[:20])
    for name in ("flac", "ogg", "mp3"):
        packed = write(f"good.{name}", sound)
        (folder / f"cut.{name}").write_bytes(packed[: len(packed) // 2])
    write("mono_8k.wav", sound[:8000, 0], 8_000)
    write("eight_192k.wav", np.tile(sound, (4, 4)), 192_000)
    write("slow.wav", sound[:300], 100)
    write("fast.wav", sound, 768_000)
    write("silence.wav", 0.0 * sound)
    write("one_sample.wav", sound[:1])
    damaged = sound.copy()
    damaged[1000:20_000] = np.nan
    damaged[21_000:22_000], damaged[23_000:23_100] = np.inf, -np.inf
    write("nan.wav", damaged)
    write("only_nan.wav", np.full_like(sound, np.nan))
    write("loud.wav", sound * np.float32(1e30))
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is not sound\n" * 100)
    (folder / "noise.mp3").write_bytes(rng.bytes(20_000))
    write_video(folder / "mute.mp4")
    video = (folder / "mute.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(video[: len(video) // 2])
    (folder / "folder").mkdir()


def write_video(path: Path, frames: int = 10) -> None:
    """Write a video without a sound track."""
    with av.open(str(path), "w") as movie:
        stream = movie.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for k in range(frames):
            pixels = np.full((64, 64, 3), 20 * k, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                movie.mux(packet)
        for packet in stream.encode(None):
            movie.mux(packet)


def write_presets(folder: Path) -> None:
    """Write every broken preset as `NAME.toml`, and one that is not even text."""
    for name, text in BROKEN_PRESETS.items():
        (folder / f"{name}.toml").write_text(text, "utf-8")
    (folder / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (folder / "folder.toml").mkdir()
