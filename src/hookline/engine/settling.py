"""Settling: stopping what an attempt that is over left behind elsewhere, and paying for it.

A settlement is part of its run's history (`hookline.core.folding.settlements`), so it survives the
process, and its charge is entered once. Whoever looks may look twice after a crash: stopping a thing
twice and reading it twice do no harm. What had been set aside for it stays so until it is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hookline.core import events as ev
from hookline.core.folding.settlements import LEASE
from hookline.core.records import Settlement, settlement_key
from hookline.crashpoints import crashpoint
from hookline.sdk import (
    Action,
    ActionError,
    Leftover,
    OutcomeUnknown,
    Park,
    RateLimited,
    TimedOut,
    Unavailable,
)

from .attempts import storable, to_json
from .context import RESERVED_NOTE, AttemptContext
from .holds import Hold
from .limiter import ASKER, Asker
from .live import LiveRun
from .registry import Registry

__all__ = ["GIVE_UP", "LOOK_SECONDS", "Settler"]

log = logging.getLogger(__name__)

Json = Any

LOOK_SECONDS = LEASE / 2
"""Longest time one look may take; well within its lease."""

GIVE_UP = 2 * 86400.0
"""Seconds after which what cannot be found out is taken to have cost what was set aside for it."""

INTERRUPTIONS = 3
"""Deaths of the process during a look after which nobody looks again: one must not keep a server down."""

SHORTEST_DELAY, LONGEST_DELAY = 5.0, 3600.0
"""Seconds until the next look after one that failed."""

LONGEST_PAUSE = GIVE_UP / 2
"""Seconds at most that a service can put it off: there is another look before it is given up."""

AT_ONCE = 16
"""Settlements looked at at the same time: a run may leave thousands behind."""


class Settler:
    """Looks after settlements. Used on the engine's loop only.

    Args:
        mask: Replaces known secrets in a text.
        context: What an action's code is given, for a run, an action, what is settled, and its connection.
    """

    def __init__(
        self,
        registry: Registry,
        clock: Callable[[], float],
        mask: Callable[[str], str],
        context: Callable[[LiveRun, Action, Settlement, str], AttemptContext],
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._mask = mask
        self._context = context
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def look(self, run: LiveRun, settlement: Settlement) -> ev.SettlementWaiting | ev.SettlementClosed:
        """Stop what is left, look at it, and say what it has come to."""
        code = run.executing.get(settlement.path)
        if code is not None and code.cancelling():
            # It may still be sending what is to be stopped.
            _, not_over = await asyncio.wait([code], timeout=LOOK_SECONDS)
            if not_over:
                return storable(self._later(settlement, "its code does not stop", False, None), self._mask)
        if settlement.interruptions >= INTERRUPTIONS:
            problem = f"the process died {INTERRUPTIONS} times over it"
            return storable(self._assumed(settlement, problem, None), self._mask)
        async with self._slots:
            crashpoint("settlement.begins")
            # A look begins anew as well as an attempt: a turn that comes late is kept for the next one.
            key = (run.id, settlement_key(settlement.path, settlement.attempt), settlement.attempt)
            ASKER.set(Asker(key, asyncio.current_task(), is_holdable=True, is_repeatable=True))
            found = await self._look(run, settlement)
            crashpoint("settlement.looked")
        return found

    async def _look(self, run: LiveRun, settlement: Settlement) -> ev.SettlementWaiting | ev.SettlementClosed:
        action = self._registry.actions.get(settlement.uses)
        if action is None:
            return self._later(settlement, f"there is no action {settlement.uses!r} any more", False, None)
        is_stopped = settlement.is_stopped
        context: AttemptContext | None = None
        until: float | None = None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                context = self._context(run, action, settlement, settlement.connection)
                if not is_stopped:
                    await self._stop(action, context, settlement)
                    is_stopped = True
                found = await self._settle(action, context, settlement)
            return storable(self._seen(settlement, found, is_stopped, context), self._mask)
        except ActionError as error:
            log.info("%s: settling %s of %s: %s", error.code, settlement.path, run.id, error.message)
            problem, pause = error.message, min(error.retry_after or 0.0, LONGEST_PAUSE)
            until = self._clock() + max(_delay(settlement), pause)
        except Hold as hold:
            problem, until = hold.reason, hold.until
        except TimeoutError:
            problem = f"there was no answer in {LOOK_SECONDS:g} s"
        except asyncio.CancelledError as error:
            if _is_stopped_from_outside():
                raise
            # Something that the code waited for was canceled, and nobody has stopped the code.
            log.warning("R301: settling %s of %s was canceled", settlement.path, run.id)
            problem = type(error).__name__
        except Exception as error:
            log.exception("R301: settling %s of %s", settlement.path, run.id)
            problem = type(error).__name__
        return storable(self._later(settlement, problem, is_stopped, context, until), self._mask)

    async def _stop(self, action: Action, context: AttemptContext, settlement: Settlement) -> None:
        """Tell it to stop, if that is wanted.

        Raises:
            RateLimited, Unavailable, OutcomeUnknown, TimedOut: It has to be told again.
        """
        if action.cancel is None or settlement.reason == "unknown":
            # What nobody knows of, somebody may have found and be looking at.
            return
        try:
            await action.cancel(context, settlement.data or {}, **action.bind(settlement.input))
        except (RateLimited, Unavailable, OutcomeUnknown, TimedOut):
            raise
        except ActionError as error:
            log.warning("%s: canceling %s: %s", error.code, settlement.path, error.message)
            context.log(f"it could not be told to stop: {error.message}")

    async def _settle(self, action: Action, context: AttemptContext, settlement: Settlement) -> Park | None:
        if action.settle is None:
            return None
        reason: Any = settlement.reason
        left = Leftover(
            reason,
            datetime.fromtimestamp(settlement.since, UTC),
            settlement.looks,
            settlement.data or {},
            settlement.left or {},
        )
        found: Park | None = await action.settle(context, left, **action.bind(settlement.input))
        return found

    def _seen(
        self, settlement: Settlement, park: Park | None, is_stopped: bool, context: AttemptContext
    ) -> ev.SettlementWaiting | ev.SettlementClosed:
        if park is None:
            cost, charges = _spent(settlement, context)
            return ev.SettlementClosed(
                settlement.path, settlement.attempt, "settled", cost=cost, charges=charges
            )
        if self._is_given_up(settlement):
            return self._assumed(settlement, park.reason, context)
        until = park.until.timestamp() if park.until is not None else self._clock() + _delay(settlement)
        cost, charges = _spent(settlement, context)
        kept = to_json(dict(park.data))
        return ev.SettlementWaiting(
            settlement.path, settlement.attempt, park.reason, until, is_stopped, kept, cost, charges
        )

    def _later(
        self,
        settlement: Settlement,
        problem: str,
        is_stopped: bool,
        context: AttemptContext | None,
        until: float | None = None,
    ) -> ev.SettlementWaiting | ev.SettlementClosed:
        """It could not be looked at, and is again at `until`, or after a while."""
        if self._is_given_up(settlement):
            return self._assumed(settlement, problem, context)
        until = self._clock() + _delay(settlement) if until is None else until
        cost, charges = _spent(settlement, context)
        return ev.SettlementWaiting(
            settlement.path, settlement.attempt, problem, until, is_stopped, settlement.left, cost, charges
        )

    def _is_given_up(self, settlement: Settlement) -> bool:
        return self._clock() - settlement.since >= GIVE_UP

    def _assumed(
        self, settlement: Settlement, problem: str, context: AttemptContext | None
    ) -> ev.SettlementClosed:
        """Nobody will find out any more: better a charge too many than a budget that does not hold."""
        cost, charges = _spent(settlement, context)
        reserved: Mapping[str, Json] = settlement.notes.get(RESERVED_NOTE) or {}
        usd, of = float(reserved.get("usd", 0.0)), str(reserved.get("of") or settlement.uses)
        if usd:
            cost += usd
            charges = {**(charges or {}), of: (charges or {}).get(of, 0.0) + usd}
        log.warning(
            "R450: what %s left behind could not be settled, %.4g USD are charged: %s",
            settlement.path,
            usd,
            problem,
        )
        return ev.SettlementClosed(settlement.path, settlement.attempt, "assumed", problem, cost, charges)


def _spent(settlement: Settlement, context: AttemptContext | None) -> tuple[float, dict[str, float] | None]:
    """What the code has said that it cost, by what it was for."""
    if context is None or not context.charges:
        return 0.0, None
    return context.spent, {of or settlement.uses: usd for of, usd in context.charges.items()}


def _is_stopped_from_outside() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _delay(settlement: Settlement) -> float:
    # Looks are counted from 1, and never by more than the cap needs.
    longer: float = SHORTEST_DELAY * 2.0 ** min(settlement.looks - 1, 20)
    return min(longer, LONGEST_DELAY)
