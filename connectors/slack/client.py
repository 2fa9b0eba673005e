"""Slack's Web API: one call, one request; answers with ``"ok": false`` become typed errors.

Which code is which error: https://docs.slack.dev/reference/methods lists the codes of every method; one that
is not known here is permanent and shown as it came.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

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
from hookline.sdk.components import Effect
from hookline.sdk.http import raise_for_status, retry_after

__all__ = ["SlackClient", "text_of"]

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
        http: Sends the token to the API's origin.
        plain: Sends no credential: for the bytes of files, and for addresses that Slack gives out.
        base_url: The API's address; anything but Slack's own is somebody's stand-in.
        signing_secret: Proves that a request comes from Slack; "" without one.
    """

    def __init__(self, http: Http, plain: Http, base_url: str, signing_secret: str = "") -> None:
        self.http = http
        self.plain = plain
        self.base_url = base_url
        self.signing_secret = signing_secret

    def __repr__(self) -> str:
        return f"SlackClient({self.base_url!r})"

    async def call(
        self, method: str, arguments: Mapping[str, Json], *, effect: Effect, accept: Collection[str] = ()
    ) -> Mapping[str, Json]:
        """Call a method; returns the answer, whose ``ok`` is true unless its ``error`` is accepted.

        Args:
            arguments: Those that are None are left out.
            effect: What a lost answer means: nothing, when the call may simply be repeated (``read``,
                ``idempotent``); otherwise it stays open whether the call did its work.
            accept: Codes of refusals that the caller understands.

        Raises:
            RateLimited, Unavailable: Nothing was done, or repeating it does no harm.
            OutcomeUnknown: It may have been done.
            ActionError: Slack refused it.
        """
        is_harmless = effect in ("read", "idempotent")
        ambiguous = Unavailable if is_harmless else OutcomeUnknown
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            if effect == "read":
                query = {name: _query(value) for name, value in given.items()}
                response = await self.http.request("GET", method, params=query, timeout=TIMEOUT)
            else:
                response = await self.http.request("POST", method, json=given, timeout=TIMEOUT)
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
        if code in accept:
            return body
        if code in _LIMITED:
            raise _limited(method, retry_after(response.headers))
        if code in _AMBIGUOUS:
            raise ambiguous(f"Slack failed in {method}: {code}", hint=_LOOK)
        raise _refused(method, code, body)

    def is_own_address(self, address: str) -> bool:
        """Whether an address that Slack gave out is Slack's (or that of the stand-in in its place)."""
        try:
            found, base = urlsplit(address), urlsplit(self.base_url)
            if found.username is not None or found.password is not None:
                return False
            if (found.scheme, found.netloc) == (base.scheme, base.netloc):
                return True
            host = found.hostname or ""
            is_usual = found.scheme == "https" and found.port in (None, 443)
            return is_usual and _is_slack(host) and _is_slack(base.hostname or "")
        except ValueError:
            return False


def text_of(body: Mapping[str, Json], name: str, method: str) -> str:
    """A text that an answer must hold.

    Raises:
        MalformedOutput: It does not.
    """
    found = body.get(name)
    if not isinstance(found, str) or not found:
        raise MalformedOutput(f"Slack's answer to {method} has no {name}")
    return found


def _is_slack(host: str) -> bool:
    return host == "slack.com" or host.endswith(".slack.com")


def _query(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_LOOK = "it may have been done: look at Slack before repeating the step"


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
