"""Look at pictures, resize them, and write them in another format."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal, TypedDict
from weakref import WeakKeyDictionary

from hookline.sdk import BadInput, Context, Example, Field, File, action, parse_size

from ._files.fields import Cap, Connection, Of
from ._files.names import plain_name
from ._files.sources import source_of
from ._images.pictures import Fit, Format, Limits, Size, look, make

__all__ = ["REQUIRES", "convert", "info", "resize"]

REQUIRES = ("PIL",)

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
AT_A_TIME = 2
"""Pictures that are decoded at the same time; each may take `max_pixels` of memory."""

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_MOST_PIXELS = 400_000_000
_Pixels = Annotated[
    int,
    Field(
        "Most pixels that are decoded, all frames together; each takes 4 bytes of memory.",
        minimum=1,
        maximum=_MOST_PIXELS,
        advanced=True,
    ),
]
_Frames = Annotated[int, Field("Most frames of an animation.", minimum=1, maximum=2000, advanced=True)]
_Animation = Annotated[
    Literal["keep", "first"],
    Field(
        "What to do with an animation.",
        options={"keep": "Keep all frames, where the format can.", "first": "Keep the first frame."},
        advanced=True,
    ),
]
_Metadata = Annotated[
    bool,
    Field("Keep EXIF, which may say where and with what the picture was taken.", advanced=True),
]
_Quality = Annotated[int, Field("Quality of JPEG and WebP.", minimum=1, maximum=95)]
_Background = Annotated[
    str,
    Field(
        "Colour behind what is transparent, for JPEG: # and three pairs of hexadecimal digits.",
        examples=["#ffffff"],
        advanced=True,
    ),
]
_Name = Annotated[str, Field("Name of the result; the old one, with its ending, when empty.", advanced=True)]
_FORMATS: dict[Any, str] = {
    "jpeg": "JPEG: for photographs; knows no transparency.",
    "png": "PNG: keeps every pixel.",
    "webp": "WebP: small, for the web.",
    "gif": "GIF: 256 colours, animations.",
}
_PICTURE = {"$file": "artifact:example", "name": "cat.png", "mime": "image/png"}


class Info(TypedDict):
    """What a picture says of itself."""

    format: Annotated[str, Field("Its format: jpeg, png, gif, webp, bmp, tiff.")]
    mime: Annotated[str, Field("Its media type.")]
    width: Annotated[int, Field("Width in pixels, upright.")]
    height: Annotated[int, Field("Height in pixels, upright.")]
    frames: Annotated[int, Field("Number of frames; more than one is an animation.")]
    has_transparency: Annotated[bool, Field("Whether parts of it may be transparent.")]
    orientation: Annotated[int, Field("How the camera was held, as EXIF says; 1 is upright.")]


class Picture(TypedDict):
    """A picture that was made."""

    file: Annotated[File, Field("The picture, in the artifact store.")]
    width: Annotated[int, Field("Width in pixels.")]
    height: Annotated[int, Field("Height in pixels.")]
    format: Annotated[str, Field("Its format.")]
    frames: Annotated[int, Field("Number of frames.")]
    bytes: Annotated[int | None, Field("Its size.")]


@action(
    "image.info",
    effect="read",
    summary="{format}, {width} × {height}",
    examples=(Example({"file": _PICTURE}, title="A picture"),),
)
async def info(ctx: Context, file: Of, connection: Connection = "", max_bytes: Cap = "100MB") -> Info:
    """Look at a picture

    Only its head is read. That a picture is whole is not known before it is decoded.
    """
    source = await source_of(ctx, file, connection)
    kept = await source.kept("Reading", parse_size(max_bytes, name="max_bytes"))
    found = await asyncio.to_thread(look, await ctx.files.local_path(kept))
    return {
        "format": found.format,
        "mime": found.mime,
        "width": found.width,
        "height": found.height,
        "frames": found.frames,
        "has_transparency": found.has_transparency,
        "orientation": found.orientation,
    }


@action(
    "image.resize",
    effect="read",
    summary="Resized to {width} × {height}",
    examples=(
        Example({"file": _PICTURE, "width": 512}, title="To a width"),
        Example({"file": _PICTURE, "width": 256, "height": 256, "fit": "cover"}, title="A square thumbnail"),
    ),
)
async def resize(
    ctx: Context,
    file: Of,
    width: Annotated[
        int | None,
        Field("Width in pixels; follows from the height when empty.", minimum=1, maximum=16_383),
    ] = None,
    height: Annotated[
        int | None,
        Field("Height in pixels; follows from the width when empty.", minimum=1, maximum=16_383),
    ] = None,
    fit: Annotated[
        Fit,
        Field(
            "How it fits, where both are given.",
            options={
                "contain": "All of it, within the size.",
                "cover": "The middle of it, filling the size.",
                "stretch": "All of it, out of proportion if need be.",
            },
        ),
    ] = "contain",
    enlarge: Annotated[bool, Field("Also make small pictures larger.")] = False,
    format: Annotated[
        Literal["same", "jpeg", "png", "webp", "gif"],
        Field("Format to write.", options={"same": "The picture's own, or PNG.", **_FORMATS}),
    ] = "same",
    quality: _Quality = 85,
    background: _Background = "#ffffff",
    animation: _Animation = "keep",
    keep_metadata: _Metadata = False,
    name: _Name = "",
    connection: Connection = "",
    max_pixels: _Pixels = 50_000_000,
    max_frames: _Frames = 200,
    max_bytes: Cap = "100MB",
) -> Picture:
    """Resize a picture

    It comes out upright, without EXIF, comments and places, and in its own colours. Pictures that would
    fill the memory are refused before they are decoded.
    """
    if width is None and height is None:
        raise BadInput("neither width nor height is given", hint="give one of them, or both")
    return await _made(
        ctx,
        file,
        connection,
        name,
        max_bytes,
        Limits(max_pixels, max_frames),
        size=Size(width, height, fit, enlarge),
        format=None if format == "same" else format,
        quality=quality,
        background=background,
        animation=animation == "keep",
        keep_metadata=keep_metadata,
    )


@action(
    "image.convert",
    effect="read",
    summary="Made a {format}",
    examples=(Example({"file": _PICTURE, "format": "webp"}, title="For the web"),),
)
async def convert(
    ctx: Context,
    file: Of,
    format: Annotated[Format, Field("Format to write.", options=_FORMATS)],
    quality: _Quality = 85,
    background: _Background = "#ffffff",
    animation: _Animation = "keep",
    keep_metadata: _Metadata = False,
    name: _Name = "",
    connection: Connection = "",
    max_pixels: _Pixels = 50_000_000,
    max_frames: _Frames = 200,
    max_bytes: Cap = "100MB",
) -> Picture:
    """Convert a picture

    It comes out upright, without EXIF, comments and places, and in its own colours. Pictures that would
    fill the memory are refused before they are decoded.
    """
    return await _made(
        ctx,
        file,
        connection,
        name,
        max_bytes,
        Limits(max_pixels, max_frames),
        size=None,
        format=format,
        quality=quality,
        background=background,
        animation=animation == "keep",
        keep_metadata=keep_metadata,
    )


def _turn() -> asyncio.Semaphore:
    """Waited for here and not in a thread: threads are few, and others need them."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_A_TIME))


async def _made(
    ctx: Context,
    file: File | str,
    connection: str,
    name: str,
    max_bytes: str | int,
    limits: Limits,
    **how: Any,
) -> Picture:
    if not _COLOUR.fullmatch(how["background"]):
        raise BadInput(f"{how['background'][:20]!r} is no colour", hint="write one like #ffffff")
    source = await source_of(ctx, file, connection)
    kept = await source.kept("Reading", parse_size(max_bytes, name="max_bytes"))
    path = await ctx.files.local_path(kept)
    async with _turn():
        made = await asyncio.to_thread(make, path, limits, **how)
    stem = source.file.name.rpartition(".")[0] or source.file.name
    suffix = "jpg" if made.format == "jpeg" else made.format
    result = await ctx.files.save(
        made.content, name=plain_name(name or f"{stem}.{suffix}"), mime=f"image/{made.format}"
    )
    return {
        "file": result,
        "width": made.width,
        "height": made.height,
        "format": made.format,
        "frames": made.frames,
        "bytes": result.bytes,
    }
