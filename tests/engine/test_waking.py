"""Parked actions, callbacks and approvals: what wakes a step, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine_lab import Fail, Give, Hang, Lab, LabMaker, Wait, flow, job

from hookline.engine.engine import Busy, EngineError
from hookline.sdk import AuthenticationFailed


def token(lab: Lab, run: str, path: str = "steps[0]", attempt: int = 1) -> str:
    return lab.engine.tokens.token(run, path, attempt)


def call_back(lab: Lab, run: str, body: bytes = b"{}", **options: Any) -> bool:
    headers = options.pop("headers", {})
    return lab.engine.receive_callback(token(lab, run, **options), headers, body)


def test_a_callback_wakes_what_is_parked(lab: Lab) -> None:
    lab.outside.script("a", Wait(3600, {"job": 7}), Give({"done": True}))
    run = lab.go(flow(job("a")))
    lab.until_status(run, "waiting")
    assert lab.step(run, "a")["waiting_for"]["kind"] == "action"
    assert lab.engine.runner.open_runs == 0
    assert call_back(lab, run, b'{"x": 1}', headers={"webhook-id": "m1"})
    assert lab.end(run) == "succeeded"
    wake = lab.outside.of("a", "resume")[0].wake
    assert wake is not None
    assert (wake.kind, wake.data, wake.body, wake.headers) == (
        "callback",
        {"job": 7},
        b'{"x": 1}',
        {"webhook-id": "m1"},
    )
    assert lab.step(run, "a")["output"] == {"done": True}


def test_time_wakes_what_is_parked(lab: Lab) -> None:
    lab.outside.script("a", Wait(60, {"n": 1}), Wait(60, {"n": 2}), Give())
    run = lab.go(flow(job("a")))
    for n in (1, 2):
        lab.until_status(run, "waiting")
        lab.clock.advance(61)
        lab.until(lambda n=n: len(lab.outside.of("a", "resume")) == n)
    assert lab.end(run) == "succeeded"
    assert [call.data for call in lab.outside.of("a", "resume")] == [{"n": 1}, {"n": 2}]
    assert {call.wake.kind for call in lab.outside.of("a", "resume") if call.wake} == {"timer"}


def test_a_callback_that_is_faster_than_the_park_is_not_lost(lab: Lab) -> None:
    lab.outside.script("a", Hang(Wait(3600)), Give())
    run = lab.go(flow(job("a")))
    lab.until(lambda: lab.outside.hanging("a"))
    assert call_back(lab, run, b'"early"')
    lab.until(lambda: "callback.received steps[0]" in lab.kinds(run))
    lab.outside.release("a")
    assert lab.end(run) == "succeeded"
    assert [call.wake.body for call in lab.outside.of("a", "resume") if call.wake] == [b'"early"']


def test_a_duplicate_wakes_once(lab: Lab) -> None:
    """Senders repeat what they are not sure was heard, also after it has been acted upon."""
    lab.outside.script("a", Wait(3600), Wait(3600), Give())
    run = lab.go(flow(job("a")))
    lab.until_status(run, "waiting")
    for _ in range(3):
        call_back(lab, run, b'{"n": 1}')
        lab.until_idle()
    lab.until(lambda: len(lab.outside.of("a", "resume")) == 1)
    lab.until_status(run, "waiting")
    call_back(lab, run, b'{"n": 2}')
    assert lab.end(run) == "succeeded"
    assert len(lab.outside.of("a", "resume")) == 2


def test_a_callback_of_an_earlier_attempt_is_not_this_ones(lab: Lab) -> None:
    lab.outside.script("a", Wait(10), Fail(EXPIRED), Wait(3600), Give())
    run = lab.go(flow(job("a", retry={"max_attempts": 2, "delay": "1s", "on": ["authentication"]})))
    lab.until_status(run, "waiting")
    lab.clock.advance(11)
    lab.until(lambda: "attempt.failed steps[0]" in lab.kinds(run))
    lab.until_status(run, "waiting")
    lab.clock.advance(2)
    lab.until(lambda: len(lab.outside.of("a", "run")) == 2)
    lab.until_status(run, "waiting")
    call_back(lab, run, attempt=1)
    lab.until_idle()
    assert lab.status(run) == "waiting"
    call_back(lab, run, attempt=2)
    assert lab.end(run) == "succeeded"


EXPIRED = AuthenticationFailed("expired")


def test_callbacks_that_are_refused(lab: Lab) -> None:
    lab.outside.script("a", Wait(3600), Give())
    run = lab.go(flow(job("a")))
    lab.until_status(run, "waiting")
    good = token(lab, run)
    forged = ("x" + good[1:], good[:-2] + "xx", good.partition(".")[0] + ".", "nonsense", "ü.ü", "")
    for wrong in (*forged, token(lab, "run_other")):
        with pytest.raises(EngineError) as caught:
            lab.engine.receive_callback(wrong, {}, b"{}")
        assert (caught.value.code, caught.value.status) == ("R406", 404), wrong
    with pytest.raises(EngineError) as caught:
        call_back(lab, run, headers={"webhook-signature": "bad"})
    assert (caught.value.code, caught.value.status) == ("R409", 401)
    with pytest.raises(EngineError) as caught:
        call_back(lab, run, b"\xff")
    assert caught.value.code == "R408"
    lab.until_idle()
    assert lab.status(run) == "waiting"
    call_back(lab, run)
    assert lab.end(run) == "succeeded"
    with pytest.raises(EngineError) as caught:
        call_back(lab, run)
    assert (caught.value.code, caught.value.status) == ("R407", 410)


def test_a_sender_who_cannot_be_checked_now_comes_back_later(lab: Lab) -> None:
    """The vault connection is not configured, so its action cannot look."""
    run = lab.go(flow(job("a", "vault"), {"wait": {"for": "1h"}}))
    lab.end(run)
    waiting = lab.go(flow({"wait": {"for": "1h"}}, job("a", "vault"), name="other"))
    lab.until_status(waiting, "waiting")
    with pytest.raises(Busy):
        call_back(lab, waiting, path="steps[1]")


# The wait step ------------------------------------------------------------------------------------

CALLBACK = {"id": "w", "wait": {"callback": {}}, "timeout": "1h", "on_timeout": "fail"}


def test_a_wait_gives_the_callbacks_body(lab: Lab) -> None:
    run = lab.go(flow(CALLBACK, output="{{ steps.w }}"))
    lab.until_status(run, "waiting")
    call_back(lab, run, b'{"n": [1, 2]}', attempt=0)
    assert lab.end(run) == "succeeded"
    assert lab.document(run)["output"] == {"n": [1, 2]}


def test_a_callback_may_come_before_its_wait(lab: Lab) -> None:
    lab.outside.script("a", Hang())
    run = lab.go(flow(job("a"), CALLBACK, output="{{ steps.w }}"))
    lab.until(lambda: lab.outside.hanging("a"))
    call_back(lab, run, b'{"n": 1}', path="steps[1]", attempt=0)
    lab.until(lambda: "callback.received steps[1]" in lab.kinds(run))
    lab.outside.release("a")
    assert lab.end(run) == "succeeded"
    assert lab.document(run)["output"] == {"n": 1}


@pytest.mark.parametrize(("on_timeout", "status"), [("fail", "failed"), ("continue", "succeeded")])
def test_a_wait_that_nobody_answers(lab: Lab, on_timeout: str, status: str) -> None:
    run = lab.go(flow({**CALLBACK, "on_timeout": on_timeout}))
    lab.until_status(run, "waiting")
    lab.clock.advance(3601)
    assert lab.end(run) == status


def test_a_wait_takes_only_what_its_schema_allows(lab: Lab) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    run = lab.go(flow({**CALLBACK, "wait": {"callback": {"schema": schema}}}))
    lab.until_status(run, "waiting")
    for body in (b"", b"{}", b'{"n": "1"}', b"[", b'{"n": NaN}'):
        with pytest.raises(EngineError) as caught:
            call_back(lab, run, body, attempt=0)
        assert caught.value.code == "R408"
    call_back(lab, run, b'{"n": 1}', attempt=0)
    assert lab.end(run) == "succeeded"


@pytest.mark.parametrize(
    "body", [rb'"\ud800"', rb'{"\udc00": 1}', b'"\xe2\x82\xac"', b"1e999", b"not json", b""]
)
def test_any_body_can_be_stored(lab: Lab, body: bytes) -> None:
    """Half a surrogate pair is JSON, and no text that a database could hold."""
    run = lab.go(flow(CALLBACK))
    reader = lab.go(flow(CALLBACK, name="reader", output={"w": "{{ steps.w }}"}))
    for each in (run, reader):
        lab.until_status(each, "waiting")
        call_back(lab, each, body, attempt=0)
    assert lab.end(run) == "succeeded"
    assert lab.end(reader) == ("failed" if b"\\u" in body else "succeeded")
    json.dumps([lab.document(run), lab.document(reader), lab.history(reader)])


# Approvals ------------------------------------------------------------------------------------------


def approve(**options: Any) -> dict[str, Any]:
    step = {"id": "ok", "approve": {"who": ["operator"], "message": "Publish?"}}
    return {**step, "timeout": "1d", "on_timeout": "fail", **options}


def pending(lab: Lab) -> Any:
    lab.until(lambda: lab.engine.store.approvals("pending", 10, None).rows)
    return lab.engine.store.approvals("pending", 10, None).rows[0]


def test_an_approval_goes_through_the_engine(labs: LabMaker) -> None:
    lab = labs()
    run = lab.go(flow(approve(), job("a"), output="{{ steps.ok }}"))
    approval = pending(lab)
    assert (approval.run_id, approval.path, approval.data["message"]) == (run, "steps[0]", "Publish?")
    lab = labs.again(lab, crash=True)
    assert lab.engine.decide(approval.id, "approved", by="ada", comment="fine")
    assert lab.end(run) == "succeeded"
    output = lab.document(run)["output"]
    assert (output["decision"], output["by"], output["comment"]) == ("approved", "operator:ada", "fine")
    row = lab.engine.store.approval(approval.id)
    assert row is not None
    assert (row.status, row.decided_by) == ("approved", "operator:ada")


def test_a_second_decision_changes_nothing(lab: Lab) -> None:
    run = lab.go(flow(approve()))
    approval = pending(lab)
    lab.engine.decide(approval.id, "rejected", by="ada")
    assert lab.end(run) == "failed"
    with pytest.raises(EngineError) as caught:
        lab.engine.decide(approval.id, "approved", by="bob")
    assert (caught.value.code, caught.value.status) == ("R412", 409)
    assert lab.document(run)["error"]["type"] == "rejected"


def test_the_operator_is_one_person_whatever_the_name(lab: Lab) -> None:
    run = lab.go(flow(approve(approve={"who": ["operator", "bob"], "quorum": 2, "message": "?"})))
    approval = pending(lab)
    assert lab.engine.decide(approval.id, "approved", by="ada")
    lab.until_idle()
    assert not lab.engine.decide(approval.id, "approved", by="bob")
    lab.until_idle()
    assert lab.status(run) == "waiting"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, "failed"),
        ({"on_timeout": "reject"}, "failed"),
        ({"on_timeout": "reject", "on_reject": "continue"}, "succeeded"),
    ],
)
def test_no_answer_is_never_yes(lab: Lab, options: dict[str, Any], status: str) -> None:
    run = lab.go(flow(approve(**options), output="{{ steps.ok }}"))
    approval = pending(lab)
    lab.clock.advance(86401)
    assert lab.end(run) == status
    if status == "succeeded":
        assert lab.document(run)["output"]["decision"] == "rejected"
    row = lab.engine.store.approval(approval.id)
    assert row is not None
    assert row.status in ("expired", "rejected")


def test_what_cannot_be_decided(lab: Lab) -> None:
    lab.go(flow(approve()))
    approval = pending(lab)
    for id_, decision, code in (("apr_x", "approved", "R411"), (approval.id, "maybe", "R413")):
        with pytest.raises(EngineError) as caught:
            lab.engine.decide(id_, decision, by="ada")
        assert caught.value.code == code


def test_an_approval_needs_a_form_that_fits(lab: Lab) -> None:
    form = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
    step = {
        "approve": {"who": ["operator"], "form": form},
        "timeout": "1h",
        "on_timeout": "reject",
    }
    run = lab.go(flow(step))
    lab.until_status(run, "waiting")
    (approval,) = lab.engine.store.approvals("pending", 9, None).rows
    with pytest.raises(EngineError) as wrong:
        lab.engine.decide(approval.id, "approved", by="ann", form={"amount": "much"})
    assert wrong.value.code == "R416"
    assert lab.status(run) == "waiting"
    lab.engine.decide(approval.id, "approved", by="ann", form={"amount": 3})
    assert lab.end(run) == "succeeded"
    assert lab.step(run, "steps[0]")["output"]["form"] == {"amount": 3}
