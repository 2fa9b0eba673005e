"""Contract: several workers, threads, and the end."""

from __future__ import annotations

import threading

import pytest

from hookline.store.port import Fenced, Outcome, RunFilter, Store, StoreUnavailable

from .kit import (
    START,
    Contract,
    Workers,
    Write,
    accept,
    advance,
    finish,
    incoming,
    new_run,
    signal,
    summary,
    write_alone,
)

__all__ = ["WorkersContract"]


class WorkersContract(Contract):
    """Fencing, takeover, callbacks, closing."""

    def test_a_living_worker_keeps_its_run(self, store: Store, workers: Workers, write: Write) -> None:
        other = workers.start("w2")
        write(store, accept(incoming("e1", new_run("r1", owner="w1"))))
        assert isinstance(write(other, advance("r1", 1, "w2", epoch=2))[0], Fenced)
        assert other.abandoned_runs(9) == []
        assert write(store, advance("r1", 1)) == [True]

    def test_a_dead_workers_runs_are_taken_over(self, store: Store, workers: Workers, write: Write) -> None:
        other = workers.start("w2")
        runs = [new_run(f"r{n}", at=START + n, owner="w1") for n in range(4)]
        write(store, accept(*(incoming(f"e {run.id}", run) for run in reversed(runs))))
        write(store, advance("r3", 1, owner=None, summary=summary("waiting")), finish("r2"))
        assert other.abandoned_runs(9) == []
        assert other.is_alive("w1")
        workers.kill(store)
        assert not other.is_alive("w1")
        assert other.is_alive("w2")
        assert other.abandoned_runs(9) == ["r0", "r1"], "oldest first; neither waiting nor finished"
        assert other.abandoned_runs(1) == ["r0"]
        answers = write(
            other, advance("r0", 1, "w2", epoch=2), advance("r0", 2, "w2", expected_epoch=2, epoch=2)
        )
        assert answers == [True, True]
        assert other.abandoned_runs(9) == ["r1"]
        row = other.run("r0")
        assert row is not None
        assert (row.owner, row.epoch) == ("w2", 2)

    def test_a_worker_that_was_overtaken_cannot_write(
        self, store: Store, workers: Workers, write: Write
    ) -> None:
        """It gave the run up, another one has gone on since."""
        other = workers.start("w2")
        write(store, accept(incoming("e1", new_run("r1", owner="w1"))), advance("r1", 1, owner=None))
        assert write(other, advance("r1", 2, None, epoch=2)) == [True]
        assert isinstance(write(store, advance("r1", 2))[0], Fenced)
        assert [piece.seq for piece in store.history("r1")] == [0, 1, 2]

    def test_runs_without_an_owner_are_for_whoever_comes(
        self, store: Store, workers: Workers, write: Write
    ) -> None:
        other = workers.start("w2")
        write(store, accept(incoming("e1", new_run("r1")), incoming("e2", new_run("r2", owner="w1"))))
        assert store.abandoned_runs(9) == ["r1"], "not what is ours"
        assert other.abandoned_runs(9) == ["r1"]
        assert write(other, advance("r1", 1, "w2", expected_epoch=0, epoch=1)) == [True]
        assert store.abandoned_runs(9) == []

    def test_closing_gives_runs_up(self, store: Store, workers: Workers, write: Write) -> None:
        other = workers.start("w2")
        write(store, accept(incoming("e1", new_run("r1", owner="w1"))))
        store.close()
        assert other.abandoned_runs(9) == ["r1"]
        assert write(other, advance("r1", 1, "w2", epoch=2)) == [True]

    def test_workers_see_what_others_have_written(self, store: Store, workers: Workers, write: Write) -> None:
        other = workers.start("w2")
        assert other.runs(RunFilter(), 9, None).rows == []
        write(store, accept(incoming("e1", new_run("r1"), key="k")))
        assert other.run("r1") == store.run("r1")
        assert write(other, accept(incoming("e2", new_run("r2"), key="k")))[0][0].run_id == "r1"

    def test_a_callback_that_fails_stops_nothing(
        self, store: Store, write: Write, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: Outcome) -> None:
            raise ZeroDivisionError

        store.submit(accept(incoming("e1", new_run("r1", owner="w1"))), fail)
        store.submit(advance("r1", 1), fail)
        assert write(store, advance("r1", 2)) == [True]
        assert len(store.history("r1")) == 3
        assert "ZeroDivisionError" in caplog.text

    def test_a_callback_may_submit(self, store: Store) -> None:
        answers: list[Outcome] = []
        finished = threading.Event()

        def go_on(outcome: Outcome) -> None:
            answers.append(outcome)
            if len(answers) == 50:
                finished.set()
            else:
                store.submit(advance("r1", len(answers)), go_on)

        store.submit(accept(incoming("e1", new_run("r1", owner="w1"))), go_on)
        assert finished.wait(30)
        assert answers[1:] == [True] * 49
        assert len(store.history("r1")) == 50

    def test_many_threads_write_and_read(self, store: Store) -> None:
        failures: list[object] = []

        def work(name: str) -> None:
            for number in range(20):
                run_id = f"{name}-{number}"
                units = (
                    accept(incoming(f"e {run_id}", new_run(run_id, owner="w1"), key=str(number))),
                    signal(run_id, "k"),
                    accept(incoming(f"f {run_id}", new_run(f"f {run_id}", owner="w1"))),
                    finish(f"f {run_id}"),
                )
                answers = write_alone(store, *units)
                row = store.run(f"f {run_id}")
                if answers[3] is not True or row is None or row.status != "succeeded":
                    failures.append((answers, row))

        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(store.runs(RunFilter(status="succeeded"), 500, None).rows) == 120
        assert len(store.runs(RunFilter(status="running"), 500, None).rows) == 20, "one for each key"
        assert len(store.events("duplicate", None, 500, None).rows) == 100

    def test_flush_waits_for_everything_before_it(self, store: Store) -> None:
        answers: list[Outcome] = []
        for number in range(700):
            store.submit(accept(incoming(f"e{number}", new_run(f"r{number}"))), answers.append)
        store.flush()
        assert len(answers) == 700
        assert store.open_runs() == 700

    def test_closing_writes_what_is_queued_and_refuses_the_rest(self, store: Store, workers: Workers) -> None:
        answers: list[Outcome] = []
        for number in range(100):
            store.submit(accept(incoming(f"e{number}", new_run(f"r{number}"))), answers.append)
        store.close()
        assert len(answers) == 100
        refused: list[Outcome] = []
        store.submit(accept(incoming("late", new_run("late"))), refused.append)
        store.submit(advance("r1", 1), refused.append)
        assert [type(outcome) for outcome in refused] == [StoreUnavailable, StoreUnavailable]
        store.flush()
        store.close()
        with pytest.raises(StoreUnavailable):
            store.run("r1")
        with pytest.raises(StoreUnavailable):
            store.runs(RunFilter(), 5, None)
        assert workers.start("w2").open_runs() == 100

    def test_closing_while_nothing_can_be_written_answers_everyone(
        self, store: Store, workers: Workers, write: Write
    ) -> None:
        write(store, accept(incoming("e1", new_run("r1", owner="w1"))))
        workers.interrupt()
        answers: list[Outcome] = []
        store.submit(advance("r1", 1), answers.append)
        store.close()
        assert [type(outcome) for outcome in answers] == [StoreUnavailable]
        workers.resume()
        other = workers.start("w2")
        assert other.abandoned_runs(9) == ["r1"]
        assert len(other.history("r1")) == 1
