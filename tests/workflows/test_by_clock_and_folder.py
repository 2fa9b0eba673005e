"""What starts by itself: a report by the clock, and copies of what appears in a folder."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hookline.testing.httpd import Response
from hookline.testing.s3 import S3Server
from hookline.testing.slack import SlackStandIn

from .conftest import Site
from .installation import install, texts, wait_until

ORDERS = [
    {"id": "A-1", "state": "open", "total": 40},
    {"id": "A-2", "state": "paid", "total": 250},
    {"id": "A-3", "state": "open", "total": 100},
]

PARIS = ZoneInfo("Europe/Paris")
MONDAY = datetime(2026, 3, 2, 7, 0, tzinfo=PARIS)
FRIDAY_IN_SUMMER = datetime(2026, 7, 3, 7, 0, tzinfo=PARIS)


class Clock:
    """Stands still a moment before `moment` until it is let go."""

    def __init__(self, moment: datetime) -> None:
        self._start = moment.timestamp() - 0.2
        self._let_go_at: float | None = None

    def __call__(self) -> float:
        passed = 0.0 if self._let_go_at is None else time.monotonic() - self._let_go_at
        return self._start + passed

    def let_go(self) -> None:
        self._let_go_at = time.monotonic()


def digest(folder: Path, slack: SlackStandIn, *drafts: str) -> dict[str, Any]:
    """The run that seven o'clock starts, after these drafts came in."""
    clock = Clock(MONDAY)
    with install(
        folder,
        "approve-post",
        "blocked-digest",
        environment={"SLACK_BASE_URL": slack.api_url, "SLACK_BOT_TOKEN": slack.token},
        origins=(slack.base_url,),
        clock=clock,
        triggers=True,
    ) as hookline:
        hookline.await_first_look("blocked-digest")
        for number, text in enumerate(drafts):
            draft = {"id": f"d-{number}", "title": "A title", "text": text}
            assert hookline.post_as_app("drafts", draft).status_code == 202
        wait_until(lambda: len([run for run in hookline.runs("approve-post") if run["steps"]]) == len(drafts))
        clock.let_go()
        return hookline.succeeded("blocked-digest")


def test_the_moderators_are_told_what_was_blocked(tmp_path: Path, slack: SlackStandIn) -> None:
    run = digest(tmp_path / "project", slack, "You bastards", "A fine evening", "What a bastard")
    assert run["output"]["block"] == 2
    assert run["output"]["allow"] == 1
    (message,) = texts(slack, "moderation")
    assert message.startswith("*Blocked in 24 hours: 2* (0 reviewed, 1 allowed)\n• approve-post run_")
    assert message.count("profanity") == 2
    assert "bastard" not in message


def test_on_a_quiet_day_the_moderators_are_left_alone(tmp_path: Path, slack: SlackStandIn) -> None:
    run = digest(tmp_path / "project", slack)
    assert run["steps"][0]["output"]["counts"] == {"allow": 0, "review": 0, "block": 0}
    assert texts(slack, "moderation") == []


def report(tmp_path: Path, slack: SlackStandIn, site: Site, day: datetime) -> dict[str, Any]:
    """The run that seven o'clock starts."""
    clock = Clock(day)
    with install(
        tmp_path / "project",
        "nightly-report",
        environment={**site.environment, "SLACK_BASE_URL": slack.api_url, "SLACK_BOT_TOKEN": slack.token},
        origins=(slack.base_url, site.url),
        clock=clock,
        triggers=True,
    ) as hookline:
        # Ticks before the first look are none of ours.
        hookline.await_first_look("nightly-report")
        clock.let_go()
        return hookline.finished("nightly-report")


def test_the_report_comes_at_seven_with_the_right_figures(
    tmp_path: Path, slack: SlackStandIn, site: Site
) -> None:
    site.answers["/orders"] = Response.of(200, {"orders": ORDERS})
    run = report(tmp_path, slack, site, MONDAY)
    assert run["status"] == "succeeded", run["error"]
    assert texts(slack, "general") == [
        "*Orders until 2026-03-02T07:00:00+01:00*\n• 3 in all, 2 open\n• from 100 on: A-2, A-3"
    ]


def test_a_day_without_orders_has_a_report_too(tmp_path: Path, slack: SlackStandIn, site: Site) -> None:
    site.answers["/orders"] = Response.of(200, {"orders": []})
    report(tmp_path, slack, site, FRIDAY_IN_SUMMER)
    (text,) = texts(slack, "general")
    assert text.endswith("+02:00*\n• 0 in all, 0 open\n• from 100 on: none")


def test_ops_are_told_when_there_is_no_report(tmp_path: Path, slack: SlackStandIn, site: Site) -> None:
    run = report(tmp_path, slack, site, MONDAY)
    assert (run["status"], run["error"]["type"]) == ("failed", "not_found")
    (message,) = texts(slack, "ops")
    assert message.startswith(":rotating_light: There is no report today: ")
    assert texts(slack, "general") == []


def test_what_appears_in_the_folder_is_copied_to_the_bucket(
    tmp_path: Path, s3: S3Server, slack: SlackStandIn
) -> None:
    incoming = tmp_path / "project" / "incoming"
    incoming.mkdir(parents=True)
    (incoming / "old.txt").write_text("was there before")
    environment = {
        **s3.environment,
        "AWS_REGION": "us-east-1",
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
    }
    archive = s3.root / "archive"
    with install(
        tmp_path / "project",
        "folder-to-s3",
        environment=environment,
        origins=(slack.base_url,),
        change=lambda text: text.replace('"interval": "5s"', '"interval": "50ms"'),
        triggers=True,
    ) as hookline:
        hookline.await_first_look("folder-to-s3")
        (incoming / "2026").mkdir()
        (incoming / "2026" / "scan.pdf").write_bytes(b"%PDF-1.7 one page")
        run = hookline.succeeded("folder-to-s3")
        assert run["output"] == {"url": "s3://archive/2026/scan.pdf"}
        assert (archive / "2026" / "scan.pdf").read_bytes() == b"%PDF-1.7 one page"

        (incoming / "2026" / "scan.pdf").write_bytes(b"%PDF-1.7 and another page")
        wait_until(lambda: len(hookline.runs("folder-to-s3")) == 2)
        wait_until(lambda: (archive / "2026" / "scan.pdf").read_bytes().endswith(b"another page"))
    assert [path.name for path in archive.rglob("*") if path.is_file()] == ["scan.pdf"]
    assert slack.messages == []


def test_ops_are_told_when_the_bucket_is_not_there(tmp_path: Path, s3: S3Server, slack: SlackStandIn) -> None:
    incoming = tmp_path / "project" / "incoming"
    incoming.mkdir(parents=True)
    (s3.root / "archive").rmdir()
    environment = {
        **s3.environment,
        "AWS_REGION": "us-east-1",
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
    }
    with install(
        tmp_path / "project",
        "folder-to-s3",
        environment=environment,
        origins=(slack.base_url,),
        change=lambda text: text.replace('"interval": "5s"', '"interval": "50ms"'),
        triggers=True,
    ) as hookline:
        hookline.await_first_look("folder-to-s3")
        (incoming / "scan.pdf").write_bytes(b"%PDF-1.7")
        run = hookline.finished("folder-to-s3")
    assert run["status"] == "failed"
    (message,) = texts(slack, "ops")
    assert "scan.pdf was not copied" in message
