"""Can anybody decide on an approval, and will they hear of it in time?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.core.approvals import OPERATOR
from hookline.core.catalogue import Catalogue
from hookline.core.lint.components import how_to_configure
from hookline.core.lint.report import Path, Report, show
from hookline.core.lint.tree import StepNode, Tree
from hookline.core.units import UnitError, parse_duration

__all__ = ["check_approvals"]


def check_approvals(tree: Tree, catalogue: Catalogue, report: Report) -> None:
    """Check who decides, how they are asked, and when they are asked again."""
    for step in tree.of_kind("approve"):
        approve = step.value["approve"]
        if isinstance(approve, dict):
            place = (*step.path, "approve")
            _check_people(approve, place, catalogue, report)
            _check_ways(approve, place, catalogue, report)
            _check_times(step, approve, place, report)


def _named(approve: Mapping[str, Any], place: Path) -> Iterator[tuple[Path, str]]:
    """Every name that is written out, in `who` and in `escalate`."""
    lists: list[tuple[Path, Any]] = [((*place, "who"), approve.get("who"))]
    escalate = approve.get("escalate")
    if isinstance(escalate, dict):
        lists.append(((*place, "escalate", "to"), escalate.get("to")))
    for where, names in lists:
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str):
                yield (*where, index), name


def _check_people(approve: Mapping[str, Any], place: Path, catalogue: Catalogue, report: Report) -> None:
    people: Mapping[str, Sequence[str]] | None = getattr(catalogue, "people", None)
    named = list(_named(approve, place))
    if not approve.get("via") and named and not any(name == OPERATOR or "{{" in name for _, name in named):
        hint = f'add `via`, so that they are asked, or let "{OPERATOR}" decide as well'
        report.add("D521", "nobody is asked, so nobody can decide", place, hint=hint)
    if people is None:
        return
    roles = {role for held in people.values() for role in held}
    for where, name in named:
        start, colon, rest = name.partition(":")
        if "{{" in name or name == OPERATOR:
            continue
        if colon and start != "role":
            if start not in catalogue.connections:
                hint = report.suggest(start, catalogue.connections, "write <connection>:<group>")
                report.add("D403", f"there is no connection {show(start)}", where, hint=hint)
        elif colon and rest not in roles:
            hint = report.suggest(rest, roles, f'give it to somebody: roles = ["{rest}"] in [people.<name>]')
            report.add("D520", f"nobody has the role {show(rest)}", where, hint=hint)
        elif not colon and name not in people:
            hint = f'write "role:{name}"' if name in roles else ""
            otherwise = f'add [people.{name}] to hookline.toml, or let "{OPERATOR}" decide'
            hint = hint or report.suggest(name, [*people, OPERATOR], otherwise)
            report.add("D520", f"there is no person {show(name)}", where, hint=hint)


def _check_ways(approve: Mapping[str, Any], place: Path, catalogue: Catalogue, report: Report) -> None:
    asking: frozenset[str] | None = getattr(catalogue, "asking", None)
    via = approve.get("via")
    for index, way in enumerate(via if isinstance(via, list) else ()):
        name = way.get("connection") if isinstance(way, dict) else None
        if not isinstance(name, str) or not name:
            continue
        where = (*place, "via", index, "connection")
        kind = catalogue.connections.get(name)
        able = sorted(other for other, type_ in catalogue.connections.items() if type_ in (asking or ()))
        if kind is None:
            usable = f"usable: {', '.join(able)}" if able else "see [connections]"
            # A type that can ask is meant, and only not configured yet.
            usable = how_to_configure(name, catalogue) if name in (asking or ()) else usable
            hint = report.suggest(name, able, usable)
            report.add("D403", f"there is no connection {show(name)}", where, hint=hint)
        elif asking is not None and kind not in asking:
            hint = f"usable: {', '.join(able)}" if able else "a connection of the type slack or email can"
            report.add("D522", f"{show(name)} is a connection to {kind}, which cannot ask", where, hint=hint)


def _check_times(step: StepNode, approve: Mapping[str, Any], place: Path, report: Report) -> None:
    """What is due after the end never happens."""
    end = _seconds(step.value.get("timeout"))
    if end is None:
        return
    remind, escalate = approve.get("remind"), approve.get("escalate")
    times = [((*place, "remind"), remind)]
    if isinstance(remind, list):
        times = [((*place, "remind", index), each) for index, each in enumerate(remind)]
    if isinstance(escalate, dict):
        times.append(((*place, "escalate", "after"), escalate.get("after")))
    for where, value in times:
        seconds = _seconds(value)
        if seconds is not None and seconds >= end:
            hint = f"make it shorter than the timeout, {step.value['timeout']}"
            report.add("D523", f"after {value} nobody is asked any more", where, hint=hint)


def _seconds(value: Any) -> float | None:
    try:
        return parse_duration(value) if isinstance(value, str) else None
    except UnitError:
        return None
