"""Connections: what is configured, and the opened clients.

A connection is a table ``[connections.<name>]`` in ``hookline.toml`` with ``type`` and the type's
fields; secrets are written as ``${VARIABLE}``. A table ``limits`` in it says how often the service may be
asked, in a minute, by the names that its type declares, and how many steps may be under way
(``concurrency``). A type whose required fields all have values in
its usual environment variables has a connection of its own name without any configuration.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import referencing
from jsonschema import Draft202012Validator

from hookline.sdk import (
    AuthenticationFailed,
    BadInput,
    ConnectionType,
    Files,
    Http,
    Imap,
    Limit,
    Smtp,
    told_by,
)

from .limiter import Figures, Limiter, Turntable, configured
from .people import People
from .redaction import Redactor, Secret
from .registry import Registry
from .settings import FIELDS, Settings

if TYPE_CHECKING:
    from .http import GuardedClient

__all__ = ["Connections", "OpenContext"]


@dataclass(slots=True)
class OpenContext:
    """`hookline.sdk.ConnectionContext`."""

    name: str
    client: GuardedClient
    files: Files
    settings: Settings
    limited: Callable[[str, Mapping[str, str] | None, str], Limiter | None] = lambda *given: None
    clock: Callable[[], float] = time.time

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def http(self, base_url: str, *, headers: Mapping[str, str] | None = None, account: str = "") -> Http:
        # Checking a definition needs the names of connections, and not a client's import time.
        from .http.sdk import SdkHttp

        limiter = self.limited(base_url, headers, account)
        return SdkHttp(self.client, files=self.files, base_url=base_url, headers=headers, limiter=limiter)

    def smtp(
        self,
        host: str,
        port: int,
        *,
        security: Literal["starttls", "tls", "none"],
        username: str = "",
        password: str = "",
    ) -> Smtp:
        from .smtp import SmtpServer

        return SmtpServer(host, port, security, username, password)

    def imap(
        self,
        host: str,
        port: int,
        *,
        security: Literal["starttls", "tls", "none"],
        username: str = "",
        password: str = "",
    ) -> Imap:
        from .imap import ImapServer

        return ImapServer(host, port, security, username, password)

    def setting(self, name: str, default: str = "") -> str:
        if name == "HOOKLINE_PROJECT_DIR":
            return str(self.settings.project)
        known = next((setting.name for setting in FIELDS if setting.variable == name), None)
        value = self.settings[known] if known else self.settings.environment.get(name, "")
        return value or default


class Connections:
    """The connections of one installation; clients are opened at the first use and kept."""

    def __init__(self, settings: Settings, registry: Registry, redactor: Redactor) -> None:
        self._settings = settings
        self._registry = registry
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._values: dict[str, dict[str, Any]] = {}
        self._limits: dict[str, Mapping[str, Any]] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self.turntable: Turntable | None = None
        self.people = People.of(settings.people)
        self.types: dict[str, str] = {}
        for name, kind in registry.connection_types.items():
            values = self._from_environment(kind)
            if not kind.missing(values):
                self._declare(name, kind, values, redactor)
        for name, table in settings.connections.items():
            type_name = table.get("type", name)
            configured = registry.connection_types.get(type_name)
            if configured is not None:
                given = {key: value for key, value in table.items() if key not in ("type", "limits")}
                self._limits[name] = table.get("limits", {})
                self._declare(name, configured, {**self._from_environment(configured), **given}, redactor)

    def _from_environment(self, kind: ConnectionType) -> dict[str, Any]:
        values = {
            name: self._variable(schema.get("x-env", ""))
            for name, schema in kind.fields["properties"].items()
        }
        return {name: value for name, value in values.items() if value}

    def _variable(self, name: str) -> str:
        """A variable of the environment; one that is a setting may also stand in ``hookline.toml``."""
        setting = next((each.name for each in FIELDS if each.variable == name), None)
        if setting is None:
            return self._settings.environment.get(name, "")
        if not setting.endswith("_dir"):
            return self._settings[setting]
        folder = self._settings.path(setting)
        is_given = self._settings.origins[setting] != "default"
        return str(folder) if is_given or folder.is_dir() else ""

    def _declare(self, name: str, kind: ConnectionType, values: dict[str, Any], redactor: Redactor) -> None:
        self.types[name] = kind.name
        self._values[name] = values
        for field, schema in kind.fields["properties"].items():
            if schema.get("x-secret"):
                for text in _texts(values.get(field)):
                    redactor.add(Secret(f"{name}.{field}", text))

    @property
    def project(self) -> Path:
        """Folder of the project they are configured in."""
        return self._settings.project

    def type_of(self, name: str) -> ConnectionType | None:
        """The type of a connection, None when there is no such connection."""
        kind = self.types.get(name)
        return None if kind is None else self._registry.connection_types[kind]

    def open(self, name: str, type: str, client: GuardedClient, files: Files) -> Any:
        """The client of a connection.

        Raises:
            BadInput: There is no such connection, it has another type, or its fields are wrong.
            AuthenticationFailed: A required field has no value.
        """
        kind = self.type_of(name)
        if kind is None:
            raise BadInput(f"there is no connection {name!r}", code="C920", hint=_how_to(name, type))
        if kind.name != type:
            raise BadInput(f"the connection {name!r} is of type {kind.name}, not {type}", code="C921")
        with self._lock:
            if name not in self._clients:
                values = self._checked(name, kind)
                limits = self._limits_of(name, kind)
                carries: list[bool] = []

                def limited(base_url: str, headers: Mapping[str, str] | None, account: str) -> Limiter | None:
                    carries.append(bool(headers))
                    # A client without the credential, beside one with it, is for other things.
                    if any(carries) and not headers:
                        return None
                    return self._limiter(name, kind, limits, base_url, headers or {}, account)

                context = OpenContext(name, client, files, self._settings, limited)
                self._clients[name] = kind.open(context, **values)
            return self._clients[name]

    def documents(self) -> list[dict[str, Any]]:
        """Every connection with its limits, and who waits for a turn in this process."""
        figures = self.turntable.figures() if self.turntable is not None else []
        found = []
        for name, kind_name in sorted(self.types.items()):
            kind = self._registry.connection_types[kind_name]
            try:
                limits = self._limits_of(name, kind)
            except BadInput:
                limits = tuple(kind.limits)
            own = [each for each in figures if name in each.connections]
            if not (kind.limits or own or self._limits.get(name)):
                # It may not even be asked by HTTP.
                limits = ()
            most = self._limits.get(name, {}).get("concurrency", kind.concurrency)
            found.append(
                {
                    "name": name,
                    "type": kind_name,
                    "limits": [_limit_document(limit, own) for limit in limits],
                    "concurrency": most if isinstance(most, int) and most > 0 else None,
                }
            )
        return found

    def place(self, name: str) -> tuple[str, int] | None:
        """What steps under way with an opened connection share a number of, and that number."""
        return self._places.get(name)

    def _limits_of(self, name: str, kind: ConnectionType) -> tuple[Limit, ...]:
        given = self._limits.get(name, {})
        try:
            if not isinstance(given, Mapping):
                raise ValueError("limits is a table")
            most = given.get("concurrency", kind.concurrency)
            if most is not None and most is not False and (type(most) is not int or most < 1):
                raise ValueError("the limit 'concurrency' is a whole number from 1 on, or false")
            rates = {key: value for key, value in given.items() if key != "concurrency"}
            return configured(tuple(kind.limits) or (Limit("requests"),), rates)
        except ValueError as error:
            raise BadInput(f"the connection {name!r}: {error}", code="C923") from error

    def _limiter(
        self,
        name: str,
        kind: ConnectionType,
        limits: tuple[Limit, ...],
        base_url: str,
        headers: Mapping[str, str],
        account: str,
    ) -> Limiter | None:
        """The limiter of a credential; where there is none, that of the address."""
        if self.turntable is None:
            return None
        table, told = self.turntable, kind.told or told_by
        secrets = {
            text
            for field, schema in kind.fields["properties"].items()
            if schema.get("x-secret")
            for text in _texts(self._values[name].get(field))
        }
        # What is sent names the account, if it is the secret itself and not a token lent for an hour.
        sent = {text for text in secrets if any(text in value for value in headers.values())}
        credential = json.dumps([kind.name, base_url.rstrip("/"), account or sorted(sent or secrets)])
        limiter = table.limiter(credential, lambda mark: Limiter(mark, kind.title, limits, told, table))
        limiter.tighten(limits)
        limiter.connections[name] = None
        most = self._limits.get(name, {}).get("concurrency", kind.concurrency)
        if most:
            self._places[name] = (f"place/{limiter.name}", most)
        return limiter

    def _checked(self, name: str, kind: ConnectionType) -> dict[str, Any]:
        values = self._values[name]
        missing = kind.missing(values)
        if missing:
            raise AuthenticationFailed(
                f"the connection {name!r} has no {missing[0]}", code="C922", hint=_how_to(name, kind.name)
            )
        validator = Draft202012Validator(kind.fields, registry=referencing.Registry())
        error = next(validator.iter_errors(values), None)
        if error is not None:
            where = "/".join(map(str, error.absolute_path)) or "its fields"
            reason = error.validator if error.validator != "additionalProperties" else "unknown field"
            raise BadInput(f"the connection {name!r}: {where} cannot be used ({reason})", code="C923")
        return values


def _limit_document(limit: Limit, figures: list[Figures]) -> dict[str, Any]:
    used = [each for each in figures if each.limit == limit.name]
    rates = [each.per_minute for each in used if each.per_minute is not None]
    return {
        "name": limit.name,
        "per_minute": min(rates, default=limit.per_minute),
        "waiting": sum(each.waiting for each in used),
        "oldest_seconds": round(max((each.oldest for each in used), default=0.0), 1),
        "blocked_seconds": round(max((each.blocked for each in used), default=0.0), 1),
    }


def _texts(value: Any) -> list[str]:
    """Every text in a secret field, which may be an object such as headers."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return []


def _how_to(name: str, type: str) -> str:
    return f"add [connections.{name}] with type = {type!r} to hookline.toml, or set its environment variables"
