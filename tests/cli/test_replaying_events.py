"""Replaying many events: counted before, at a rate, and never twice under one name."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.cli.errors import CliError
from hookline.cli.replay_events import again_command, pace, parse_rate

from .conftest import Cli


@pytest.mark.parametrize(("text", "spacing"), [("5/s", 0.2), ("30/m", 2.0), ("60/h", 60.0), ("1/sec", 1.0)])
def test_a_rate(text: str, spacing: float) -> None:
    assert parse_rate(text) == pytest.approx(spacing)


@pytest.mark.parametrize("text", ["", "5", "0/s", "-1/s", "5/y", "x/s", "5/", "1.5/s"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(CliError):
        parse_rate(text)


def test_the_pace() -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    given = []
    for event in pace(["a", "b", "c", "d"], 2.0, lambda: now[0], sleep):
        given.append((event, now[0]))
        now[0] += 5.0 if event == "b" else 0.5
    # What took longer is not made up for by a burst.
    assert given == [("a", 100.0), ("b", 102.0), ("c", 107.0), ("d", 109.0)]
    assert slept == pytest.approx([1.5, 1.5])


def test_the_command_that_goes_on_names_moments_and_not_ages() -> None:
    options = {"version": "latest", "rate": "5/s", "name": "n", "limit": None}
    where = {"workflow": "orders", "run_status": "failed", "since": 0.0, "until": 60.0}
    assert again_command((), where, options, "n") == (
        "hookline events replay --workflow orders --run-status failed --since 1970-01-01T00:00:00+00:00"
        " --until 1970-01-01T00:01:00+00:00 --version latest --rate 5/s --name n"
    )


def sent(cli: Cli, count: int) -> list[str]:
    return [
        cli.json("events", "send", "hello", "--data", f'{{"name": "{number}"}}', "--json")["event"]
        for number in range(count)
    ]


def replayed(cli: Cli) -> list[Any]:
    return [
        event
        for event in cli.json("events", "list", "--limit", "100", "--json")["events"]
        if event["replay_of"]
    ]


def test_a_slice_is_counted_first_and_asked_about(cli: Cli) -> None:
    sent(cli, 3)
    dry = cli.ok("events", "replay", "--workflow", "hello", "--dry-run")
    assert "3 to replay, of 3 that fit" in dry.stderr
    refused = cli("events", "replay", "--workflow", "hello")
    assert refused.exit_code == 2
    assert "--yes" in refused.output
    assert replayed(cli) == []


def test_a_slice_is_replayed_once_under_its_name(cli: Cli) -> None:
    events = sent(cli, 3)
    command = ["events", "replay", "--workflow", "hello", "--rate", "1000/s", "--name", "n", "--yes"]
    first = cli.json(*command, "--limit", "2", "--json")
    assert [each["event"] for each in first["started"]] == events[:2], "the oldest ones"
    again = cli.json(*command, "--json")
    assert [each["event"] for each in again["started"]] == events[2:]
    assert cli.json(*command, "--json") == {"schema": "hookline.replay/1", "events": []}
    assert sorted(event["replay_of"] for event in replayed(cli)) == sorted(events)


def test_several_events_may_be_named(cli: Cli) -> None:
    events = sent(cli, 3)
    answer = cli.json("events", "replay", events[2], events[0], "--yes", "--json")
    assert [each["event"] for each in answer["started"]] == [events[2], events[0]]
    partly = cli("events", "replay", events[1], "evt_none", "--yes")
    assert partly.exit_code == 1
    assert "R414" in partly.stderr


def test_events_are_named_or_chosen(cli: Cli) -> None:
    assert cli("events", "replay").exit_code == 2
    assert cli("events", "replay", "evt_1", "--workflow", "hello").exit_code == 2


def test_a_list_can_be_narrowed(cli: Cli) -> None:
    sent(cli, 2)

    def count(*options: str) -> int:
        return len(cli.json("events", "list", "--json", *options)["events"])

    assert (count(), count("--trigger", "cli"), count("--trigger", "webhook")) == (2, 2, 0)
    assert (count("--since", "1h"), count("--until", "1h"), count("--key", "x")) == (2, 0, 0)
    assert (count("--run-status", "failed"), count("--workflow", "hello", "--state", "received")) == (0, 2)


def test_samples(cli: Cli) -> None:
    assert set(cli.json("events", "sample", "webhook")) == {"body", "headers", "query", "method", "files"}
    assert cli("events", "sample", "webhok").exit_code == 2
    assert cli("events", "sample", "cli", "--last").exit_code == 2
    sent(cli, 2)
    last = cli("events", "sample", "cli", "--last")
    assert '"name": "1"' in last.stdout


def test_the_sample_of_a_batch_has_the_shape_of_a_batch(cli: Cli) -> None:
    trigger = {"uses": "webhook", "with": {"path": "x", "auth": {"type": "none"}}, "batch": {"within": "1m"}}
    step = {"uses": "transform", "with": {"texts": "{{ trigger.events.map(e, e.body.text) }}"}}
    cli.write("gathers", trigger=trigger, steps=[step])
    document = cli.json("run", "gathers", "--sample", "--json")
    assert document["steps"][0]["output"] == {"texts": ["hello"]}


def test_what_follows_on_a_run_in_the_foreground_is_left_to_a_server(cli: Cli) -> None:
    step = {"uses": "transform", "with": {"x": 1}}
    cli.write("follows", trigger={"uses": "workflow", "with": {"workflow": "hello"}}, steps=[step])
    cli.ok("run", "hello", "--input", '{"name": "Ada"}')
    (event,) = cli.json("events", "list", "--workflow", "follows", "--json")["events"]
    assert event["state"] == "received"
    assert event["reason"].startswith("waits for a server")
