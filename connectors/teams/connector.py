"""Microsoft Teams: messages through a workflow with the trigger "When a Teams webhook request is received".

The address holds the secret in its query, and the body must be wrapped in an adaptive card, which a
manifest cannot say. Source: https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict
from urllib.parse import parse_qsl, urlsplit

from hookline.sdk import (
    BadInput,
    ConnectionContext,
    Connector,
    Context,
    Example,
    Field,
    File,
    Http,
    MalformedOutput,
    OutcomeUnknown,
    Recorded,
    raise_for_status,
)

__all__ = ["TeamsWorkflow", "connect", "send", "teams"]

Json = Any

MAX_BYTES = 28_000
"""https://learn.microsoft.com/en-us/microsoftteams/limits-specifications-teams: 28 KB for a message."""

_LOOK = "look at the channel before repeating the step"

teams = Connector(
    "teams", title="Microsoft Teams", docs="https://learn.microsoft.com/en-us/connectors/teams/"
)


@dataclass(frozen=True, slots=True)
class TeamsWorkflow:
    """An address that posts to one channel. Whoever knows it can post, so it is never shown."""

    http: Http = field(repr=False)
    path: str = field(repr=False)
    params: Mapping[str, str] = field(repr=False)

    async def notify(self, ctx: Context, to: str, text: str, files: Sequence[File]) -> Mapping[str, Json]:
        """Post a text; Teams takes no files this way."""
        if files:
            raise BadInput("a Teams workflow takes no files", hint="send a link to them")
        await post(self, _card(text, ""))
        return {}


@teams.connection
def connect(
    ctx: ConnectionContext,
    url: Annotated[
        str,
        Field(
            "Address of the workflow, as Teams shows it once. It is the secret.",
            secret=True,
            env="TEAMS_WEBHOOK_URL",
            examples=[
                "https://prod-00.westeurope.logic.azure.com/workflows/EXAMPLE/triggers/manual/paths/invoke?sig=EXAMPLE0"
            ],
        ),
    ],
) -> TeamsWorkflow:
    """Open a workflow's address."""
    try:
        parts = urlsplit(url)
        params = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        is_usable = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_usable = False
    if not is_usable:
        raise BadInput(
            "the connection's url is no address of a Teams workflow", hint="copy it whole, with its query"
        )
    return TeamsWorkflow(ctx.http(f"{parts.scheme}://{parts.netloc}"), parts.path.lstrip("/"), params)


class Sent(TypedDict):
    """Teams took the message; it says no more about it."""

    accepted: Annotated[bool, Field("Always true.")]


@teams.action(
    "send",
    effect="at_least_once",
    summary="Sent to Teams",
    docs="https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook",
    examples=[
        Example(
            input={"text": "Backup is **done**.", "title": "Backup"},
            responses=[Recorded(202, expect="POST /workflows/EXAMPLE/triggers/manual/paths/invoke")],
            output={"accepted": True},
        )
    ],
)
async def send(
    ctx: Context,
    text: Annotated[
        str, Field("The message; bold, lists and links as in Markdown.", multiline=True, min_length=1)
    ],
    title: Annotated[str, Field("Shown above it.", max_length=200)] = "",
    card: Annotated[
        dict[str, Any] | None,
        Field("An adaptive card in place of the text, which then stands for it in summaries.", advanced=True),
    ] = None,
) -> Sent:
    """Send a message to Teams

    Teams says nothing about the message but that it was taken: a crash at the wrong moment posts it
    twice. A lost answer is not repeated.
    """
    await post(ctx.connection, card if card is not None else _card(text, title))
    return Sent(accepted=True)


def _card(text: str, title: str) -> dict[str, Json]:
    heading = [{"type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": True}]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [*(heading if title else []), {"type": "TextBlock", "text": text, "wrap": True}],
    }


async def post(workflow: TeamsWorkflow, card: Mapping[str, Json]) -> None:
    """One request.

    Raises:
        OutcomeUnknown: It may have been posted.
        ActionError: It was refused.
    """
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    body = {"type": "message", "attachments": [attachment]}
    if len(json.dumps(body).encode()) > MAX_BYTES:
        raise BadInput(
            "the message is larger than the 28 KB that Teams takes", hint="shorten it, or send a link"
        )
    try:
        answer = await workflow.http.request(
            "POST", workflow.path, params=workflow.params, json=body, timeout=30.0
        )
    except (MalformedOutput, OutcomeUnknown) as error:
        raise OutcomeUnknown("the answer of Teams was lost", hint=_LOOK) from error
    # A reason could repeat the address, and with it the secret.
    raise_for_status(answer, effect="at_least_once", service="Teams", reason="see the status")
