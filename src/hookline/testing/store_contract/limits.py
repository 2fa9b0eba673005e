"""Contract: runs that must be admitted, and the backlog."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.store.port import Accept, Admission, Admit, Fenced, Store

from .kit import START, Contract, Workers, Write, accept, advance, finish, incoming, new_run, summary

__all__ = ["LimitsContract"]


def _queue(*numbers: int, key: str = "k", owner: str | None = None) -> Accept:
    runs = [new_run(f"r{n}", status="queued", concurrency_key=key, owner=owner) for n in numbers]
    return accept(*(incoming(f"e {run.id}", run) for run in runs))


def _admit(number: int, owner: str = "w1", now: float = START, **more: Any) -> Admit:
    return Admit(f"r{number}", owner, now, **more)


class LimitsContract(Contract):
    """Concurrency, rates, order."""

    def test_so_many_at_a_time(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            _queue(1, 2, 3, 4),
            _admit(1, max_running=2),
            _admit(2, max_running=2),
            _admit(3, max_running=2),
            advance("r1", 1, owner=None, summary=summary("waiting")),
            _admit(3, max_running=2),
            finish("r2"),
            _admit(3, max_running=2),
            _admit(4, max_running=2),
        )
        yes, no = Admission(True, 1), Admission(False)
        assert [answers[index] for index in (1, 2, 3, 5, 7, 8)] == [yes, yes, no, no, yes, no]
        row = store.run("r3")
        assert row is not None
        assert (row.status, row.owner, row.epoch) == ("running", "w1", 1)

    def test_keys_do_not_meet(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            _queue(1, 2, key="a"),
            _queue(3, key="b"),
            _admit(1, max_running=1),
            _admit(3, max_running=1),
            _admit(2, max_running=1),
        )
        assert [answer.admitted for answer in answers[2:]] == [True, True, False]

    def test_without_a_limit_everyone_may_start(self, store: Store, write: Write) -> None:
        answers = write(store, _queue(1, 2), _admit(1), _admit(2))
        assert answers[1:] == [Admission(True, 1), Admission(True, 1)]

    def test_only_a_queued_run_is_admitted_and_only_once(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            _queue(1),
            accept(incoming("e9", new_run("r9", owner="w1"))),
            _admit(1),
            _admit(1),
            _admit(9),
            _admit(404),
        )
        assert answers[2:] == [Admission(True, 1), Admission(False), Admission(False), Admission(False)]

    def test_an_admitted_run_goes_on_in_its_new_epoch(self, store: Store, write: Write) -> None:
        answers = write(
            store,
            _queue(1),
            _admit(1),
            advance("r1", 1, expected_epoch=0, epoch=0),
            advance("r1", 1, expected_epoch=1, epoch=1),
        )
        assert isinstance(answers[2], Fenced)
        assert answers[3] is True

    def test_a_living_worker_keeps_its_queued_run(self, store: Store, workers: Workers, write: Write) -> None:
        other = workers.start("w2")
        answers = write(store, _queue(1, owner="w2"), _admit(1, "w1"))
        assert answers[1] == Admission(False)
        workers.kill(other)
        assert write(store, _admit(1, "w1")) == [Admission(True, 2)]

    def test_a_burst_then_evenly(self, store: Store, write: Write) -> None:
        rate: dict[str, Any] = {"rate_key": "flow", "rate": 3, "rate_per": 60.0}
        answers = write(
            store,
            _queue(1, 2, 3, 4, 5),
            *(_admit(number, **rate) for number in (1, 2, 3, 4)),
            _admit(4, now=START + 19, **rate),
            _admit(4, now=START + 20, **rate),
            _admit(5, now=START + 20, **rate),
            _admit(5, now=START + 40, **rate),
        )
        assert [answer.admitted for answer in answers[1:5]] == [True, True, True, False]
        assert answers[4].retry_at == pytest.approx(START + 20)
        assert answers[5].retry_at == pytest.approx(START + 20)
        assert [answer.admitted for answer in answers[6:]] == [True, False, True]
        assert answers[7].retry_at == pytest.approx(START + 40)

    def test_a_refused_run_costs_no_place_in_the_rate(self, store: Store, write: Write) -> None:
        rate: dict[str, Any] = {"rate_key": "flow", "rate": 2, "rate_per": 60.0}
        answers = write(
            store,
            _queue(1, 2),
            _admit(1, max_running=1, **rate),
            _admit(2, max_running=1, **rate),
            _admit(2, max_running=1, **rate),
            finish("r1"),
            _admit(2, max_running=1, **rate),
        )
        assert [answer.admitted for answer in (answers[1], answers[2], answers[3], answers[5])] == [
            True,
            False,
            False,
            True,
        ]

    def test_who_waits_longest_comes_first(self, store: Store, write: Write) -> None:
        assert store.queued_keys(9) == []
        write(store, _queue(3, 1, key="b"), _queue(2, key="a"), _queue(4, key="b"))
        assert store.queued_keys(9) == ["a", "b"]
        assert store.queued_keys(1) == ["a"]
        assert (store.queued_keys(9, "a"), store.queued_keys(9, "b")) == (["b"], [])
        assert store.queued_run("b") == "r3"
        assert store.queued_run("b", ["r3", "else"]) == "r1"
        assert store.queued_run("nothing") is None
        write(store, _admit(3), _admit(2))
        assert store.queued_run("b") == "r1"
        assert store.queued_keys(9) == ["b"]

    def test_the_backlog_is_what_does_not_wait(self, store: Store, write: Write) -> None:
        assert store.open_runs() == 0
        write(
            store, _queue(1, 2), accept(*(incoming(f"e{n}", new_run(f"x{n}", owner="w1")) for n in range(3)))
        )
        assert store.open_runs() == 5
        write(store, advance("x0", 1, owner=None, summary=summary("waiting")), finish("x1"), _admit(1))
        assert store.open_runs() == 3
