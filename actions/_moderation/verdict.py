"""From what a provider says to what is done: allow, review or block."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from hookline.sdk import BadInput, Field, MalformedOutput
from hookline.sdk.moderation import CATEGORIES, Assessment, Finding

__all__ = [
    "Decision",
    "Judged",
    "Judgement",
    "Limits",
    "Policy",
    "Subject",
    "Threshold",
    "Verdict",
    "check_policy",
    "judge",
]

Decision = Literal["allow", "review", "block"]

_STRICTNESS: Final[Mapping[Decision, int]] = {"allow": 0, "review": 1, "block": 2}
_REVIEW, _BLOCK = 0.4, 0.8
_FLOOR: Final = {"sexual_minors": 0.1}
"""Scores at which a category is blocked whatever a workflow says."""

Score = Annotated[float | None, Field("A score; null for never.", minimum=0, maximum=1)]


class Threshold(TypedDict):
    """From which score on something is done."""

    review: NotRequired[Score]
    block: NotRequired[Score]


class Policy(TypedDict):
    """Thresholds, with a name for the record."""

    id: NotRequired[Annotated[str, Field("Name of the policy.")]]
    version: NotRequired[Annotated[int, Field("Its version.")]]
    default: NotRequired[Annotated[Threshold, Field("For categories that are not named.")]]
    categories: NotRequired[Annotated[dict[str, Threshold], Field("By category.")]]


class Subject(TypedDict):
    """What was examined."""

    kind: Annotated[Literal["text", "image"], Field("What it is.")]
    sha256: Annotated[str | None, Field("Digest of the exact bytes that were examined.")]
    bytes: Annotated[int | None, Field("How many bytes.")]
    ref: Annotated[str | None, Field("Where the file is; null for a text.")]


class Limits(TypedDict):
    """The thresholds that were applied."""

    review: Annotated[float | None, Field("Reviewed from here on.")]
    block: Annotated[float | None, Field("Blocked from here on.")]


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


class Applied(TypedDict):
    """The policy that was applied."""

    id: Annotated[str, Field("Its name.")]
    version: Annotated[int, Field("Its version.")]


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
    policy: Annotated[Applied, Field("The policy that was applied.")]
    evaluated_at: Annotated[str, Field("When.", format="date-time")]
    latency_ms: Annotated[int, Field("How long it took, in milliseconds.")]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows from an assessment by a policy."""

    action: Decision
    reason: str
    categories: list[Judged]


def check_policy(policy: Policy) -> None:
    """Refuse a policy that contradicts itself.

    Raises:
        BadInput: C030.
    """
    named = policy.get("categories", {})
    for name in named:
        if name not in CATEGORIES:
            raise BadInput(
                f"{name!r} is no category", code="C030", hint=f"categories are {', '.join(CATEGORIES)}"
            )
    for name, threshold in {**named, "default": policy.get("default", {})}.items():
        review, block = threshold.get("review"), threshold.get("block")
        if review is not None and block is not None and review > block:
            raise BadInput(
                f"{name}: review {review} lies above block {block}",
                code="C030",
                hint="what is blocked is also reviewed: put review at or below block",
            )


def judge(assessment: Assessment, policy: Policy) -> Judgement:
    """Apply a policy. Only categories that were looked at count.

    Raises:
        MalformedOutput: A score is no number from 0 to 1.
    """
    categories = [_judged(finding, policy) for finding in assessment.findings]
    action: Decision = "allow"
    reason = "nothing at or above a threshold"
    for each in categories:
        if _STRICTNESS[each["decision"]] > _STRICTNESS[action]:
            action = each["decision"]
            limit = each["threshold"]["block"] if action == "block" else each["threshold"]["review"]
            reason = f"{each['name']} {each['score']:.2f} >= {action} {limit}"
    return Judgement(action, reason, categories)


def _judged(finding: Finding, policy: Policy) -> Judged:
    if not isinstance(finding.score, int | float) or not math.isfinite(finding.score):
        raise MalformedOutput("the provider gave a score that is no number")
    if not 0 <= finding.score <= 1:
        raise MalformedOutput(f"the provider gave the score {finding.score}, which is not from 0 to 1")
    name = finding.name if finding.name in CATEGORIES else "other"
    limits = _limits(name, policy)
    decision: Decision = "allow"
    if finding.evaluated:
        if limits["block"] is not None and finding.score >= limits["block"]:
            decision = "block"
        elif limits["review"] is not None and finding.score >= limits["review"]:
            decision = "review"
    return {
        "name": name,
        "score": float(finding.score),
        "score_kind": finding.score_kind,
        "evaluated": finding.evaluated,
        "provider_name": finding.provider_name or finding.name,
        "threshold": limits,
        "decision": decision,
        "applied_to": list(finding.applied_to),
    }


def _limits(name: str, policy: Policy) -> Limits:
    given: dict[str, Any] = {**policy.get("default", {}), **policy.get("categories", {}).get(name, {})}
    block: float | None = given.get("block", _BLOCK)
    review: float | None = given.get("review", _REVIEW)
    if name in _FLOOR:
        block = _FLOOR[name] if block is None else min(block, _FLOOR[name])
    if block is not None and review is not None:
        review = min(review, block)
    return {"review": review, "block": block}
