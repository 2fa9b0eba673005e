"""Running an example of an action against its recorded answers, without a network."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from hookline.engine.registry import Registry
from hookline.sdk import (
    Action,
    ActionError,
    BadInput,
    ConnectionType,
    Example,
    File,
    Park,
    Recorded,
    Wake,
    is_file,
)
from hookline.testing.fakes import FakeContext, FakeObjectStore, open_connection, run_action

__all__ = ["CANARY", "Ran", "run_example", "sample_fields"]

Json = Any

CANARY: Final = "canary-7f3e5a91c0d24b68"
"""Stands for every credential; nothing that leaves an action may hold it."""

_MOST_WAKES = 20
_ADDRESS_NAME: Final = re.compile(r"(^|_)(url|uri|endpoint|origin)$")
"""Fields that hold an address even where their type, a plain text, does not say so."""
_ZIP = base64.b64decode(
    "UEsDBBQAAAAAAAAAIQBDvrfoAQAAAAEAAAAFAAAAYS50eHRhUEsBAhQDFAAAAAAAAAAhAEO+t+"
    "gBAAAAAQAAAAUAAAAAAAAAAAAAAIABAAAAAGEudHh0UEsFBgAAAAABAAEAMwAAACQAAAAAAA=="
)
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


@dataclass(slots=True)
class Ran:
    """What became of an example.

    Attributes:
        output: As JSON, when it succeeded.
        error: What it raised on purpose, or by mistake.
        unused: How many recorded answers were not asked for.
    """

    output: Json = None
    error: Exception | None = None
    logged: str = ""
    notes: Mapping[str, Json] = field(default_factory=dict)
    unused: int = 0
    requests: int = 0
    summary: str = ""

    @property
    def error_type(self) -> str:
        """``""`` on success, ``fault`` for an exception that is no `ActionError`."""
        if self.error is None:
            return ""
        return self.error.type if isinstance(self.error, ActionError) else "fault"

    def leaks(self, secrets: Sequence[str]) -> Iterator[str]:
        """Where a credential shows, in any of the usual spellings."""
        shown = {
            "the output": json.dumps(self.output, default=str),
            "the summary": self.summary,
            "the log": self.logged,
            "the notes": json.dumps(self.notes, default=str),
        }
        if isinstance(self.error, ActionError):
            shown["the error"] = f"{self.error.message} {self.error.hint} {self.error.code}"
        elif self.error is not None:
            shown["the error"] = str(self.error)
        for place, text in shown.items():
            for secret in secrets:
                spellings = (
                    secret,
                    base64.b64encode(secret.encode()).decode().rstrip("="),
                    quote(secret, safe=""),
                )
                if any(spelling in text for spelling in spellings):
                    yield place
                    break


class _Context(FakeContext):
    """Opens every connection type that an action asks for by name."""

    def __init__(self, registry: Registry, answers: Sequence[Recorded | Exception], input: Json) -> None:
        super().__init__(answers=answers)
        self._registry = registry
        self._input = input

    async def open(self, connection: str, *, type: str) -> Any:
        if type in self._registry.connection_types:
            return self.opened(self._registry.connection_types[type])
        # A project may hold an action without the connector of the store that its example names.
        addresses = [text for text in _texts(self._input) if text.startswith(f"{type}:")]
        if not addresses:
            raise BadInput(f"there is no connection type {type!r}")
        return FakeObjectStore(dict.fromkeys(addresses, _PNG))

    async def open_store(self, at: File | str, connection: str = "") -> Any:
        scheme = (at.uri if isinstance(at, File) else at).partition(":")[0]
        kind = self._registry.schemes.get(scheme, scheme)
        return await self.open(connection or kind, type=kind)

    def opened(self, connection_type: ConnectionType) -> Any:
        """The client; a store in memory for a type that reads and writes addresses."""
        if connection_type.schemes:
            addresses = [
                text
                for text in _texts(self._input)
                if any(text.startswith(f"{scheme}:") for scheme in connection_type.schemes)
            ]
            return FakeObjectStore(dict.fromkeys(addresses, _PNG))
        kept = self.connection
        client = open_connection(connection_type, self, **sample_fields(connection_type))
        self.connection = kept
        return client


def sample_fields(connection_type: ConnectionType) -> dict[str, Json]:
    """Values for the fields that must be given, and for one credential at least."""
    properties = connection_type.fields["properties"]
    required = set(connection_type.missing(()))
    secrets = [name for name, part in properties.items() if part.get("x-secret")]
    if secrets and not required & set(secrets):
        required.add(secrets[0])
    return {name: _sample(name, part) for name, part in properties.items() if name in required}


def secrets_of(connection_type: ConnectionType | None) -> list[str]:
    """The credentials among `sample_fields`."""
    if connection_type is None:
        return [CANARY]
    properties = connection_type.fields["properties"]
    sample = sample_fields(connection_type)
    return [
        text
        for name, value in sample.items()
        if properties[name].get("x-secret")
        for text in _texts(value)
        if len(text) > 5
    ] or [CANARY]


def _sample(name: str, part: Mapping[str, Json]) -> Json:
    if part.get("examples"):
        return part["examples"][0]
    if part.get("x-secret"):
        return CANARY
    if part.get("enum"):
        return part["enum"][0]
    if part.get("oneOf"):
        return part["oneOf"][0]["const"]
    is_address = part.get("format") == "uri" or _ADDRESS_NAME.search(name)
    if is_address and part.get("type", "string") == "string":
        return "https://service.example"
    kinds = {"integer": 1, "number": 1.0, "boolean": False, "array": [], "object": {}}
    return kinds.get(part.get("type", ""), "example")


def run_example(
    registry: Registry,
    action: Action,
    example: Example,
    answers: Sequence[Recorded | Exception] | None = None,
) -> Ran:
    """Run an example to its end, waking it whenever it parks.

    Args:
        answers: In place of those recorded with the example.
    """
    given = list(example.responses if answers is None else answers)
    ctx = _Context(registry, given, example.input)
    for reference in _references(example.input):
        ctx.fake_files.put(
            _content_of(reference.mime),
            name=reference.name,
            mime=reference.mime,
            uri=reference.uri,
        )
    ran = Ran()
    try:
        if action.needs_connection(example.input) and action.connection is not None:
            ctx.connection = ctx.opened(registry.connection_types[action.connection])
        ran.output = _jsonable(asyncio.run(_run(action, example.input, ctx)))
        ran.summary = action.summarize(example.input, ran.output)
    except Exception as error:
        ran.error = error
    finally:
        ctx.fake_files.close()
    ran.logged = " ".join(f"{message} {json.dumps(values, default=str)}" for message, values in ctx.logged)
    ran.notes = ctx.notes
    ran.unused = len(ctx.exchange.answers)
    ran.requests = len(ctx.requests)
    return ran


async def _run(action: Action, input: Mapping[str, Json], ctx: _Context) -> Any:
    result = await run_action(action, input, ctx)
    for _ in range(_MOST_WAKES):
        if not isinstance(result, Park):
            return result
        json.dumps(result.data, allow_nan=False)
        if action.resume is None:
            raise TypeError("it parked and declares no on_resume")
        if result.until is not None:
            ctx.clock.advance(max(0.0, (result.until - ctx.now()).total_seconds()))
        result = action.resume(ctx, Wake("timer", result.data), **action.bind(input))
        if inspect.isawaitable(result):
            result = await result
    raise AssertionError(f"it was still waiting after {_MOST_WAKES} wakes")


def _content_of(mime: str) -> bytes:
    if mime.startswith("image/"):
        return _PNG
    return _ZIP if mime == "application/zip" else b"example"


def _references(value: Json) -> Iterator[File]:
    if is_file(value):
        yield File.from_json(value)
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _jsonable(value: Any) -> Json:
    """An output as it is recorded."""
    if isinstance(value, File):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): _jsonable(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    json.dumps(value, allow_nan=False)  # anything else is a mistake of the action's
    return value
