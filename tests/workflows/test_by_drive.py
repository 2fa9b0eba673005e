"""What colleagues put into Google Drive is in the bucket, through the engine and its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookline.testing.drive import DriveStandIn
from hookline.testing.s3 import S3Server
from hookline.testing.slack import SlackStandIn

from .installation import Installation, install, texts, wait_until


def environment(drive: DriveStandIn, slack: SlackStandIn, **more: str) -> dict[str, str]:
    return {
        "GOOGLE_SERVICE_ACCOUNT_KEY": drive.accounts.service_account_key(),
        "GOOGLE_DRIVE_BASE_URL": drive.base_url,
        "GOOGLE_TOKEN_URL": drive.token_url,
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
        **more,
    }


def finished(hookline: Installation, count: int) -> list[str]:
    """How the runs ended, once there are so many."""

    def over() -> list[str] | None:
        runs = hookline.runs("drive-to-s3")
        is_over = len(runs) >= count and all(run["finished_at"] for run in runs)
        return [run["status"] for run in runs] if is_over else None

    found: list[str] = wait_until(over)
    return found


def test_uploads_new_versions_and_documents_are_copied(
    tmp_path: Path, s3: S3Server, slack: SlackStandIn
) -> None:
    pytest.importorskip("cryptography", reason="pip install hookline[google]")
    docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    with DriveStandIn() as drive:
        folder = drive.people.folder("from colleagues", drive.people.shared_drive("team"))

        def change(text: str) -> str:
            return text.replace('"folder": "THE-FOLDERS-ID"', f'"folder": "{folder}", "interval": "1s"')

        given = environment(drive, slack, **s3.environment)
        with install(
            tmp_path / "project", "drive-to-s3", environment=given, change=change, triggers=True
        ) as hookline:
            hookline.await_first_look("drive-to-s3")
            inner = drive.people.folder("2026", folder)
            photo = drive.people.put("cat.png", b"picture", inner)
            drive.people.document("Plan", {docx: b"document"}, folder)
            assert finished(hookline, 2) == ["succeeded"] * 2
            drive.people.replace(photo, b"another picture")
            drive.people.rename(inner, "archive")
            assert finished(hookline, 3) == ["succeeded"] * 3
    archive = s3.root / "archive"
    found = {
        str(path.relative_to(archive)): path.read_bytes() for path in archive.rglob("*") if path.is_file()
    }
    assert found == {
        "2026/cat.png": b"picture",
        "archive/cat.png": b"another picture",
        "Plan.docx": b"document",
    }
    assert texts(slack, "ops") == []


def test_drive_tells_of_an_upload_and_a_look_comes_at_once(
    tmp_path: Path, s3: S3Server, slack: SlackStandIn
) -> None:
    """With an hour between looks, only the notification can have brought it; a forged one is recorded."""
    pytest.importorskip("cryptography", reason="pip install hookline[google]")
    with DriveStandIn() as drive:
        folder = drive.people.folder("inbox")

        def change(text: str) -> str:
            push = '"push": { "path": "drive" }, "interval": "1h"'
            return text.replace('"folder": "THE-FOLDERS-ID"', f'"folder": "{folder}", {push}')

        given = environment(drive, slack, **s3.environment)
        with install(
            tmp_path / "project",
            "drive-to-s3",
            environment=given,
            change=change,
            triggers=True,
            reachable=True,
        ) as hookline:
            drive.wait_for_pushes(lambda sent: [push.state for push in sent] == ["sync"])
            hookline.await_first_look("drive-to-s3")
            forged = {"X-Goog-Channel-ID": drive.channels[0].id, "X-Goog-Channel-Token": "guess"}
            assert hookline.post("drive", headers=forged).status_code == 401
            drive.people.put("cat.png", b"picture", folder)
            assert finished(hookline, 1) == ["succeeded"]
            assert {push.status for push in drive.pushes if push.state == "change"} == {202}
    assert (s3.root / "archive" / "cat.png").read_bytes() == b"picture"
