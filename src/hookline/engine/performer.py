"""Executing actions: attempts as tasks, what they note and log, and how they are stopped.

An attempt's code runs only for a run that this process owns, and what it gives is handed back as
one fact. Nothing here decides what comes next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hookline.core import events as ev
from hookline.core.plan import Node
from hookline.core.records import Settlement, settlement_key
from hookline.core.state import StepRecord
from hookline.crashpoints import crashpoint
from hookline.sdk import Action, ActionError, BadInput, File, Files, FileStore, Http, InternalError, Wake
from hookline.store.port import Cap, Kept, StoreError

from .attempts import execute, failure, key_of, mode_of, not_json, storable, to_json
from .budgets import Budgets
from .claims import Claims, look_again
from .connections import Connections
from .context import AttemptContext, PureContext
from .holds import Hold
from .http import GuardedClient
from .journal import dump_json
from .limiter import ASKER, Asker
from .live import LiveRun
from .parameters import checked
from .past import Past
from .questions import Questions
from .registry import Registry
from .reuse import KEY_NOTE, request_claim, reuse_key, reused
from .settling import Settler
from .slots import Slot
from .tokens import CallbackTokens
from .watching import LiveViews

__all__ = ["Desk", "Outside", "Performer", "node_at"]

log = logging.getLogger(__name__)

Json = Any


@dataclass(slots=True)
class Outside:
    """What components reach the world through; there is one for each event loop."""

    client: GuardedClient
    http: Http
    files: Files


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the performer hands back what happened; the runner's own methods.

    Attributes:
        take: Facts of a run that go into its history.
        take_then: The same for one fact; the callable is told when it is on disk.
        settled: The last code of a run has stopped without giving anything.
        owns: Whether this process still has the run.
    """

    take: Callable[[LiveRun, Sequence[ev.Event]], None]
    take_then: Callable[[LiveRun, ev.Event, Callable[[Any], None]], None]
    settled: Callable[[LiveRun], None]
    owns: Callable[[LiveRun], bool]


class Performer:
    """Runs the code of actions.

    Args:
        mask: Replaces known secrets in a text.
        kept: The output kept under a key at a time.
        past: What steps of earlier runs gave.
        views: Where what a step shows goes.
        claims: What attempts have a claim to.
        budgets: What may be spent.
        max_attempts: Asynchronous attempts executed at the same time.
        blocking_threads: Threads for actions that block.

    Attributes:
        is_called_back: Whether a server listens at the callback address, so that actions may give it away.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        connections: Connections,
        tokens: CallbackTokens,
        clock: Callable[[], float],
        mask: Callable[[str], str],
        kept: Callable[[str, float], Kept | None],
        past: Past,
        views: LiveViews,
        claims: Claims,
        budgets: Budgets,
        max_attempts: int,
        blocking_threads: int,
    ) -> None:
        self._registry = registry
        self._connections = connections
        self._tokens = tokens
        self._clock = clock
        self._mask = mask
        self._kept = kept
        self._past = past
        self._views = views
        self._claims = claims
        self._budgets = budgets
        self._slots = asyncio.Semaphore(max_attempts)
        self._telling: set[asyncio.Task[None]] = set()
        self._settler = Settler(registry, clock, mask, self._settling_context)
        self.pool = ThreadPoolExecutor(blocking_threads, thread_name_prefix="hookline-blocking")
        self.is_stopping = False
        self.is_called_back = True
        self.desk: Desk
        self.questions: Questions
        self.outside: Outside

    @property
    def telling(self) -> Sequence[asyncio.Task[None]]:
        """News for the outside that are on their way."""
        return list(self._telling)

    def open(self, name: str, type: str) -> Any:
        """The client of a connection.

        Raises:
            BadInput, AuthenticationFailed: See `Connections.open`.
        """
        return self._connections.open(name, type, self.outside.client, self.outside.files)

    def open_store(self, at: File | str, connection: str = "") -> FileStore:
        """The store that keeps an address, or what a reference names, which may be anybody's.

        Args:
            connection: Its name; the reference's own or the type's when empty.

        Raises:
            BadInput: C924, or see `Connections.open`.
            AuthenticationFailed: See `Connections.open`.
        """
        uri = at.uri if isinstance(at, File) else at
        scheme, colon, _ = uri.partition(":")
        kind = self._registry.schemes.get(scheme) if colon else None
        if kind is None:
            raise BadInput(
                f"nothing installed keeps files at {uri[:100]!r}",
                code="C924",
                hint=f"write an address that begins with {_any_of(self._registry.schemes)}",
            )
        if isinstance(at, File) and not self._registry.connection_types[kind].references:
            raise BadInput(
                f"a file reference cannot name {scheme}: addresses",
                code="C924",
                hint="a reference can come from anywhere; write the address itself into the step",
            )
        named = connection or (at.connection or "" if isinstance(at, File) else "")
        store: FileStore = self.open(named or kind, kind)
        return store

    def pure(self, node: Node, command: ev.StepStarted) -> Sequence[ev.Event]:
        """Run an action that needs no worker, within the turn."""
        action = self._registry.actions.get(node.uses)
        path, attempt = command.path, command.attempt
        if action is None:
            return [self._missing(node, path, attempt)]
        if not action.pure:
            return ()
        context = PureContext(path, attempt)
        result: ev.Event
        try:
            output = action.run(context, **action.bind(checked(action, command.input)))
        except ActionError as error:
            result = ev.AttemptFailed(path, path, attempt, failure(error, path))
        except Exception as error:
            log.exception("%s (step %s) raised", action.name, path)
            fault = InternalError(f"{action.name} failed with {type(error).__name__}", code="R301")
            result = ev.AttemptFailed(path, path, attempt, failure(fault, path))
        else:
            try:
                result = ev.StepSucceeded(path, path, to_json(output))
                dump_json(result.output).encode()
            except (TypeError, ValueError, RecursionError) as error:
                result = not_json(action.name, path, attempt, error)
        return [*context.lines, result]

    def _missing(self, node: Node, path: str, attempt: int) -> ev.Event:
        error = {
            "type": "internal",
            "code": "R304",
            "message": f"there is no action {node.uses!r} any more",
            "hint": "install it again, then resume the run",
            "step": path,
        }
        return ev.AttemptFailed(path, path, attempt, error)

    def execute(self, run: LiveRun, path: str, *, interrupted: bool) -> None:
        """Begin an attempt that is on disk; `interrupted` when a process died over it."""
        if run.lost or path not in run.state.executing or self.is_stopping:
            return
        if path in run.executing:
            if run.executing[path].cancelling():
                run.behind.add(path)
            return
        node = node_at(run, path)
        if node is not None and node.kind == "approve":
            work = self._asking(run, path)
        else:
            work = self._attempt(run, path, interrupted=interrupted)
        task = asyncio.get_running_loop().create_task(work)
        run.executing[path] = task
        task.add_done_callback(lambda _: self._let_go(run, path, task))

    def _let_go(self, run: LiveRun, path: str, task: asyncio.Task[None]) -> None:
        """A task that was stopped before its first line has not taken itself off the list."""
        if run.executing.get(path) is task and not self._is_followed(run, path):
            self._stopped(run)

    async def _attempt(self, run: LiveRun, path: str, *, interrupted: bool) -> None:
        node, _ = run.plan.locate(path)
        record = run.state.records[path]
        attempt = record.attempt
        results: list[ev.Event]
        try:
            async with Slot(self._slots):
                action = self._registry.actions.get(node.uses)
                if action is None:
                    results = [self._missing(node, path, record.attempt)]
                else:
                    results = await self._reuse_or_run(run, node, action, record, interrupted)
        except Hold as hold:
            results = [hold.event(path, record.attempt)]
            if path in run.early:
                # What it is held for came while it was being held.
                results.append(ev.TurnCame(path, self._clock()))
        except asyncio.CancelledError:
            if not self._is_followed(run, path):
                self._stopped(run)
            return
        except Exception as error:
            # Actions answer for themselves; this is what stands before and behind them.
            log.exception("R399: executing %s of %s", path, run.id)
            fault = InternalError(f"the step could not be executed: {type(error).__name__}", code="R399")
            results = [ev.AttemptFailed(path, path, attempt, failure(fault, path))]
        if self._is_followed(run, path) or run.lost:
            return
        if attempt == record.attempt:
            self.desk.take(run, results)

    def _is_followed(self, run: LiveRun, path: str) -> bool:
        """The code of an attempt has come to its end; True when the next one has begun in its place."""
        run.executing.pop(path, None)
        run.early.discard(path)
        if path not in run.behind:
            return False
        run.behind.discard(path)
        self.execute(run, path, interrupted=False)
        return path in run.executing

    def _stopped(self, run: LiveRun) -> None:
        if not self.is_stopping and not run.lost and self.desk.owns(run):
            self.desk.settled(run)

    async def _asking(self, run: LiveRun, path: str) -> None:
        """Ask people, or tell them how it ended: whatever the history says is to be done."""

        async def note(fact: ev.Event) -> None:
            await self._keep(run, storable(fact, self._mask))

        result: ev.Event | None = None
        try:
            async with Slot(self._slots):
                crashpoint("asking.begins")
                result = await self.questions.serve(run, path, note)
        except asyncio.CancelledError:
            if not self._is_followed(run, path):
                self._stopped(run)
            return
        except Exception as error:
            # Not one message is worth an approval: it stays open, and says what is wrong.
            log.exception("R399: asking for %s of %s", path, run.id)
            attempt = run.state.records[path].attempt
            problems = [f"people could not be asked: {type(error).__name__}; the log says more"]
            result = ev.ApprovalNoted(path, attempt, problems=problems, done=True)
        if self._is_followed(run, path) or run.lost:
            return
        if result is None:
            self.desk.settled(run)
        else:
            self.desk.take(run, [storable(result, self._mask)])

    async def _reuse_or_run(
        self, run: LiveRun, node: Node, action: Action, record: StepRecord, interrupted: bool
    ) -> list[ev.Event]:
        """Execute the attempt, unless an identical step left its output for reuse."""
        is_new = record.wake == "start" and not interrupted
        if is_new and node.cache is not None and action.key is not None and KEY_NOTE not in record.notes:
            await self._note_key(run, node, action, record)
        key = reuse_key(node, action, record)
        if key is not None and is_new:
            kept = self._kept(key, self._clock())
            if kept is None:
                await self._claim_request(run, record, key)
                # It may have been made, and answered, while this one asked.
                kept = self._kept(key, self._clock())
            if kept is not None:
                return reused(record.path, kept)
        result = await self._run_action(run, node, action, record, interrupted)
        if key is not None and node.cache is not None and isinstance(result, ev.StepSucceeded):
            run.keeping[record.path] = Kept(key, result.output, self._clock() + node.cache)
        return [result]

    async def _note_key(self, run: LiveRun, node: Node, action: Action, record: StepRecord) -> None:
        """Note what the output depends on besides the parameters; nothing if the action cannot tell."""
        path, attempt = record.path, record.attempt
        try:
            context = self._context(run, action, record, node.connection or "")
        except ActionError:
            return  # The attempt will say so itself.
        asker = Asker((run.id, path, attempt), asyncio.current_task(), is_holdable=True, is_repeatable=True)
        ASKER.set(asker)
        try:
            value = await key_of(action, record, context)
            fact = storable(ev.StepNoted(path, attempt, {KEY_NOTE: value}), self._mask)
        except Exception as error:
            if not isinstance(error, ActionError | TimeoutError):
                log.exception("the on_key of %s (step %s of %s) raised", action.name, path, run.id)
            context.log(f"no kept output is looked for: {getattr(error, 'message', type(error).__name__)}")
            return
        await self._keep(run, fact)

    async def _claim_request(self, run: LiveRun, record: StepRecord, key: str) -> None:
        """Be the only one who makes a request.

        Raises:
            Hold: Somebody else is making it.
        """
        name = request_claim(key)
        if not await self._claim(run, record, name, 1.0):
            reason = "the result of an identical step, which is under way"
            raise Hold("identical", reason, self._look_again(record))

    async def _claim_place(self, run: LiveRun, node: Node, action: Action, record: StepRecord) -> None:
        """Be one of the few steps that are under way with a connection.

        Raises:
            Hold: There are as many as there may be.
        """
        connection = node.connection or action.connection
        place = self._connections.place(connection) if connection is not None else None
        if place is None:
            return
        name, most = place
        if not await self._claim(run, record, name, most):
            reason = f"a place at {connection}, which takes {most} at a time"
            raise Hold("limit", reason, self._look_again(record))

    async def _claim(self, run: LiveRun, record: StepRecord, name: str, most: float) -> bool:
        """Whether this attempt is one of the `most` that go on; if not, it is woken when one ends."""
        is_refused = False
        self._claims.wait(name, run.id, record.path)
        try:
            share, caps = {name: 1.0}, [Cap(name, most)]
            claimed = await self._claims.claim(run, record.path, record.attempt, share, caps)
            is_refused = not claimed.granted
        finally:
            if not is_refused:
                self._claims.leave(name, run.id, record.path)
        return not is_refused

    def _look_again(self, record: StepRecord) -> float:
        now = self._clock()
        return now + look_again(now - (record.started_at or now))

    def awaited(self, run: LiveRun, path: str) -> list[tuple[str, str]]:
        """Who is to be woken, as (run, path), now that an attempt is over."""
        record, node = run.state.records.get(path), node_at(run, path)
        if not self._claims.is_awaited or record is None or node is None or node.kind != "action":
            return []
        woken: list[tuple[str, str]] = []
        action = self._registry.actions.get(node.uses)
        key = reuse_key(node, action, record)
        if key is not None:
            name = request_claim(key)
            self._claims.leave(name, run.id, path)
            woken += self._claims.next(name, everybody=record.status == "succeeded")
        connection = node.connection or (action.connection if action is not None else None)
        place = self._connections.place(connection) if connection is not None else None
        if place is not None:
            self._claims.leave(place[0], run.id, path)
            woken += self._claims.next(place[0])
        return woken

    async def _run_action(
        self, run: LiveRun, node: Node, action: Action, record: StepRecord, interrupted: bool
    ) -> ev.Event:
        mode = mode_of(record, action, interrupted=interrupted)
        try:
            context = self._context(run, action, record, node.connection or "")
        except ActionError as error:
            return ev.AttemptFailed(record.path, record.path, record.attempt, failure(error, record.path))
        if mode.kind == "lookup":
            run.lookups[record.path] = run.lookups.get(record.path, 0) + 1
        lookups = run.lookups.get(record.path, 0)
        ASKER.set(
            Asker(
                (run.id, record.path, record.attempt),
                asyncio.current_task(),
                is_holdable=mode.kind != "lookup",
                is_repeatable=action.effect in ("read", "idempotent"),
            )
        )
        try:
            if record.wake == "start" and action.effect != "read":
                await self._claim_place(run, node, action, record)
            result = await execute(node, action, record, context, mode, self.pool, lookups)
            return storable(result, self._mask)
        except (TypeError, ValueError, RecursionError) as error:
            return not_json(action.name, record.path, record.attempt, error, context.spent, owes=context.owes)

    def _settling_context(
        self, run: LiveRun, action: Action, settlement: Settlement, connection: str
    ) -> AttemptContext:
        return self._context(run, action, settlement, connection)

    def _context(
        self, run: LiveRun, action: Action, record: StepRecord | Settlement, named: str
    ) -> AttemptContext:
        """What the code of an attempt is given, or the code that settles what one left behind.

        Args:
            named: The connection that the step names, empty when it names none.
        """
        path, attempt = record.path, record.attempt
        connection = None
        kind = action.connection
        # A connection that is only sometimes needed is opened whenever the step names one.
        if kind is not None and (named or action.needs_connection(record.input or {})):
            connection = self.open(named or kind, kind)

        async def keep(values: dict[str, Json], cost: float, charges: dict[str, float] | None) -> None:
            noted = ev.StepNoted(path, attempt, to_json(values))
            if cost:
                noted = ev.StepNoted(path, attempt, noted.values, cost, charges)
            await self._keep(run, storable(noted, self._mask))

        def noted(name: str) -> list[Json]:
            # Of other attempts of this step too: one may be settled while the next one is under way.
            known: list[StepRecord | Settlement] = [
                *run.state.records.values(),
                *run.state.settlements.values(),
            ]
            others = [each for each in known if (each.path, each.attempt) != (path, attempt)]
            return [each.notes[name] for each in others if name in each.notes]

        def say(message: str, values: dict[str, Json]) -> None:
            try:
                line = storable(ev.StepLogged(path, message, to_json(values)), self._mask)
            except (TypeError, ValueError, RecursionError):
                # A line for people is no reason to fail.
                shown = {"values": ascii(values)[:1000]}
                line = storable(ev.StepLogged(path, ascii(message)[:1000], shown), self._mask)
            log.info("%s %s: %s", run.id, path, line.message)
            if not run.lost:
                self.desk.take(run, [line])

        async def open_file_store(at: File | str, connection: str) -> FileStore:
            return self.open_store(at, connection)

        def show(text: str, replace: bool) -> None:
            self._views.show(run.id, path, attempt, text, replace=replace)

        async def open_connection(name: str, type: str) -> Any:
            return self.open(name, type)

        async def set_aside(usd: float, of: str, firm: bool) -> float:
            if isinstance(record, Settlement):
                raise InternalError("nothing is started for an attempt that is over", code="R301")
            return await self._budgets.reserve(run, record, usd, of or action.name, firm=firm)

        ends = record.deadline if isinstance(record, StepRecord) else None
        deadline = None if ends is None else datetime.fromtimestamp(ends, UTC)
        return AttemptContext(
            run_id=run.id,
            workflow=run.plan.name,
            step=path,
            attempt=attempt,
            idempotency_key=f"{run.id}/{path}/{attempt}",
            deadline=deadline,
            callback_url=self._tokens.url(run.id, path, attempt) if self.is_called_back else "",
            connection=connection,
            http=self.outside.http,
            files=self.outside.files,
            notes=dict(record.notes),
            callbacks=[
                Wake("callback", {}, body.encode(), headers) for body, headers in record.callbacks.values()
            ],
            clock=self._clock,
            keep=keep,
            noted=noted,
            say=say,
            show=show,
            open_connection=open_connection,
            open_file_store=open_file_store,
            set_aside=set_aside,
            project=self._connections.project,
            past=self._past,
        )

    async def _keep(self, run: LiveRun, fact: ev.Event) -> None:
        """Put a fact on disk before going on."""
        if run.lost:
            raise asyncio.CancelledError
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def answered(answer: Any) -> None:
            if kept.done():
                return
            if isinstance(answer, StoreError):
                kept.cancel()
            else:
                kept.set_result(None)

        self.desk.take_then(run, fact, answered)
        await kept
        crashpoint("note.committed")

    def abort(self, run: LiveRun, path: str) -> None:
        """Stop what an attempt is doing here, and tell those whom it had asked."""
        task = run.executing.get(path)
        if task is not None:
            task.cancel()
        record = run.state.records.get(path)
        asking = record.asking if record is not None and record.status == "canceled" else None
        if record is not None and asking is not None and asking.told and not asking.outcome:
            self._in_background(self.questions.tell_end(run, record, "canceled", None))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that an ended step still owes to the outside."""
        task = asyncio.get_running_loop().create_task(work)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    # What attempts leave behind ------------------------------------------------------------------

    def owes(self, node: Node, record: StepRecord) -> bool:
        """Whether an attempt that did not end well may have left something behind elsewhere."""
        action = self._registry.actions.get(node.uses)
        if action is None or (action.cancel is None and action.settle is None):
            return False
        # The engine's own notes are no sign that anything was sent.
        return record.data is not None or any(not name.startswith("$") for name in record.notes)

    def settle(self, run: LiveRun, key: str) -> None:
        """Look at what an attempt left behind; that it is owed is on disk."""
        settlement = run.state.settlements.get(key)
        if settlement is None or run.lost or self.is_stopping or key in run.executing:
            return
        task = asyncio.get_running_loop().create_task(self._settle(run, settlement))
        run.executing[key] = task
        task.add_done_callback(lambda _: self._let_go(run, key, task))

    async def _settle(self, run: LiveRun, settlement: Settlement) -> None:
        key = settlement_key(settlement.path, settlement.attempt)
        try:
            found = await self._settler.look(run, settlement)
        except asyncio.CancelledError:
            run.executing.pop(key, None)
            self._stopped(run)
            return
        run.executing.pop(key, None)
        if not run.lost:
            self.desk.take(run, [found])


def _any_of(schemes: Mapping[str, str]) -> str:
    return " or ".join(f"{each}:" for each in schemes)


def node_at(run: LiveRun, path: str) -> Node | None:
    """The step of the definition at a run-time path; None for the run itself, or in another version."""
    try:
        return run.plan.locate(path)[0] if path else None
    except KeyError:
        return None
