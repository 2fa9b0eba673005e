"""Publishing only what a verdict allows, to the byte."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from hookline.sdk import BadInput
from hookline.sdk.verdicts import require_verdict
from hookline.testing import FakeContext, FakeObjectStore, run_action

from .kit import REGISTRY, Finding, Provider, check

UPLOAD = REGISTRY.actions["files.upload"]


def verdict_on(content: bytes, score: float = 0.0) -> Any:
    ctx = FakeContext(connections={"judge": Provider(Finding("violence", score))})
    return check(ctx, provider="judge", image=ctx.fake_files.put(content, name="a.png").to_json())


def upload(content: bytes, verdict: Any) -> dict[str, bytes]:
    store = FakeObjectStore()
    ctx = FakeContext(connections={"s3": store})
    # What the reference says of itself is not trusted: the bytes are.
    file = ctx.fake_files.put(content, name="a.png").to_json() | {
        "sha256": verdict_on(b"good")["subject"]["sha256"]
    }
    asyncio.run(run_action(UPLOAD, {"file": file, "to": "s3://out/a.png", "require_verdict": verdict}, ctx))
    return store.objects


def test_the_bytes_that_were_allowed_are_published() -> None:
    assert upload(b"good", verdict_on(b"good")) == {"s3://out/a.png": b"good"}


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (b"other", verdict_on(b"good")),
        (b"good", verdict_on(b"good", 0.5)),
        (b"good", verdict_on(b"good", 0.9)),
        (b"good", {**verdict_on(b"good"), "schema": "moderation.verdict/0"}),
        (b"good", {**verdict_on(b"good"), "subject": None}),
        (b"good", {**verdict_on(b"good"), "action": "ALLOW"}),
        (b"good", {"action": "allow"}),
        (b"good", {}),
    ],
)
def test_nothing_else_is_published(content: bytes, verdict: Any) -> None:
    with pytest.raises(BadInput) as caught:
        upload(content, verdict)
    assert caught.value.code == "C036"


def test_a_verdict_without_a_digest_allows_nothing() -> None:
    verdict = verdict_on(b"good")
    verdict["subject"]["sha256"] = None
    for digest in ("", hashlib.sha256(b"good").hexdigest()):
        with pytest.raises(BadInput):
            require_verdict(verdict, digest)
    verdict["subject"]["sha256"] = ""
    with pytest.raises(BadInput):
        require_verdict(verdict, "")
