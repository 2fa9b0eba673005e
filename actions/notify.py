"""Tell people, wherever they are: the same text and files through any connection that can tell somebody.

What may happen twice: places that were reached are noted before the next one is tried, so a crash
repeats at most the one that was under way. A step that reached some and not others ends as unknown or
with a permanent error, never with one that would make the engine start again at the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Protocol, TypedDict

from hookline.sdk import (
    ActionError,
    BadInput,
    Context,
    Example,
    Field,
    File,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    action,
)

__all__ = ["Notifier", "Place", "notify"]

Json = Any

KINDS = ("slack", "slack_webhook", "email", "discord", "teams", "webhook")
_IS_CONNECTION = frozenset({"slack_webhook", "discord", "teams"})
"""Connections of these types post to one place, so that naming one says where to."""


class Notifier(Protocol):
    """What a connection that can tell somebody offers."""

    async def notify(self, ctx: Context, to: str, text: str, files: Sequence[File]) -> Mapping[str, Json]: ...


class Place(TypedDict):
    """Where to: exactly one of the services."""

    slack: NotRequired[Annotated[str, Field("Channel in Slack.", examples=["#ops"])]]
    slack_webhook: NotRequired[Annotated[str, Field("Name of a connection to an incoming webhook.")]]
    email: NotRequired[Annotated[str, Field("An email address.", examples=["ada@example.com"])]]
    discord: NotRequired[Annotated[str, Field("Name of a connection to a Discord webhook.")]]
    teams: NotRequired[Annotated[str, Field("Name of a connection to a Teams workflow.")]]
    webhook: NotRequired[Annotated[str, Field("An https address, which is sent a signed webhook.")]]
    connection: NotRequired[
        Annotated[str, Field("Name of another connection of slack, email or webhook than the usual one.")]
    ]


class Told(TypedDict):
    """What became of one place."""

    kind: Annotated[str, Field("The service.")]
    to: Annotated[str, Field("Where.")]
    sent: Annotated[bool, Field("Whether it was reached.")]
    error: Annotated[str | None, Field("Why not.")]
    details: Annotated[dict[str, Any], Field("What the service said, such as the message's identity.")]


class Notified(TypedDict):
    """What became of a notification."""

    sent: Annotated[int, Field("How many places were reached.")]
    places: Annotated[list[Told], Field("Each place, in the order of to.")]


def _opens(given: Mapping[str, Json]) -> list[tuple[str, str]]:
    """The connection of every place."""
    read = (_read(place, number) for number, place in enumerate(given.get("to", ())))
    return [(kind, connection) for kind, _, connection in read]


@action(
    "notify",
    opens=_opens,
    effect="at_least_once",
    summary="Told {sent} places",
    examples=(
        Example(
            {"to": [{"email": "ada@example.com"}], "text": "Backup is done."},
            title="By email",
        ),
        Example(
            {
                "to": [{"email": "ada@example.com"}, {"email": "grace@example.com"}],
                "text": "The report.",
                "files": [{"$file": "artifact:example", "name": "may.pdf", "mime": "application/pdf"}],
                "require": "any",
            },
            title="A file, to whoever can be reached",
        ),
    ),
)
async def notify(
    ctx: Context,
    to: Annotated[
        list[Place],
        Field(
            "Where to, each with one service.",
            min_length=1,
            max_length=20,
            examples=[[{"slack": "#ops"}, {"email": "ada@example.com"}, {"discord": "discord"}]],
        ),
    ],
    text: Annotated[str, Field("What to tell. It cannot mention or link.", multiline=True, min_length=1)],
    files: Annotated[
        list[File] | None, Field("Files. Teams and incoming webhooks of Slack take none.", max_length=10)
    ] = None,
    require: Annotated[
        Literal["all", "any"],
        Field(
            "Who must be reached.",
            options={"all": "Everybody; else the step fails.", "any": "One is enough."},
        ),
    ] = "all",
) -> Notified:
    """Tell people through several services

    Every place is tried, also after one has failed. A crash repeats at most the place that was under
    way. When some were reached and others were not, nothing is repeated by itself.
    """
    wanted = [_read(place, number) for number, place in enumerate(to)]
    told: list[Told] = []
    errors: list[ActionError] = []
    for number, (kind, target, connection) in enumerate(wanted):
        done = ctx.notes.get(f"place_{number}")
        if isinstance(done, Mapping):
            told.append(Told(kind=kind, to=target, sent=True, error=None, details=dict(done)))
            continue
        try:
            notifier: Notifier = await ctx.open(connection, type=kind)
            details = dict(await notifier.notify(ctx, target, text, files or []))
        except ActionError as error:
            errors.append(error)
            told.append(Told(kind=kind, to=target, sent=False, error=error.message, details={}))
            continue
        told.append(Told(kind=kind, to=target, sent=True, error=None, details=details))
        await ctx.note(**{f"place_{number}": details})
    sent = sum(each["sent"] for each in told)
    if errors and (require == "all" or not sent):
        raise _failure(errors, told, sent)
    return Notified(sent=sent, places=told)


def _read(place: Mapping[str, Json], number: int) -> tuple[str, str, str]:
    """The service, the place, and the connection's name.

    Raises:
        BadInput: There is not exactly one service.
    """
    given = [kind for kind in KINDS if place.get(kind)]
    if len(given) != 1:
        raise BadInput(
            f"/to/{number} names {len(given)} services, not one", hint=f"give one of {', '.join(KINDS)}"
        )
    kind = given[0]
    target = str(place[kind])
    usual = target if kind in _IS_CONNECTION else kind
    return kind, target, str(place.get("connection") or usual)


def _failure(errors: Sequence[ActionError], told: Sequence[Told], sent: int) -> ActionError:
    """The step's error: one that is retried by itself only when certainly nobody was reached."""
    reasons = "; ".join(f"{each['kind']} {each['to']}: {each['error']}" for each in told if not each["sent"])
    message = f"{len(errors)} of {len(told)} places were not reached: {reasons}"[:2000]
    hint = errors[0].hint
    permanent = next((each for each in errors if not isinstance(each, RateLimited | Unavailable)), None)
    unknown = next((each for each in errors if isinstance(each, OutcomeUnknown)), None)
    if unknown is not None or (sent and permanent is None):
        return OutcomeUnknown(message, hint=hint or "tell those who were not reached, and only those")
    first = permanent or errors[0]
    waits = [each.retry_after for each in errors if each.retry_after is not None]
    return type(first)(message, hint=hint, retry_after=max(waits) if permanent is None and waits else None)
