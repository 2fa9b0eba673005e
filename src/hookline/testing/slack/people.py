"""Methods about people, reactions, channels, and messages of other kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hookline.testing.slack.arguments import Arguments, SlackError
from hookline.testing.slack.inbox import Inbox
from hookline.testing.slack.records import Channel, Message, User

__all__ = ["People"]

Reply = dict[str, Any]
Method = Callable[[Arguments], Reply]
MAX_SCHEDULED_SECONDS = 120 * 86400
"""https://docs.slack.dev/reference/methods/chat.scheduleMessage: 120 days into the future."""


class People:
    """A table of methods.

    Args:
        channel: Finds the channel that arguments name.
        content: A message with the text and blocks of arguments, checked.
    """

    def __init__(
        self,
        inbox: Inbox,
        origin: str,
        channel: Callable[..., Channel],
        content: Callable[[Arguments, Message], Message],
    ) -> None:
        self._inbox = inbox
        self._origin = origin
        self._channel = channel
        self._content = content
        self.table: dict[str, Method] = {
            "chat.getPermalink": self._permalink,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.scheduleMessage": self._schedule,
            "chat.scheduledMessages.list": self._list_scheduled,
            "chat.deleteScheduledMessage": self._unschedule,
            "conversations.info": self._info,
            "conversations.join": self._info,
            "reactions.add": self._add_reaction,
            "reactions.remove": self._remove_reaction,
            "reactions.get": self._reactions,
            "usergroups.list": self._list_groups,
            "usergroups.users.list": self._group_members,
            "users.info": self._user_info,
            "users.list": self._list_users,
            "users.lookupByEmail": self._lookup_by_email,
        }

    def _permalink(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments)
        message = self._message(channel, arguments.required("message_ts"))
        number = message.ts.replace(".", "")
        return {"channel": channel.id, "permalink": f"{self._origin}/archives/{channel.id}/p{number}"}

    def _post_ephemeral(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments, by_name=True)
        user = self._inbox.user(id=arguments.required("user"))
        if user is None:
            raise SlackError("user_not_in_channel")
        base = Message(channel, self._inbox.next_ts(), "", seen_by=user.id)
        message = self._inbox.add(self._content(arguments, base))
        return {"message_ts": message.ts}

    def _schedule(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments, by_name=True)
        post_at = arguments.whole("post_at", 0)
        now = float(self._inbox.next_ts())
        if post_at < int(now):
            raise SlackError("time_in_past")
        if post_at > now + MAX_SCHEDULED_SECONDS:
            raise SlackError("time_too_far")
        message = self._content(arguments, Message(channel, "", ""))
        kept = self._inbox.schedule(message, post_at)
        return {
            "channel": channel.id,
            "scheduled_message_id": kept.id,
            "post_at": post_at,
            "message": {"type": "delayed_message", "text": message.text},
        }

    def _list_scheduled(self, arguments: Arguments) -> Reply:
        wanted = arguments.text("channel")
        found = [
            {
                "id": each.id,
                "channel_id": each.message.channel.id,
                "post_at": each.post_at,
                "text": each.message.text,
            }
            for each in self._inbox.scheduled()
            if wanted in (None, "", each.message.channel.id)
        ]
        return {"scheduled_messages": found, "response_metadata": {"next_cursor": ""}}

    def _unschedule(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments)
        if not self._inbox.unschedule(channel, arguments.required("scheduled_message_id")):
            raise SlackError("invalid_scheduled_message_id")
        return {}

    def _info(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments)
        return {
            "channel": {
                "id": channel.id,
                "name": channel.name,
                "is_channel": True,
                "is_member": True,
                "is_archived": False,
            }
        }

    def _add_reaction(self, arguments: Arguments) -> Reply:
        channel, message, name = self._reacted(arguments)
        if name in message.reactions:
            raise SlackError("already_reacted")
        self._react(channel, message, (*message.reactions, name))
        return {}

    def _remove_reaction(self, arguments: Arguments) -> Reply:
        channel, message, name = self._reacted(arguments)
        if name not in message.reactions:
            raise SlackError("no_reaction")
        self._react(channel, message, tuple(each for each in message.reactions if each != name))
        return {}

    def _reactions(self, arguments: Arguments) -> Reply:
        channel = self._channel(arguments)
        message = self._message(channel, arguments.required("timestamp"))
        reactions = [{"name": name, "count": 1} for name in message.reactions]
        return {
            "type": "message",
            "channel": channel.id,
            "message": {"ts": message.ts, "reactions": reactions},
        }

    def _reacted(self, arguments: Arguments) -> tuple[Channel, Message, str]:
        channel = self._channel(arguments)
        message = self._message(channel, arguments.required("timestamp", "no_item_specified"))
        name = arguments.required("name", "invalid_name")
        if not name.replace("_", "").replace("-", "").replace("+", "").isalnum():
            raise SlackError("invalid_name")
        return channel, message, name

    def _react(self, channel: Channel, message: Message, reactions: tuple[str, ...]) -> None:
        self._inbox.update(channel, message.ts, lambda old: replace(old, reactions=reactions), is_edit=False)

    def _message(self, channel: Channel, ts: str) -> Message:
        for message in self._inbox.messages():
            if message.channel == channel and message.ts == ts and message.seen_by is None:
                return message
        raise SlackError("message_not_found")

    def _user_info(self, arguments: Arguments) -> Reply:
        found = self._inbox.user(id=arguments.required("user"))
        if found is None:
            raise SlackError("user_not_found")
        return {"user": _user(found)}

    def _lookup_by_email(self, arguments: Arguments) -> Reply:
        found = self._inbox.user(email=arguments.required("email"))
        if found is None:
            raise SlackError("users_not_found")
        return {"user": _user(found)}

    def _list_users(self, arguments: Arguments) -> Reply:
        members = [_user(user) for user in self._inbox.users.values()]
        return {"members": members, "response_metadata": {"next_cursor": ""}}

    def _list_groups(self, arguments: Arguments) -> Reply:
        groups = [
            {"id": each.id, "is_usergroup": True, "name": each.handle.title(), "handle": each.handle}
            for each in self._inbox.groups.values()
        ]
        return {"usergroups": groups}

    def _group_members(self, arguments: Arguments) -> Reply:
        group = self._inbox.groups.get(arguments.required("usergroup"))
        if group is None:
            raise SlackError("no_such_subteam")
        return {"users": list(group.users)}


def _user(user: User) -> Reply:
    return {
        "id": user.id,
        "team_id": "T0STANDIN00",
        "name": user.name,
        "real_name": user.real_name,
        "tz": "Europe/London",
        "deleted": False,
        "is_bot": False,
        "profile": {"email": user.email, "real_name": user.real_name, "display_name": user.name},
    }
