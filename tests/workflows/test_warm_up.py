"""The starter that keeps a model warm: what it notes of a cold start, and what it may cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hookline.testing.clock import ManualClock
from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason
from hookline.testing.replicate import ReplicateStandIn
from hookline.testing.slack import SlackStandIn

from .installation import Installation, install, texts, wait_until
from .test_by_clock_and_folder import Clock

TEN = datetime(2026, 3, 2, 10, 0, tzinfo=ZoneInfo("Europe/Paris"))


@contextmanager
def warmed(
    folder: Path, slack: SlackStandIn, replicate: ReplicateStandIn, **more: object
) -> Iterator[tuple[Installation, Clock]]:
    (folder / "files").mkdir(parents=True)
    clock = Clock(TEN)
    environment = {
        "REPLICATE_BASE_URL": replicate.base_url,
        "REPLICATE_API_TOKEN": replicate.token,
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
        "HOOKLINE_FILES_DIR": str(folder / "files"),
    }
    origins = (slack.base_url, replicate.base_url, replicate.cdn_url)
    with install(
        folder, "warm-up", environment=environment, origins=origins, clock=clock, triggers=True, **more
    ) as hookline:
        hookline.await_first_look("warm-up")
        yield hookline, clock


def test_a_cold_start_is_noted_and_told(tmp_path: Path, slack: SlackStandIn) -> None:
    time = ManualClock(TEN.timestamp())
    with (
        ReplicateStandIn(clock=time, boot_seconds=90.0) as replicate,
        warmed(tmp_path / "project", slack, replicate) as (hookline, clock),
    ):
        clock.let_go()
        wait_until(lambda: replicate.creates)
        time.advance(95)
        run = hookline.succeeded("warm-up")
        assert run["output"]["waited_seconds"] == 90.0
        (record,) = (tmp_path / "project" / "files" / "cold-starts").glob("*.json")
        assert json.loads(record.read_text())["model"] == "hookline/official-echo"
        (message,) = texts(slack, "ops")
        assert message == ":snowflake: hookline/official-echo took 90 s to start"


def test_a_warm_model_is_noted_and_nobody_is_told(tmp_path: Path, slack: SlackStandIn) -> None:
    with (
        ReplicateStandIn(clock=ManualClock(TEN.timestamp())) as replicate,
        warmed(tmp_path / "project", slack, replicate) as (hookline, clock),
    ):
        clock.let_go()
        run = hookline.succeeded("warm-up")
        assert run["output"]["waited_seconds"] < 60
        assert texts(slack, "ops") == []


def test_it_stops_when_the_day_is_paid_for(tmp_path: Path, slack: SlackStandIn) -> None:
    def dear(text: str) -> str:
        return text.replace('"0.02 usd"', '"1.50 usd"')

    with (
        ReplicateStandIn(clock=ManualClock(TEN.timestamp())) as replicate,
        warmed(tmp_path / "project", slack, replicate, change=dear) as (hookline, clock),
    ):
        clock.let_go()
        run = hookline.finished("warm-up")
        assert (run["status"], run["error"]["code"]) == ("failed", "R212")
        assert replicate.creates == []
        assert len(texts(slack, "ops")) == 1


@pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason()))
@pytest.mark.parametrize(("year", "was_cold"), [(2026, True), (2099, False)])
def test_a_server_that_was_started_lately_was_cold(
    tmp_path: Path, slack: SlackStandIn, year: int, was_cold: bool
) -> None:
    """The server starts now: that is after a Monday long ago, and long before one to come."""
    clock = Clock(TEN.replace(year=year))
    folder = tmp_path / "project"
    (folder / "files").mkdir(parents=True)
    with CogServer(MODELS / "shout") as server:
        environment = {
            "COG_BASE_URL": server.base_url,
            "SLACK_BASE_URL": slack.api_url,
            "SLACK_BOT_TOKEN": slack.token,
            "HOOKLINE_FILES_DIR": str(folder / "files"),
        }
        with install(
            folder,
            "warm-up-cog",
            environment=environment,
            origins=(slack.base_url,),
            clock=clock,
            triggers=True,
        ) as hookline:
            hookline.await_first_look("warm-up-cog")
            clock.let_go()
            run = hookline.succeeded("warm-up-cog")
    measured = run["output"]
    assert (measured["model"], measured["was_cold"]) == ("acme/shout", was_cold)
    assert measured["setup_seconds"] > 0
    (record,) = (folder / "files" / "cold-starts").glob("*.json")
    assert json.loads(record.read_text()) == measured
    told = texts(slack, "ops")
    assert len(told) == was_cold
    assert all(f"took {measured['setup_seconds']} s to set up" in text for text in told)
