"""Push channels: Drive says that something was changed, and a look comes at once.

A notification carries nothing but that, and may be lost; so it is a hint, and the list of changes stays
the truth. A channel lives for seven days at most and cannot be prolonged: a new one is opened before it
ends, and the old one is closed once the new one is on disk.

Source: https://developers.google.com/workspace/drive/api/guides/push
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from hookline.sdk import ActionError, HookRefused, HookRequest, MalformedOutput

from .api import Api
from .changes import Changes

__all__ = ["Channel", "Pushes", "is_hint"]

LIFE = timedelta(days=7)
"""The longest that Drive grants."""
EARLY = timedelta(days=1)
"""A channel is replaced this long before it ends, and at the latest when half of its life is over."""
RETRY = timedelta(minutes=10)
"""After Drive would not open a channel, until it is asked again."""
_SEAL = b"hookline google_drive push channel"


@dataclass(frozen=True, slots=True)
class Channel:
    """An open channel.

    Attributes:
        address: Where its notifications go.
        seal: Tells whether its token was made with the credential that is configured now.
    """

    id: str
    resource: str
    address: str
    seal: str
    until: datetime
    renew_at: datetime

    @classmethod
    def read(cls, value: Any) -> Channel | None:
        """Out of a cursor, None when there is none or it cannot be read."""
        try:
            return cls(
                *(str(value[name]) for name in ("id", "resource", "address", "seal")),
                *(datetime.fromisoformat(value[name]) for name in ("until", "renew_at")),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, str]:
        """For the cursor. Its token is not in it: it follows from the id and the credential."""
        return {
            "id": self.id,
            "resource": self.resource,
            "address": self.address,
            "seal": self.seal,
            "until": self.until.isoformat(),
            "renew_at": self.renew_at.isoformat(),
        }


class Pushes:
    """Opens and closes channels.

    Args:
        public_url: Address under which Google reaches this installation, ``""`` when it does not.
        secret: The connection's credential: tokens are derived from it, so that any process can check
            them and none has to be kept.
    """

    def __init__(self, api: Api, public_url: str, secret: str) -> None:
        self._api = api
        self._public_url = public_url.rstrip("/")
        self._key = hashlib.sha256(_SEAL + secret.encode()).digest()

    def __repr__(self) -> str:
        return f"Pushes({self._public_url!r})"

    @property
    def seal(self) -> str:
        """Another one when the credential is another one."""
        return self.token("")[:16]

    def token(self, id: str) -> str:
        """The secret that proves a notification of the channel with this id."""
        return hmac.new(self._key, id.encode(), hashlib.sha256).hexdigest()

    def address(self, path: str) -> str:
        """Where the notifications of a trigger go, ``""`` when nobody could reach it."""
        return f"{self._public_url}/hooks/{quote(path.strip('/'))}" if self._public_url else ""

    def is_due(self, channel: Channel | None, address: str, now: datetime) -> bool:
        """Whether a new channel is to be opened."""
        if channel is None or channel.address != address or channel.seal != self.seal:
            return True
        return now >= channel.renew_at

    async def open(self, name: str, address: str, token: str, changes: Changes, now: datetime) -> Channel:
        """Open a channel.

        Args:
            name: Of the trigger; with the time it makes the channel's id.
            token: Place in the list of changes.

        Raises:
            ActionError: See `errors`.
        """
        what = "asking Google Drive to tell of changes"
        id = hashlib.sha256(f"{name}\n{address}\n{now.isoformat()}".encode()).hexdigest()[:40]
        answer = await self._api.ask(
            "POST",
            "drive/v3/changes/watch",
            what,
            params={**changes.params, "includeItemsFromAllDrives": "true", "pageToken": token},
            json={
                "id": id,
                "type": "web_hook",
                "address": address,
                "token": self.token(id),
                "expiration": str(int((now + LIFE).timestamp() * 1000)),
            },
            effect="idempotent",  # a channel whose opening was not heard of ends by itself
        )
        resource, given = answer.get("resourceId"), str(answer.get("expiration") or "")
        if not isinstance(resource, str) or not resource:
            raise MalformedOutput(f"{what}: the answer names no resource")
        until = now + timedelta(hours=1)
        if given.isascii() and given.isdigit():
            until = min(datetime.fromtimestamp(int(given) / 1000, UTC), now + LIFE)
        renew_at = max(until - EARLY, now + (until - now) / 2)
        return Channel(id, resource, address, self.seal, until, renew_at)

    async def close(self, channel: Channel) -> None:
        """Close a channel; nothing happens when it is closed, or cannot be: it ends by itself."""
        try:
            await self._api.send(
                "POST",
                "drive/v3/channels/stop",
                "closing a push channel",
                json={"id": channel.id, "resourceId": channel.resource},
                effect="idempotent",
                accept=(200, 204),
            )
        except ActionError:
            return


def is_hint(pushes: Pushes, request: HookRequest, channel: Channel | None) -> bool:
    """Whether a notification says that something was changed; it is verified first.

    One of a channel that was replaced, or was opened by a look that was never stored, says nothing new.

    Raises:
        HookRefused: It is not Drive's, or not from a channel of ours.
    """
    headers: Mapping[str, str] = request.headers
    id, token = headers.get("x-goog-channel-id", ""), headers.get("x-goog-channel-token", "")
    if not id or not hmac.compare_digest(token.encode(), pushes.token(id).encode()):
        raise HookRefused(401, "it does not hold the token of a push channel of ours", code="C601")
    state = headers.get("x-goog-resource-state", "")
    if channel is None or channel.id != id or headers.get("x-goog-resource-id") != channel.resource:
        return False
    return state != "sync"
