"""What decisions on an approval mean, and when people are asked again. Pure.

A decision is final when the first of two quorums is reached, in the order in which the decisions were
recorded: `quorum` approvals, or `reject_quorum` rejections. Nobody counts twice. Whoever asks the
question "who was first" (the fold over a history, and the door that takes a decision in) asks it here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import events as ev

__all__ = ["OPERATOR", "Asks", "Due", "Tally", "shown_hash", "tally", "verdict"]

Json = Any

OPERATOR = "operator"
"""The entry of ``who`` that stands for whoever operates the installation, and that one person's id."""


class Tally(NamedTuple):
    """How an approval stands.

    Attributes:
        outcome: ``approved``, ``rejected``, or ``""`` while it is open.
        by: The decision that made it final.
        missing: How many approvals it still needs.
    """

    outcome: str
    by: ev.ApprovalDecided | None
    missing: int


def tally(decisions: Iterable[ev.ApprovalDecided], quorum: int, reject_quorum: int) -> Tally:
    """Count decisions, oldest first."""
    counted = {"approved": 0, "rejected": 0}
    needed = {"approved": quorum, "rejected": reject_quorum}
    people: set[str] = set()
    for each in decisions:
        if each.decider in people or each.decision not in counted:
            continue
        people.add(each.decider)
        counted[each.decision] += 1
        if counted[each.decision] >= needed[each.decision]:
            return Tally(each.decision, each, 0)
    return Tally("", None, quorum - counted["approved"])


def verdict(
    outcome: str, last: ev.ApprovalDecided | None, all_: Sequence[ev.ApprovalDecided], at: str
) -> Json:
    """What an ``approve`` step gives."""
    return {
        "decision": outcome,
        "by": last.by if last else None,
        "name": (last.name or last.by) if last else None,
        "at": at,
        "comment": last.comment if last else "",
        "form": last.form if last else None,
        "decisions": [
            {"decision": each.decision, "by": each.by, "name": each.name or each.by, "comment": each.comment}
            for each in all_
        ],
    }


def shown_hash(message: Json, show: Json, form: Json, cost_usd: float) -> str:
    """SHA-256 of what people see before they decide; a file counts with its own digest.

    It is over the JSON of ``{"cost_usd", "form", "message", "show"}`` with sorted keys and no spaces.
    """
    seen = {"message": message, "show": show, "form": form, "cost_usd": round(cost_usd, 9)}
    text = json.dumps(seen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class Due(NamedTuple):
    """What is to be done when a timer fires, and when the next one is."""

    reason: str
    then: float | None


@dataclass(frozen=True, slots=True)
class Asks:
    """When people are asked again. Seconds after the first time.

    Attributes:
        every: A reminder each time this much has passed, None for none.
        at: Reminders at these times.
        escalate: When further people are asked, None for never.
    """

    every: float | None = None
    at: Sequence[float] = ()
    escalate: float | None = None

    def next(self, since: float, now: float, *, escalated: bool) -> float | None:
        """When the next reminder or escalation is due after `now`; None when there is none."""
        times = [since + each for each in self.at if since + each > now]
        if self.every is not None:
            times.append(since + (int((now - since) / self.every) + 1) * self.every)
        if self.escalate is not None and not escalated:
            times.append(since + self.escalate)
        return min(times, default=None)

    def due(self, since: float, now: float, *, escalated: bool) -> Due:
        """What a timer that fired at `now` asks for. However many reminders were missed, one is sent."""
        escalates = self.escalate is not None and not escalated and since + self.escalate <= now
        following = self.next(since, now, escalated=escalated or escalates)
        return Due("escalation" if escalates else "reminder", following)
