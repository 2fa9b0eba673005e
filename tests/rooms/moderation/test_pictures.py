"""The provider ``hashlist``: pictures that are known already."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine.loader import import_room
from hookline.sdk import BadInput
from hookline.testing import FakeContext

from .kit import check

PICTURES = import_room("actions._moderation.pictures")


def picture(seed: int, size: tuple[int, int] = (320, 240), **save: Any) -> bytes:
    """A picture of soft shapes that depend on `seed`."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    image = Pillow.new("RGB", size, (seed * 37 % 256, 120, 200))
    draw = ImageDraw.Draw(image)
    for number in range(12):
        value = seed * 7919 + number * 104_729
        x, y = value % 90 / 100 * size[0], value // 7 % 90 / 100 * size[1]
        width, height = (value // 11 % 40 + 10) / 100 * size[0], (value // 13 % 40 + 10) / 100 * size[1]
        draw.ellipse((x, y, x + width, y + height), fill=(value % 256, value // 3 % 256, value // 5 % 256))
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **save})
    return buffer.getvalue()


def hash_of(content: bytes, algorithm: str) -> str:
    [frame] = PICTURES.frames(content)
    return f"{algorithm}:{getattr(PICTURES, algorithm)(frame):016x}"


def look(content: bytes, *hashes: str, mime: str = "image/png", **given: Any) -> Any:
    ctx = FakeContext()
    reference = ctx.fake_files.put(content, name="picture", mime=mime).to_json()
    return check(ctx, provider="hashlist", image=reference, hashes=list(hashes), **given)


@pytest.mark.parametrize("algorithm", ["phash", "dhash"])
def test_a_known_picture_is_found_resized_and_recompressed(algorithm: str) -> None:
    known = hash_of(picture(1), algorithm)
    for copy in (
        picture(1),
        picture(1, (800, 600)),
        picture(1, (160, 120)),
        picture(1, format="JPEG", quality=60),
        picture(1, (2400, 1800), format="JPEG"),
        picture(1, format="WEBP"),
    ):
        assert look(copy, f"sexual: {known}")["action"] == "block"
    others = [look(picture(seed), known)["action"] for seed in range(2, 30)]
    assert others == ["allow"] * len(others)


def test_a_hash_without_a_name_follows_the_algorithm() -> None:
    name, _, digits = hash_of(picture(1), "dhash").partition(":")
    assert look(picture(1), digits, algorithm="dhash", max_distance=0)["action"] == "block"
    assert look(picture(1), digits, algorithm="phash", max_distance=0)["action"] == "allow"
    assert name == "dhash"


def test_every_frame_is_looked_at() -> None:
    from PIL import Image as Pillow

    images = [Pillow.open(io.BytesIO(picture(seed))) for seed in (5, 6, 1)]
    buffer = io.BytesIO()
    images[0].save(buffer, format="GIF", save_all=True, append_images=images[1:])
    assert look(buffer.getvalue(), hash_of(picture(1), "phash"))["action"] == "block"
    assert look(buffer.getvalue(), hash_of(picture(9), "phash"))["action"] == "allow"


def test_what_is_transparent_is_seen_on_white() -> None:
    from PIL import Image as Pillow

    def shown(background: tuple[int, int, int, int]) -> str:
        image = Pillow.new("RGBA", (64, 64), background)
        image.paste((0, 0, 0, 255), (0, 0, 30, 64))
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return hash_of(buffer.getvalue(), "dhash")

    assert shown((0, 0, 0, 0)) == shown((255, 255, 255, 255))


@pytest.mark.parametrize(
    "plain", ["0000000000000000", "ffffffffffffffff", "dhash:0000000000000001", "phash:ff", "x"]
)
def test_a_hash_that_is_near_everything_is_refused(plain: str) -> None:
    with pytest.raises(BadInput) as caught:
        look(picture(1), plain)
    assert caught.value.code == "C033"


def test_a_plain_picture_is_near_no_listed_one() -> None:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.new("RGB", (50, 50), "white").save(buffer, format="PNG")
    known = [hash_of(picture(seed), algorithm) for seed in range(8) for algorithm in ("phash", "dhash")]
    usable = [each for each in known if 8 < int(each[6:], 16).bit_count() < 56]
    assert look(buffer.getvalue(), *usable)["action"] == "allow"


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "content",
    [
        png(50_000, 50_000, b"\0" * 100_000),
        png(10_000, 10_000, b"\0" * 100_000),
        png(100, 100, b"\0" * 10),
        png(0, 0, b""),
        picture(1)[:500],
        b"",
        b"GIF89a",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x00" * 1000,
    ],
    ids=["bomb", "large", "truncated data", "no size", "cut", "empty", "gif", "pdf", "svg", "zeros"],
)
def test_what_cannot_be_decoded_is_not_allowed(content: bytes) -> None:
    verdict = look(content, "phash:e1e1f0d2b4963c87")
    assert (verdict["status"], verdict["action"]) == ("unsupported", "review")


def test_a_film_in_a_picture_is_not_allowed() -> None:
    from PIL import Image as Pillow

    frames = [Pillow.new("L", (4, 4), value) for value in range(0, 250, 2)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:])
    assert look(buffer.getvalue(), "phash:e1e1f0d2b4963c87")["status"] == "unsupported"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3000), st.binary(min_size=1, max_size=20))
def test_a_damaged_picture_never_breaks_the_check(position: int, damage: bytes) -> None:
    content = picture(1, format="JPEG")
    broken = content[:position] + damage + content[position + len(damage) :]
    assert look(broken, "phash:e1e1f0d2b4963c87")["status"] in ("ok", "unsupported")


def test_a_picture_that_is_too_large_is_not_read() -> None:
    ctx = FakeContext()
    reference = {"$file": "artifact:not there", "bytes": 20_000_001}
    verdict = check(ctx, provider="hashlist", image=reference, hashes=["phash:e1e1f0d2b4963c87"])
    assert (verdict["status"], verdict["action"]) == ("unsupported", "review")
    reference = ctx.fake_files.put(b"x" * 20_000_001).to_json() | {"bytes": 1}
    verdict = check(ctx, provider="hashlist", image=reference, hashes=["phash:e1e1f0d2b4963c87"])
    assert verdict["status"] == "unsupported"


def test_the_wrong_kind_of_content_is_not_allowed() -> None:
    assert check(provider="hashlist", text="x", hashes=["phash:e1e1f0d2b4963c87"])["action"] == "review"
    ctx = FakeContext()
    reference = ctx.fake_files.put(picture(1)).to_json()
    assert check(ctx, image=reference)["action"] == "review"


def test_without_pillow_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(BadInput) as caught:
        look(b"x", "phash:e1e1f0d2b4963c87")
    assert caught.value.code == "C031"
    assert caught.value.hint == "pip install hookline[images]"
