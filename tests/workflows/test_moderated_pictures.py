"""Pictures that are examined: some that people hand in, and some that are made from a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hookline.cli.demo_picture import paint_evening
from hookline.testing.moderation import ModerationServer
from hookline.testing.replicate import ReplicateStandIn
from hookline.testing.s3 import S3Server
from hookline.testing.slack import SlackStandIn

from .installation import Installation, install, texts, wait_until
from .test_pictures_by_webhook import FLUX, files_below

pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install hookline[images]")


@pytest.fixture
def judge() -> Iterator[ModerationServer]:
    with ModerationServer() as running:
        yield running


@pytest.fixture
def replicate() -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn(models=[FLUX]) as running:
        yield running
        assert running.failures == []


@pytest.fixture
def environment(s3: S3Server, slack: SlackStandIn, judge: ModerationServer) -> dict[str, str]:
    return {
        **s3.environment,
        "AWS_REGION": "us-east-1",
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "OPENAI_BASE_URL": f"{judge.origin}/v1",
        "OPENAI_API_KEY": "test-key",
        "ADA_SLACK_ID": slack.user_id("ada"),
        "GRACE_SLACK_ID": slack.user_id("grace"),
    }


def press(hookline: Installation, slack: SlackStandIn, channel: str, button: str, user: str) -> None:
    """Press a button below the question in a channel."""
    question = wait_until(lambda: [m for m in slack.messages if m.channel.name == channel and m.blocks])[0]
    assert slack.click(f"{hookline.url}/answers/slack", question, f"hookline.{button}", user=user).last.ok


@contextmanager
def moderating(
    folder: Path, s3: S3Server, slack: SlackStandIn, judge: ModerationServer, environment: dict[str, str]
) -> Iterator[Installation]:
    s3.create_bucket("published")
    with install(
        folder,
        "moderate-pictures",
        environment=environment,
        origins=(slack.base_url, judge.origin),
        change=lambda text: text.replace('"interval": "15s"', '"interval": "100ms"'),
        triggers=True,
    ) as hookline:
        hookline.await_first_look("moderate-pictures")
        (s3.root / "uploads" / "submitted").mkdir()
        (s3.root / "uploads" / "submitted" / "evening.png").write_bytes(paint_evening())
        yield hookline


def test_a_harmless_picture_is_published_unseen(
    tmp_path: Path, s3: S3Server, slack: SlackStandIn, judge: ModerationServer, environment: dict[str, str]
) -> None:
    with moderating(tmp_path / "project", s3, slack, judge, environment) as hookline:
        run = hookline.succeeded("moderate-pictures")
    assert run["output"] == {"action": "allow"}
    assert files_below(s3.root / "published") == {"evening.png": paint_evening()}
    assert slack.messages == []


@pytest.mark.parametrize(("button", "published"), [("approve", True), ("reject", False)])
def test_in_doubt_a_moderator_decides_in_slack(
    tmp_path: Path,
    s3: S3Server,
    slack: SlackStandIn,
    judge: ModerationServer,
    environment: dict[str, str],
    button: str,
    published: bool,
) -> None:
    judge.scores["violence"] = 0.5
    with moderating(tmp_path / "project", s3, slack, judge, environment) as hookline:
        press(hookline, slack, "moderation", button, "ada")
        run = hookline.succeeded("moderate-pictures")
    assert run["output"] == {"action": "review"}
    assert list(files_below(s3.root / "published")) == (["evening.png"] if published else [])


def test_a_bad_picture_is_not_published(
    tmp_path: Path, s3: S3Server, slack: SlackStandIn, judge: ModerationServer, environment: dict[str, str]
) -> None:
    judge.scores["violence"] = 0.95
    with moderating(tmp_path / "project", s3, slack, judge, environment) as hookline:
        run = hookline.succeeded("moderate-pictures")
    assert run["output"] == {"action": "block"}
    assert files_below(s3.root / "published") == {}
    (message,) = texts(slack, "moderation")
    assert "submitted/evening.png is blocked: violence" in message


@contextmanager
def publishing(
    folder: Path,
    s3: S3Server,
    slack: SlackStandIn,
    judge: ModerationServer,
    replicate: ReplicateStandIn,
    environment: dict[str, str],
    prompt: str = "a lighthouse at dusk",
) -> Iterator[Installation]:
    s3.create_bucket("published")
    with install(
        folder,
        "publish-picture",
        environment={
            **environment,
            "REPLICATE_BASE_URL": replicate.base_url,
            "REPLICATE_API_TOKEN": replicate.token,
        },
        origins=(replicate.base_url, replicate.cdn_url, slack.base_url, judge.origin),
    ) as hookline:
        answer = hookline.post_as_app("posters", {"prompt": prompt}, **{"X-Request-Id": "poster-1"})
        assert answer.status_code == 202
        yield hookline


def test_what_is_made_allowed_and_approved_is_published(
    tmp_path: Path,
    s3: S3Server,
    slack: SlackStandIn,
    judge: ModerationServer,
    replicate: ReplicateStandIn,
    environment: dict[str, str],
) -> None:
    with publishing(tmp_path / "project", s3, slack, judge, replicate, environment) as hookline:
        press(hookline, slack, "art", "approve", "grace")
        run = hookline.succeeded("publish-picture")
    ((name, content),) = files_below(s3.root / "published").items()
    assert name == f"posters/{run['id']}.png"
    assert content.startswith(b"\x89PNG")
    assert run["output"] == {"url": f"s3://published/{name}"}
    assert len(replicate.creates) == 1


@pytest.mark.parametrize("reason", ["the prompt", "the picture", "the editor"])
def test_one_no_is_enough(
    tmp_path: Path,
    s3: S3Server,
    slack: SlackStandIn,
    judge: ModerationServer,
    replicate: ReplicateStandIn,
    environment: dict[str, str],
    reason: str,
) -> None:
    given: dict[str, Any] = {"prompt": "an asshole"} if reason == "the prompt" else {}
    if reason == "the picture":
        judge.scores["violence"] = 0.5
    with publishing(tmp_path / "project", s3, slack, judge, replicate, environment, **given) as hookline:
        if reason == "the editor":
            press(hookline, slack, "art", "reject", "grace")
        run = hookline.finished("publish-picture")
    assert run["status"] == "canceled"
    assert files_below(s3.root / "published") == {}
    assert len(replicate.creates) == (0 if reason == "the prompt" else 1)
