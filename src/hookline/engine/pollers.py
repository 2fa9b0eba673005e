"""Polling triggers: look, store what was found together with the cursor, look again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from hookline.core.expressions import ExpressionError
from hookline.core.plan import Plan, TriggerPlan
from hookline.core.units import parse_duration
from hookline.crashpoints import crashpoint
from hookline.sdk import ActionError, Files, Http, Poll, Trigger
from hookline.store.port import Accept, Accepted, Dedupe, Store, StoreError

from .context import PollContext, run_blocking
from .intake import TRIGGER_MEMORY, Draft, Intake, trigger_scope

__all__ = ["MAX_EVENTS", "Poller"]

log = logging.getLogger(__name__)

MAX_EVENTS = 500
"""Most events of one look stored in one unit; more are stored in several, the cursor with the last."""

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
        self._failures = 0

    async def run(self) -> None:
        """Look until canceled."""
        while True:
            due = self._clock() + await self.look()
            # In slices: after a suspended night, or a clock that was set, it is due by the clock.
            while (left := due - self._clock()) > 0:  # noqa: ASYNC110 - no event says that time passed
                await asyncio.sleep(min(left, LONGEST_SLEEP))

    async def look(self) -> float:
        """Look once; gives the seconds until the next look."""
        if not self._has_room():
            return 1.0
        try:
            poll = await self._poll()
            crashpoint("poll.returned")
            await self._store_all(poll)
        except (ActionError, StoreError, ExpressionError) as error:
            return self._failed(str(error), getattr(error, "retry_after", None))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("R309: the trigger %s of %s", self._declared.name, self._plan.name)
            return self._failed(f"{type(error).__name__}; the log says more", None)
        self._failures = 0
        self.problem = ""
        if poll.next_at is not None:
            return max(poll.next_at.timestamp() - self._clock(), 0.0)
        return self._interval()

    def _interval(self) -> float:
        given = self._trigger.parameters.get("interval")
        return parse_duration(given) if isinstance(given, str) else self._declared.interval

    def _failed(self, problem: str, retry_after: float | None) -> float:
        delay = BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1
        self.problem = problem
        log.warning("the trigger %s of %s: %s", self._declared.name, self._plan.name, problem)
        return max(delay, retry_after or 0.0)

    async def _poll(self) -> Poll:
        declared, parameters = self._declared, self._trigger.parameters
        connection = None
        if declared.needs_connection(parameters):
            assert declared.connection is not None
            connection = self._open_connection(
                self._trigger.connection or declared.connection, declared.connection
            )
        context = PollContext(
            workflow=self._plan.name,
            cursor=self._store.cursor(self.scope),
            interval=self._interval(),
            connection=connection,
            http=self._http,
            files=self._files,
            clock=self._clock,
            has_seen=lambda keys: self._store.seen(self.scope, keys),
        )
        arguments = declared.bind(parameters)
        found: Any
        if asyncio.iscoroutinefunction(declared.run):
            found = await declared.run(context, **arguments)
        else:
            found = await run_blocking(self._pool, declared.run, context, **arguments)
        assert isinstance(found, Poll)
        return found

    async def _store_all(self, poll: Poll) -> None:
        drafts = [self._draft(event.data, event.key) for event in poll.events]
        drafts += [self._draft(event.data, event.key, skip=reason) for event, reason in poll.skipped]
        baseline = [Dedupe(self.scope, key, self._clock() + TRIGGER_MEMORY) for key in poll.baseline]
        parts = [drafts[start : start + MAX_EVENTS] for start in range(0, len(drafts), MAX_EVENTS)] or [[]]
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            unit = Accept(
                [draft.incoming for draft in part],
                cursor_of=self.scope if is_last else None,
                cursor=poll.cursor if is_last else None,
                baseline=[
                    *(draft.remembered for draft in part if draft.remembered is not None),
                    *(baseline if is_last else ()),
                ],
            )
            await self._submit(unit, part)

    def _draft(self, data: Any, key: str, skip: str = "") -> Draft:
        try:
            return self._intake.event(self._plan, self._trigger, data, key=key, skip=skip)
        except ExpressionError as error:
            # One event that does not fit must not keep all that come after it from being looked at.
            return self._intake.event(self._plan, self._trigger, data, key=key, skip=error.message)

    async def _submit(self, unit: Accept, drafts: Sequence[Draft]) -> None:
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()

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
                stored.set_result(None)

        self._store.submit(unit, lambda answer: self._deliver(lambda: answered(answer)))
        await stored
