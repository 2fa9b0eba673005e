"""Contract: forgetting."""

from __future__ import annotations

from typing import Any

from hookline.store.port import (
    ApprovalChange,
    Dedupe,
    Fenced,
    Prune,
    Pruned,
    RunFilter,
    Store,
    StoreError,
    Unit,
)

from .kit import (
    START,
    Contract,
    ContractClock,
    Write,
    accept,
    advance,
    finish,
    ids,
    incoming,
    new_run,
    signal,
)

__all__ = ["RetentionContract"]


def _finished(*numbers: int, workflow: str = "flow") -> list[Unit]:
    """Runs that ended `number` seconds after the start."""
    units: list[Unit] = []
    for number in numbers:
        run = new_run(f"r{number}", workflow, owner="w1", event_id=f"e{number}")
        units += [accept(incoming(f"e{number}", run)), finish(run.id, at=START + number)]
    return units


def _prune(
    before: float | None = None, keep: int | None = None, workflow: str = "flow", **more: Any
) -> Prune:
    at = START + before if before is not None else None
    return Prune(workflow, at, keep, **{"now": START, **more})


def _left(store: Store) -> list[str]:
    return sorted(ids(store.runs(RunFilter(), 500, None).rows), key=lambda run_id: int(run_id[1:]))


class RetentionContract(Contract):
    """Age or count, events too, never what is open."""

    def test_by_age(self, store: Store, write: Write) -> None:
        answers = write(store, *_finished(1, 2, 3), *_finished(0, workflow="other"), _prune(before=3))
        assert answers[-1] == Pruned(2, 2)
        assert _left(store) == ["r0", "r3"]
        assert store.history("r1") == []
        assert store.event("e1") is None
        assert store.event("e3") is not None

    def test_by_count_in_the_order_in_which_they_ended(self, store: Store, write: Write) -> None:
        answers = write(store, *_finished(5, 1, 4, 2, 3), _prune(keep=2))
        assert answers[-1] == Pruned(3, 3)
        assert _left(store) == ["r4", "r5"]
        assert write(store, _prune(keep=2), _prune(keep=7)) == [Pruned(0, 0), Pruned(0, 0)]
        assert write(store, _prune(keep=0)) == [Pruned(2, 2)]

    def test_by_age_or_count_whichever_takes_more(self, store: Store, write: Write) -> None:
        assert write(store, *_finished(1, 2, 3, 4), _prune(before=2, keep=2))[-1] == Pruned(2, 2)
        assert _left(store) == ["r3", "r4"]
        assert write(store, _prune(before=4, keep=9)) == [Pruned(1, 1)]
        assert _left(store) == ["r4"]

    def test_without_a_rule_everything_stays(self, store: Store, write: Write) -> None:
        assert write(store, *_finished(1), _prune())[-1] == Pruned(0, 0)

    def test_a_limit_takes_the_oldest_first(self, store: Store, write: Write) -> None:
        filtered = [incoming(f"f{n}", state="filtered", received_at=START + n) for n in range(5)]
        answers = write(store, *_finished(3, 1, 2, 4), accept(*filtered), _prune(before=99, limit=3))
        assert answers[-1] == Pruned(3, 6)
        assert _left(store) == ["r4"]
        assert store.event("f2") is None
        assert store.event("f3") is not None
        assert write(store, _prune(before=99, limit=3)) == [Pruned(1, 3)]

    def test_open_runs_stay_with_all_they_have(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1"))),
            advance("r1", 1, timers={"p": START}),
            signal("r1", "k"),
        )
        assert write(store, _prune(before=1e6, keep=0)) == [Pruned(0, 0)]
        assert len(store.history("r1")) == 2
        assert store.event("e1") is not None

    def test_everything_of_a_run_goes(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1", event_id="e1"))),
            advance("r1", 1, timers={"p": START}, approvals=[ApprovalChange("a1", "p", "pending", {})]),
            signal("r1", "k"),
            finish("r1", 2, clear_timers=True),
        )
        assert write(store, _prune(before=1)) == [Pruned(1, 1)]
        assert store.due_timers(START + 9, 9) == []
        assert store.approval("a1") is None
        assert store.signals("r1") == []
        assert store.signalled_runs(9) == []

    def test_what_is_gone_cannot_go_on(self, store: Store, write: Write) -> None:
        answers = write(store, *_finished(1), _prune(keep=0), advance("r1", 2), signal("r1", "k"))
        assert isinstance(answers[-2], Fenced)
        assert answers[-1] is False
        assert store.history("r1") == []
        again = write(store, accept(incoming("e1", new_run("r1", owner="w1"))), advance("r1", 1))
        assert not any(isinstance(answer, StoreError) for answer in again)

    def test_a_replay_does_not_take_the_event_of_the_first_run(self, store: Store, write: Write) -> None:
        replay = new_run("r9", owner="w1", event_id="e1", replay_of="r1")
        write(
            store,
            accept(incoming("e1", new_run("r1", owner="w1", event_id="e1"))),
            advance("r1", 1, children=[replay]),
            finish("r9"),
        )
        assert write(store, _prune(keep=0)) == [Pruned(1, 0)]
        assert store.event("e1") is not None

    def test_events_without_a_run_go_by_age(self, store: Store, write: Write) -> None:
        write(
            store,
            accept(
                incoming("old", state="rejected"),
                incoming("new", state="filtered", received_at=START + 5),
                incoming("other", state="filtered", workflow="other"),
            ),
        )
        assert write(store, _prune(keep=0)) == [Pruned(0, 0)]
        assert write(store, _prune(before=5)) == [Pruned(0, 1)]
        assert store.event("old") is None
        assert store.event("new") is not None
        assert store.event("other") is not None

    def test_expired_keys_are_forgotten_and_others_are_not(
        self, store: Store, write: Write, contract_clock: ContractClock
    ) -> None:
        keys = [Dedupe("hook", f"k{n}", START + n) for n in range(1, 5)]
        write(store, accept(baseline=keys))
        contract_clock.now = START + 2
        write(store, _prune(now=START + 2))
        assert store.seen("hook", ["k1", "k2", "k3", "k4"]) == {"k3", "k4"}
        contract_clock.now = START
        assert store.seen("hook", ["k1", "k2", "k3", "k4"]) == {"k3", "k4"}
