"""Declaring connections, actions and triggers: one declaration, everything derived.

A folder of ``connectors/`` holds one `Connector` and its actions and triggers::

    slack = Connector("slack", title="Slack", docs="https://api.slack.com/web")

    @slack.connection
    def connect(ctx: ConnectionContext, token: Annotated[str, Field("Bot token.", secret=True)]) -> Http:
        return ctx.http("https://slack.com/api/", headers={"Authorization": f"Bearer {token}"})

    @slack.action("post_message", effect="at_least_once", ...)
    async def post_message(ctx: Context, channel: Annotated[str, Field("…")]) -> Posted: ...

Components that belong to no vendor use `action` and `trigger` directly. The name in the
workflow is ``<connector>.<action>``, or just the name without a connector.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .clients import Response
from .fields import Schema, input_schema, schema_of
from .files import File, is_file
from .limits import Limit, Slower
from .summary import render_summary

__all__ = [
    "Action",
    "ConnectionType",
    "Connector",
    "Elsewhere",
    "Example",
    "Recorded",
    "Trigger",
    "action",
    "trigger",
]

Effect = Literal["read", "idempotent", "check", "at_least_once"]
Function = Callable[..., Any]
NeedsConnection = Callable[[Mapping[str, Any]], bool]
Opens = Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer recorded from the service, for an example.

    Attributes:
        json: The body, or use `text`.
        expect: ``"POST /api/chat.postMessage"``: the request this answers; any when empty.
    """

    status: int = 200
    json: Any = None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    expect: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One use of an action: shown in the docs and executed by the conformance suite.

    Attributes:
        input: The ``with`` of a step, without expressions.
        responses: What the service answers, in order.
        output: The exact output, or None to check it only against the output schema.
        title: What the example shows.
    """

    input: Mapping[str, Any]
    responses: Sequence[Recorded] = ()
    output: Any = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another connector's action that runs a step when its connection is of that connector's type.

    It is named and not imported, and it is the one that runs: its parameters, its effect, its callbacks.
    Where it is not installed, the connection is refused.

    Attributes:
        action: Its name. It gives the same output.
        hints: What to do about each parameter that this action takes and that one does not.
    """

    action: str
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Component:
    name: str
    title: str
    description: str
    docs: str
    connection: str | None
    input_schema: Schema
    output_schema: Schema | None
    run: Function
    needs: NeedsConnection | None = None
    _names: dict[str, str] | None = field(default=None, init=False, repr=False)
    _takes_files: frozenset[str] = field(default=frozenset(), init=False, repr=False)

    def bind(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments for the function: file references read, names made Python's."""
        if self._names is None:
            # Looked at once: a signature costs more than many a whole action.
            parameters = inspect.signature(self.run).parameters
            properties = self.input_schema["properties"]
            self._names = {name: f"{name}_" for name in properties if f"{name}_" in parameters}
            self._takes_files = frozenset(name for name in properties if "x-file" in str(properties[name]))
        if not self._names and not self._takes_files:
            return dict(values)
        return {
            self._names.get(name, name): _read_files(value) if name in self._takes_files else value
            for name, value in values.items()
        }

    def needs_connection(self, parameters: Mapping[str, Any]) -> bool:
        """Whether a step with these parameters needs its connection."""
        return self.connection is not None and (self.needs is None or self.needs(parameters))


@dataclass(slots=True)
class Action(_Component):
    """An effect a step can have.

    Attributes:
        effect: What happens when the process dies between sending and recording:
            ``read`` nothing to repeat; ``idempotent`` repeated under the same key;
            ``check`` looked up by `lookup` before anything is repeated; ``at_least_once``
            repeated, and the service may see it twice.
        summary: One line about a finished step, over input and output: ``"Posted to {channel}"``,
            ``"Kept {file[name]}"``; see `summarize`.
        opens: Which connections besides its own a step with these parameters opens (`Context.open`),
            as (type, name): so that a missing one is found before a run.
        pure: No IO, no waiting: run within the engine's own step, without a worker.
        blocking: A plain function, run in the bounded pool of threads.
        elsewhere: By the type of a connection that is not `connection`: what runs the step with it.
        retry_on: Error types retried by default; None means the engine's rule for `effect`.
    """

    effect: Effect = "at_least_once"
    summary: str = ""
    examples: Sequence[Example] = ()
    writes: Sequence[str] = ()
    opens: Opens | None = None
    elsewhere: Mapping[str, Elsewhere] = field(default_factory=dict)
    pure: bool = False
    blocking: bool = False
    resume: Function | None = None
    lookup: Function | None = None
    cancel: Function | None = None
    settle: Function | None = None
    verify: Function | None = None
    watch: Function | None = None
    watched: str = ""
    key: Function | None = None

    def summarize(self, input: Mapping[str, Any], output: Any) -> str:
        """The summary of a finished step, with the defaults of what was left out."""
        properties = self.input_schema["properties"]
        defaults = {name: part["default"] for name, part in properties.items() if "default" in part}
        return render_summary(self.summary, defaults | dict(input), output)

    def on_resume(self, function: Function) -> Function:
        """Declare ``async def resume(ctx, wake: Wake, **input)``: goes on after a `Park`."""
        self.resume = function
        return function

    def on_lookup(self, function: Function) -> Function:
        """Declare ``async def lookup(ctx, **input)``: what became of an attempt that was cut off?

        It returns the output, or a `Park` when the work goes on, or None when it is certain
        that nothing was done; it raises `OutcomeUnknown` when it still cannot tell.
        """
        self.lookup = function
        return function

    def on_cancel(self, function: Function) -> Function:
        """Declare ``async def cancel(ctx, data, **input)``: stop what an attempt has started.

        Called once the attempt is over (canceled, out of time, or failed without `Context.cost` having
        said that nothing goes on), if it had noted something or parked; `data` is `Park.data`, empty when
        it had not parked. It is on disk that this is owed: it is called again after a crash, and after an
        error that says "come again" (`RateLimited`, `Unavailable`, `OutcomeUnknown`, `TimedOut`).
        """
        self.cancel = function
        return function

    def on_settle(self, function: Function) -> Function:
        """Declare ``async def settle(ctx, left: Leftover, **input) -> Park | None``: what did it cost?

        Called behind `on_cancel`, and also for an attempt whose outcome nobody could find out. It looks at
        what the attempt left behind, says what that cost (`Context.cost`) and returns None once nothing
        goes on; until then it returns a `Park`, and is called again at its time or when the callback
        address is told something. What the attempt had set aside stays so meanwhile.
        """
        self.settle = function
        return function

    def on_verify(self, function: Function) -> Function:
        """Declare ``async def verify(ctx, headers, body) -> bool``: is this callback genuine?

        Called before the callback is stored; False is answered with 401.
        """
        self.verify = function
        return function

    def on_key(self, function: Function) -> Function:
        """Declare ``async def key(ctx, **input) -> Json``: what else makes two steps identical.

        For steps with ``cache``: what the output depends on that the parameters do not say, such as the
        version that stands behind a name just now. It is asked once, before a kept output is looked
        for, and must change nothing and cost nothing. When it raises an `ActionError`, no output is
        reused or kept, and the action runs as if there were no ``cache``.
        """
        self.key = function
        return function

    def on_watch(self, subject: str) -> Callable[[Function], Function]:
        """Declare ``async def watch(ctx: WatchContext, subject)``: show what parked work is making.

        It runs only while somebody looks at the run, once for each new value of
        ``Park.data[subject]``, in a bounded number of places. It cannot touch the run: its end, its
        failure, or that it never ran change nothing.
        """

        def declare(function: Function) -> Function:
            self.watch, self.watched = function, subject
            return function

        return declare


@dataclass(slots=True)
class Trigger(_Component):
    """A way to start a workflow.

    Attributes:
        kind: ``poll`` (looked at again and again), ``webhook`` (asked for every request to its
            path), ``manual`` (only by hand), ``workflow`` (asked when a run of the workflows in the field
            ``workflow`` has ended).
        interval: Seconds between two looks of a ``poll`` trigger.
        sample: A realistic event.
        watches: Addresses watched, format strings over ``with``.
        answers_get: A ``webhook`` trigger that is asked for GET requests too: senders that try an
            address out before they use it.
        streams: A ``webhook`` trigger that takes large bodies as `HookRequest.stream`.
        hook: Where in ``with`` the path stands under which requests reach the trigger, as keys from
            the outside in; empty when none do.
        request: What a ``poll`` trigger does with such a request; see `on_request`.
        setup: What the outside needs for this trigger; see `on_setup`.
        ticks: Of a trigger whose events are known beforehand; see `on_ticks`.
        watch: Tells a ``poll`` trigger when a look is worth it; see `on_watch`.
    """

    kind: Literal["poll", "webhook", "manual", "workflow"] = "poll"
    interval: float = 60.0
    sample: Mapping[str, Any] = field(default_factory=dict)
    watches: Sequence[str] = ()
    answers_get: bool = False
    streams: bool = False
    hook: Sequence[str] = ()
    request: Function | None = None
    setup: Function | None = None
    ticks: Function | None = None
    watch: Function | None = None

    def hook_path(self, parameters: Mapping[str, Any]) -> str | None:
        """The path below ``/hooks/`` of a trigger with these parameters, None when it has none."""
        found: Any = parameters if self.hook else None
        for key in self.hook:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found.strip("/") if isinstance(found, str) else None

    def on_request(self, function: Function) -> Function:
        """Declare what a ``poll`` trigger does when it is told instead of asked.

        ``async def request(ctx: TriggerContext, request: HookRequest, **fields) -> Poll | HookAnswered``
        verifies the sender and gives what was reported, under the keys that a look would give it: so
        it does not matter which of the two comes first. It raises `HookRefused`. The cursor of the
        `Poll` is not stored; its `next_at` asks for a look.
        """
        self.request = function
        return function

    def on_setup(self, function: Function) -> Function:
        """Declare ``async def setup(ctx: SetupContext, **fields) -> Sequence[SetupStep]``.

        What has to be made elsewhere, a queue for example, before the trigger is told of anything;
        ``hookline triggers setup`` shows it, and makes it when it is asked to.
        """
        self.setup = function
        return function

    def on_watch(self, function: Function) -> Function:
        """Declare ``async def watch(ctx: TriggerContext, **fields) -> AsyncIterator[None]``.

        Whenever it yields, a look follows at once. It is a hint and never the truth: what it does not
        tell of is found by the next look in turn, and it may end at any time.
        """
        self.watch = function
        return function

    def on_ticks(self, function: Function) -> Function:
        """Declare ``ticks(after, until, now, limit, **fields) -> Sequence[TriggerEvent]``.

        It gives the first `limit` events later than `after` and not later than `until`, in order; the
        data of each has its time as ``scheduled_at``. Pure: `now` is the time of asking. What is declared
        so can be listed, paused, resumed and made up for.
        """
        self.ticks = function
        return function


@dataclass(slots=True)
class ConnectionType:
    """How to reach an outside service.

    Attributes:
        open: ``open(ctx, **fields) -> client``.
        test: ``async test(client) -> str``: proves the credential; returns whose it is.
        schemes: URI schemes of the addresses that are this service's; the client is a `FileStore`.
        references: Whether a file *reference* may name such an address. A reference may come out of
            somebody else's JSON; where it must not reach, only an address in the workflow's own
            text does.
        limits: How often it may be asked with one credential; see `hookline.sdk.limits`.
        told: What an answer says about that; as usual in HTTP when None.
        concurrency: How many steps may be under way at once with one credential, parked ones included
            and those that only read left out; None for any number.
        one_of: Groups of fields of which one must be complete, where there is more than one way to
            prove who one is; the first is the one to recommend.
        ask, ask_end, members, answer, answered: How people are asked to decide, see
            `hookline.sdk.approvals`; None where it cannot be done.
    """

    name: str
    title: str
    docs: str
    fields: Schema
    open: Function
    test: Callable[[Any], Awaitable[str]] | None = None
    schemes: Sequence[str] = ()
    references: bool = True
    limits: Sequence[Limit] = ()
    told: Callable[[Response], Slower | None] | None = None
    concurrency: int | None = None
    one_of: Sequence[Sequence[str]] = ()
    ask: Function | None = None
    ask_end: Function | None = None
    members: Function | None = None
    answer: Function | None = None
    answered: Function | None = None

    def missing(self, given: Collection[str]) -> list[str]:
        """Fields that must have a value, and have none; of several ways, those of the nearest one."""
        absent = [name for name in self.fields["required"] if name not in given]
        if self.one_of and not any(all(name in given for name in group) for group in self.one_of):
            nearest = max(self.one_of, key=lambda group: sum(name in given for name in group))
            absent += [name for name in nearest if name not in given]
        return absent


def _read_files(value: Any) -> Any:
    if is_file(value):
        return File.from_json(value)
    if isinstance(value, list):
        return [_read_files(item) for item in value]
    return value


def _described(function: Function) -> tuple[str, str]:
    """Title and description out of the docstring: its first line, and the rest."""
    text = inspect.getdoc(function) or ""
    first, _, rest = text.partition("\n")
    if not first:
        raise TypeError(f"{function.__qualname__} needs a docstring: its first line is the title")
    return first.rstrip("."), rest.strip()


def _output(function: Function, given: Schema | None) -> Schema | None:
    if given is not None:
        return given
    returned = typing.get_type_hints(function, include_extras=True).get("return")
    if returned is None or returned in (Any, type(None)):
        return None
    members = [m for m in typing.get_args(returned) if getattr(m, "__name__", "") != "Park"]
    if members and len(members) < len(typing.get_args(returned)):
        returned = typing.Union[tuple(members)]  # noqa: UP007 - built from a list
    schema = schema_of(returned)
    return schema or None


class Connector:
    """One outside service: its connection, actions and triggers.

    Args:
        id: Short name, also the folder's: ``slack``.
        title: The service's name as it writes it.
        docs: Address of its API documentation.
    """

    def __init__(self, id: str, *, title: str, docs: str = "") -> None:
        self.id = id
        self.title = title
        self.docs = docs
        self.connection_type: ConnectionType | None = None
        self.actions: list[Action] = []
        self.triggers: list[Trigger] = []

    def connection(
        self,
        function: Function | None = None,
        *,
        schemes: Sequence[str] = (),
        references: bool = True,
        limits: Sequence[Limit] = (),
        told: Callable[[Response], Slower | None] | None = None,
        concurrency: int | None = None,
        one_of: Sequence[Sequence[str]] = (),
    ) -> Any:
        """Declare how to open a connection; the parameters after the context are its fields.

        For the options see `ConnectionType`.
        """

        def declare(function: Function) -> Function:
            self.connection_type = ConnectionType(
                self.id,
                self.title,
                self.docs,
                input_schema(function),
                function,
                schemes=schemes,
                references=references,
                limits=limits,
                told=told,
                concurrency=concurrency,
                one_of=one_of,
            )
            return function

        return declare(function) if function else declare

    def on_test(self, function: Callable[[Any], Awaitable[str]]) -> Callable[[Any], Awaitable[str]]:
        """Declare how to prove that a connection works."""
        self._declared().test = function
        return function

    def on_ask(self, function: Function) -> Function:
        """Declare ``async def ask(ctx: AskContext, client, question: Question) -> Mapping``.

        It puts a question to people; what it returns identifies the message. It may be called again
        for the same message after a crash.
        """
        self._declared().ask = function
        return function

    def on_ask_end(self, function: Function) -> Function:
        """Declare ``async def ask_end(ctx: AskContext, client, ended: QuestionEnded) -> None``: update it."""
        self._declared().ask_end = function
        return function

    def on_members(self, function: Function) -> Function:
        """Declare ``async def members(ctx: AskContext, client, group: str) -> Sequence[Member]``."""
        self._declared().members = function
        return function

    def on_answer(self, function: Function) -> Function:
        """Declare ``def answer(ctx: HookContext, request) -> PersonAnswer | HookAnswered``.

        A plain function. It verifies the sender over the raw body first, and raises `HookRefused`.
        """
        self._declared().answer = function
        return function

    def on_answered(self, function: Function) -> Function:
        """Declare ``async def answered(ctx: AskContext, client, answer, text: str, link: str) -> None``.

        It tells whoever answered what became of it; `link` leads to their form, or is ``""``.
        """
        self._declared().answered = function
        return function

    def _declared(self) -> ConnectionType:
        if self.connection_type is None:
            raise TypeError(f"{self.id}: declare the connection before what it can do")
        return self.connection_type

    def action(self, name: str, **options: Any) -> Callable[[Function], Action]:
        """Declare an action of this service; see `action` for the options."""
        options.setdefault("connection", self.id if self.connection_type else None)
        options.setdefault("docs", self.docs)

        def declare(function: Function) -> Action:
            made = action(f"{self.id}.{name}", **options)(function)
            self.actions.append(made)
            return made

        return declare

    def trigger(self, name: str, **options: Any) -> Callable[[Function], Trigger]:
        """Declare a trigger of this service; see `trigger` for the options."""
        options.setdefault("connection", self.id if self.connection_type else None)
        options.setdefault("docs", self.docs)

        def declare(function: Function) -> Trigger:
            made = trigger(f"{self.id}.{name}", **options)(function)
            self.triggers.append(made)
            return made

        return declare


def action(
    name: str,
    *,
    effect: Effect,
    summary: str,
    examples: Sequence[Example] = (),
    docs: str = "",
    connection: str | None = None,
    needs_connection: NeedsConnection | None = None,
    output: Schema | None = None,
    writes: Sequence[str] = (),
    opens: Opens | None = None,
    elsewhere: Mapping[str, Elsewhere] | None = None,
    pure: bool = False,
) -> Callable[[Function], Action]:
    """Declare an action; the decorated function runs it.

    The function takes a `Context` and the described parameters; its docstring's first line is
    the title; its return annotation gives the output schema unless `output` does. A function
    that is not ``async`` and not `pure` runs in the pool for blocking work.

    Raises:
        TypeError: Something that people need is not declared, or there is no such effect.
    """
    if effect not in typing.get_args(Effect):
        known = ", ".join(typing.get_args(Effect))
        raise TypeError(f"the action {name!r}: there is no effect {effect!r}; there are {known}")

    def declare(function: Function) -> Action:
        title, description = _described(function)
        return Action(
            name=name,
            title=title,
            description=description,
            docs=docs,
            connection=connection,
            input_schema=input_schema(function),
            output_schema=_output(function, output),
            run=function,
            needs=needs_connection,
            effect=effect,
            summary=summary,
            examples=examples,
            writes=writes,
            opens=opens,
            elsewhere=elsewhere or {},
            pure=pure,
            blocking=not pure and not inspect.iscoroutinefunction(function),
        )

    return declare


def trigger(
    name: str,
    *,
    kind: Literal["poll", "webhook", "manual", "workflow"],
    sample: Mapping[str, Any],
    output: Schema | None = None,
    interval: float = 60.0,
    docs: str = "",
    connection: str | None = None,
    needs_connection: NeedsConnection | None = None,
    watches: Sequence[str] = (),
    answers_get: bool = False,
    streams: bool = False,
    hook: Sequence[str] = (),
) -> Callable[[Function], Trigger]:
    """Declare a trigger.

    A ``poll`` trigger is ``async def (ctx: TriggerContext, **fields) -> Poll`` (or a plain
    function, run in the pool); a ``webhook`` trigger is a plain function
    ``(ctx: HookContext, request: HookRequest, **fields) -> HookEvent | HookAnswered`` that raises
    `HookRefused` (it may also return a `hookline.sdk.approvals.PersonAnswer`); a ``manual`` trigger is
    ``(ctx, input, **fields)`` and returns the event's data; a ``workflow`` trigger is
    ``(ended, **fields)`` and returns the event's data, or None to start nothing.

    The path of a ``webhook`` trigger is its parameter ``path``, unless `hook` says otherwise.

    Raises:
        TypeError: Something that people need is not declared.
    """

    def declare(function: Function) -> Trigger:
        title, description = _described(function)
        return Trigger(
            name=name,
            title=title,
            description=description,
            docs=docs,
            connection=connection,
            input_schema=input_schema(function, skip=1 if kind in ("poll", "workflow") else 2),
            output_schema=output,
            run=function,
            needs=needs_connection,
            kind=kind,
            interval=interval,
            sample=sample,
            watches=watches,
            answers_get=answers_get,
            streams=streams,
            hook=hook or (("path",) if kind == "webhook" else ()),
        )

    return declare
