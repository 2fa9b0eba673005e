"""Polling triggers: look, store what was found together with the cursor, look again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from hookline.core.expressions import ExpressionError
from hookline.core.plan import Plan, TriggerPlan
from hookline.core.units import parse_duration
from hookline.crashpoints import crashpoint
from hookline.sdk import ActionError, Files, HookAnswered, HookRequest, Http, Poll, Trigger, Unreadable
from hookline.store.port import Accept, Accepted, Dedupe, Store, StoreError

from .context import PollContext, run_blocking
from .intake import TRIGGER_MEMORY, Draft, Intake, trigger_scope
from .schedules import pause_of

__all__ = ["MAX_EVENTS", "MAX_UNREADABLE_BYTES", "Poller"]

log = logging.getLogger(__name__)

MAX_EVENTS = 500
"""Most events of one look stored in one unit; more are stored in several, the cursor with the last."""

MAX_UNREADABLE_BYTES = 65_536
"""Most that is kept of something nobody can read."""

WATCH_BREATH = 0.1
"""Seconds between being told of a change and the look: more of them come together."""

NO_ROOM = 1.0
"""Seconds until there may be room for more runs."""

LONGEST_SLEEP = 30.0
"""Seconds after which a poller looks at the clock again."""

BACKOFF = (5.0, 15.0, 60.0, 300.0)
"""Seconds before the next look after one, two, … failures in a row."""


class Poller:
    """One polling trigger of one workflow.

    Args:
        has_room: Whether the backlog takes more runs; without room nothing is looked for.
        begin: Called with every draft whose run is on disk.
        count: Called with what became of the events of every unit.
    """

    def __init__(
        self,
        plan: Plan,
        trigger: TriggerPlan,
        declared: Trigger,
        *,
        store: Store,
        intake: Intake,
        open_connection: Callable[[str, str], Any],
        http: Http,
        files: Files,
        pool: Executor,
        clock: Callable[[], float],
        has_room: Callable[[], bool],
        begin: Callable[[Draft], None],
        count: Callable[[Sequence[Accepted]], None],
        deliver: Callable[[Callable[[], None]], None],
    ) -> None:
        self._plan = plan
        self._trigger = trigger
        self._declared = declared
        self._store = store
        self._intake = intake
        self._open_connection = open_connection
        self._http = http
        self._files = files
        self._pool = pool
        self._clock = clock
        self._has_room = has_room
        self._begin = begin
        self._count = count
        self._deliver = deliver
        self.scope = trigger_scope(plan, trigger)
        self.problem = ""
        self.looked_at: float | None = None
        self._failures = 0
        self._wanted_at: float | None = None
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Look until canceled."""
        watching = None if self._declared.watch is None else asyncio.create_task(self._watch())
        try:
            await self._look_again_and_again()
        finally:
            if watching is not None:
                watching.cancel()

    async def _look_again_and_again(self) -> None:
        while True:
            due = self._clock() + await self.look()
            # In slices: after a suspended night, or a clock that was set, it is due by the clock.
            while (left := self._next(due) - self._clock()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._asked.wait(), min(left, LONGEST_SLEEP))
                self._asked.clear()

    async def _watch(self) -> None:
        """Look when the trigger is told that something has changed; see `Trigger.on_watch`."""
        assert self._declared.watch is not None
        try:
            arguments = self._declared.bind(self._trigger.parameters)
            async for _ in self._declared.watch(self._context(woken=False), **arguments):
                self._want(self._clock() + WATCH_BREATH)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # What it does not tell is found by the next look in turn.
            log.info(
                "the trigger %s of %s is not told of changes: %s", self._declared.name, self._plan.name, error
            )

    def _want(self, at: float) -> None:
        self._wanted_at = at if self._wanted_at is None else min(at, self._wanted_at)
        self._asked.set()

    def _next(self, due: float) -> float:
        return due if self._wanted_at is None else min(due, self._wanted_at)

    async def look(self) -> float:
        """Look once; gives the seconds until the next look."""
        if not self._has_room():
            if self._wanted_at is not None:
                # Wanted now and put off for nothing, it would come round without ever giving up the loop.
                self._wanted_at = max(self._wanted_at, self._clock() + NO_ROOM)
            return NO_ROOM
        is_woken = self._wanted_at is not None and self._wanted_at <= self._clock()
        if is_woken:
            self._wanted_at = None
        try:
            poll = await self._poll(woken=is_woken)
            crashpoint("poll.returned")
            await self._store_all(poll)
            crashpoint("poll.committed")
            if poll.acknowledge is not None:
                await poll.acknowledge()
                crashpoint("poll.acknowledged")
        except (ActionError, StoreError, ExpressionError) as error:
            return self._failed(str(error), getattr(error, "retry_after", None))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("R309: the trigger %s of %s", self._declared.name, self._plan.name)
            return self._failed(f"{type(error).__name__}; the log says more", None)
        self._failures = 0
        self.looked_at = self._clock()
        if poll.problem and poll.problem != self.problem:
            log.warning("the trigger %s of %s: %s", self._declared.name, self._plan.name, poll.problem)
        self.problem = poll.problem
        if poll.next_at is not None:
            return max(poll.next_at.timestamp() - self._clock(), 0.0)
        return self._interval()

    async def receive(self, request: HookRequest) -> HookAnswered | Sequence[Accepted]:
        """A request that tells what a look would find; what it tells is on disk when this returns.

        Raises:
            HookRefused: The request is refused.
            ActionError: It cannot be judged now; the sender has to come again.
            StoreError: It cannot be stored.
        """
        assert self._declared.request is not None
        context = self._context(woken=False)
        arguments = self._declared.bind(self._trigger.parameters)
        found = await self._declared.request(context, request, **arguments)
        if isinstance(found, HookAnswered):
            return found
        assert isinstance(found, Poll)
        accepted = await self._store_all(found, with_cursor=False)
        crashpoint("poll.committed")
        if found.acknowledge is not None:
            await found.acknowledge()
            crashpoint("poll.acknowledged")
        if found.next_at is not None:
            self._want(found.next_at.timestamp())
        return accepted

    def _interval(self) -> float:
        given = self._trigger.parameters.get("interval")
        return parse_duration(given) if isinstance(given, str) else self._declared.interval

    def _failed(self, problem: str, retry_after: float | None) -> float:
        delay = BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1
        self.problem = problem
        log.warning("the trigger %s of %s: %s", self._declared.name, self._plan.name, problem)
        return max(delay, retry_after or 0.0)

    async def _poll(self, *, woken: bool) -> Poll:
        declared = self._declared
        context = self._context(woken=woken)
        arguments = declared.bind(self._trigger.parameters)
        found: Any
        if asyncio.iscoroutinefunction(declared.run):
            found = await declared.run(context, **arguments)
        else:
            found = await run_blocking(self._pool, declared.run, context, **arguments)
        assert isinstance(found, Poll)
        return found

    def _context(self, *, woken: bool) -> PollContext:
        declared = self._declared
        connection = None
        if declared.needs_connection(self._trigger.parameters):
            assert declared.connection is not None
            connection = self._open_connection(
                self._trigger.connection or declared.connection, declared.connection
            )
        return PollContext(
            workflow=self._plan.name,
            cursor=self._store.cursor(self.scope),
            interval=self._interval(),
            woken=woken,
            connection=connection,
            http=self._http,
            files=self._files,
            clock=self._clock,
            pause=pause_of(self._store, self.scope) if declared.ticks is not None else None,
            has_seen=lambda keys: self._store.seen(self.scope, keys),
            find_outcomes=self._outcomes,
            open_connection=self._open_connection,
        )

    def _outcomes(self, keys: Iterable[str]) -> dict[str, str]:
        runs = self._store.started(self.scope, keys)
        rows = {key: self._store.run(run) for key, run in runs.items() if run is not None}
        return {key: row.status for key, row in rows.items() if row is not None}

    async def _store_all(self, poll: Poll, *, with_cursor: bool = True) -> Sequence[Accepted]:
        drafts = [self._draft(event.data, event.key) for event in poll.events]
        drafts += [self._draft(event.data, event.key, skip=reason) for event, reason in poll.skipped]
        drafts += [self._unreadable(each) for each in poll.unreadable]
        baseline = [Dedupe(self.scope, key, self._clock() + TRIGGER_MEMORY) for key in poll.baseline]
        if not (with_cursor or drafts or baseline):
            return ()
        parts = [drafts[start : start + MAX_EVENTS] for start in range(0, len(drafts), MAX_EVENTS)] or [[]]
        accepted: list[Accepted] = []
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            unit = Accept(
                [draft.incoming for draft in part],
                cursor_of=self.scope if is_last and with_cursor else None,
                cursor=poll.cursor if is_last and with_cursor else None,
                baseline=[
                    *(each for draft in part for each in draft.remembered),
                    *(baseline if is_last else ()),
                ],
            )
            accepted += await self._submit(unit, part)
        return accepted

    def _unreadable(self, found: Unreadable) -> Draft:
        incoming = self._intake.rejected(self._plan, self._trigger.uses, found.reason, {})
        dedupe = Dedupe(self.scope, found.key, self._clock() + TRIGGER_MEMORY) if found.key else None
        return Draft(replace(incoming, dedupe=dedupe, body=found.body[:MAX_UNREADABLE_BYTES]), None)

    def _draft(self, data: Any, key: str, skip: str = "") -> Draft:
        try:
            return self._intake.event(self._plan, self._trigger, data, key=key, skip=skip)
        except ExpressionError as error:
            # One event that does not fit must not keep all that come after it from being looked at.
            return self._intake.event(self._plan, self._trigger, data, key=key, skip=error.message)

    async def _submit(self, unit: Accept, drafts: Sequence[Draft]) -> Sequence[Accepted]:
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[Sequence[Accepted]] = loop.create_future()

        def answered(answer: Any) -> None:
            if not isinstance(answer, StoreError):
                # Even if the look itself was called off meanwhile: these runs are on disk, and ours.
                self._count(answer)
                for draft, accepted in zip(drafts, answer, strict=True):
                    if draft.run is not None and accepted.run_id == draft.run.id:
                        self._begin(draft)
            if stored.done():
                return
            if isinstance(answer, StoreError):
                stored.set_exception(answer)
            else:
                stored.set_result(answer)

        self._store.submit(unit, lambda answer: self._deliver(lambda: answered(answer)))
        return await stored
