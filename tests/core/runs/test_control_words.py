"""Each control word does what the format says."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.core import events as ev

from .simulator import Fail, Park, Succeed, do, simulate

Json = Any


def ok(id_: str | None = None, **value: Json) -> Json:
    return do(id_, **{"with": value})


@pytest.mark.parametrize(("flag", "taken"), [(True, "then"), (False, "else")])
def test_if_runs_one_of_its_lists(flag: bool, taken: str) -> None:
    step = {"id": "c", "if": "{{ trigger.flag }}", "then": [ok(x="then")], "else": [ok(x="else")]}
    sim = simulate(step, event={"flag": flag}, output="{{ steps.c }}").run()
    assert sim.output == {"x": taken}
    assert sim.executed() == [f"steps[0].{taken}[0]"]


def test_if_without_else_gives_null_and_goes_on() -> None:
    sim = simulate({"id": "c", "if": False, "then": [ok()]}, ok(), output="{{ steps.c }}").run()
    assert (sim.status, sim.output) == ("succeeded", None)
    assert sim.executed() == ["steps[1]"]


@pytest.mark.parametrize("word", ["if", "while", "when"])
@pytest.mark.parametrize("value", ["{{ 1 }}", "{{ 'true' }}", "{{ null }}", "{{ [] }}"])
def test_only_true_and_false_are_conditions(word: str, value: str) -> None:
    step = {
        "if": {"if": value, "then": [ok()]},
        "while": {"while": value, "max_iterations": 2, "do": [ok()]},
        "when": {**ok(), "when": value},
    }[word]
    sim = simulate(step).run()
    assert (sim.status, sim.error["type"], sim.error["code"]) == ("failed", "expression", "R207")
    assert sim.executed() == []


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("a", "cases[0]"),
        ("b c", "cases[1]"),
        (1, "cases[2]"),
        (1.0, "cases[2]"),
        (True, "cases[3]"),
        ("z", "default"),
        (None, "default"),
    ],
)
def test_switch_compares_as_text(value: Json, taken: str) -> None:
    cases = {"a": [ok()], "b c": [ok()], "1": [ok()], "true": [ok()]}
    step = {"switch": "{{ trigger.v }}", "cases": cases, "default": [ok()]}
    sim = simulate(step, event={"v": value}).run()
    assert sim.executed() == [f"steps[0].{taken}[0]"]


def test_switch_without_default_runs_nothing() -> None:
    sim = simulate({"switch": "z", "cases": {"a": [ok()]}}).run()
    assert (sim.status, sim.executed()) == ("succeeded", [])


def test_parallel_has_one_result_per_branch_whatever_ends_first() -> None:
    branches = {"b": [do(uses="test.slow")], "a": [ok(x=1)], "none": []}
    sim = simulate(
        {"id": "p", "parallel": branches},
        actions={"test.slow": [Park(5), Succeed("slow")]},
        output="{{ steps.p }}",
    ).run()
    assert sim.output == {"b": "slow", "a": {"x": 1}, "none": None}


def test_parallel_of_empty_branches_is_done_at_once() -> None:
    sim = simulate({"id": "p", "parallel": {"a": [], "b": []}}, output="{{ steps.p }}").run()
    assert sim.output == {"a": None, "b": None}


def test_a_failed_branch_stops_the_others_and_the_step_has_its_error() -> None:
    branches = {"a": [do(uses="test.slow"), ok()], "b": [do(uses="test.bad")], "c": [{"wait": {"for": "1h"}}]}
    sim = simulate({"parallel": branches}, actions={"test.bad": Fail("bad_input"), "test.slow": Park()}).run()
    assert sim.error["step"] == "steps[0].parallel.b[0]"
    assert sim.step("steps[0].parallel.a[0]").status == "canceled"
    assert sim.step("steps[0].parallel.c[0]").status == "canceled"
    assert "steps[0].parallel.a[1]" not in sim.state.records


def test_an_error_of_type_canceled_is_a_failure_like_any_other() -> None:
    branches = {"a": [do(uses="test.bad")], "b": [do(uses="test.slow")]}
    sim = simulate({"parallel": branches}, actions={"test.bad": Fail("canceled"), "test.slow": Park()}).run()
    assert (sim.status, sim.error["type"]) == ("failed", "canceled")


def test_while_sees_its_index_and_gives_the_last_result() -> None:
    step = {"id": "w", "while": "{{ index < 3 }}", "max_iterations": 3, "do": [ok(n="{{ index }}")]}
    sim = simulate(step, output="{{ steps.w }}").run()
    assert sim.output == {"n": 2}


def test_while_sees_what_its_steps_set() -> None:
    step = {
        "while": "{{ vars.n < 4 }}",
        "max_iterations": 9,
        "do": [{"set": {"n": "{{ vars.n * 2 }}"}}],
    }
    sim = simulate(step, vars={"n": 1}, output="{{ vars.n }}").run()
    assert sim.output == 4


def test_while_that_is_false_at_once_gives_null() -> None:
    sim = simulate(
        {"id": "w", "while": False, "max_iterations": 1, "do": [ok()]}, output="{{ steps.w }}"
    ).run()
    assert (sim.output, sim.executed()) == (None, [])


def test_while_that_runs_out_of_iterations_fails() -> None:
    sim = simulate({"while": True, "max_iterations": 3, "do": [ok()]}).run()
    assert (sim.status, sim.error["code"], len(sim.calls)) == ("failed", "R206", 3)


def test_set_changes_variables_and_gives_the_values() -> None:
    sim = simulate(
        {"id": "s", "set": {"a": "{{ vars.a + 1 }}", "b": 2}},
        vars={"a": 1},
        output="{{ [vars.a, steps.s.b] }}",
    ).run()
    assert sim.output == [2, 2]


def test_first_values_of_variables_may_be_expressions() -> None:
    assert (
        simulate(ok(), event={"a": 3}, vars={"x": "{{ trigger.a }}"}, output="{{ vars.x }}").run().output == 3
    )


def test_a_first_value_that_fails_fails_the_run_which_says_so() -> None:
    sim = simulate(
        ok(),
        event={},
        vars={"x": "{{ trigger.a }}"},
        on_error=[do(uses="test.tell", **{"with": {"m": "{{ error.message }}"}})],
    ).run()
    assert sim.status == "failed"
    assert sim.executed() == ["on_error[0]"]
    assert sim.calls[0].input["m"].startswith("vars: ")


def test_the_first_respond_is_the_answer() -> None:
    first = {"respond": {"status": 201, "headers": {"n": 1, "ok": True}, "body": {"a": "{{ trigger.a }}"}}}
    sim = simulate(first, {"respond": {"body": "late"}}, event={"a": 1}).run()
    response = sim.state.response
    assert response is not None
    assert (response.status, response.headers, response.body) == (201, {"n": "1", "ok": "true"}, {"a": 1})


@pytest.mark.parametrize("status", [99, 600, "x", None, True, 2.5])
def test_respond_needs_an_http_status(status: Json) -> None:
    sim = simulate({"respond": {"status": "{{ trigger.s }}"}}, event={"s": status}).run()
    assert sim.error["code"] == "R208"


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_stop_ends_the_run_with_its_status(status: str) -> None:
    sim = simulate(
        {"stop": {"status": status, "reason": "{{ trigger.why }}"}},
        ok(),
        event={"why": "enough"},
        on_error=[ok()],
        **{"finally": [ok()]},
    ).run()
    assert sim.status == status
    assert sim.state.finished is not None
    assert sim.state.finished.reason == "enough"
    assert sim.executed() == (["on_error[0]"] if status == "failed" else []) + ["finally[0]"]


def test_a_failing_stop_is_the_error_that_on_error_sees() -> None:
    tell = do(uses="test.tell", **{"with": {"m": "{{ error.message }}"}})
    sim = simulate({"stop": {"status": "failed", "reason": "no luck"}}, on_error=[tell]).run()
    assert sim.calls[0].input == {"m": "no luck"}
    assert (sim.error["type"], sim.error["code"]) == ("stopped", "R101")


@pytest.mark.parametrize("word", ["parallel", "for_each"])
def test_stop_stops_what_runs_beside_it(word: str) -> None:
    inside = {"if": "{{ index == 1 }}", "then": [{"stop": "enough"}], "else": [do(uses="test.slow")]}
    step = {
        "parallel": {"parallel": {"a": [do(uses="test.slow"), ok()], "b": [{"stop": "enough"}, ok()]}},
        "for_each": {"for_each": [1, 2, 3], "max_parallel": 2, "do": [inside, ok()]},
    }[word]
    sim = simulate(step, ok(), actions={"test.slow": Park()}).run()
    assert sim.status == "succeeded"
    assert sim.executed() == []
    assert {record.status for path, record in sim.state.records.items() if path.count("[") == 1} == {
        "canceled"
    }


def test_stop_in_cleaning_up_does_not_change_how_the_run_ended() -> None:
    sim = simulate(
        do(uses="test.bad"), actions={"test.bad": Fail("bad_input")}, on_error=[{"stop": "fine"}]
    ).run()
    assert (sim.status, sim.error["type"]) == ("failed", "bad_input")
    sim = simulate(ok(), **{"finally": [{"stop": {"status": "failed"}}]}).run()
    assert sim.status == "succeeded"


def test_a_skipped_step_has_no_output_and_no_finally() -> None:
    sim = simulate(
        {**ok("a"), "when": False, "finally": [ok()]}, ok("b", x=1), output="{{ has(steps.a) }}"
    ).run()
    assert sim.output is False
    assert sim.statuses() == {"steps[0]": "skipped", "steps[1]": "succeeded"}


def test_a_list_gives_the_output_of_the_last_step_that_was_not_skipped() -> None:
    step = {"id": "c", "if": True, "then": [ok(x=1), {**ok(x=2), "when": False}]}
    assert simulate(step, output="{{ steps.c }}").run().output == {"x": 1}


@pytest.mark.parametrize("value", ["{{ steps.a.missing }}", "{{ trigger.missing }}", "{{ vars.missing }}"])
def test_what_is_missing_at_run_time_is_an_error_and_not_null(value: str) -> None:
    sim = simulate(ok("a", x=1), do(**{"with": {"v": value}}), event={}).run()
    assert (sim.status, sim.error["type"], sim.error["step"]) == ("failed", "expression", "steps[1]")
    assert sim.executed() == ["steps[0]"]


def test_the_output_of_a_step_that_did_not_run_is_missing() -> None:
    step = {"if": False, "then": [ok("a", x=1)]}
    assert simulate(step, do(**{"with": {"v": "{{ steps.a }}"}})).run().error["type"] == "expression"


def test_an_output_that_cannot_be_made_fails_the_run() -> None:
    sim = simulate(ok(), event={}, output={"x": "{{ trigger.missing }}"}, on_error=[ok()]).run()
    assert sim.status == "failed"
    assert sim.error["message"].startswith("output: ")
    assert sim.executed() == ["steps[0]", "on_error[0]"]


def test_what_a_run_knows_of_itself() -> None:
    sim = simulate(
        do(uses="test.paid"),
        actions={"test.paid": Succeed(1, cost=0.25)},
        output="{{ [run.id, run.workflow, run.cost_usd, run.created_at] }}",
    ).run()
    assert sim.output == ["run_1", "test", 0.25, "1970-01-12T13:46:40.000Z"]


def test_a_run_needs_no_steps_of_its_own_to_be_queued() -> None:
    sim = simulate(ok()).create()
    assert (sim.status, sim.state.ready) == ("queued", {})
    sim.record(ev.RunStarted("", sim.now))
    assert sim.run().status == "succeeded"
