"""Pictures, decoded with distrust: a few bytes can announce one that fills the memory.

Size and frames are looked at before anything is decoded, and again with every frame. The formats are
those of the web and TIFF, whatever else Pillow could read.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hookline.sdk import BadInput

if TYPE_CHECKING:
    from PIL import Image as Pillow

__all__ = ["Fit", "Format", "Limits", "Look", "Made", "Size", "look", "make"]

Format = Literal["jpeg", "png", "webp", "gif"]
Fit = Literal["contain", "cover", "stretch"]

_READ = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
_ANIMATED = ("PNG", "WEBP", "GIF")
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_LONGEST_SIDE = 16_383
"""Pixels of a side that every format can hold (WebP holds the fewest)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded at most.

    Attributes:
        pixels: Of all frames together.
        frames: Of an animation.
    """

    pixels: int
    frames: int


@dataclass(frozen=True, slots=True)
class Size:
    """What a picture shall fit. None is whatever the other side makes of it."""

    width: int | None
    height: int | None
    fit: Fit
    enlarge: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture says of itself; width and height as it is seen, upright."""

    format: str
    mime: str
    width: int
    height: int
    frames: int
    has_transparency: bool
    orientation: int


@dataclass(frozen=True, slots=True)
class Made:
    """A picture that was written."""

    content: bytes
    format: Format
    width: int
    height: int
    frames: int


def look(path: Path) -> Look:
    """Read a picture's head; nothing is decoded.

    Raises:
        BadInput: C066.
    """
    with _opened(path, None) as picture:
        orientation = int(picture.getexif().get(_ORIENTATION, 1))
        width, height = picture.size
        if orientation in _SIDEWAYS:
            width, height = height, width
        return Look(
            str(picture.format).lower(),
            str(picture.get_format_mimetype()),
            width,
            height,
            getattr(picture, "n_frames", 1),
            bool(picture.has_transparency_data),
            orientation,
        )


def make(
    path: Path,
    limits: Limits,
    *,
    size: Size | None,
    format: Format | None,
    quality: int,
    background: str,
    animation: bool,
    keep_metadata: bool,
) -> Made:
    """Write a picture anew: upright, in another size or format.

    Args:
        format: The picture's own when None; PNG for what cannot be written.
        background: Colour behind what is transparent, where the format knows no transparency.
        animation: Keep all frames, where the format can; else the first.
        keep_metadata: Keep EXIF. The colour profile is always kept.

    Raises:
        BadInput: C065 (refused) or C066 (not decodable).
    """
    with _opened(path, limits) as picture:
        wanted: Format = format or _own(picture)
        count = _count(picture, limits, animation=animation and wanted.upper() in _ANIMATED)
        if size is not None and wanted == "jpeg" and picture.format == "JPEG":
            _decode_small(picture, size)
        frames, durations = [], []
        for number in range(count):
            picture.seek(number)
            _check(picture, limits, count)
            picture.load()  # which also tells how long it is shown
            durations.append(picture.info.get("duration", 0))
            frames.append(_finished(picture, size, wanted, background))
        given = _options(picture, frames[0], wanted, quality, keep_metadata=keep_metadata)
        if count > 1:
            given |= {
                "save_all": True,
                "append_images": frames[1:],
                "duration": durations,
                "loop": picture.info.get("loop", 0),
            }
            if wanted == "gif":
                given["disposal"] = 2
        sink = io.BytesIO()
        frames[0].save(sink, wanted.upper(), **given)
        return Made(sink.getvalue(), wanted, *frames[0].size, count)


@contextmanager
def _opened(path: Path, limits: Limits | None) -> Iterator[Pillow.Image]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Pillow's own limit, which is above ours, or of no interest to a look at the head.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_READ) as picture:
                if limits is not None:
                    _check(picture, limits, 1)
                yield picture
    except BadInput:
        raise
    except Image.DecompressionBombError as error:
        raise _refused("it has too many pixels") from error
    except MemoryError as error:
        raise _refused("there is not enough memory for it") from error
    except Exception as error:
        # Decoders of hostile bytes raise whatever they stumble over.
        raise BadInput(
            f"the picture cannot be read ({type(error).__name__})",
            code="C066",
            hint="JPEG, PNG, GIF, WebP, BMP and TIFF can be; a file that was cut off cannot",
        ) from error


def _check(picture: Pillow.Image, limits: Limits, frames: int) -> None:
    pixels = picture.width * picture.height * frames
    if pixels > limits.pixels:
        of = f" in {frames} frames" if frames > 1 else ""
        raise _refused(f"it has {pixels} pixels{of}; {limits.pixels} are allowed", "raise max_pixels")


def _count(picture: Pillow.Image, limits: Limits, *, animation: bool) -> int:
    count: int = getattr(picture, "n_frames", 1) if animation else 1
    if count > limits.frames:
        raise _refused(f"it has {count} frames; {limits.frames} are allowed", "keep only the first frame")
    _check(picture, limits, count)
    return count


def _own(picture: Pillow.Image) -> Format:
    known: dict[str | None, Format] = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
    return known.get(picture.format, "png")


def _decode_small(picture: Pillow.Image, size: Size) -> None:
    """Have a JPEG decoded at a fraction of its size, which takes a fraction of the memory."""
    sides = [side for side in (size.width, size.height) if side]
    if size.fit != "stretch" and not size.enlarge:
        # Twice as large as needed, so that nothing is lost to the eye.
        picture.draft(picture.mode, (max(sides) * 2, max(sides) * 2))


def _finished(picture: Pillow.Image, size: Size | None, wanted: Format, background: str) -> Pillow.Image:
    from PIL import Image, ImageColor, ImageOps

    frame = ImageOps.exif_transpose(picture)
    if frame.has_transparency_data:
        frame = frame.convert("RGBA")
        if wanted == "jpeg":
            behind = Image.new("RGBA", frame.size, ImageColor.getrgb(background))
            frame = Image.alpha_composite(behind, frame).convert("RGB")
    elif frame.mode.startswith("I"):
        # 65,536 shades become 256; without this, all but the darkest become white.
        frame = frame.convert("I").point(lambda shade: shade * (1 / 256)).convert("L")
    elif frame.mode not in ("L", "RGB"):
        frame = frame.convert("L" if frame.mode in ("1", "F") else "RGB")
    if size is not None:
        frame = _resized(frame, size)
    return frame


def _resized(frame: Pillow.Image, size: Size) -> Pillow.Image:
    from PIL import Image, ImageOps

    width, height = size.width, size.height
    if width is None or height is None:
        ratio = (width / frame.width) if width else ((height or 1) / frame.height)
        width, height = round(frame.width * ratio) or 1, round(frame.height * ratio) or 1
        fit: Fit = "stretch"
    else:
        fit = size.fit
    if not size.enlarge and width >= frame.width and height >= frame.height:
        return frame
    if max(width, height) > _LONGEST_SIDE:
        raise _refused(f"{width} × {height} is more than {_LONGEST_SIDE} pixels on a side")
    if fit == "contain":
        return ImageOps.contain(frame, (width, height), Image.Resampling.LANCZOS)
    if fit == "cover":
        if not size.enlarge:
            width, height = min(width, frame.width), min(height, frame.height)
        return ImageOps.fit(frame, (width, height), Image.Resampling.LANCZOS)
    return frame.resize((width, height), Image.Resampling.LANCZOS)


def _options(
    picture: Pillow.Image, frame: Pillow.Image, wanted: Format, quality: int, *, keep_metadata: bool
) -> dict[str, Any]:
    # Without these, Pillow hands the old picture's comments and EXIF to the new one.
    frame.info.clear()
    given: dict[str, Any] = {}
    profile = picture.info.get("icc_profile")
    channels = {"CMYK": 4, "L": 1, "I": 1, "I;16": 1, "1": 1}
    if profile and wanted != "gif" and channels.get(picture.mode, 3) == channels.get(frame.mode, 3):
        given["icc_profile"] = profile
    if keep_metadata and wanted != "gif":
        exif = picture.getexif()
        exif.pop(_ORIENTATION, None)
        if len(exif):
            given["exif"] = exif.tobytes()
    if wanted in ("jpeg", "webp"):
        given["quality"] = quality
    if wanted in ("jpeg", "png"):
        given["optimize"] = True
    return given


def _refused(why: str, hint: str = "") -> BadInput:
    return BadInput(f"the picture is refused: {why}", code="C065", hint=hint)
