"""Reusing outputs: what makes two steps identical, and how a reused output says so."""

from __future__ import annotations

import hashlib
from typing import Any

from hookline.core import events as ev
from hookline.core.canonical import canonical_json
from hookline.core.plan import Node
from hookline.store.port import Kept

__all__ = ["request_claim", "reuse_key", "reused"]

Json = Any


def reuse_key(node: Node, input: Json) -> str:
    """Identical steps have the same action, connection and rendered parameters.

    Files stand in the parameters by their digest, so the same bytes are the same file.
    """
    text = canonical_json([node.uses, node.connection, input])
    return hashlib.sha256(text.encode()).hexdigest()


def request_claim(key: str) -> str:
    """The name of the claim of whoever makes a request for all who want the same."""
    return f"request/{key}"


def reused(path: str, kept: Kept) -> list[ev.Event]:
    """The facts of a step whose output was there already; it cost nothing."""
    output = kept.output
    if isinstance(output, dict) and "cached" in output:
        output = {**output, "cached": True}
    line = "the output of an identical step is reused; nothing was sent"
    return [ev.StepLogged(path, line, {}), ev.StepSucceeded(path, path, output)]
