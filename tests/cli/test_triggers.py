"""``hookline triggers``: what starts workflows, and what it needs elsewhere."""

from __future__ import annotations

import json

import pytest

from .conftest import Cli
from .test_server import Served, server

__all__ = ["server"]

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:pictures"


@pytest.fixture(autouse=True)
def uploads(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    trigger = {"uses": "s3_upload", "with": {"bucket": "uploads", "prefix": "raw/", "queue": QUEUE}}
    trigger["with"]["push"] = {"path": "pictures", "auth": {"type": "b2"}}  # type: ignore[index]
    cli.write("pictures", trigger=trigger, steps=[{"uses": "log", "with": {"message": "{{ trigger.key }}"}}])


def test_list(cli: Cli) -> None:
    found = {each["workflow"]: each for each in cli.json("triggers", "list", "--json")["triggers"]}
    assert found["pictures"] == {
        "workflow": "pictures",
        "trigger": "0",
        "uses": "s3_upload",
        "watches": ["s3://uploads/raw/"],
        "path": "pictures",
        "is_looked_at": False,
        "has_looked": False,
        "last_look": None,
        "problem": "",
    }
    assert "s3://uploads/raw/, /hooks/pictures" in cli.ok("triggers", "list").stdout


def test_a_server_is_asked_the_same(cli: Cli, server: Served) -> None:
    found = cli.json("triggers", "list", "--json", "--server", server[0])
    assert found["schema"] == "hookline.triggers/1"
    assert isinstance(found["triggers"], list)


def test_a_setup_is_printed_without_asking_anybody(cli: Cli) -> None:
    printed = cli.ok("triggers", "setup", "s3", "pictures").stdout
    for text in ("queue pictures: needed", "s3:ObjectCreated:*", '"Value": "raw/"', QUEUE, "s3:GetObject"):
        assert text in printed
    document = cli.json("triggers", "setup", "s3", "pictures", "--queue", "other", "--account", "1", "--json")
    assert (document["schema"], document["workflow"]) == ("hookline.setup/1", "pictures")
    assert "arn:aws:sqs:eu-west-1:1:other" in json.dumps(document)
    assert {step["state"] for step in document["steps"]} == {"unknown"}


def test_what_cannot_be_set_up_is_said(cli: Cli) -> None:
    result = cli("triggers", "setup", "sqs", "pictures")
    assert result.exit_code == 2
    assert "s3" in result.stderr
    assert cli("triggers", "setup", "s3", "nowhere").exit_code != 0
    cli.write("by-hand", steps=[{"uses": "log", "with": {"message": "x"}}])
    assert "need nothing elsewhere" in cli("triggers", "setup", "s3", "by-hand").stderr


def test_what_only_a_person_can_do_is_shown_with_its_state(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography", reason="pip install hookline[google]")
    from hookline.testing.drive import DriveStandIn

    with DriveStandIn() as drive:
        folder = drive.people.folder("inbox")
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", drive.accounts.service_account_key())
        monkeypatch.setenv("GOOGLE_DRIVE_BASE_URL", drive.base_url)
        monkeypatch.setenv("GOOGLE_TOKEN_URL", drive.token_url)
        trigger = {"uses": "google_drive.file_uploaded", "with": {"folder": folder}}
        cli.write("from-drive", trigger=trigger, steps=[{"uses": "log", "with": {"message": "x"}}])
        command = ("triggers", "setup", "google_drive", "from-drive")
        result = cli.ok(*command)
        assert ": for you\n" in result.stdout
        assert drive.accounts.email in result.stdout
        assert "--apply" not in result.stderr
        assert ": is there\n" in cli.ok(*command, "--check").stdout
        drive.people.allow(folder, "none")
        missing = cli(*command, "--check")
        assert (missing.exit_code, "missing, for you to see to" in missing.stdout) == (1, True)


def test_aws_that_cannot_be_reached_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    result = cli("triggers", "setup", "s3", "pictures", "--apply")
    assert result.exit_code == 4
    assert "without SQS" in result.stderr


def test_two_triggers_cannot_have_one_path(cli: Cli) -> None:
    cli.write(
        "webhook",
        trigger={"uses": "webhook", "with": {"path": "pictures", "auth": {"type": "none"}}},
        steps=[{"uses": "log", "with": {"message": "x"}}],
    )
    result = cli("validate")
    assert "D414" in result.stdout + result.stderr
