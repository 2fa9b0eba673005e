"""Contract: the ledger, claims to what there is only so much of, and shared rates."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.store.port import (
    Cap,
    Charge,
    Claim,
    Claimed,
    CostRow,
    Fenced,
    Prune,
    Store,
    TakeTurns,
    Turns,
    day_of,
)

from .kit import START, Contract, Workers, Write, accept, advance, finish, incoming, new_run

__all__ = ["MoneyContract"]

DAY = 86400.0
TODAY = day_of(START)


def _runs(*ids: str) -> Any:
    return accept(*(incoming(f"e {id_}", new_run(id_, owner="w1")) for id_ in ids))


def _charge(
    usd: float, of: str = "m", at: float = START, workflow: str = "flow", called: bool = False
) -> Charge:
    return Charge(at, workflow, of, usd, called)


def _claim(
    run_id: str,
    amount: float,
    *caps: Cap,
    name: str = "pot",
    path: str = "p",
    attempt: int = 1,
    epoch: int = 1,
) -> Claim:
    return Claim(run_id, path, attempt, epoch, {name: amount}, caps)


class MoneyContract(Contract):
    """What was spent, what may be, and whose turn it is."""

    def test_charges_add_up_by_day_workflow_and_model(self, store: Store, write: Write) -> None:
        write(
            store,
            _runs("r1", "r2"),
            advance("r1", 1, charges=[_charge(0.25), _charge(0.5), _charge(1.0, "n")]),
            advance(
                "r2", 1, charges=[_charge(0.125), _charge(2.0, at=START - DAY), _charge(4.0, workflow="else")]
            ),
        )
        assert store.costs(START - DAY, START) == [
            CostRow(day_of(START - DAY), "flow", "m", 2.0, 1, 2.0),
            CostRow(TODAY, "else", "m", 4.0, 1, 4.0),
            CostRow(TODAY, "flow", "m", 0.875, 3, 0.5),
            CostRow(TODAY, "flow", "n", 1.0, 1, 1.0),
        ]
        assert [row.of for row in store.costs(START - DAY, START - DAY)] == ["m"]
        assert (store.spent("flow", START), store.spent("flow", START - DAY)) == (1.875, 3.875)
        assert (store.spent(None, START), store.spent("nothing", START)) == (5.875, 0)
        assert (store.highest("m", START), store.highest("n", START), store.highest("x", START)) == (
            4.0,
            1.0,
            0,
        )

    def test_what_a_called_run_spent_counts_for_its_caller_and_once_in_all(
        self, store: Store, write: Write
    ) -> None:
        write(
            store,
            _runs("r1"),
            advance("r1", 1, charges=[_charge(1.0, workflow="child")]),
            advance("r1", 2, charges=[_charge(1.0, called=True)]),
        )
        assert [store.spent(name, START) for name in ("flow", "child", None)] == [1.0, 1.0, 1.0]
        assert [(row.workflow, row.usd) for row in store.costs(START, START)] == [("child", 1.0)]

    def test_a_refused_chunk_charges_nothing(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            _runs("r1"),
            advance("r1", 1, charges=[_charge(1.0)]),
            advance("r1", 1, charges=[_charge(1.0)]),
            advance("r1", 2, expected_epoch=7, charges=[_charge(1.0)]),
        )
        assert [type(answer) for answer in answers[2:]] == [Fenced, Fenced]
        assert store.spent(None, START) == 1.0

    def test_the_ledger_outlives_the_runs(self, store: Store, write: Write) -> None:
        write(
            store,
            _runs("r1"),
            finish("r1", charges=[_charge(1.0)]),
            Prune("flow", START + 1, None, START + 1),
        )
        assert store.run("r1") is None
        assert store.spent("flow", START) == 1.0

    def test_claims_and_what_was_spent_stay_below_a_cap_together(self, store: Store, write: Write) -> None:
        cap = Cap("pot", 1.0, workflow="flow", since=START)
        answers = write(
            store,
            _runs("r1", "r2", "r3"),
            advance("r1", 1, charges=[_charge(0.25)]),
            _claim("r1", 0.5, cap),
            _claim("r2", 0.5, cap),
            _claim("r2", 0.25, cap),
            _claim("r3", 0.0, cap),
            advance("r1", 2, released=[("p", 1)], charges=[_charge(0.125)]),
            _claim("r3", 0.375, cap),
            _claim("r3", 0.5, cap, path="q"),
        )
        no = Claimed(False, cap, 0.75)
        assert answers[2:6] == [Claimed(True), no, Claimed(True), Claimed(True)]
        assert answers[7:] == [Claimed(True), Claimed(False, cap, 1.0)]

    def test_the_first_cap_in_the_way_is_named_and_nothing_is_taken(self, store: Store, write: Write) -> None:
        wide, narrow = Cap("pot", 9.0, used=1.0), Cap("purse", 1.0, used=0.5)
        both = Claim("r1", "p", 1, 1, {"pot": 1.0, "purse": 1.0}, [wide, narrow])
        answers = write(
            store, _runs("r1", "r2"), both, _claim("r2", 8.0, wide), _claim("r1", 0.5, wide, path="q")
        )
        assert answers[1:] == [Claimed(False, narrow, 0.5), Claimed(True), Claimed(False, wide, 9.0)]

    def test_what_is_set_aside_for_work_that_is_not_paid_for_outlasts_its_attempt_and_its_run(
        self, store: Store, write: Write
    ) -> None:
        """The last answer of each part asks how much is taken of a name by trying to take too much."""
        place, day = Cap("place", 1.0), Cap("usd/day", 1.0)
        both = Claim("r1", "p", 1, 1, {"place": 1.0, "usd/day": 0.75})
        other = Claim("r1", "q", 1, 1, {"usd/day": 0.125})
        ask = [_claim("r2", 9.0, place, name="place"), _claim("r2", 9.0, day, name="usd/day")]
        owing = [("p", 1)]

        def taken(answers: Any) -> list[float]:
            return [answer.taken for answer in answers if isinstance(answer, Claimed) and not answer.granted]

        assert taken(write(store, _runs("r1", "r2"), both, other, *ask)) == [1.0, 0.875]
        ends = advance("r1", 1, released=owing, owing=owing)
        assert taken(write(store, ends, *ask)) == [0.0, 0.875], "its place is free"
        assert taken(write(store, finish("r1", 2, owing=owing), *ask)) == [0.0, 0.75]
        more = finish("r1", 3)
        assert taken(write(store, more, *ask)) == [0.0, 0.75]
        paid = finish("r1", 4, released=owing, charges=[_charge(0.5)])
        assert taken(write(store, paid, *ask)) == [0.0, 0.0]

    def test_a_run_that_has_left_something_unsettled_is_not_forgotten(
        self, store: Store, write: Write
    ) -> None:
        prune = Prune("flow", START + 9, 0, START + 9)
        write(store, _runs("r1", "r2"), finish("r1", timers={"p!1": START + 60}), finish("r2"), prune)
        assert [store.run(each) is None for each in ("r1", "r2")] == [False, True]
        write(store, finish("r1", 2, timers={"p!1": None}), prune)
        assert store.run("r1") is None

    def test_claiming_again_replaces_the_attempts_own_claim(self, store: Store, write: Write) -> None:
        cap = Cap("pot", 1.0)
        answers = write(
            store,
            _runs("r1", "r2"),
            _claim("r1", 1.0, cap),
            _claim("r1", 0.75, cap),
            _claim("r1", 0.5, cap, attempt=2),
            _claim("r2", 0.25, cap),
        )
        assert [answer.granted for answer in answers[1:]] == [True, True, False, True]

    def test_what_is_claimed_is_exact_however_claims_come_and_go(self, store: Store, write: Write) -> None:
        cap = Cap("pot", 1.0)
        tenths = [_claim("r1", 0.1, cap, path=f"p{number}") for number in range(11)]
        replaced = [_claim("r1", 0.7, path="p0"), _claim("r1", 0.1, path="p0")]
        ends = advance("r1", 1, released=[(f"p{number}", 1) for number in range(1, 10)])
        then = (_claim("r2", 1e-6, cap), ends, _claim("r2", 1.0, cap))
        answers = write(store, _runs("r1", "r2"), *tenths, *replaced, *then)
        assert answers[1:12] == [Claimed(True)] * 10 + [Claimed(False, cap, 1.0)]
        assert answers[14:] == [Claimed(False, cap, 1.0), True, Claimed(False, cap, 0.1)]

    def test_what_is_exclusive_goes_to_the_next_when_it_is_released(self, store: Store, write: Write) -> None:
        alone = Cap("pot", 1)
        answers = write(
            store,
            _runs("r1", "r2", "r3"),
            _claim("r1", 1, alone),
            _claim("r2", 1, alone),
            advance("r1", 1, released=[("other", 1), ("p", 2)]),
            _claim("r2", 1, alone),
            finish("r1", 2),
            _claim("r3", 1, alone),
            _claim("r2", 1, alone),
        )
        assert [answers[index].granted for index in (1, 2, 4, 6, 7)] == [True, False, False, True, False]

    def test_who_has_lost_the_run_claims_nothing(self, store: Store, workers: Workers, write: Write) -> None:
        other = workers.start("w2")
        answers = write(store, _runs("r1", "r2"), _claim("r1", 1, epoch=2), _claim("r9", 1), finish("r2"))
        assert [type(answer) for answer in answers[1:3]] == [Fenced, Fenced]
        assert isinstance(write(other, _claim("r1", 1))[0], Fenced)
        assert isinstance(write(store, _claim("r2", 1))[0], Fenced)
        workers.kill(other)

    def test_turns_come_in_a_burst_and_then_evenly(self, store: Store, write: Write) -> None:
        assert store.next_turn("t") is None
        answers = write(
            store,
            TakeTurns("t", START, 2, 10.0, burst=3),
            TakeTurns("t", START, 2, 10.0, burst=3),
            TakeTurns("t", START + 100, 1, 10.0, burst=3),
            TakeTurns("u", START, 1, 10.0),
        )
        # Two turns at START, one more at once, the fourth ten seconds later; then they have come back.
        assert answers == [Turns(START - 20), Turns(START), Turns(START + 80), Turns(START)]
        assert store.next_turn("t") == START + 110

    def test_nobodys_turn_comes_before_the_service_wants_it(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            TakeTurns("t", START, 0, 10.0, burst=3, not_before=START + 60),
            TakeTurns("t", START, 1, 10.0, burst=3),
            TakeTurns("t", START + 1, 1, 10.0, burst=3, not_before=START + 5),
        )
        assert answers == [Turns(START + 60), Turns(START + 60), Turns(START + 70)]

    def test_workers_share_turns_claims_and_ledger(
        self, store: Store, workers: Workers, write: Write
    ) -> None:
        other = workers.start("w2")
        write(
            store,
            _runs("r1"),
            TakeTurns("t", START, 1, 10.0),
            _claim("r1", 1),
            advance("r1", 1, charges=[_charge(1)]),
        )
        run = new_run("r2", owner="w2")
        alone = Cap("pot", 1)
        answers = write(
            other, accept(incoming("e r2", run)), TakeTurns("t", START, 1, 10.0), _claim("r2", 1, alone)
        )
        assert answers[1:] == [Turns(START + 10), Claimed(False, alone, 1)]
        assert other.spent("flow", START) == 1

    @pytest.mark.parametrize("together", [True, False])
    def test_a_killed_worker_keeps_its_claims_until_its_run_ends(
        self, store: Store, workers: Workers, write: Write, together: bool
    ) -> None:
        alone = Cap("pot", 1)
        write(store, _runs("r1", "r2"), _claim("r1", 1, alone))
        other = workers.start("w2")
        workers.kill(store)
        taken = advance("r2", 1, owner="w2", expected_epoch=1, epoch=2)
        assert write(other, taken, _claim("r2", 1, alone, epoch=2))[1] == Claimed(False, alone, 1)
        ends = finish("r1", expected_epoch=1, epoch=2)
        if together:
            assert write(other, ends, _claim("r2", 1, alone, epoch=2))[1] == Claimed(True)
        else:
            write(other, ends)
            assert write(other, _claim("r2", 1, alone, epoch=2)) == [Claimed(True)]
