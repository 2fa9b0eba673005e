"""Debounce, batch and throttle: events wait on disk, and each goes into exactly one run."""

from __future__ import annotations

from typing import Any

import pytest
from engine_lab import Hang, Lab, LabMaker, flow, job

from hookline.core.scope import timestamp_text
from hookline.engine.engine import Busy
from hookline.sdk import HookRefused, Poll, TriggerEvent

HOOK = {"uses": "knock", "with": {"path": "in"}}
ECHO = {"id": "echo", "uses": "job.pure", "with": {"name": "echo", "value": "{{ trigger }}"}}


def gathered(**trigger: Any) -> dict[str, Any]:
    return flow(ECHO, trigger={**HOOK, **trigger})


BATCH = gathered(batch={"within": "1m", "max": 3, "key": "{{ trigger.query.?k.orValue('') }}"})
DEBOUNCE = gathered(debounce={"quiet": "10s", "max_wait": "25s"})


def event(lab: Lab, event_id: str) -> dict[str, Any]:
    from hookline.engine.documents import event_document

    row = lab.engine.store.event(event_id)
    assert row is not None
    return event_document(row)


def told(lab: Lab) -> list[Any]:
    """What the runs saw as their trigger, in the order in which they were created."""
    lab.until_idle()
    return [lab.step(row.id, "echo")["output"]["value"] for row in reversed(lab.runs())]


def pass_time(lab: Lab, seconds: float) -> None:
    lab.clock.advance(seconds)
    lab.until_idle()


def test_a_batch_waits_for_its_time(lab: Lab) -> None:
    lab.deploy(BATCH)
    first = lab.clock()
    one = lab.hook("in", b"1", k="a")
    assert (one.state, one.run_id) == ("received", None)
    pass_time(lab, 20)
    two = lab.hook("in", b"2", k="a")
    waits = event(lab, one.event_id)
    assert (waits["state"], waits["runs"]) == ("received", [])
    assert waits["reason"] == f"waits for its batch until {timestamp_text(first + 60)}"
    pass_time(lab, 39)
    assert lab.runs() == []
    pass_time(lab, 1.1)
    (seen,) = told(lab)
    assert [each["body"] for each in seen["events"]] == ["1", "2"]
    assert seen["ids"] == [one.event_id, two.event_id]
    assert (seen["count"], seen["key"]) == (2, "a")
    assert (seen["first_at"], seen["last_at"]) == (timestamp_text(first), timestamp_text(first + 20))
    (run,) = lab.runs()
    for answer in (one, two):
        done = event(lab, answer.event_id)
        assert (done["state"], done["runs"], done["reason"]) == ("done", [run.id], None)


def test_a_full_batch_does_not_wait(lab: Lab) -> None:
    lab.deploy(BATCH)
    for number in range(7):
        lab.hook("in", b"%d" % number, k="a" if number < 6 else "b")
    lab.until(lambda: len(lab.runs()) == 2)
    bodies = [[each["body"] for each in seen["events"]] for seen in told(lab)]
    assert bodies == [["0", "1", "2"], ["3", "4", "5"]]
    pass_time(lab, 61)
    assert [each["body"] for each in told(lab)[2]["events"]] == ["6"]


def test_a_debounce_gives_the_last_event(lab: Lab) -> None:
    lab.deploy(DEBOUNCE)
    answers = []
    for number in range(3):
        answers.append(lab.hook("in", b"%d" % number))
        pass_time(lab, 9)
    # Nine seconds of quiet; and 27 since the first: the longest wait is over.
    assert [seen["body"] for seen in told(lab)] == ["2"]
    (run,) = lab.runs()
    states = [event(lab, answer.event_id) for answer in answers]
    assert [(each["state"], each["runs"]) for each in states] == [
        ("filtered", [run.id]),
        ("filtered", [run.id]),
        ("done", [run.id]),
    ]
    assert states[0]["reason"] == f"replaced by {answers[2].event_id}, which came later"
    assert run.event_id == answers[2].event_id
    lab.hook("in", b"later")
    pass_time(lab, 10.1)
    assert [seen["body"] for seen in told(lab)] == ["2", "later"]


def test_a_debounce_may_give_all_events(lab: Lab) -> None:
    lab.deploy(gathered(debounce={"quiet": "10s", "events": "all"}))
    for number in range(3):
        lab.hook("in", b"%d" % number)
    pass_time(lab, 10.1)
    (seen,) = told(lab)
    assert [each["body"] for each in seen["events"]] == ["0", "1", "2"]


def test_only_what_passes_the_filter_waits(lab: Lab) -> None:
    lab.deploy(gathered(when="{{ trigger.body != 'no' }}", batch={"within": "1m"}))
    refused, taken = lab.hook("in", b"no"), lab.hook("in", b"yes")
    assert (refused.state, taken.state) == ("filtered", "received")
    pass_time(lab, 60.1)
    (seen,) = told(lab)
    assert seen["ids"] == [taken.event_id]


def test_a_duplicate_goes_into_no_batch(lab: Lab) -> None:
    lab.deploy(BATCH)
    first, again = lab.hook("in", b"1", id="x"), lab.hook("in", b"1", id="x")
    assert (again.state, again.event_id) == ("duplicate", first.event_id)
    pass_time(lab, 60.1)
    assert [seen["count"] for seen in told(lab)] == [1]


def test_a_key_that_cannot_be_read_is_refused(lab: Lab) -> None:
    lab.deploy(gathered(batch={"within": "1m", "key": "{{ trigger.query.k }}"}))
    with pytest.raises(HookRefused):
        lab.hook("in")
    lab.until(lambda: lab.engine.store.events("rejected", "flow", 9, None).rows)
    assert lab.engine.store.gatherings() == 0


def test_what_a_look_finds_is_gathered(labs: LabMaker) -> None:
    found = [TriggerEvent(f"file-{number}", {"n": number}) for number in range(5)]
    labs.outside.script("feed", Poll(found, cursor=1))
    lab = labs(started=False)
    lab.deploy(flow(ECHO, trigger={"uses": "feed", "batch": {"within": "10s", "max": 3}}))
    lab.start(triggers=True)
    lab.until(lambda: lab.runs())
    lab.clock.advance(11)
    lab.until(lambda: len(lab.runs()) == 2)
    assert [[each["n"] for each in seen["events"]] for seen in told(lab)] == [[0, 1, 2], [3, 4]]


# What a process that dies leaves


@pytest.mark.parametrize("crash", [True, False])
def test_what_became_due_meanwhile_is_released_at_the_start(labs: LabMaker, crash: bool) -> None:
    lab = labs()
    lab.deploy(BATCH)
    for key in "aab":
        lab.hook("in", b"x", k=key)
    labs.clock.advance(30)
    lab = labs.again(lab, crash=crash)
    assert lab.runs() == []
    labs.clock.advance(1)
    lab.hook("in", b"y", k="b")
    if crash:
        lab.crash()
    lab.stop()
    labs.clock.advance(3600)
    # Nothing is deployed any more: what was accepted has the version that it had.
    lab = labs()
    lab.until(lambda: len(lab.runs()) == 2)
    assert sorted(seen["count"] for seen in told(lab)) == [2, 2]
    assert lab.engine.store.gatherings() == 0


def test_two_processes_release_it_once(labs: LabMaker) -> None:
    one, two = labs(), labs()
    one.deploy(BATCH)
    two.deploy(BATCH)
    for number in range(20):
        (one if number % 2 else two).hook("in", b"x", k=str(number % 10))
    labs.clock.advance(61)
    one.until(lambda: len(one.runs()) == 10)
    one.until_idle()
    two.until_idle()
    assert sorted(seen["count"] for seen in told(one)) == [2] * 10


def test_the_last_event_says_which_version_runs(lab: Lab) -> None:
    lab.deploy(BATCH)
    lab.hook("in", b"1")
    newer = {**BATCH, "description": "changed"}
    plan = lab.deploy(newer)
    lab.hook("in", b"2")
    lab.engine.withdraw("flow")
    pass_time(lab, 61)
    (run,) = lab.runs()
    assert run.version == plan.version
    assert [seen["count"] for seen in told(lab)] == [2]


def test_a_clock_that_is_set_loses_nothing(lab: Lab) -> None:
    lab.deploy(BATCH)
    lab.hook("in", b"1")
    lab.clock.jump(-3600)
    lab.hook("in", b"2")
    lab.clock.jump(3700)
    pass_time(lab, 1.1)
    assert [seen["count"] for seen in told(lab)] == [2]


def test_what_cannot_start_is_settled_and_says_why(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(
        gathered(batch={"within": "1m"}) | {"limits": {"concurrency": {"max": 1, "key": "{{ trigger.n }}"}}}
    )
    answer = lab.hook("in", b"1")
    pass_time(lab, 61)
    lab.until(lambda: event(lab, answer.event_id)["state"] == "filtered")
    settled = event(lab, answer.event_id)
    assert "n" in settled["reason"]
    assert settled["runs"] == []


def test_waiting_events_count_as_backlog(labs: LabMaker) -> None:
    lab = labs(environment={"HOOKLINE_MAX_BACKLOG": "2"})
    lab.deploy(BATCH)
    for key in "ab":
        lab.hook("in", b"1", k=key)
    pass_time(lab, 1.1)
    with pytest.raises(Busy):
        lab.hook("in", b"1", k="c")


def test_secrets_do_not_wait_in_the_database(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(BATCH)
    lab.hook("in", b"the-master-key-of-the-tests")
    data = lab.engine.store.gathered(lab.engine.store.due_gatherings(lab.clock() + 99, 1)[0].id, 1)[0].data
    assert "the-master-key" not in str(data)


# Turns


def test_a_throttle_lets_the_rest_wait_for_their_turns(labs: LabMaker) -> None:
    lab = labs()
    lab.deploy(gathered(throttle={"max": 2, "per": "10s"}))
    answers = [lab.hook("in", b"%d" % number) for number in range(5)]
    assert [answer.run_id is not None for answer in answers] == [True, True, False, False, False]
    assert event(lab, answers[3].event_id)["reason"].startswith("waits for its turn until ")
    pass_time(lab, 5.1)
    assert [seen["body"] for seen in told(lab)] == ["0", "1", "2"]
    lab = labs.again(lab, crash=True)
    labs.clock.advance(60)
    lab.until(lambda: len(lab.runs()) == 5)
    assert [seen["body"] for seen in told(lab)] == ["0", "1", "2", "3", "4"]


def test_a_rate_holds_after_an_outage(labs: LabMaker) -> None:
    """Turns that passed while nothing was running are not made up for all at once."""
    lab = labs()
    lab.deploy(gathered(throttle={"max": 1, "per": "10s", "key": "{{ trigger.query.k }}"}))
    answers = [lab.hook("in", b"%d" % number, k="x") for number in range(4)]
    lab = labs.again(lab, crash=True)
    lab.stop()
    labs.clock.advance(3600)
    lab = labs()
    lab.deploy(gathered(throttle={"max": 1, "per": "10s", "key": "{{ trigger.query.k }}"}))
    lab.until(lambda: len(lab.runs()) == 2)
    lab.until_idle()
    answers.append(lab.hook("in", b"4", k="x"))
    assert answers[-1].run_id is None, "it does not overtake those that have waited"
    for expected in (3, 4, 5):
        assert len(lab.runs()) == expected - 1
        pass_time(lab, 10.01)
        lab.until(lambda expected=expected: len(lab.runs()) == expected)
    assert [seen["body"] for seen in told(lab)] == ["0", "1", "2", "3", "4"]


def test_a_throttle_may_drop(lab: Lab) -> None:
    definition = gathered(
        throttle={"max": 1, "per": "1m", "key": "{{ trigger.query.k }}", "on_excess": "drop"}
    )
    lab.deploy(definition)
    answers = [lab.hook("in", b"1", k=key) for key in "aab"]
    assert [answer.state for answer in answers] == ["received", "filtered", "received"]
    assert event(lab, answers[1].event_id)["reason"] == "more than 1 in 1m"
    pass_time(lab, 300)
    assert len(lab.runs()) == 2


def test_limits_hold_for_what_was_released(lab: Lab) -> None:
    lab.outside.script("slow", Hang(), Hang())
    definition = flow(job("slow"), trigger={**HOOK, "throttle": {"max": 1, "per": "1s"}})
    lab.deploy({**definition, "limits": {"concurrency": {"max": 1}}})
    lab.hook("in")
    lab.hook("in")
    lab.clock.advance(1.5)
    lab.until(lambda: len(lab.runs()) == 2 and lab.outside.hanging("slow") == 1)
    assert sorted(row.status for row in lab.runs()) == ["queued", "running"]


def test_events_that_cannot_be_started_keep_no_others_waiting(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.deploy(BATCH)
    bad = lab.hook("in", b"1", k="bad")
    lab.clock.advance(1)
    lab.hook("in", b"2", k="good")
    release = lab.engine.intake.release

    def fail_for_one(plan: Any, trigger: Any, gathering: Any, events: Any) -> Any:
        if gathering.key == "bad":
            raise RuntimeError("a fault")
        return release(plan, trigger, gathering, events)

    monkeypatch.setattr(lab.engine.intake, "release", fail_for_one)
    pass_time(lab, 62)
    assert [[each["body"] for each in seen["events"]] for seen in told(lab)] == [["2"]]
    settled = event(lab, bad.event_id)
    assert (settled["state"], settled["reason"]) == ("filtered", "RuntimeError; the log says more")
    monkeypatch.undo()
    lab.engine.replays.event(bad.event_id)
    assert len(told(lab)) == 2
