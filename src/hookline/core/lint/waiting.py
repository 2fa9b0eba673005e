"""Events that wait: may they, where this trigger stands, and do the times fit together?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.core.catalogue import Catalogue
from hookline.core.lint.report import Path, Report, show
from hookline.core.lint.tree import Tree
from hookline.core.units import UnitError, parse_duration

__all__ = ["check_waiting_events"]

_KEYS = ("debounce", "batch", "throttle")


def check_waiting_events(tree: Tree, catalogue: Catalogue, report: Report) -> None:
    """Check ``debounce``, ``batch`` and ``throttle`` of every trigger."""
    for path, trigger in tree.triggers:
        used = [key for key in _KEYS if isinstance(trigger.get(key), dict)]
        if not used:
            continue
        uses = trigger.get("uses")
        info = catalogue.triggers.get(uses) if isinstance(uses, str) else None
        kind = getattr(info, "kind", uses)
        for key in used:
            place = (*path, key)
            if kind == "manual":
                hint = "remove it; limits.rate limits runs that are started by hand too"
                report.add("D509", f"`{key}` has no meaning for {show(uses)}", place, hint=hint, at_key=True)
            elif kind == "webhook" and _answers_with_output(trigger) and _makes_wait(key, trigger[key]):
                hint = "remove it, or answer at once: leave out `respond`"
                message = (
                    f"the sender waits for the run's output, and `{key}` makes its event wait for others"
                )
                report.add("D510", message, place, hint=hint, at_key=True)
        if "debounce" in used:
            _check_times(trigger["debounce"], (*path, "debounce"), report)


def _answers_with_output(trigger: Mapping[str, Any]) -> bool:
    given = trigger.get("with")
    respond = given.get("respond") if isinstance(given, Mapping) else None
    return (respond.get("type") if isinstance(respond, Mapping) else respond) == "output"


def _makes_wait(key: str, value: Mapping[str, Any]) -> bool:
    return key != "throttle" or value.get("on_excess", "queue") == "queue"


def _check_times(debounce: Mapping[str, Any], path: Path, report: Report) -> None:
    try:
        quiet, longest = parse_duration(debounce.get("quiet", "")), parse_duration(debounce["max_wait"])
    except (UnitError, KeyError, TypeError, AttributeError):
        return  # The check against the grammar reports it.
    if longest < quiet:
        hint = "make it several times as long as `quiet`"
        report.add("D511", "`max_wait` is shorter than `quiet`", (*path, "max_wait"), hint=hint)
