"""What may be spent: the caps of a run, a workflow and the installation, and setting money aside.

Spent is what the ledger says; what attempts under way have set aside counts as if it were spent,
whichever day it was set aside on. All figures are estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hookline.core.plan import Plan
from hookline.core.records import StepRecord
from hookline.core.units import parse_money
from hookline.sdk import OverBudget
from hookline.store.port import MONEY, Cap, Claimed, Store

from .claims import Claims
from .holds import Hold
from .live import LiveRun
from .settings import Settings, SettingsError

__all__ = ["Budgets"]

Json = Any

REMEMBERED = 30 * 86400.0
"""Seconds for which the highest cost of a model is held against it."""

INSTALLATION = MONEY


class Budgets:
    """The caps of one installation.

    Raises:
        SettingsError: ``budget_day`` or ``budget_month`` is no amount of money.
    """

    def __init__(self, settings: Settings, store: Store, claims: Claims, clock: Callable[[], float]) -> None:
        self._store = store
        self._claims = claims
        self._clock = clock
        self._day = _money(settings, "budget_day")
        self._month = _money(settings, "budget_month")

    async def reserve(self, run: LiveRun, record: StepRecord, usd: float, of: str, *, firm: bool) -> float:
        """Set aside what an attempt is about to spend; gives how much that is, in US dollars.

        Raises:
            OverBudget: It would go over a cap, and the workflow wants that to fail.
            Hold: It would, and a person is to be asked.
        """
        caps = self._caps(run)
        if not caps:
            return usd
        now = self._clock()
        if not firm:
            usd = max(usd, self._store.highest(of, now - REMEMBERED))
        is_allowed = any(decided.decision == "approved" for decided in record.decisions)
        claimed = await self._claims.claim(
            run,
            record.path,
            record.attempt,
            {cap.name: usd for cap in caps.values()},
            () if is_allowed else tuple(caps.values()),
        )
        if not claimed.granted:
            raise self._refused(run, record, usd, of, caps, claimed)
        return usd

    def _caps(self, run: LiveRun) -> dict[str, Cap]:
        """Every cap that holds for a run, by what people know it as."""
        limits, now = run.plan.limits, self._clock()
        name = run.plan.name
        found = {
            "limits.budget.run": _cap(f"{MONEY}/run/{run.id}", limits.budget_run, run.state.cost),
            "limits.budget.day": _cap(f"{MONEY}/workflow/{name}", limits.budget_day, 0.0, name, _day(now)),
            "limits.budget.month": _cap(
                f"{MONEY}/workflow/{name}", limits.budget_month, 0.0, name, _month(now)
            ),
            "the setting budget_day": _cap(INSTALLATION, self._day, 0.0, None, _day(now)),
            "the setting budget_month": _cap(INSTALLATION, self._month, 0.0, None, _month(now)),
        }
        return {label: cap for label, cap in found.items() if cap is not None}

    def _refused(
        self, run: LiveRun, record: StepRecord, usd: float, of: str, caps: dict[str, Cap], claimed: Claimed
    ) -> BaseException:
        limits, cap = run.plan.limits, claimed.cap
        assert cap is not None
        label = next(label for label, each in caps.items() if each == cap)
        message = (
            f"{of} may cost {usd:.4g} USD (an estimate); {claimed.taken:.4g} USD of {label}, "
            f"{cap.most:g} USD, are spent or set aside"
        )
        if limits.on_over != "approve":
            # A run keeps the limits of the version that it began with.
            how = " with its newest version" if label.startswith("limits.") else ""
            hint = f"raise {label} and resume the run{how}, or give the step a lower max_cost"
            return OverBudget(message, hint=hint, fallback=limits.on_over == "fallback")
        data = {
            "who": list(limits.approvers),
            "message": f"Let {run.plan.name} go over its budget? {message}",
            "show": {"step": record.path, "model": of, "usd": usd, "budget": label, "taken": claimed.taken},
            "form": None,
            "quorum": 1,
        }
        reason = f"a decision by {', '.join(limits.approvers)}: {message}"
        return Hold("approval", reason, self._clock() + limits.approve_timeout, data)

    def over(self, plan: Plan) -> str:
        """Why no run is started now, empty while there is money left. Days and months are UTC's.

        A workflow whose steps may be allowed more is started, for them to ask.
        """
        limits, now = plan.limits, self._clock()
        if limits.on_over == "approve":
            return ""
        for what, most, workflow, begin in (
            ("the day's budget", limits.budget_day, plan.name, _day),
            ("the month's budget", limits.budget_month, plan.name, _month),
            ("the installation's budget of the day", self._day, None, _day),
            ("the installation's budget of the month", self._month, None, _month),
        ):
            if most is None:
                continue
            spent = self._store.spent(workflow, begin(now))
            if spent >= most:
                return f"{what} of {most:g} USD is spent ({spent:.2f} USD by estimate)"
        return ""


def _cap(
    name: str, most: float | None, used: float, workflow: str | None = None, since: float | None = None
) -> Cap | None:
    return None if most is None else Cap(name, most, used, workflow, since)


def _day(now: float) -> float:
    return now - now % 86400.0


def _month(now: float) -> float:
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.timestamp()


def _money(settings: Settings, name: str) -> float | None:
    text = settings[name]
    if not text:
        return None
    try:
        return float(parse_money(text).amount)
    except ValueError as error:
        raise SettingsError(f"{name} is {text!r}: {error}", 'write it like "20 usd"') from error
