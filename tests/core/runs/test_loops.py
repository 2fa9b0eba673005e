"""`for_each`: order, parallelism, errors, and what its steps see."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.core import decide as deciding

from .simulator import Call, Fail, Outcome, Park, Succeed, do, simulate

Json = Any


def loop(*steps: Json, over: Json = "{{ trigger.items }}", **more: Json) -> Json:
    return {"id": "l", "for_each": over, "do": list(steps), **more}


def item(id_: str | None = None, value: str = "{{ item }}", uses: str = "test.ok") -> Json:
    return do(id_, uses, **{"with": {"v": value}})


def odd_fails(call: Call) -> Outcome:
    return Fail("bad_input") if call.input["v"] % 2 else Succeed(call.input["v"])


def test_results_are_in_the_order_of_the_items_whatever_ends_first() -> None:
    def play(call: Call) -> Outcome:
        return Succeed(call.input["v"]) if call.wake == "timer" else Park(10.0 - call.input["v"])

    sim = simulate(
        loop(item(), max_parallel=4),
        actions={"test.ok": play},
        event={"items": [1, 2, 3, 4]},
        output="{{ steps.l }}",
    ).run()
    ended = [event.path for event in sim.kinds("step.succeeded") if "do[0]" in event.path]
    assert ended[0] == "steps[0].do[0]#3"
    assert sim.output == [1, 2, 3, 4]


@pytest.mark.parametrize("parallel", [1, 2, 3, 10])
def test_at_most_max_parallel_items_are_open(parallel: int) -> None:
    sim = simulate(loop(item(), max_parallel=parallel), event={"items": list(range(7))}).start()
    most = 0
    while sim.waiting_calls:
        most = max(most, len(sim.state.active))
        sim.execute(next(iter(sim.waiting_calls)))
        sim.decide()
    assert most == min(parallel, 7)
    assert sim.status == "succeeded"


def test_an_empty_list_gives_an_empty_list() -> None:
    assert simulate(loop(item()), event={"items": []}, output="{{ steps.l }}").run().output == []


@pytest.mark.parametrize("value", [None, 1, "text", {"a": 1}, True])
def test_only_a_list_can_be_looped_over(value: Json) -> None:
    sim = simulate(loop(item()), event={"items": value}).run()
    assert (sim.error["type"], sim.error["code"]) == ("bad_input", "R201")


def test_too_many_items_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "MAX_ITEMS", 3)
    assert simulate(loop(item()), event={"items": [1, 2, 3]}).run().status == "succeeded"
    assert simulate(loop(item()), event={"items": [1, 2, 3, 4]}).run().error["code"] == "R202"


def test_fail_stops_the_others_and_starts_no_more() -> None:
    def play(call: Call) -> Outcome:
        return Fail("bad_input") if call.input["v"] == 1 else Park()

    sim = simulate(
        loop(item(), max_parallel=2), actions={"test.ok": play}, event={"items": [0, 1, 2, 3]}
    ).run()
    assert (sim.status, sim.error["step"]) == ("failed", "steps[0].do[0]#1")
    assert sim.step("steps[0].do[0]#0").status == "canceled"
    assert "steps[0].do[0]#2" not in sim.state.records


@pytest.mark.parametrize("parallel", [1, 2, 10])
@pytest.mark.parametrize("on_item_error", ["collect", "skip"])
def test_collect_and_skip_wait_for_all_the_others(parallel: int, on_item_error: str) -> None:
    sim = simulate(
        loop(item(), max_parallel=parallel, on_item_error=on_item_error),
        actions={"test.ok": odd_fails},
        event={"items": [0, 1, 2, 3, 4]},
        output="{{ steps.l }}",
    ).run()
    results = [result if isinstance(result, int) else result["error"]["type"] for result in sim.output]
    assert results == ([0, "bad_input", 2, "bad_input", 4] if on_item_error == "collect" else [0, 2, 4])


def test_steps_see_the_siblings_of_their_own_iteration() -> None:
    steps = [item("a"), do("b", **{"with": {"v": "{{ steps.a.v * 10 + index }}"}})]
    sim = simulate(
        loop(*steps, max_parallel=3), event={"items": [1, 2, 3]}, output="{{ steps.l.map(r, r.v) }}"
    ).run()
    assert sim.output == [10, 21, 32]


def test_nested_loops_see_their_own_and_the_outer_items() -> None:
    inner = {
        "id": "inner",
        "for_each": "{{ row.cells }}",
        "do": [do("c", **{"with": {"v": "{{ [row.name, string(item), string(index), steps.a.v] }}"}})],
    }
    outer = loop(item("a", "{{ row.name }}"), inner, **{"as": "row"}, max_parallel=2)
    rows = [{"name": "x", "cells": [1, 2]}, {"name": "y", "cells": [3]}]
    sim = simulate(outer, event={"items": rows}, output="{{ steps.l.map(r, r.map(c, c.v)) }}").run()
    assert sim.output == [[["x", "1", "0", "x"], ["x", "2", "1", "x"]], [["y", "3", "0", "y"]]]


def test_a_step_of_another_loop_is_out_of_sight() -> None:
    second = {"for_each": [7], "do": [do(**{"with": {"v": "{{ steps.a.v }}"}})]}
    sim = simulate(loop(item("a")), second, event={"items": [1]}).run()
    assert (sim.status, sim.error["type"]) == ("failed", "expression")
    sim = simulate(loop(item("a")), event={"items": [1]}, output="{{ steps.a }}").run()
    assert sim.status == "failed"


def test_a_catch_in_a_nested_loop_sees_the_error_of_its_own_item() -> None:
    bad = {**item(uses="test.bad"), "catch": [{"for_each": [1, 2], "do": [item(value="{{ error.step }}")]}]}
    sim = simulate(
        loop({"for_each": [1], "do": [bad]}), event={"items": [1, 2]}, actions={"test.bad": Fail("bad_input")}
    ).run()
    assert sim.status == "succeeded"
    last = "steps[0].do[0]#1.do[0]#0.catch[0].do[0]"
    assert sim.step("steps[0].do[0]#1.do[0]#0.catch[0].do[0]#1").output == {
        "v": "steps[0].do[0]#1.do[0]#0"
    }, last


def test_the_list_is_evaluated_once() -> None:
    grow = {"set": {"list": "{{ vars.list + [9] }}"}}
    sim = simulate(loop(grow, over="{{ vars.list }}"), vars={"list": [1, 2]}, output="{{ vars.list }}").run()
    assert sim.output == [1, 2, 9, 9]
