"""A checked definition, compiled for `decide`: nodes with paths, and every template ready.

A node's static path is where it stands in the file: ``steps[3].do[0]``. At run time a step in a
loop has one path for every item, written with the item's number behind the step:
``steps[3].do[0]#17``; loops within loops add one number each: ``steps[3].do[0]#17.do[1]#4``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .approvals import Asks
from .batches import MOST_EVENTS, is_batched
from .canonical import version_of
from .catalogue import Catalogue, runner_of
from .diagnostics import DefinitionError, Diagnostic
from .expressions import ExpressionError, ValueTemplate, compile_value
from .units import parse_duration, parse_money

__all__ = [
    "Gather",
    "Limits",
    "Node",
    "Plan",
    "Retry",
    "Throttling",
    "TriggerPlan",
    "compile_plan",
    "split_path",
]

Json = Any

CONTROL_KINDS = (
    "if",
    "switch",
    "for_each",
    "parallel",
    "while",
    "wait",
    "approve",
    "call",
    "set",
    "respond",
    "stop",
)

_ITEM = re.compile(r"#(\d+)")
LONGEST_WAIT = 10
"""A ``debounce`` without ``max_wait`` waits this many times as long as ``quiet`` at most."""

DEFAULT_STEP_TIMEOUT = 3600.0
"""Seconds after which an action without a ``timeout`` is given up."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and when an attempt is repeated. Durations in seconds.

    `on` is None when the component's own rule holds.
    """

    max_attempts: int
    delay: float = 1.0
    backoff: float = 2.0
    max_delay: float = 60.0
    on: frozenset[str] | None = None


@dataclass(slots=True, eq=False)
class Node:
    """One step of the definition.

    Attributes:
        path: Static path.
        kind: ``action`` or the control word.
        block: Static path of the list it stands in; `index` is its place there.
        parent: The step whose list that is, None at the top.
        loops: Static paths of the loops around it, outermost first.
        uses: The action that runs it, which its `connection` may choose: see `runner_of`.
        blocks: Its own lists of steps by name: ``then``, ``do``, ``parallel.left``, …
        cache: Seconds for which its output may be reused by an identical step.
        input: What is rendered when it starts: ``with``, the condition, the list, the values.
        options: Everything else the control word says, as plain values and templates.
        siblings: The list it stands in; `block_name` is that list's name in its parent.
        caught_by: The step in whose ``catch`` it stands, whose error it may read.
    """

    path: str
    kind: str
    block: str
    index: int
    parent: Node | None
    loops: tuple[str, ...]
    id: str | None = None
    name: str | None = None
    uses: str = ""
    connection: str | None = None
    when: ValueTemplate | None = None
    input: ValueTemplate | None = None
    timeout: float | None = None
    cache: float | None = None
    retry: Retry | None = None
    on_unknown: Literal["wait", "retry", "fail"] = "wait"
    blocks: dict[str, Sequence[Node]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    pieces: tuple[str, ...] = ()
    siblings: Sequence[Node] = ()
    block_name: str = ""
    caught_by: Node | None = None

    def runtime_path(self, items: Sequence[int]) -> str:
        """The path for these items, one for each loop around the step; further ones are ignored."""
        if not self.loops:
            return self.path
        *heads, tail = self.pieces
        return "".join(f"{head}#{item}" for head, item in zip(heads, items, strict=False)) + tail

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.id or self.uses or self.kind


@dataclass(frozen=True, slots=True)
class Gather:
    """How events wait for each other: ``debounce`` or ``batch``. Durations in seconds.

    Attributes:
        longest: From the first event until the run.
        quiet: From the last event until the run, if that is earlier; None for a batch.
        most: Events of one run; None for a ``debounce`` that gives the last one only.
        is_batch: The run gets all events (`hookline.core.batches.batch_event`), else the last one.
    """

    longest: float
    quiet: float | None
    most: int | None
    is_batch: bool
    key: ValueTemplate | None = None


@dataclass(frozen=True, slots=True)
class Throttling:
    """``throttle``: `rate` events start a run within `per` seconds; the others wait, or are dropped."""

    rate: int
    per: float
    waits: bool
    key: ValueTemplate | None = None


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """One trigger of the workflow; `index` is its place among them."""

    index: int
    uses: str
    connection: str | None
    parameters: Mapping[str, Json]
    when: ValueTemplate | None
    id: str | None = None
    gather: Gather | None = None
    throttle: Throttling | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a workflow. Durations in seconds, money in US dollars.

    Attributes:
        on_over: What becomes of a step that would go over a budget: ``fail``, ``approve``, ``fallback``.
        approvers: Who is asked then, and `approve_timeout` how long.
    """

    concurrency: int | None = None
    concurrency_key: ValueTemplate | None = None
    rate: int | None = None
    rate_per: float = 60.0
    rate_key: ValueTemplate | None = None
    dedupe_key: ValueTemplate | None = None
    dedupe_window: float = 86400.0
    budget_run: float | None = None
    budget_day: float | None = None
    budget_month: float | None = None
    on_over: Literal["fail", "approve", "fallback"] = "fail"
    approvers: tuple[str, ...] = ()
    approve_timeout: float = 86400.0
    timeout: float | None = None


@dataclass(slots=True, eq=False)
class Plan:
    """A workflow ready to run.

    Attributes:
        version: Hash of the canonical form.
        value: The definition as JSON.
        blocks: The run's own lists: ``steps``, ``on_error``, ``finally``.
        by_path: Every step by static path.
        by_id: Every step that has an id.
    """

    name: str
    version: str
    value: Json
    triggers: tuple[TriggerPlan, ...]
    inputs: Mapping[str, Json] | None
    vars: ValueTemplate
    limits: Limits
    output: ValueTemplate | None
    retention_age: float | None
    retention_count: int | None
    retention_events_age: float | None = None
    retention_events_count: int | None = None
    blocks: dict[str, Sequence[Node]] = field(default_factory=dict)
    by_path: dict[str, Node] = field(default_factory=dict)
    by_id: dict[str, Node] = field(default_factory=dict)

    def locate(self, path: str) -> tuple[Node, tuple[int, ...]]:
        """The node of a run-time path, and the items it stands for.

        Raises:
            KeyError: The path belongs to another version of the definition.
        """
        if "#" not in path:
            return self.by_path[path], ()
        static, items = split_path(path)
        return self.by_path[static], items


def split_path(path: str) -> tuple[str, tuple[int, ...]]:
    """Static path and items of a run-time path."""
    return _ITEM.sub("", path), tuple(int(item) for item in _ITEM.findall(path))


def compile_plan(value: Json, catalogue: Catalogue | None = None) -> Plan:
    """Compile a definition that the lints have found free of errors.

    Args:
        catalogue: What is installed and configured, for `Node.uses`; without it every step is run by the
            action that it names.

    Raises:
        DefinitionError: An expression does not compile, or something is missing that the lints
            would have told: `value` was not checked.
    """
    try:
        return _Compiler(value, catalogue).plan
    except ExpressionError as error:
        raise DefinitionError([Diagnostic(error.code, error.message, hint=error.hint)]) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DefinitionError(
            [Diagnostic("D200", f"this is not a valid definition: {error!r}", hint="run hookline validate")]
        ) from error


def _template(value: Json) -> ValueTemplate | None:
    return None if value is None else compile_value(value)


def _duration(value: Json) -> float | None:
    return None if value is None else parse_duration(value)


def _retry(value: Mapping[str, Json] | None) -> Retry | None:
    if value is None:
        return None
    on = value.get("on")
    return Retry(
        max_attempts=value["max_attempts"],
        delay=parse_duration(value.get("delay", "1s")),
        backoff=float(value.get("backoff", 2)),
        max_delay=parse_duration(value.get("max_delay", "1m")),
        on=None if on is None else frozenset(on),
    )


def _gather(trigger: Mapping[str, Json]) -> Gather | None:
    if "batch" in trigger:
        batch = trigger["batch"]
        most = batch.get("max", MOST_EVENTS)
        return Gather(parse_duration(batch["within"]), None, most, True, _template(batch.get("key")))
    if "debounce" in trigger:
        debounce = trigger["debounce"]
        quiet = parse_duration(debounce["quiet"])
        longest = _duration(debounce.get("max_wait")) or quiet * LONGEST_WAIT
        is_batch = is_batched(trigger)
        most = MOST_EVENTS if is_batch else None
        return Gather(longest, quiet, most, is_batch, _template(debounce.get("key")))
    return None


def _throttling(value: Mapping[str, Json] | None) -> Throttling | None:
    if value is None:
        return None
    waits = value.get("on_excess", "queue") == "queue"
    return Throttling(value["max"], parse_duration(value["per"]), waits, _template(value.get("key")))


def _usd(value: Json) -> float | None:
    return None if value is None else float(parse_money(value).amount)


class _Compiler:
    def __init__(self, value: Json, catalogue: Catalogue | None) -> None:
        self._catalogue = catalogue
        limits = value.get("limits", {})
        concurrency, rate = limits.get("concurrency", {}), limits.get("rate", {})
        dedupe, budget = limits.get("dedupe", {}), limits.get("budget", {})
        asks = budget.get("approve", {})
        triggers = [value["trigger"]] if "trigger" in value else value.get("triggers", [])
        retention = value.get("retention", {})
        self.plan = Plan(
            name=value["name"],
            version=version_of(value),
            value=value,
            triggers=tuple(self._trigger(index, trigger) for index, trigger in enumerate(triggers)),
            inputs=value.get("inputs"),
            vars=compile_value(value.get("vars", {})),
            limits=Limits(
                concurrency=concurrency.get("max"),
                concurrency_key=_template(concurrency.get("key")),
                rate=rate.get("max"),
                rate_per=parse_duration(rate.get("per", "1m")),
                rate_key=_template(rate.get("key")),
                dedupe_key=_template(dedupe.get("key")),
                dedupe_window=parse_duration(dedupe.get("window", "1d")),
                budget_run=_usd(budget.get("run")),
                budget_day=_usd(budget.get("day")),
                budget_month=_usd(budget.get("month")),
                on_over=budget.get("on_over", "fail"),
                approvers=tuple(asks.get("who", ())),
                approve_timeout=parse_duration(asks.get("timeout", "1d")),
                timeout=_duration(limits.get("timeout")),
            ),
            output=_template(value.get("output")),
            retention_age=_duration(retention.get("age")),
            retention_count=retention.get("count"),
            retention_events_age=_duration(retention.get("events_age")),
            retention_events_count=retention.get("events_count"),
        )
        for block in ("steps", "on_error", "finally"):
            if value.get(block):
                self.plan.blocks[block] = self._block(value[block], block, None, ())

    @staticmethod
    def _trigger(index: int, value: Mapping[str, Json]) -> TriggerPlan:
        return TriggerPlan(
            index=index,
            uses=value["uses"],
            connection=value.get("connection"),
            parameters=value.get("with", {}),
            when=_template(value.get("when")),
            id=value.get("id"),
            gather=_gather(value),
            throttle=_throttling(value.get("throttle")),
        )

    def _block(
        self, steps: Sequence[Json], block: str, parent: Node | None, loops: tuple[str, ...]
    ) -> tuple[Node, ...]:
        nodes = tuple(self._step(step, block, index, parent, loops) for index, step in enumerate(steps))
        name = block[len(parent.path) + 1 :] if parent else block
        for node in nodes:
            node.siblings = nodes
            node.block_name = name
        return nodes

    def _step(
        self, value: Mapping[str, Json], block: str, index: int, parent: Node | None, loops: tuple[str, ...]
    ) -> Node:
        path = f"{block}[{index}]"
        kind = next((word for word in CONTROL_KINDS if word in value), "action")
        node = Node(
            path=path,
            kind=kind,
            block=block,
            index=index,
            parent=parent,
            loops=loops,
            id=value.get("id"),
            name=value.get("name"),
            when=_template(value.get("when")),
            timeout=_duration(value.get("timeout")),
            cache=_duration(value.get("cache")),
            retry=_retry(value.get("retry")),
            pieces=_pieces(path, loops),
        )
        if parent is not None:
            node.caught_by = parent if block == f"{parent.path}.catch" else parent.caught_by
        self.plan.by_path[path] = node
        if node.id:
            self.plan.by_id[node.id] = node
        getattr(self, f"_{kind}")(node, value)
        for name in ("catch", "finally"):
            if value.get(name):
                self._own(node, name, value[name])
        return node

    def _own(self, node: Node, name: str, steps: Sequence[Json], *, loop: bool = False) -> None:
        loops = (*node.loops, node.path) if loop else node.loops
        node.blocks[name] = self._block(steps, f"{node.path}.{name}", node, loops)

    def _action(self, node: Node, value: Mapping[str, Json]) -> None:
        node.uses = value["uses"]
        node.connection = value.get("connection")
        runner = None if self._catalogue is None else runner_of(value, self._catalogue)
        if runner is not None:
            node.uses, node.connection = runner.action.name, runner.connection
        node.input = compile_value(value.get("with", {}))
        node.on_unknown = value.get("on_unknown", "wait")
        if node.timeout is None:
            node.timeout = DEFAULT_STEP_TIMEOUT

    def _if(self, node: Node, value: Mapping[str, Json]) -> None:
        node.input = compile_value(value["if"])
        for name in ("then", "else"):
            self._own(node, name, value.get(name, []))

    def _switch(self, node: Node, value: Mapping[str, Json]) -> None:
        node.input = compile_value(value["switch"])
        # A case is named by its number in paths: its text may hold anything.
        node.options["cases"] = {text: f"cases[{number}]" for number, text in enumerate(value["cases"])}
        for text, name in node.options["cases"].items():
            self._own(node, name, value["cases"][text])
        self._own(node, "default", value.get("default", []))

    def _for_each(self, node: Node, value: Mapping[str, Json]) -> None:
        node.input = compile_value(value["for_each"])
        node.options["as"] = value.get("as", "item")
        node.options["max_parallel"] = value.get("max_parallel", 1)
        node.options["on_item_error"] = value.get("on_item_error", "fail")
        self._own(node, "do", value["do"], loop=True)

    def _while(self, node: Node, value: Mapping[str, Json]) -> None:
        node.input = compile_value(value["while"])
        node.options["max_iterations"] = value["max_iterations"]
        self._own(node, "do", value["do"], loop=True)

    def _parallel(self, node: Node, value: Mapping[str, Json]) -> None:
        for name, steps in value["parallel"].items():
            self._own(node, f"parallel.{name}", steps)

    def _wait(self, node: Node, value: Mapping[str, Json]) -> None:
        wait = value["wait"]
        if "for" in wait:
            node.options["seconds"] = parse_duration(wait["for"])
        elif "until" in wait:
            node.input = compile_value(wait["until"])
        else:
            node.options["callback"] = wait["callback"]
            node.options["on_timeout"] = value["on_timeout"]

    def _approve(self, node: Node, value: Mapping[str, Json]) -> None:
        approve = value["approve"]
        shown = {
            key: approve[key] for key in ("who", "message", "show", "requester", "via") if key in approve
        }
        escalate = approve.get("escalate")
        if escalate is not None:
            shown["escalate_to"] = escalate["to"]
        node.input = compile_value(shown)
        node.options["form"] = approve.get("form")
        node.options["quorum"] = approve.get("quorum", 1)
        node.options["reject_quorum"] = approve.get("reject_quorum", 1)
        remind = approve.get("remind")
        node.options["asks"] = Asks(
            every=parse_duration(remind) if isinstance(remind, str) else None,
            at=tuple(sorted(map(parse_duration, remind))) if isinstance(remind, list) else (),
            escalate=None if escalate is None else parse_duration(escalate["after"]),
        )
        node.options["on_timeout"] = value["on_timeout"]
        node.options["on_reject"] = value.get("on_reject", "fail")

    def _call(self, node: Node, value: Mapping[str, Json]) -> None:
        node.options["workflow"] = value["call"]
        node.input = compile_value(value.get("with", {}))

    def _set(self, node: Node, value: Mapping[str, Json]) -> None:
        node.input = compile_value(value["set"])

    def _respond(self, node: Node, value: Mapping[str, Json]) -> None:
        respond = value["respond"]
        node.input = compile_value(
            {
                "status": respond.get("status", 200),
                "headers": respond.get("headers", {}),
                "body": respond.get("body"),
            }
        )

    def _stop(self, node: Node, value: Mapping[str, Json]) -> None:
        stop = value["stop"]
        if not isinstance(stop, Mapping):
            stop = {"reason": stop}
        node.options["status"] = stop.get("status", "succeeded")
        node.input = compile_value(stop.get("reason", ""))


def _pieces(path: str, loops: tuple[str, ...]) -> tuple[str, ...]:
    """Split a static path behind the first step of each loop body, where item numbers go."""
    pieces = []
    start = 0
    for loop in loops:
        # "steps[3]" + ".do[0]": the number stands behind the step directly in the loop's body.
        end = path.index("]", len(loop) + len(".do[")) + 1
        pieces.append(path[start:end])
        start = end
    pieces.append(path[start:])
    return tuple(pieces)
