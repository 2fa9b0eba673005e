"""Who may decide, how they are asked, and what becomes of decisions that meet."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from engine_lab import Fail, Hang, Lab, LabMaker, flow, job

from hookline.core.document import read
from hookline.core.lint import check
from hookline.engine.errors import EngineError
from hookline.engine.people import People
from hookline.engine.runner import CACHED_RUNS
from hookline.engine.settings import SettingsError
from hookline.sdk import BadInput, HookRefused, HookRequest, OutcomeUnknown, Unavailable
from hookline.store.port import Approval

PEOPLE = """
[people.anna]
name = "Anna Berg"
roles = ["editor"]
pager = "p-anna"

[people.bob]
name = "Bob"
roles = ["editor", "boss"]
pager = "p-bob"

[people.carl]
roles = ["boss"]
pager = "p-carl"
"""

HOUR = 3600.0
DAY = 86400.0


@pytest.fixture
def labs(labs: LabMaker) -> LabMaker:
    (labs.folder / "hookline.toml").write_text(PEOPLE)
    return labs


@pytest.fixture
def lab(labs: LabMaker) -> Lab:
    return labs()


def asks(**options: Any) -> dict[str, Any]:
    """A workflow that asks."""
    step = {"who": ["role:editor"], "message": "Publish?", "via": [{"connection": "pager"}]}
    ending = {key: options.pop(key) for key in ("on_reject", "retry", "catch") if key in options}
    approve = {"id": "ok", "approve": {**step, **options}, "timeout": "7d", "on_timeout": "reject", **ending}
    return flow(approve, job("a"), output="{{ steps.ok }}")


def approval(lab: Lab) -> Approval:
    """The one open approval, once everybody was asked."""
    lab.until_idle()
    lab.until(lambda: [each.status for each in lab.engine.store.approvals("pending", 10, None).rows])
    (row,) = lab.engine.store.approvals("pending", 10, None).rows
    lab.until_status(row.run_id, "waiting")
    found = lab.engine.store.approval(row.id)
    assert found is not None
    return found


def token_of(lab: Lab, person: str, number: int = -1) -> str:
    """The newest secret that somebody was sent."""
    mine = [each for each in lab.outside.questions if each.to == f"p-{person}"]
    return mine[number].token


def refused(call: Any, *arguments: Any, **named: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        call(*arguments, **named)
    return caught.value


# Who ------------------------------------------------------------------------------------------------


def test_everybody_who_may_decide_is_sent_a_link_of_their_own(lab: Lab) -> None:
    run = lab.go(asks(show={"text": "hello"}))
    row = approval(lab)
    assert sorted(each.to for each in lab.outside.questions) == ["p-anna", "p-bob"]
    assert len({each.token for each in lab.outside.questions}) == 2
    for question in lab.outside.questions:
        assert question.link == f"{lab.engine.base_url}/decide/{question.token}"
        assert (question.title, question.show, question.reason) == ("Publish?", {"text": "hello"}, "first")
        assert question.due_at == datetime.fromtimestamp(row.due_at or 0, UTC)
    assert lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "approved", comment="fine")
    assert lab.end(run) == "succeeded"
    output = lab.document(run)["output"]
    assert (output["by"], output["name"], output["comment"]) == ("anna", "Anna Berg", "fine")
    (entry,) = [each for each in lab.history(run) if each["kind"] == "approval.decided"]
    assert (entry["data"]["person"], entry["data"]["via"]) == ("anna", "link")
    assert entry["data"]["seen"] == row.data["sha256"]


def test_only_hashes_of_secrets_are_on_disk(lab: Lab) -> None:
    lab.go(asks())
    approval(lab)
    content = lab.database_bytes()
    for question in lab.outside.questions:
        _, _, secret = question.token.partition(".")
        assert len(secret) >= 43, "256 random bits"
        assert secret.encode() not in content


@pytest.mark.parametrize("token", ["", ".", "apr_x.secret", "{id}.", "{id}.wrong", "{id}"])
def test_another_secret_is_nobodys(lab: Lab, token: str) -> None:
    lab.go(asks())
    wrong = token.format(id=approval(lab).id)
    assert refused(lab.engine.approvals.seat, wrong).code == "R440"
    assert refused(lab.engine.approvals.decide_by_link, wrong, "approved").status == 404


def test_the_secret_of_one_approval_is_none_of_another(lab: Lab) -> None:
    lab.go(asks())
    first = approval(lab)
    lab.begin("flow")
    lab.until_idle()
    other = next(row for row in lab.engine.store.approvals("pending", 9, None).rows if row.id != first.id)
    secret = next(each.token for each in lab.outside.questions if each.approval == first.id).partition(".")[2]
    assert refused(lab.engine.approvals.seat, f"{other.id}.{secret}").code == "R440"


def test_the_operator_decides_only_where_that_is_allowed(lab: Lab) -> None:
    run = lab.go(asks())
    row = approval(lab)
    error = refused(lab.engine.decide, row.id, "approved", by="anna")
    assert (error.code, error.status) == ("R441", 403)
    assert lab.status(run) == "waiting"
    both = lab.go(asks(who=["anna", "operator"]))
    lab.until_idle()
    row = next(each for each in lab.engine.store.approvals("pending", 9, None).rows if each.run_id == both)
    assert lab.engine.decide(row.id, "approved", by="anna")
    assert lab.end(both) == "succeeded"
    output = lab.document(both)["output"]
    assert output["by"] == "operator:anna", "the operator cannot pass for a person"


def test_the_requester_is_not_asked_and_may_not_decide(lab: Lab) -> None:
    definition = asks(who=["role:editor", "operator"], requester="{{ trigger.by }}")
    lab.go(definition, {"by": "P-ANNA"})
    row = approval(lab)
    assert [each.to for each in lab.outside.questions] == ["p-bob"]
    assert refused(lab.engine.decide, row.id, "approved", by="p-anna").code == "R444"
    assert lab.engine.decide(row.id, "approved", by="somebody else")


def test_a_person_who_is_not_declared_any_more_decides_nothing(labs: LabMaker) -> None:
    lab = labs()
    lab.go(asks())
    approval(lab)
    token = token_of(lab, "anna")
    (labs.folder / "hookline.toml").write_text(PEOPLE.replace("[people.anna]", "[people.anja]"))
    lab = labs.again(lab)
    assert refused(lab.engine.approvals.decide_by_link, token, "approved").code == "R440"
    assert lab.engine.approvals.decide_by_link(token_of(lab, "bob"), "approved")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"who": ["nobody"]}, "nobody means nobody"),
        ({"who": ["role:none"]}, "role:none means nobody"),
        ({"who": ["anna"], "quorum": 2}, "1 person may decide, and 2 must approve"),
        ({"who": ["anna"], "requester": "anna"}, "no people may decide"),
    ],
)
def test_what_could_never_be_approved_fails_at_once(lab: Lab, options: dict[str, Any], message: str) -> None:
    run = lab.go(asks(**options))
    assert lab.end(run) == "failed"
    error = lab.document(run)["error"]
    assert (error["type"], error["code"]) == ("bad_input", "R216")
    assert message in error["message"]
    assert not lab.outside.questions
    assert [row.status for row in lab.engine.store.approvals(None, 9, None).rows] == ["canceled"]


def test_a_group_is_looked_up_and_kept_with_the_approval(lab: Lab) -> None:
    lab.outside.groups["desk"] = ["p-bob", "p-eve"]
    lab.outside.script("members desk", Fail(Unavailable("down")))
    run = lab.go(asks(who=["pager:desk"], quorum=2))
    lab.until(lambda: any(call.name == "members desk" for call in lab.outside.calls))
    lab.clock.advance(5)
    row = approval(lab)
    assert set(row.data["people"]) == {"bob", "pager:p-eve"}, "bob is declared, eve is only a member"
    lab.outside.groups["desk"] = []
    token = next(each.token for each in lab.outside.questions if each.to == "p-eve")
    assert lab.engine.approvals.decide_by_link(token, "approved")
    assert lab.engine.approvals.decide_by_link(token_of(lab, "bob"), "approved")
    assert lab.end(run) == "succeeded"
    assert [each["by"] for each in lab.document(run)["output"]["decisions"]] == ["pager:p-eve", "bob"]


def test_a_group_that_cannot_be_looked_up_is_shown_and_the_others_are_asked(lab: Lab) -> None:
    lab.outside.script("members desk", Fail(BadInput("no such group")))
    run = lab.go(asks(who=["pager:desk", "anna"]))
    row = approval(lab)
    assert row.data["problems"] == ["pager:desk could not be looked up: no such group"]
    assert lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "approved")
    assert lab.end(run) == "succeeded"


# Deciding -------------------------------------------------------------------------------------------


def test_nobody_decides_twice_and_a_quorum_counts_people(lab: Lab) -> None:
    run = lab.go(asks(quorum=2))
    approval(lab)
    decide = lab.engine.approvals.decide_by_link
    assert decide(token_of(lab, "anna"), "approved")
    assert not decide(token_of(lab, "anna"), "approved"), "before the run has taken it in"
    lab.until_idle()
    assert not decide(token_of(lab, "anna"), "rejected"), "and afterwards"
    seat = lab.engine.approvals.seat(token_of(lab, "anna"))
    assert (seat.decision, seat.may_decide) == ("approved", False)
    assert lab.status(run) == "waiting"
    assert decide(token_of(lab, "bob"), "approved")
    assert lab.end(run) == "succeeded"
    assert [each["by"] for each in lab.document(run)["output"]["decisions"]] == ["anna", "bob"]


@pytest.mark.parametrize(("needed", "status"), [(1, "failed"), (2, "waiting")])
def test_how_many_rejections_reject_can_be_said(lab: Lab, needed: int, status: str) -> None:
    run = lab.go(asks(reject_quorum=needed))
    row = approval(lab)
    assert lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "rejected")
    lab.until_status(run, status)
    if needed == 2:
        assert lab.engine.approvals.decide_by_link(token_of(lab, "bob"), "rejected")
        assert lab.end(run) == "failed"
    found = lab.engine.store.approval(row.id)
    assert found is not None
    assert found.status == "rejected"


def test_of_two_opposite_decisions_at_the_same_moment_one_counts_and_both_are_told(lab: Lab) -> None:
    """Neither run nor row has heard of the first when the second comes."""
    for number in range(10):
        run = lab.go(asks(on_reject="continue"), number)
        row = approval(lab)
        start, told = threading.Barrier(2), dict[str, Any]()

        def press(person: str, decision: str, start: Any = start, told: Any = told) -> None:
            start.wait()
            try:
                told[person] = lab.engine.approvals.decide_by_link(token_of(lab, person), decision)
            except EngineError as error:
                told[person] = error

        threads = [
            threading.Thread(target=press, args=each) for each in (("anna", "approved"), ("bob", "rejected"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert lab.end(run) == "succeeded"
        output = lab.document(run)["output"]
        winner, loser = ("anna", "bob") if output["decision"] == "approved" else ("bob", "anna")
        assert output["by"] == winner
        assert told[winner] is True
        assert (told[loser].code, told[loser].status) == ("R412", 409)
        assert told[loser].message == f"this is decided: {output['decision']} by {winner}"
        found = lab.engine.store.approval(row.id)
        assert found is not None
        assert (found.status, found.decided_by) == (output["decision"], winner)
        assert lab.kinds(run).count("step.succeeded steps[0]") == 1


def test_a_decision_on_an_earlier_attempt_does_not_count_for_the_next(lab: Lab) -> None:
    run = lab.go(asks(quorum=1, retry={"max_attempts": 2, "delay": "1s", "on": ["rejected"]}))
    approval(lab)
    old = token_of(lab, "bob")
    assert lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "rejected")
    lab.until_idle()
    lab.clock.advance(5)
    lab.until(lambda: len(lab.outside.questions) == 4)
    assert refused(lab.engine.approvals.decide_by_link, old, "approved").code == "R412"
    lab.until_status(run, "waiting")
    assert lab.engine.approvals.decide_by_link(token_of(lab, "bob"), "approved")
    assert lab.end(run) == "succeeded"


def test_what_was_seen_is_what_is_decided(lab: Lab) -> None:
    lab.go(asks(show="{{ trigger }}"), "one thing")
    row = approval(lab)
    decide = lab.engine.approvals.decide_by_link
    assert refused(decide, token_of(lab, "anna"), "approved", seen="0" * 64).code == "R443"
    assert decide(token_of(lab, "anna"), "approved", seen=row.data["sha256"])


def test_a_decision_made_in_time_counts_when_the_engine_hears_of_it_late(labs: LabMaker) -> None:
    lab = labs()
    run = lab.go(asks())
    approval(lab)
    token = token_of(lab, "anna")
    lab.stop()
    idle = labs.again(lab, recover=False)
    assert idle.engine.approvals.decide_by_link(token, "approved")
    labs.clock.advance(8 * DAY)
    lab = labs.again(idle)
    assert lab.end(run) == "succeeded"


# Asking ---------------------------------------------------------------------------------------------


def test_one_place_for_all_has_one_message_and_says_nothing_of_anybodys_link(lab: Lab) -> None:
    lab.go(asks(via=[{"connection": "pager", "to": "{{ trigger }}"}]), "#desk")
    approval(lab)
    (question,) = lab.outside.questions
    assert (question.to, question.link, question.is_private) == ("#desk", "", False)
    assert refused(lab.engine.approvals.seat, question.token).code == "R440", "it names nobody"
    assert lab.engine.approvals.decide_at(question.token, "pager", "pager", "p-anna", "approved")


def test_an_address_that_was_not_asked_decides_nothing(lab: Lab) -> None:
    lab.go(asks(via=[{"connection": "pager", "to": "#desk"}]))
    approval(lab)
    (question,) = lab.outside.questions
    decide = lab.engine.approvals.decide_at
    assert refused(decide, question.token, "pager", "pager", "p-carl", "approved").code == "R442"
    assert refused(decide, question.token, "pager", "pager", "p-stranger", "approved").code == "R442"
    assert refused(decide, question.token, "other", "pager", "p-anna", "approved").code == "R440"


def test_a_private_message_is_answered_by_its_reader_only(lab: Lab) -> None:
    lab.go(asks())
    approval(lab)
    decide = lab.engine.approvals.decide_at
    assert refused(decide, token_of(lab, "anna"), "pager", "pager", "p-bob", "approved").code == "R442"
    assert decide(token_of(lab, "anna"), "pager", "pager", "p-anna", "approved")


def answer(lab: Lab, **body: Any) -> bytes:
    given = json.dumps({"signature": "good", **body}).encode()
    request = HookRequest("POST", "pager", {}, {}, given, datetime.fromtimestamp(lab.clock(), UTC))
    return lab.engine.receive_answer("pager", request).body


def test_answers_are_verified_counted_and_told(lab: Lab) -> None:
    run = lab.go(asks(via=[{"connection": "pager", "to": "#desk"}]))
    approval(lab)
    token = lab.outside.questions[0].token
    with pytest.raises(HookRefused):
        answer(lab, token=token, who="p-anna", decision="approved", signature="forged")
    assert answer(lab, token=token, who="p-carl", decision="approved") == b"taken"
    lab.until(lambda: len(lab.outside.answered) == 1)
    assert lab.outside.answered == [("p-carl", "You are not among those who were asked", "")]
    assert lab.status(run) == "waiting"
    answer(lab, token=token, who="p-anna", decision="rejected")
    answer(lab, token=token, who="p-anna", decision="rejected")
    answer(lab, token=token, who="p-bob", decision="approved")
    assert lab.end(run) == "failed"
    lab.until(lambda: len(lab.outside.answered) == 3)
    assert {(who, text) for who, text, _ in lab.outside.answered[1:]} == {
        ("p-anna", "You have decided on this before."),
        ("p-bob", "This is decided: rejected by anna"),
    }


def test_whoever_must_fill_in_a_form_is_given_a_link(lab: Lab) -> None:
    form = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    run = lab.go(asks(via=[{"connection": "pager", "to": "#desk"}], form=form))
    approval(lab)
    token = lab.outside.questions[0].token
    answer(lab, token=token, who="p-anna", decision="form")
    lab.until(lambda: lab.outside.answered)
    who, _, link = lab.outside.answered[0]
    assert who == "p-anna"
    own = link.removeprefix(f"{lab.engine.base_url}/decide/")
    seat = lab.engine.approvals.seat(own)
    assert (seat.person.id, seat.may_decide) == ("anna", True)
    assert refused(lab.engine.approvals.decide_by_link, own, "approved", form={"n": "x"}).code == "R416"
    assert lab.engine.approvals.decide_by_link(own, "approved", form={"n": 3})
    assert lab.end(run) == "succeeded"
    assert lab.document(run)["output"]["form"] == {"n": 3}


def test_reminders_go_to_those_who_have_not_decided(lab: Lab) -> None:
    run = lab.go(asks(quorum=2, remind="4h"))
    approval(lab)
    lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "approved")
    lab.until_idle()
    lab.clock.advance(4 * HOUR + 1)
    lab.until(lambda: len(lab.outside.questions) == 3)
    reminder = lab.outside.questions[-1]
    assert (reminder.to, reminder.reason) == ("p-bob", "reminder")
    assert reminder.previous is not None
    lab.until_idle()
    lab.clock.advance(4 * HOUR)
    lab.until(lambda: len(lab.outside.questions) == 4)
    lab.until_idle()
    # The first link is as good as the newest one.
    assert lab.engine.approvals.decide_by_link(token_of(lab, "bob", 0), "approved")
    assert lab.end(run) == "succeeded"
    lab.clock.advance(DAY)
    lab.until_idle()
    assert len(lab.outside.questions) == 4, "nobody is reminded of what is decided"


def test_reminders_survive_a_restart_and_those_that_were_missed_are_one(labs: LabMaker) -> None:
    lab = labs()
    lab.go(asks(who=["anna"], remind=["1h", "2h", "3h", "6d"]))
    approval(lab)
    lab.stop()
    labs.clock.advance(3 * HOUR + 1)
    lab = labs.again(lab)
    lab.until(lambda: len(lab.outside.questions) == 2)
    lab.until_idle()
    labs.clock.advance(6 * DAY)
    lab.until(lambda: len(lab.outside.questions) == 3)
    lab.until_idle()
    assert [each.reason for each in lab.outside.questions] == ["first", "reminder", "reminder"]


def test_an_escalation_asks_further_people_who_may_decide_then(lab: Lab) -> None:
    run = lab.go(asks(who=["anna"], escalate={"after": "1d", "to": ["role:boss"]}))
    row = approval(lab)
    assert [each.to for each in lab.outside.questions] == ["p-anna"]
    lab.clock.advance(DAY + 1)
    lab.until(lambda: len(lab.outside.questions) == 4)
    lab.until_idle()
    assert {each.to for each in lab.outside.questions[1:]} == {"p-anna", "p-bob", "p-carl"}
    assert {each.reason for each in lab.outside.questions[1:]} == {"escalation"}
    found = lab.engine.store.approval(row.id)
    assert found is not None
    assert found.data["who"] == ["anna", "role:boss"]
    lab.clock.advance(DAY)
    lab.until_idle()
    assert len(lab.outside.questions) == 4, "once"
    assert lab.engine.approvals.decide_by_link(token_of(lab, "carl"), "approved")
    assert lab.end(run) == "succeeded"


def test_what_nobody_decides_ends_as_it_says_and_everybody_is_told(lab: Lab) -> None:
    run = lab.go(asks(remind="5d"))
    row = approval(lab)
    lab.clock.advance(5 * DAY + 1)
    lab.until(lambda: len(lab.outside.questions) == 4)
    lab.until_idle()
    lab.clock.advance(2 * DAY)
    assert lab.end(run) == "failed"
    assert lab.document(run)["error"]["code"] == "R204"
    assert {each.outcome for each in lab.outside.ended} == {"expired"}
    assert len(lab.outside.ended) == 4
    found = lab.engine.store.approval(row.id)
    assert found is not None
    assert (found.status, found.decided_by) == ("expired", None)


def test_messages_are_brought_up_to_date_before_the_run_goes_on(lab: Lab) -> None:
    run = lab.go(asks())
    row = approval(lab)
    lab.outside.script("end p-bob", Hang())
    lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "approved", comment="nice")
    lab.until(lambda: any(call.name == "end p-bob" for call in lab.outside.calls))
    found = lab.engine.store.approval(row.id)
    assert found is not None
    assert (found.status, found.decided_by) == ("approved", "anna"), "it is final at once"
    assert refused(lab.engine.approvals.decide_by_link, token_of(lab, "bob"), "rejected").code == "R412"
    lab.outside.release("end p-bob")
    assert lab.end(run) == "succeeded"
    assert {(each.to, each.outcome, each.by, each.comment) for each in lab.outside.ended} == {
        ("p-anna", "approved", "Anna Berg", "nice"),
        ("p-bob", "approved", "Anna Berg", "nice"),
    }


def test_a_message_that_cannot_be_updated_holds_nobody_up(lab: Lab) -> None:
    run = lab.go(asks())
    row = approval(lab)
    lab.outside.script("end p-bob", Fail(Unavailable("down")))
    lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "approved")
    assert lab.end(run) == "succeeded"
    found = lab.engine.store.approval(row.id)
    assert found is not None
    assert "not brought up to date: down" in found.data["told"]["1/pager/bob"]["error"]


def test_a_canceled_run_takes_its_questions_back(lab: Lab) -> None:
    run = lab.go(asks())
    approval(lab)
    lab.engine.cancel(run)
    assert lab.end(run) == "canceled"
    lab.until(lambda: len(lab.outside.ended) == 2)
    assert {each.outcome for each in lab.outside.ended} == {"canceled"}


# Failures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("no such pager"), "failed"),
        (OutcomeUnknown("lost"), "unknown"),
        (RuntimeError("x"), "failed"),
    ],
)
def test_who_cannot_be_reached_is_shown_and_loses_nothing(lab: Lab, error: Exception, status: str) -> None:
    lab.outside.script("ask p-anna", Fail(error))
    run = lab.go(asks(remind="1h"))
    row = approval(lab)
    told = row.data["told"]["1/pager/anna"]
    assert (told["status"], row.data["told"]["1/pager/bob"]["status"]) == (status, "sent")
    assert told["error"]
    lab.clock.advance(HOUR + 1)
    lab.until(lambda: any(each.to == "p-anna" for each in lab.outside.questions))
    lab.until_idle()
    assert lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "approved")
    assert lab.end(run) == "succeeded"


def test_what_certainly_was_not_sent_is_tried_again(lab: Lab) -> None:
    lab.outside.script("ask p-anna", Fail(Unavailable("busy", retry_after=7)))
    lab.go(asks(who=["anna"]))
    lab.until(lambda: any(call.name == "ask p-anna" for call in lab.outside.calls))
    assert not lab.outside.questions
    lab.clock.advance(7.5)
    row = approval(lab)
    assert row.data["told"]["1/pager/anna"]["status"] == "sent"


def test_decided_before_it_was_sent(lab: Lab) -> None:
    lab.outside.script("ask p-bob", Hang())
    run = lab.go(asks(who=["role:editor", "operator"]))
    lab.until(lambda: any(each.to == "p-anna" for each in lab.outside.questions))
    (row,) = lab.engine.store.approvals("pending", 9, None).rows
    assert lab.engine.decide(row.id, "approved", by="op")
    lab.until(lambda: lab.engine.store.approval(row.id).status == "approved")  # type: ignore[union-attr]
    lab.outside.release("ask p-bob")
    assert lab.end(run) == "succeeded"
    assert {each.to for each in lab.outside.ended} == {"p-anna", "p-bob"}, "what got out is updated as well"


def test_nobody_is_told_of_an_end_that_is_not_on_disk(lab: Lab) -> None:
    lab.outside.script("ask p-bob", Hang())
    run = lab.go(asks(who=["role:editor", "operator"]))
    lab.until(lambda: any(each.to == "p-anna" for each in lab.outside.questions))
    (row,) = lab.engine.store.approvals("pending", 9, None).rows
    engine: Any = lab.engine
    store, runner = engine.store, engine.runner
    submit, wake, held = store.submit, runner.wake, []
    # The decision is stored, and heard of in the very moment in which the last message is out.
    runner.wake = lambda run_id: None
    assert engine.decide(row.id, "approved", by="op")

    def holding(unit: Any, done: Any) -> None:
        body = getattr(getattr(unit, "chunk", None), "body", "")
        if held or '"approval.settled"' in body:
            held.append((unit, done))
        elif '"approval.noted"' in body:
            submit(unit, lambda answer: runner.deliver(lambda: (done(answer), runner.deliver(hear))))
        else:
            submit(unit, done)

    def hear() -> None:
        wake(run)

    store.submit = holding
    lab.outside.release("ask p-bob")
    lab.until(lambda: held, "the end on its way to the disk")
    for _ in range(20):
        engine._call(lambda: None)
    assert lab.outside.ended == []
    runner.wake, store.submit = wake, submit
    for unit, done in held:
        submit(unit, done)
    assert lab.end(run) == "succeeded"
    assert {each.to for each in lab.outside.ended} == {"p-anna", "p-bob"}


def test_after_a_crash_what_may_not_have_been_sent_is_sent_again(labs: LabMaker) -> None:
    lab = labs()
    lab.outside.script("ask p-bob", Hang())
    run = lab.go(asks())
    lab.until(lambda: any(call.name == "ask p-bob" for call in lab.outside.calls))
    lab.until(lambda: any(each.to == "p-anna" for each in lab.outside.questions))
    lab.until(lambda: lab.kinds(run).count("approval.noted steps[0]") == 2)
    lab = labs.again(lab, crash=True)
    approval(lab)
    assert [each.to for each in lab.outside.questions] == ["p-anna", "p-bob"]
    assert lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "approved")
    assert lab.end(run) == "succeeded"
    assert lab.kinds(run).count("step.succeeded steps[0]") == 1


def test_after_a_crash_behind_the_decision_messages_are_still_updated(labs: LabMaker) -> None:
    lab = labs()
    run = lab.go(asks())
    approval(lab)
    lab.outside.script("end p-anna", Hang())
    lab.engine.approvals.decide_by_link(token_of(lab, "anna"), "approved")
    lab.until(lambda: any(call.name == "end p-anna" for call in lab.outside.calls))
    lab = labs.again(lab, crash=True)
    assert lab.end(run) == "succeeded"
    assert {each.to for each in lab.outside.ended} == {"p-anna", "p-bob"}
    assert lab.kinds(run).count("approval.settled steps[0]") == 1
    assert len([call for call in lab.outside.calls if call.how == "run"]) == 1, "the run goes on once"


@pytest.mark.parametrize("word", ["if", "switch", "for_each", "while", "parallel", "catch", "finally"])
def test_it_works_inside_every_control_word(lab: Lab, word: str) -> None:
    step = asks(remind="1h")["steps"][0]
    around: dict[str, Any] = {
        "if": {"if": "{{ true }}", "then": [step]},
        "switch": {"switch": "a", "cases": {"a": [step]}},
        "for_each": {"for_each": [1, 2], "do": [step], "max_parallel": 2},
        "while": {"while": "{{ index < 2 }}", "max_iterations": 2, "do": [step]},
        "parallel": {"parallel": {"left": [step], "right": [job("b")]}},
        "catch": {**job("x"), "catch": [step]},
        "finally": {**job("x"), "finally": [step]},
    }
    if word == "catch":
        lab.outside.script("x", Fail(BadInput("no")))
    run = lab.go(flow(around[word]))
    times = 2 if word in ("for_each", "while") else 1
    for _ in range(times):
        lab.until(lambda: lab.engine.store.approvals("pending", 9, None).rows)
        lab.until_idle()
        asked = len(lab.outside.questions)
        lab.clock.advance(HOUR + 1)
        lab.until(lambda asked=asked: len(lab.outside.questions) > asked)
        lab.until_idle()
        row = lab.engine.store.approvals("pending", 9, None).rows[0]
        token = next(each.token for each in lab.outside.questions if each.approval == row.id)
        assert lab.engine.approvals.decide_by_link(token, "approved")
        lab.until(lambda row=row: lab.engine.store.approval(row.id).status == "approved")
    assert lab.end(run) == "succeeded"


def test_it_works_in_a_called_workflow(lab: Lab) -> None:
    lab.deploy({**asks(), "name": "inner"})
    run = lab.go(flow({"id": "c", "call": "inner"}, name="outer", output="{{ steps.c.by }}"))
    approval(lab)
    assert lab.engine.approvals.decide_by_link(token_of(lab, "bob"), "approved")
    assert lab.end(run) == "succeeded"
    assert lab.document(run)["output"] == "bob"


# Declaring ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"anna": "x"}, "not a table"),
        ({"operator": {}}, "cannot be the name"),
        ({"a-b": {}}, "cannot be the name"),
        ({"anna": {"roles": "editor"}}, "roles is not a list"),
        ({"anna": {"email": 3}}, "email is not a text"),
        ({"anna": {"email": "a@x.example"}, "bob": {"email": "A@x.example"}}, "same email address"),
    ],
)
def test_people_that_cannot_be_told_apart_or_read_are_refused(tables: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        People.of(tables)


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({}, []),
        ({"who": ["operator"], "via": None}, []),
        ({"who": ["{{ run.workflow }}"], "via": None}, []),
        ({"who": ["anna"], "via": None}, ["D521"]),
        ({"who": ["editor"]}, ["D520"]),
        ({"who": ["role:editors"]}, ["D520"]),
        ({"who": ["slakc:@desk"]}, ["D403"]),
        ({"via": [{"connection": "job"}]}, ["D403"]),
        ({"via": [{"connection": "vaulted"}]}, ["D522"]),
        ({"remind": "7d"}, ["D523"]),
        ({"remind": ["1h", "8d"]}, ["D523"]),
        ({"remind": []}, ["D213"]),
        ({"remind": "now"}, ["D211"]),
        ({"escalate": {"after": "7d", "to": ["role:boss"]}}, ["D523"]),
        ({"escalate": {"after": "1d", "to": ["role:king"]}}, ["D520"]),
    ],
)
def test_what_validate_finds(labs: LabMaker, options: dict[str, Any], codes: list[str]) -> None:
    (labs.folder / "hookline.toml").write_text(
        PEOPLE + '\n[connections.vaulted]\ntype = "vault"\ntoken = "t"\n'
    )
    definition = asks(**options)
    approve = definition["steps"][0]["approve"]
    definition["steps"][0]["approve"] = {key: value for key, value in approve.items() if value is not None}
    document = read(json.dumps(definition).encode())
    found = check(document, labs().engine.installed)
    assert [each.code for each in found] == codes, [each.message for each in found]


def test_open_approvals_cost_rows_and_nothing_else(lab: Lab) -> None:
    count = CACHED_RUNS + 40
    lab.deploy(asks(remind="1d"))
    runs = [lab.begin("flow") for _ in range(count)]
    lab.until(lambda: len(lab.outside.questions) == 2 * count)
    for run in runs:
        lab.until_status(run, "waiting")
    runner = lab.engine.runner
    assert (runner.open_runs, runner.executing) == (0, 0)
    assert len(runner._parked) <= CACHED_RUNS
    seen, cursor = set(), None
    while True:
        page = lab.engine.store.approvals("pending", 50, cursor)
        seen |= {row.run_id for row in page.rows}
        cursor = page.next
        if cursor is None:
            break
    assert seen == set(runs)


def test_a_way_to_ask_that_is_not_configured_yet_is_explained(labs: LabMaker) -> None:
    installed = labs().engine.installed
    without = {name: kind for name, kind in installed.connections.items() if kind != "pager"}
    catalogue = replace(installed, connections=without)
    (found,) = check(read(json.dumps(asks()).encode()), catalogue)
    assert found.code == "D403"
    assert "hookline connectors show pager" in (found.hint or "")
