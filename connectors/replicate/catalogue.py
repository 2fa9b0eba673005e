"""What models say of themselves: their schema, their newest version, whether they are official."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hookline.sdk import ActionError, MalformedOutput, NotFound, RateLimited, Unavailable
from hookline.sdk.model_files import ModelSchema

from .records import Remote, Target

__all__ = ["Catalogue", "Description"]

Json = Any

KEPT = 64
"""Schemas kept; one can have a megabyte."""

FRESH = 300.0
"""Seconds for which what a model says without a version is believed. A version never changes."""

_PINNED = 64
"""Hexadecimal digits of a version; official models say ``hidden`` in its place."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a model or of one version of it.

    Attributes:
        schema: Its input and output, None when it publishes none.
        official: Whether it runs without a version; None when that was not asked.
        latest: Its newest version, empty when it shows none.
        training: Its ``TrainingInput`` and ``TrainingOutput``, None when it cannot be trained.
        hardware: What a deployment runs on, empty for anything else.
    """

    schema: ModelSchema | None
    official: bool | None = None
    latest: str = ""
    training: ModelSchema | None = None
    hardware: str = ""


@dataclass(frozen=True, slots=True)
class _Release:
    model: str
    version: str
    hardware: str


class Catalogue:
    """Descriptions, fetched once.

    Args:
        get: Reads the JSON at a path of the API.
    """

    def __init__(self, get: Callable[[str], Awaitable[Json]]) -> None:
        self._get = get
        self._kept: dict[str, tuple[Description, datetime | None]] = {}
        self._frozen: dict[tuple[str, str], str] = {}

    async def describe(self, target: Target, now: datetime) -> Description | None:
        """What a target takes; None when its model is not known by name.

        Raises:
            ActionError: It cannot be asked.
        """
        if target.deployment is not None:
            release = await self._release(target.deployment)
            if release is None:
                return None
            return replace(await self._version(release.model, release.version), hardware=release.hardware)
        if target.model is None:
            return None
        if target.pinned is not None:
            return await self._version(target.model, target.pinned)
        return await self.model(target.model, now)

    async def model(self, name: str, now: datetime) -> Description:
        """What ``owner/name`` says of itself, at most `FRESH` seconds old.

        Raises:
            ActionError: It cannot be asked.
        """
        path = _path(name)
        found = self._kept.get(path)
        if found is not None and found[1] is not None and (now - found[1]).total_seconds() < FRESH:
            return found[0]
        try:
            description = _read_model(await self._get(path))
        except NotFound:
            description = Description(None)
        self._keep(path, description, now)
        return description

    async def newest(self, name: str, run_id: str, noted: Callable[[], str | None]) -> str:
        """The newest version of a model, the same for every step of a run.

        Args:
            noted: What another step of the run has noted, perhaps in an earlier life of this process.

        Raises:
            NotFound: The model shows no version.
            ActionError: It cannot be asked.
        """
        key = (run_id, name)
        if key in self._frozen:
            return self._frozen[key]
        latest = noted() or _read_model(await self._get(_path(name))).latest
        if len(latest) != _PINNED:
            raise NotFound(
                f"the model {name} shows no version",
                hint="an official model runs without one: write owner/name",
            )
        if len(self._frozen) >= 1000:
            self._frozen.clear()
        # Another step may have been told a moment earlier: the first answer is the run's.
        return self._frozen.setdefault(key, latest)

    async def version(self, target: Target, now: datetime) -> str:
        """The version that a prediction made now would run; empty when its model shows none.

        Raises:
            MalformedOutput: A deployment does not say what it runs.
            ActionError: It cannot be asked.
        """
        if target.deployment is not None:
            release = await self._release(target.deployment)
            if release is None:
                raise MalformedOutput(f"the deployment {target.deployment} does not say what it runs")
            return f"{release.model}:{release.version}"
        if target.pinned is not None or target.model is None:
            return target.pinned or ""
        return (await self.model(target.model, now)).latest

    async def output_schema(self, remote: Remote, now: datetime) -> ModelSchema | None:
        """What the model of a prediction says of its output; None when it says nothing.

        Raises:
            RateLimited, Unavailable: It cannot be asked just now.
        """
        owner, _, name = remote.model.partition("/")
        if not owner or not name:
            return None
        try:
            if len(remote.version) == _PINNED:
                return (await self._version(remote.model, remote.version)).schema
            return (await self.model(remote.model, now)).schema
        except (RateLimited, Unavailable):
            raise
        except ActionError:
            return None

    async def _version(self, model: str, version: str) -> Description:
        path = f"{_path(model)}/versions/{quote(version, safe='')}"
        if path not in self._kept:
            try:
                body = await self._get(path)
                found = Description(_schema(body), training=_training(body))
            except NotFound:
                # Versions of official models cannot be addressed; their newest one is shown with the model.
                whole = _read_model(await self._get(_path(model)))
                found = whole if whole.latest == version else Description(None, whole.official, whole.latest)
            self._keep(path, found, None)
        return self._kept[path][0]

    async def _release(self, deployment: str) -> _Release | None:
        answer = await self._get(_path(deployment, "deployments"))
        release = answer.get("current_release") if isinstance(answer, Mapping) else None
        if not isinstance(release, Mapping):
            return None
        model, version = release.get("model"), release.get("version")
        if not isinstance(model, str) or not isinstance(version, str):
            return None
        configuration = release.get("configuration")
        hardware = configuration.get("hardware") if isinstance(configuration, Mapping) else None
        return _Release(model, version, hardware if isinstance(hardware, str) else "")

    def _keep(self, path: str, description: Description, at: datetime | None) -> None:
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[path] = (description, at)


def _path(name: str, room: str = "models") -> str:
    owner, _, rest = name.partition("/")
    return f"{room}/{quote(owner, safe='')}/{quote(rest, safe='')}"


def _read_model(answer: Json) -> Description:
    if not isinstance(answer, Mapping):
        raise MalformedOutput("Replicate answered something that is no model")
    latest = answer.get("latest_version")
    version = latest.get("id") if isinstance(latest, Mapping) else None
    official = answer.get("is_official")
    return Description(
        _schema(latest),
        official if isinstance(official, bool) else None,
        version if isinstance(version, str) else "",
        _training(latest),
    )


def _schema(version: Json) -> ModelSchema | None:
    document = version.get("openapi_schema") if isinstance(version, Mapping) else None
    return ModelSchema(document) if isinstance(document, Mapping) else None


def _training(version: Json) -> ModelSchema | None:
    document = version.get("openapi_schema") if isinstance(version, Mapping) else None
    components = document.get("components") if isinstance(document, Mapping) else None
    schemas = components.get("schemas") if isinstance(components, Mapping) else None
    if not isinstance(schemas, Mapping) or "TrainingInput" not in schemas:
        return None
    swapped = {**schemas, "Input": schemas["TrainingInput"], "Output": schemas.get("TrainingOutput", {})}
    return ModelSchema({"components": {"schemas": swapped}})
