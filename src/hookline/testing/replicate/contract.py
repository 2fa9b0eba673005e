"""The fields each body must have, and the check that ours have them.

The table is written by hand from Replicate's published OpenAPI document (`info.version` 1.0.0-a1, sha256
``4500bf86453ef1ab65a9e133929ce97f468cff9aa62ab7512d00fd588abb8b39``); where its official Python client 1.0.7
demands more than the document promises, that field is here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["REQUIRED", "ContractError", "checked", "missing_fields"]

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "prediction": (
        "id",
        "model",
        "version",
        "input",
        "output",
        "data_removed",
        "error",
        "status",
        "created_at",
        "urls",
        "logs",
        "source",
    ),
    "prediction.urls": ("get", "cancel", "web"),
    "page": ("next", "previous", "results"),
    "model": (
        "url",
        "owner",
        "name",
        "description",
        "visibility",
        "is_official",
        "run_count",
        "latest_version",
    ),
    "version": ("id", "created_at", "cog_version", "openapi_schema"),
    "file": (
        "id",
        "name",
        "etag",
        "content_type",
        "size",
        "checksums",
        "metadata",
        "created_at",
        "expires_at",
        "urls",
    ),
    "account": ("type", "username", "name"),
    "deployment": ("owner", "name", "current_release"),
    "release": ("number", "model", "version", "created_at", "created_by", "configuration"),
    "training": (
        "id",
        "model",
        "version",
        "input",
        "output",
        "status",
        "created_at",
        "urls",
        "logs",
        "error",
    ),
    "training.urls": ("get", "cancel"),
    "collection": ("name", "slug", "description"),
    "problem": ("detail",),
}


class ContractError(AssertionError):
    """The stand-in made a body that Replicate's contract does not allow: a fault of the stand-in."""


def missing_fields(kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """The required fields of `kind` that `body` lacks."""
    return tuple(name for name in REQUIRED[kind] if name not in body)


def checked(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """`body`, after making sure that it has every required field.

    Raises:
        ContractError: It has not.
    """
    missing = missing_fields(kind, body)
    if f"{kind}.urls" in REQUIRED and not missing:
        missing = missing_fields(f"{kind}.urls", body["urls"])
    if missing:
        raise ContractError(f"{kind} body lacks {', '.join(missing)}")
    return body
