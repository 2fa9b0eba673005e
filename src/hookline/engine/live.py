"""A run in memory: its state, and what the next chunk of its history makes true.

Nothing here performs IO. `LiveRun.go_on` folds facts in, decides until nothing is ready, and
gives back a `Step`: the events, and the effects that may begin once the events are on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookline.core import events as ev
from hookline.core.approvals import OPERATOR, Tally, tally
from hookline.core.decide import decide
from hookline.core.folding.settlements import LEASE
from hookline.core.plan import Node, Plan
from hookline.core.records import TERMINAL, settlement_key
from hookline.core.scope import CallbackUrl
from hookline.core.state import Entry, RunState, StepRecord, evolve
from hookline.store.port import ApprovalChange, Charge, Kept, RunSummary

__all__ = ["MAX_COMMANDS", "LiveRun", "Owes", "Pure", "Step", "approval_id"]

Json = Any

MAX_COMMANDS = 500
"""Commands decided in one go; then others have their turn on the event loop."""

Pure = Callable[[Node, ev.StepStarted], "Sequence[ev.Event]"]
"""Runs an action without IO at once; gives nothing when the action needs a worker."""

Owes = Callable[[Node, StepRecord], bool]
"""Whether an attempt that has just ended may have left something behind that is to be settled."""

_TIMED: frozenset[str] = frozenset(
    {
        "step.waiting",
        "step.woken",
        "step.started",
        "step.retrying",
        "step.succeeded",
        "step.failed",
        "step.canceled",
        "step.skipped",
        "attempt.failed",
        "attempt.unknown",
        "block.entered",
        "parallel.entered",
        "loop.entered",
        "block.finished",
        "timer.fired",
        "step.turn_came",
        "cancel.ordered",
        "approval.asking",
        "approval.settled",
    }
)
"""Kinds of events after which a path may wait for another time than before."""


@dataclass(slots=True)
class Step:
    """What one turn of a run made true.

    Attributes:
        events: To be recorded together.
        timers: Paths whose timer changes, with the new due time or None.
        orders: Events whose effect is to be performed once they are on disk.
        ended: Attempts of steps, as (path, attempt), that have come to an end; not those that were over
            within the turn, which had no time to lay a claim.
        charges: What steps have cost.
        costs: The same for each event, by its number in the history.
        more: Whether something is still ready: the turn was cut short.
    """

    events: list[ev.Event] = field(default_factory=list)
    timers: dict[str, float | None] = field(default_factory=dict)
    approvals: list[ApprovalChange] = field(default_factory=list)
    orders: list[ev.Event] = field(default_factory=list)
    ended: list[tuple[str, int]] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    costs: dict[int, float] = field(default_factory=dict)
    more: bool = False


@dataclass(slots=True, eq=False)
class LiveRun:
    """One run.

    Attributes:
        epoch: Epoch under which this process writes; `stored_epoch` is what the store has until
            the first chunk is written.
        timers: Due time of every path that has a row in the store.
        executing: Paths whose code runs in this process, and its task.
        behind: Paths whose next attempt is on disk while the code of the last one is still being stopped.
        early: Paths whose code runs and may be about to be held, for something that has come already.
        lookups: How often each unknown outcome was looked up by this process.
        taken: Signals that are part of a chunk on its way to the store.
        keeping: Outputs that go into the store for other runs, with the record of their step.
        unwritten: Chunks on their way to the store.
        lost: A chunk was refused: another worker has the run, what is here is not true.
        is_held: The store has taken a chunk under `epoch`, or the run itself, from this process; a run that
            is taken over or woken is not held before.
        first: The turn that is stored together with the run itself, until it has begun.
    """

    plan: Plan
    state: RunState
    epoch: int
    stored_epoch: int
    concurrency_key: str | None = None
    timers: dict[str, float] = field(default_factory=dict)
    executing: dict[str, Any] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)
    early: set[str] = field(default_factory=set)
    lookups: dict[str, int] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)
    keeping: dict[str, Kept] = field(default_factory=dict)
    unwritten: int = 0
    lost: bool = False
    is_held: bool = True
    first: Any = None

    @property
    def id(self) -> str:
        return self.state.id

    def go_on(
        self,
        facts: Iterable[ev.Event],
        now: float,
        pure: Pure,
        owes: Owes,
        callback_url: CallbackUrl,
        limit: int = MAX_COMMANDS,
        step: Step | None = None,
    ) -> Step:
        """Fold facts in and decide, up to about `limit` commands.

        Args:
            step: Added to; it holds what was folded in even when an error is raised.

        Raises:
            KeyError: The plan does not know a step of the history.
        """
        step = step if step is not None else Step()
        for fact in facts:
            self.take(step, fact, now, owes)
        decided = 0
        while self.state.ready and decided < limit:
            for command in decide(self.plan, self.state, now, callback_url):
                decided += 1
                self.take(step, command, now, owes)
                if command.kind == "step.started":
                    assert isinstance(command, ev.StepStarted)
                    node, _ = self.plan.locate(command.path)
                    results = pure(node, command)
                    if not results:
                        step.orders.append(command)
                    for result in results:
                        self._take_at_once(step, result, now)
                elif command.kind in _ORDERS:
                    step.orders.append(command)
        step.more = bool(self.state.ready)
        return step

    def take(self, step: Step, event: ev.Event, now: float, owes: Owes) -> None:
        """Fold one event in and note what follows from it."""
        before = self._open_approval(event)
        cost = self.state.cost
        at_work = self._at_work(event)
        if event.kind in _ENDS or (event.kind == "step.waiting" and before is None):
            self._note_end(step, event)
        evolve(self.state, event, now)
        step.events.append(event)
        if self.state.cost != cost:
            # Rounded, as both are sums.
            usd = step.costs[self.state.seq - 1] = round(self.state.cost - cost, 12)
            step.charges.extend(self._charges(event, usd, now))
        if event.kind == "timer.fired":
            # Its row has served, whatever comes of it.
            self.timers.pop(event.path, None)
            step.timers[event.path] = None
        if event.kind in _TIMED:
            self._retime(step, event.path)
        if before is not None or event.kind == "step.waiting":
            self._note_approval(step, event, before)
        if event.kind in _SETTLING:
            self._note_settlement(step, event)
        for path, attempt in at_work:
            self._open_settlement(step, path, attempt, event, now, owes)

    def _take_at_once(self, step: Step, event: ev.Event, now: float) -> None:
        """Fold in what an action without IO gave.

        Its attempt began and ended within this turn: it can have laid no claim, cost nothing, left nothing
        behind, and nobody has set a timer for it.
        """
        evolve(self.state, event, now)
        step.events.append(event)

    def _at_work(self, event: ev.Event) -> list[tuple[str, int]]:
        """The attempts, as (path, attempt), that an event may end otherwise than by their own success."""
        if event.kind == "run.finished":
            # A run that is given up does not end its steps one by one.
            paths: Iterable[str] = list(self.state.active)
        elif event.kind in _CUT_OFF:
            paths = (event.path,)
        else:
            return []
        records = (self.state.records.get(path) for path in paths)
        return [(each.path, each.attempt) for each in records if each is not None and _is_at_work(each)]

    def _open_settlement(
        self, step: Step, path: str, attempt: int, event: ev.Event, now: float, owes: Owes
    ) -> None:
        """Have settled what an attempt left behind, if it has ended and did."""
        record = self.state.records.get(path)
        if record is None or (_is_at_work(record) and event.kind != "run.finished"):
            return
        if isinstance(event, ev.AttemptFailed) and not event.owes:
            return
        try:
            node = self.plan.locate(path)[0]
        except KeyError:
            return
        if node.kind != "action" or not owes(node, record):
            return
        reason = "failed"
        if event.kind == "step.canceled":
            reason = "canceled"
        elif record.error is not None and record.error.get("type") == "unknown":
            reason = "unknown"
        opened = ev.SettlementOpened(path, attempt, reason, node.uses, node.connection or "", now + LEASE)
        self.take(step, opened, now, owes)

    def _note_settlement(self, step: Step, event: ev.Event) -> None:
        """Its time, who is to look at it now, and what was set aside for it."""
        key = event.path
        if event.kind != "timer.fired":
            attempt: int = getattr(event, "attempt", 0)
            key = settlement_key(event.path, attempt)
            if isinstance(event, ev.SettlementClosed):
                step.ended.append((event.path, attempt))
        self._retime(step, key)
        settlement = self.state.settlements.get(key)
        if settlement is not None and settlement.is_running:
            step.orders.append(event)

    def _note_end(self, step: Step, event: ev.Event) -> None:
        record = self.state.records.get(event.path)
        if record is None or not record.attempt:
            return
        # Whoever has to ask a person keeps nothing from others meanwhile.
        if event.kind != "step.waiting" or getattr(event, "waits_for", "") == "approval":
            step.ended.append((event.path, record.attempt))

    def _charges(self, event: ev.Event, usd: float, now: float) -> list[Charge]:
        """For the ledger, what an event says of money; a called run's is there already."""
        name = self.plan.name
        if isinstance(event, ev.ChildFinished | ev.ChildCharged):
            return [Charge(now, name, "call", usd, called=True)]
        charges: Mapping[str, float] = getattr(event, "charges", None) or {"": usd}
        uses = self._uses(event) if "" in charges else ""
        return [Charge(now, name, of or uses, each) for of, each in charges.items()]

    def _uses(self, event: ev.Event) -> str:
        """The action that an event is about: a run that was resumed may have another one in its place."""
        attempt: int = getattr(event, "attempt", 0)
        settlement = self.state.settlements.get(settlement_key(event.path, attempt))
        return settlement.uses if settlement is not None else self.plan.locate(event.path)[0].uses

    def _retime(self, step: Step, path: str) -> None:
        wanted = due_time(self.state, path)
        known = self.timers.get(path)
        if wanted is None:
            if known is not None:
                del self.timers[path]
                step.timers[path] = None
        elif wanted != known:
            self.timers[path] = wanted
            step.timers[path] = wanted

    def _open_approval(self, event: ev.Event) -> int | None:
        """The attempt of the approval that is open before an event of its own path."""
        record = self.state.records.get(event.path)
        if record is None or record.waiting is None or record.waiting.waits_for != "approval":
            return None
        return record.attempt

    def _note_approval(self, step: Step, event: ev.Event, before: int | None) -> None:
        after = self._open_approval(event)
        record = self.state.records[event.path]
        attempt = before if before is not None else after
        if attempt is None:
            return
        status: Any = "pending" if after is not None else _how_it_closed(record, event)
        if record.asking is not None and record.asking.outcome:
            status = record.asking.outcome
        count = _tally(record)
        # An action that was held for a decision has other data again once it goes on.
        is_held = record.asked is not None
        is_known = is_held or record.asking is not None
        until = record.waiting.until if is_held and record.waiting is not None else record.deadline
        step.approvals.append(
            ApprovalChange(
                approval_id(self.id, event.path, attempt),
                event.path,
                status,
                self._approval_data(record) if is_known else None,
                until,
                count.by.by if count.by is not None and status == count.outcome else None,
            )
        )

    def _approval_data(self, record: StepRecord) -> Json:
        """What lists and pages show of an approval, and what is needed to take a decision in."""
        asking = record.asking
        shown = record.input if record.asked is None else record.asked
        given = shown if isinstance(shown, dict) else {}
        data = {**given, "step": record.path, "run": self.id, "attempt": record.attempt}
        data["decisions"] = [
            {
                "person": each.decider,
                "by": each.by,
                "name": each.name or each.by,
                "decision": each.decision,
                "at": each.at,
                "comment": each.comment,
                "via": each.via,
            }
            for each in record.decisions
        ]
        if record.asked is not None:
            # A budget is the operator's own, who may always let a step go over it.
            data["who"] = [*(each for each in given.get("who", ()) if each != OPERATOR), OPERATOR]
        elif asking is not None:
            data.update(
                who=list(asking.who),
                people=dict(asking.people),
                tokens=dict(asking.tokens),
                told=dict(asking.told),
                problems=list(asking.problems),
                round=asking.round,
            )
        return data

    def summary(self) -> RunSummary:
        """What lists show."""
        state = self.state
        finished = state.finished
        return RunSummary(
            status=state.status,
            started_at=state.started_at,
            finished_at=state.finished_at,
            cost_usd=round(state.cost, 9),
            waiting_for="" if finished or state.executing else waiting_for(state),
            output=finished.output if finished else None,
            error=finished.error if finished else None,
        )

    @property
    def is_parked(self) -> bool:
        """Whether nothing runs and nothing is ready: it costs nobody anything now."""
        state = self.state
        if state.ready or state.executing or self.executing:
            return False
        return not any(settlement.is_running for settlement in state.settlements.values())

    def owing(self, of: Iterable[tuple[str, int]] | None) -> list[tuple[str, int]]:
        """Which attempts (None: of all) are over and not yet paid for, as (path, attempt)."""
        left = self.state.settlements
        if of is None:
            return [(each.path, each.attempt) for each in left.values()]
        return [each for each in of if settlement_key(*each) in left]


_ENDS: frozenset[str] = frozenset(
    {"step.succeeded", "step.failed", "step.canceled", "attempt.failed", "step.retrying"}
)
"""Kinds of events with which an attempt is over."""

_CUT_OFF = _ENDS - {"step.succeeded"}
"""Those that leave the action without its own last word, or with one that says it owes something."""

_SETTLING: frozenset[str] = frozenset(
    {"settlement.opened", "settlement.waiting", "settlement.closed", "timer.fired", "callback.received"}
)
"""Kinds of events that a settlement may have been waiting for."""


def _is_at_work(record: StepRecord) -> bool:
    """Whether an attempt has begun and is not over."""
    return record.attempt > 0 and record.status not in TERMINAL and record.status not in _BETWEEN


_BETWEEN = frozenset({"pending", "failing", "retrying"})
"""Statuses of a step between two attempts."""


def _tally(record: StepRecord) -> Tally:
    """How an approval stands, by the rules it was asked under."""
    given = record.input if isinstance(record.input, dict) else {}
    return tally(record.decisions, given.get("quorum", 1), given.get("reject_quorum", 1))


def _how_it_closed(record: StepRecord, event: ev.Event) -> str:
    """What became of an approval that nobody is asked any more."""
    outcome = _tally(record).outcome
    if outcome and event.kind != "step.canceled":
        return outcome
    is_late = event.kind == "step.succeeded" or (
        isinstance(event, ev.AttemptFailed) and event.error["code"] in ("R204", "R205", "R213")
    )
    return "expired" if is_late else "canceled"


_ORDERS: Mapping[str, None] = dict.fromkeys(
    (
        "step.woken",
        "step.waiting",
        "step.canceled",
        "step.failed",
        "step.retrying",
        "approval.asking",
        "approval.settled",
        "attempt.failed",
        "responded",
        "run.finished",
    )
)
"""Kinds of commands whose effect is more than the record."""


def due_time(state: RunState, path: str) -> float | None:
    """When a path wants to be woken: exactly when its record would take notice of it."""
    settlement = state.settlements.get(path)
    if settlement is not None:
        return settlement.due
    record = state.records.get(path) if state.finished is None else None
    return None if record is None else record.timer


def due_times(state: RunState) -> dict[str, float]:
    """The due time of every path that has one."""
    found = ((path, due_time(state, path)) for path in (*state.records, *state.settlements))
    return {path: due for path, due in found if due is not None}


def waiting_for(state: RunState) -> str:
    """In words, what a run that waits is waiting for."""
    reasons: list[str] = []
    for path in state.active:
        waiting = state.records[path].waiting
        if waiting is not None:
            reasons.append(waiting.reason)
            if len(reasons) == 3:
                break
    more = len(state.active) - len(reasons)
    return "; ".join(reasons) + (f"; and {more} more" if more > 0 and reasons else "")


def approval_id(run_id: str, path: str, attempt: int) -> str:
    """The id of the approval that an attempt of a step asks for."""
    digest = hashlib.sha256(f"{run_id}\n{path}\n{attempt}".encode()).hexdigest()
    return f"apr_{digest[:26]}"


def replayed_from(entries: Iterable[Entry], kept: Mapping[str, str]) -> list[ev.Event]:
    """The outcomes that a replay takes over, with the variables as they were behind them.

    Args:
        kept: Path of each step of the run's own list to its path in the replay.
    """
    state = RunState()
    variables: dict[str, dict[str, Json]] = {}
    for entry in entries:
        evolve(state, entry.event, entry.at)
        last = state.records.get(entry.event.path)
        # A step's own catch and finally may set variables too, and end behind it.
        for path in [path for path in kept if last is not None and entry.event.path.startswith(path)]:
            variables[path] = state.vars
    copied: list[ev.Event] = []
    for path, new_path in kept.items():
        record = state.records.get(path)
        if record is not None and record.status in ("succeeded", "skipped"):
            values = variables.get(path) or None
            copied.append(ev.StepCopied(new_path, record.output, record.status, values))
    return copied
