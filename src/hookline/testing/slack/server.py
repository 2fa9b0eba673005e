"""The inbox over HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from hookline.testing.clock import Clock, SystemClock
from hookline.testing.faults import FaultPlan, UnknownFaultError
from hookline.testing.httpd import Answer, Hang, HttpServer, Request, Reset, Response
from hookline.testing.ports import LOOPBACK
from hookline.testing.slack.answers import Answers
from hookline.testing.slack.arguments import Arguments, SlackError
from hookline.testing.slack.inbox import Inbox
from hookline.testing.slack.methods import Methods
from hookline.testing.slack.outgoing import Delivery, Outgoing
from hookline.testing.slack.page import render
from hookline.testing.slack.records import Channel, Group, Message, UploadedFile, User

__all__ = [
    "DEFAULT_CHANNELS",
    "DEFAULT_SIGNING_SECRET",
    "DEFAULT_TOKEN",
    "DEFAULT_USERS",
    "FAULTS",
    "SlackStandIn",
]

DEFAULT_TOKEN = "xoxb-stand-in-for-loopback-tests"
DEFAULT_SIGNING_SECRET = "5tandin0signing0secret0for0tests"
DEFAULT_CHANNELS = ("general", "random", "moderation", "art", "ops")
DEFAULT_USERS = ("ada", "grace", "linus")
WEBHOOK_PATH = "/services/T0STANDIN00/B0STANDIN00/standinstandinstandin00"

FAULTS: dict[str, str] = {
    "ratelimited": "429 with Retry-After VALUE (default 1); nothing is done",
    "html_500": "500 with an HTML page; nothing is done",
    "html_500_after": "do it, then answer 500 with an HTML page",
    "timeout": "never answer; nothing is done",
    "timeout_after": "do it, then never answer",
    "reset_before": "reset the connection; nothing is done",
    "reset_after": "do it, then reset the connection",
    "error": "`ok: false` with VALUE (default fatal_error) as the error; nothing is done",
    "upload_500": "500 for the bytes of a file upload",
}
_HTML = "<!DOCTYPE html><html><head><title>Server Error</title></head><body>Server Error</body></html>"


class SlackStandIn:
    """A Slack-shaped inbox on loopback. Use it as a context manager.

    Args:
        token: The one valid bot token.
        signing_secret: Signs what the stand-in sends.
        channels: Channel names, without ``#``; posting anywhere else is ``channel_not_found``.
        users: Names of people; their addresses are ``<name>@example.com``.
        groups: Handles of user groups, and the names of their people.
        scopes: What the token may do; anything else is ``missing_scope``. None is everything.
        host: A loopback address.
        port: 0 picks a free one.
        clock: Gives messages their ``ts``.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        signing_secret: str = DEFAULT_SIGNING_SECRET,
        channels: Sequence[str] = DEFAULT_CHANNELS,
        users: Sequence[str] = DEFAULT_USERS,
        groups: Mapping[str, Sequence[str]] | None = None,
        scopes: Collection[str] | None = None,
        host: str = LOOPBACK,
        port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.token = token
        self.signing_secret = signing_secret
        self.faults = FaultPlan(FAULTS)
        self._owns_clock = clock is None
        self.clock = clock or SystemClock()
        made = [Group.named(handle, members) for handle, members in (groups or {}).items()]
        self._inbox = Inbox(self.clock, channels, users, made)
        self._server = HttpServer(host=host, port=port, name="slack")
        self._methods = Methods(self._inbox, self._server.origin)
        self._methods.scopes = None if scopes is None else frozenset(scopes)
        self._answers = Answers(self._inbox, self.clock, self._server.origin, self._methods.content)
        self.outgoing = Outgoing(self.clock, signing_secret)
        self._upload_leaks: list[str] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``. The page is at ``/``."""
        return self._server.origin

    @property
    def api_url(self) -> str:
        """``http://127.0.0.1:PORT/api/``: the value of ``SLACK_BASE_URL``."""
        return f"{self._server.origin}/api/"

    @property
    def webhook_url(self) -> str:
        """An incoming webhook that posts to the first channel."""
        return self._server.origin + WEBHOOK_PATH

    @property
    def messages(self) -> list[Message]:
        """All messages, oldest first."""
        return self._inbox.messages()

    @property
    def files(self) -> list[UploadedFile]:
        """All files, also those whose upload is not finished."""
        return self._inbox.files()

    @property
    def upload_leaks(self) -> list[str]:
        """Paths of file uploads that carried an ``Authorization`` header, which Slack's own do not."""
        return list(self._upload_leaks)

    def channel_id(self, name: str) -> str:
        """The id of a channel.

        Raises:
            KeyError: There is none of that name.
        """
        return self._channel(name).id

    def user_id(self, name: str) -> str:
        """The ID of a person.

        Raises:
            KeyError: There is nobody of that name.
        """
        ids = {user.name: user.id for user in self._inbox.users.values()}
        return ids[name]

    def wait_for_messages(self, count: int = 1, timeout: float = 30.0) -> list[Message]:
        """The messages once there are at least `count`.

        Raises:
            TimeoutError: There are fewer after `timeout` seconds.
        """
        return self._inbox.wait_for(lambda messages: len(messages) >= count, timeout)

    def verify_url(self, url: str) -> bool:
        """Enter an address for events: whether the app says that it is its own."""
        return self.outgoing.verify_url(url)

    def send_event(self, url: str, event: Mapping[str, Any], *, event_id: str = "") -> Delivery:
        """Deliver an event to the app; see `Outgoing.event`."""
        return self.outgoing.event(url, event, event_id=event_id)

    def send_command(
        self, url: str, command: str, text: str = "", *, user: str = "ada", channel: str = "general"
    ) -> Delivery:
        """Let a person type a slash command in a channel.

        Raises:
            KeyError: There is no such person or channel.
        """
        who, where = self._user(user), self._channel(channel)
        response_url = self._answers.open("commands", where, who)
        return self.outgoing.command(url, command, text, who, where, response_url)

    def click(self, url: str, message: Message, action_id: str, *, user: str = "ada") -> Delivery:
        """Let a person press the button with this `action_id` in a message.

        Raises:
            KeyError: There is no such person, or the message has no such element.
        """
        who = self._user(user)
        element = _element(message.blocks, action_id)
        action = {**element, "action_ts": f"{self.clock.now():.6f}"}
        response_url = self._answers.open("actions", message.channel, who, message.ts)
        body = self._methods.message_body(message)
        return self.outgoing.click(url, message, body, action, who, response_url)

    def _send_on_request(self, body: Any) -> Response:
        """Send what a program outside of this process asks for; see the reference page."""
        if not isinstance(body, dict) or not isinstance(body.get("url"), str):
            return Response.of(400, {"detail": "url is missing"})
        url, user = body["url"], str(body.get("user") or "ada")
        try:
            match body.get("kind"):
                case "verify":
                    return Response.of(200, {"verified": self.verify_url(url)})
                case "event" if isinstance(body.get("event"), dict):
                    delivery = self.send_event(url, body["event"], event_id=str(body.get("event_id") or ""))
                case "command":
                    delivery = self.send_command(
                        url,
                        str(body.get("command")),
                        str(body.get("text") or ""),
                        user=user,
                        channel=str(body.get("channel") or "general"),
                    )
                case "click":
                    messages = {message.ts: message for message in self.messages}
                    message = messages[str(body.get("ts"))]
                    delivery = self.click(url, message, str(body.get("action_id")), user=user)
                case _:
                    return Response.of(400, {"detail": "kind is verify, event, command or click"})
        except KeyError as error:
            return Response.of(400, {"detail": f"there is no {error.args[0]}"})
        last = delivery.last
        answer = last.answer.decode("utf-8", "replace")
        return Response.of(200, {"tries": len(delivery.tries), "status": last.status, "answer": answer})

    def _user(self, name: str) -> User:
        found = self._inbox.user(id=self.user_id(name))
        if found is None:
            raise KeyError(name)
        return found

    def _channel(self, name: str) -> Channel:
        found = self._inbox.channel(name, by_name=True)
        if found is None:
            raise KeyError(name)
        return found

    def start(self) -> None:
        """Begin to serve."""
        self._server.start(self._answer)

    def stop(self) -> None:
        """Stop serving and return once every thread is gone."""
        if self._owns_clock:
            self.clock.stop()
        self._server.stop()

    def _answer(self, request: Request) -> Answer:
        path = request.path
        if path.startswith("/api/"):
            return self._with_faults(lambda: self._api(request, path.removeprefix("/api/")))
        if path == WEBHOOK_PATH and request.method == "POST":
            return self._with_faults(lambda: self._incoming_webhook(request))
        if path.startswith(("/commands/", "/actions/")) and request.method == "POST":
            return self._with_faults(lambda: self._response_url(request))
        if path.startswith("/services/"):
            return Response.text(404, "no_service")
        if path.startswith("/upload/v1/") and request.method == "POST":
            return self._upload(request)
        if path.startswith("/files/") and request.method == "GET":
            return self._download(request)
        if path.startswith("/_standin/"):
            return self._control(request)
        if path == "/" and request.method == "GET":
            page = render(self._inbox.messages(), self._inbox.file)
            return Response.text(200, page, "text/html; charset=utf-8")
        return Response.text(404, "not found")

    def _with_faults(self, act: Callable[[], Response]) -> Answer:
        if (fault := self.faults.take("ratelimited")) is not None:
            wait = str(max(1, math.ceil(float(fault.value or 1))))
            return Response.of(429, {"ok": False, "error": "ratelimited"}, headers={"Retry-After": wait})
        if self.faults.take("html_500"):
            return Response.text(500, _HTML, "text/html; charset=utf-8")
        if self.faults.take("timeout"):
            return Hang()
        if self.faults.take("reset_before"):
            return Reset()
        if (fault := self.faults.take("error")) is not None:
            return Response.of(200, {"ok": False, "error": fault.value or "fatal_error"})
        answer = act()
        if self.faults.take("html_500_after"):
            return Response.text(500, _HTML, "text/html; charset=utf-8")
        if self.faults.take("timeout_after"):
            return Hang()
        if self.faults.take("reset_after"):
            return Reset()
        return answer

    def _api(self, request: Request, method: str) -> Response:
        try:
            values, warnings = _arguments(request)
            if method != "api.test":
                self._authenticate(request, values)
            reply: dict[str, Any] = {"ok": True, **self._methods.call(method, Arguments(values))}
            if warnings:
                reply["warning"] = ",".join(warnings)
                reply["response_metadata"] = {**reply.get("response_metadata", {}), "warnings": warnings}
        except SlackError as error:
            reply = {"ok": False, "error": error.code, **error.more}
            if error.messages:
                reply["response_metadata"] = {"messages": list(error.messages)}
        return Response.of(200, reply, content_type="application/json; charset=utf-8")

    def _authenticate(self, request: Request, values: dict[str, Any]) -> None:
        scheme, _, token = (request.header("Authorization") or "").partition(" ")
        token = token if scheme == "Bearer" else str(values.get("token") or "")
        if not token:
            raise SlackError("not_authed")
        if token != self.token:
            raise SlackError("invalid_auth")

    def _incoming_webhook(self, request: Request) -> Response:
        """Incoming webhooks answer in plain text and give no ``ts``."""
        try:
            values = (
                json.loads(parse_qs(request.body.decode())["payload"][0])
                if _is_form(request)
                else request.json()
            )
        except (ValueError, KeyError):
            return Response.text(400, "invalid_payload")
        if not isinstance(values, dict):
            return Response.text(400, "invalid_payload")
        try:
            self._methods.incoming_webhook(Arguments(values), self._inbox.channels[0])
        except SlackError as error:
            return Response.text(400, error.code)
        return Response.text(200, "ok")

    def _response_url(self, request: Request) -> Response:
        try:
            values = request.json()
            self._answers.post(request.path, Arguments(values if isinstance(values, dict) else {}))
        except ValueError:
            return Response.text(400, "invalid_payload")
        except SlackError as error:
            return Response.of(404, {"ok": False, "error": error.code})
        return Response.of(200, {"ok": True})

    def _upload(self, request: Request) -> Response:
        if request.header("Authorization") is not None:
            self._upload_leaks.append(request.path)
        if self.faults.take("upload_500"):
            return Response.text(500, "internal error")
        ticket = request.path.removeprefix("/upload/v1/")
        announced = next((file for file in self._inbox.files() if file.ticket == ticket), None)
        if announced is None:
            return Response.text(404, "no such upload")
        if len(request.body) != announced.length:
            return Response.text(400, f"{announced.length} bytes were announced, {len(request.body)} came")
        self._inbox.receive_file(ticket, request.body)
        return Response.text(200, f"OK - {len(request.body)}")

    def _download(self, request: Request) -> Response:
        file = self._inbox.file(request.path.removeprefix("/files/"))
        if file is None or file.data is None:
            return Response.text(404, "not found")
        # Uploaded bytes are never shown as a page: they may be anything.
        headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        return Response(200, file.data, "application/octet-stream", headers)

    def _control(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/_standin/messages":
                return Response.of(200, {"messages": [asdict(message) for message in self._inbox.messages()]})
            case "GET", "/_standin/state":
                faults = [asdict(fault) for fault in self.faults.active()]
                return Response.of(200, {"faults": faults, "known_faults": self.faults.known})
            case "POST", "/_standin/faults":
                body = request.json()
                value = body.get("value")
                try:
                    self.faults.set(
                        str(body.get("name")),
                        times=body.get("times", 1),
                        value=None if value is None else str(value),
                    )
                except UnknownFaultError as error:
                    return Response.of(400, {"detail": str(error)})
                return Response.of(200, {"faults": [asdict(fault) for fault in self.faults.active()]})
            case "POST", "/_standin/send":
                return self._send_on_request(request.json())
            case "DELETE", "/_standin/faults":
                self.faults.clear(request.query.get("name"))
                return Response(204)
            case _:
                return Response.of(404, {"detail": "not found"})


def _element(blocks: Sequence[Mapping[str, Any]], action_id: str) -> dict[str, Any]:
    """The element of a message with this ID, as Slack reports it.

    Raises:
        KeyError: There is none.
    """
    for block in blocks:
        for element in _objects(block):
            if element.get("action_id") == action_id:
                return {**element, "block_id": str(block.get("block_id") or "b1")}
    raise KeyError(action_id)


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for member in value.values():
            yield from _objects(member)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)


def _is_form(request: Request) -> bool:
    return (request.header("Content-Type") or "").startswith("application/x-www-form-urlencoded")


def _arguments(request: Request) -> tuple[dict[str, Any], list[str]]:
    """The arguments and the warnings Slack adds to its reply."""
    values: dict[str, Any] = dict(request.query)
    kind = (request.header("Content-Type") or "").lower()
    if request.method != "POST" or not request.body:
        return values, []
    if kind.startswith("application/json"):
        try:
            body = request.json()
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        return {**values, **body}, [] if "charset" in kind else ["missing_charset"]
    if _is_form(request):
        fields = parse_qs(request.body.decode(), keep_blank_values=True)
        return {**values, **{name: found[-1] for name, found in fields.items()}}, []
    raise SlackError("invalid_post_type")
