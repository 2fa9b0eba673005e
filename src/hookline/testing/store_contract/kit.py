"""How the suite makes workers and units."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import pytest

from hookline.store.port import (
    Accept,
    Advance,
    Chunk,
    Dedupe,
    Incoming,
    NewRun,
    Outcome,
    PutSignal,
    RunSummary,
    Store,
    Unit,
)

__all__ = [
    "START",
    "Contract",
    "ContractClock",
    "Workers",
    "Write",
    "accept",
    "advance",
    "chunk",
    "finish",
    "ids",
    "incoming",
    "new_run",
    "signal",
    "summary",
    "write_alone",
    "write_together",
]

START = 1_800_000_000.0
"""When the suite's clock begins, seconds since the epoch."""

Write: TypeAlias = Callable[..., list[Outcome]]
"""Submit units to a store and wait for their answers."""


class ContractClock:
    """Seconds since the epoch; stands still until `now` is set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Workers(Protocol):
    """The workers of one fresh database, all of which use the suite's clock."""

    def start(self, name: str) -> Store:
        """A new worker; the suite uses each name once."""

    def kill(self, store: Store) -> None:
        """End a worker that has no unit under way, so that it counts as dead."""

    def interrupt(self) -> None:
        """From now on nothing can be written."""

    def resume(self) -> None:
        """Writing works again."""


def write_alone(store: Store, *units: Unit) -> list[Outcome]:
    """Each unit when the one before it has its answer."""
    answers: list[Outcome] = []
    for unit in units:
        answered = threading.Event()

        def done(outcome: Outcome, answered: threading.Event = answered) -> None:
            answers.append(outcome)
            answered.set()

        store.submit(unit, done)
        assert answered.wait(30), f"no answer to {unit}"
    return answers


def write_together(store: Store, *units: Unit) -> list[Outcome]:
    """All units at once, so that a store with group commit writes them as one group.

    They are submitted while the store gives an answer: it cannot take the first before the last
    is there.
    """
    answers: dict[int, Outcome] = {}
    order: list[int] = []
    finished = threading.Event()

    def answered(index: int, outcome: Outcome) -> None:
        answers[index] = outcome
        order.append(index)
        if len(order) == len(units):
            finished.set()

    def submit_all(_: Outcome) -> None:
        for index, unit in enumerate(units):
            store.submit(unit, lambda outcome, index=index: answered(index, outcome))  # type: ignore[misc]

    store.submit(signal("no-such-run"), submit_all)
    assert finished.wait(30), "not all units were answered"
    assert order == sorted(order), "answers come in the order of the units"
    return [answers[index] for index in range(len(units))]


class Contract:
    """Base of the suite's parts: the fixtures."""

    @pytest.fixture
    def contract_clock(self) -> ContractClock:
        return ContractClock()

    @pytest.fixture
    def workers(self, contract_clock: ContractClock) -> Iterator[Workers]:
        raise NotImplementedError("give a fixture `workers`: the workers of one fresh database")

    @pytest.fixture
    def store(self, workers: Workers) -> Store:
        return workers.start("w1")

    @pytest.fixture(params=[write_alone, write_together], ids=["alone", "together"])
    def write(self, request: pytest.FixtureRequest) -> Write:
        chosen: Write = request.param
        return chosen


def chunk(seq: int, count: int = 1, at: float = START, body: str | None = None) -> Chunk:
    """Events from number `seq`."""
    return Chunk(seq, at, body if body is not None else f'[["event","steps[{seq}]",{{}}]]', count)


def new_run(id_: str = "r1", workflow: str = "flow", at: float = START, **more: Any) -> NewRun:
    """A run with one event; `more` are other fields of `NewRun`."""
    values: dict[str, Any] = {"version": "v1", "chunk": chunk(0, at=at), **more}
    return NewRun(id=id_, workflow=workflow, created_at=at, **values)


def incoming(
    id_: str, run: NewRun | None = None, key: str | None = None, ttl: float = 100.0, **more: Any
) -> Incoming:
    """An event; with a `key`, unique in the scope ``hook`` for `ttl` seconds."""
    values: dict[str, Any] = {
        "trigger": "webhook",
        "workflow": run.workflow if run is not None else "flow",
        "received_at": START,
        "dedupe": Dedupe("hook", key, START + ttl) if key is not None else None,
        "run": run,
        **more,
    }
    return Incoming(id=id_, **values)


def accept(*events: Incoming, **more: Any) -> Accept:
    return Accept(list(events), **more)


def summary(status: str = "running", finished_at: float | None = None, **more: Any) -> RunSummary:
    values: dict[str, Any] = {"started_at": START, "cost_usd": 0.0, **more}
    return RunSummary(status=status, finished_at=finished_at, **values)


def advance(run_id: str = "r1", seq: int | None = 1, owner: str | None = "w1", **more: Any) -> Advance:
    """The run's next chunk, in epoch 1."""
    values: dict[str, Any] = {
        "expected_epoch": 1,
        "epoch": 1,
        "summary": summary(),
        "chunk": chunk(seq) if seq is not None else None,
        **more,
    }
    return Advance(run_id=run_id, owner=owner, **values)


def finish(run_id: str, seq: int = 1, at: float = START, status: str = "succeeded", **more: Any) -> Advance:
    """The run's last chunk."""
    return advance(run_id, seq, owner=None, summary=summary(status, finished_at=at), **more)


def signal(run_id: str = "r1", key: str = "k", body: Any = None, **more: Any) -> PutSignal:
    values: dict[str, Any] = {"kind": "callback", "path": "steps[0]", "at": START, **more}
    return PutSignal(run_id=run_id, key=key, body=body, **values)


def ids(rows: Sequence[Any]) -> list[str]:
    return [row.id for row in rows]
