"""What Slack sends: events with retries, slash commands and clicks, all of them signed.

Sources: https://docs.slack.dev/apis/events-api/ (three seconds, three retries: at once, after a minute, after
five) and https://docs.slack.dev/authentication/verifying-requests-from-slack.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from hookline.testing.clock import Clock
from hookline.testing.slack.records import Channel, Message, User

__all__ = ["APP_ID", "Delivery", "Outgoing", "Sent", "post"]

APP_ID = "A0STANDIN00"
TEAM = "T0STANDIN00"
ANSWER_SECONDS = 3.0
RETRY_DELAYS = (0.0, 60.0, 300.0)
MAX_ANSWER = 1_000_000

Json = Any


@dataclass(frozen=True, slots=True)
class Sent:
    """One request and its answer.

    Attributes:
        status: None when no answer came in time.
        retry_num: 0 for the first try.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int | None
    answer: bytes
    answer_headers: Mapping[str, str]
    retry_num: int = 0

    @property
    def ok(self) -> bool:
        """Whether it was taken."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(slots=True)
class Delivery:
    """An event, command or click, with every try to deliver it."""

    url: str
    tries: list[Sent] = field(default_factory=list)

    @property
    def last(self) -> Sent:
        """The newest try."""
        return self.tries[-1]


Post = Callable[[str, Mapping[str, str], bytes], tuple[int | None, bytes, Mapping[str, str]]]


def post(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int | None, bytes, Mapping[str, str]]:
    """Send a request; status None when nothing comes back within three seconds. No redirect is followed."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    request = urllib.request.Request(url, body, dict(headers), method="POST")
    try:
        with opener.open(request, timeout=ANSWER_SECONDS) as answer:
            return answer.status, answer.read(MAX_ANSWER), _lower(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MAX_ANSWER), _lower(error.headers)
    except (OSError, ValueError):
        return None, b"", {}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        return None


class Outgoing:
    """Sends to an app.

    Args:
        post: Sends one request; another one in tests that need no socket.
    """

    def __init__(self, clock: Clock, signing_secret: str, post: Post = post) -> None:
        self._clock = clock
        self._signing_secret = signing_secret
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self.post = post
        self.deliveries: list[Delivery] = []

    def signed(self, body: bytes, content_type: str, **more: str) -> dict[str, str]:
        """The headers of a request with this body, sent now."""
        timestamp = str(int(self._clock.now()))
        base = b"v0:" + timestamp.encode() + b":" + body
        signature = hmac.new(self._signing_secret.encode(), base, hashlib.sha256).hexdigest()
        return {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={signature}",
            **more,
        }

    def verify_url(self, url: str) -> bool:
        """Ask whether the address is the app's, as Slack does when it is entered."""
        challenge = secrets.token_urlsafe(40)
        body = {"token": _token(), "challenge": challenge, "type": "url_verification"}
        sent = self._send(Delivery(url), json.dumps(body).encode(), "application/json", 0, "")
        if not sent.ok:
            return False
        if sent.answer_headers.get("content-type", "").startswith("application/json"):
            try:
                answered = json.loads(sent.answer)
            except ValueError:
                return False
            return isinstance(answered, dict) and answered.get("challenge") == challenge
        return sent.answer.decode("utf-8", "replace").strip() == challenge

    def event(self, url: str, event: Mapping[str, Json], *, event_id: str = "") -> Delivery:
        """Deliver an event; what is not taken is tried again as the clock moves on."""
        body = {
            "token": _token(),
            "team_id": TEAM,
            "api_app_id": APP_ID,
            "event": dict(event),
            "type": "event_callback",
            "event_id": event_id or f"Ev{secrets.token_hex(5).upper()}",
            "event_time": int(self._clock.now()),
            "authorizations": [
                {"enterprise_id": None, "team_id": TEAM, "user_id": "U0STANDIN00", "is_bot": True}
            ],
            "is_ext_shared_channel": False,
        }
        delivery = self._begin(url)
        self._try(delivery, json.dumps(body).encode(), 0, "")
        return delivery

    def command(
        self, url: str, command: str, text: str, user: User, channel: Channel, response_url: str
    ) -> Delivery:
        """Type a slash command. It is not tried again."""
        form = {
            "token": _token(),
            "team_id": TEAM,
            "team_domain": "stand-in",
            "channel_id": channel.id,
            "channel_name": channel.name,
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": text,
            "api_app_id": APP_ID,
            "is_enterprise_install": "false",
            "response_url": response_url,
            "trigger_id": self._trigger_id(),
        }
        return self._form(url, form)

    def click(
        self,
        url: str,
        message: Message,
        body: Mapping[str, Json],
        action: Mapping[str, Json],
        user: User,
        response_url: str,
    ) -> Delivery:
        """Act on an element of a message. It is not tried again."""
        payload: dict[str, Json] = {
            "type": "block_actions",
            "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": TEAM},
            "api_app_id": APP_ID,
            "token": _token(),
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel.id,
                "is_ephemeral": message.seen_by is not None,
            },
            "trigger_id": self._trigger_id(),
            "team": {"id": TEAM, "domain": "stand-in"},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": message.channel.id, "name": message.channel.name},
            "message": dict(body),
            "state": {"values": {}},
            "response_url": response_url,
            "actions": [dict(action)],
        }
        return self._form(url, {"payload": json.dumps(payload)})

    def _form(self, url: str, form: Mapping[str, str]) -> Delivery:
        delivery = self._begin(url)
        self._send(delivery, urlencode(form).encode(), "application/x-www-form-urlencoded", 0, "")
        return delivery

    def _begin(self, url: str) -> Delivery:
        delivery = Delivery(url)
        with self._guard:
            self.deliveries.append(delivery)
        return delivery

    def _try(self, delivery: Delivery, body: bytes, number: int, reason: str) -> None:
        sent = self._send(delivery, body, "application/json", number, reason)
        if sent.ok or number >= len(RETRY_DELAYS) or sent.answer_headers.get("x-slack-no-retry") == "1":
            return
        why = "http_timeout" if sent.status is None else "http_error"
        delay = RETRY_DELAYS[number]
        if delay == 0:
            self._try(delivery, body, number + 1, why)
        else:
            self._clock.call_later(delay, lambda: self._try(delivery, body, number + 1, why))

    def _send(self, delivery: Delivery, body: bytes, content_type: str, number: int, reason: str) -> Sent:
        retried = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason} if number else {}
        headers = self.signed(body, content_type, **retried)
        status, answer, answer_headers = self.post(delivery.url, headers, body)
        sent = Sent(delivery.url, headers, body, status, answer, answer_headers, number)
        with self._guard:
            delivery.tries.append(sent)
        return sent

    def _trigger_id(self) -> str:
        return f"{next(self._numbers)}.{int(self._clock.now())}.{secrets.token_hex(16)}"


def _token() -> str:
    """Slack's verification token: deprecated, and sent all the same."""
    return "standinVerificationToken"


def _lower(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}
