"""Two stores that get the same random units must give the same answers and show the same rows.

Group boundaries are random too: units wait in a queue until a rule submits them, one by one or
all in one group.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hookline.store.port import (
    Accept,
    Admit,
    Advance,
    ApprovalChange,
    Cap,
    Charge,
    Claim,
    Dedupe,
    EventFilter,
    Hold,
    Incoming,
    Outcome,
    Prune,
    PutDefinition,
    PutSignal,
    Release,
    RunFilter,
    Store,
    StoreError,
    TakeTurns,
    Throttle,
    Unit,
)

from .kit import START, ContractClock, Workers, chunk, incoming, new_run, summary, write_alone, write_together

__all__ = ["StoreComparison"]

WORKERS = ("w1", "w2")
RUNS = [f"r{number}" for number in range(6)]
WORKFLOWS = ("a", "b")
KEYS = ("k1", "k2", "k3")
CLAIMED = (*KEYS, "usd")
PATHS = ("p", "q")
STATUSES = ("running", "waiting", "queued", "succeeded", "failed")

_seconds = st.integers(0, 40).map(lambda number: START + number)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
_dedupe = st.builds(Dedupe, st.sampled_from(["s1", "s2"]), st.sampled_from(KEYS), _seconds)
_worker = st.sampled_from((*WORKERS, None))
_charge = st.builds(
    Charge,
    st.sampled_from((START - 86400, START)),
    st.sampled_from(WORKFLOWS),
    st.sampled_from(("m1", "m2")),
    st.sampled_from((0.25, 2.0)),
    st.booleans(),
)


class StoreComparison(RuleBasedStateMachine):
    """Subclass it and say in `make` how the two sets of workers are made, in `drop` how they end."""

    def make(self, clock: ContractClock) -> tuple[Workers, Workers]:
        raise NotImplementedError

    def drop(self) -> None:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.clock = ContractClock()
        self.both = self.make(self.clock)
        self.generation = 0
        self.events = self.gatherings = 0
        self.stores: dict[str, tuple[Store, Store]] = {}
        for worker in WORKERS:
            self._start(worker)
        self.waiting: list[Unit] = []
        # Signal ids are the store's own affair, so they are named by place and not by number.
        self.known = dict.fromkeys(RUNS, (0, 1))

    def _start(self, worker: str) -> None:
        name = f"{worker}-{self.generation}"
        self.stores[worker] = (self.both[0].start(name), self.both[1].start(name))

    def _name(self, worker: str | None) -> str | None:
        return None if worker is None else self.stores[worker][0].worker

    # Units --------------------------------------------------------------------------------------------

    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        events = []
        for _ in range(data.draw(st.integers(0, 3))):
            run = None
            if data.draw(st.integers(0, 3)):
                queued = data.draw(st.booleans())
                key = (
                    data.draw(st.sampled_from(KEYS)) if queued else data.draw(st.sampled_from((None, *KEYS)))
                )
                run = new_run(
                    data.draw(st.sampled_from(RUNS)),
                    data.draw(st.sampled_from(WORKFLOWS)),
                    data.draw(_seconds),
                    status="queued" if queued else "running",
                    concurrency_key=key,
                    event_id=f"e{self.events}" if data.draw(st.booleans()) else None,
                    owner=self._name(data.draw(_worker)),
                )
            state = "received" if run is not None else data.draw(st.sampled_from(("filtered", "rejected")))
            waits = self._waits(data, run is not None)
            event = incoming(
                f"e{self.events}",
                None if "hold" in waits else run,
                workflow=data.draw(st.sampled_from(WORKFLOWS)) if run is None else run.workflow,
                **waits,
                received_at=data.draw(_seconds),
                dedupe=data.draw(st.none() | _dedupe),
                data=data.draw(_json),
                body=data.draw(st.none() | st.binary(max_size=3)),
                skip_if_open=data.draw(st.booleans()),
                state=state,
                version=data.draw(st.sampled_from((None, "v1"))),
                replay_of=data.draw(st.sampled_from((None, None, "e0", "e1"))),
            )
            # Now and then an id comes twice, and the unit must be refused.
            self.events += data.draw(st.sampled_from((1, 1, 1, 1, 0)))
            events.append(event)
        cursor_of = data.draw(st.sampled_from((None, "c1", "c2")))
        baseline = data.draw(st.lists(_dedupe, max_size=2))
        self.waiting.append(Accept(events, cursor_of, data.draw(_json), baseline))

    def _waits(self, data: st.DataObject, is_received: bool) -> dict[str, Any]:
        """Now and then an event that starts something waits, or has to have a turn."""
        chosen = data.draw(st.sampled_from((None, None, "hold", "queue", "drop"))) if is_received else None
        if chosen is None:
            return {}
        self.gatherings += 1
        hold = Hold(
            f"g{self.gatherings}",
            data.draw(st.sampled_from(("n1", "n2"))),
            "a/0",
            data.draw(st.sampled_from(("v1", "v2"))),
            "waits",
            longest=float(data.draw(st.integers(1, 20))),
            quiet=data.draw(st.sampled_from((None, 3.0))),
            key=data.draw(st.sampled_from((None, "k"))),
            most=data.draw(st.sampled_from((None, 3))),
            most_bytes=data.draw(st.sampled_from((None, 8))),
        )
        if chosen == "hold":
            return {"hold": hold}
        return {"throttle": Throttle("turns", 2, 10.0, hold if chosen == "queue" else None, "too many")}

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        gathering = f"g{data.draw(st.integers(0, self.gatherings))}"
        run = None
        if data.draw(st.integers(0, 3)):
            run_id, workflow = data.draw(st.sampled_from(RUNS)), data.draw(st.sampled_from(WORKFLOWS))
            run = new_run(run_id, workflow, self.clock.now)
        chosen = data.draw(st.sampled_from(("", f"e{self.events - 1}")))
        count, skip = data.draw(st.integers(1, 4)), data.draw(st.booleans())
        turns = data.draw(st.sampled_from((None, None, Throttle("turns", 2, 10.0))))
        unit = Release(
            gathering, count, run, "spent", chosen, skip_if_open=skip, throttle=turns, now=self.clock.now
        )
        self.waiting.append(unit)

    @rule(data=st.data())
    def advance(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(RUNS))
        epoch, length = self.known[run_id]
        wrong = data.draw(st.integers(0, 9)) == 0
        expected = epoch + 1 if wrong else epoch
        new_epoch = expected + data.draw(st.sampled_from((0, 0, 1)))
        status = data.draw(st.sampled_from(STATUSES))
        finished_at = data.draw(_seconds) if status in ("succeeded", "failed") else None
        piece = None
        if data.draw(st.integers(0, 4)):
            piece = chunk(length + (data.draw(st.integers(0, 9)) == 0), data.draw(st.integers(1, 3)))
        children = []
        if data.draw(st.integers(0, 5)) == 0:
            children.append(
                new_run(data.draw(st.sampled_from(RUNS)), "b", parent_run=run_id, parent_path="p")
            )
        self.waiting.append(
            Advance(
                run_id,
                expected,
                new_epoch,
                self._name(data.draw(_worker)),
                summary(status, finished_at, cost_usd=0.5, output=data.draw(_json), error=data.draw(_json)),
                piece,
                version=data.draw(st.sampled_from((None, None, "v2"))),
                timers=data.draw(st.dictionaries(st.sampled_from(PATHS), st.none() | _seconds, max_size=2)),
                clear_timers=data.draw(st.booleans()),
                approvals=data.draw(
                    st.lists(
                        st.builds(
                            ApprovalChange,
                            st.sampled_from(("a1", "a2")),
                            st.sampled_from(PATHS),
                            st.sampled_from(("pending", "approved", "expired")),
                            _json,
                        ),
                        max_size=2,
                    )
                ),
                children=children,
                outbox=[self._signal(data) for _ in range(data.draw(st.integers(0, 1)))],
                events=self._follow_up(data),
                released=data.draw(
                    st.lists(st.tuples(st.sampled_from(PATHS), st.integers(1, 2)), max_size=2)
                ),
                owing=data.draw(st.lists(st.tuples(st.sampled_from(PATHS), st.integers(1, 2)), max_size=2)),
                charges=data.draw(st.lists(_charge, max_size=2)),
            )
        )
        # What will most likely be true when this was written.
        if not wrong:
            self.known[run_id] = (new_epoch, length + (piece.count if piece is not None else 0))

    def _follow_up(self, data: st.DataObject) -> list[Incoming]:
        """Now and then a run's turn takes an event in."""
        if data.draw(st.integers(0, 5)):
            return []
        self.events += 1
        run = new_run(data.draw(st.sampled_from(RUNS)), "b", owner=self._name(data.draw(_worker)))
        return [incoming(f"e{self.events - 1}", run, dedupe=data.draw(st.none() | _dedupe))]

    def _signal(self, data: st.DataObject) -> PutSignal:
        return PutSignal(
            data.draw(st.sampled_from(RUNS)),
            data.draw(st.sampled_from(("callback", "cancel"))),
            data.draw(st.sampled_from(PATHS)),
            data.draw(st.sampled_from(KEYS)),
            data.draw(_json),
            data.draw(_seconds),
        )

    @rule(data=st.data())
    def put_signal(self, data: st.DataObject) -> None:
        self.waiting.append(self._signal(data))

    @rule(data=st.data())
    def admit(self, data: st.DataObject) -> None:
        self.waiting.append(
            Admit(
                data.draw(st.sampled_from(RUNS)),
                self._name(data.draw(st.sampled_from(WORKERS))) or "",
                self.clock.now,
                data.draw(st.sampled_from((None, 1, 2))),
                data.draw(st.sampled_from((None, "rate"))),
                2,
                10.0,
            )
        )

    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(RUNS))
        caps = st.builds(
            Cap,
            st.sampled_from(CLAIMED),
            st.sampled_from((1.0, 2.5, 6.0)),
            st.sampled_from((0.0, 0.5)),
            st.sampled_from((None, *WORKFLOWS)),
            st.none() | _seconds,
        )
        self.waiting.append(
            Claim(
                run_id,
                data.draw(st.sampled_from(PATHS)),
                data.draw(st.integers(1, 2)),
                self.known[run_id][0],
                data.draw(
                    st.dictionaries(st.sampled_from(CLAIMED), st.sampled_from((0.25, 1.0)), max_size=2)
                ),
                data.draw(st.lists(caps, max_size=2)),
            )
        )

    @rule(
        name=st.sampled_from(KEYS), count=st.integers(0, 3), burst=st.integers(1, 3), ask=st.integers(-1, 9)
    )
    def take_turns(self, name: str, count: int, burst: int, ask: int) -> None:
        not_before = None if ask < 0 else self.clock.now + ask
        self.waiting.append(TakeTurns(name, self.clock.now, count, 2.0, burst, not_before))

    @rule(data=st.data())
    def prune(self, data: st.DataObject) -> None:
        self.waiting.append(
            Prune(
                data.draw(st.sampled_from(WORKFLOWS)),
                data.draw(st.none() | _seconds),
                data.draw(st.sampled_from((None, 0, 1, 3))),
                self.clock.now,
                data.draw(st.sampled_from((1, 500))),
                data.draw(st.none() | _seconds),
                data.draw(st.sampled_from((None, 0, 2))),
            )
        )

    @rule(version=st.sampled_from(("v1", "v2")), value=_json)
    def put_definition(self, version: str, value: Any) -> None:
        self.waiting.append(PutDefinition(version, "a", value, self.clock.now))

    @rule(seconds=st.integers(1, 15))
    def time_passes(self, seconds: int) -> None:
        self._write("w1", write_together)
        self.clock.now += seconds

    @rule(worker=st.sampled_from(WORKERS))
    def kill(self, worker: str) -> None:
        self._write("w1", write_together)
        for workers, store in zip(self.both, self.stores[worker], strict=True):
            workers.kill(store)
        self.generation += 1
        self._start(worker)

    # Writing and looking ------------------------------------------------------------------------------

    @rule(worker=st.sampled_from(WORKERS))
    def write_as_one_group(self, worker: str) -> None:
        self._write(worker, write_together)

    @rule(worker=st.sampled_from(WORKERS))
    def write_one_by_one(self, worker: str) -> None:
        self._write(worker, write_alone)

    @precondition(lambda self: not self.waiting)
    @rule(worker=st.sampled_from(WORKERS), run_id=st.sampled_from(RUNS), other=st.booleans())
    def take_signals_in(self, worker: str, run_id: str, other: bool) -> None:
        """Ids may differ from store to store, so each gets its own; a new signal is in the group."""
        answers = []
        for store in self.stores[worker]:
            row = store.run(run_id)
            if row is None:
                return
            found = store.signals(run_id)
            piece = chunk(sum(part.count for part in store.history(run_id)))
            taken = [signal.id for signal in found[:1]]
            units: list[Unit] = [
                Advance(run_id, row.epoch, row.epoch, row.owner, summary("running"), piece, signals=taken),
                PutSignal(run_id, "callback", "p", "k1" if other else "k2", None, START),
            ]
            answers.append([_plain(answer) for answer in write_together(store, *units)])
        assert answers[0] == answers[1]

    def _write(self, worker: str, write: Callable[..., list[Outcome]]) -> None:
        units, self.waiting = self.waiting, []
        if not units:
            return
        first, second = self.stores[worker]
        expected = [_plain(answer) for answer in write(first, *units)]
        assert [_plain(answer) for answer in write(second, *units)] == expected
        for run_id in RUNS:
            row = first.run(run_id)
            length = sum(part.count for part in first.history(run_id))
            self.known[run_id] = (row.epoch, length) if row is not None else (0, 1)

    @precondition(lambda self: not self.waiting)
    @invariant()
    def same_reads(self) -> None:
        for first, second in self.stores.values():
            assert _everything(first, self.events, self.clock.now) == _everything(
                second, self.events, self.clock.now
            )

    def teardown(self) -> None:
        if hasattr(self, "both"):
            self._write("w1", write_alone)
            self.drop()


def _plain(answer: Outcome) -> Any:
    """Errors by their kind: texts are for people."""
    return type(answer) if isinstance(answer, StoreError) else answer


def _everything(store: Store, events: int, now: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for run_id in RUNS:
        signals = [dataclasses.replace(signal, id=0) for signal in store.signals(run_id)]
        found[run_id] = (store.run(run_id), store.history(run_id), signals)
    for number in range(events + 1):
        found[f"e{number}"] = store.event(f"e{number}")
    for where in (
        RunFilter(),
        *(RunFilter(status=status) for status in STATUSES),
        RunFilter(workflow="a", since=START + 5, until=START + 30),
    ):
        page = store.runs(where, 2, None)
        rest = store.runs(where, 50, page.next).rows if page.next is not None else []
        found[f"runs {where}"] = (page.rows, page.next is None, rest)
    for state in (None, "received", "duplicate", "filtered"):
        found[f"events {state}"] = store.events(state, None, 50, None).rows
    some = EventFilter(since=START + 5, until=START + 30, key="k1", run_status="running", originals=True)
    found["some events"] = store.events(None, None, 50, None, some).rows
    found["gatherings"] = (
        store.due_gatherings(now, 50),
        store.due_gatherings(START + 99, 2),
        store.next_gathering(),
        store.gatherings(),
        [store.gathered(f"g{number}", 2) for number in range(9)],
    )
    found["events of a"] = store.events(None, "a", 50, None).rows
    for status in (None, "pending", "approved"):
        found[f"approvals {status}"] = store.approvals(status, 50, None).rows
    found["timers"] = (store.due_timers(START + 20, 50), store.due_timers(START + 99, 2))
    found["next timers"] = (store.next_timer(), store.next_timer(START + 10))
    found["signalled"] = (store.signalled_runs(50), store.signalled_runs(1))
    found["abandoned"] = (store.abandoned_runs(50), store.abandoned_runs(1))
    found["queued"] = (store.queued_keys(50), [store.queued_run(key) for key in KEYS])
    found["open"] = store.open_runs()
    found["seen"] = [store.seen(scope, KEYS) for scope in ("s1", "s2")]
    found["costs"] = store.costs(START - 86400, START + 86400)
    found["spent"] = [store.spent(workflow, START) for workflow in (None, *WORKFLOWS)]
    found["highest"] = [store.highest(model, START) for model in ("m1", "m2")]
    found["turns"] = [store.next_turn(name) for name in KEYS]
    found["started"] = [store.started(scope, KEYS) for scope in ("s1", "s2")]
    found["cursors"] = [store.cursor(name) for name in ("c1", "c2")]
    found["versions"] = store.last_versions()
    found["definitions"] = [store.definition(version) for version in ("v1", "v2")]
    return found
