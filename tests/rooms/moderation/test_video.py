"""Videos: frames at even distances, each examined as a picture; what was not looked at is never allowed."""

from __future__ import annotations

import asyncio
import hashlib
import io
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, Unavailable
from hookline.sdk.moderation import Assessment, Finding, Image
from hookline.sdk.verdicts import rejudge, require_verdict
from hookline.testing import FakeContext

from .kit import check

VIDEO = import_room("actions._moderation.video")
PICTURES = import_room("actions._moderation.pictures")
FFMPEG = VIDEO.find_ffmpeg()

pytestmark = pytest.mark.skipif(not FFMPEG, reason="there is no ffmpeg")


def encode(path: Path, *inputs: str, **options: str) -> bytes:
    """A video of the given sources, one after the other."""
    sources = [part for each in inputs for part in ("-f", "lavfi", "-i", each)]
    joined = ["-filter_complex", f"concat=n={len(inputs)}:v=1", "-pix_fmt", "yuv420p"]
    more = [part for name, value in options.items() for part in (f"-{name}", value)]
    subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-y", *sources, *joined, *more, path], check=True, timeout=60
    )
    return path.read_bytes()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four seconds of blue, two of a test card, four of blue."""
    blue = "color=blue:size=320x240:rate=10:duration=4"
    card = "testsrc=size=320x240:rate=10:duration=2"
    return encode(tmp_path_factory.mktemp("video") / "clip.mp4", blue, card, blue)


class Seer:
    """A provider that scores each picture, in the order of time."""

    moderates = ("image",)

    def __init__(self, *scores: float | Exception | Assessment) -> None:
        self.scores = scores
        self.asked: list[str] = []

    async def moderate(self, *, text: str | None = None, image: Image | None = None) -> Assessment:
        assert text is None
        assert image is not None
        assert image.content.startswith(b"\xff\xd8\xff")
        self.asked.append(image.uri)
        told = self.scores[(len(self.asked) - 1) % len(self.scores)]
        if isinstance(told, Exception):
            raise told
        if isinstance(told, Assessment):
            return told
        return Assessment([Finding("violence", told, provider_name="violence")], model="seer-1")


def look(provider: Any, content: bytes, *, name: str = "clip.mp4", **given: Any) -> Any:
    ctx = FakeContext(connections={"judge": provider})
    video = ctx.fake_files.put(content, name=name, mime="video/mp4").to_json()
    try:
        return check(ctx, provider="judge", video=video, **given)
    finally:
        ctx.fake_files.close()


def test_every_frame_is_asked_about_and_the_worst_decides(clip: bytes) -> None:
    seer = Seer(0.1, 0.9, 0.2, 0.0)
    verdict = look(seer, clip, frames=4)
    assert len(seer.asked) == 4
    assert (verdict["action"], verdict["reason"]) == ("block", "violence 0.90 >= block 0.8")
    assert (verdict["subject"]["kind"], verdict["status"]) == ("video", "ok")


def test_frames_lie_at_even_distances(clip: bytes) -> None:
    seer = Seer(0.0)
    look(seer, clip, frames=5)
    moments = sorted(float(uri.removeprefix("#t=")) for uri in seer.asked)
    gaps = [after - before for before, after in pairwise(moments)]
    assert max(gaps) - min(gaps) < 0.002
    assert 0 < moments[0] < gaps[0]
    assert moments[-1] < 10


def test_a_known_picture_in_the_middle_is_found(clip: bytes, tmp_path: Path) -> None:
    from PIL import Image as Pillow

    (tmp_path / "clip.mp4").write_bytes(clip)
    frames = asyncio.run(VIDEO.sampled(tmp_path / "clip.mp4", 9, FFMPEG))
    card = min(frames, key=lambda frame: abs(frame.at - 5)).content
    known = f"phash:{PICTURES.phash(Pillow.open(io.BytesIO(card)).convert('L')):016x}"
    ctx = FakeContext()
    video = ctx.fake_files.put(clip, name="clip.mp4", mime="video/mp4").to_json()
    found = check(ctx, provider="hashlist", video=video, frames=9, hashes=[known])
    ctx.fake_files.close()
    assert found["action"] == "block"


def test_the_verdict_is_about_the_bytes_of_the_video(clip: bytes) -> None:
    verdict = look(Seer(0.0), clip, frames=2)
    require_verdict(verdict, hashlib.sha256(clip).hexdigest())


def test_a_stored_verdict_is_decided_again_without_asking(clip: bytes) -> None:
    verdict = look(Seer(0.5), clip, frames=2)
    assert verdict["action"] == "review"
    assert rejudge(verdict, {"default": {"review": 0.2, "block": 0.5}})[0] == "block"
    assert rejudge(verdict, {"default": {"review": 0.6, "block": 0.9}})[0] == "allow"


@pytest.mark.parametrize(
    "answer", [Unavailable("no"), Assessment(unsupported="too dark"), RuntimeError("what the provider said")]
)
def test_one_frame_that_nobody_could_examine_is_enough_for_a_review(clip: bytes, answer: Any) -> None:
    verdict = look(Seer(0.0, answer, 0.0), clip, frames=3)
    assert verdict["action"] == "review"
    assert verdict["status"] in ("error", "unsupported")
    assert "what the provider said" not in str(verdict)


def test_a_category_that_one_frame_was_not_examined_for_is_not_examined(clip: bytes) -> None:
    looked, not_looked = (
        Assessment([Finding("sexual", 0.0, evaluated=evaluated)]) for evaluated in (True, False)
    )
    verdict = look(Seer(looked, not_looked), clip, frames=2)
    assert (verdict["action"], verdict["status"]) == ("review", "unsupported")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("noise.mp4", bytes(range(256)) * 50),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
        ("concat.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
    ],
)
def test_what_is_no_video_is_reviewed(name: str, content: bytes) -> None:
    seer = Seer(0.0)
    verdict = look(seer, content, name=name)
    assert (verdict["action"], verdict["status"], seer.asked) == ("review", "unsupported", [])


def test_a_video_that_is_cut_off_is_not_allowed(clip: bytes) -> None:
    verdict = look(Seer(0.0), clip[: len(clip) // 2])
    assert verdict["action"] != "allow"


def test_a_header_cannot_hide_the_end(tmp_path: Path) -> None:
    """The length that the file claims is cut to a tenth; the frames are still spread over all of it."""
    content = encode(tmp_path / "long.avi", "testsrc=size=320x240:rate=10:duration=10", **{"c:v": "mjpeg"})
    place = content.index(b"avih") + 8 + 16
    assert int.from_bytes(content[place : place + 4], "little") == 100
    seer = Seer(0.0)
    look(seer, content[:place] + (10).to_bytes(4, "little") + content[place + 4 :], frames=5, name="long.avi")
    assert max(float(uri.removeprefix("#t=")) for uri in seer.asked) > 8


def test_without_ffmpeg_a_video_is_reviewed(clip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_room("actions.moderation"), "find_ffmpeg", lambda: "")
    seer = Seer(0.0)
    verdict = look(seer, clip)
    assert (verdict["action"], seer.asked) == ("review", [])
    assert "ffmpeg" in verdict["reason"]
    blocked = look(seer, clip, on_unsupported="block")
    assert blocked["action"] == "block"


def test_a_video_is_examined_alone(clip: bytes) -> None:
    with pytest.raises(BadInput, match="alone"):
        look(Seer(0.0), clip, text="with this")
    with pytest.raises(BadInput, match="alone"):
        check(provider=["replicate"], video={"$file": "artifact:x", "name": "a", "mime": "video/mp4"})
