"""Slack's Web API methods, as far as Hookline and its users post with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hookline.testing.slack.arguments import Arguments, SlackError
from hookline.testing.slack.blocks import check_blocks
from hookline.testing.slack.inbox import Inbox
from hookline.testing.slack.people import People
from hookline.testing.slack.records import Channel, Message, UploadedFile

__all__ = ["BOT_ID", "BOT_USER", "SCOPES", "TEAM", "Methods"]

TEAM = "T0STANDIN00"
BOT_ID = "B0STANDIN00"
BOT_USER = "U0STANDIN00"
MAX_TEXT = 40_000
MAX_ATTACHMENTS = 100

Reply = dict[str, Any]

SCOPES: dict[str, str] = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.scheduleMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "conversations.list": "channels:read",
    "conversations.info": "channels:read",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
    "files.info": "files:read",
    "reactions.add": "reactions:write",
    "reactions.remove": "reactions:write",
    "reactions.get": "reactions:read",
    "usergroups.list": "usergroups:read",
    "usergroups.users.list": "usergroups:read",
    "users.info": "users:read",
    "users.list": "users:read",
    "users.lookupByEmail": "users:read.email",
}
"""The scope a method needs; those that are not named need none."""


class Methods:
    """Dispatches method names.

    Args:
        origin: Where upload addresses point.

    Attributes:
        scopes: What the token may do; None is everything.
    """

    def __init__(self, inbox: Inbox, origin: str) -> None:
        self._inbox = inbox
        self._origin = origin
        self._table: dict[str, Callable[[Arguments], Reply]] = {
            "api.test": lambda arguments: {},
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "conversations.list": self._list,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.getUploadURLExternal": self._get_upload_url,
            "files.completeUploadExternal": self._complete_upload,
            "files.info": self._file_info,
            **People(inbox, origin, self._channel, self.content).table,
        }
        self.scopes: frozenset[str] | None = None

    def call(self, name: str, arguments: Arguments) -> Reply:
        """The reply, without ``ok``. Raises `SlackError`."""
        method = self._table.get(name)
        if method is None:
            raise SlackError("unknown_method")
        needed = SCOPES.get(name)
        if needed is not None and self.scopes is not None and needed not in self.scopes:
            raise SlackError("missing_scope", needed=needed, provided=",".join(sorted(self.scopes)))
        return method(arguments)

    def message_body(self, message: Message, *, with_metadata: bool = True) -> Reply:
        """A message as replies and histories show it."""
        body: Reply = {
            "type": "message",
            "ts": message.ts,
            "text": message.text,
            "user": BOT_USER,
            "bot_id": BOT_ID,
            "team": TEAM,
        }
        if message.username is not None:
            body["username"] = message.username
            body["subtype"] = "bot_message"
        if message.blocks:
            body["blocks"] = list(message.blocks)
        if message.attachments:
            body["attachments"] = list(message.attachments)
        if message.thread_ts is not None:
            body["thread_ts"] = message.thread_ts
        if message.metadata is not None and with_metadata:
            body["metadata"] = dict(message.metadata)
        if message.reactions:
            body["reactions"] = [
                {"name": name, "users": [BOT_USER], "count": 1} for name in message.reactions
            ]
        if message.edited_at is not None:
            body["edited"] = {"user": BOT_USER, "ts": f"{message.edited_at:.6f}"}
        files = [self._inbox.file(file_id) for file_id in message.file_ids]
        if files:
            body["files"] = [self.file_body(file) for file in files if file is not None]
        return body

    def file_body(self, file: UploadedFile) -> Reply:
        """A file as replies show it."""
        return {
            "id": file.id,
            "name": file.name,
            "title": file.title or file.name,
            "size": len(file.data or b""),
            "permalink": f"{self._origin}/files/{file.id}",
            "url_private": f"{self._origin}/files/{file.id}",
        }

    def _auth_test(self, arguments: Arguments) -> Reply:
        return {
            "url": f"{self._origin}/",
            "team": "Stand-in",
            "user": "hookline",
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT_ID,
            "is_enterprise_install": False,
        }

    def _channel(self, arguments: Arguments, *, by_name: bool = False) -> Channel:
        found = self._inbox.channel(arguments.text("channel") or "", by_name=by_name)
        if found is None:
            raise SlackError("channel_not_found")
        return found

    def _post_message(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments, by_name=True)
        message = self._inbox.add(self.content(arguments, Message(channel, self._inbox.next_ts(), "")))
        return {"channel": channel.id, "ts": message.ts, "message": self.message_body(message)}

    def incoming_webhook(self, arguments: Arguments, channel: Channel) -> None:
        """Post through an incoming webhook, which is bound to `channel`. Raises `SlackError`."""
        base = Message(channel, self._inbox.next_ts(), "", arrived_by="webhook")
        self._inbox.add(self.content(arguments, base))

    def content(self, arguments: Arguments, base: Message) -> Message:
        """`base` with the text, blocks and so on of `arguments`, checked as Slack checks them."""
        text = arguments.text("text") or ""
        blocks = arguments.structure("blocks", "invalid_blocks_format") or []
        attachments = arguments.structure("attachments", "invalid_attachments") or []
        metadata = arguments.structure("metadata", "invalid_metadata_format")
        if not text and not blocks and not attachments:
            raise SlackError("no_text")
        if len(text) > MAX_TEXT:
            raise SlackError("msg_too_long")
        check_blocks(blocks)
        if not isinstance(attachments, list):
            raise SlackError("invalid_attachments")
        if len(attachments) > MAX_ATTACHMENTS:
            raise SlackError("too_many_attachments")
        if metadata is not None and not (
            isinstance(metadata, dict)
            and isinstance(metadata.get("event_type"), str)
            and isinstance(metadata.get("event_payload"), dict)
        ):
            raise SlackError("invalid_metadata_format")
        return replace(
            base,
            text=text,
            blocks=blocks,
            attachments=attachments,
            thread_ts=arguments.text("thread_ts") or base.thread_ts,
            metadata=metadata,
            username=arguments.text("username"),
        )

    def _update(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments)
        ts = arguments.required("ts")
        # Checked before the message is looked for, so that bad content never changes anything.
        checked = self.content(arguments, Message(channel, ts, ""))
        message = self._inbox.update(
            channel,
            ts,
            lambda old: replace(
                old,
                text=checked.text,
                blocks=checked.blocks,
                attachments=checked.attachments,
                metadata=checked.metadata or old.metadata,
            ),
        )
        if message is None:
            raise SlackError("message_not_found")
        return {"channel": channel.id, "ts": ts, "text": message.text, "message": self.message_body(message)}

    def _delete(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments)
        ts = arguments.required("ts")
        if not self._inbox.delete(channel, ts):
            raise SlackError("message_not_found")
        return {"channel": channel.id, "ts": ts}

    def _list(self, arguments: Arguments) -> Reply:
        channels = [
            {
                "id": channel.id,
                "name": channel.name,
                "is_channel": True,
                "is_member": True,
                "is_archived": False,
            }
            for channel in self._inbox.channels
        ]
        return {"channels": channels, "response_metadata": {"next_cursor": ""}}

    def _history(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments)
        found = [
            item
            for item in reversed(self._inbox.messages())
            if item.channel == channel
            and item.seen_by is None
            and (item.thread_ts is None or item.thread_ts == item.ts)
        ]
        return self._messages_page(arguments, found)

    def _replies(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments)
        ts = arguments.required("ts")
        found = [
            item
            for item in self._inbox.messages()
            if item.channel == channel and item.seen_by is None and ts in (item.ts, item.thread_ts)
        ]
        if not found:
            raise SlackError("thread_not_found")
        return self._messages_page(arguments, found)

    def _messages_page(self, arguments: Arguments, found: list[Message]) -> Reply:
        inclusive = arguments.flag("inclusive")
        oldest = arguments.text("oldest") or "0"
        latest = arguments.text("latest")
        found = [
            item
            for item in found
            if (_moment(item.ts) > _moment(oldest) or (inclusive and item.ts == oldest))
            and (latest is None or _moment(item.ts) < _moment(latest) or (inclusive and item.ts == latest))
        ]
        limit = min(999, max(1, arguments.whole("limit", 100)))
        cursor = arguments.text("cursor")
        start = 0
        if cursor:
            if not cursor.startswith("next:") or not cursor[5:].isdigit():
                raise SlackError("invalid_cursor")
            start = int(cursor[5:])
        more = len(found) > start + limit
        with_metadata = arguments.flag("include_all_metadata")
        return {
            "messages": [
                self.message_body(item, with_metadata=with_metadata) for item in found[start : start + limit]
            ],
            "has_more": more,
            "response_metadata": {"next_cursor": f"next:{start + limit}" if more else ""},
        }

    def _get_upload_url(self, arguments: Arguments) -> Reply:
        file = self._inbox.announce_file(arguments.required("filename"), int(arguments.required("length")))
        return {"upload_url": f"{self._origin}/upload/v1/{file.ticket}", "file_id": file.id}

    def _complete_upload(self, arguments: Arguments) -> Reply:
        wanted = arguments.structure("files", "invalid_arguments")
        if not isinstance(wanted, list) or not wanted or not all(isinstance(item, dict) for item in wanted):
            raise SlackError("invalid_arguments", "[ERROR] missing required field: files")
        references = [
            reference
            for reference in (arguments.text("channel_id") or arguments.text("channels") or "").split(",")
            if reference
        ]
        channels = [self._inbox.channel(reference) for reference in references]
        if None in channels:
            raise SlackError("channel_not_found")
        shared: list[UploadedFile] = []
        for item in wanted:
            file = self._inbox.share_file(str(item.get("id")), str(item.get("title") or ""))
            if file is None:
                raise SlackError("file_not_found")
            shared.append(file)
        for channel in channels:
            if channel is not None:
                self._inbox.add(
                    Message(
                        channel,
                        self._inbox.next_ts(),
                        arguments.text("initial_comment") or "",
                        thread_ts=arguments.text("thread_ts"),
                        file_ids=tuple(file.id for file in shared),
                        arrived_by="file",
                    )
                )
        # Slack shares in the background: `shares` is empty in this reply, and so it is here.
        return {"files": [{**self.file_body(file), "shares": {}} for file in shared]}

    def _file_info(self, arguments: Arguments) -> Reply:
        file = self._inbox.file(arguments.required("file"))
        if file is None or not file.shared:
            raise SlackError("file_not_found")
        channels = [item.channel.id for item in self._inbox.messages() if file.id in item.file_ids]
        shares = {"public": {channel: [{"channel_name": channel}] for channel in channels}}
        return {"file": {**self.file_body(file), "channels": channels, "shares": shares if channels else {}}}


def _moment(ts: str) -> float:
    try:
        return float(ts)
    except ValueError:
        raise SlackError("invalid_arguments", "[ERROR] not a timestamp") from None
