"""Incoming webhooks: plain-text answers, and no way to tell afterwards what was posted.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.sdk import (
    AuthenticationFailed,
    BadInput,
    Http,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    raise_for_status,
)

__all__ = ["send"]

Json = Any

_TIMEOUT = 30.0
_LOOK = "look at the channel before repeating the step"
_REVOKED = frozenset({"action_prohibited", "invalid_token", "no_service", "no_team", "no_active_hooks"})
_ABSENT = frozenset({"channel_not_found", "channel_is_archived", "user_not_found"})
_MISTAKES = frozenset(
    {
        "invalid_payload",
        "no_text",
        "too_many_attachments",
        "invalid_blocks",
        "posting_to_general_channel_denied",
    }
)


async def send(http: Http, path: str, body: Mapping[str, Json]) -> None:
    """Post one message.

    Raises:
        RateLimited, Unavailable: Nothing was posted.
        OutcomeUnknown: It may have been posted.
        ActionError: Slack refused it.
    """
    try:
        response = await http.request("POST", path, json=dict(body), timeout=_TIMEOUT)
    except (MalformedOutput, OutcomeUnknown) as error:
        raise OutcomeUnknown("the answer of Slack's incoming webhook was lost", hint=_LOOK) from error
    code = response.text.strip()[:100]
    if response.status < 500:
        if code in _REVOKED:
            raise AuthenticationFailed(
                f"Slack does not take the incoming webhook (any more): {code}",
                hint="make a new one at https://api.slack.com/apps, and put its address into the connection",
            )
        if code in _ABSENT:
            raise NotFound(f"the channel of the incoming webhook is gone: {code}")
        if code in _MISTAKES:
            raise BadInput(f"Slack refused the message: {code}")
    # A reason could repeat the address, and with it the secret.
    raise_for_status(response, effect="at_least_once", service="Slack", reason="see the status")
    if code != "ok":
        raise OutcomeUnknown(
            "Slack answered an incoming webhook with something that is no answer", hint=_LOOK
        )
