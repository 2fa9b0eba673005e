"""A prediction as the API reports it, and what a step asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from hookline.sdk import BadInput, MalformedOutput
from hookline.sdk.predictions import parse_time

__all__ = ["TERMINAL", "Remote", "Target", "Wanted", "read_target"]

Json = Any

TERMINAL = frozenset({"succeeded", "failed", "canceled", "aborted"})
"""Final statuses. The documentation and every official client forget ``aborted``."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_MODEL = re.compile(rf"(?P<name>{_NAME}/{_NAME})(?::(?P<version>[0-9a-f]{{64}}))?", re.ASCII)
_VERSION = re.compile(r"[0-9a-f]{64}", re.ASCII)
_OWNED = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The parameters of one step."""

    input: Mapping[str, Json]
    model: str | None = None
    deployment: str | None = None
    hardware: str | None = None
    webhook: Literal["auto", "always", "never"] = "auto"
    poll_interval: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a prediction is created.

    Attributes:
        path: Below ``/v1/``.
        version: What ``version`` says in the request, None for a deployment.
        model: ``owner/name`` where it is known.
        pinned: 64 hexadecimal digits, None when the provider chooses.
        deployment: ``owner/name`` of a deployment.
    """

    path: str
    version: str | None
    model: str | None = None
    pinned: str | None = None
    deployment: str | None = None

    def could_have_made(self, remote: Remote) -> bool:
        """Whether a prediction may come from a request to this target."""
        if self.deployment is not None:
            return remote.deployment in (None, self.deployment)
        if self.pinned is not None:
            return remote.version == self.pinned
        return remote.model == self.model


def read_target(wanted: Wanted) -> Target:
    """Understand ``model`` or ``deployment``.

    Raises:
        BadInput: Not exactly one of them is given, or it cannot be understood.
    """
    if (wanted.model is None) == (wanted.deployment is None):
        raise BadInput("give either model or deployment", hint='for example "model": "owner/name"')
    if wanted.deployment is not None:
        if not _OWNED.fullmatch(wanted.deployment):
            raise BadInput(f"deployment is not of the form owner/name: {wanted.deployment[:200]!r}")
        return Target(f"deployments/{wanted.deployment}/predictions", None, deployment=wanted.deployment)
    reference = wanted.model or ""
    if _VERSION.fullmatch(reference):
        return Target("predictions", reference, pinned=reference)
    found = _MODEL.fullmatch(reference)
    if found is None:
        raise BadInput(
            f"model cannot be understood: {reference[:200]!r}",
            hint="owner/name for official models, otherwise owner/name:version with the version's 64 "
            "hexadecimal digits; copy it from the model's API page (there is no :latest)",
        )
    # Replicate takes official models as owner/name here too, so one endpoint serves every model.
    return Target("predictions", reference, model=found["name"], pinned=found["version"])


@dataclass(frozen=True, slots=True)
class Remote:
    """A prediction at one moment. Older traffic leaves out fields that the schema promises."""

    id: str
    status: str
    model: str
    version: str
    input: Mapping[str, Json]
    output: Json
    error: Json
    data_removed: bool
    created_at: datetime | None
    completed_at: datetime | None
    deadline: datetime | None
    predict_seconds: float | None
    total_seconds: float | None
    webhook: str | None
    deployment: str | None
    page: str

    @property
    def done(self) -> bool:
        """Whether the status is final. A status nobody knows yet is not."""
        return self.status in TERMINAL

    @property
    def reference(self) -> str:
        """``owner/name:version``, or what of it is known."""
        if re.fullmatch(_VERSION, self.version):
            return f"{self.model}:{self.version}" if self.model else self.version
        return self.model or self.deployment or self.version

    @classmethod
    def read(cls, value: Json) -> Remote:
        """Read a body.

        Raises:
            MalformedOutput: It is no prediction.
        """
        if not isinstance(value, Mapping):
            raise MalformedOutput("Replicate answered something that is no prediction")
        job, status = value.get("id"), value.get("status")
        if not isinstance(job, str) or not job or not isinstance(status, str):
            raise MalformedOutput("Replicate answered a prediction without id or status")
        metrics, urls, given = _mapping(value.get("metrics")), _mapping(value.get("urls")), value.get("input")
        return cls(
            id=job,
            status=status,
            model=_text(value.get("model")),
            version=_text(value.get("version")),
            input=_mapping(given),
            output=value.get("output"),
            error=value.get("error"),
            data_removed=value.get("data_removed") is True,
            created_at=parse_time(value.get("created_at")),
            completed_at=parse_time(value.get("completed_at")),
            deadline=parse_time(value.get("deadline")),
            predict_seconds=_seconds(metrics.get("predict_time")),
            total_seconds=_seconds(metrics.get("total_time")),
            webhook=_text(value.get("webhook")) or None,
            deployment=_text(value.get("deployment")) or None,
            page=_text(urls.get("web")),
        )


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
