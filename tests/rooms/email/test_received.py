"""Messages that arrive start runs, whatever their senders made of them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, Poll, Unavailable
from hookline.testing import FakeClock, FakeImap, FakeTriggerContext, run_trigger

RECEIVED = import_room("connectors.email.received")
READING = import_room("connectors.email.reading")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Box:
    """A mailbox and a trigger that has had its first look."""

    def __init__(self, **parameters: Any) -> None:
        self.imap = FakeImap()
        self.parameters = parameters
        self.ctx = FakeTriggerContext(
            connection=RECEIVED.Mailbox(self.imap, "ada"), clock=FakeClock(NOW), cursor=None
        )

    def look(self) -> Poll:
        found = asyncio.run(run_trigger(RECEIVED.received, self.parameters, self.ctx))
        assert isinstance(found, Poll)
        validator = jsonschema.Draft202012Validator(RECEIVED.received.output_schema, registry=Registry())
        for event in found.events:
            validator.validate(dict(event.data))
        return found

    def take(self) -> list[str]:
        """Look and commit; subjects of the messages that start a run."""
        poll = self.look()
        subjects = {event.key: str(event.data["subject"]) for event in poll.events}
        return [subjects[key] for key in self.ctx.commit(poll)]


@pytest.fixture
def box() -> Box:
    made = Box()
    made.imap.deliver(mail("was there"))
    assert made.take() == []
    return made


def mail(subject: str, text: str = "Hello", **headers: str) -> bytes:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Ada <ada@example.com>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


def test_what_arrives_starts_a_run_and_what_was_there_does_not(box: Box) -> None:
    assert box.take() == []
    box.imap.deliver(mail("one"))
    box.imap.deliver(mail("two"))
    assert box.take() == ["one", "two"]
    assert box.take() == []
    assert box.imap.put == []
    everything = Box(start_from="all")
    everything.imap.deliver(mail("old"))
    assert everything.take() == ["old"]


def test_the_event_has_texts_people_and_files() -> None:
    message = EmailMessage()
    message["Subject"] = "Rechnung für März"
    message["From"] = "Jörg <joerg@example.com>"
    message["To"] = "a@example.com, B <b@example.com>"
    message["Date"] = "Sun, 01 Mar 2026 12:00:00 +0100"
    message["Message-ID"] = "<17@example.com>"
    message["List-Id"] = "News <news.example.com>"
    message.set_content("Grüße, anbei.")
    message.add_alternative("<p>Grüße</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="März 2026.pdf")
    message.add_attachment("a,b\n", subtype="csv", filename="../../etc/x.csv")
    inner = EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inside")
    message.add_attachment(inner)
    box = Box(start_from="all")
    box.imap.deliver(message.as_bytes())
    (event,) = box.look().events
    data = dict(event.data)
    files = data.pop("attachments")
    assert data == {
        "message_id": "<17@example.com>",
        "mailbox": "INBOX",
        "uid": 1,
        "subject": "Rechnung für März",
        "from": {"name": "Jörg", "address": "joerg@example.com"},
        "to": [{"name": "", "address": "a@example.com"}, {"name": "B", "address": "b@example.com"}],
        "cc": [],
        "reply_to": [],
        "date": "2026-03-01T11:00:00Z",
        "received_at": "2026-03-01T12:00:00Z",
        "text": "Grüße, anbei.\n",
        "html": "<p>Grüße</p>\n",
        "headers": {"list-id": "News <news.example.com>"},
        "bytes": len(message.as_bytes()),
    }
    assert [(file["name"], file["mime"]) for file in files] == [
        ("März 2026.pdf", "application/pdf"),
        ("x.csv", "text/csv"),
        ("message-3.eml", "message/rfc822"),
    ]
    assert box.ctx.fake_files._content[files[0]["$file"]] == b"%PDF"
    assert b"inside" in box.ctx.fake_files._content[files[2]["$file"]]


def test_two_messages_of_one_message_id_are_two(box: Box) -> None:
    for subject in ("one", "two"):
        box.imap.deliver(mail(subject, Message_ID="<same@example.com>"))
    copy = mail("copy")
    box.imap.deliver(copy)
    box.imap.deliver(copy)
    assert box.take() == ["one", "two", "copy", "copy"]


def test_new_numbers_repeat_nothing_and_lose_nothing(box: Box) -> None:
    box.imap.deliver(mail("one"), NOW)
    assert box.take() == ["one"]
    box.imap.deliver(mail("two"), NOW + timedelta(hours=1))
    box.imap.renumber()
    # What was there at the first look was never read: that it is old tells it.
    content, _ = box.imap.messages[1]
    box.imap.messages[1] = (content, NOW - timedelta(days=30))
    assert box.take() == ["two"]
    box.imap.deliver(mail("three"), NOW + timedelta(hours=2))
    assert box.take() == ["three"]


def test_a_mailbox_with_new_numbers_is_gone_through_in_several_looks(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RECEIVED, "MAX_EVENTS", 2)
    for number in range(5):
        box.imap.deliver(mail(f"old {number}"), NOW)
        box.take()
    box.imap.messages[1] = (box.imap.messages[1][0], NOW - timedelta(days=30))
    for number in range(3):
        box.imap.deliver(mail(f"new {number}"), NOW)
    box.imap.renumber()
    found: list[str] = []
    for _ in range(6):
        found += box.take()
    assert found == ["new 0", "new 1", "new 2"]
    assert "since" not in box.ctx.cursor


def test_of_what_is_too_large_only_the_header_is_recorded() -> None:
    box = Box(start_from="all", max_bytes="1KB")
    box.imap.deliver(mail("huge", "x" * 5000))
    poll = box.look()
    assert poll.events == []
    ((event, reason),) = poll.skipped
    assert event.data["subject"] == "huge"
    assert "max_bytes" in reason


def test_many_messages_are_taken_in_bounded_looks(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RECEIVED, "MAX_EVENTS", 2)
    for number in range(3):
        box.imap.deliver(mail(str(number)))
    first = box.look()
    assert len(first.events) == 2
    assert first.next_at == box.ctx.now()
    box.ctx.commit(first)
    assert box.take() == ["2"]


# After a run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "target"), [("seen", ""), ("move", "Done"), ("delete", "")])
def test_a_message_is_put_away_once_its_run_has_succeeded(after: str, target: str) -> None:
    box = Box(start_from="all", after=after, move_to=target)
    box.imap.deliver(mail("one"))
    box.imap.deliver(mail("two"))
    assert len(box.take()) == 2
    box.ctx.statuses = {"1:1": "succeeded", "1:2": "failed"}
    box.take()
    box.take()
    assert box.imap.put == [((1,), after, target)]
    box.ctx.statuses["1:2"] = "succeeded"
    box.take()
    assert box.imap.put[1:] == [((2,), after, target)]
    assert "taken" not in box.ctx.cursor


def test_what_cannot_be_put_away_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(start_from="all", after="move", move_to="Nowhere")
    box.imap.deliver(mail("one"))
    box.take()
    box.ctx.statuses = {"1:1": "succeeded"}
    put = box.imap.put_away

    async def refuse(*_: Any, **__: Any) -> bool:
        raise BadInput("the mail server refuses: no such mailbox")

    monkeypatch.setattr(FakeImap, "put_away", refuse)
    box.imap.deliver(mail("two"))
    poll = box.look()
    assert "no such mailbox" in poll.problem
    assert [event.data["subject"] for event in poll.events] == ["two"]
    box.ctx.commit(poll)
    monkeypatch.undo()
    assert put is not None
    box.take()
    assert box.imap.put == [((1,), "move", "Nowhere")]


def test_what_started_no_run_is_waited_for_a_day() -> None:
    box = Box(start_from="all", after="delete")
    box.imap.deliver(mail("one"))
    box.take()
    box.ctx.clock.advance(86401)
    box.take()
    assert "taken" not in box.ctx.cursor
    assert box.imap.put == []


def test_move_needs_a_target() -> None:
    with pytest.raises(BadInput, match="move_to"):
        Box(after="move").look()


def test_a_failure_changes_nothing(box: Box) -> None:
    box.imap.deliver(mail("one"))
    box.imap.fails = Unavailable("gone")
    with pytest.raises(Unavailable):
        box.look()
    box.imap.fails = None
    assert box.take() == ["one"]


def test_a_broken_cursor_is_said_plainly() -> None:
    box = Box()
    box.ctx.cursor = {"validity": 1}
    with pytest.raises(BadInput, match="cursor"):
        box.look()


# What strangers send --------------------------------------------------------------------------------

NESTED = b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n"


def bomb(depth: int) -> bytes:
    return b"Subject: bomb\r\n" + b"".join(NESTED % (number, number) for number in range(depth)) + b"\r\nend"


@pytest.mark.parametrize(
    "content",
    [
        bomb(250),
        bomb(5000),
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\na\r\n" * 300 + b"--x--",
    ],
    ids=["deep", "deeper", "wide"],
)
def test_a_mime_bomb_is_kept_and_starts_nothing(content: bytes) -> None:
    box = Box(start_from="all")
    box.imap.deliver(content)
    box.imap.deliver(mail("after it"))
    poll = box.look()
    assert [event.data["subject"] for event in poll.events] == ["after it"]
    (unreadable,) = poll.unreadable
    assert unreadable.key == "1:1"
    assert unreadable.body == content


@pytest.mark.parametrize(
    ("content", "subject", "text"),
    [
        (b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nx", "Grüße", "x"),
        (b"Subject: =?no-such?q?a=FFb?=\r\n\r\nx", "a\N{REPLACEMENT CHARACTER}b", "x"),
        (b"Subject: =?utf-8?b?!!!?=\r\n\r\nx", None, "x"),
        (b"Subject: a\r\n b\r\n\r\nx", "a b", "x"),
        (b"Subject: raw \xfc\r\n\r\nx", None, "x"),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe", "", "Grüße"),
        (b"Content-Type: text/plain; charset=no-such\r\n\r\nGr\xc3\xbc", "", "Grü"),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xff\x00a", "", "\N{REPLACEMENT CHARACTER}a"),
        (b"Content-Type: text/plain; charset=rot13\r\n\r\nabc", "", "abc"),
        (b"", "", ""),
        (b"no header at all", "", None),
    ],
)
def test_odd_headers_and_charsets(content: bytes, subject: str | None, text: str | None) -> None:
    letter = READING.read_letter(content)
    if subject is not None:
        assert letter.data["subject"] == subject
    if text is not None:
        assert letter.data["text"] == text
    json.dumps(letter.data, ensure_ascii=False).encode()


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=500), st.just(mail("x"))), st.data())
def test_any_bytes_are_a_message_or_refused(content: bytes, data: st.DataObject) -> None:
    if content and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(content)))
        content = content[:place] + data.draw(st.binary(max_size=20)) + content[place:]
    try:
        letter = READING.read_letter(content)
    except READING.Unreadable:
        return
    json.dumps(letter.data, ensure_ascii=False).encode()
    assert all("/" not in part.name and "\0" not in part.name for part in letter.parts)
