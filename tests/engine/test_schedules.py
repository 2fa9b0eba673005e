"""Schedules under a real engine: pauses, backfills, outages, and several looks at the same tick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from engine_lab import Hang, Lab, LabMaker, flow, job

from hookline.engine.errors import EngineError
from hookline.engine.pollers import Poller
from hookline.engine.schedules import Schedules

START = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


def hourly(**options: Any) -> dict[str, Any]:
    trigger = {"uses": "schedule", "with": {"cron": "0 * * * *", **options}}
    return flow(job("a", timeout="3h"), trigger=trigger, name="hourly")


@pytest.fixture(autouse=True)
def _at_half_past_eight(labs: LabMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    labs.clock.jump(START.timestamp() - labs.clock())
    LOOKS.clear()
    look = Poller.look

    async def counted(self: Poller) -> float:
        delay = await look(self)
        LOOKS.append(self.scope)
        return delay

    monkeypatch.setattr(Poller, "look", counted)


LOOKS: list[str] = []


def running(labs: LabMaker, **options: Any) -> Lab:
    lab = labs(started=False)
    lab.deploy(hourly(**options))
    lab.start(triggers=True)
    lab.until(lambda: LOOKS)
    return lab


def advance(labs: LabMaker, lab: Lab, **time: float) -> None:
    """Move the clock, and wait until the trigger has looked."""
    before = len(LOOKS)
    labs.clock.advance(timedelta(**time).total_seconds())
    lab.until(lambda: len(LOOKS) > before)
    lab.until_idle()


def ticks(lab: Lab) -> list[str]:
    """The hours that started a run, in the order in which the runs were made."""
    runs = reversed(lab.runs())
    return [lab.engine.history(run.id)[0]["data"]["trigger"]["scheduled_at"][11:16] for run in runs]


def inbox(lab: Lab) -> list[tuple[str, str]]:
    rows = reversed(lab.engine.store.events(None, None, 100, None).rows)
    return [(row.state, row.reason) for row in rows]


@pytest.mark.parametrize(
    ("missed", "started", "skipped"),
    [("all", ["09:00", "10:00", "11:00"], 0), ("last", ["11:00"], 2), ("none", [], 3)],
)
def test_a_process_that_was_down_over_three_ticks(
    labs: LabMaker, missed: str, started: list[str], skipped: int
) -> None:
    lab = running(labs, missed=missed)
    lab.crash()
    labs.clock.advance(timedelta(hours=2, minutes=50).total_seconds())
    lab = running(labs, missed=missed)
    lab.until(lambda: len(LOOKS) > 1)
    lab.until_idle()
    assert ticks(lab) == started
    assert [state for state, _ in inbox(lab)].count("filtered") == skipped
    assert all("missed" in reason for state, reason in inbox(lab) if state == "filtered")


@pytest.mark.parametrize(
    ("overlap", "while_one_runs", "in_the_end"),
    [("allow", 2, ["09:00", "10:00"]), ("skip", 1, ["09:00"]), ("queue", 1, ["09:00", "10:00"])],
)
def test_a_tick_while_the_run_before_goes_on(
    labs: LabMaker, overlap: str, while_one_runs: int, in_the_end: list[str]
) -> None:
    labs.outside.script("a", Hang())
    lab = running(labs, overlap=overlap)
    labs.clock.advance(1801)
    lab.until(lambda: labs.outside.of("a"))
    labs.clock.advance(3600)
    lab.until(lambda: len(inbox(lab)) == 2)
    begun = [run for run in lab.runs() if run.status != "queued"]
    assert len(begun) == while_one_runs
    labs.outside.release("a")
    lab.until_idle()
    assert ticks(lab) == in_the_end
    if overlap == "skip":
        assert inbox(lab)[1] == ("filtered", "an earlier run is not finished (overlap: skip)")


def test_a_pause_outlives_the_process_and_is_seen_in_the_inbox(labs: LabMaker) -> None:
    lab = running(labs, missed="all")
    paused = lab.engine.schedules.pause("hourly", None, "ada")
    assert paused["paused"]
    assert lab.engine.schedules.pause("hourly", "0", "bob") == paused
    advance(labs, lab, minutes=31)
    assert inbox(lab) == [("filtered", "the schedule is paused")]
    lab = labs.again(lab, crash=True, triggers=True)
    lab.until(lambda: len(LOOKS) > 2)
    advance(labs, lab, minutes=60)
    assert inbox(lab) == [("filtered", "the schedule is paused")] * 2
    resumed = lab.engine.schedules.resume("hourly", None, "ada")
    assert (resumed["paused"], resumed["next"]) == (False, "2026-03-02T11:00:00+00:00")
    advance(labs, lab, minutes=60)
    assert ticks(lab) == ["11:00"]


def backfill(lab: Lab, since: str, until: str, **options: Any) -> list[tuple[str, str]]:
    done = lab.engine.schedules.backfill("hourly", None, since, until, **options)
    lab.until_idle()
    return [(tick["at"][11:16], tick["state"]) for tick in done["ticks"]]


def test_a_backfill_starts_what_did_not_run_and_nothing_twice(labs: LabMaker) -> None:
    lab = running(labs, missed="none")
    advance(labs, lab, minutes=30, seconds=1)
    lab.engine.schedules.pause("hourly", None, "ada")
    advance(labs, lab, minutes=60)
    assert ticks(lab) == ["09:00"]
    range_ = ("2026-03-02T07:00:00Z", "2026-03-02T10:00:00Z")
    expected = [("07:00", "due"), ("08:00", "due"), ("09:00", "ran"), ("10:00", "due")]
    assert backfill(lab, *range_, dry_run=True) == expected
    assert ticks(lab) == ["09:00"]
    done = [(at, state.replace("due", "started")) for at, state in expected]
    assert backfill(lab, *range_) == done
    assert backfill(lab, *range_) == [(at, "ran") for at, _ in done]
    assert sorted(ticks(lab)) == ["07:00", "08:00", "09:00", "10:00"]
    started = [
        lab.engine.history(run.id)[0]["data"]["trigger"]
        for run in lab.runs()
        if run.created_at >= labs.clock()
    ]
    assert {event["missed"] for event in started} == {True}


def test_a_backfill_goes_on_where_it_stopped(labs: LabMaker) -> None:
    lab = running(labs)
    following: str | None = "2026-03-01"
    parts = []
    while following is not None:
        done = lab.engine.schedules.backfill("hourly", None, following, "2026-03-01T03:30:00", limit=1)
        parts.append([(tick["at"][11:13], tick["state"]) for tick in done["ticks"]])
        following = done["next"]
    lab.until_idle()
    assert parts == [[("00", "started")], [("01", "started")], [("02", "started")], [("03", "started")]]
    assert ticks(lab) == ["00:00", "01:00", "02:00", "03:00"]


def test_a_backfill_of_overlapping_runs_drops_none(labs: LabMaker) -> None:
    lab = running(labs, overlap="skip", time_zone="Europe/Paris")
    assert len(backfill(lab, "2026-03-01", "2026-03-01")) == 24
    assert ticks(lab) == [f"{hour:02}:00" for hour in range(24)]


def test_a_range_longer_than_one_answer_is_gone_through(
    labs: LabMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookline.engine.schedules.MAX_TICKS", 10)
    lab = running(labs)
    first = lab.engine.schedules.backfill("hourly", None, "2026-03-01", "2026-03-01", dry_run=True)
    assert len(first["ticks"]) == 10
    second = lab.engine.schedules.backfill("hourly", None, first["next"], "2026-03-01", dry_run=True)
    assert second["ticks"][0]["at"][11:16] == "10:00"


def test_what_a_filter_lets_start_nothing_is_said_so(labs: LabMaker) -> None:
    lab = labs(started=False)
    when = "{{ trigger.scheduled_at.contains('T07') }}"
    lab.deploy({**hourly(), "trigger": {**hourly()["trigger"], "when": when}})
    lab.start()
    for _ in range(2):
        found = backfill(lab, "2026-03-02T06:00:00Z", "2026-03-02T07:00:00Z")
    assert found == [("06:00", "skipped"), ("07:00", "ran")]
    assert ticks(lab) == ["07:00"]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-03-02", "2026-03-01"),
        ("2026-03-03", "2026-03-04"),
        ("soon", "2026-03-01"),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_a_range_that_is_none_is_refused(labs: LabMaker, since: str, until: str) -> None:
    lab = running(labs)
    with pytest.raises(EngineError) as refused:
        lab.engine.schedules.backfill("hourly", None, since, until)
    assert (refused.value.code, refused.value.status) == ("R431", 422)


def test_schedules_are_listed_and_named(labs: LabMaker) -> None:
    lab = labs(started=False)
    two = [{**hourly()["trigger"], "id": "first"}, {"uses": "schedule", "with": {"every": "5m"}}]
    lab.deploy({**flow(job("a"), name="two"), "triggers": two}, flow(job("a"), name="none"))
    lab.start()
    schedules: Schedules = lab.engine.schedules
    assert [(each["trigger"], each["next"]) for each in schedules.all()] == [
        ("1", "2026-03-02T08:35:00+00:00"),
        ("first", "2026-03-02T09:00:00+00:00"),
    ]
    assert schedules.next("two", "1", 2) == ["2026-03-02T08:35:00+00:00", "2026-03-02T08:40:00+00:00"]
    for name, trigger, status in (("two", None, 422), ("two", "x", 404), ("none", None, 404)):
        with pytest.raises(EngineError) as refused:
            schedules.next(name, trigger, 1)
        assert (refused.value.code, refused.value.status) == ("R430", status)


def test_two_processes_at_one_tick_start_one_run(labs: LabMaker) -> None:
    first = running(labs)
    second = running(labs)
    first.until(lambda: len(LOOKS) >= 2)
    before = len(LOOKS)
    labs.clock.advance(1801)
    first.until(lambda: len(LOOKS) >= before + 2)
    first.until_idle()
    second.until_idle()
    assert ticks(first) == ["09:00"]
    assert sorted(state for state, _ in inbox(first)) == ["duplicate", "received"]
