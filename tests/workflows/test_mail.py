"""Mail from a real IMAP conversation reaches a real bucket, and is marked as read only then."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

from hookline.testing.imap import ImapStandIn
from hookline.testing.s3 import S3Server
from hookline.testing.slack import SlackStandIn

from .installation import install, texts, wait_until

BOX = """
[connections.box]
type = "mailbox"
host = "127.0.0.1"
port = {port}
security = "none"
"""


def mail(subject: str, **files: bytes) -> bytes:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Ada <ada@example.com>"
    message.set_content("Attached.")
    for name, content in files.items():
        message.add_attachment(content, maintype="application", subtype="pdf", filename=f"../{name}.pdf")
    return message.as_bytes()


def test_files_of_a_mail_are_archived_and_the_mail_is_marked(
    tmp_path: Path, s3: S3Server, slack: SlackStandIn
) -> None:
    environment = {
        **s3.environment,
        "AWS_REGION": "us-east-1",
        "SLACK_BASE_URL": slack.api_url,
        "SLACK_BOT_TOKEN": slack.token,
    }
    with ImapStandIn() as server:
        server.deliver(mail("was there", old=b"old"))
        with install(
            tmp_path / "project",
            "mail-to-s3",
            environment=environment,
            origins=(slack.base_url,),
            change=lambda text: text.replace(
                '"with": { "folder"', '"connection": "box",\n    "with": { "interval": "300ms", "folder"'
            ),
            settings=BOX.format(port=server.port),
            triggers=True,
        ) as hookline:
            hookline.await_first_look("mail-to-s3")
            assert '"connection": "box"' in (tmp_path / "project/workflows/mail-to-s3.json").read_text()
            server.deliver(mail("no files"))
            wanted = server.deliver(mail("May", a=b"%PDF a", b=b"%PDF b"))
            run = hookline.succeeded("mail-to-s3")
            flags = {each.uid: each.flags for each in server.boxes["INBOX"]}
            wait_until(lambda: flags[wanted])
    archived = s3.root / "archive" / "mail" / str(wanted)
    assert {path.name: path.read_bytes() for path in archived.iterdir()} == {
        "a.pdf": b"%PDF a",
        "b.pdf": b"%PDF b",
    }
    assert flags == {1: set(), 2: set(), wanted: {"\\Seen"}}
    assert texts(slack, "general") == ["2 files by mail from ada@example.com: May"]
    assert texts(slack, "ops") == []
    assert run["steps"][0]["status"] == "succeeded"
