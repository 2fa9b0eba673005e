"""``image.info``, ``image.resize`` and ``image.convert``."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms

from hookline.engine.loader import import_room, load_registry
from hookline.sdk import BadInput
from hookline.testing import FakeContext, FakeObjectStore, run_action

REGISTRY = load_registry()
ORIENTATION, MAKER = 0x0112, 0x010F


def do(action: str, content: bytes, name: str = "cat.png", **given: Any) -> Any:
    ctx = FakeContext()
    file = ctx.fake_files.put(content, name=name).to_json()
    try:
        output = asyncio.run(run_action(REGISTRY.actions[f"image.{action}"], {"file": file, **given}, ctx))
        if "file" not in output:
            return output
        return output, Image.open(io.BytesIO(ctx.fake_files.content(output["file"])))
    finally:
        ctx.fake_files.close()


def encoded(picture: Image.Image, format: str = "PNG", **given: Any) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, format, **given)
    return sink.getvalue()


def refused(content: bytes, code: str, action: str = "convert", **given: Any) -> None:
    given = {"format": "png"} | given if action == "convert" else given
    with pytest.raises(BadInput) as caught:
        do(action, content, **given)
    assert caught.value.code == code
    assert len(caught.value.message) < 300


def flag(width: int = 60, height: int = 30) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"width": 20}, (20, 10)),
        ({"height": 10}, (20, 10)),
        ({"width": 20, "height": 20}, (20, 10)),
        ({"width": 20, "height": 20, "fit": "cover"}, (20, 20)),
        ({"width": 20, "height": 20, "fit": "stretch"}, (20, 20)),
        ({"width": 120}, (60, 30)),
        ({"width": 120, "enlarge": True}, (120, 60)),
        ({"width": 90, "height": 90, "fit": "cover"}, (60, 30)),
        ({"width": 40, "height": 90, "fit": "cover"}, (40, 30)),
        ({"width": 1}, (1, 1)),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_picture_is_made_to_fit(format: str, given: dict[str, Any], size: tuple[int, int]) -> None:
    output, picture = do("resize", encoded(flag(), format), f"cat.{format.lower()}", **given)
    assert picture.size == (output["width"], output["height"]) == size
    assert picture.format == format
    assert output["file"].mime == f"image/{format.lower()}"
    if size[0] > 10:
        red, blue = picture.getpixel((1, size[1] // 2)), picture.getpixel((size[0] - 2, size[1] // 2))
        assert red[0] > 200 > 60 > red[2]
        assert blue[2] > 200 > 60 > blue[0]


def test_one_side_must_be_given() -> None:
    with pytest.raises(BadInput):
        do("resize", encoded(flag()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_comes_out_upright_and_says_nothing_of_its_origin(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = orientation, "Camera of Ada"
    upright = flag()
    methods = [None, 0, 3, 1, 5, 2, 6, 4]  # how such a camera had held the sensor
    method = methods[orientation - 1]
    stored = upright if method is None else upright.transpose(Image.Transpose(method))
    content = encoded(stored, "JPEG", exif=exif, comment=b"Ada's", quality=95)
    looked = do("info", content, "cat.jpg")
    assert (looked["width"], looked["height"], looked["orientation"]) == (60, 30, orientation)
    for output, picture in (
        do("convert", content, "cat.jpg", format="jpeg"),
        do("resize", content, width=30),
    ):
        assert (output["width"], output["height"]) == picture.size
        assert picture.width == 2 * picture.height
        assert picture.getpixel((2, 5))[0] > 200
        assert not picture.getexif()
        assert "comment" not in picture.info
    output, picture = do("convert", content, "cat.jpg", format="jpeg", keep_metadata=True)
    assert dict(picture.getexif()) == {MAKER: "Camera of Ada"}


def test_colours_are_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(flag(), "JPEG", icc_profile=profile)
    for format in ("jpeg", "png", "webp"):
        assert do("convert", content, format=format)[1].info["icc_profile"] == profile
    content = encoded(flag().convert("CMYK"), "JPEG", icc_profile=b"for four inks")
    _, picture = do("convert", content, format="jpeg")
    assert (picture.mode, picture.info.get("icc_profile")) == ("RGB", None)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "gif"])
def test_every_kind_of_pixel_can_be_written(mode: str, format: str) -> None:
    picture = Image.new("I;16", (8, 8), 30_000) if mode == "I;16" else flag(8, 8).convert(mode)
    output, made = do("convert", encoded(picture), format=format)
    assert made.size == (8, 8)
    assert output["file"].name == ("cat.jpg" if format == "jpeg" else f"cat.{format}")
    if mode == "I;16":
        assert abs(made.convert("L").getpixel((4, 4)) - 30_000 // 256) <= 3


def test_what_is_transparent_gets_a_background_in_a_jpeg() -> None:
    content = encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))
    assert do("info", content)["has_transparency"] is True
    assert min(do("convert", content, format="jpeg")[1].getpixel((4, 4))) > 250
    assert max(do("convert", content, format="jpeg", background="#000000")[1].getpixel((4, 4))) < 5
    assert do("convert", content, format="webp")[1].convert("RGBA").getpixel((4, 4))[3] == 0
    with pytest.raises(BadInput):
        do("convert", content, format="jpeg", background="url(x)")


def film(format: str = "GIF", frames: int = 3, size: tuple[int, int] = (40, 20)) -> bytes:
    pictures = [Image.new("RGB", size, (number * 80 % 256, 20, 200)) for number in range(frames)]
    duration = 100 if format == "GIF" else [100 + number for number in range(frames)]
    more: Any = {"duration": duration}
    return encoded(pictures[0], format, save_all=True, append_images=pictures[1:], loop=0, **more)


@pytest.mark.parametrize("source", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("target", ["gif", "webp", "png"])
def test_an_animation_stays_one(source: str, target: str) -> None:
    assert do("info", film(source))["frames"] == 3
    output, picture = do("resize", film(source), width=20, format=target)
    assert (output["frames"], picture.n_frames, picture.size) == (3, 3, (20, 10))
    picture.seek(2)
    assert abs(picture.convert("RGB").getpixel((5, 5))[0] - 160) < 8
    picture.load()
    assert picture.info["duration"] >= 90


def test_an_animation_becomes_its_first_frame() -> None:
    assert do("convert", film(), format="jpeg")[0]["frames"] == 1
    assert do("convert", film(), format="webp", animation="first")[1].n_frames == 1


def head_of_png(width: int, height: int) -> bytes:
    """A few bytes that announce a picture of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    head = struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(10_000, 10_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1), (1, 2**30)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    refused(head_of_png(*size), "C065")
    refused(head_of_png(*size), "C065", "resize", width=10)


def test_a_bomb_of_frames_is_refused() -> None:
    refused(film(frames=30), "C065", format="gif", max_frames=29)
    refused(film(frames=30, size=(400, 200)), "C065", format="webp", max_pixels=400 * 200 * 29)
    assert do("convert", film(frames=30), format="jpeg", max_frames=1)[0]["frames"] == 1


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_what_is_cut_off_is_refused(format: str) -> None:
    content = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), format)
    assert do("convert", content, format="png")[0]["width"] == 64
    refused(content[: len(content) // 2], "C066")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0\n",
        b"GIF89a",
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    refused(content, "C066")
    refused(content, "C066", "info")


def test_a_result_that_no_format_holds_is_refused() -> None:
    content = encoded(Image.new("RGB", (1000, 1)))
    refused(content, "C065", "resize", height=100, enlarge=True)


def test_a_picture_of_a_store_is_fetched() -> None:
    store = FakeObjectStore({"s3://b/cat.png": encoded(flag())})
    ctx = FakeContext(connections={"s3": store})
    output = asyncio.run(run_action(REGISTRY.actions["image.info"], {"file": "s3://b/cat.png"}, ctx))
    ctx.fake_files.close()
    assert (output["width"], output["height"], output["mime"]) == (60, 30, "image/png")


def test_few_pictures_are_decoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps want it, and without keeping threads from others."""
    room = import_room("actions.image")
    genuine, now, most = room.make, [0], [0]
    lock = threading.Lock()

    def counted(*given: Any, **how: Any) -> Any:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            return genuine(*given, **how)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(room, "make", counted)

    async def go() -> None:
        ctx = FakeContext()
        file = ctx.fake_files.put(encoded(flag()), name="cat.png").to_json()
        given = {"file": file, "width": 10}
        await asyncio.gather(*(run_action(REGISTRY.actions["image.resize"], given, ctx) for _ in range(12)))
        ctx.fake_files.close()

    asyncio.run(go())
    assert 1 <= most[0] <= room.AT_A_TIME
