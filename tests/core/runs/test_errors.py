"""Retry, catch, finally, on_error and time-outs."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hookline.core import events as ev

from .simulator import START, Call, Fail, Outcome, Park, Simulator, Succeed, do, simulate

Json = Any
BAD = do("bad", "test.bad")
ACTIONS = {"test.bad": Fail("bad_input")}


def tell(text: str = "{{ error.type }}") -> Json:
    return do(uses="test.tell", **{"with": {"m": text}})


def told(sim: Simulator) -> list[str]:
    return [call.input["m"] for call in sim.calls if call.uses == "test.tell"]


def delays(sim: Simulator) -> list[float]:
    starts = [entry.at for entry in sim.history if entry.event.kind == "step.started"]
    return [later - earlier for earlier, later in itertools.pairwise(starts)]


def test_what_the_component_calls_harmless_is_tried_again_without_being_asked() -> None:
    outcome = Fail("unavailable", retry_on=("unavailable", "rate_limited"))
    sim = simulate(BAD, actions={"test.bad": [outcome, outcome, Succeed(1)]}).run()
    assert (sim.status, sim.step("steps[0]").attempt) == ("succeeded", 3)


@pytest.mark.parametrize("retry", [None, {"max_attempts": 5}])
@pytest.mark.parametrize("type_", ["bad_input", "unavailable", "timeout"])
def test_what_the_component_does_not_call_harmless_is_not_tried_again(retry: Json, type_: str) -> None:
    step = {**BAD, "retry": retry} if retry else BAD
    assert len(simulate(step, actions={"test.bad": Fail(type_)}).run().calls) == 1


def test_the_workflow_may_name_the_errors() -> None:
    step = {**BAD, "retry": {"max_attempts": 4, "on": ["bad_input"]}}
    assert len(simulate(step, actions=ACTIONS).run().calls) == 4


def test_pauses_grow_up_to_the_longest_with_a_jitter_that_is_always_the_same() -> None:
    retry = {"max_attempts": 6, "delay": "2s", "backoff": 3, "max_delay": "20s", "on": ["bad_input"]}
    first, second = (simulate({**BAD, "retry": retry}, actions=ACTIONS).run() for _ in range(2))
    assert delays(first) == delays(second)
    for pause, least in zip(delays(first), [2, 6, 18, 20, 20], strict=True):
        assert least <= pause <= least * 1.2
    assert len(set(delays(first)[3:])) == 2, "the jitter differs by attempt"


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(30, 30, 30), (0.5, 1, 1.2), (-5, 1, 1.2), (1e11, 3600, 3600)]
)
def test_what_the_service_asks_for_is_respected_up_to_an_hour(
    asked: float, least: float, most: float
) -> None:
    step = {**BAD, "retry": {"max_attempts": 2, "on": ["rate_limited"]}, "timeout": "1d"}
    sim = simulate(step, actions={"test.bad": Fail("rate_limited", retry_after=asked)}).run()
    assert least <= delays(sim)[0] <= most


def test_a_crash_does_not_begin_the_attempts_anew() -> None:
    step = {**BAD, "retry": {"max_attempts": 3, "on": ["bad_input"]}}
    sim = simulate(step, actions=ACTIONS).start()
    for _ in range(3):
        sim.crash()
        sim.settle()
        sim.crash()
        sim.advance(10)
    assert (sim.status, sim.step("steps[0]").attempt, len(sim.calls)) == ("failed", 3, 3)


def test_a_late_result_of_an_attempt_that_has_failed_changes_nothing() -> None:
    step = {**BAD, "retry": {"max_attempts": 3, "on": ["bad_input"]}}
    sim = simulate(step, actions={"test.bad": [Fail("bad_input", cost=1.0), Succeed(1)]}).start()
    sim.settle()
    failed = sim.kinds("attempt.failed")[0]
    sim.record(failed, failed)
    sim.decide()
    assert sim.state.cost == 1.0
    assert len(sim.kinds("step.retrying")) == 1


def test_a_result_that_is_delivered_twice_counts_once() -> None:
    sim = simulate(do("a"), do("b")).start()
    done = ev.StepSucceeded("steps[0]", "steps[0]", 1, cost=0.5)
    sim.record(done, done)
    sim.decide()
    assert (sim.state.cost, list(sim.state.executing)) == (0.5, ["steps[1]"])


def test_the_timeout_is_for_all_attempts_together() -> None:
    retry = {"max_attempts": 100, "delay": "10s", "backoff": 1, "on": ["bad_input", "timeout"]}
    sim = simulate({**BAD, "retry": retry, "timeout": "60s"}, actions=ACTIONS).run()
    assert sim.status == "failed"
    assert sim.now < START + 60
    assert {event.deadline for event in sim.kinds("step.started")} == {START + 60}  # type: ignore[union-attr]


def test_a_container_that_is_tried_again_begins_anew_and_counts_on() -> None:
    def play(call: Call) -> Outcome:
        return (
            Fail("unavailable") if call.attempt == 1 and call.path.endswith("[1]") else Succeed(call.attempt)
        )

    step = {
        "id": "c",
        "if": True,
        "then": [do("a"), do("b")],
        "retry": {"max_attempts": 2, "delay": "1s"},
    }
    sim = simulate(step, actions={"test.ok": play}, output="{{ [steps.a, steps.b] }}").run()
    assert sim.output == [2, 2]
    assert sim.executed() == ["steps[0].then[0]", "steps[0].then[1]"] * 2


@pytest.mark.parametrize("word", ["for_each", "parallel", "while"])
def test_each_container_can_be_tried_again(word: str) -> None:
    step = {
        "for_each": {"for_each": [1, 2], "max_parallel": 2, "do": [BAD]},
        "parallel": {"parallel": {"a": [BAD], "b": [do(uses="test.slow")]}},
        "while": {"while": "{{ index < 1 }}", "max_iterations": 1, "do": [BAD]},
    }[word]

    def play(call: Call) -> Outcome:
        return Fail("unavailable") if call.attempt == 1 else Succeed(1)

    actions = {"test.bad": play, "test.slow": Park(5)}
    sim = simulate({**step, "retry": {"max_attempts": 2, "delay": "1s"}}, actions=actions).start()
    sim.settle()
    sim.crash()
    sim.advance(2)
    assert [path for path in sim.state.records if path.startswith("steps[0].")]
    actions["test.slow"] = Succeed(1)
    assert sim.run().status == "succeeded"


def test_catch_sees_the_error_and_its_output_is_the_step_s() -> None:
    step = {**BAD, "catch": [tell(), do(**{"with": {"v": "{{ error.message }}"}})]}
    sim = simulate(step, do(), actions=ACTIONS, output="{{ steps.bad }}").run()
    assert (sim.output, told(sim)) == ({"v": "test.bad failed"}, ["bad_input"])
    assert sim.step("steps[0]").caught is not None


def test_a_catch_that_fails_fails_the_step_with_its_own_error() -> None:
    sim = simulate({**BAD, "catch": [{"if": "{{ 1 }}", "then": [do()]}]}, actions=ACTIONS).run()
    assert (sim.error["code"], sim.error["step"]) == ("R207", "steps[0].catch[0]")


def test_a_catch_within_a_catch_sees_the_nearer_error() -> None:
    inner = {"if": "{{ 1 }}", "then": [do()], "catch": [tell()]}
    sim = simulate({**BAD, "catch": [inner, tell()]}, actions=ACTIONS).run()
    assert told(sim) == ["expression", "bad_input"]


def test_errors_in_expressions_can_be_caught() -> None:
    step = {**do(**{"with": {"v": "{{ trigger.x }}"}}), "catch": [tell()]}
    assert told(simulate(step, event={}).run()) == ["expression"]


def test_a_container_catches_what_its_steps_do_not() -> None:
    step = {"if": True, "then": [BAD, do()], "catch": [tell("{{ error.step }}")]}
    sim = simulate(step, actions=ACTIONS).run()
    assert (sim.status, told(sim)) == ("succeeded", ["steps[0].then[0]"])


@pytest.mark.parametrize("uses", ["test.ok", "test.bad"])
def test_finally_runs_whatever_happened(uses: str) -> None:
    sim = simulate({**do(uses=uses), "finally": [tell("cleaned")]}, actions=ACTIONS).run()
    assert told(sim) == ["cleaned"]
    assert sim.status == ("succeeded" if uses == "test.ok" else "failed")


def test_finally_runs_behind_catch() -> None:
    sim = simulate({**BAD, "catch": [tell("caught")], "finally": [tell("cleaned")]}, actions=ACTIONS).run()
    assert (told(sim), sim.status) == (["caught", "cleaned"], "succeeded")


def test_a_finally_that_fails_spoils_a_success() -> None:
    sim = simulate({**do(), "finally": [BAD]}, do(), actions=ACTIONS).run()
    assert (sim.status, sim.error["step"]) == ("failed", "steps[0].finally[0]")
    assert "steps[1]" not in sim.state.records


def test_a_finally_that_fails_does_not_hide_why_the_step_failed() -> None:
    sim = simulate(
        {**do(uses="test.worse"), "finally": [BAD]}, actions={**ACTIONS, "test.worse": Fail("not_found")}
    )
    assert sim.run().error["type"] == "not_found"


def test_on_error_then_finally_of_the_run() -> None:
    sim = simulate(BAD, actions=ACTIONS, on_error=[tell()], **{"finally": [tell("{{ error.step }}")]}).run()
    assert (sim.status, told(sim)) == ("failed", ["bad_input", "steps[0]"])
    sim = simulate(do(), on_error=[tell()], **{"finally": [tell("end")]}).run()
    assert (sim.status, told(sim)) == ("succeeded", ["end"])


def test_a_failing_on_error_keeps_the_first_error() -> None:
    sim = simulate(BAD, actions=ACTIONS, on_error=[tell("{{ error.nothing }}")], **{"finally": [tell("end")]})
    assert (sim.run().error["type"], told(sim)) == ("bad_input", ["end"])


def test_a_failing_finally_of_the_run_spoils_a_success_only() -> None:
    sim = simulate(do(), actions=ACTIONS, output=1, **{"finally": [BAD]}).run()
    assert (sim.status, sim.error["step"], sim.output) == ("failed", "finally[0]", None)
    sim = simulate(
        do(uses="test.worse"), actions={**ACTIONS, "test.worse": Fail("not_found")}, **{"finally": [BAD]}
    )
    assert sim.run().error["type"] == "not_found"


@pytest.mark.parametrize("word", ["if", "for_each", "parallel", "while"])
def test_the_timeout_of_a_container_stops_what_is_below(word: str) -> None:
    inside = [{**do(uses="test.slow"), "finally": [tell("cleaned")]}, do()]
    step = {
        "if": {"if": True, "then": inside},
        "for_each": {"for_each": [1, 2], "do": inside},
        "parallel": {"parallel": {"a": inside}},
        "while": {"while": True, "max_iterations": 2, "do": inside},
    }[word]
    sim = simulate({**step, "timeout": "1m"}, actions={"test.slow": Park()}).run()
    assert (sim.error["code"], sim.now, told(sim)) == ("R205", START + 60, ["cleaned"])
    assert [call.uses for call in sim.calls] == ["test.slow", "test.tell"]


@pytest.mark.parametrize("word", ["for_each", "parallel"])
def test_a_timeout_at_the_very_moment_the_last_part_ends(word: str) -> None:
    step = {"for_each": {"for_each": [1], "do": [do()]}, "parallel": {"parallel": {"a": [do()]}}}[word]
    sim = simulate({**step, "timeout": "1m"}).start()
    path = next(iter(sim.waiting_calls))
    sim.waiting_calls.clear()
    sim.record(ev.StepSucceeded(path, path, 1), ev.TimerFired("steps[0]", START + 60))
    sim.decide()
    assert (sim.status, sim.error["code"]) == ("failed", "R205")


def test_the_timeout_of_the_run_is_an_error_that_on_error_sees() -> None:
    sim = simulate(
        {"wait": {"for": "1h"}},
        limits={"timeout": "10m"},
        on_error=[tell("{{ error.code }}")],
        **{"finally": [tell("end")]},
    ).run()
    assert (sim.error["type"], sim.error["code"], sim.now) == ("timeout", "R103", START + 600)
    assert told(sim) == ["R103", "end"]


def test_the_timeout_of_the_run_does_not_touch_its_cleaning_up() -> None:
    sim = simulate(do(), limits={"timeout": "10m"}, **{"finally": [{"wait": {"for": "1h"}}]}).run()
    assert (sim.status, sim.now) == ("succeeded", START + 3600)
