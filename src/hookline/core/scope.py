"""What expressions see at a given step: the roots ``trigger``, ``steps``, ``vars``, …"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from .expressions import MISSING
from .plan import Node, Plan
from .records import RunState

__all__ = ["CallbackUrl", "Scope", "scope_of", "timestamp_text"]

Json = Any
Scope = dict[str, Any]
CallbackUrl = Callable[[str, str, int], str]
"""``callback_url(run, path, attempt)``: the address that wakes that attempt."""


def timestamp_text(seconds: float | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, from seconds since the epoch."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_sight(node: Node | None, loops: tuple[str, ...]) -> TypeGuard[Node]:
    """Whether a step stands in no loop that is not also around the place with these loops."""
    return node is not None and node.loops == loops[: len(node.loops)]


class _Steps:
    """``steps.<id>``: outputs of the steps that are done, seen from one place in the run."""

    __slots__ = ("_items", "_loops", "_plan", "_state")

    def __init__(self, plan: Plan, state: RunState, loops: tuple[str, ...], items: Sequence[int]) -> None:
        self._plan = plan
        self._state = state
        self._loops = loops
        self._items = items

    def lookup(self, key: str) -> object:
        node = self._plan.by_id.get(key)
        if not _in_sight(node, self._loops):
            return MISSING
        record = self._state.records.get(node.runtime_path(self._items))
        if record is None or record.status != "succeeded":
            return MISSING
        return record.output


class _Callbacks:
    """``run.callbacks.<id>.url``: the address that a later ``wait`` step will listen on."""

    __slots__ = ("_callback_url", "_items", "_loops", "_plan", "_state")

    def __init__(
        self,
        plan: Plan,
        state: RunState,
        loops: tuple[str, ...],
        items: Sequence[int],
        callback_url: CallbackUrl,
    ) -> None:
        self._plan = plan
        self._state = state
        self._loops = loops
        self._items = items
        self._callback_url = callback_url

    def lookup(self, key: str) -> object:
        node = self._plan.by_id.get(key)
        if not _in_sight(node, self._loops) or "callback" not in node.options:
            return MISSING
        path = node.runtime_path(self._items)
        return {"url": self._callback_url(self._state.id, path, 0)}


class _Run:
    """``run.…``: facts about the run itself."""

    __slots__ = ("_callback_url", "_items", "_loops", "_plan", "_state")

    def __init__(
        self,
        plan: Plan,
        state: RunState,
        loops: tuple[str, ...],
        items: Sequence[int],
        callback_url: CallbackUrl,
    ) -> None:
        self._plan = plan
        self._state = state
        self._loops = loops
        self._items = items
        self._callback_url = callback_url

    def lookup(self, key: str) -> object:
        state = self._state
        match key:
            case "id":
                return state.id
            case "workflow":
                return state.workflow
            case "version":
                return state.version
            case "created_at":
                return timestamp_text(state.created_at)
            case "started_at":
                return timestamp_text(state.started_at)
            case "cost_usd":
                return round(state.cost, 6)
            case "callbacks":
                return _Callbacks(self._plan, state, self._loops, self._items, self._callback_url)
        return MISSING


def scope_of(
    plan: Plan, state: RunState, node: Node | None, items: Sequence[int], callback_url: CallbackUrl
) -> Scope:
    """The roots for a step; `node` is None for the run's own output."""
    loops = () if node is None else node.loops
    scope: Scope = {
        "trigger": state.trigger,
        "inputs": state.inputs,
        "vars": state.vars,
        "steps": _Steps(plan, state, loops, items),
        "run": _Run(plan, state, loops, items, callback_url),
    }
    if node is None:
        return scope
    for depth, loop_path in enumerate(node.loops):
        loop_node = plan.by_path[loop_path]
        record = state.records[loop_node.runtime_path(items)]
        index = items[depth]
        scope["index"] = index
        if record.loop is not None and record.loop.items is not None:
            scope[loop_node.options["as"]] = record.loop.items[index]
    if node.caught_by is not None:
        record = state.records[node.caught_by.runtime_path(items)]
        scope["error"] = record.error
    elif node.path.startswith(("on_error", "finally")):
        scope["error"] = state.records[""].error
    return scope
