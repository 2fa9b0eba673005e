"""Comments and drafts: what is clear is done at once, the rest when a person has decided."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from hookline.engine.errors import EngineError
from hookline.testing.slack import SlackStandIn

from .conftest import Site
from .installation import SECRET, Installation, install, texts, wait_until


def environment_of(slack: SlackStandIn, site: Site) -> dict[str, str]:
    return {
        **site.environment,
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "ADA_SLACK_ID": slack.user_id("ada"),
        "GRACE_SLACK_ID": slack.user_id("grace"),
    }


def press(hookline: Installation, slack: SlackStandIn, button: str, user: str = "ada") -> None:
    """Somebody presses a button of the newest question."""
    question = next(each for each in reversed(slack.messages) if "hookline." in json.dumps(each.blocks))
    delivery = slack.click(f"{hookline.url}/answers/slack", question, f"hookline.{button}", user=user)
    assert delivery.last.status == 200


def fill_in(hookline: Installation, slack: SlackStandIn, section: str) -> None:
    """Somebody asks for the form, opens the link that only they are shown, and approves."""
    press(hookline, slack, "form")
    wait_until(lambda: any(each.seen_by for each in slack.messages))
    (whisper,) = [each for each in slack.messages if each.seen_by]
    link = whisper.text.partition("<")[2].partition("|")[0]
    page = httpx.get(link, trust_env=False).text
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page))
    values = {**hidden, "decision": "approved", "form.section": section}
    assert httpx.post(link, data=values, trust_env=False).status_code == 303


def comment(hookline: Installation, text: str, number: str = "c-1") -> httpx.Response:
    """What the site sends: a signed comment."""
    body = json.dumps({"id": number, "text": text}).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Signature": signature}
    return hookline.post("comments", content=body, headers=headers)


@pytest.mark.parametrize(
    ("text", "verdict", "categories"),
    [("What a lovely evening", "allow", []), ("You are a bastard", "block", ["profanity"])],
)
def test_a_clear_comment_is_answered_at_once_and_disturbs_nobody(
    tmp_path: Path, slack: SlackStandIn, site: Site, text: str, verdict: str, categories: list[str]
) -> None:
    with install(
        tmp_path / "project",
        "moderate-comments",
        environment=environment_of(slack, site),
        origins=(slack.base_url, site.url),
    ) as hookline:
        answer = comment(hookline, text)
        hookline.succeeded("moderate-comments")
    assert answer.status_code == 200
    assert answer.json() == {"comment": "c-1", "verdict": verdict, "categories": categories}
    assert slack.messages == []
    assert site.received == []


@pytest.mark.parametrize(("button", "decision"), [("approve", "approved"), ("reject", "rejected")])
def test_a_doubtful_comment_is_answered_at_once_and_decided_by_a_person(
    tmp_path: Path, slack: SlackStandIn, site: Site, button: str, decision: str
) -> None:
    with install(
        tmp_path / "project",
        "moderate-comments",
        environment=environment_of(slack, site),
        origins=(slack.base_url, site.url),
    ) as hookline:
        answer = comment(hookline, "Cheap watches at my shop")
        assert answer.json()["verdict"] == "review"
        approval = hookline.approval()
        assert approval.data["who"] == ["role:moderators"]
        assert approval.data["show"]["text"] == "Cheap watches at my shop"
        assert site.received == [], "nobody has decided yet"
        slack.wait_for_messages(1)
        press(hookline, slack, button)
        hookline.succeeded("moderate-comments")
    assert site.received == [("PUT", "/comments/c-1/state", {"state": decision})]
    assert site.headers[0]["authorization"] == "Bearer token of the site"
    (after,) = texts(slack, "moderation")
    assert f"{decision} by Ada" in after


def test_a_comment_without_the_right_signature_is_refused(
    tmp_path: Path, slack: SlackStandIn, site: Site
) -> None:
    with install(
        tmp_path / "project", "moderate-comments", environment=environment_of(slack, site)
    ) as hookline:
        body = {"id": "c-1", "text": "hello"}
        assert hookline.post("comments", json=body, headers={"X-Signature": "0" * 64}).status_code == 401
        assert hookline.post("comments", json=body).status_code == 401
        assert hookline.runs("moderate-comments") == []


def draft(hookline: Installation, **changes: Any) -> None:
    body = {"id": "d-1", "title": "An evening", "text": "It was red.", **changes}
    assert hookline.post_as_app("drafts", body).status_code == 202


def test_a_draft_is_published_when_an_editor_says_so(tmp_path: Path, slack: SlackStandIn, site: Site) -> None:
    with install(
        tmp_path / "project",
        "approve-post",
        environment=environment_of(slack, site),
        origins=(slack.base_url, site.url),
    ) as hookline:
        draft(hookline)
        approval = hookline.approval()
        assert approval.data["message"] == "Publish “An evening”?"
        assert site.received == []
        slack.wait_for_messages(1)
        with pytest.raises(EngineError, match="the operator may not"):
            hookline.engine.decide(approval.id, "approved", by="ed", form={"section": "news"})
        fill_in(hookline, slack, "news")
        run = hookline.succeeded("approve-post")
    published = {"title": "An evening", "text": "It was red.", "section": "news"}
    assert site.received == [("POST", "/posts", published)]
    assert site.headers[0]["idempotency-key"].startswith(run["id"])
    question, published_text = (
        each.text for each in slack.messages if each.channel.name == "general" and not each.seen_by
    )
    assert "approved by Ada" in question
    assert published_text == ":newspaper: Published by Ada: https://site.example/posts/1"


def test_a_draft_that_is_rejected_is_not_published(tmp_path: Path, slack: SlackStandIn, site: Site) -> None:
    with install(
        tmp_path / "project",
        "approve-post",
        environment=environment_of(slack, site),
        origins=(slack.base_url, site.url),
    ) as hookline:
        draft(hookline)
        slack.wait_for_messages(1)
        press(hookline, slack, "reject", "grace")
        run = hookline.succeeded("approve-post")
    assert run["output"] == {"decision": "rejected"}
    assert site.received == []
    assert texts(slack, "general")[-1] == "Not published: *An evening*"


def test_a_draft_that_nobody_decides_on_is_not_published(
    tmp_path: Path, slack: SlackStandIn, site: Site
) -> None:
    with install(
        tmp_path / "project",
        "approve-post",
        environment=environment_of(slack, site),
        origins=(slack.base_url, site.url),
        change=lambda text: text.replace('"timeout": "7d"', '"timeout": "100ms"').replace(
            '"remind": "1d"', '"quorum": 1'
        ),
    ) as hookline:
        draft(hookline)
        run = hookline.succeeded("approve-post")
    assert run["output"] == {"decision": "rejected"}
    assert site.received == []


def test_a_blocked_draft_is_shown_to_nobody(tmp_path: Path, slack: SlackStandIn, site: Site) -> None:
    with install(
        tmp_path / "project",
        "approve-post",
        environment=environment_of(slack, site),
        origins=(slack.base_url,),
    ) as hookline:
        draft(hookline, text="You bastards")
        run = hookline.finished("approve-post")
    assert run["status"] == "canceled"
    assert slack.messages == []


def test_ops_are_told_when_the_site_refuses(tmp_path: Path, slack: SlackStandIn, site: Site) -> None:
    site.refuses = True
    with install(
        tmp_path / "project",
        "approve-post",
        environment=environment_of(slack, site),
        origins=(slack.base_url, site.url),
    ) as hookline:
        draft(hookline)
        slack.wait_for_messages(1)
        fill_in(hookline, slack, "blog")
        run = hookline.finished("approve-post")
    assert (run["status"], run["error"]["type"]) == ("failed", "authentication")
    (message,) = texts(slack, "ops")
    assert run["id"] in message
