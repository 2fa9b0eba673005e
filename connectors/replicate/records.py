"""A prediction as the API reports it, and what a step asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from hookline.sdk import BadInput, MalformedOutput
from hookline.sdk.predictions import amount, parse_time

__all__ = ["TERMINAL", "Remote", "Target", "Wanted", "read_targets"]

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
    models: Sequence[str] | None = None
    fallback_on: Sequence[str] | None = None
    run_timeout: str | float | None = None
    expect: Mapping[str, Json] | None = None
    max_cost: str | float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a prediction is created.

    Attributes:
        path: Below ``/v1/``.
        version: What ``version`` says in the request, None for a deployment.
        model: ``owner/name`` where it is known.
        pinned: 64 hexadecimal digits, None when the provider chooses.
        deployment: ``owner/name`` of a deployment.
        latest: The newest version is meant, and has to be asked for.
        kind: Where what is created is read, listed and canceled.
    """

    path: str
    version: str | None
    model: str | None = None
    pinned: str | None = None
    deployment: str | None = None
    latest: bool = False
    kind: Literal["predictions", "trainings"] = "predictions"

    @property
    def reference(self) -> str:
        """For people."""
        return self.deployment or self.version or self.model or self.path

    @property
    def name(self) -> str:
        """What tables in settings and prices call it: ``owner/name``, or ``deployments/owner/name``."""
        if self.deployment is not None:
            return f"deployments/{self.deployment}"
        return self.model or self.reference

    @property
    def short(self) -> str:
        """For people who know which version it is: the name, or else the version."""
        return self.model or self.reference

    def frozen(self, version: str) -> Target:
        """The same with the newest version named."""
        return replace(self, version=f"{self.model}:{version}", pinned=version, latest=False)

    def could_have_made(self, remote: Remote) -> bool:
        """Whether a prediction may come from a request to this target."""
        if self.deployment is not None:
            return remote.deployment in (None, self.deployment)
        if self.pinned is not None:
            return remote.version == self.pinned
        return remote.model == self.model


def read_targets(wanted: Wanted) -> tuple[Target, ...]:
    """Understand ``model``, ``models`` or ``deployment``: what to try, in order.

    Raises:
        BadInput: Not exactly one of them is given, or one cannot be understood.
    """
    given = [value for value in (wanted.model, wanted.models, wanted.deployment) if value is not None]
    if len(given) != 1 or not given[0]:
        raise BadInput(
            "give exactly one of model, models and deployment", hint='for example "model": "owner/name"'
        )
    if wanted.deployment is not None:
        return (_deployment(wanted.deployment),)
    return tuple(_model(reference) for reference in wanted.models or [wanted.model or ""])


def _deployment(name: str) -> Target:
    if not _OWNED.fullmatch(name):
        raise BadInput(f"deployment is not of the form owner/name: {name[:200]!r}")
    return Target(f"deployments/{name}/predictions", None, deployment=name)


def _model(reference: str) -> Target:
    if reference.startswith("deployments/"):
        return _deployment(reference.removeprefix("deployments/"))
    if _VERSION.fullmatch(reference):
        return Target("predictions", reference, pinned=reference)
    newest = reference.endswith(":latest")
    found = _MODEL.fullmatch(reference.removesuffix(":latest") if newest else reference)
    if found is None or (newest and found["version"]):
        raise BadInput(
            f"model cannot be understood: {reference[:200]!r}",
            hint="owner/name for official models, otherwise owner/name:version with the version's 64 "
            "hexadecimal digits, or owner/name:latest; copy it from the model's API page",
        )
    # Replicate takes official models as owner/name here too, so one endpoint serves every model.
    return Target("predictions", reference, model=found["name"], pinned=found["version"], latest=newest)


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
    started_at: datetime | None
    completed_at: datetime | None
    deadline: datetime | None
    predict_seconds: float | None
    total_seconds: float | None
    webhook: str | None
    deployment: str | None
    page: str
    body: Mapping[str, Json] = field(repr=False)

    @property
    def done(self) -> bool:
        """Whether the status is final. A status nobody knows yet is not."""
        return self.status in TERMINAL

    @property
    def ran_seconds(self) -> float | None:
        """How long the model ran; of one that was stopped what its times say, where no metric does."""
        if self.predict_seconds is not None or self.status == "succeeded":
            return self.predict_seconds
        if self.started_at is None or self.completed_at is None:
            return None
        return max((self.completed_at - self.started_at).total_seconds(), 0.0)

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
            started_at=parse_time(value.get("started_at")),
            completed_at=parse_time(value.get("completed_at")),
            deadline=parse_time(value.get("deadline")),
            predict_seconds=amount(metrics.get("predict_time")),
            total_seconds=amount(metrics.get("total_time")),
            webhook=_text(value.get("webhook")) or None,
            deployment=_text(value.get("deployment")) or None,
            page=_text(urls.get("web")),
            body=value,
        )


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
