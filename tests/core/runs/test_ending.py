"""Cancel, crash, resume and replay."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from hookline.core import events as ev
from hookline.core.records import RunState
from hookline.core.state import evolve

from .simulator import START, Call, Fail, Outcome, Park, Simulator, Succeed, do, simulate

Json = Any


class Once:
    """Fails the first time for the paths named, then succeeds with its path; counts successes."""

    def __init__(self, *failing: str) -> None:
        self.failing = set(failing)
        self.done: Counter[str] = Counter()

    def __call__(self, call: Call) -> Outcome:
        if call.path in self.failing:
            self.failing.discard(call.path)
            return Fail("bad_input")
        self.done[call.path] += 1
        return Succeed(call.path)


def nested() -> Json:
    return {
        "id": "outer",
        "for_each": [1, 2, 3],
        "max_parallel": 3,
        "do": [
            do("a"),
            {"id": "p", "parallel": {"x": [do(), do()], "y": [{"if": True, "then": [do(), do()]}]}},
            do("c"),
        ],
    }


# Cancel -----------------------------------------------------------------------------------------


def test_a_queued_run_is_canceled_without_having_begun() -> None:
    sim = simulate(do(), **{"finally": [do()]}).create()
    sim.cancel("not needed")
    assert (sim.status, sim.executed()) == ("canceled", [])
    assert sim.state.finished is not None
    assert sim.state.finished.reason == "not needed"


def test_a_run_that_may_not_begin_fails_with_the_error_given() -> None:
    sim = simulate(do()).create()
    sim.cancel(
        "quarantined", {"type": "internal", "code": "R300", "message": "it kills", "hint": "", "step": ""}
    )
    assert (sim.status, sim.error["code"]) == ("failed", "R300")


def test_cancel_stops_what_is_open_and_cleans_up() -> None:
    step = {**do(uses="test.slow"), "finally": [do("f1")], "catch": [do("never")]}
    outer = {"if": True, "then": [step, do()], "finally": [do("f2")]}
    sim = simulate(
        outer, do(), actions={"test.slow": Park()}, on_error=[do()], **{"finally": [do("f3")]}
    ).start()
    sim.settle()
    sim.cancel("enough")
    sim.settle()
    assert sim.status == "canceled"
    assert sim.executed()[1:] == ["steps[0].then[0].finally[0]", "steps[0].finally[0]", "finally[0]"]
    assert sim.state.finished is not None
    assert sim.state.finished.reason == "enough"


def test_what_an_attempt_says_after_it_was_canceled_changes_nothing() -> None:
    sim = simulate(do()).start()
    sim.cancel()
    sim.record(ev.StepSucceeded("steps[0]", "steps[0]", 1))
    sim.decide()
    assert (sim.status, sim.step("steps[0]").status) == ("canceled", "canceled")


def test_cancel_with_an_error_is_a_failure_that_on_error_sees() -> None:
    error = {"type": "internal", "code": "R300", "message": "it kills", "hint": "", "step": ""}
    tell = do(uses="test.tell", **{"with": {"m": "{{ error.message }}"}})
    sim = simulate({"wait": {"for": "1h"}}, on_error=[tell]).start()
    sim.cancel("quarantined", error)
    sim.settle()
    assert (sim.status, sim.error) == ("failed", error)
    assert sim.calls[0].input == {"m": "it kills"}


@pytest.mark.parametrize("where", ["on_error", "finally"])
def test_cleaning_up_cannot_be_canceled(where: str) -> None:
    more = {where: [{"wait": {"for": "1m"}}, do()]}
    sim = simulate(do(uses="test.bad"), actions={"test.bad": Fail("bad_input")}, **more).start()
    sim.settle()
    sim.cancel()
    assert sim.status == "waiting"
    sim.run()
    assert (sim.status, sim.executed()[-1]) == ("failed", f"{where}[1]")


@pytest.mark.parametrize("facts", ["cancel first", "result first"])
def test_cancel_at_the_moment_the_last_step_ends(facts: str) -> None:
    sim = simulate(do()).start()
    sim.waiting_calls.clear()
    both = [ev.StepSucceeded("steps[0]", "steps[0]", 1), ev.CancelRequested("", "enough")]
    sim.record(*(both if facts == "result first" else reversed(both)))
    sim.decide()
    assert sim.state.finished is not None
    # The order in which both were recorded decides, not that in which they are looked at.
    assert sim.status == ("succeeded" if facts == "result first" else "canceled")


@pytest.mark.parametrize("after", range(12))
def test_cancel_at_any_moment_ends_the_run(after: int) -> None:
    sim = simulate(nested(), actions={"test.ok": Succeed(1)}, **{"finally": [do()]}).start()
    for _ in range(after):
        sim.execute(next(iter(sim.waiting_calls)))
        sim.decide()
    sim.cancel()
    sim.settle()
    assert sim.status == "canceled"
    assert sim.executed()[after:] == ["finally[0]"]
    sim.check()


# Crash ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", range(18))
def test_a_crash_at_any_moment_repeats_only_what_was_executed(after: int) -> None:
    play = Once()
    sim = simulate(nested(), actions={"test.ok": play}, output="{{ steps.outer }}").start()
    for _ in range(after):
        sim.execute(next(iter(sim.waiting_calls)))
        sim.decide()
    executing = set(sim.state.executing)
    sim.crash()
    assert set(sim.waiting_calls) == executing
    sim.run()
    assert sim.status == "succeeded"
    assert set(play.done.values()) == {1}
    assert sim.state.interruptions == len(executing)


def test_an_attempt_that_is_executed_again_finds_its_notes() -> None:
    sim = simulate(do()).start()
    sim.record(ev.StepNoted("steps[0]", 1, {"id": 7}), ev.StepNoted("steps[0]", 2, {"id": 8}))
    sim.crash()
    sim.settle()
    assert (sim.calls[0].attempt, sim.calls[0].notes) == (1, {"id": 7})


def test_a_history_of_a_newer_version_is_refused() -> None:
    with pytest.raises(ValueError, match="newer version"):
        ev.from_record("step.teleported", "steps[0]", {})


@pytest.mark.parametrize("what", ["cancel", "timeout"])
def test_a_run_that_stops_itself_at_the_moment_it_is_canceled_ends_once(what: str) -> None:
    cleaning = {**do(uses="test.long"), "finally": [{"wait": {"for": "1m"}}]}
    step = {"parallel": {"a": [do(), {"stop": "enough"}], "b": [cleaning]}}
    sim = simulate(step, actions={"test.long": Park()}, limits={"timeout": "1h"}).start()
    path = "steps[0].parallel.a[0]"
    sim.execute("steps[0].parallel.b[0]")
    sim.record(ev.StepSucceeded(path, path, 1))
    if what == "cancel":
        sim.record(ev.CancelRequested("", "not needed"))
    else:
        sim.now += 3600
        sim.record(ev.TimerFired("", sim.now))
    sim.decide()
    assert (sim.status, sim.kinds("cancel.ordered")) == ("waiting", [])
    sim.run()
    assert sim.status == "succeeded"
    assert sim.state.finished is not None
    assert sim.state.finished.reason == "enough"


# Resume -----------------------------------------------------------------------------------------


def test_resume_repeats_the_step_that_failed_and_no_other() -> None:
    play = Once("steps[1]")
    sim = simulate(do(), do(), do(), actions={"test.ok": play}).run()
    assert sim.status == "failed"
    sim.resume()
    sim.run()
    assert (sim.status, play.done) == ("succeeded", {"steps[0]": 1, "steps[1]": 1, "steps[2]": 1})
    assert sim.step("steps[1]").attempt == 2


FIRST = ["steps[0].do[0]#1", "steps[0].do[1]#0.parallel.x[1]", "steps[0].do[1]#2.parallel.y[0].then[1]"]


@pytest.mark.parametrize("failing", [*FIRST, "steps[0].do[2]#2"])
@pytest.mark.parametrize("crash", [False, True])
def test_resume_finds_what_broke_off_however_deep(failing: str, crash: bool) -> None:
    play = Once(failing)
    sim = simulate(nested(), do(), actions={"test.ok": play}, output="{{ steps.outer }}").run()
    assert (sim.status, sim.error["step"]) == ("failed", failing)
    done = dict(play.done)
    sim.resume()
    if crash:
        sim.crash()
    sim.run()
    assert sim.status == "succeeded"
    assert set(play.done.values()) == {1}, "a finished step was executed again"
    assert done.items() <= play.done.items()
    assert sim.output == [f"steps[0].do[2]#{index}" for index in range(3)]


@pytest.mark.parametrize("after", range(18))
def test_resume_goes_on_after_a_cancel_at_any_moment(after: int) -> None:
    play = Once()
    sim = simulate(nested(), actions={"test.ok": play}, output="{{ steps.outer }}").start()
    for _ in range(after):
        sim.execute(next(iter(sim.waiting_calls)))
        sim.decide()
    sim.cancel()
    sim.settle()
    sim.resume()
    sim.run()
    assert sim.status == "succeeded"
    assert set(play.done.values()) == {1}
    assert sim.output == [f"steps[0].do[2]#{index}" for index in range(3)]


def test_resume_of_a_loop_that_was_stopped_between_two_items() -> None:
    play = Once()
    sim = simulate({"for_each": [1, 2, 3], "do": [do()]}, actions={"test.ok": play}).start()
    sim.waiting_calls.clear()
    sim.record(ev.CancelRequested("", "enough"))
    path = "steps[0].do[0]#0"
    play.done[path] += 1
    sim.record(ev.StepSucceeded(path, path, 1))
    sim.decide()
    assert sim.status == "canceled"
    sim.resume()
    sim.run()
    assert set(play.done.values()) == {1}


def test_resume_of_a_loop_does_not_repeat_the_items_that_succeeded() -> None:
    play = Once(*(f"steps[0].do[0]#{index}" for index in range(0, 10, 3)))
    step = {"id": "l", "for_each": list(range(10)), "do": [do()]}
    sim = simulate(step, actions={"test.ok": play}, output="{{ steps.l }}").run()
    for _ in range(4):
        assert sim.status == "failed"
        sim.resume()
        sim.run()
    assert set(play.done.values()) == {1}
    assert sim.output == [f"steps[0].do[0]#{index}" for index in range(10)]


@pytest.mark.parametrize("on_item_error", ["collect", "skip"])
def test_resume_of_a_loop_that_tolerates_errors_asks_nobody_twice(on_item_error: str) -> None:
    ask = {"approve": {"who": ["ann"]}, "timeout": "1h", "on_timeout": "reject"}
    step = {"id": "l", "for_each": list(range(4)), "max_parallel": 2, "on_item_error": on_item_error}
    sim = simulate({**step, "do": [ask, do()]}, output="{{ steps.l }}").start()
    items = [f"steps[0].do[0]#{index}" for index in range(4)]
    sim.approve(items[0], decision="rejected")
    assert sim.open_steps() == items[1:3]
    sim.cancel()
    sim.resume()
    assert sim.open_steps() == items[1:3], "as many as max_parallel, and not the one that was rejected"
    assert sim.step(items[0]).status == "failed"
    for index in (1, 2, 3):
        sim.approve(items[index])
        sim.settle()
    assert sim.status == "succeeded"
    assert len(sim.output) == (4 if on_item_error == "collect" else 3)
    if on_item_error == "collect":
        assert sim.output[0]["error"]["type"] == "rejected"
    sim.check()


@pytest.mark.parametrize("on_item_error", ["fail", "collect", "skip"])
def test_a_loop_of_many_errors_is_resumed_with_as_many_items_as_before(on_item_error: str) -> None:
    def play(call: Call) -> Outcome:
        index = int(call.path.partition("#")[2])
        return Fail("bad_input") if index < 6 and on_item_error != "fail" else Park()

    step = {"for_each": list(range(9)), "max_parallel": 2, "on_item_error": on_item_error, "do": [do()]}
    sim = simulate(step, actions={"test.ok": play}).start()
    sim.settle()
    for _ in range(3):
        loop = sim.step("steps[0]").loop
        assert loop is not None
        opened = set(loop.open)
        assert len(opened) == 2
        sim.cancel()
        sim.resume()
        sim.settle()
        assert set(sim.open_steps()) == {f"steps[0].do[0]#{index}" for index in opened}
    assert len(sim.calls) == (8 if on_item_error == "fail" else 14)


def test_resume_begins_a_container_anew_that_failed_by_itself() -> None:
    play = Once()
    step = {
        "while": "{{ vars.n < 5 }}",
        "max_iterations": 3,
        "do": [do(), {"set": {"n": "{{ vars.n + 1 }}"}}],
    }
    sim = simulate(step, vars={"n": 0}, actions={"test.ok": play}).run()
    assert sim.error["code"] == "R206"
    sim.resume()
    sim.run()
    assert sim.status == "succeeded"
    assert sim.step("steps[0].do[0]#0").attempt == 2
    assert sim.step("steps[0]").attempt == 2


def test_resume_of_a_spoiled_step_repeats_only_its_finally() -> None:
    play = Once("steps[0].finally[0]")
    sim = simulate({**do(), "finally": [do()]}, do(), actions={"test.ok": play}).run()
    assert sim.status == "failed"
    sim.resume()
    sim.run()
    assert (sim.status, set(play.done.values())) == ("succeeded", {1})


def test_resume_after_the_output_failed_or_the_finally_of_the_run() -> None:
    play = Once("finally[0]")
    sim = simulate(do(), actions={"test.ok": play}, **{"finally": [do()]}).run()
    assert sim.error["step"] == "finally[0]"
    sim.resume()
    sim.run()
    assert (sim.status, play.done) == ("succeeded", {"steps[0]": 1, "finally[0]": 1})


def test_resume_under_a_version_in_which_the_step_is_right() -> None:
    play = Once()
    wrong, right = ({"v": "{{ steps.a.missing }}"}, {"v": "{{ steps.a }}"})
    sim = simulate(
        do("a"), do("b", **{"with": wrong}), actions={"test.ok": play}, output="{{ steps.b }}"
    ).run()
    assert sim.error["type"] == "expression"
    fixed = simulate(do("a"), do("b", **{"with": right}), output="{{ steps.b }}").plan
    sim.resume(fixed)
    sim.run()
    assert (sim.status, sim.state.version) == ("succeeded", fixed.version)
    assert play.done == {"steps[0]": 1, "steps[1]": 1}
    assert sim.calls[-1].input == {"v": "steps[0]"}


def test_resume_of_a_run_that_was_canceled_before_its_first_step() -> None:
    sim = simulate(do(), vars={"n": 1}, output="{{ vars.n }}").create()
    sim.record(ev.RunStarted("", START), ev.CancelRequested("", "enough"))
    sim.decide()
    assert sim.status == "canceled"
    sim.resume()
    sim.run()
    assert (sim.status, sim.output, len(sim.calls)) == ("succeeded", 1, 1)


def test_a_run_that_succeeded_or_goes_on_cannot_be_resumed() -> None:
    sim = simulate(do()).start()
    sim.resume()
    assert sim.status == "running"
    sim.run()
    sim.resume()
    assert sim.status == "succeeded"


def test_resume_twice_is_resume_once() -> None:
    play = Once("steps[0]")
    sim = simulate(do(), actions={"test.ok": play}).run()
    sim.record(*[ev.RunResumed("", sim.plan.version, sim.now)] * 2)
    sim.decide()
    sim.run()
    assert (sim.status, play.done) == ("succeeded", {"steps[0]": 1})


# Replay -----------------------------------------------------------------------------------------


def replayed(sim: Simulator, kept: int, play: Once) -> Simulator:
    """The run again, its first steps copied."""
    again = Simulator(sim.plan, {"test.ok": play}, sim.trigger).create(replay_of="run_1")
    state = RunState()
    for entry in sim.history:
        evolve(state, entry.event, entry.at)
    for index in range(kept):
        record = state.records[f"steps[{index}]"]
        again.record(ev.StepCopied(record.path, record.output, record.status, state.vars))
    again.record(ev.RunStarted("", again.now))
    again.decide()
    return again


@pytest.mark.parametrize("kept", range(6))
def test_a_replay_begins_behind_the_steps_it_copies(kept: int) -> None:
    steps = [
        do("a"),
        {**do("b"), "when": False},
        {"set": {"n": 5}},
        {**do("c"), "finally": [do()]},
        do("d", **{"with": {"v": "{{ [steps.a, vars.n] }}"}}),
    ]
    sim = simulate(
        *steps, vars={"n": 1}, output="{{ [steps.a, steps.c, steps.d, vars.n] }}", actions={"test.ok": Once()}
    )
    sim.run()
    play = Once()
    again = replayed(sim, kept, play).run()
    assert again.output == sim.output
    assert set(again.executed()) == {path for path in sim.executed() if int(path[6]) >= kept}
    assert again.state.replay_of == "run_1"


@pytest.mark.parametrize("how", ["run", "branch"])
def test_what_cleans_up_is_not_stopped(how: str) -> None:
    cleaning = {**do(), "finally": [{"wait": {"for": "1m"}}, do("cleaned")]}
    step = {"parallel": {"a": [cleaning, do()], "b": [do(uses="test.bad")]}}
    sim = simulate(step, actions={"test.bad": [Park(5), Fail("bad_input")]}).start()
    sim.settle()
    if how == "run":
        sim.cancel()
    sim.run()
    assert sim.status == ("canceled" if how == "run" else "failed")
    assert sim.step("steps[0].parallel.a[0].finally[1]").status == "succeeded"
    assert "steps[0].parallel.a[1]" not in sim.state.records
