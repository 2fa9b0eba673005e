"""What the tests of ``moderation.check`` share."""

from __future__ import annotations

import asyncio
from typing import Any

from hookline.engine.loader import load_registry
from hookline.sdk.moderation import Assessment, Finding, Image
from hookline.testing import FakeContext, run_action

__all__ = ["CHECK", "REGISTRY", "Provider", "ask", "check", "is_found"]

REGISTRY = load_registry()
CHECK = REGISTRY.actions["moderation.check"]


def check(ctx: FakeContext | None = None, **given: Any) -> Any:
    return asyncio.run(run_action(CHECK, {"provider": "wordlist", **given}, ctx or FakeContext()))


def is_found(text: str, *words: str) -> bool:
    found = check(text=text, words=list(words), default_words=False)["action"]
    assert found in ("allow", "block")
    return bool(found == "block")


class Provider:
    """A connection that moderates."""

    def __init__(self, *findings: Finding, error: Exception | None = None, **assessment: Any) -> None:
        self.findings = findings
        self.error = error
        self.assessment = assessment
        self.asked: list[tuple[str | None, Image | None]] = []

    async def moderate(self, *, text: str | None = None, image: Image | None = None) -> Any:
        self.asked.append((text, image))
        if self.error:
            raise self.error
        return Assessment(self.findings, **self.assessment)


def ask(provider: Any, **given: Any) -> Any:
    ctx = FakeContext(connections={"judge": provider})
    return check(ctx, **{"provider": "judge", "text": "hello", **given})
