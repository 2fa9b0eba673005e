"""Small pictures of kept files, where Pillow is installed.

A picture comes from whoever sent it. It is decoded within bounds, made small, and encoded anew without
what else was in the file, so that a browser never gets a byte of the original to interpret.
"""

from __future__ import annotations

import importlib.util
import io
import logging

__all__ = ["TYPES", "is_available", "thumbnail"]

log = logging.getLogger(__name__)

TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

SIDE = 480
"""Longest side in pixels."""

MAX_BYTES = 25_000_000
"""A larger file is not read."""

MAX_PIXELS = 50_000_000
"""A larger picture is not decoded; its link still downloads it."""


def is_available() -> bool:
    """Whether thumbnails can be made."""
    return importlib.util.find_spec("PIL") is not None


def thumbnail(content: bytes) -> bytes | None:
    """A JPEG of at most `SIDE` pixels; None when the bytes are no picture, or one too large to look at."""
    if not is_available():
        return None
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.draft("RGB", (SIDE, SIDE))
            small = ImageOps.exif_transpose(picture)
            small.thumbnail((SIDE, SIDE))
            # What is transparent is shown on white.
            shown = Image.new("RGB", small.size, "white")
            layer = small.convert("RGBA")
            shown.paste(layer, mask=layer)
            made = io.BytesIO()
            shown.save(made, "JPEG", quality=80)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        log.info("no thumbnail: %s", error)
        return None
    return made.getvalue()
