"""The keys of a workflow, version 1: the one statement of the format.

The lint, the generated JSON Schema, the order of keys in ``fmt``, the reference documentation and
the compiler of plans all read these tables; no other module names a key and its type again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from .batches import MOST_EVENTS

__all__ = [
    "ERROR_FIELDS",
    "ERROR_TYPES",
    "IDENTIFIER",
    "LIMITS",
    "RETRY",
    "ROOTS",
    "RUN_FIELDS",
    "SLUG",
    "STEP_KEYS",
    "STEP_KINDS",
    "TRIGGER",
    "WORKFLOW",
    "Block",
    "Choice",
    "Key",
    "KeyType",
    "Shape",
    "child_blocks",
    "kinds_of",
    "step_kind",
]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
"""Step ids, variables, branches and loop names. No hyphen: in an expression it reads as minus."""

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
"""Workflow names."""

KeyType = Literal[
    "text",  # plain text, never evaluated
    "template",  # text that may hold expressions
    "condition",  # an expression giving true or false, or a literal boolean
    "list",  # an expression giving a list, or a literal list
    "value",  # any JSON whose texts may hold expressions
    "values",  # an object: name -> value
    "parameters",  # the object a component's input_schema describes
    "texts",  # a list of templates, at least one
    "duration",
    "durations",  # one duration, or a list of them
    "money",
    "integer",
    "number",
    "slug",
    "identifier",
    "reference",  # the name of a component, a connection or another workflow
    "choice",
    "choices",  # a list of choices
    "schema",  # an author's JSON Schema (subset)
    "steps",
    "branches",  # an object: name -> steps
    "object",  # a nested object, see Key.shape
    "objects",  # a list of nested objects, see Key.shape
    "any",  # any JSON, never evaluated
]


@dataclass(frozen=True, slots=True)
class Choice:
    """One allowed text and what it means."""

    value: str
    description: str


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an object in a definition.

    Attributes:
        name: The key.
        type: What its value is.
        description: One sentence for the editor and the reference.
        required: The key must be present.
        default: What holds when the key is absent; None when nothing does. Never inserted.
        minimum: Least value of an integer, number or duration (in seconds).
        maximum: Greatest value of an integer or number.
        choices: The allowed texts of a ``choice`` or ``choices``.
        shape: The nested object of an ``object`` or ``objects``.
        template: An ``object`` may also be written as a template, an ``integer`` as an expression.
        identifiers: The names in ``values`` or ``branches`` must be identifiers.
    """

    name: str
    type: KeyType
    description: str
    required: bool = False
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Choice, ...] = ()
    shape: Shape | None = None
    template: bool = False
    identifiers: bool = False

    @property
    def holds_steps(self) -> bool:
        """Whether the value is a block of steps or named blocks of steps."""
        return self.type in ("steps", "branches")


@dataclass(frozen=True, slots=True)
class Shape:
    """An object with a closed set of keys, in the order in which ``fmt`` writes them.

    Attributes:
        name: What the object is called in messages, for example ``workflow``.
        description: One sentence.
        keys: The keys by name, in canonical order.
        exactly_one: Of these keys one and only one must be present; empty for no such rule.
        at_most_one: Of these keys at most one may be present.
    """

    name: str
    description: str
    keys: Mapping[str, Key]
    exactly_one: tuple[str, ...] = ()
    at_most_one: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A list of steps inside a step.

    Attributes:
        key: The key that holds it: ``then``, ``else``, ``cases``, ``default``, ``do``, ``parallel``,
            ``catch`` or ``finally``.
        branch: The name of the case or branch under ``cases`` and ``parallel``, else None.
        steps: The steps.
    """

    key: str
    branch: str | None
    steps: Sequence[Any]

    @property
    def path(self) -> tuple[str, ...]:
        """The keys from the step to the list."""
        return (self.key,) if self.branch is None else (self.key, self.branch)


def _shape(
    name: str,
    description: str,
    *keys: Key,
    exactly_one: tuple[str, ...] = (),
    at_most_one: tuple[str, ...] = (),
) -> Shape:
    return Shape(
        name, description, MappingProxyType({key.name: key for key in keys}), exactly_one, at_most_one
    )


ERROR_TYPES = (
    Choice("bad_input", "The service refused the parameters."),
    Choice("authentication", "The credentials were refused."),
    Choice("insufficient_credit", "The account has no credit left."),
    Choice("rate_limited", "Too many requests; the service asked to slow down."),
    Choice("timeout", "No answer in time."),
    Choice("unavailable", "The service could not be reached or failed."),
    Choice("content_rejected", "The service's content policy refused the request."),
    Choice("malformed_output", "The answer could not be understood."),
    Choice("canceled", "It was canceled."),
    Choice("unknown", "Whether the effect happened cannot be known."),
    Choice("not_found", "What was asked for does not exist."),
    Choice("rejected", "A person rejected it."),
    Choice("expression", "An expression could not be evaluated."),
    Choice("internal", "A fault in Hookline or in a component."),
)
"""The types an error has at run time; ``retry.on`` names them."""

ERROR_FIELDS = ("type", "code", "message", "hint", "step")
"""What ``error.…`` offers."""

RUN_FIELDS = ("id", "workflow", "version", "created_at", "started_at", "cost_usd", "callbacks")
"""What ``run.…`` offers; ``run.callbacks.<id of a wait step>.url`` is the address of its callback."""

ROOTS: Mapping[str, str] = MappingProxyType(
    {
        "trigger": "The event that started the run.",
        "inputs": "The input of a run that was started by hand or by another workflow.",
        "vars": "The workflow's variables, as last changed by a `set` step.",
        "steps": "The output of each finished step, by its id.",
        "item": "The current item of the enclosing `for_each` (or the name given in `as`).",
        "index": "The number of the current item or iteration, from 0.",
        "run": "The run itself: id, workflow, version, created_at, started_at, cost_usd, callbacks.",
        "error": "The error being handled: type, code, message, hint, step.",
    }
)
"""The names an expression can start with."""

CONCURRENCY = _shape(
    "concurrency",
    "How many runs may be active at once.",
    Key("max", "integer", "Greatest number of active runs.", required=True, minimum=1, maximum=100_000),
    Key("key", "template", "Count separately for each value of this expression."),
)
RATE = _shape(
    "rate",
    "How many runs may start in a span of time.",
    Key(
        "max",
        "integer",
        "Greatest number of runs that start within `per`.",
        required=True,
        minimum=1,
        maximum=1_000_000,
    ),
    Key("per", "duration", 'The span of time, for example `"1m"`.', required=True, minimum=0.001),
    Key("key", "template", "Count separately for each value of this expression."),
)
DEDUPE = _shape(
    "dedupe",
    "Start only one run for events with the same key.",
    Key("key", "template", "Events with the same rendered key are the same event.", required=True),
    Key("window", "duration", "How long a key is remembered.", default="1d", minimum=0.001),
)
BUDGET_APPROVE = _shape(
    "budget_approve",
    "Who may let a step go over a budget.",
    Key("who", "texts", "Whom the question names, for people; the operator decides.", required=True),
    Key(
        "timeout", "duration", "How long they are waited for; no answer is a no.", default="1d", minimum=0.001
    ),
)
BUDGET = _shape(
    "budget",
    "What the workflow may spend, by estimate. A step sets aside what it may cost before it starts anything.",
    Key("run", "money", 'What one run may spend, for example `"0.50 usd"`.'),
    Key("day", "money", "What all runs together may spend in one day (UTC)."),
    Key("month", "money", "What all runs together may spend in one calendar month (UTC)."),
    Key(
        "on_over",
        "choice",
        "What becomes of a step that would go over one of them, or over the installation's.",
        default="fail",
        choices=(
            Choice("fail", "It fails with an error of type `insufficient_credit`; nothing is started."),
            Choice("approve", "A person is asked; the step waits, and goes on when it is allowed."),
            Choice("fallback", "The next, cheaper one of its `models` is tried; it fails when none fits."),
        ),
    ),
    Key("approve", "object", "Who is asked, with `on_over`: `approve`.", shape=BUDGET_APPROVE),
)
LIMITS = _shape(
    "limits",
    "Limits of the whole workflow.",
    Key("concurrency", "object", "How many runs may be active at once.", shape=CONCURRENCY),
    Key("rate", "object", "How many runs may start in a span of time.", shape=RATE),
    Key("dedupe", "object", "Start only one run for events with the same key.", shape=DEDUPE),
    Key("budget", "object", "What the workflow may spend.", shape=BUDGET),
    Key("timeout", "duration", "How long a run may take in all.", minimum=0.001),
)
RETENTION = _shape(
    "retention",
    "How long finished runs and events are kept; of two rules the stricter one holds.",
    Key("age", "duration", "Remove finished runs older than this.", minimum=1),
    Key("count", "integer", "Keep at most this many finished runs.", minimum=0, maximum=100_000_000),
    Key(
        "events_age",
        "duration",
        "Remove events that started no run when they are older than this.",
        minimum=1,
    ),
    Key(
        "events_count",
        "integer",
        "Keep at most this many events that started no run.",
        minimum=0,
        maximum=100_000_000,
    ),
)
DEBOUNCE = _shape(
    "debounce",
    "Wait until no more events come, then start one run.",
    Key("quiet", "duration", "How long no further event must have come.", required=True, minimum=0.001),
    Key("key", "template", "Wait separately for each value of this expression."),
    Key("max_wait", "duration", "Start this long after the first event at the latest.", minimum=0.001),
    Key(
        "events",
        "choice",
        "Which events the run gets.",
        default="last",
        choices=(
            Choice("last", "The last one; those before it are replaced by it."),
            Choice("all", "All of them, as with `batch`."),
        ),
    ),
)
BATCH = _shape(
    "batch",
    "Start one run for many events.",
    Key("within", "duration", "Start this long after the first event.", required=True, minimum=0.001),
    Key(
        "max",
        "integer",
        "Start at once with so many events.",
        default=MOST_EVENTS,
        minimum=1,
        maximum=MOST_EVENTS,
    ),
    Key("key", "template", "Collect separately for each value of this expression."),
)
THROTTLE = _shape(
    "throttle",
    "Start runs no faster than at a rate.",
    Key(
        "max",
        "integer",
        "How many start a run at once; after that one does every `per` / `max`.",
        required=True,
        minimum=1,
        maximum=1_000_000,
    ),
    Key("per", "duration", 'The span of time, for example `"1m"`.', required=True, minimum=0.001),
    Key("key", "template", "Count separately for each value of this expression."),
    Key(
        "on_excess",
        "choice",
        "What becomes of an event that comes too soon.",
        default="queue",
        choices=(
            Choice("queue", "It waits for its turn."),
            Choice("drop", "It is recorded as `filtered`, and starts nothing."),
        ),
    ),
)
TRIGGER = _shape(
    "trigger",
    "What starts a run.",
    Key("id", "identifier", "A name for this trigger among several."),
    Key("uses", "reference", "The trigger component.", required=True),
    Key("connection", "reference", "The connection to use; by default the one named like its type."),
    Key("with", "parameters", "The trigger's parameters."),
    Key("when", "condition", "Start a run only when this is true; it sees `trigger`."),
    Key("debounce", "object", "Wait until no more events come, then start one run.", shape=DEBOUNCE),
    Key("batch", "object", "Start one run for many events.", shape=BATCH),
    Key("throttle", "object", "Start runs no faster than at a rate.", shape=THROTTLE),
    at_most_one=("debounce", "batch", "throttle"),
)
RETRY = _shape(
    "retry",
    "When and how often a failed step is tried again.",
    Key(
        "max_attempts",
        "integer",
        "Attempts in all, the first included.",
        required=True,
        minimum=1,
        maximum=100,
    ),
    Key("delay", "duration", "Pause before the second attempt.", default="1s", minimum=0),
    Key(
        "backoff",
        "number",
        "Each further pause is this many times longer.",
        default=2,
        minimum=1,
        maximum=100,
    ),
    Key("max_delay", "duration", "Longest pause.", default="1m", minimum=0),
    Key(
        "on",
        "choices",
        "Error types that are tried again; by default those a repetition can cure.",
        choices=ERROR_TYPES,
    ),
)

WORKFLOW = _shape(
    "workflow",
    "A workflow: what starts it and what it does.",
    Key("$schema", "text", "Address of the JSON Schema, for the editor."),
    Key("name", "slug", "The workflow's name: lower-case letters, digits and `-`.", required=True),
    Key("description", "text", "What it is for."),
    Key("trigger", "object", "What starts a run.", shape=TRIGGER),
    Key("triggers", "objects", "Several triggers, in place of `trigger`.", shape=TRIGGER),
    Key("inputs", "schema", "JSON Schema (an object) of the input of runs started by hand or by `call`."),
    Key("vars", "values", "Variables and their first values; `set` changes them.", identifiers=True),
    Key("limits", "object", "Concurrency, rate, deduplication, budget and timeout.", shape=LIMITS),
    Key("steps", "steps", "What to do, from top to bottom.", required=True),
    Key("on_error", "steps", "Steps to run when the run has failed; `error` is in scope."),
    Key("finally", "steps", "Steps to run at the end, whatever happened."),
    Key("output", "value", "The run's output."),
    Key("retention", "object", "How long finished runs, and events, are kept.", shape=RETENTION),
    at_most_one=("trigger", "triggers"),
)

CALLBACK = _shape(
    "callback",
    "Wait for one request to the address `run.callbacks.<id>.url`.",
    Key("schema", "schema", "JSON Schema the request's body must satisfy."),
)
WAIT = _shape(
    "wait",
    "What to wait for.",
    Key("for", "duration", "Wait this long.", minimum=0),
    Key("until", "template", "Wait until this timestamp."),
    Key("callback", "object", "Wait for a request to `run.callbacks.<id>.url`.", shape=CALLBACK),
    exactly_one=("for", "until", "callback"),
)
VIA = _shape(
    "via",
    "One way to reach the people who may decide.",
    Key("connection", "reference", "A connection that can ask: Slack, email.", required=True),
    Key(
        "to",
        "template",
        "One place for all of them, such as a channel; without it each person is asked in private.",
    ),
)
ESCALATE = _shape(
    "escalate",
    "Ask further people when there is no decision yet.",
    Key("after", "duration", "How long after the first time.", required=True, minimum=1),
    Key("to", "texts", "Who may decide from then on as well, written as in `who`.", required=True),
)
APPROVE = _shape(
    "approve",
    "Ask people for a decision.",
    Key(
        "who",
        "texts",
        "Who may decide: names of people, `role:<role>`, `<connection>:<group>`, or `operator`.",
        required=True,
    ),
    Key("message", "template", "The question."),
    Key("show", "value", "What the person sees before deciding."),
    Key("form", "schema", "JSON Schema of the fields the person fills in."),
    Key("via", "objects", "How they are asked; each person gets a link of their own.", shape=VIA),
    Key("quorum", "integer", "How many people must approve.", default=1, minimum=1, maximum=100),
    Key(
        "reject_quorum",
        "integer",
        "How many people must reject for it to be rejected.",
        default=1,
        minimum=1,
        maximum=100,
    ),
    Key("requester", "template", "Who asked for this: a name or address. That person may not decide."),
    Key("remind", "durations", "Ask again: every so often, or at these times after the first.", minimum=1),
    Key("escalate", "object", "Ask further people when there is no decision yet.", shape=ESCALATE),
)
RESPOND = _shape(
    "respond",
    "Answer the webhook's caller, who is waiting.",
    Key("status", "integer", "HTTP status.", default=200, minimum=200, maximum=599, template=True),
    Key("headers", "values", "HTTP headers."),
    Key("body", "value", "The body: text as it is, anything else as JSON."),
)
STOP = _shape(
    "stop",
    "End the run here.",
    Key(
        "status",
        "choice",
        "How the run ends.",
        default="succeeded",
        choices=(
            Choice("succeeded", "All is well, there is nothing more to do."),
            Choice("failed", "Something is wrong; `on_error` runs."),
            Choice("canceled", "The run was called off."),
        ),
    ),
    Key("reason", "template", "Why, for the person who reads the run."),
)

_ID = Key("id", "identifier", "The name other steps refer to: `steps.<id>` is this step's output.")
_NAME = Key("name", "text", "A title for people.")
_WHEN = Key("when", "condition", "Skip the step unless this is true.")
_TIMEOUT = Key("timeout", "duration", "How long the step may take, all attempts included.", minimum=0.001)
_TIMEOUT_REQUIRED = Key(
    "timeout", "duration", "How long to wait for an answer.", required=True, minimum=0.001
)
_CACHE = Key("cache", "duration", "Reuse the output of an identical step for this long.", minimum=0.001)
_RETRY = Key("retry", "object", "When and how often to try again.", shape=RETRY)
_CATCH = Key("catch", "steps", "Steps to run when this step has failed; `error` is in scope.")
_FINALLY = Key("finally", "steps", "Steps to run after this step, whatever happened.")
_SAMPLE = Key("sample", "any", "A sample of the output, for the builder and for tests.")
_ON_TIMEOUT_CALLBACK = Key(
    "on_timeout",
    "choice",
    "What happens when nothing arrives within `timeout`.",
    choices=(
        Choice("fail", "The step fails with a timeout."),
        Choice("continue", "The step's output is null and the run goes on."),
    ),
)


def _kind(head: Sequence[Key], body: Sequence[Key], description: str, *, timeout: Key = _TIMEOUT) -> Shape:
    """A kind of step; the first key of ``head`` is the one that says which kind it is."""
    keys = (_ID, _NAME, _WHEN, *head, timeout, _CACHE, *body, _RETRY, _CATCH, _FINALLY, _SAMPLE)
    return _shape(head[0].name, description, *keys)


_ACTION = _kind(
    (
        Key("uses", "reference", "The action to run.", required=True),
        Key("connection", "reference", "The connection to use; by default the one named like its type."),
    ),
    (
        Key("with", "parameters", "The action's parameters."),
        Key(
            "on_unknown",
            "choice",
            "What to do when it cannot be known whether the effect happened.",
            default="wait",
            choices=(
                Choice("wait", "Stay in the state `unknown` until it is looked up or a person decides."),
                Choice("retry", "Do it again, although it may then happen twice."),
                Choice("fail", "Fail with an error of type `unknown`."),
            ),
        ),
    ),
    "Run an action.",
)
_IF = _kind(
    (Key("if", "condition", "The condition.", required=True),),
    (
        Key("then", "steps", "Steps to run when it is true.", required=True),
        Key("else", "steps", "Steps to run when it is false."),
    ),
    "Choose between two blocks of steps.",
)
_SWITCH = _kind(
    (Key("switch", "template", "The value to compare, as text.", required=True),),
    (
        Key("cases", "branches", "The steps for each text.", required=True),
        Key("default", "steps", "Steps to run when no case matches."),
    ),
    "Choose one of several blocks of steps.",
)
_FOR_EACH = _kind(
    (
        Key("for_each", "list", "The list.", required=True),
        Key("as", "identifier", "The name of the current item.", default="item"),
        Key("max_parallel", "integer", "How many items at once.", default=1, minimum=1, maximum=1000),
        Key(
            "on_item_error",
            "choice",
            "What happens when an item fails.",
            default="fail",
            choices=(
                Choice("fail", "The loop fails."),
                Choice("collect", "The item's result is its error; the loop goes on."),
                Choice("skip", "The item is left out of the result; the loop goes on."),
            ),
        ),
    ),
    (Key("do", "steps", "Steps to run for each item.", required=True),),
    "Run steps for each item of a list; the result is the list of item results, in order.",
)
_PARALLEL = _kind(
    (
        Key(
            "parallel",
            "branches",
            "Named blocks of steps that run at the same time.",
            required=True,
            identifiers=True,
        ),
    ),
    (),
    "Run blocks of steps at the same time; the result has one member per branch.",
)
_WHILE = _kind(
    (
        Key("while", "condition", "Repeat as long as this is true.", required=True),
        Key(
            "max_iterations",
            "integer",
            "Most iterations; running out of them is an error.",
            required=True,
            minimum=1,
            maximum=100_000,
        ),
    ),
    (Key("do", "steps", "Steps to repeat.", required=True),),
    "Repeat steps while a condition holds; the result is the last iteration's.",
)
_WAIT = _kind(
    (Key("wait", "object", "What to wait for.", required=True, shape=WAIT), _ON_TIMEOUT_CALLBACK),
    (),
    "Wait for a time or for a callback, without holding anything.",
)
_APPROVE = _kind(
    (
        Key("approve", "object", "Who decides, and what they see.", required=True, shape=APPROVE),
        Key(
            "on_timeout",
            "choice",
            "What happens when nobody decides within `timeout`. It is never a yes.",
            required=True,
            choices=(
                Choice("reject", "As if a person had rejected it."),
                Choice("fail", "The step fails with a timeout."),
            ),
        ),
        Key(
            "on_reject",
            "choice",
            "What happens when it is rejected.",
            default="fail",
            choices=(
                Choice("fail", "The step fails with an error of type `rejected`."),
                Choice("continue", "The run goes on; look at `steps.<id>.decision`."),
            ),
        ),
    ),
    (),
    "Ask people for a decision; the result has decision, by, name, at, comment, form and decisions.",
    timeout=_TIMEOUT_REQUIRED,
)
_CALL = _kind(
    (Key("call", "reference", "The name of the workflow to run.", required=True),),
    (Key("with", "values", "Its input."),),
    "Run another workflow; the result is its output.",
)
_SET = _kind(
    (Key("set", "values", "Variables and their new values.", required=True, identifiers=True),),
    (),
    "Change variables; the result is the values.",
)
_RESPOND = _kind(
    (Key("respond", "object", "The answer.", required=True, shape=RESPOND),),
    (),
    "Answer the webhook's caller, who is waiting.",
)
_STOP = _kind(
    (Key("stop", "object", "The reason, or status and reason.", required=True, shape=STOP, template=True),),
    (),
    "End the run here.",
)

STEP_KINDS: Mapping[str, Shape] = MappingProxyType(
    {
        "uses": _ACTION,
        "if": _IF,
        "switch": _SWITCH,
        "for_each": _FOR_EACH,
        "parallel": _PARALLEL,
        "while": _WHILE,
        "wait": _WAIT,
        "approve": _APPROVE,
        "call": _CALL,
        "set": _SET,
        "respond": _RESPOND,
        "stop": _STOP,
    }
)
"""The kinds of steps by the key that marks them; each shape includes the common keys."""

STEP_KEYS: frozenset[str] = frozenset(name for shape in STEP_KINDS.values() for name in shape.keys)
"""Every key that any step may have."""


def kinds_of(step: Mapping[str, Any]) -> tuple[str, ...]:
    """The kind keys a step has; a correct step has exactly one."""
    return tuple(kind for kind in STEP_KINDS if kind in step)


def step_kind(step: Mapping[str, Any]) -> str | None:
    """The kind of a step, or None when it has no kind key or more than one."""
    kinds = kinds_of(step)
    return kinds[0] if len(kinds) == 1 else None


def child_blocks(step: Mapping[str, Any]) -> Iterator[Block]:
    """The blocks of steps inside a step, in the order of the grammar; malformed ones are left out."""
    kind = step_kind(step)
    if kind is None:
        return
    for key in STEP_KINDS[kind].keys.values():
        held = step.get(key.name)
        if key.type == "steps" and isinstance(held, list):
            yield Block(key.name, None, held)
        elif key.type == "branches" and isinstance(held, dict):
            for branch, steps in held.items():
                if isinstance(steps, list):
                    yield Block(key.name, branch, steps)
