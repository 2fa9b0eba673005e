"""What starts the deployed workflows: what is watched, when it was last looked at, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hookline.core.plan import TriggerPlan
from hookline.sdk import Trigger
from hookline.store.port import Store

from .intake import trigger_scope
from .pollers import Poller
from .registry import Registry
from .workflows import Workflows

__all__ = ["trigger_states", "watched"]

Json = Any


def watched(trigger: TriggerPlan, declared: Trigger) -> list[str]:
    """What a polled trigger looks at: as it says itself, or else its texts and numbers."""
    given = {
        name: value for name, value in trigger.parameters.items() if isinstance(value, (str, int, float))
    }
    if declared.watches:
        properties = declared.input_schema.get("properties", {})
        defaults = {name: each.get("default", "") for name, each in properties.items()}
        return [address.format_map({**defaults, **given}) for address in declared.watches]
    return [f"{name} {value}" for name, value in given.items() if name != "interval"]


def trigger_states(
    workflows: Workflows, registry: Registry, store: Store, pollers: Mapping[str, Poller]
) -> list[dict[str, Json]]:
    """Every deployed trigger, in order of the workflows.

    Args:
        pollers: Those of this process, by scope; what another process does is not known here.
    """
    found = []
    for _, plan in sorted(workflows.plans.items()):
        for trigger in plan.triggers:
            declared = registry.triggers.get(trigger.uses)
            is_polled = declared is not None and declared.kind == "poll"
            scope = trigger_scope(plan, trigger)
            poller = pollers.get(scope)
            last = poller.looked_at if poller is not None else None
            found.append(
                {
                    "workflow": plan.name,
                    "trigger": scope.partition("/")[2],
                    "uses": trigger.uses,
                    "watches": watched(trigger, declared) if declared is not None and is_polled else [],
                    "path": declared.hook_path(trigger.parameters) if declared is not None else None,
                    "is_looked_at": poller is not None,
                    "has_looked": is_polled and store.cursor(scope) is not None,
                    "last_look": None if last is None else _time(last),
                    "problem": poller.problem if poller is not None else "",
                }
            )
    return found


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
