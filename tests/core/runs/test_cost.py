"""What a run costs is counted in decisions and in records touched, never in time."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest

from hookline.core.records import RunState, StepRecord

from .simulator import Fail, Simulator, Succeed, do, simulate

Json = Any


class CountedRecords(dict[str, StepRecord]):
    """The records of a run, counting every look; going through all of them counts as that many."""

    looks = 0

    def __getitem__(self, path: str) -> StepRecord:
        self.looks += 1
        return super().__getitem__(path)

    def get(self, path: str, default: Any = None) -> Any:
        self.looks += 1
        return super().get(path, default)

    def __iter__(self) -> Iterator[str]:
        self.looks += len(self)
        return super().__iter__()

    def items(self) -> Any:
        self.looks += len(self)
        return super().items()

    def keys(self) -> Any:
        self.looks += len(self)
        return super().keys()

    def values(self) -> Any:
        self.looks += len(self)
        return super().values()


class CountedPaths(dict[str, None]):
    """The open steps, counting how many are looked through."""

    looks = 0

    def __iter__(self) -> Iterator[str]:
        self.looks += len(self)
        return super().__iter__()


def counted(items: int, *steps: Json, **more: Json) -> tuple[Simulator, CountedRecords, CountedPaths]:
    sim = simulate(*steps, event={"items": list(range(items))}, **more)
    sim.strict = False
    records, active = CountedRecords(sim.state.records), CountedPaths()
    sim.state.records, sim.state.active = records, active
    return sim, records, active


def loop(parallel: int, *steps: Json, **more: Json) -> Json:
    return {
        "for_each": "{{ trigger.items }}",
        "max_parallel": parallel,
        "do": list(steps) or [do()],
        **more,
    }


def settled(sim: Simulator) -> Simulator:
    sim.start()
    while sim.waiting_calls:
        sim.execute(next(iter(sim.waiting_calls)))
        sim.decide()
    return sim


@pytest.mark.parametrize("parallel", [1, 100, 10_000])
def test_an_item_costs_the_same_however_many_are_done(parallel: int) -> None:
    costs = {}
    for items in (1_000, 10_000):
        sim, records, active = counted(items, loop(parallel))
        settled(sim)
        assert sim.status == "succeeded"
        costs[items] = (sim.counts.decisions, sim.counts.commands, records.looks + active.looks)
    for few, many in zip(costs[1_000], costs[10_000], strict=True):
        assert many <= 10.5 * few
    decisions, commands, looks = costs[10_000]
    assert decisions <= 3 * 10_000 + 10
    assert commands <= 3 * 10_000 + 10
    assert looks <= 25 * 10_000


@pytest.mark.parametrize("parallel", [1, 1_000])
def test_the_first_item_costs_what_the_last_one_does(parallel: int) -> None:
    sim, records, active = counted(4_000, loop(parallel))
    sim.start()
    costs = []
    while sim.waiting_calls:
        before = records.looks + active.looks + sim.counts.commands
        sim.execute(next(iter(sim.waiting_calls)))
        sim.decide()
        costs.append(records.looks + active.looks + sim.counts.commands - before)
    # The last one also ends the loop and the run.
    assert max(costs[:-1]) - min(costs[:-1]) <= 10
    assert costs[-1] <= max(costs[:-1]) + 30


def test_canceling_ten_thousand_open_items_is_linear() -> None:
    costs = {}
    for items in (1_000, 10_000):
        sim, records, active = counted(items, loop(10_000))
        sim.start()
        before = records.looks + active.looks + sim.counts.commands + sim.counts.decisions
        sim.cancel()
        assert sim.status == "canceled"
        costs[items] = records.looks + active.looks + sim.counts.commands + sim.counts.decisions - before
    assert costs[10_000] <= 10.5 * costs[1_000]
    assert costs[10_000] <= 25 * 10_000


def test_items_that_end_their_own_branches_do_not_look_at_each_other() -> None:
    def branches() -> Json:
        return {"parallel": {"left": [do(uses="test.bad")], "right": [do(uses="test.slow")]}}

    costs = {}
    for items in (300, 3_000):
        step = loop(10_000, branches(), on_item_error="skip")
        sim, records, active = counted(items, step, actions={"test.bad": Fail("bad_input")})
        sim.start()
        for path in [path for path in sim.waiting_calls if ".left" in path]:
            sim.execute(path)
            sim.decide()
        assert sim.status == "succeeded"
        costs[items] = records.looks + active.looks + sim.counts.commands
    assert costs[3_000] <= 10.5 * costs[300]


def test_items_that_are_tried_again_do_not_look_at_each_other() -> None:
    costs = {}
    for items in (300, 3_000):
        turns: Counter[str] = Counter()

        def once(call: Any, turns: Counter[str] = turns) -> Fail | Succeed:
            turns[call.path] += 1
            return Fail("unavailable", retry_on=("unavailable",)) if turns[call.path] == 1 else Succeed(1)

        sim, records, active = counted(items, loop(10_000), actions={"test.ok": once})
        settled(sim)
        retrying = list(sim.state.active)
        assert len(retrying) == items
        records.looks = active.looks = 0
        sim.now += 100
        for path in retrying:
            sim.fire(path)
            sim.execute(path)
            sim.decide()
        assert sim.status == "succeeded"
        costs[items] = records.looks + active.looks
    assert costs[3_000] <= 10.5 * costs[300]


def test_beginning_a_loop_anew_costs_its_items_once() -> None:
    costs = {}
    for items in (300, 3_000):

        def last_fails(call: Any, items: int = items) -> Fail | Succeed:
            last = call.path.endswith(f"#{items - 1}")
            return Fail("unavailable") if last and call.attempt == 1 else Succeed(1)

        retry = {"max_attempts": 2, "delay": "1s"}
        sim, records, active = counted(items, loop(1, retry=retry), actions={"test.ok": last_fails})
        settled(sim)
        assert sim.step("steps[0]").status == "retrying"
        assert len(sim.state.records) == 2, "the items are forgotten"
        records.looks = active.looks = 0
        sim.now += 10
        sim.fire("steps[0]")
        while sim.waiting_calls:
            sim.execute(next(iter(sim.waiting_calls)))
            sim.decide()
        assert sim.status == "succeeded"
        assert sim.step(f"steps[0].do[0]#{items - 1}").attempt == 2
        costs[items] = records.looks + active.looks
    assert costs[3_000] <= 10.5 * costs[300]


@pytest.mark.parametrize("how", ["canceled", "failed"])
def test_resuming_costs_the_records_once(how: str) -> None:
    costs = {}
    for items in (300, 3_000):
        sim, records, active = counted(items, loop(10_000), actions={"test.ok": Fail("bad_input")})
        sim.start()
        if how == "canceled":
            sim.cancel()
        else:
            sim.execute("steps[0].do[0]#0")
            sim.decide()
        assert sim.status == how
        records.looks = active.looks = 0
        before = sim.counts.commands
        sim.resume()
        assert len(sim.waiting_calls) == items
        costs[items] = records.looks + active.looks + sim.counts.commands - before
    assert costs[3_000] <= 10.5 * costs[300]
    assert costs[3_000] <= 40 * 3_000


def test_the_first_ready_place_is_found_at_once() -> None:
    # A dict goes through every entry that was taken away before it finds the first one left.
    assert isinstance(RunState().ready, OrderedDict)


def test_iterations_of_while_do_not_pile_up_results() -> None:
    step = {"while": "{{ index < 500 }}", "max_iterations": 500, "do": [do(**{"with": {"x": 1}})]}
    sim, _, _ = counted(0, step)
    settled(sim)
    assert sim.status == "succeeded"
    loop_record = sim.step("steps[0]").loop
    assert loop_record is not None
    assert len(loop_record.results) == 1
