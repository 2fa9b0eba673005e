"""Frames of a video, taken by ffmpeg at even distances.

A video comes from strangers. So ffmpeg reads one local file and nothing else (no playlists, no other
protocols); its processor time, its single allocations and what it writes are capped; and the length is
measured by going through the packets, because what a header says of it is its author's word.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hookline.sdk import Unavailable
from hookline.sdk.moderation import Assessment, Finding

__all__ = ["Frame", "NotExamined", "find_ffmpeg", "merged", "sampled"]

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,ogg,flv,asf"
"""Containers that are read, as ffmpeg names them: none of them refers to other files."""

PROCESSOR_SECONDS = 60
LARGEST_ALLOCATION = 256 * 1024 * 1024
MAX_FRAME_BYTES = 8_000_000
LONGEST_SIDE = 1024
"""Pixels; larger frames are scaled down, as providers do it anyway."""

WALL_SECONDS = 120.0


class NotExamined(Exception):
    """The video was not looked at; the message says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as a JPEG, `at` seconds from the start."""

    at: float
    content: bytes


def find_ffmpeg() -> str:
    """The ffmpeg of the system, else that of the extra ``video``; ``""`` without one."""
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return ""


async def sampled(path: Path, count: int, ffmpeg: str) -> list[Frame]:
    """`count` frames, each from the middle of one of as many equal parts of the video.

    Raises:
        NotExamined: It is no video of a known kind, or a frame cannot be decoded.
        Unavailable: ffmpeg took too long, or cannot be started.
    """
    length = await _length(path, ffmpeg)
    # A picture that stands still, or a single frame, has no length.
    moments = [length * (number + 0.5) / count for number in range(count)] if length > 0 else [0.0]
    return [Frame(at, await _frame(path, at, ffmpeg)) for at in moments]


def merged(assessments: Sequence[tuple[Frame, Assessment]]) -> Assessment:
    """What one provider says about the video: the highest score of every category over all frames.

    The video is examined only if every frame is, and every category only if every frame was looked at for it.
    A category that a frame's answer does not name was not found there.
    """
    highest: dict[str, Finding] = {}
    unsupported = "" if assessments else "it has no frame"
    for frame, each in assessments:
        if each.unsupported and not unsupported:
            unsupported = f"at {frame.at:.1f} s: {each.unsupported}"
        for finding in each.findings:
            known = highest.get(finding.name)
            if known is None or (finding.evaluated, finding.score) > (known.evaluated, known.score):
                highest[finding.name] = finding
    for frame, each in assessments:
        for finding in each.findings:
            if not finding.evaluated and highest[finding.name].evaluated and not unsupported:
                unsupported = f"at {frame.at:.1f} s: nobody looked at {finding.name}"
    return Assessment(
        findings=list(highest.values()),
        flagged=any(each.flagged for _, each in assessments),
        unsupported=unsupported,
        model=next((each.model for _, each in assessments if each.model), ""),
        request_id=", ".join(each.request_id for _, each in assessments if each.request_id),
    )


async def _length(path: Path, ffmpeg: str) -> float:
    """Seconds, from the first packet to the last."""
    told = await _run(
        ffmpeg, path, [], ["-c", "copy", "-f", "null", "-progress", "pipe:1", "-"], max_bytes=4_000_000
    )
    # Progress is told again and again, as lines "key=value"; the last of each key counts.
    progress = dict(
        line.split("=", 1) for line in told.decode("ascii", "replace").splitlines() if "=" in line
    )
    try:
        return max(int(progress["out_time_us"]) / 1_000_000, 0.0)
    except (KeyError, ValueError):
        # "N/A": nothing with a time was read.
        return 0.0


async def _frame(path: Path, at: float, ffmpeg: str) -> bytes:
    scale = (
        f"scale=w='min({LONGEST_SIDE},iw)':h='min({LONGEST_SIDE},ih)':force_original_aspect_ratio=decrease"
    )
    output = ["-frames:v", "1", "-vf", scale, "-f", "image2pipe", "-c:v", "mjpeg", "-q:v", "3", "pipe:1"]
    content = await _run(ffmpeg, path, ["-ss", f"{at:.3f}"], output, max_bytes=MAX_FRAME_BYTES)
    if not content.startswith(b"\xff\xd8\xff"):
        raise NotExamined(f"the frame at {at:.1f} s cannot be decoded")
    return content


async def _run(ffmpeg: str, path: Path, before: list[str], after: list[str], max_bytes: int) -> bytes:
    """What ffmpeg writes to its standard output.

    Raises:
        NotExamined: It does not read this file, or would write more than `max_bytes`.
        Unavailable: It takes too long, or cannot be started.
    """
    # "file:" keeps a name from being read as another protocol's.
    guards = ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-threads", "1"]
    limits = ["-timelimit", str(PROCESSOR_SECONDS), "-max_alloc", str(LARGEST_ALLOCATION)]
    command = ["-v", "error", "-nostdin", *limits, *guards, *before, "-i", f"file:{path}", "-map", "0:v:0"]
    try:
        process = await asyncio.create_subprocess_exec(
            ffmpeg,
            *command,
            "-threads",
            "1",
            *after,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise Unavailable(f"ffmpeg cannot be started ({error.strerror})") from error
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WALL_SECONDS):
            content = b""
            while piece := await process.stdout.read(65536):
                content += piece
                if len(content) > max_bytes:
                    raise NotExamined("ffmpeg writes more than is expected of it")
            code = await process.wait()
    except TimeoutError as error:
        raise Unavailable("ffmpeg took too long") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise NotExamined("it is no video that can be decoded")
    return content
