"""Perceptual hashes: nearly the same number for nearly the same picture."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image as Pictures

__all__ = ["BITS", "Algorithm", "NotDecodable", "dhash", "frames", "phash"]

Algorithm = Literal["dhash", "phash"]

BITS = 64
MAX_PIXELS = 20_000_000
"""Per frame, before anything is decoded: a few bytes can announce a picture that fills the memory."""

MAX_JPEG_PIXELS = 80_000_000
"""JPEG is decoded at a fraction of its size."""

MAX_TOTAL_PIXELS = 100_000_000
MAX_FRAMES = 60
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
_SIDE = 32
_LOW = 8


class NotDecodable(Exception):
    """The picture was not examined; the message says why."""


def frames(content: bytes) -> Iterator[Pictures.Image]:
    """Every frame, upright, in shades of grey, on white.

    Raises:
        NotDecodable: The bytes are no picture of a known format, broken, or too large to decode.
        ImportError: Pillow is not installed.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            count = getattr(picture, "n_frames", 1)
            pixels = picture.width * picture.height
            limit = MAX_JPEG_PIXELS if picture.format == "JPEG" else MAX_PIXELS
            if pixels > limit or pixels * count > MAX_TOTAL_PIXELS or count > MAX_FRAMES:
                raise NotDecodable("it has too many pixels or frames")
            picture.draft("L", (256, 256))
            for number in range(count):
                picture.seek(number)
                frame = ImageOps.exif_transpose(picture)
                if frame.has_transparency_data:
                    frame = frame.convert("RGBA")
                    frame = Image.alpha_composite(Image.new("RGBA", frame.size, "white"), frame)
                yield frame.convert("L")
    except (NotDecodable, MemoryError, GeneratorExit):
        raise
    except Exception as error:
        # Decoders of hostile bytes raise whatever they stumble over.
        raise NotDecodable(f"it cannot be decoded ({type(error).__name__})") from error


def dhash(picture: Pictures.Image) -> int:
    """Whether each of 8 × 8 places is darker than its right neighbour; fast, unmoved by brightness."""
    from PIL import Image

    pixels = list(picture.resize((9, 8), Image.Resampling.LANCZOS).tobytes())
    bits = (
        pixels[row * 9 + column + 1] > pixels[row * 9 + column] for row in range(8) for column in range(8)
    )
    return _number(bits)


def phash(picture: Pictures.Image) -> int:
    """Whether each of the 8 × 8 lowest frequencies lies above their median; unmoved by scaling."""
    from PIL import Image

    pixels = list(picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).tobytes())
    basis = _basis()
    rows = [
        [sum(map(_times, basis[u], pixels[start : start + _SIDE])) for u in range(_LOW)]
        for start in range(0, _SIDE * _SIDE, _SIDE)
    ]
    # Rounded, so that the rest of a sum that cancels out is 0 and not a random sign.
    low = [
        round(sum(basis[v][y] * rows[y][u] for y in range(_SIDE)), 6)
        for v in range(_LOW)
        for u in range(_LOW)
    ]
    middle = median(low)
    return _number(value > middle for value in low)


def _times(a: float, b: float) -> float:
    return a * b


@lru_cache(maxsize=1)
def _basis() -> list[list[float]]:
    """The lowest cosines of the discrete cosine transform (DCT-II)."""
    return [[math.cos(math.pi * u * (2 * x + 1) / (2 * _SIDE)) for x in range(_SIDE)] for u in range(_LOW)]


def _number(bits: Iterator[bool]) -> int:
    number = 0
    for bit in bits:
        number = number << 1 | bit
    return number
