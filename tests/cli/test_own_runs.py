"""What an engine sees of a shared database through `OwnRuns` and `HandedOver`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from hookline.cli.own_runs import HandedOver, OwnRuns
from hookline.store.port import (
    Accept,
    Advance,
    Chunk,
    Incoming,
    NewRun,
    Prune,
    Pruned,
    RunSummary,
    Store,
    Timer,
    Unit,
)


class Shared:
    """A store in which somebody else's runs wait for everything."""

    worker = "me"

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.timers = [Timer("theirs", "", 1.0), Timer("mine", "", 2.0), Timer("child", "", 3.0)]
        self.looks = 0

    def submit(self, unit: Unit, done: Callable[[Any], None]) -> None:
        self.units.append(unit)
        done(True)

    def due_timers(self, now: float, limit: int) -> list[Timer]:
        self.looks += 1
        return [timer for timer in self.timers if timer.due_at <= now][:limit]

    def signalled_runs(self, limit: int) -> list[str]:
        return ["theirs", "mine"][:limit]

    abandoned_runs = signalled_runs

    def queued_keys(self, limit: int, after: str = "") -> list[str]:
        return ["their key", "my key"][:limit]

    def queued_run(self, concurrency_key: str, but: Collection[str] = ()) -> str | None:
        return {"their key": "theirs", "my key": "mine"}.get(concurrency_key)


def new_run(run_id: str, key: str | None = None, turn: Advance | None = None) -> NewRun:
    chunk = Chunk(0, 0.0, "[]", 1)
    return NewRun(run_id, "hello", "1", 0.0, chunk, concurrency_key=key, owner="me", turn=turn)


def advance(run_id: str, **options: Any) -> Advance:
    return Advance(run_id, 1, 1, "me", RunSummary("running", 0.0, None, 0.0), **options)


def accept(run: NewRun | None) -> Accept:
    return Accept([Incoming("evt", "cli", "hello", 0.0, run=run)])


def around(shared: Shared) -> tuple[OwnRuns, Store]:
    store: Any = shared
    return OwnRuns.around(store)


def ignore(answer: Any) -> None:
    """Nobody asks."""


def test_nothing_of_others_is_seen() -> None:
    _, store = around(Shared())
    assert store.signalled_runs(9) == store.abandoned_runs(9) == store.queued_keys(9) == []
    assert store.due_timers(9.0, 9) == []
    assert store.next_timer() is None
    assert store.queued_run("their key") is None


def test_a_run_begun_here_is_seen() -> None:
    _, store = around(Shared())
    store.submit(accept(new_run("mine", "my key")), ignore)
    assert store.signalled_runs(9) == store.abandoned_runs(9) == ["mine"]
    assert store.queued_keys(9) == ["my key"]
    assert store.queued_run("my key") == "mine"
    assert store.queued_run("their key") is None


def test_timers_are_looked_at_only_once_a_run_has_had_one() -> None:
    shared = Shared()
    _, store = around(shared)
    store.submit(accept(new_run("mine")), ignore)
    assert store.next_timer() is None
    assert shared.looks == 0
    store.submit(advance("mine", timers={"": 2.0}), ignore)
    assert store.next_timer() == 2.0
    assert [timer.run_id for timer in store.due_timers(9.0, 9)] == ["mine"]


def test_runs_that_are_called_belong_to_their_caller() -> None:
    _, store = around(Shared())
    turn = advance("mine", timers={"": 2.0}, children=[new_run("child")])
    store.submit(accept(new_run("mine", turn=turn)), ignore)
    assert [timer.run_id for timer in store.due_timers(9.0, 9)] == ["mine", "child"]
    assert [timer.run_id for timer in store.due_timers(9.0, 1)] == ["mine"]


def test_a_run_that_is_given_is_seen() -> None:
    own, store = around(Shared())
    own.give("mine", "my key")
    assert store.next_timer() == 2.0
    assert store.queued_keys(9) == ["my key"]


def test_nothing_is_forgotten() -> None:
    shared = Shared()
    _, store = around(shared)
    answers: list[Any] = []
    store.submit(Prune("hello", 0.0, None, 1.0), answers.append)
    assert answers == [Pruned(0, 0)]
    assert shared.units == []


def test_a_run_handed_over_belongs_to_nobody() -> None:
    shared: Any = Shared()
    store = HandedOver.around(shared)
    store.submit(accept(new_run("mine")), ignore)
    store.submit(accept(None), ignore)
    assert shared.units[0].incoming[0].run.owner is None
    assert shared.units[1] == accept(None)
    assert store.worker == "me"
