"""Slack's Web API: one call, one request; answers with ``"ok": false`` become typed errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    Http,
    MalformedOutput,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
)
from hookline.sdk.http import raise_for_status, retry_after

__all__ = ["SlackClient"]

Json = Any

TIMEOUT = 30.0

_CREDENTIAL = frozenset(
    {
        "access_denied",
        "account_inactive",
        "ekm_access_denied",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "token_expired",
        "token_revoked",
    }
)
_LIMITED = frozenset({"rate_limited", "ratelimited"})
_NOTHING_DONE = frozenset({"request_timeout", "service_unavailable", "team_added_to_org"})
_AMBIGUOUS = frozenset({"fatal_error", "internal_error"})
"""Slack says of both that part of the work may have been done before they happened."""

_ABSENT = frozenset(
    {"channel_not_found", "file_not_found", "message_not_found", "thread_not_found", "user_not_found"}
)

_HINTS: Mapping[str, str] = {
    "channel_not_found": "use the channel's ID; the bot does not see a private channel it is not in",
    "is_archived": "the channel is archived: choose another",
    "missing_scope": "add the scope at https://api.slack.com/apps and install the app again",
    "msg_blocks_too_long": "shorten the blocks to about 12,000 characters, or attach a file",
    "msg_too_long": "shorten the text, or attach a file",
    "not_in_channel": "invite the bot with /invite, or give it the scope chat:write.public",
    "restricted_action": "a setting of the workspace forbids it: ask an administrator",
}
_LONGEST_CODE = 100


class SlackClient:
    """The API under one bot token.

    Args:
        signing_secret: Proves that a request comes from Slack; "" without one.
    """

    def __init__(self, http: Http, signing_secret: str = "") -> None:
        self.http = http
        self.signing_secret = signing_secret

    async def call(
        self, method: str, arguments: Mapping[str, Json], *, effect: Literal["read", "at_least_once"]
    ) -> Mapping[str, Json]:
        """Call a method; returns the answer, whose ``ok`` is true.

        Args:
            effect: ``at_least_once`` when it does something: a lost answer then leaves open whether
                it did.

        Raises:
            RateLimited, Unavailable: Nothing was done.
            OutcomeUnknown: It may have been done.
            ActionError: Slack refused it.
        """
        ambiguous = OutcomeUnknown if effect == "at_least_once" else Unavailable
        try:
            response = await self.http.request("POST", method, json=dict(arguments), timeout=TIMEOUT)
        except (MalformedOutput, OutcomeUnknown) as error:
            raise ambiguous(f"Slack's answer to {method} was lost: {error.message}", hint=_LOOK) from error
        if response.status == 429:
            raise _limited(method, retry_after(response.headers))
        raise_for_status(response, effect=effect, service="Slack")
        try:
            body = response.json()
        except MalformedOutput:
            body = None
        if not isinstance(body, Mapping) or not isinstance(body.get("ok"), bool):
            raise ambiguous(f"Slack answered {method} with something that is no answer", hint=_LOOK)
        if body["ok"]:
            return body
        code = str(body.get("error") or "unknown error")[:_LONGEST_CODE]
        if code in _LIMITED:
            raise _limited(method, retry_after(response.headers))
        if code in _AMBIGUOUS:
            raise ambiguous(f"Slack failed in {method}: {code}", hint=_LOOK)
        raise _refused(method, code, body)


_LOOK = "the message may have been posted: look at the channel before repeating the step"


def _limited(method: str, wait: float | None) -> RateLimited:
    return RateLimited(
        f"Slack limits {method}", retry_after=wait, hint="about one message a second and channel is allowed"
    )


def _refused(method: str, code: str, body: Mapping[str, Json]) -> ActionError:
    message = f"Slack refused {method}: {code}"
    if code == "missing_scope" and isinstance(body.get("needed"), str):
        message += f" (needed: {body['needed'][:200]})"
    details = body.get("response_metadata")
    found = details.get("messages") if isinstance(details, Mapping) else None
    if isinstance(found, list) and found:
        message += f": {str(found[0])[:500]}"
    hint = _HINTS.get(code, "")
    if code in _CREDENTIAL:
        return AuthenticationFailed(message, hint=hint or "test the connection; its token was refused")
    if code in _NOTHING_DONE:
        return Unavailable(message, hint=hint)
    if code in _ABSENT:
        return NotFound(message, hint=hint)
    return BadInput(message, hint=hint or f"see https://api.slack.com/methods/{method}#errors")
