"""Letting queued runs start, in their order, as the limits of their workflows allow."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hookline.core.expressions import ExpressionError
from hookline.store.port import Admission, Admit, Store, StoreError, Unit

from .intake import rate_name
from .live import LiveRun
from .stored_runs import StoredRun, StoredRuns

__all__ = ["Admissions"]

log = logging.getLogger(__name__)


class Admissions:
    """Asks the store whether the next run of a concurrency key may start. Used on the engine's loop only.

    Args:
        is_here: Whether a run is in memory already.
        begin: An admitted run is to go on.
        refuse: A run cannot be asked for; it is to end with this code, message and hint.
        call_later: Calls something after so many seconds.

    Attributes:
        queued: Runs that are queued, and other workers', as far as is known.
    """

    def __init__(
        self,
        *,
        store: Store,
        stored: StoredRuns,
        clock: Callable[[], float],
        submit: Callable[[Unit, Callable[[Any], None]], None],
        is_here: Callable[[str], bool],
        begin: Callable[[LiveRun], None],
        refuse: Callable[[LiveRun, str, str, str], None],
        call_later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._store = store
        self._stored = stored
        self._clock = clock
        self._submit = submit
        self._is_here = is_here
        self._begin = begin
        self._refuse = refuse
        self._call_later = call_later
        self._asking: set[str] = set()
        self._is_stopped = False
        # By concurrency key: the run that was refused for its rate, and when to ask again.
        self._too_early: dict[str, tuple[str, float]] = {}
        self.queued = 0

    def stop(self) -> None:
        """Admit nothing more."""
        self._is_stopped = True

    def next(self, key: str) -> None:
        """Ask for the run that has waited longest under this key; one question at a time."""
        if key in self._asking or self._is_stopped:
            return
        stored = self._first(key)
        if stored is None:
            return
        run = stored.run
        limits = run.plan.limits
        try:
            rate_key = rate_name(run.plan, run.state) if limits.rate is not None else None
        except ExpressionError as error:
            self._refuse(run, error.code, f"limits.rate: {error.message}", error.hint)
            return
        self._asking.add(key)
        # Without a limit of their own, runs are queued because they may not overlap.
        one_at_a_time = limits.concurrency is None and limits.rate is None
        unit = Admit(
            run_id=run.id,
            owner=self._store.worker,
            now=self._clock(),
            max_running=1 if one_at_a_time else limits.concurrency,
            rate_key=rate_key,
            rate=limits.rate or 0,
            rate_per=limits.rate_per,
        )
        self._submit(unit, lambda answer: self._answered(run, key, answer))

    def _first(self, key: str) -> StoredRun | None:
        """The first run that can be read; None when it is not for this process to ask, or not yet."""
        while True:
            unreadable = self._stored.unreadable
            run_id = self._store.queued_run(key, unreadable)
            if run_id is None:
                return None
            refused, until = self._too_early.get(key, (None, 0.0))
            if refused == run_id and self._clock() + 0.01 < until:
                return None
            self._too_early.pop(key, None)
            stored = self._stored.read(run_id, (self.next, key))
            if stored is not None or len(self._stored.unreadable) == len(unreadable):
                return stored

    def _answered(self, run: LiveRun, key: str, answer: Admission | StoreError) -> None:
        self._asking.discard(key)
        if isinstance(answer, StoreError):
            log.warning("%s: run %s was not admitted: %s", answer.code, run.id, answer)
        elif answer.admitted and self._is_here(run.id):
            # A signal for it was faster, and has started it.
            self.next(key)
        elif answer.admitted:
            self.queued = max(self.queued - 1, 0)
            run.epoch = run.stored_epoch = answer.epoch
            self._begin(run)
            self.next(key)
        elif answer.retry_at is not None:
            self._too_early[key] = (run.id, answer.retry_at)
            delay = max(answer.retry_at - self._clock(), 0.01)
            self._call_later(delay, lambda: self.next(key))
