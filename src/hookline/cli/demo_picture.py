"""The picture that the demonstration uploads: an evening over hills, painted here and now."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["SIZE", "paint_evening"]

SIZE = (1200, 800)
"""Width and height in pixels."""

_SKY = ("#1d3461", "#e8798a", "#ffd9a0")
"""Colours of the sky: above, in the middle, at the horizon."""

_HORIZON = 0.62
"""Height of the horizon, as a share of the picture's, from above."""

_SUN = (0.68, 0.45, 0.075)
"""Middle and radius of the sun, as shares of width, height and height."""

_HILLS = (
    # base and swing as shares of the height, waves over the width, shift in radians, colour
    (0.58, 0.050, 1.7, 0.6, "#8d6a9f"),
    (0.68, 0.060, 2.3, 2.1, "#5d5288"),
    (0.78, 0.055, 3.1, 4.0, "#37406b"),
    (0.90, 0.045, 2.2, 1.2, "#1b2440"),
)


def paint_evening() -> bytes:
    """The picture as JPEG; the same on every call.

    Raises:
        ImportError: Pillow is not installed.
    """
    from PIL import Image, ImageDraw, ImageOps

    width, height = SIZE
    gradient = Image.linear_gradient("L").resize((width, int(height * _HORIZON)))
    picture = Image.new("RGB", SIZE, _SKY[2])
    picture.paste(ImageOps.colorize(gradient, black=_SKY[0], mid=_SKY[1], white=_SKY[2]), (0, 0))
    _shine(picture)
    draw = ImageDraw.Draw(picture)
    for base, swing, waves, shift, colour in _HILLS:
        ridge = [(x, height * _ridge(x / width, base, swing, waves, shift)) for x in range(0, width + 4, 4)]
        draw.polygon([*ridge, (width, height), (0, height)], fill=colour)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=88)
    return target.getvalue()


def _ridge(x: float, base: float, swing: float, waves: float, shift: float) -> float:
    """The height of a hill's ridge at `x`, both as shares."""
    turn = 2 * math.pi * x
    wave = math.sin(turn * waves + shift) + 0.35 * math.sin(turn * waves * 2.7 + 2 * shift)
    return base - swing * (wave + 0.08 * math.sin(turn * waves * 9.1))


def _shine(picture: Image.Image) -> None:
    """The sun, with its glow on the sky around it."""
    from PIL import Image, ImageDraw, ImageOps

    width, height = picture.size
    across, down, size = _SUN
    middle = (int(width * across), int(height * down))
    radius = int(height * size)
    glow = ImageOps.invert(Image.radial_gradient("L")).resize((radius * 9, radius * 9))
    corner = (middle[0] - glow.width // 2, middle[1] - glow.height // 2)
    # The gradient reaches nought at its corners; the glow must at its edges, or it shows as a square.
    strength = glow.point(lambda value: max(0.0, value - 76.0))
    picture.paste(Image.new("RGB", glow.size, "#fff1c9"), corner, strength)
    box = (middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius)
    ImageDraw.Draw(picture).ellipse(box, fill="#fff8e1")
