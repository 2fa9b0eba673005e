"""Running again with the same event, and going on with what failed."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Fail, Give, Hang, Lab, LabMaker, flow, job

from hookline.engine.engine import EngineError
from hookline.sdk import BadInput

NO = Fail(BadInput("no"))


def names(lab: Lab) -> str:
    return "".join(call.name for call in lab.outside.calls)


def test_a_replay_repeats_everything_with_the_same_event(lab: Lab) -> None:
    definition = flow(job("a"), job("b"), output="{{ trigger.x }}")
    run = lab.go(definition, {"x": 7})
    lab.end(run)
    again = lab.engine.replay_run(run).run_id
    assert again is not None
    assert lab.end(again) == "succeeded"
    document = lab.document(again)
    assert (document["output"], document["replay_of"], names(lab)) == (7, run, "abab")
    other = lab.engine.replay_run(run, data={"x": 8}).run_id
    assert other is not None
    lab.end(other)
    assert lab.document(other)["output"] == 8


@pytest.mark.parametrize(("version", "called"), [("original", "aoo"), ("latest", "aon")])
def test_a_replay_from_a_step_takes_the_others_over(lab: Lab, version: str, called: str) -> None:
    run = lab.go(flow(job("a"), job("o")))
    lab.end(run)
    lab.deploy(flow(job("a"), {**job("n"), "id": "o"}))
    again = lab.engine.replay_run(run, version=version, first_step="o").run_id
    assert again is not None
    assert lab.end(again) == "succeeded"
    assert names(lab) == called
    assert lab.step(again, "a")["output"] == {"value": "a"}


def test_a_replay_finds_steps_by_id_where_the_newest_version_has_moved_them(lab: Lab) -> None:
    run = lab.go(flow(job("a"), job("b"), job("c")))
    lab.end(run)
    value = {"uses": "transform", "with": {"was": "{{ steps.b.value }}"}, "id": "t"}
    lab.deploy(flow(job("x"), job("b"), job("a"), value, output="{{ steps.t.was }}"))
    again = lab.engine.replay_run(run, version="latest", first_step="t").run_id
    assert again is not None
    assert lab.end(again) == "succeeded"
    assert names(lab) == "abcx", "what the run has no outcome of is executed"
    assert lab.document(again)["output"] == "b"


def test_a_replay_takes_skips_and_variables_over(lab: Lab) -> None:
    steps = [
        {"set": {"n": 1}},
        {**job("s"), "when": "{{ vars.n == 2 }}"},
        {"set": {"n": "{{ vars.n + 10 }}"}},
        {"id": "t", "uses": "transform", "with": {"n": "{{ vars.n }}"}},
        {"set": {"n": 99}},
    ]
    run = lab.go(flow(*steps, vars={"n": 0, "m": 5}, output="{{ [steps.t.n, vars.n, vars.m] }}"))
    lab.end(run)
    again = lab.engine.replay_run(run, first_step="t").run_id
    assert again is not None
    assert lab.end(again) == "succeeded"
    assert lab.document(again)["output"] == lab.document(run)["output"] == [11, 99, 5]
    assert lab.step(again, "s")["status"] == "skipped"
    assert not lab.outside.calls


def test_a_replay_of_a_failed_run_begins_where_it_is_told(lab: Lab) -> None:
    lab.outside.script("b", NO)
    run = lab.go(flow(job("a"), job("b"), job("c")))
    assert lab.end(run) == "failed"
    again = lab.engine.replay_run(run, first_step="steps[1]").run_id
    assert again is not None
    assert lab.end(again) == "succeeded"
    assert names(lab) == "abbc"


def test_what_cannot_be_replayed(lab: Lab) -> None:
    inputs = {"type": "object", "properties": {"n": {"type": "integer"}}}
    loop = {"for_each": [1], "do": [job("inner")]}
    run = lab.go(flow(job("a"), loop, inputs=inputs), n=1)
    lab.end(run)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"first_step": "nothing"}, "R404"),
        ({"first_step": "inner"}, "R404"),
        ({"inputs": {"n": "x"}}, "R403"),
    ]
    for options, code in cases:
        with pytest.raises(EngineError) as caught:
            lab.engine.replay_run(run, **options)
        assert caught.value.code == code
    with pytest.raises(EngineError) as caught:
        lab.engine.replay_run("run_x")
    assert caught.value.code == "R405"


def test_a_misspelt_first_step_is_guessed(lab: Lab) -> None:
    run = lab.go(flow({**job("a"), "id": "done"}, {"if": True, "then": [{**job("b"), "id": "dines"}]}))
    lab.end(run)
    with pytest.raises(EngineError) as caught:
        lab.engine.replay_run(run, first_step="dne")
    assert caught.value.hint == 'did you mean "done"?'


# Resume -----------------------------------------------------------------------------------------


def test_a_resume_repeats_only_what_did_not_succeed(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("b", NO)
    run = lab.go(flow(job("a"), job("b"), job("c"), on_error=[job("e")]))
    assert lab.end(run) == "failed"
    lab = labs.again(lab, crash=True)
    lab.engine.resume(run, by="ada")
    lab.until(lambda: lab.status(run) == "succeeded")
    assert names(lab) == "abebc"
    assert lab.document(run)["error"] is None


def test_a_canceled_run_is_resumed(lab: Lab) -> None:
    lab.outside.script("b", Hang())
    run = lab.go(flow(job("a"), job("b")))
    lab.until(lambda: lab.outside.hanging("b"))
    lab.engine.cancel(run)
    assert lab.end(run) == "canceled"
    lab.engine.resume(run)
    lab.until(lambda: lab.status(run) == "succeeded")
    assert names(lab) == "abb"


def test_a_resume_goes_on_with_the_mended_definition(labs: LabMaker) -> None:
    lab = labs()
    broken = flow(job("a"), {"id": "t", "uses": "transform", "with": {"x": "{{ steps.a.nothing }}"}})
    run = lab.go(broken)
    assert lab.end(run) == "failed"
    fixed = flow(job("a"), {"id": "t", "uses": "transform", "with": {"x": "{{ steps.a.value }}"}})
    plan = lab.deploy(fixed)
    lab.engine.resume(run)
    lab.until(lambda: lab.kinds(run).count("run.finished") == 2)
    assert lab.status(run) == "failed", "it was resumed under its own version"
    lab.engine.resume(run, version="latest")
    lab.until(lambda: lab.status(run) == "succeeded")
    assert lab.document(run)["version"] == plan.version
    assert names(lab) == "a"
    lab = labs.again(lab, crash=True)
    assert lab.step(run, "t")["output"] == {"x": "a"}


def test_a_version_in_which_the_done_steps_have_moved_is_refused(lab: Lab) -> None:
    lab.outside.script("b", NO, NO)
    run = lab.go(flow(job("a"), job("b")))
    assert lab.end(run) == "failed"
    lab.deploy(flow(job("x"), job("a"), job("b")))
    with pytest.raises(EngineError) as caught:
        lab.engine.resume(run, version="latest")
    assert (caught.value.code, caught.value.status) == ("R303", 409)
    lab.deploy(flow(job("a"), job("x"), job("b")))
    lab.engine.resume(run, version="latest")
    lab.until(lambda: lab.kinds(run).count("run.finished") == 2)
    assert names(lab) == "abxb"


def test_a_history_that_no_version_knows_ends_the_run_and_says_so(lab: Lab) -> None:
    """The check above is passed by; the run itself must still come to an end."""
    lab.outside.script("b", NO)
    run = lab.go(flow(job("a"), {"id": "loop", "for_each": [1], "do": [job("b")]}))
    assert lab.end(run) == "failed"
    lab.deploy(flow(job("a")))
    lab.engine.requests.check_resumable = lambda run_id, version: None  # type: ignore[method-assign]
    lab.engine.resume(run, version="latest")
    lab.until(lambda: lab.kinds(run).count("run.finished") == 2)
    error = lab.document(run)["error"]
    assert (lab.status(run), error["code"]) == ("failed", "R303")
    assert not lab.engine.store.signals(run)


def test_what_cannot_be_resumed(lab: Lab) -> None:
    run = lab.go(flow(job("a")))
    lab.end(run)
    with pytest.raises(EngineError) as caught:
        lab.engine.resume(run)
    assert (caught.value.code, caught.value.status) == ("R410", 409)


def test_a_resume_asked_for_twice_happens_once(lab: Lab) -> None:
    lab.outside.script("a", NO, Give({"x": 1}))
    run = lab.go(flow(job("a")))
    assert lab.end(run) == "failed"
    told: list[Any] = []
    wake, lab.engine.runner.wake = lab.engine.runner.wake, told.append  # type: ignore[method-assign]
    lab.engine.resume(run)
    lab.engine.resume(run)
    lab.engine.runner.wake = wake  # type: ignore[method-assign]
    lab.engine.runner.deliver(lambda: wake(run))
    lab.until(lambda: lab.status(run) == "succeeded")
    assert names(lab) == "aa"
