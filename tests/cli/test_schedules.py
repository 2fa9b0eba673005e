"""``hookline schedules``, on the project and on a server."""

from __future__ import annotations

import json

import pytest

from .conftest import Cli
from .test_server import Served, server

__all__ = ["server"]

TOKEN = "a-token-for-this-test-only"


@pytest.fixture(autouse=True)
def nightly(cli: Cli) -> None:
    trigger = {"uses": "schedule", "with": {"cron": "30 2 * * *", "time_zone": "Europe/Paris"}}
    cli.write("nightly", trigger=trigger, steps=[{"uses": "log", "with": {"message": "night"}}])


def test_list_and_next(cli: Cli) -> None:
    (found,) = cli.json("schedules", "list", "--json")["schedules"]
    assert (found["workflow"], found["trigger"], found["paused"]) == ("nightly", "0", False)
    ticks = cli.ok("schedules", "next", "nightly", "--count", "3").stdout.split()
    assert len(ticks) == 3
    assert ticks[0] == found["next"]
    assert all("T02:30:00+0" in tick for tick in ticks)
    assert "30 2 * * * Europe/Paris" in cli.ok("schedules", "list").stdout


def test_pause_and_resume_are_kept(cli: Cli) -> None:
    assert "is paused since" in cli.ok("schedules", "pause", "nightly").stderr
    assert cli.json("schedules", "list", "--json")["schedules"][0]["paused"]
    assert "paused" in cli.ok("schedules", "list").stdout
    assert "ticks again at" in cli.ok("schedules", "resume", "nightly").stderr
    assert not cli.json("schedules", "list", "--json")["schedules"][0]["paused"]


def test_a_backfill_can_be_given_again(cli: Cli) -> None:
    range_ = ("nightly", "--from", "2026-03-28", "--to", "2026-03-30", "--per-minute", "60000")
    dry = cli.json("schedules", "backfill", *range_, "--dry-run", "--json")["ticks"]
    assert [(tick["at"], tick["state"]) for tick in dry] == [
        ("2026-03-28T02:30:00+01:00", "due"),
        # The clocks go forward, and half past two does not exist.
        ("2026-03-29T03:30:00+02:00", "due"),
        ("2026-03-30T02:30:00+02:00", "due"),
    ]
    assert cli.json("runs", "list", "--json")["runs"] == []
    assert cli.ok("schedules", "backfill", *range_).stdout.count("started") == 3
    again = cli.json("schedules", "backfill", *range_, "--json")["ticks"]
    assert [tick["state"] for tick in again] == ["ran"] * 3
    assert len(cli.json("runs", "list", "--json")["runs"]) == 3


def test_what_is_wrong_is_said(cli: Cli) -> None:
    cli.write("other", steps=[{"uses": "log", "with": {"message": "x"}}])
    for arguments, code in (
        (("next", "other"), "R430"),
        (("next", "nowhere"), "R401"),
        (("backfill", "nightly", "--from", "soon", "--to", "later"), "R431"),
    ):
        result = cli("schedules", *arguments)
        assert result.exit_code != 0
        assert code in result.stderr


def test_a_server_is_asked_the_same(cli: Cli, server: Served) -> None:
    at = ("--server", server[0])
    assert cli.json("schedules", "list", "--json", *at)["schedules"][0]["workflow"] == "nightly"
    assert len(cli.ok("schedules", "next", "nightly", "--trigger", "0", *at).stdout.split()) == 5
    assert cli.json("schedules", "pause", "nightly", "--json", *at)["paused"]
    assert not cli.json("schedules", "resume", "nightly", "--json", *at)["paused"]
    range_ = ("--from", "2026-03-01", "--to", "2026-03-02", "--per-minute", "60000")
    done = cli("schedules", "backfill", "nightly", *range_, "--json", *at)
    ticks = json.loads(done.stdout)["ticks"]
    assert [tick["state"] for tick in ticks] == ["started"] * 2
    for tick in ticks:
        assert cli("runs", "watch", tick["run"], *at).exit_code == 0
