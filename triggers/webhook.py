"""Start a workflow with an HTTP request."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from hookline.sdk import BadInput, Field, File, HookContext, HookEvent, HookRequest, parse_size, trigger

from ._safe_schema import UnsafeSchema, first_error
from ._webhook.body import Body, checked_texts, parse
from ._webhook.identity import event_key
from ._webhook.refusals import too_large, unreadable, unusable, wrong_body
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
        Literal["standard_webhooks", "github", "stripe", "slack", "none"],
        Field(
            "Who signs, and how.",
            options={
                "standard_webhooks": "webhook-id, -timestamp and -signature (Svix, Replicate, …).",
                "github": "X-Hub-Signature-256.",
                "stripe": "Stripe-Signature.",
                "slack": "X-Slack-Signature.",
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
    return not isinstance(auth, Mapping) or auth.get("type") != "none"


@trigger(
    "webhook",
    kind="webhook",
    connection="webhook",
    needs_connection=_is_protected,
    output=_EVENT,
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
        Hmac | Preset | Basic | Bearer,
        Field('How the sender proves who it is. Without any proof: {"type": "none"}.'),
    ],
    dedupe: Annotated[
        str,
        Field(
            "Where the event's identity stands: header:<name> or body.<path>. A request whose identity was "
            "had before starts nothing; one without it is refused. When left out, what the scheme offers.",
            examples=["header:X-Request-Id", "body.data.id"],
        ),
    ] = "",
    schema: Annotated[
        dict[str, Any] | None, Field("JSON Schema that the body must satisfy; else the answer is 422.")
    ] = None,
    respond: Annotated[
        Literal["at_once", "output"],
        Field(
            "What the sender is answered.",
            options={
                "at_once": "202 with the event's identity, as soon as the event is stored.",
                "output": "The run's output, once it has finished.",
            },
        ),
    ] = "at_once",
    max_bytes: Annotated[
        int | str, Field("Largest body accepted.", advanced=True, examples=["10MB"], format="size")
    ] = 1_048_576,
) -> HookEvent:
    """Webhook.

    Starts a run for every verified request to `/hooks/<path>`. The signature is checked over the raw
    bytes, before anything is read out of them.
    """
    if len(request.body) > _limit(max_bytes):
        raise too_large(f"the body has {len(request.body)} bytes")
    secrets = getattr(ctx.connection, "secrets", ())
    signed = verify(auth, secrets, request, ctx.now())

    body = parse(request.headers.get("content-type", ""), request.body)
    query = checked_texts(request.query, "the query")
    headers = _kept_headers(request.headers, auth)
    key = event_key(dedupe, str(auth.get("type")), request.headers, body.value, signed)
    if schema is not None:
        _check_schema(schema, _with_files(body, [_placeholder(upload.name) for upload in body.uploads]))

    # Only now: a refused request leaves nothing behind.
    files = [ctx.save_file(part.content, name=part.name, mime=part.mime).to_json() for part in body.uploads]
    return HookEvent(
        {
            "body": _with_files(body, files),
            "headers": headers,
            "query": query,
            "method": request.method,
            "files": files,
        },
        key,
    )


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
