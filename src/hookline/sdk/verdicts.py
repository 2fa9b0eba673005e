"""From what providers say to what is done: allow, review or block; and the record of it.

Everything here is decided from numbers that are kept with the verdict, so that a verdict can be decided
again under another policy without asking anybody (`rejudge`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypedDict

from .errors import BadInput, MalformedOutput
from .fields import Field
from .moderation import CATEGORIES, Assessment, Finding
from .policies import FLOOR, AppliedPolicy, Decision, Limits, Policy, limits_of, stricter

__all__ = [
    "SCHEMA",
    "Combine",
    "Judged",
    "Judgement",
    "Part",
    "Status",
    "Subject",
    "Verdict",
    "combine",
    "is_sure",
    "is_verdict",
    "judge",
    "rejudge",
    "require_verdict",
    "unexamined",
]

SCHEMA: Final = "moderation.verdict/1"

Combine = Literal["strictest", "majority", "cascade"]
Status = Literal["ok", "error", "unsupported"]


class Subject(TypedDict):
    """What was examined."""

    kind: Annotated[Literal["text", "image", "both", "video"], Field("What it is.")]
    sha256: Annotated[
        str | None,
        Field("Digest of the exact bytes that were examined; of the image where both were given."),
    ]
    bytes: Annotated[int | None, Field("How many bytes.")]
    ref: Annotated[str | None, Field("Where the file is; null for a text.")]
    text_sha256: Annotated[str | None, Field("Digest of the text where both were given, else null.")]


class Judged(TypedDict):
    """One category."""

    name: Annotated[str, Field("The category.")]
    score: Annotated[float, Field("0 to 1; a mere label counts as 1.")]
    score_kind: Annotated[Literal["probability", "severity", "label_only"], Field("What the score is.")]
    evaluated: Annotated[bool, Field("False: the provider did not look at this.")]
    provider_name: Annotated[str, Field("The provider's own name of it.")]
    threshold: Annotated[Limits, Field("The thresholds that were applied.")]
    decision: Annotated[Decision, Field("What follows from this category.")]
    applied_to: Annotated[list[str], Field("What was looked at.")]


class Part(TypedDict):
    """What one of several providers said."""

    provider: Annotated[str, Field("Who examined it.")]
    kinds: Annotated[list[str], Field("What it was given: text, image.")]
    model: Annotated[str, Field("Version of the model or list.")]
    provider_request_id: Annotated[str, Field("The provider's identifier of its answer.")]
    status: Annotated[Literal["ok", "error", "unsupported"], Field("Whether it was examined.")]
    provider_flagged: Annotated[bool, Field("The provider's own judgement.")]
    categories: Annotated[list[Judged], Field("Each category.")]
    action: Annotated[Decision, Field("What follows from this provider alone.")]
    reason: Annotated[str, Field("Why.")]
    latency_ms: Annotated[int, Field("How long it took, in milliseconds.")]


class Verdict(TypedDict):
    """What to do, and why."""

    schema: Annotated[Literal["moderation.verdict/1"], Field("Version of this shape.")]
    provider: Annotated[str, Field("Who examined it.")]
    model: Annotated[str, Field("Version of the model or list.")]
    provider_request_id: Annotated[str, Field("The provider's identifier of its answer.")]
    subject: Annotated[Subject, Field("What was examined.")]
    status: Annotated[Literal["ok", "error", "unsupported"], Field("Whether it was examined.")]
    flagged: Annotated[bool, Field("Something is to be reviewed or blocked.")]
    provider_flagged: Annotated[bool, Field("The provider's own judgement.")]
    categories: Annotated[list[Judged], Field("Each category.")]
    action: Annotated[Decision, Field("What to do.")]
    reason: Annotated[str, Field("Why.")]
    policy: Annotated[AppliedPolicy, Field("The policy that was applied.")]
    evaluated_at: Annotated[str, Field("When.", format="date-time")]
    latency_ms: Annotated[int, Field("How long it took, in milliseconds.")]
    combine: Annotated[
        Literal["strictest", "majority", "cascade"], Field("How several providers were put together.")
    ]
    parts: Annotated[list[Part], Field("What each of several providers said; empty for one.")]
    not_asked: Annotated[list[str], Field("Providers a cascade did not need.")]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows from an assessment by a policy."""

    status: Status
    action: Decision
    reason: str
    categories: list[Judged]


def judge(assessment: Assessment, policy: Policy, *, on_unsupported: Decision = "review") -> Judgement:
    """Apply a policy. Only categories that were looked at count.

    Raises:
        MalformedOutput: It is no assessment, or a score is no number from 0 to 1.
    """
    if not isinstance(assessment, Assessment):
        raise MalformedOutput("the provider did not give an assessment")
    categories = [_judged(_checked(finding), policy) for finding in assessment.findings]
    return _decide(categories, assessment.unsupported, on_unsupported)


def _decide(categories: list[Judged], unsupported: str, on_unsupported: Decision) -> Judgement:
    """What follows; what was found counts even where the rest could not be looked at."""
    action: Decision = "allow"
    reason = "nothing at or above a threshold"
    for each in categories:
        if stricter(action, each["decision"]) != action:
            action = each["decision"]
            limit = each["threshold"]["block"] if action == "block" else each["threshold"]["review"]
            reason = f"{each['name']} {each['score']:.2f} >= {action} {limit}"
    if not unsupported and not any(each["evaluated"] for each in categories):
        unsupported = "the provider looked at no category"
    if not unsupported:
        return Judgement("ok", action, reason, categories)
    if stricter(on_unsupported, action) == on_unsupported:
        action, reason = on_unsupported, unsupported
    return Judgement("unsupported", action, reason, categories)


def _checked(finding: Finding) -> Judged:
    score: Any = finding.score
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise MalformedOutput("the provider gave a score that is no number")
    if not 0 <= score <= 1:
        raise MalformedOutput(f"the provider gave the score {score}, which is not from 0 to 1")
    return {
        "name": finding.name if finding.name in CATEGORIES else "other",
        "score": float(score),
        "score_kind": finding.score_kind,
        "evaluated": finding.evaluated,
        "provider_name": finding.provider_name or finding.name,
        "threshold": {"review": None, "block": None},
        "decision": "allow",
        "applied_to": list(finding.applied_to),
    }


def _judged(category: Judged, policy: Policy) -> Judged:
    limits = limits_of(category["name"], policy)
    decision: Decision = "allow"
    if category["evaluated"]:
        if limits["block"] is not None and category["score"] >= limits["block"]:
            decision = "block"
        elif limits["review"] is not None and category["score"] >= limits["review"]:
            decision = "review"
    return {**category, "threshold": limits, "decision": decision}


def is_sure(part: Part, sure_below: float) -> bool:
    """Whether a cascade may end with this provider.

    It may when the provider blocks, or allows with every score below `sure_below`. A provider that only
    knows labels is never sure that there is nothing: its lists are not the world.
    """
    if part["status"] != "ok":
        return False
    if part["action"] == "block":
        return True
    looked = [each for each in part["categories"] if each["evaluated"]]
    return part["action"] == "allow" and all(
        each["score"] < sure_below and each["score_kind"] != "label_only" for each in looked
    )


def combine(parts: Sequence[Part], how: Combine) -> tuple[Decision, str]:
    """What several providers together lead to, and why.

    ``strictest``: the strictest says. ``majority``: allowed or blocked by more than half, else reviewed.
    ``cascade``: the last one asked says, unless it could not examine it: then the strictest. Text and
    image are decided apart, by those who were given them, and the stricter decision holds: two lists of
    words cannot outvote the only one that saw the picture. What a category of `FLOOR` blocks is blocked,
    and what nobody could examine is never allowed by others' votes.
    """
    action: Decision = "allow"
    reason = ""
    for kind in dict.fromkeys(kind for part in parts for kind in part["kinds"]):
        decided, why = _combined([part for part in parts if kind in part["kinds"]], how, len(parts))
        if not reason or stricter(action, decided) != action:
            action, reason = decided, why
    return action, reason


def _combined(parts: Sequence[Part], how: Combine, count: int) -> tuple[Decision, str]:
    strictest = parts[0]
    for part in parts[1:]:
        if stricter(strictest["action"], part["action"]) != strictest["action"]:
            strictest = part
    floored = next((part for part in parts if _hits_floor(part)), None)
    if floored is not None:
        return "block", _says(floored, count)
    examined = any(part["status"] == "ok" for part in parts)
    if how == "majority" and len(parts) > 1 and examined:
        votes = {action: sum(part["action"] == action for part in parts) for action in ("allow", "block")}
        told = ", ".join(f"{part['provider']} {part['action']}" for part in parts)
        if votes["allow"] * 2 > len(parts):
            return "allow", f"most allow it: {told}"
        if votes["block"] * 2 > len(parts):
            return "block", f"most block it: {told}"
        return "review", f"no majority: {told}"
    if how == "cascade" and parts[-1]["status"] == "ok":
        return parts[-1]["action"], _says(parts[-1], count)
    return strictest["action"], _says(strictest, count)


def _says(part: Part, count: int) -> str:
    return part["reason"] if count == 1 else f"{part['provider']}: {part['reason']}"


def _hits_floor(part: Part) -> bool:
    return any(each["name"] in FLOOR and each["decision"] == "block" for each in part["categories"])


def unexamined(parts: Sequence[Part], policy: Policy) -> str:
    """The first category that the policy requires and no provider looked at, ``""`` without one."""
    looked = {
        each["name"]
        for part in parts
        if part["status"] == "ok"
        for each in part["categories"]
        if each["evaluated"]
    }
    return next((name for name in policy.get("required", ()) if name not in looked), "")


def is_verdict(value: Any) -> bool:
    """Whether a value is a verdict of this version."""
    return (
        isinstance(value, Mapping)
        and value.get("schema") == SCHEMA
        and isinstance(value.get("categories"), list)
        and isinstance(value.get("policy"), Mapping)
        and value.get("action") in ("allow", "review", "block")
    )


_LOOKED_AT: Final[Mapping[str, Sequence[str]]] = {
    "text": ("text",),
    "image": ("image",),
    "both": ("text", "image"),
    "video": ("image",),  # its frames
}


def rejudge(verdict: Mapping[str, Any], policy: Policy) -> tuple[Decision, str]:
    """What a stored verdict would be under another policy, from its own numbers.

    A cascade that ended too early for the new policy cannot be decided: that is ``review``, never
    ``allow``.

    Raises:
        BadInput: C036: the verdict is incomplete.
    """
    on_error, on_unsupported = policy.get("on_error", "review"), policy.get("on_unsupported", "review")
    try:
        how: Combine = verdict.get("combine", "strictest")
        stored: Sequence[Mapping[str, Any]] = verdict.get("parts") or [verdict]
        kinds = list(_LOOKED_AT[verdict["subject"]["kind"]])
        parts = [_rejudged({"kinds": kinds, **part}, policy, on_error, on_unsupported) for part in stored]
        action, reason = combine(parts, how)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise BadInput(
            "the verdict lacks what it was decided from", code="C036", hint="give a whole verdict"
        ) from error
    unseen = [kind for kind in kinds if not any(kind in part["kinds"] for part in parts)]
    missing = unexamined(parts, policy) or (unseen[0] if unseen else "")
    if missing and stricter(action, on_unsupported) != action:
        action, reason = on_unsupported, f"nobody looked at {missing}"
    not_asked = verdict.get("not_asked") or []
    if not_asked and action == "allow" and verdict["action"] != "allow":
        return "review", f"{not_asked[0]} was not asked"
    return action, reason


def _rejudged(part: Mapping[str, Any], policy: Policy, on_error: Decision, on_unsupported: Decision) -> Part:
    kept: Part = {
        "provider": part["provider"],
        "kinds": part["kinds"],
        "model": part["model"],
        "provider_request_id": part["provider_request_id"],
        "status": part["status"],
        "provider_flagged": part["provider_flagged"],
        "categories": [],
        "action": on_error,
        "reason": part["reason"],
        "latency_ms": part["latency_ms"],
    }
    if part["status"] not in ("ok", "unsupported"):
        return kept
    reason = part["reason"] if part["status"] == "unsupported" else ""
    judgement = _decide([_judged(each, policy) for each in part["categories"]], reason, on_unsupported)
    return {
        **kept,
        "status": judgement.status,
        "categories": judgement.categories,
        "action": judgement.action,
        "reason": judgement.reason,
    }


def require_verdict(verdict: Mapping[str, Any], sha256: str) -> None:
    """Refuse to publish what was not examined, or not allowed: call it with the digest of the very bytes.

    Raises:
        BadInput: C036: it is no verdict, it is about other bytes, or its action is not ``allow``.
    """
    if not is_verdict(verdict):
        raise _no_leave("that is no verdict", "give the whole output of a moderation.check step")
    subject = verdict.get("subject")
    examined = subject.get("sha256") if isinstance(subject, Mapping) else None
    if not sha256 or examined != sha256:
        raise _no_leave(
            "the verdict is about other bytes than these", "examine the very file that is published"
        )
    if verdict["action"] != "allow":
        raise _no_leave(f"the verdict is {verdict['action']!r}", "publish only when the action is allow")


def _no_leave(why: str, hint: str) -> BadInput:
    return BadInput(why, code="C036", hint=hint)
