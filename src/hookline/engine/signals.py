"""Signals from outside, as the facts of a run's history that they become."""

from __future__ import annotations

from hookline.core import events as ev
from hookline.store.port import Signal

__all__ = ["fact_of"]


def fact_of(signal: Signal) -> ev.Event:
    """The fact that a callback, a decision, a called run's end or cost, or a cancel request is.

    Raises:
        ValueError: A kind of another version.
    """
    body = signal.body
    match signal.kind:
        case "callback":
            delivery = body.get("id") or str(signal.id)
            return ev.CallbackReceived(signal.path, body["attempt"], delivery, body["body"], body["headers"])
        case "approval":
            return ev.ApprovalDecided(
                signal.path,
                body["decision"],
                body["by"],
                signal.at,
                body.get("comment", ""),
                body.get("form"),
                person=body.get("person", ""),
                name=body.get("name", ""),
                via=body.get("via", ""),
                seen=body.get("seen", ""),
                attempt=body.get("attempt", 0),
            )
        case "approval_token":
            return ev.ApprovalNoted(signal.path, body["attempt"], tokens=body["tokens"])
        case "child":
            return ev.ChildFinished(
                signal.path,
                body["run"],
                body["status"],
                body.get("output"),
                body.get("error"),
                body.get("cost", 0.0),
            )
        case "child_cost":
            return ev.ChildCharged(signal.path, body["run"], body["cost"])
        case "cancel":
            return ev.CancelRequested("", body.get("reason", ""), body.get("by", ""))
    raise ValueError(f"unknown kind of signal {signal.kind!r}; was it written by a newer version?")
