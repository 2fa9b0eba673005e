"""Reactions, people, channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from hookline.sdk import Context, Example, Field, MalformedOutput, NotFound, Recorded

from .app import slack
from .client import text_of
from .content import MessageTs

__all__ = ["add_reaction", "list_channels", "lookup_user"]

Json = Any


class Reaction(TypedDict):
    """A reaction that is there."""

    channel: Annotated[str, Field("ID of the channel.")]
    ts: Annotated[str, Field("The message's timestamp.")]
    added: Annotated[bool, Field("False when the bot had reacted so before.")]


class User(TypedDict):
    """A person."""

    id: Annotated[str, Field("ID, to mention by: <@ID>.", examples=["W012A3CDE"])]
    name: Annotated[str, Field("User name.")]
    real_name: Annotated[str | None, Field("Full name.")]
    display_name: Annotated[str | None, Field("Name shown in Slack.")]
    tz: Annotated[str | None, Field("Time zone.", examples=["Europe/Berlin"])]
    is_bot: Annotated[bool, Field("Whether it is a program.")]
    deleted: Annotated[bool, Field("Whether the account is closed.")]


class ChannelInfo(TypedDict):
    """A channel."""

    id: Annotated[str, Field("ID.", examples=["C012AB3CD"])]
    name: Annotated[str, Field("Name, without #.")]
    is_private: Annotated[bool, Field("Whether it is private.")]
    is_archived: Annotated[bool, Field("Whether it is closed.")]
    is_member: Annotated[bool, Field("Whether the bot is in it.")]


class Channels(TypedDict):
    """A page of channels."""

    channels: Annotated[list[ChannelInfo], Field("The channels.")]
    next_cursor: Annotated[str, Field("Cursor of the next page; empty at the last one.")]


@slack.action(
    "add_reaction",
    effect="idempotent",
    summary="Reacted with {name}",
    docs="https://docs.slack.dev/reference/methods/reactions.add",
    examples=[
        Example(
            input={"channel": "C012AB3CD", "ts": "1763633642.000100", "name": "eyes"},
            responses=[Recorded(json={"ok": True}, expect="POST /api/reactions.add")],
            output={"channel": "C012AB3CD", "ts": "1763633642.000100", "added": True},
        )
    ],
)
async def add_reaction(
    ctx: Context,
    channel: Annotated[str, Field("ID of the channel.", examples=["C012AB3CD"], min_length=1)],
    ts: MessageTs,
    name: Annotated[
        str, Field("Name of the emoji, without colons.", examples=["eyes", "white_check_mark"], min_length=1)
    ],
) -> Reaction:
    """Add a reaction

    Needs the scope reactions:write. A reaction that is there already is no error.
    """
    arguments = {"channel": channel, "timestamp": ts, "name": name.strip(":")}
    answer = await ctx.connection.call(
        "reactions.add", arguments, effect="idempotent", accept=("already_reacted",)
    )
    return Reaction(channel=channel, ts=ts, added=bool(answer["ok"]))


@slack.action(
    "lookup_user",
    effect="read",
    summary="Found {output[name]}",
    docs="https://docs.slack.dev/reference/methods/users.lookupByEmail",
    examples=[
        Example(
            input={"email": "spengler@ghostbusters.example.com"},
            responses=[
                Recorded(
                    json={
                        "ok": True,
                        "user": {
                            "id": "W012A3CDE",
                            "team_id": "T012AB3C4",
                            "name": "spengler",
                            "deleted": False,
                            "real_name": "Egon Spengler",
                            "tz": "America/New_York",
                            "profile": {"display_name": "spengler", "real_name": "Egon Spengler"},
                            "is_bot": False,
                        },
                    },
                    expect="GET /api/users.lookupByEmail",
                )
            ],
            output={
                "id": "W012A3CDE",
                "name": "spengler",
                "real_name": "Egon Spengler",
                "display_name": "spengler",
                "tz": "America/New_York",
                "is_bot": False,
                "deleted": False,
            },
        )
    ],
)
async def lookup_user(
    ctx: Context,
    email: Annotated[
        str, Field("Address that the person uses in Slack.", examples=["ada@example.com"], min_length=3)
    ],
) -> User:
    """Find a person by email address

    Needs the scopes users:read and users:read.email.
    """
    answer = await ctx.connection.call(
        "users.lookupByEmail", {"email": email}, effect="read", accept=("users_not_found",)
    )
    if not answer["ok"]:
        raise NotFound(
            f"nobody in Slack has the address {email[:200]}",
            hint="the bot needs users:read.email, and guests of other workspaces are not found",
        )
    found = answer.get("user")
    if not isinstance(found, Mapping):
        raise MalformedOutput("Slack's answer to users.lookupByEmail has no user")
    profile = found.get("profile")
    return User(
        id=text_of(found, "id", "users.lookupByEmail"),
        name=text_of(found, "name", "users.lookupByEmail"),
        real_name=_optional(found.get("real_name")),
        display_name=_optional(profile.get("display_name") if isinstance(profile, Mapping) else None),
        tz=_optional(found.get("tz")),
        is_bot=found.get("is_bot") is True,
        deleted=found.get("deleted") is True,
    )


@slack.action(
    "list_channels",
    effect="read",
    summary="Listed channels",
    docs="https://docs.slack.dev/reference/methods/conversations.list",
    examples=[
        Example(
            input={},
            responses=[
                Recorded(
                    json={
                        "ok": True,
                        "channels": [
                            {
                                "id": "C012AB3CD",
                                "name": "general",
                                "is_channel": True,
                                "is_private": False,
                                "is_archived": False,
                                "is_member": True,
                            }
                        ],
                        "response_metadata": {"next_cursor": "dGVhbTpDMDYxRkE1UEI="},
                    },
                    expect="GET /api/conversations.list",
                )
            ],
            output={
                "channels": [
                    {
                        "id": "C012AB3CD",
                        "name": "general",
                        "is_private": False,
                        "is_archived": False,
                        "is_member": True,
                    }
                ],
                "next_cursor": "dGVhbTpDMDYxRkE1UEI=",
            },
        )
    ],
)
async def list_channels(
    ctx: Context,
    types: Annotated[
        list[Literal["public_channel", "private_channel"]],
        Field("Kinds of channels; private ones need the scope groups:read.", min_length=1),
    ] = ["public_channel"],  # noqa: B006 - read only
    exclude_archived: Annotated[bool, Field("Leave out closed channels.")] = True,
    limit: Annotated[int, Field("How many at most; Slack may give fewer.", minimum=1, maximum=999)] = 200,
    cursor: Annotated[str, Field("next_cursor of the page before.", advanced=True)] = "",
) -> Channels:
    """List channels

    Needs the scope channels:read. One page: the next one begins at next_cursor.
    """
    arguments = {
        "types": ",".join(types),
        "exclude_archived": exclude_archived,
        "limit": limit,
        "cursor": cursor or None,
    }
    answer = await ctx.connection.call("conversations.list", arguments, effect="read")
    found = answer.get("channels")
    if not isinstance(found, list):
        raise MalformedOutput("Slack's answer to conversations.list has no channels")
    more = answer.get("response_metadata")
    next_cursor = more.get("next_cursor") if isinstance(more, Mapping) else None
    return Channels(
        channels=[_channel(each) for each in found if isinstance(each, Mapping)],
        next_cursor=next_cursor if isinstance(next_cursor, str) else "",
    )


def _channel(found: Mapping[str, Json]) -> ChannelInfo:
    return ChannelInfo(
        id=text_of(found, "id", "conversations.list"),
        name=text_of(found, "name", "conversations.list"),
        is_private=found.get("is_private") is True,
        is_archived=found.get("is_archived") is True,
        is_member=found.get("is_member") is True,
    )


def _optional(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
