"""How built-in models run: a generator of small steps, so that no thread waits for a slow prediction."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Emit",
    "FileValue",
    "Hold",
    "Log",
    "Metric",
    "Plan",
    "PlanFailed",
    "Step",
    "Wait",
    "echo",
    "manual",
    "picture",
    "png",
    "sleepy",
    "tokens",
    "train",
]


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on after `seconds` of the stand-in's clock."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Log:
    """Append `text` to the prediction's logs."""

    text: str


@dataclass(frozen=True, slots=True)
class Emit:
    """Show `output` as the output so far."""

    output: Any


@dataclass(frozen=True, slots=True)
class Metric:
    """Record a metric."""

    name: str
    value: int | float | str


@dataclass(frozen=True, slots=True)
class Hold:
    """Stay `processing` until somebody outside says how it ends."""


@dataclass(frozen=True, slots=True)
class FileValue:
    """A file in an output; the stand-in puts it on its CDN and replaces it by the URL."""

    data: bytes
    mime: str
    name: str


class PlanFailed(Exception):
    """The model's own failure; the text becomes the prediction's `error`."""


Step = Wait | Log | Emit | Metric | Hold
Plan = Callable[[Mapping[str, Any]], Generator[Step, None, Any]]
"""From the validated input to steps; the generator's return value is the output."""


def echo(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    """``text`` comes back unchanged."""
    yield Log(f"echo of {len(values['text'])} characters\n")
    yield Metric("character_output_count", len(values["text"]))
    return values["text"]


def sleepy(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    """Takes ``seconds`` in ``steps`` parts, logging each, then returns ``text`` or fails with ``error``."""
    steps = int(values["steps"])
    for step in range(steps):
        yield Wait(float(values["seconds"]) / steps)
        done = (step + 1) * 10 // steps
        # The form of tqdm's progress bars, which clients read.
        yield Log(f"{(step + 1) * 100 // steps:3d}%|{'#' * done:<10}| {step + 1}/{steps}\n")
    if values["error"]:
        raise PlanFailed(values["error"])
    return values["text"]


def tokens(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    """The words of ``prompt``, emitted one by one, ``delay`` seconds apart."""
    words = values["prompt"].split(" ")
    out: list[str] = []
    for number, word in enumerate(words):
        if number:
            yield Wait(float(values["delay"]))
        out = [*out, word if number == len(words) - 1 else word + " "]
        yield Emit(out)
    yield Metric("token_output_count", len(out))
    return out


def picture(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    """``count`` PNG pictures of one colour."""
    red, green, blue = bytes.fromhex(values["color"].removeprefix("#"))
    files: list[FileValue] = []
    for number in range(int(values["count"])):
        data = png(int(values["width"]), int(values["height"]), (red, green, blue))
        files.append(FileValue(data, "image/png", f"out-{number}.png"))
        yield Log(f"picture {number}: {len(data)} bytes\n")
    yield Metric("image_output_count", len(files))
    return files


def train(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    """Takes ``seconds``, then gives weights; the executor adds the version, or it fails with ``error``."""
    yield Log(f"training on {values['trigger_word']}\n")
    yield Wait(float(values["seconds"]))
    if values["error"]:
        raise PlanFailed(values["error"])
    return {
        "weights": FileValue(b"weights of " + values["trigger_word"].encode(), "application/x-tar", "w.tar")
    }


def manual(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    """Runs until the test ends it."""
    yield Log(f"waiting to be ended: {values['note']}\n")
    yield Hold()
    return None


def png(width: int, height: int, rgb: tuple[int, int, int]) -> bytes:
    """A PNG file of one colour (8 bits per channel, no alpha)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\x00" + bytes(rgb) * width
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * height, 6))
        + chunk(b"IEND", b"")
    )
