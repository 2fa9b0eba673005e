"""Reusing outputs: what makes two steps identical, and how a reused output says so."""

from __future__ import annotations

import hashlib
from typing import Any

from hookline.core import events as ev
from hookline.core.canonical import canonical_json
from hookline.core.plan import Node
from hookline.core.records import StepRecord
from hookline.sdk import Action
from hookline.store.port import Kept

__all__ = ["KEY_NOTE", "request_claim", "reuse_key", "reused"]

Json = Any


KEY_NOTE = "$key"
"""The note that keeps what the action's ``on_key`` said, so that it is the same to the attempt's end."""


def reuse_key(node: Node, action: Action | None, record: StepRecord) -> str | None:
    """Identical steps have the same action, connection, rendered parameters and answer of ``on_key``.

    Files stand in the parameters by their digest, so the same bytes are the same file. None when the
    output is not to be reused: the step has no ``cache``, or its action could not tell.
    """
    if node.cache is None:
        return None
    parts = [node.uses, node.connection, record.input]
    if KEY_NOTE in record.notes:
        parts.append(record.notes[KEY_NOTE])
    elif action is not None and action.key is not None:
        return None
    text = canonical_json(parts)
    return hashlib.sha256(text.encode()).hexdigest()


def request_claim(key: str) -> str:
    """The name of the claim of whoever makes a request for all who want the same."""
    return f"request/{key}"


def reused(path: str, kept: Kept) -> list[ev.Event]:
    """The facts of a step whose output was there already; it cost nothing."""
    output = kept.output
    if isinstance(output, dict) and "cached" in output:
        # Whoever adds up what steps have cost must not count the first one's price again.
        free = {"cost_usd": 0.0} if "cost_usd" in output else {}
        output = {**output, "cached": True, **free}
    line = "the output of an identical step is reused; nothing was sent"
    return [ev.StepLogged(path, line, {}), ev.StepSucceeded(path, path, output)]
