"""Shape data between steps."""

from __future__ import annotations

from typing import Any

from hookline.sdk import Context, Example, action


@action(
    "transform",
    effect="read",
    pure=True,
    summary="Computed values",
    examples=(
        Example({"value": 42}, output={"value": 42}, title="One value"),
        Example(
            {"user": {"id": 7, "name": "Ada"}, "tags": ["new", "vip"]},
            output={"user": {"id": 7, "name": "Ada"}, "tags": ["new", "vip"]},
            title="A small record",
        ),
    ),
)
def transform(ctx: Context, /, **values: Any) -> Any:
    """Transform data

    The rendered parameters are the output: ``{"id": "total", "uses": "transform", "with":
    {"value": "{{ steps.a.x + steps.b.y }}"}}`` makes ``steps.total.value``.
    """
    return values
