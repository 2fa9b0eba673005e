"""Letting events go that have waited: when their gathering is due, they go into one run.

Nothing is kept here but the time of the next look. What waits, and until when, is in the store, so
that a process that starts finds what became due while nothing was running. The rules are in
`docs/adr/0009-events-that-wait.md`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from hookline.core.diagnostics import DefinitionError
from hookline.crashpoints import crashpoint
from hookline.store.port import Gathering, Release, Released, Store, StoreError

from .intake import Intake, trigger_scope
from .live import LiveRun
from .runner import Runner
from .workflows import Plans

__all__ = ["Gatherer"]

log = logging.getLogger(__name__)

BATCH = 100
"""Gatherings released at a time, so that runs under way have their turns in between."""

SWEEP_SECONDS = 1.0
"""How often the store is asked for what other processes took in."""


class Gatherer:
    """Releases gatherings that are due. Works on the engine's loop; `expect` may be called anywhere.

    Attributes:
        waiting: Gatherings there were at the last look: runs that will be.
    """

    def __init__(
        self, store: Store, intake: Intake, plans: Plans, runner: Runner, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._intake = intake
        self._plans = plans
        self._runner = runner
        self._clock = clock
        self._releasing: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._is_started = False
        self.waiting = 0

    def start(self) -> None:
        """Release what is due, now and from now on."""
        self._is_started = True
        self._runner.keep(self._sweep_forever())

    def expect(self, due_at: float) -> None:
        """An event has joined a gathering that is due then."""
        if self._is_started:
            self._runner.deliver(lambda: self._time(due_at))

    async def _sweep_forever(self) -> None:
        while True:
            try:
                self._look()
            except StoreError as error:
                log.warning("%s: events that wait cannot be read: %s", error.code, error)
            except Exception:
                log.exception("R399: a fault in the engine")
            await asyncio.sleep(SWEEP_SECONDS)

    def _time(self, due_at: float) -> None:
        if due_at >= self._timer_at or self._runner.loop is None or self._runner.is_stopping:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due_at
        self._timer = self._runner.loop.call_later(max(due_at - self._clock(), 0.0), self._due)

    def _due(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        try:
            self._look()
        except StoreError as error:
            log.warning("%s: events that wait cannot be read: %s", error.code, error)

    def _look(self) -> None:
        if self._runner.is_stopping:
            return
        now = self._clock()
        self.waiting = self._store.gatherings() if self._store.next_gathering() is not None else 0
        if not self.waiting:
            return
        for gathering in self._store.due_gatherings(now, BATCH):
            if gathering.id not in self._releasing:
                self._release(gathering)
        following = self._store.next_gathering()
        # What is due and still there is on its way to the store, or is looked at with the next sweep.
        if following is not None and following > now:
            self._time(following)

    def _release(self, gathering: Gathering) -> None:
        try:
            drafted = self._draft(gathering)
        except StoreError:
            raise
        except Exception as error:
            # It is the first of those that are due, and would be again: all the others would wait behind it.
            log.exception("R399: events of %s cannot be started", gathering.scope)
            reason = f"{type(error).__name__}; the log says more"
            drafted = None, Release(gathering.id, gathering.count, None, reason)
        if drafted is None:
            return
        run, unit = drafted
        self._releasing.add(gathering.id)
        self._store.submit(
            unit, lambda answer: self._runner.deliver(lambda: self._released(run, unit, answer))
        )
        crashpoint("release.submitted")

    def _draft(self, gathering: Gathering) -> tuple[LiveRun | None, Release] | None:
        """The run of a gathering; None when an event has joined it at this moment."""
        try:
            plan = self._plans.get(gathering.version)
        except (KeyError, DefinitionError) as error:
            log.error("R306: version %s cannot be used: %s", gathering.version, error)
            reason = "its version of the workflow cannot be read any more"
            return None, Release(gathering.id, gathering.count, None, reason)
        trigger = next(each for each in plan.triggers if trigger_scope(plan, each) == gathering.scope)
        takes_all = trigger.gather is not None and trigger.gather.is_batch
        events = self._store.gathered(gathering.id, gathering.count if takes_all else 1)
        if len(events) != (gathering.count if takes_all else 1):
            return None
        return self._intake.release(plan, trigger, gathering, events)

    def _released(self, run: LiveRun | None, unit: Release, answer: Released | StoreError | Any) -> None:
        self._releasing.discard(unit.gathering)
        if isinstance(answer, StoreError):
            log.warning("%s: events that waited are not released: %s", answer.code, answer)
            return
        crashpoint("release.committed")
        if run is not None and answer.run_id == run.id:
            self._runner.begin(run)
        if not self._releasing:
            self._look()
