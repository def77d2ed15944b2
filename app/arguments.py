"""The arguments of each command: names, meanings, defaults, and how their texts are read."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.adapter_arguments import add_adapters
from app.argument_values import as_clock, as_host_port, as_size
from app.lora_argument import add_loras
from app.model_arguments import add_vae, model_name
from app.structure_arguments import add_guides, add_recorded_structure, add_structure
from engine.commands import ClockChoice
from engine.registry import AUTO_RUNNER, RUNNER_NAMES
from engine.semantic.clap_folder import DEFAULT_CLAP
from engine.semantic.listener_names import DEFAULT_LISTENER

COMPUTE_DEVICES = ("auto", "cpu", "cuda", "mps")


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line (default: no)"
    )


def add_listing(parser: argparse.ArgumentParser, *actions: str) -> None:
    """What can be done with a list, and `--json`."""
    parser.add_argument("action", choices=actions, help="list: print them all")
    add_json(parser)


def add_picture(parser: argparse.ArgumentParser) -> None:
    """What live and render have in common."""
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="look and movement: a preset's name or a .toml file (default: `default`, in the "
        "window the last one chosen)",
    )
    parser.add_argument(
        "--model",
        type=model_name,
        metavar="NAME",
        help="what paints: ember, a name `sonolume models list` shows, or a checkpoint's folder, "
        ".safetensors file or hub id (default: ember, in the window the last one chosen)",
    )
    parser.add_argument(
        "--size",
        type=as_size,
        default=(512, 512),
        metavar="WxH",
        help="output size in pixels, both sides even, 64 to 4096 (default: 512x512)",
    )
    parser.add_argument(
        "--model-size",
        type=as_size,
        default=(0, 0),
        metavar="WxH",
        help="size in pixels that the model paints (default: the nearest it supports to --size)",
    )
    parser.add_argument(
        "--fps",
        type=float,
        default=30.0,
        metavar="N",
        help="output frames per second, 1 to 240 (default: 30)",
    )
    add_lookahead(parser)
    add_listener(parser)
    add_labels(parser)
    add_device(parser)
    add_guides(parser)
    add_loras(parser)
    add_adapters(parser)
    add_vae(parser)
    add_json(parser)


def add_listener(parser: argparse.ArgumentParser) -> None:
    """`--listener`."""
    parser.add_argument(
        "--listener",
        default=DEFAULT_LISTENER,
        metavar="NAME",
        help=f"what hears what the sound is about: embedded; clap ({DEFAULT_CLAP}, fetched "
        "before, or any folder or hub id in its layout); descriptors, words for how it sounds "
        f"(default: {DEFAULT_LISTENER})",
    )


def add_lookahead(parser: argparse.ArgumentParser) -> None:
    """`--lookahead`."""
    parser.add_argument(
        "--lookahead",
        choices=("causal", "whole"),
        default="causal",
        help="files: follow the beat as it is heard, or look through the whole file beforehand "
        "(default: causal)",
    )


def add_labels(parser: argparse.ArgumentParser) -> None:
    """`--labels`."""
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="bank of labels to listen for, .toml (default: the one that ships)",
    )


def add_audio(parser: argparse.ArgumentParser) -> None:
    """AUDIO, what is heard."""
    parser.add_argument("audio", metavar="AUDIO", help="a sound or video file, or `demo`")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """`--seed` of pictures."""
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="which noise the pictures grow from, 0 to 999999 (default: 0)",
    )


def add_seconds(parser: argparse.ArgumentParser) -> None:
    """`--seconds` of a video."""
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="length of the video in seconds (default: to the end of the sound)",
    )


def add_quality(parser: argparse.ArgumentParser) -> None:
    """`--quality` of a video."""
    parser.add_argument(
        "--quality",
        type=int,
        default=18,
        metavar="CRF",
        help="quality of H.264, 0 best and largest to 51 worst (default: 18)",
    )


def add_listen(parser: argparse.ArgumentParser) -> None:
    """`sonolume listen`."""
    add_audio(parser)
    add_listener(parser)
    add_labels(parser)
    add_device(parser)
    add_json(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device-compute`."""
    parser.add_argument(
        "--device-compute",
        choices=COMPUTE_DEVICES,
        default="auto",
        help="what computes the networks (default: auto, a GPU if there is one)",
    )


def add_runner(parser: argparse.ArgumentParser, *more: str) -> None:
    """`--runner`; `more` are choices before the runners, the first one the default."""
    names = (*more, *RUNNER_NAMES)
    parser.add_argument(
        "--runner",
        choices=names,
        default=names[0],
        help="what executes the networks: torch itself, a recording of whole frames (CUDA), its "
        f"compiler, or another runtime installed beside (default: {names[0]})",
    )


def add_threads(parser: argparse.ArgumentParser, unless_said: str = "one per core") -> None:
    """`--threads`; `unless_said` is what 0 means."""
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads of the networks; OMP_NUM_THREADS is not used (default: 0, "
        f"{unless_said})",
    )


def add_live(parser: argparse.ArgumentParser) -> None:
    """`sonolume live`."""
    add_picture(parser)
    add_runner(parser, AUTO_RUNNER)
    parser.add_argument(
        "--source",
        metavar="mic|loopback|demo|file:PATH|tone",
        help="what to listen to; loopback is what this computer plays itself (default: the last "
        "one chosen; at first the microphone, or the demo track where there is none)",
    )
    parser.add_argument(
        "--device",
        default="",
        metavar="NAME",
        help="sound input, with --source loopback the loudspeaker, as `sonolume devices` names it "
        "(default: the system's)",
    )
    add_structure(parser)
    parser.add_argument(
        "--clock",
        type=as_clock,
        default=ClockChoice(),
        metavar="sound|midi|midi:PORT|link",
        help="whose beat, bar and tempo the picture follows: the sound's, MIDI clock from PORT "
        "(`sonolume devices` names them) or from any input, or Ableton Link (default: sound)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="which noise the pictures grow from, 0 to 999999 (default: the preset's)",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="PATH",
        help="record the show from the start into this .mp4, .mov or .mkv (default: no recording)",
    )
    parser.add_argument(
        "--osc-port",
        type=int,
        metavar="N",
        help="UDP port to listen on for OSC, 0: do not listen (default: 9000, if it is free)",
    )
    parser.add_argument(
        "--osc-host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on for OSC, 0.0.0.0: every network (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--osc-out",
        type=as_host_port,
        metavar="HOST:PORT",
        help="send what is heard and every changed parameter there by OSC (default: nowhere)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="stop by itself after this many seconds (default: never)",
    )
    parser.add_argument(
        "--headless", action="store_true", help="no window (default: open the window)"
    )
    parser.add_argument("--announce", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--mute",
        action="store_true",
        help="do not play files through the speakers (default: play them)",
    )


def add_render(parser: argparse.ArgumentParser) -> None:
    """`sonolume render`."""
    add_audio(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT.mp4",
        help="the video to write, .mp4, .mov or .mkv",
    )
    add_picture(parser)
    add_runner(parser)
    parser.add_argument(
        "--prompt",
        action="append",
        default=[],
        metavar="TEXT",
        help="what to paint; repeat it for several, spread evenly (default: the preset's prompts)",
    )
    parser.add_argument(
        "--ai-fps",
        type=float,
        metavar="N",
        help="painted pictures per second, 0.1 to 240 (default: one for every frame)",
    )
    parser.add_argument(
        "--strength",
        type=float,
        metavar="X",
        help="how much of each picture is painted anew, 0.02 to 1 (default: the preset's)",
    )
    add_seed(parser)
    parser.add_argument(
        "--start",
        type=float,
        default=0.0,
        metavar="S",
        help="begin this many seconds into the sound (default: 0)",
    )
    add_seconds(parser)
    parser.add_argument(
        "--init-image",
        type=Path,
        metavar="PATH",
        help="picture to begin with (default: none, the prompt alone)",
    )
    add_recorded_structure(parser)
    add_quality(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on where an interrupted render of the same output stopped (default: begin anew)",
    )
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16", "int8"),
        default="auto",
        help="numbers the networks compute in (default: auto, what suits the device)",
    )
    add_threads(parser)
    parser.add_argument("--progress-json", action="store_true", help=argparse.SUPPRESS)


def add_analyze(parser: argparse.ArgumentParser) -> None:
    """`sonolume analyze`."""
    add_audio(parser)
    parser.add_argument(
        "--json",
        type=Path,
        required=True,
        metavar="OUT.json",
        help="where to write tempo, beats, onsets, lanes, keys, sections, build-ups, drops and "
        "loudness, times in seconds",
    )
    add_lookahead(parser)
    parser.add_argument(
        "--features",
        type=Path,
        metavar="OUT.npz",
        help="where to write the features of every hop as NumPy arrays, and what each of them "
        "holds as the array `legend` (default: nowhere)",
    )
    parser.add_argument(
        "--describe",
        action="store_true",
        help="say what the music is like in the words of a prompt, and add that as `description` "
        "(default: no)",
    )


def add_score(parser: argparse.ArgumentParser) -> None:
    """`sonolume score`."""
    parser.add_argument("video", type=Path, metavar="VIDEO", help="the video to measure")
    parser.add_argument(
        "--audio",
        metavar="AUDIO",
        help="the sound to measure against, a file or `demo` (default: the video's own)",
    )
    add_json(parser)


def add_calibrate(parser: argparse.ArgumentParser) -> None:
    """`sonolume calibrate`."""
    parser.add_argument(
        "--source",
        choices=("mic", "loopback"),
        default="mic",
        help="what hears the clicks: a microphone, or this computer itself (default: mic)",
    )
    parser.add_argument(
        "--device",
        default="",
        metavar="NAME",
        help="its name, as `sonolume devices` gives it (default: the system's)",
    )
    parser.add_argument(
        "--forget",
        action="store_true",
        help="measure nothing, forget what was measured of every device (default: no)",
    )
    add_json(parser)
