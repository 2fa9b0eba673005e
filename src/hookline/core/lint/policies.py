"""Waiting that must end, steps that never run, loops through the outside world, and credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from hookline.core.catalogue import Catalogue, runner_of
from hookline.core.lint.report import SECRET, Path, Report, show
from hookline.core.lint.tree import BlockNode, Tree

__all__ = ["check_policies", "check_secrets", "check_self_triggering"]


def check_policies(tree: Tree, report: Report) -> None:
    """Check that every wait for someone else says when and how it ends, and what lies behind a `stop`."""
    for step in tree.of_kind("wait"):
        wait = step.value["wait"]
        if not isinstance(wait, dict):
            continue
        if "callback" in wait:
            for key, hint in (
                ("timeout", 'add for example "timeout": "1d"'),
                ("on_timeout", 'add "on_timeout": "fail" or "continue"'),
            ):
                if key not in step.value:
                    report.add("D501", f"waiting for a callback needs the key `{key}`", step.path, hint=hint)
        elif "on_timeout" in step.value:
            hint = "remove it: only waiting for a callback can time out"
            report.add(
                "D502", "`on_timeout` has no meaning here", (*step.path, "on_timeout"), hint=hint, at_key=True
            )
    _check_budget(tree.value, report)
    blocks = [*tree.blocks.values(), *(block for step in tree.steps for block in step.blocks)]
    for block in blocks:
        _check_behind_stop(block, report)


def _check_budget(value: Any, report: Report) -> None:
    """Asking people about money says whom; and whoever is named is asked."""
    limits = value.get("limits") if isinstance(value, dict) else None
    budget = limits.get("budget") if isinstance(limits, dict) else None
    if not isinstance(budget, dict):
        return
    asks = budget.get("on_over") == "approve"
    if asks and "approve" not in budget:
        hint = 'add for example "approve": {"who": ["ops@example.com"], "timeout": "1d"}'
        report.add("D512", "`on_over`: `approve` needs the key `approve`", ("limits", "budget"), hint=hint)
    elif "approve" in budget and not asks:
        hint = 'add "on_over": "approve", or remove it'
        message = "nobody is asked unless `on_over` is `approve`"
        report.add("D512", message, ("limits", "budget", "approve"), hint=hint, at_key=True)


def _check_behind_stop(block: BlockNode, report: Report) -> None:
    for step, following in zip(block.steps, block.steps[1:], strict=False):
        if step.kind == "stop" and "when" not in step.value:
            hint = "remove it, or give the `stop` a `when`"
            report.add("D508", "this step never runs: the one before it stops the run", following.path,
                       hint=hint, severity="warning")  # fmt: skip
            return


def check_secrets(value: Any, report: Report) -> None:
    """Warn of texts that look like credentials."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, current = waiting.pop()
        if isinstance(current, str):
            found = SECRET.search(current)
            if found:
                hint = "keep it in a connection (hookline.toml) and make it invalid at its issuer"
                message = f"this looks like a credential ({found[0][:4]}…)"
                report.add("D411", message, path, hint=hint, severity="warning", offset=found.start())
        elif isinstance(current, dict):
            waiting.extend(((*path, key), member) for key, member in current.items())
        elif isinstance(current, list):
            waiting.extend(((*path, index), item) for index, item in enumerate(current))


@dataclass(frozen=True, slots=True)
class _Address:
    """What is known of an address: its constant beginning and end, and whether that is all of it."""

    head: str
    tail: str
    is_whole: bool


def check_self_triggering(tree: Tree, catalogue: Catalogue, report: Report) -> None:
    """Find steps that write where a trigger of the same workflow watches."""
    watched = list(_watched(tree, catalogue))
    if not watched:
        return
    for step in tree.of_kind("uses"):
        given, runner = step.value.get("with"), runner_of(step.value, catalogue)
        if runner is None or not isinstance(given, dict):
            continue
        for pattern in runner.action.writes:
            written = _address(pattern, given)
            for prefix, suffixes in watched:
                _compare(written, prefix, suffixes, (*step.path, "with"), report)


def _watched(tree: Tree, catalogue: Catalogue) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The beginnings of the addresses that start this workflow, with the endings the trigger asks for."""
    for _, trigger in tree.triggers:
        name, given = trigger.get("uses"), trigger.get("with", {})
        info = catalogue.triggers.get(name) if isinstance(name, str) else None
        if info is None or not isinstance(given, dict):
            continue
        suffix = given.get("suffix", ())
        suffixes = [suffix] if isinstance(suffix, str) else suffix if isinstance(suffix, list) else []
        for pattern in info.watches:
            address = _address(pattern, _with_defaults(given, info.input_schema))
            if address.head:
                yield address.head, tuple(item for item in suffixes if isinstance(item, str) and item)


def _with_defaults(given: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    defaults = {
        name: field.get("default") if isinstance(field, Mapping) else None
        for name, field in properties.items()
    }
    return {**{name: "" if value is None else value for name, value in defaults.items()}, **given}


def _address(pattern: str, given: Mapping[str, Any]) -> _Address:
    """Render an address as far as it is constant."""
    text = ""
    for literal, field, _, _ in Formatter().parse(pattern):
        text += literal
        if field is not None:
            value = given.get(field, "")
            # Anything but text is unknown, like an expression.
            text += value if isinstance(value, str) else "{{}}"
    start, end = text.find("{{"), text.rfind("}}")
    if start < 0 or end < start:
        return _Address(text, text, True)
    return _Address(text[:start], text[end + 2 :], False)


def _compare(written: _Address, prefix: str, suffixes: Sequence[str], path: Path, report: Report) -> None:
    can_match = any(
        written.tail.endswith(suffix) or (not written.is_whole and suffix.endswith(written.tail))
        for suffix in suffixes
    )
    if suffixes and not can_match:
        return
    hint = "write to another bucket, folder or prefix than the trigger watches"
    if written.head.startswith(prefix):
        message = f"this writes to {show(written.head)}, where the trigger watches: it would start itself"
        report.add("D505", message, path, hint=hint)
    elif not written.is_whole and written.head and prefix.startswith(written.head):
        message = f"this may write under {show(prefix)}, where the trigger watches"
        report.add("D506", message, path, hint=hint, severity="warning")
