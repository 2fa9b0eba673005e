"""Start a workflow with an HTTP request."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from hookline.sdk import (
    BadInput,
    Field,
    File,
    HookAnswered,
    HookContext,
    HookEvent,
    HookRefused,
    HookReply,
    HookRequest,
    parse_duration,
    parse_size,
    render_event,
    trigger,
)

from ._safe_schema import UnsafeSchema, first_error
from ._webhook.body import Body, checked, checked_texts, parse
from ._webhook.handshake import Handshake, answer_signed, answer_unsigned
from ._webhook.identity import event_key
from ._webhook.refusals import too_large, too_many, unreadable, unsupported, unusable, wrong_body
from ._webhook.sns import SECONDS, Envelope, Sns, confirm, verified
from ._webhook.verify import verify

__all__ = ["webhook"]


class Hmac(TypedDict):
    """A signature over the body, with a shared secret."""

    type: Annotated[Literal["hmac"], Field("HMAC of the raw body.")]
    header: Annotated[str, Field("Header that holds the signature.", examples=["X-Signature"])]
    prefix: NotRequired[Annotated[str, Field("What stands before the signature.", examples=["sha256="])]]
    encoding: NotRequired[Annotated[Literal["hex", "base64"], Field("How the signature is written; hex.")]]
    algorithm: NotRequired[Annotated[Literal["sha256", "sha512"], Field("Hash function; sha256.")]]
    timestamp_header: NotRequired[Annotated[str, Field("Header with the Unix time that is signed too.")]]
    template: NotRequired[
        Annotated[str, Field("What is signed, with {timestamp} and {body}; {timestamp}.{body}.")]
    ]
    tolerance: NotRequired[
        Annotated[str, Field("How far the timestamp may be from now; 5m.", format="duration")]
    ]


class Preset(TypedDict):
    """A scheme that needs nothing but the secret."""

    type: Annotated[
        Literal["standard_webhooks", "github", "stripe", "slack", "microsoft_graph", "b2", "none"],
        Field(
            "Who signs, and how.",
            options={
                "standard_webhooks": "webhook-id, -timestamp and -signature (Svix, Replicate, …).",
                "github": "X-Hub-Signature-256.",
                "stripe": "Stripe-Signature.",
                "slack": "X-Slack-Signature.",
                "microsoft_graph": "clientState of every notification is the secret.",
                "b2": "X-Bz-Event-Notification-Signature of Backblaze B2.",
                "none": "Nothing is checked: whoever knows the path starts the workflow.",
            },
        ),
    ]


class Basic(TypedDict):
    """A user name and a password."""

    type: Annotated[Literal["basic"], Field("Authorization: Basic; the password is the secret.")]
    username: Annotated[str, Field("The user name.")]


class Bearer(TypedDict):
    """A token in a header."""

    type: Annotated[Literal["bearer"], Field("Authorization: Bearer; the token is the secret.")]
    header: NotRequired[
        Annotated[str, Field("Another header whose whole value is the token.", examples=["X-Gitlab-Token"])]
    ]


class FixedAnswer(TypedDict):
    """An answer that is always the same."""

    type: Annotated[Literal["answer"], Field("An answer of your own, once the event is stored.")]
    status: NotRequired[Annotated[int, Field("HTTP status; 200.", minimum=200, maximum=299)]]
    body: NotRequired[
        Annotated[Any, Field("A text is sent as plain text, anything else as JSON; may read `trigger`.")]
    ]
    headers: NotRequired[Annotated[dict[str, str], Field("Further headers.")]]


class OutputAnswer(TypedDict):
    """The run's output, with a limit on the waiting."""

    type: Annotated[Literal["output"], Field("The run's output, once it has finished.")]
    deadline: Annotated[
        str,
        Field("Time after which the sender gets 202 and an address; 25s at most.", format="duration"),
    ]


class RateLimit(TypedDict):
    """How many requests are taken."""

    max: Annotated[int, Field("So many at once.", minimum=1, maximum=1_000_000)]
    per: Annotated[str, Field("And then evenly so many in this time.", format="duration", examples=["1m"])]


_SENSITIVE = re.compile(r"authorization|cookie|token|secret|signature|password|api-?key|credential", re.ASCII)
_HEADER = re.compile(r"[a-z0-9_-]{1,100}", re.ASCII)

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "body": {"description": "The body: JSON's value, a form's fields, a text, or null when empty."},
        "headers": {
            "type": "object",
            "description": "Headers in lower case, without credentials and signatures.",
            "additionalProperties": {"type": "string"},
        },
        "query": {
            "type": "object",
            "description": "The query's parameters.",
            "additionalProperties": {"type": "string"},
        },
        "method": {"type": "string", "description": "The request's method."},
        "files": {"type": "array", "items": File.schema(), "description": "Files of a multipart form."},
    },
    "required": ["body", "headers", "query", "method", "files"],
    "additionalProperties": False,
}


def _is_protected(parameters: Mapping[str, Any]) -> bool:
    auth = parameters.get("auth")
    return not isinstance(auth, Mapping) or auth.get("type") not in ("none", "sns")


@trigger(
    "webhook",
    kind="webhook",
    connection="webhook",
    needs_connection=_is_protected,
    output=_EVENT,
    answers_get=True,
    streams=True,
    sample={
        "body": {"id": "evt_1", "text": "hello"},
        "headers": {"content-type": "application/json", "user-agent": "curl/8.9.0"},
        "query": {},
        "method": "POST",
        "files": [],
    },
)
def webhook(
    ctx: HookContext,
    request: HookRequest,
    path: Annotated[
        str,
        Field("Last part of the address: `orders` is reached at `/hooks/orders`.", max_length=200),
        {"pattern": "^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"},
    ],
    auth: Annotated[
        Hmac | Preset | Basic | Bearer | Sns,
        Field('How the sender proves who it is. Without any proof: {"type": "none"}.'),
    ],
    dedupe: Annotated[
        str,
        Field(
            "Where the event's identity stands: header:<name> or body.<path>, or an expression over the "
            "event. A request whose identity was had before starts nothing; one without it is refused. When "
            "left out, what the scheme offers.",
            examples=["header:X-Request-Id", "body.data.id", "{{ trigger.body.shop }}/{{ trigger.body.id }}"],
        ),
    ] = "",
    schema: Annotated[
        dict[str, Any] | None, Field("JSON Schema that the body must satisfy; else the answer is 422.")
    ] = None,
    respond: Annotated[
        Literal["at_once", "output"] | FixedAnswer | OutputAnswer,
        Field(
            "What the sender is answered: at_once (202 with the event's identity, as soon as the event is "
            "stored), output (the run's output, once it has finished), or an answer of your own.",
            examples=[{"type": "answer", "status": 200, "body": "ok"}, {"type": "output", "deadline": "10s"}],
        ),
    ] = "at_once",
    handshake: Annotated[
        Handshake,
        Field(
            "Whose question is answered that is asked before an address is used.",
            options={
                "none": "Nobody's.",
                "meta": "Meta's hub.challenge, for the verify_token of the connection.",
                "microsoft_graph": "Microsoft Graph's validationToken.",
                "dropbox": "Dropbox's challenge.",
                "x": "X's challenge-response check, with the secret.",
                "zoom": "Zoom's endpoint.url_validation, with the secret.",
            },
        ),
    ] = "none",
    rate_limit: Annotated[
        RateLimit | None,
        Field(
            "Most verified requests taken; further ones are answered 429 with Retry-After.",
            advanced=True,
            examples=[{"max": 60, "per": "1m"}],
        ),
    ] = None,
    max_bytes: Annotated[
        int | str, Field("Largest body accepted.", advanced=True, examples=["10MB"], format="size")
    ] = 1_048_576,
) -> HookEvent | HookAnswered:
    """Webhook.

    Starts a run for every verified request to `/hooks/<path>`. The signature is checked over the raw
    bytes, before anything is read out of them.
    """
    secrets = getattr(ctx.connection, "secrets", ())
    asked = answer_unsigned(handshake, request, secrets, getattr(ctx.connection, "verify_token", ""))
    if asked is not None:
        return HookAnswered(asked)
    if request.method in ("GET", "HEAD"):
        raise HookRefused(405, f"{request.method[:20]} in place of POST", code="S405")
    if request.size > _limit(max_bytes):
        raise too_large(f"the body has {request.size} bytes")
    envelope = None
    if auth.get("type") == "sns":
        envelope, signed = _by_sns(ctx, request, auth["topics"]), None
    else:
        signed = verify(auth, secrets, request, ctx.now())
    if rate_limit is not None:
        wait = ctx.take_turn(rate_limit["max"], _seconds(rate_limit["per"]))
        if wait > 0:
            raise too_many(wait)

    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise unsupported("a compressed body is not read")
    # SNS says that its JSON is plain text.
    mime = request.headers.get("content-type", "") if envelope is None else "application/json"
    body = parse(mime, request)
    if envelope is not None:
        body = checked(Body({**body.value, "Message": envelope.content}))
    try:
        if handshake == "x" and not isinstance(body.value, dict):
            # Anybody can have a bare text signed by asking for the challenge-response check.
            raise unreadable("the body is not an object")
        asked = answer_signed(handshake, body.value, secrets)
        if asked is not None:
            return HookAnswered(asked)
        data = {
            "body": _with_files(body, [_placeholder(upload.name) for upload in body.uploads]),
            "headers": _kept_headers(request.headers, auth),
            "query": checked_texts(request.query, "the query"),
            "method": request.method,
            "files": [],
        }
        key = event_key(dedupe, str(auth.get("type")), request.headers, data, signed)
        if schema is not None:
            _check_schema(schema, data["body"])
        answer = _fixed_answer(respond, data)
        # Only now: a refused request leaves nothing behind.
        files = [
            ctx.save_file(part.content, name=part.name, mime=part.mime).to_json() for part in body.uploads
        ]
        skip = _about_subscription(envelope) if envelope is not None else ""
        # An identity of the author's choice may stand outside of what is signed.
        also = f"signed:{signed}" if dedupe and signed is not None else ""
        event = {**data, "body": _with_files(body, files), "files": files}
        return HookEvent(event, key, answer, skip, also)
    finally:
        body.close()


def _by_sns(ctx: HookContext, request: HookRequest, topics: Sequence[str]) -> Envelope:
    """The message, once SNS is proven to have sent it; a subscription is confirmed on the way."""
    body = request.in_memory().body
    envelope = ctx.ask(verified(ctx.http, body, topics, ctx.now()), timeout=SECONDS + 1)
    if envelope.kind == "SubscriptionConfirmation":
        ctx.ask(confirm(ctx.http, envelope), timeout=SECONDS + 1)
    return envelope


def _about_subscription(envelope: Envelope) -> str:
    """Why a message that is no notification starts nothing."""
    return {
        "SubscriptionConfirmation": f"the subscription to {envelope.topic} is confirmed",
        "UnsubscribeConfirmation": f"the subscription to {envelope.topic} has ended: nothing comes any more",
    }.get(envelope.kind, "")


def _fixed_answer(respond: Any, data: Mapping[str, Any]) -> HookReply | None:
    if not isinstance(respond, Mapping) or respond.get("type") != "answer":
        return None
    try:
        told, headers = render_event([respond.get("body"), respond.get("headers", {})], data)
    except BadInput as error:
        raise unusable(f"respond: {error.message}") from error
    status = respond.get("status", 200)
    headers = {str(name): str(value) for name, value in headers.items()}
    if told is None or isinstance(told, str):
        return HookReply(status, (told or "").encode("utf-8", "replace"), headers=headers)
    return HookReply(status, json.dumps(told).encode(), "application/json", headers)


def _seconds(per: str) -> float:
    try:
        return max(parse_duration(per, name="rate_limit.per"), 0.001)
    except BadInput as error:
        raise unusable(error.message) from error


def _limit(max_bytes: int | str) -> int:
    try:
        return parse_size(max_bytes, name="max_bytes")
    except BadInput as error:
        raise unusable(error.message) from error


def _kept_headers(headers: Mapping[str, str], auth: Mapping[str, Any]) -> dict[str, str]:
    own = str(auth.get("header", "")).lower()
    kept = {
        name: value
        for name, value in headers.items()
        if _HEADER.fullmatch(name) and not _SENSITIVE.search(name) and name != own
    }
    return checked_texts(kept, "a header")


def _check_schema(schema: Mapping[str, Any], value: object) -> None:
    try:
        found = first_error(schema, value)
    except UnsafeSchema as error:
        raise unusable(f"schema: {error}") from error
    except RecursionError as error:
        raise unreadable("the body is nested too deeply") from error
    if found:
        raise wrong_body(f"the body does not satisfy the schema: {found}")


def _placeholder(name: str) -> dict[str, Any]:
    return File("artifact:", name=name).to_json()


def _with_files(body: Body, files: list[dict[str, Any]]) -> Any:
    """The form's fields, each file also under its field's name."""
    if not body.uploads:
        return body.value
    found: dict[str, Any] = dict(body.value)
    for upload, file in zip(body.uploads, files, strict=True):
        before = found.get(upload.field)
        if before is None:
            found[upload.field] = file
        else:
            found[upload.field] = [*(before if isinstance(before, list) else [before]), file]
    return found
