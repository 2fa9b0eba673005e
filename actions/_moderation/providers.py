"""Asking providers, one or several, so that nothing they do ends in silence or in an accidental "allow"."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from hookline.sdk import ActionError, BadInput, Context, TimedOut
from hookline.sdk.moderation import Assessment, Image
from hookline.sdk.policies import Decision, Policy, stricter
from hookline.sdk.verdicts import Combine, Part, Status, combine, is_sure, judge, unexamined

from .video import Frame, merged

__all__ = ["Content", "Outcome", "Provider", "Rulings", "examine"]

FRAMES_AT_ONCE = 4
"""Frames of a video that one provider is given at the same time."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is examined.

    Attributes:
        text: None when there is none.
        image: None when there is none, or it could not be read.
        unreadable: Why the image or the video could not be read, ``""`` when it could.
        frames: Of a video, which is looked at as pictures.
    """

    text: str | None
    image: Image | None
    unreadable: str = ""
    frames: Sequence[Frame] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is of text and image."""
        has_image = self.image is not None or bool(self.unreadable) or bool(self.frames)
        return tuple(
            kind for kind, is_there in (("text", self.text is not None), ("image", has_image)) if is_there
        )


@dataclass(frozen=True, slots=True)
class Provider:
    """Somebody to ask.

    Attributes:
        moderates: What it looks at: text, image.
        is_local: Its mistakes are the workflow's own, and a person has to correct them.
    """

    name: str
    moderates: tuple[str, ...]
    ask: Callable[[str | None, Image | None], Awaitable[Assessment]]
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Rulings:
    """How answers are ruled on.

    Attributes:
        sure_below: A cascade ends when every score is below it.
        timeout: Seconds one provider may take.
    """

    policy: Policy
    on_error: Decision
    on_unsupported: Decision
    combine: Combine
    sure_below: float
    timeout: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all of them lead to. `parts` are of those who were asked; `not_asked` were not needed."""

    status: Status
    action: Decision
    reason: str
    parts: Sequence[Part]
    not_asked: Sequence[str]


async def examine(ctx: Context, providers: Sequence[Provider], content: Content, rulings: Rulings) -> Outcome:
    """Ask every provider that looks at this kind of content; in a cascade only as long as it is needed.

    Raises:
        BadInput: The list or rules of a local provider cannot be used.
    """
    fit = [each for each in providers if set(each.moderates) & set(content.kinds)]
    not_asked: list[str] = []
    if rulings.combine == "cascade":
        parts: list[Part] = []
        for provider in fit:
            if _is_settled(parts, [kind for kind in provider.moderates if kind in content.kinds], rulings):
                not_asked.append(provider.name)
            else:
                parts.append(await _ask(ctx, provider, content, rulings))
    else:
        answers = await asyncio.gather(
            *(_ask(ctx, each, content, rulings) for each in fit), return_exceptions=True
        )
        parts = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            parts.append(answer)
    status, action, reason = _concluded(parts, content, rulings)
    return Outcome(status, action, reason, parts, not_asked)


def _is_settled(parts: Sequence[Part], kinds: Sequence[str], rulings: Rulings) -> bool:
    """Whether a cascade has no need of another opinion on these kinds."""
    if any(part["status"] == "ok" and part["action"] == "block" for part in parts):
        return True
    return all(
        any(kind in part["kinds"] and is_sure(part, rulings.sure_below) for part in parts) for kind in kinds
    )


def _concluded(parts: Sequence[Part], content: Content, rulings: Rulings) -> tuple[Status, Decision, str]:
    action, reason = combine(parts, rulings.combine)
    status: Status = "ok"
    for kind in content.kinds:
        seen = {part["status"] for part in parts if kind in part["kinds"]}
        if not seen:
            status = "unsupported"
            if not parts or stricter(action, rulings.on_unsupported) != action:
                action = rulings.on_unsupported
                reason = f"no provider examines {'texts' if kind == 'text' else 'pictures'}"
        elif "ok" not in seen:
            status = "error" if "error" in seen else "unsupported"
    missing = unexamined(parts, rulings.policy)
    if missing and status == "ok":
        status = "unsupported"
        if stricter(action, rulings.on_unsupported) != action:
            action, reason = rulings.on_unsupported, f"nobody looked at {missing}"
    return status, action, reason


async def _ask(ctx: Context, provider: Provider, content: Content, rulings: Rulings) -> Part:
    kinds = [kind for kind in content.kinds if kind in provider.moderates]
    started = ctx.now()
    found = Assessment()
    try:
        if "image" in kinds and content.unreadable:
            found = Assessment(unsupported=content.unreadable)
        elif content.frames:
            async with asyncio.timeout(rulings.timeout * len(content.frames)):
                found = await _ask_about_frames(provider, content.frames)
        else:
            async with asyncio.timeout(rulings.timeout):
                found = await provider.ask(
                    content.text if "text" in kinds else None, content.image if "image" in kinds else None
                )
        judged = judge(found, rulings.policy, on_unsupported=rulings.on_unsupported)
        status, action, reason, categories = judged.status, judged.action, judged.reason, judged.categories
    except Exception as error:
        if provider.is_local and isinstance(error, ImportError):
            raise BadInput(
                "Pillow is not installed", code="C031", hint="pip install hookline[images]"
            ) from error
        if provider.is_local and isinstance(error, BadInput):
            raise  # a list of the workflow's own is wrong; a person has to correct it
        # Whatever a provider stumbles over, it must not end in silence or in "allow".
        kind = _kind(error)
        status, action, reason, categories = "error", rulings.on_error, f"the provider failed: {kind}", []
        found = Assessment()
        ctx.log("The moderation provider failed", provider=provider.name, error=kind)
    return {
        "provider": provider.name,
        "kinds": kinds,
        "model": found.model,
        "provider_request_id": found.request_id,
        "status": status,
        "provider_flagged": found.flagged,
        "categories": categories,
        "action": action,
        "reason": reason,
        "latency_ms": round((ctx.now() - started).total_seconds() * 1000),
    }


async def _ask_about_frames(provider: Provider, frames: Sequence[Frame]) -> Assessment:
    """Ask about every frame; one that fails fails the video."""
    at_once = asyncio.Semaphore(FRAMES_AT_ONCE)

    async def ask(frame: Frame) -> tuple[Frame, Assessment]:
        async with at_once:
            return frame, await provider.ask(None, Image(frame.content, "image/jpeg", f"#t={frame.at:.3f}"))

    answers = await asyncio.gather(*map(ask, frames), return_exceptions=True)
    asked = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        asked.append(answer)
    return merged(asked)


def _kind(error: Exception) -> str:
    """The error's type; never its text, which may repeat the content."""
    if isinstance(error, TimeoutError):
        return TimedOut.type
    return error.type if isinstance(error, ActionError) else "internal"
