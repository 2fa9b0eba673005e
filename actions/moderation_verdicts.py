"""What moderation decided in earlier runs: for a digest, a count, a second look."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypedDict

from hookline.sdk import BadInput, Context, Example, Field, action, parse_duration
from hookline.sdk.verdicts import is_verdict

__all__ = ["verdicts"]

RUNS_BEFORE = timedelta(days=2)
"""Runs that began so long before the time asked about may have been judged within it."""


class Listed(TypedDict):
    """One verdict, without what was examined."""

    run: Annotated[str, Field("The run.")]
    workflow: Annotated[str, Field("Its workflow.")]
    step: Annotated[str, Field("Path of the step.")]
    evaluated_at: Annotated[str, Field("When.", format="date-time")]
    action: Annotated[Literal["allow", "review", "block"], Field("What was decided.")]
    reason: Annotated[str, Field("Why.")]
    categories: Annotated[list[str], Field("Categories that were reviewed or blocked.")]
    kind: Annotated[str, Field("What was examined: text, image, both, video.")]
    sha256: Annotated[str | None, Field("Digest of what was examined.")]


class Found(TypedDict):
    """The verdicts of a time."""

    since: Annotated[str, Field("From this time on.", format="date-time")]
    until: Annotated[str, Field("Up to this time, without it.", format="date-time")]
    counts: Annotated[dict[str, int], Field("How many verdicts said allow, review and block; all of them.")]
    categories: Annotated[dict[str, int], Field("How often each category was reviewed or blocked.")]
    verdicts: Annotated[list[Listed], Field("Those asked for, newest first.")]
    more: Annotated[int, Field("How many more were found than are listed.")]


@action(
    "moderation.verdicts",
    effect="read",
    summary="{counts[block]} blocked, {counts[review]} to review, {counts[allow]} allowed",
    examples=(Example({"last": "24h", "actions": ["block"]}, title="What was blocked since yesterday"),),
)
async def verdicts(
    ctx: Context,
    last: Annotated[
        str, Field("How much time before `until` is looked at.", format="duration", examples=["24h", "7d"])
    ] = "24h",
    until: Annotated[
        str,
        Field(
            "Up to when, now when left out; a digest by a schedule gives {{ trigger.scheduled_at }}.",
            format="date-time",
        ),
    ] = "",
    actions: Annotated[
        list[Literal["allow", "review", "block"]], Field("Which verdicts are listed; all are counted.")
    ] = ["review", "block"],  # noqa: B006 - never changed
    workflow: Annotated[str, Field("Only of this workflow.")] = "",
    limit: Annotated[int, Field("Most verdicts that are listed.", minimum=1, maximum=1000)] = 100,
) -> Found:
    """List past verdicts

    Reads the histories of the runs that are kept; nobody is asked. What was examined is not in the list,
    only its digest. Runs that began more than two days before that time are not looked at.
    """
    end = _moment(until) if until else ctx.now()
    begin = end - timedelta(seconds=parse_duration(last, name="last"))
    counts: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    found: list[tuple[datetime, Listed]] = []
    async for past in ctx.past_outputs(is_verdict, since=begin - RUNS_BEFORE, workflow=workflow):
        if not begin <= past.at < end:
            continue
        verdict = past.output
        counts[verdict["action"]] += 1
        flagged = sorted({each["name"] for each in verdict["categories"] if each["decision"] != "allow"})
        categories.update(flagged)
        if verdict["action"] in actions:
            found.append(
                (
                    past.at,
                    {
                        "run": past.run,
                        "workflow": past.workflow,
                        "step": past.step,
                        "evaluated_at": f"{past.at:%Y-%m-%dT%H:%M:%S}Z",
                        "action": verdict["action"],
                        "reason": verdict["reason"],
                        "categories": flagged,
                        "kind": verdict["subject"]["kind"],
                        "sha256": verdict["subject"]["sha256"],
                    },
                )
            )
    found.sort(key=lambda each: each[0], reverse=True)
    return {
        "since": f"{begin:%Y-%m-%dT%H:%M:%S}Z",
        "until": f"{end:%Y-%m-%dT%H:%M:%S}Z",
        "counts": {name: counts[name] for name in ("allow", "review", "block")},
        "categories": dict(categories.most_common()),
        "verdicts": [listed for _, listed in found[:limit]],
        "more": max(0, len(found) - limit),
    }


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"until: {text!r} is no time", hint="write it like 2026-11-20T09:00:00Z") from error
    if moment.tzinfo is None:
        raise BadInput("until: the time needs a zone", hint="write it like 2026-11-20T09:00:00Z")
    return moment.astimezone(UTC)
