"""Schedules: when they tick, and what becomes of what was missed."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, Pause, Poll
from hookline.testing import FakeClock, FakeTriggerContext, run_trigger

TRIGGER = import_room("triggers.schedule")
TICKS = import_room("triggers._schedule.ticks")


def plan(**given: Any) -> Any:
    return TICKS.Schedule.read(
        **{"cron": "", "every": "", "time_zone": "UTC", "start_at": "", "end_at": "", **given}
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def between(start: str, end: str, most: int = 100, **given: Any) -> list[str]:
    """Ticks, in UTC."""
    found = itertools.islice(TICKS.ticks(plan(**given), at(start), at(end)), most)
    return [tick.strftime("%m-%d %H:%M:%S").removesuffix(":00") for tick in found]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 9 * * *", ["03-02 09:30", "03-03 09:30", "03-04 09:30"]),
        ("0 0 * * 0", ["03-08 00:00", "03-15 00:00", "03-22 00:00"]),
        ("0 0 * * 7", ["03-08 00:00", "03-15 00:00", "03-22 00:00"]),
        ("0 0 * * 1", ["03-09 00:00", "03-16 00:00", "03-23 00:00"]),
        ("0 0 * * SUN", ["03-08 00:00", "03-15 00:00", "03-22 00:00"]),
        ("0 12 * * mon-fri", ["03-02 12:00", "03-03 12:00", "03-04 12:00"]),
        ("0 12 * * sat-sun", ["03-07 12:00", "03-08 12:00", "03-14 12:00"]),
        ("0 12 * * 5-7", ["03-06 12:00", "03-07 12:00", "03-08 12:00"]),
        ("0 12 * * fri-mon", ["03-02 12:00", "03-06 12:00", "03-07 12:00"]),
        ("0 12 * * */3", ["03-04 12:00", "03-07 12:00", "03-08 12:00"]),
        ("0 0 13 * 5", ["03-06 00:00", "03-13 00:00", "03-20 00:00"]),
        ("0 0 1,15 jan,mar-apr *", ["03-15 00:00", "04-01 00:00", "04-15 00:00"]),
        ("0 0 L * *", ["03-31 00:00", "04-30 00:00", "05-31 00:00"]),
        ("*/20 * * * *", ["03-02 00:20", "03-02 00:40", "03-02 01:00"]),
        ("5/25 3 * * *", ["03-02 03:05", "03-02 03:30", "03-02 03:55"]),
        ("*/30 0 0 * * *", ["03-02 00:00:30", "03-03 00:00", "03-03 00:00:30"]),
        ("0 0 12 ? * mon", ["03-02 12:00", "03-09 12:00", "03-16 12:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00", "02-29 00:00"]),
        ("@daily", ["03-03 00:00", "03-04 00:00", "03-05 00:00"]),
        ("@hourly", ["03-02 01:00", "03-02 02:00", "03-02 03:00"]),
        ("@weekly", ["03-08 00:00", "03-15 00:00", "03-22 00:00"]),
        ("@yearly", ["01-01 00:00", "01-01 00:00", "01-01 00:00"]),
    ],
)
def test_cron_means_what_people_expect(cron: str, expected: list[str]) -> None:
    # 2 March 2026 is a Monday.
    assert between("2026-03-02T00:00+00:00", "2042-01-01T00:00+00:00", most=3, cron=cron) == expected


@pytest.mark.parametrize(
    ("time_zone", "cron", "start", "end", "expected"),
    [
        # Europe springs forward on 29 March 2026, 02:00 → 03:00, and falls back on 25 October, 03:00 → 02:00.
        (
            "Europe/Paris",
            "30 2 * * *",
            "2026-03-28",
            "2026-03-31",
            ["03-28 01:30", "03-29 01:30", "03-30 00:30"],
        ),
        (
            "Europe/Paris",
            "30 2 * * *",
            "2026-10-24",
            "2026-10-27",
            ["10-24 00:30", "10-25 00:30", "10-26 01:30"],
        ),
        ("Europe/Paris", "0 2,3 * * *", "2026-03-29", "2026-03-29T23:00", ["03-29 01:00"]),
        (
            "Europe/Paris",
            "0,30 2-3 * * *",
            "2026-10-24T23:00",
            "2026-10-25T23:00",
            ["10-25 00:00", "10-25 00:30", "10-25 02:00", "10-25 02:30"],
        ),
        (
            "Europe/Paris",
            "30 * * * *",
            "2026-03-29",
            "2026-03-29T03:00",
            ["03-29 00:30", "03-29 01:30", "03-29 02:30"],
        ),
        (
            "Europe/Paris",
            "30 * * * *",
            "2026-10-25",
            "2026-10-25T03:00",
            ["10-25 00:30", "10-25 01:30", "10-25 02:30"],
        ),
        # Midnight does not exist on 4 November 2018 in São Paulo; the day must not be lost.
        (
            "America/Sao_Paulo",
            "@daily",
            "2018-11-03T00:00",
            "2018-11-05T03:00",
            ["11-03 03:00", "11-04 03:00", "11-05 02:00"],
        ),
        # Half an hour.
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03", "2026-10-05", ["10-03 15:45", "10-04 15:15"]),
        # Samoa had no 30 December 2011 at all.
        (
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-28",
            "2012-01-01",
            ["12-28 19:00", "12-29 19:00", "12-30 19:00", "12-31 19:00"],
        ),
    ],
)
def test_a_change_of_the_clocks_neither_loses_nor_doubles_a_daily_tick(
    time_zone: str, cron: str, start: str, end: str, expected: list[str]
) -> None:
    begin, finish = (f"{text if 'T' in text else text + 'T00:00'}+00:00" for text in (start, end))
    assert between(begin, finish, cron=cron, time_zone=time_zone) == expected


ZONES = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/St_Johns",
]
FIELD = st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True)


@settings(max_examples=60, deadline=None)
@given(
    time_zone=st.sampled_from(ZONES),
    minutes=FIELD,
    hours=st.one_of(st.none(), st.lists(st.integers(0, 23), min_size=1, max_size=4, unique=True)),
    month=st.integers(1, 12),
    offset=st.integers(0, 27 * 24 * 60),
)
def test_the_ticks_are_those_of_a_clock_on_the_wall(
    time_zone: str, minutes: list[int], hours: list[int] | None, month: int, offset: int
) -> None:
    zone = ZoneInfo(time_zone)
    start = datetime(2026, month, 1, tzinfo=UTC) + timedelta(minutes=offset)
    end = start + timedelta(days=4)
    if hours is None:
        every_minute = (start + timedelta(minutes=number) for number in range(1, 4 * 24 * 60 + 1))
        expected = {moment for moment in every_minute if moment.astimezone(zone).minute in minutes}
        cron = f"{','.join(map(str, minutes))} * * * *"
    else:
        days = [start.date() + timedelta(days=number) for number in range(-2, 7)]
        walls = [datetime(d.year, d.month, d.day, h, m) for d in days for h in hours for m in minutes]
        instants = {wall.replace(tzinfo=zone).astimezone(UTC) for wall in walls}
        expected = {moment for moment in instants if start < moment <= end}
        cron = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    found = list(TICKS.ticks(plan(cron=cron, time_zone=time_zone), start, end))
    assert found == sorted(expected)


@settings(max_examples=100, deadline=None)
@given(seconds=st.integers(1, 10**7), start=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))
def test_intervals_are_exact_and_the_same_on_every_machine(seconds: int, start: datetime) -> None:
    moment = start.replace(tzinfo=UTC)
    schedule = plan(every=f"{seconds}s")
    tick = TICKS.next_tick(schedule, moment)
    assert timedelta() < tick - moment <= timedelta(seconds=seconds)
    assert int(tick.timestamp()) % seconds == 0
    assert TICKS.next_tick(schedule, tick) == tick + timedelta(seconds=seconds)


def test_intervals_count_from_the_start_and_stop_at_the_end() -> None:
    given = {"every": "2h", "start_at": "2026-03-29T01:30:00", "end_at": "2026-03-29T08:30:00+02:00"}
    found = between("2026-03-01T00:00+00:00", "2027-01-01T00:00+00:00", time_zone="Europe/Paris", **given)
    assert found == ["03-29 00:30", "03-29 02:30", "03-29 04:30", "03-29 06:30"]
    cron = {**given, "every": "", "cron": "30 * * * *"}
    assert between("2026-03-29T05:00+00:00", "2027-01-01T00:00+00:00", time_zone="Europe/Paris", **cron) == [
        "03-29 05:30",
        "03-29 06:30",
    ]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"cron": "* * * * *", "every": "1m"},
        {"cron": "* * * *"},
        {"cron": "* * * * * * *"},
        {"cron": "60 * * * *"},
        {"cron": "* 24 * * *"},
        {"cron": "* * 32 * *"},
        {"cron": "* * * 13 *"},
        {"cron": "* * * * 8"},
        {"cron": "* * * * monday"},
        {"cron": "*/0 * * * *"},
        {"cron": "5-1 * * * *"},
        {"cron": "0 0 30 2 *"},
        {"cron": "0 0 31 apr,jun *"},
        {"cron": "1st mon * * *"},
        {"cron": "@never"},
        {"cron": "{{ x }}"},
        {"cron": "x" * 500},
        {"every": "0s"},
        {"every": "500ms"},
        {"every": "soon"},
        {"every": "-5m"},
        {"every": "1m", "time_zone": "Europe/Berlln"},
        {"every": "1m", "time_zone": "../../etc/passwd"},
        {"every": "1m", "time_zone": ""},
        {"every": "1m", "start_at": "tomorrow"},
        {"every": "1m", "start_at": "2026-01-02", "end_at": "2026-01-01"},
        {"every": "1m", "grace": "short"},
    ],
    ids=str,
)
def test_a_schedule_that_makes_no_sense_is_bad_input(given: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        look(FakeTriggerContext(), **given)


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("0123456789*/,-L? monfrijan#@"), max_size=30))
def test_any_text_is_a_schedule_or_bad_input(text: str) -> None:
    try:
        schedule = plan(cron=text, every="" if text else "1m")
    except BadInput:
        return
    tick = TICKS.next_tick(schedule, datetime(2026, 3, 1, tzinfo=UTC))
    assert tick is None or tick > datetime(2026, 3, 1, tzinfo=UTC)


def look(ctx: FakeTriggerContext, **parameters: Any) -> Poll:
    found = asyncio.run(run_trigger(TRIGGER.schedule, parameters, ctx))
    assert isinstance(found, Poll)
    return found


def started(poll: Poll) -> list[tuple[str, bool]]:
    return [(event.key[11:16], bool(event.data["missed"])) for event in poll.events]


def after_outage(policy: str, now: str, **given: Any) -> Poll:
    """A look after ticks at 09:00, 10:00, 11:00; the one before was at 08:30."""
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T08:30+00:00")))
    ctx.commit(look(ctx, cron="0 * * * *", missed=policy, **given))
    ctx.clock = FakeClock(at(f"2026-03-02T{now}+00:00"))
    return look(ctx, cron="0 * * * *", missed=policy, **given)


@pytest.mark.parametrize(
    ("policy", "now", "starts", "skips"),
    [
        ("all", "11:20:00", [("09:00", True), ("10:00", True), ("11:00", True)], []),
        ("last", "11:20:00", [("11:00", True)], ["09:00", "10:00"]),
        ("none", "11:20:00", [], ["09:00", "10:00", "11:00"]),
        ("all", "11:00:30", [("09:00", True), ("10:00", True), ("11:00", False)], []),
        ("last", "11:00:30", [("11:00", False)], ["09:00", "10:00"]),
        ("none", "11:00:30", [("11:00", False)], ["09:00", "10:00"]),
        ("none", "09:01:00", [("09:00", False)], []),
        ("none", "09:01:01", [], ["09:00"]),
        ("last", "08:59:59", [], []),
    ],
)
def test_what_becomes_of_three_missed_ticks(
    policy: str, now: str, starts: list[tuple[str, bool]], skips: list[str]
) -> None:
    poll = after_outage(policy, now)
    assert started(poll) == starts
    assert [event.key[11:16] for event, _ in poll.skipped] == skips
    assert all(reason for _, reason in poll.skipped)


def test_grace_says_what_is_late() -> None:
    assert started(after_outage("none", "11:20:00", grace="30m")) == [("11:00", False)]


def test_the_first_look_starts_nothing_and_says_exactly_when_to_come_back() -> None:
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T08:30:00.250000+00:00")))
    poll = look(ctx, cron="0 9 * * *", time_zone="Europe/Paris", missed="all", start_at="2026-01-01")
    assert (poll.events, poll.skipped) == ([], [])
    assert poll.next_at == at("2026-03-03T08:00+00:00")


def test_every_tick_is_one_event_whatever_the_looks() -> None:
    """Looks at odd times, some repeated because their commit was lost."""
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T00:00+00:00")))
    keys = []
    poll = look(ctx, every="10m", missed="all")
    for step in (0, 61, 599, 600, 601, 1, 0, 7200, 1800, 59):
        ctx.clock.advance(step)
        look(ctx, every="10m", missed="all")
        poll = look(ctx, every="10m", missed="all")
        keys += ctx.commit(poll)
    expected = TICKS.ticks(plan(every="10m"), at("2026-03-02T00:00+00:00"), ctx.now())
    assert keys == [tick.isoformat().replace("+00:00", "Z") for tick in expected]
    assert poll.next_at is not None
    assert poll.next_at > ctx.now()


def test_a_clock_set_back_repeats_nothing_and_loses_nothing() -> None:
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T08:30+00:00")))
    ctx.commit(look(ctx, cron="0 * * * *"))
    ctx.clock = FakeClock(at("2026-03-02T10:00:05+00:00"))
    assert ctx.commit(look(ctx, cron="0 * * * *")) == ["2026-03-02T10:00:00Z"]
    ctx.clock = FakeClock(at("2026-03-02T08:59:59+00:00"))
    back = look(ctx, cron="0 * * * *")
    assert ctx.commit(back) == []
    assert back.next_at == at("2026-03-02T11:00+00:00")
    ctx.clock = FakeClock(at("2026-03-02T11:00:01+00:00"))
    assert ctx.commit(look(ctx, cron="0 * * * *")) == ["2026-03-02T11:00:00Z"]


def test_a_clock_that_was_ten_years_ahead_does_not_silence_the_schedule() -> None:
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T08:30+00:00")))
    ctx.commit(look(ctx, cron="0 * * * *"))
    ctx.clock = FakeClock(at("2036-03-02T08:30+00:00"))
    ahead = look(ctx, cron="0 * * * *")
    assert ctx.commit(ahead) == ["2036-03-02T08:00:00Z"]
    assert len(ahead.skipped) == TRIGGER.MAX_TICKS
    assert ahead.skipped[0][0].key == "2026-03-02T09:00:00Z"
    ctx.clock = FakeClock(at("2026-03-02T09:30+00:00"))
    assert ctx.commit(look(ctx, cron="0 * * * *")) == []
    ctx.clock = FakeClock(at("2026-03-02T10:00:01+00:00"))
    assert ctx.commit(look(ctx, cron="0 * * * *")) == ["2026-03-02T10:00:00Z"]


@pytest.mark.parametrize(("policy", "runs"), [("all", 1000), ("last", 1), ("none", 1)])
@pytest.mark.parametrize("given", [{"every": "1s"}, {"cron": "* * * * * *"}], ids=str)
def test_a_year_of_seconds_is_bounded(given: dict[str, str], policy: str, runs: int) -> None:
    ctx = FakeTriggerContext(clock=FakeClock(at("2025-03-02T00:00+00:00")))
    ctx.commit(look(ctx, missed=policy, **given))
    ctx.clock = FakeClock(at("2026-03-02T00:00+00:00"))
    poll = look(ctx, missed=policy, **given)
    assert len(poll.events) == runs
    assert len(poll.events) + len(poll.skipped) == 1001
    assert poll.skipped[0][0].key == "2025-03-02T00:00:01Z"
    assert "2026-03-01T23:43:21Z" in poll.skipped[0][1]
    assert poll.cursor == "2026-03-02T00:00:00Z"


def test_a_schedule_that_has_ended_is_quiet() -> None:
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T00:00+00:00")))
    poll = look(ctx, every="1h", end_at="2026-03-01T00:00:00Z")
    assert poll.events == []
    assert poll.next_at is not None
    assert poll.next_at > ctx.now()


def test_the_event_and_the_sample_satisfy_the_output_schema() -> None:
    validator = jsonschema.Draft202012Validator(TRIGGER.schedule.output_schema, registry=Registry())
    validator.validate(dict(TRIGGER.schedule.sample))
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-29T00:00+00:00")))
    ctx.commit(look(ctx, cron="0 9 * * *", time_zone="Europe/Paris"))
    ctx.clock = FakeClock(at("2026-03-29T07:00:00.5+00:00"))
    (event,) = look(ctx, cron="0 9 * * *", time_zone="Europe/Paris").events
    validator.validate(dict(event.data))
    assert event.key == "2026-03-29T07:00:00Z"
    assert event.data["scheduled_at"] == "2026-03-29T09:00:00+02:00"
    assert date.fromisoformat(str(event.data["fired_at"])[:10]) == date(2026, 3, 29)


def test_a_broken_cursor_is_said_plainly() -> None:
    with pytest.raises(BadInput, match="cursor"):
        look(FakeTriggerContext(cursor={"x": 1}), every="1m")


# Single dates, jitter, pauses -----------------------------------------------------------------------


def test_single_dates_come_once_in_order() -> None:
    dates = [
        "2026-12-31T23:59:00",
        "2026-12-24T18:00:00",
        "2026-12-24T17:00:00Z",
        "2026-12-24T18:00:00+02:00",
    ]
    found = between("2026-01-01T00:00+00:00", "2028-01-01T00:00+00:00", at=dates, time_zone="Europe/Paris")
    assert found == ["12-24 16:00", "12-24 17:00", "12-31 22:59"]
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-12-24T16:59+00:00")))
    poll = look(ctx, at=dates, time_zone="Europe/Paris")
    assert poll.next_at == at("2026-12-24T17:00+00:00")
    ctx.commit(poll)
    ctx.clock.advance(3600 * 24 * 30)
    due = look(ctx, at=dates, missed="all", time_zone="Europe/Paris")
    assert ctx.commit(due) == ["2026-12-24T17:00:00Z", "2026-12-31T22:59:00Z"]
    assert (due.next_at or ctx.now()) > ctx.now()


@pytest.mark.parametrize(
    "given",
    [
        {"cron": "0 9 * * *", "at": ["2026-12-24T18:00:00"]},
        {"at": ["soon"]},
        {"at": ["2026-12-24"] * 1001},
        {"every": "1h", "jitter": "2h"},
    ],
    ids=str,
)
def test_dates_and_jitter_that_make_no_sense_are_bad_input(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        plan(**given)


def with_jitter(ctx: FakeTriggerContext, seconds: float) -> Poll:
    """Looks at the times that the schedule asks for, until so much time has passed."""
    end = ctx.now() + timedelta(seconds=seconds)
    while True:
        poll = look(ctx, every="10m", jitter="5m", grace="1s")
        if poll.next_at is None or poll.next_at > end:
            return poll
        for event in poll.events:
            fired = datetime.fromisoformat(str(event.data["fired_at"]))
            late = fired - datetime.fromisoformat(str(event.data["scheduled_at"]))
            assert timedelta(0) <= late <= timedelta(minutes=5)
            assert not event.data["missed"]
            LATE.append(late)
        ctx.commit(poll)
        ctx.clock.advance((poll.next_at - ctx.now()).total_seconds())


LATE: list[timedelta] = []


def test_jitter_moves_the_start_and_not_the_tick_and_is_always_the_same() -> None:
    LATE.clear()
    for _ in range(2):
        ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T00:00+00:00")))
        with_jitter(ctx, 3600 * 8)
        assert len(ctx.keys) == 46
    assert LATE[:46] == LATE[46:]
    assert len(set(LATE)) > 30


def test_jitter_larger_than_the_interval_loses_nothing() -> None:
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T00:00+00:00")))
    keys = []
    for _ in range(200):
        keys += ctx.commit(look(ctx, every="10s", jitter="1h", missed="all"))
        ctx.clock.advance(60)
    assert keys == sorted(keys)
    first, last = (datetime.fromisoformat(keys[place]) for place in (0, -1))
    assert len(keys) == (last - first) / timedelta(seconds=10) + 1
    assert ctx.now() - last < timedelta(hours=1, minutes=2)


def test_what_comes_during_a_pause_is_recorded_and_starts_nothing() -> None:
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-02T08:30+00:00")))
    ctx.commit(look(ctx, cron="0 * * * *", missed="all"))
    ctx.pause = Pause(at("2026-03-02T09:30+00:00"))
    ctx.clock = FakeClock(at("2026-03-02T11:00:01+00:00"))
    poll = look(ctx, cron="0 * * * *", missed="all")
    assert started(poll) == [("09:00", True)]
    assert [(event.key[11:16], reason) for event, reason in poll.skipped] == [
        ("10:00", "the schedule is paused"),
        ("11:00", "the schedule is paused"),
    ]
    ctx.commit(poll)
    # Resumed while no process ran: what came before that stays paused.
    ctx.pause = Pause(at("2026-03-02T09:30+00:00"), at("2026-03-02T12:30+00:00"))
    ctx.clock = FakeClock(at("2026-03-02T13:00:01+00:00"))
    poll = look(ctx, cron="0 * * * *", missed="all")
    assert started(poll) == [("13:00", False)]
    assert [event.key[11:16] for event, _ in poll.skipped] == ["12:00"]


def test_ticks_are_told_as_they_will_be_given() -> None:
    given = {"cron": "0 9 * * *", "time_zone": "Europe/Paris", "jitter": "5m", "missed": "all"}
    ctx = FakeTriggerContext(clock=FakeClock(at("2026-03-27T12:00+00:00")))
    ctx.commit(look(ctx, **given))
    told = TRIGGER.schedule.ticks(ctx.now(), at("2026-03-31T00:00+00:00"), ctx.now(), 100, **given)
    assert [event.data["scheduled_at"][11:] for event in told] == [
        "09:00:00+01:00",
        "09:00:00+02:00",
        "09:00:00+02:00",
    ]
    ctx.clock = FakeClock(at("2026-03-31T00:00+00:00"))
    assert ctx.commit(look(ctx, **given)) == [event.key for event in told]
    assert len(TRIGGER.schedule.ticks(ctx.now(), at("2036-03-31T00:00+00:00"), ctx.now(), 7, **given)) == 7
