"""The loop that moves runs on: facts in, chunks to the store, effects once they are on disk.

Everything here happens on one event loop; only `deliver` and the store's answers come from other
threads. The invariants:

* An effect begins only after the chunk that orders it is on disk.
* A run is in ``_live`` while this process owns it. A parked run is given up with its last chunk
  (owner None) and kept only in a small cache; waking it takes a new epoch.
* A run is read from the store only if it is not here at all. While a chunk of it is on its way,
  the store still says what was true before; so until then it is in ``_writing``.
* When a chunk is refused because another worker has the run, the memory of it is dropped, and
  what its code was doing is stopped: the other worker does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from hookline.core import events as ev
from hookline.core.diagnostics import DefinitionError
from hookline.core.folding.settlements import LEASE
from hookline.core.records import is_settlement_key, settlement_key
from hookline.core.state import RunState
from hookline.crashpoints import crashpoint
from hookline.store.port import (
    Advance,
    Chunk,
    Fenced,
    Kept,
    NewRun,
    PutSignal,
    Signal,
    Store,
    StoreError,
    Unit,
)

from .admissions import Admissions
from .calls import Calls
from .intake import Draft
from .journal import Journal
from .live import LiveRun, Step
from .performer import Desk, Performer
from .signals import fact_of
from .spilling import Again
from .stored_runs import StoredRuns
from .timers import Timers
from .tokens import CallbackTokens
from .workflows import Plans

__all__ = ["QUARANTINE_AFTER", "SWEEP_SECONDS", "Runner"]

log = logging.getLogger(__name__)

Json = Any

QUARANTINE_AFTER = 3
"""Crashes of the process with the same run in execution after which the run is given up."""

FIRST_TURN_COMMANDS = 100
"""Commands a new run may take while whoever sent its event still waits for the answer."""

CACHED_RUNS = 64
"""Parked runs kept in memory, so that one that is woken often is not read again each time."""

CACHED_RECORDS = 20_000
"""Most steps in all cached runs together."""

WOKEN_AT_ONCE = 20
"""Steps woken by the end of another one before others have their turns; each is a run to be read."""

SWEEP_BATCH = 500
"""Most of what others have left that is taken at a time, of each kind."""

SETTLEMENTS_AT_START = 1000
"""Most timers that are looked through for settlements when the engine starts."""

SWEEP_SECONDS = 1.0
"""How often the store is asked for what other processes left: signals, timers, abandoned runs."""


@dataclass(slots=True)
class Turn:
    """What a run made true in one go, for itself and for other runs."""

    step: Step
    children: Sequence[tuple[LiveRun, NewRun]]
    outbox: Sequence[PutSignal]
    kept: Sequence[Kept]
    followers: Sequence[Draft]


class Runner:
    """Moves runs on. Made, started and stopped by `hookline.engine.Engine`."""

    def __init__(
        self,
        *,
        store: Store,
        performer: Performer,
        calls: Calls,
        plans: Plans,
        journal: Journal,
        tokens: CallbackTokens,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self.performer = performer
        self._calls = calls
        self._plans = plans
        self._journal = journal
        self._tokens = tokens
        self._clock = clock
        self._live: dict[str, LiveRun] = {}
        self._parked: OrderedDict[str, LiveRun] = OrderedDict()
        self._writing: dict[str, LiveRun] = {}
        self._asked_key = ""
        self._stored = StoredRuns(store, journal, plans, clock, self.deliver)
        self._admissions = Admissions(
            store=store,
            stored=self._stored,
            clock=clock,
            submit=self._submit,
            is_here=lambda run_id: self._find(run_id) is not None,
            begin=self._start_admitted,
            refuse=self._refuse_queued,
            call_later=self._call_later,
        )
        self._answers: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._timers = Timers(store, clock, self._fire)
        self._stopping = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self.begun = 0
        self.on_finished: Callable[[RunState], None] = lambda state: None
        self.followers_of: Callable[[RunState, ev.RunFinished], Sequence[Draft]] = lambda state, finished: ()
        self.on_followed: Callable[[Draft], None] = lambda draft: None
        self.on_responded: Callable[[str, ev.Responded], None] = lambda run_id, response: None
        self.on_events: Callable[[RunState, Sequence[ev.Event]], None] | None = None
        self.on_changed: Callable[[str], None] = lambda run_id: None
        performer.desk = Desk(
            take=self._take_facts,
            take_then=self._take_fact_then,
            settled=self._settled,
            owns=lambda run: run.id in self._live,
        )

    # Starting and stopping ---------------------------------------------------------------------

    def start(self, *, recover: bool) -> None:
        """Begin on the running loop; `recover` takes over what dead workers left."""
        self.loop = asyncio.get_running_loop()
        self._timers.start()
        if recover:
            self._sweep()
            self._take_over_settlements()
            self.keep(self._sweep_forever())

    def keep(self, work: Any) -> asyncio.Task[Any]:
        """Run a coroutine in the background until the engine stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def stop(self, grace: float) -> None:
        """Let attempts finish for `grace` seconds, then give every run up for others to go on with."""
        self._stopping = self.performer.is_stopping = True
        self._admissions.stop()
        tasks = [task for run in self._live.values() for task in run.executing.values()]
        tasks += self.performer.telling
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in [*tasks, *self._background]:
            task.cancel()
        self._timers.stop()
        await asyncio.sleep(0)
        for run in list(self._live.values()):
            # Given up in order: whoever takes it over knows that nobody crashed.
            self._submit_advance(run, None, owner=None)
        self._stored.stop()
        self.performer.pool.shutdown(wait=False, cancel_futures=True)

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    @property
    def open_runs(self) -> int:
        """Runs in memory that are not parked."""
        return len(self._live)

    @property
    def backlog(self) -> int:
        """Runs that want to go on: those in memory, those that are queued, and other workers'.

        What is not in memory is counted once in `SWEEP_SECONDS`.
        """
        return len(self._live) + self._admissions.queued

    @property
    def executing(self) -> int:
        """Attempts whose code runs in this process."""
        # Read by other threads: the copy is one step for the interpreter.
        return sum(len(run.executing) for run in list(self._live.values()))

    # Between threads ---------------------------------------------------------------------------

    def deliver(self, callback: Callable[[], None]) -> None:
        """Call something on the loop; many calls from another thread wake it once."""
        self._answers.append(callback)
        if not self._scheduled and self.loop is not None:
            self._scheduled = True
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._deliver_all)

    def _deliver_all(self) -> None:
        self._scheduled = False
        while self._answers:
            callback = self._answers.popleft()
            try:
                callback()
            except Exception:
                log.exception("R399: a fault in the engine")

    def _submit(self, unit: Unit, done: Callable[[Any], None]) -> None:
        self._store.submit(unit, lambda answer: self.deliver(lambda: done(answer)))

    # Runs that begin ---------------------------------------------------------------------------

    def first_turn(self, run: LiveRun) -> tuple[Sequence[ev.Event], Advance]:
        """What a new run does before it needs anything from outside; any thread may call it.

        It is stored in the same unit as the run itself, so that a run of actions without IO
        costs one record. Its effects begin with `begin`, once that record is on disk.
        """
        performer = self.performer
        step = run.go_on(
            (), self._clock(), performer.pure, performer.owes, self._tokens.url, limit=FIRST_TURN_COMMANDS
        )
        run.first = turn = self._turn(run, step)
        owner = None if run.is_parked else self._store.worker
        return step.events, self._unit(run, turn, None, owner)

    def begin(self, run: LiveRun) -> None:
        """A run was accepted and is on disk."""
        self.begun += 1
        turn, run.first = run.first, None
        if run.epoch == 0:
            assert run.concurrency_key is not None
            self._admissions.queued += 1
            self._admissions.next(run.concurrency_key)
            return
        if self._find(run.id) is not None:
            # A timer of its first turn was due before we heard that it is on disk.
            return
        if turn is None:
            self._live[run.id] = run
            self._go_on(run, ())
            return
        if run.is_parked:
            self._park(run)
        else:
            self._live[run.id] = run
        self._begin_effects(run, turn)
        if turn.step.more:
            self._later(run)

    def _start_admitted(self, run: LiveRun) -> None:
        self._live[run.id] = run
        self._go_on(run, [ev.RunStarted("", self._clock())])

    def _refuse_queued(self, run: LiveRun, code: str, message: str, hint: str) -> None:
        self._live[run.id] = run
        self._give_up(run, Step(), code, message, hint)

    def _call_later(self, seconds: float, call: Callable[[], None]) -> None:
        if self.loop is not None:
            self.loop.call_later(seconds, call)

    # The turn of one run -----------------------------------------------------------------------

    def _find(self, run_id: str) -> LiveRun | None:
        """The run, if it is here; what the store says of it may then be out of date."""
        return self._live.get(run_id) or self._parked.get(run_id) or self._writing.get(run_id)

    def _go_on(
        self,
        run: LiveRun,
        facts: Sequence[ev.Event],
        signals: Sequence[Signal] = (),
        then: Callable[[Any], None] | None = None,
    ) -> None:
        step = Step()
        try:
            performer = self.performer
            run.go_on(facts, self._clock(), performer.pure, performer.owes, self._tokens.url, step=step)
        except KeyError as error:
            message = f"the definition has no step {error.args[0]}"
            hint = "resume it under its original version, or replay it"
            self._give_up(run, step, "R303", message, hint, signals)
            return
        self._submit_advance(run, step, signals=signals, then=then)
        if step.more:
            self._later(run)

    def _later(self, run: LiveRun) -> None:
        assert self.loop is not None
        self.loop.call_soon(lambda: self._go_on(run, ()) if run.id in self._live else None)

    def _give_up(
        self, run: LiveRun, step: Step, code: str, message: str, hint: str, signals: Sequence[Signal] = ()
    ) -> None:
        """End a run that cannot be decided any more; `step` is how far its turn came."""
        error = {"type": "internal", "code": code, "message": message, "hint": hint, "step": ""}
        finished = ev.RunFinished("", "", "failed", None, error)
        run.take(step, finished, self._clock(), self.performer.owes)
        step.orders.append(finished)
        self._submit_advance(run, step, signals=signals)

    def _submit_advance(
        self,
        run: LiveRun,
        step: Step | None,
        *,
        signals: Sequence[Signal] = (),
        owner: str | None = "",
        then: Callable[[Any], None] | None = None,
    ) -> None:
        """Send what a turn made true to the store; the effects begin when it answers."""
        turn = self._turn(run, step or Step())
        events = turn.step.events
        parked = run.is_parked
        if owner == "":
            owner = None if parked else self._store.worker
        run.taken.update(signal.id for signal in signals)
        chunk = None
        if events:
            chunk = self._journal.encode(run.state.seq - len(events), self._clock(), events)
        unit = self._unit(run, turn, chunk, owner, signals)
        run.stored_epoch = run.epoch
        run.unwritten += 1
        self._writing[run.id] = run
        if parked:
            self._park(run)
        crashpoint("advance.submitted")
        epoch = run.epoch

        def answered(answer: Any) -> None:
            if epoch == run.epoch and not isinstance(answer, StoreError):
                run.is_held = True
            run.taken.difference_update(signal.id for signal in signals)
            self._advanced(run, turn, answer)
            if then is not None:
                then(answer)

        self._submit(unit, answered)

    def _turn(self, run: LiveRun, step: Step) -> Turn:
        """What a step of the run means for other runs."""
        children: list[tuple[LiveRun, NewRun]] = []
        outbox: list[PutSignal] = []
        followers: Sequence[Draft] = ()
        for order in step.orders:
            if isinstance(order, ev.StepWaiting) and order.waits_for == "run":
                called = self._calls.start(run, order)
                if isinstance(called, PutSignal):
                    outbox.append(called)
                else:
                    children.append(called)
            elif isinstance(order, ev.RunFinished):
                if run.state.parent is not None:
                    outbox.append(self._calls.report(run.state, order))
                followers = self.followers_of(run.state, order)
            elif isinstance(order, ev.StepCanceled | ev.AttemptFailed):
                outbox.extend(self._calls.call_off(run, order.path))
        ends_now = any(event.kind == "run.finished" for event in step.events)
        if run.state.finished is not None and run.state.parent is not None and not ends_now:
            outbox.extend(self._calls.charge(run.state, step.costs))
        done = (event.path for event in step.events if event.kind == "step.succeeded")
        kept = [run.keeping.pop(path) for path in done if path in run.keeping]
        return Turn(step, children, outbox, kept, followers)

    @staticmethod
    def _unit(
        run: LiveRun, turn: Turn, chunk: Chunk | None, owner: str | None, signals: Sequence[Signal] = ()
    ) -> Advance:
        step, state = turn.step, run.state
        timers, ends = step.timers, any(event.kind == "run.finished" for event in step.events)
        if ends:
            # Of what was waited for nothing is left but what is still to be settled.
            timers = {key: settlement.due for key, settlement in state.settlements.items()}
        return Advance(
            run_id=run.id,
            expected_epoch=run.stored_epoch,
            epoch=run.epoch,
            owner=owner,
            summary=run.summary(),
            chunk=chunk,
            length=state.seq if chunk is None else None,
            version=state.version if any(event.kind == "run.resumed" for event in step.events) else None,
            timers=timers,
            clear_timers=ends and bool(run.timers or step.timers),
            approvals=step.approvals,
            signals=[signal.id for signal in signals],
            children=[new for _, new in turn.children],
            outbox=turn.outbox,
            kept=turn.kept,
            released=step.ended,
            owing=run.owing(None if ends else step.ended) if state.settlements else (),
            charges=step.charges,
            events=[draft.incoming for draft in turn.followers],
        )

    def _advanced(self, run: LiveRun, turn: Turn, answer: Any) -> None:
        run.unwritten -= 1
        if not run.unwritten and self._writing.get(run.id) is run:
            del self._writing[run.id]
        if isinstance(answer, StoreError):
            self.refused(run, answer)
            return
        crashpoint("advance.committed")
        self._begin_effects(run, turn)

    def _begin_effects(self, run: LiveRun, turn: Turn) -> None:
        """What a turn made true is on disk: let it have its effects."""
        step = turn.step
        for child, _ in turn.children:
            self._effect(self.begin, child)
        for draft in turn.followers:
            self._effect(self.on_followed, draft)
        for signal in turn.outbox:
            self._effect(self.wake, signal.run_id)
        for order in step.orders:
            self._effect(self._perform, run, order)
        for path, _ in step.ended:
            self._effect(self._wake_next, run, path)
        soonest = min((due for due in step.timers.values() if due is not None), default=None)
        if soonest is not None:
            self._timers.expect(soonest)
        if step.events:
            self.on_changed(run.id)
            if self.on_events is not None:
                self.on_events(run.state, step.events)

    @staticmethod
    def _effect(have: Callable[..., object], *of: Any) -> None:
        """Have one effect: when it fails, the others must not be lost with it, for nobody has them again."""
        try:
            have(*of)
        except StoreError as error:
            # What had to be read for it, a sweep or a timer reads again.
            log.warning("%s: %s", error.code, error)
        except Exception:
            log.exception("R399: a fault in the engine")

    def _wake_next(self, run: LiveRun, path: str) -> None:
        self._wake_some(deque(self.performer.awaited(run, path)))

    def _wake_some(self, waiting: deque[tuple[str, str]]) -> None:
        """Wake who waits, with room for everybody else in between: an output may be awaited by thousands."""
        for _ in range(min(len(waiting), WOKEN_AT_ONCE)):
            self._effect(self._turn_came, *waiting.popleft())
        if waiting and self.loop is not None and not self._stopping:
            self.loop.call_soon(self._wake_some, waiting)

    def refused(self, run: LiveRun, error: StoreError) -> None:
        """The store did not take a chunk: what is in memory is not what is true."""
        if not run.lost:
            run.lost = True
            level = logging.ERROR
            if isinstance(error, Fenced):
                # Of two processes that wake a run one is first; the other one loses nothing.
                level = logging.INFO if run.is_held else logging.DEBUG
            log.log(level, "%s: run %s is given up here: %s", error.code, run.id, error)
        for task in run.executing.values():
            task.cancel()
        for place in (self._live, self._parked, self._writing):
            if place.get(run.id) is run:
                del place[run.id]
        if self.loop is not None and not self._stopping:
            self.loop.call_later(SWEEP_SECONDS, self._reclaim, run.id)

    def _reclaim(self, run_id: str) -> None:
        """After a refusal: if nobody else has the run, it is still for us to go on with."""
        if self._stopping or self._find(run_id) is not None:
            return
        row = self._store.run(run_id)
        if row is not None and row.finished_at is None and row.owner in (None, self._store.worker):
            self._take_over(run_id, again=(self._reclaim, run_id))

    def _park(self, run: LiveRun) -> None:
        self._live.pop(run.id, None)
        if run.state.finished is not None and not run.state.settlements:
            self._parked.pop(run.id, None)
            return
        self._parked[run.id] = run
        self._parked.move_to_end(run.id)
        records = sum(len(parked.state.records) for parked in self._parked.values())
        while self._parked and (len(self._parked) > CACHED_RUNS or records > CACHED_RECORDS):
            _, oldest = self._parked.popitem(last=False)
            records -= len(oldest.state.records)

    # Effects -----------------------------------------------------------------------------------

    def _perform(self, run: LiveRun, order: ev.Event) -> None:
        match order:
            case ev.StepStarted() | ev.StepWoken() | ev.ApprovalAsking() | ev.ApprovalSettled():
                self.performer.execute(run, order.path, interrupted=False)
            case ev.StepCanceled() | ev.StepFailed() | ev.AttemptFailed() | ev.StepRetrying():
                self.performer.abort(run, order.path)
            case ev.SettlementOpened() | ev.CallbackReceived():
                self.performer.settle(run, settlement_key(order.path, order.attempt))
            case ev.TimerFired():
                self.performer.settle(run, order.path)
            case ev.Responded():
                self.on_responded(run.id, order)
            case ev.RunFinished():
                self.on_finished(run.state)
                if run.concurrency_key is not None:
                    self._admissions.next(run.concurrency_key)

    def _take_facts(self, run: LiveRun, facts: Sequence[ev.Event]) -> None:
        self._live.setdefault(run.id, run)
        self._go_on(run, facts)

    def _take_fact_then(self, run: LiveRun, fact: ev.Event, then: Callable[[Any], None]) -> None:
        self._go_on(run, [fact], then=then)

    def _settled(self, run: LiveRun) -> None:
        """The last code of a run has stopped: the run may be parked or is over."""
        if run.is_parked:
            self._submit_advance(run, None)

    # Waking ------------------------------------------------------------------------------------

    def wake(self, run_id: str) -> None:
        """There are signals for a run; it takes them in."""
        run = self._find(run_id)
        if run is None:
            self._take_over(run_id, again=(self.wake, run_id))
            return
        signals = [signal for signal in self._store.signals(run_id) if signal.id not in run.taken]
        if signals:
            self._own_again(run)
            self._go_on(run, self._facts(run, signals), signals)

    def _turn_came(self, run_id: str, path: str) -> None:
        """What a held step waited for has come: it need not wait for its timer."""
        came = ev.TurnCame(path, self._clock())
        run = self._live.get(run_id) or self._parked.get(run_id)
        if run is not None and path in run.executing:
            run.early.add(path)
        elif run is not None:
            self._own_again(run)
            self._go_on(run, [came])
        elif self._find(run_id) is None:
            self._take_over(run_id, [came], again=(self._turn_came, run_id, path))

    def _own_again(self, run: LiveRun) -> None:
        """A parked run that is woken is written under a new epoch."""
        if run.id not in self._live:
            self._parked.pop(run.id, None)
            run.epoch += 1
            run.is_held = False
            self._live[run.id] = run

    def _facts(self, run: LiveRun, signals: Sequence[Signal]) -> list[ev.Event]:
        facts: list[ev.Event] = []
        for signal in signals:
            if signal.kind == "resume":
                facts.extend(self._resumed(run, signal.body, signal.at))
                continue
            try:
                facts.append(fact_of(signal))
            except ValueError as error:
                log.error("R310: a signal to run %s is dropped: %s", run.id, error)
        return facts

    def _resumed(self, run: LiveRun, body: Json, at: float) -> list[ev.Event]:
        version = body.get("version") or run.state.version
        try:
            run.plan = self._plans.get(version)
        except (KeyError, DefinitionError) as error:
            log.error("R306: run %s cannot be resumed under version %s: %s", run.id, version, error)
            return []
        return [ev.RunResumed("", version, at, body.get("by", ""))]

    def _take_over(self, run_id: str, extra: Sequence[ev.Event] = (), again: Again = ()) -> bool:
        """Go on with a run that nobody has: parked, given up, or left by a process that died.

        Gives False when there is nothing to go on with, or not yet: then `again` is called, or this.
        """
        read = self._stored.read(run_id, again or (self._take_over, run_id))
        if read is None:
            return False
        run, state = read.run, read.run.state
        signals = self._store.signals(run_id)
        interrupted = sorted(state.executing)
        settling = [key for key, each in state.settlements.items() if each.is_running]
        facts: list[ev.Event] = []
        if read.was_admitted and state.started_at is None:
            # Its worker died between its admission and its first chunk.
            facts.append(ev.RunStarted("", self._clock()))
        if not (signals or extra or interrupted or settling or facts or state.ready):
            return False
        self._live[run_id] = run
        if read.was_owned:
            attempts = [(key, state.settlements[key].attempt) for key in settling]
            facts.extend(ev.AttemptInterrupted(key, attempt) for key, attempt in attempts)
        if read.was_owned and interrupted:
            # One crash counts once, however many attempts it cut off.
            facts.append(ev.AttemptInterrupted(interrupted[0], state.records[interrupted[0]].attempt))
            if read.crashes + 1 >= QUARANTINE_AFTER:
                facts.append(self._quarantined())

        def taken(answer: Any) -> None:
            # Not before it is on disk that the run is ours: its worker may be alive, and whatever
            # kills the process must have been counted.
            if not isinstance(answer, StoreError):
                for path in interrupted:
                    self.performer.execute(run, path, interrupted=True)
                for key in settling:
                    self.performer.settle(run, key)

        self._go_on(run, [*facts, *extra, *self._facts(run, signals)], signals, taken)
        return True

    @staticmethod
    def _quarantined() -> ev.Event:
        error = {
            "type": "internal",
            "code": "R308",
            "message": f"the process died {QUARANTINE_AFTER} times while this run was executing",
            "hint": "find out what kills it (memory, a native library), then resume the run",
            "step": "",
        }
        return ev.CancelRequested("", "quarantined", error=error)

    # Timers and what others left ---------------------------------------------------------------

    def _fire(self, run_id: str, paths: Sequence[str], now: float) -> bool:
        """Let a run know that times have come; False when it knows, or is not ours to tell."""
        run = self._live.get(run_id) or self._parked.get(run_id)
        if run is None:
            if run_id in self._writing:
                # What the store says of its timers is out of date.
                return False
            facts = [ev.TimerFired(path, now) for path in paths]
            return self._take_over(run_id, facts, again=(self._timers.look,))
        fired = [ev.TimerFired(path, now) for path in paths if run.timers.get(path, inf) <= now]
        if fired:
            self._own_again(run)
            self._go_on(run, fired)
        return bool(fired)

    async def _sweep_forever(self) -> None:
        is_more = False
        while True:
            await asyncio.sleep(SWEEP_SECONDS / 20 if is_more else SWEEP_SECONDS)
            try:
                is_more = self._sweep()
            except StoreError as error:
                log.warning("%s: %s", error.code, error)
            except Exception:
                # Whatever it is about one run, the others still need this.
                log.exception("R399: a fault in the engine")

    def _take_over_settlements(self) -> None:
        """Go on at once with what a process was settling when it died, and not when its lease ends."""
        try:
            leased = self._store.due_timers(self._clock() + LEASE, SETTLEMENTS_AT_START)
        except StoreError as error:
            log.warning("%s: what is to be settled cannot be read: %s", error.code, error)
            return
        of_settlements = dict.fromkeys(timer.run_id for timer in leased if is_settlement_key(timer.path))
        for run_id in of_settlements:
            if self._find(run_id) is None:
                self._effect(self._take_over, run_id)

    def _sweep(self) -> bool:
        """Look for what other processes left for us; True when there is more than was taken."""
        self._admissions.queued = max(self._store.open_runs() - len(self._live), 0)
        for run_id in self._store.signalled_runs(SWEEP_BATCH):
            run = self._find(run_id)
            if run is None or not run.unwritten:
                self.wake(run_id)
        self._timers.catch_up()
        abandoned = self._store.abandoned_runs(SWEEP_BATCH)
        taken = [self._take_over(run_id) for run_id in abandoned if self._find(run_id) is None]
        keys = self._store.queued_keys(SWEEP_BATCH, self._asked_key)
        # The first keys may stay for long; those behind them are asked for in the next sweep.
        self._asked_key = keys[-1] if len(keys) == SWEEP_BATCH else ""
        for key in keys:
            self._admissions.next(key)
        return len(abandoned) == SWEEP_BATCH and any(taken)
