"""Leave a trace in a run's record."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from hookline.sdk import Context, Example, Field, action

__all__ = ["Logged", "log"]


class Logged(TypedDict):
    """What was logged."""

    message: Annotated[str, Field("The line.")]


@action(
    "log",
    effect="read",
    pure=True,
    summary="{message}",
    examples=(
        Example({"message": "3 pictures were checked"}, output={"message": "3 pictures were checked"}),
        Example(
            {"message": "Order accepted", "values": {"order": "A-17", "total": 42.5}},
            output={"message": "Order accepted"},
            title="With values",
        ),
    ),
)
def log(
    ctx: Context,
    message: Annotated[str, Field("The line to write.", examples=["3 pictures were checked"])],
    values: Annotated[dict[str, Any] | None, Field("Values to keep with the line.", advanced=True)] = None,
) -> Logged:
    """Write to the log

    The line stands in the step's log, with secrets masked. Nothing is sent anywhere.
    """
    # A value's name must not be taken for the parameter of the same name.
    ctx.log(message, **({"values": values} if values else {}))
    return {"message": message}
