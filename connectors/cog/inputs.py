"""What may be given to a Cog server as a file, and who fetches it.

A Cog server opens a plain path that is given to a ``Path`` input from **its own disk**, so a text
that comes from outside must never reach such an input. The model's schema tells which inputs are
files (``format: uri``); those take an http(s) address or a ``data:`` URL. What the schema leaves open,
and everything if the server publishes none, is refused if it could be the name of a file.

An http(s) address is fetched by whoever is given it. A Cog server stands in the operator's network and
asks nobody, so an address that a stranger gave would lead it anywhere there; by default Hookline fetches
it, through its guarded client, and the server is given the bytes.

This does not rely on the server's own validation: coglet 0.23 gives up a schema that it cannot compile,
and then hands every value to the model as it came.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from hookline.sdk import BadInput, is_file
from hookline.sdk.model_files import ModelSchema, is_data_url, is_web_url

__all__ = ["check_paths", "fetch_addresses"]

Json = Any
Nodes = Sequence[Mapping[str, Json]]
"""The schemas that a value may have; none when nothing is known."""

Fetch = Callable[[str, str], Awaitable[Json]]
"""``fetch(address, where)``: a reference to what is there; `where` is a JSON Pointer."""

_NAME_OF_A_FILE = re.compile(r"(?=\S+\Z)(?:~.*|.*[/\\].*|file:.*|\.*[\w-][\w.-]*\.\w{1,8}\Z)", re.ASCII)
"""One word with a slash, a tilde in front, or an extension."""

_DEPTH = 6
"""Alternatives within alternatives that are looked at."""


def check_paths(values: Mapping[str, Json], schema: ModelSchema | None) -> None:
    """Refuse what the server would read from its own disk.

    Args:
        values: The input as it is sent, its files already addresses.
        schema: What the server publishes, None when it publishes nothing.

    Raises:
        BadInput: A value could be a path there.
    """
    known = schema or ModelSchema({})
    _Walk(known).check(values, [known.input], "/input")


async def fetch_addresses(values: Json, schema: ModelSchema | None, fetch: Fetch) -> Json:
    """The input with a file in the place of each address that is given for one.

    Without a schema nothing is fetched: an address may be a text.
    """
    return values if schema is None else await _Walk(schema).fetched(values, [schema.input], "/input", fetch)


class _Walk:
    """Goes through an input beside the schemas that its parts may have."""

    def __init__(self, schema: ModelSchema) -> None:
        self._schema = schema

    async def fetched(self, value: Json, nodes: Nodes, where: str, fetch: Fetch) -> Json:
        if is_file(value):
            return value
        if isinstance(value, Mapping | list):
            members = value.items() if isinstance(value, Mapping) else enumerate(value)
            made = {
                key: await self.fetched(item, self._below(nodes, key), f"{where}/{key}", fetch)
                for key, item in members
            }
            return made if isinstance(value, Mapping) else list(made.values())
        is_address = is_web_url(value) and any(self._takes_files(node) for node in nodes)
        return await fetch(value, where) if is_address else value

    def check(self, value: Json, nodes: Nodes, where: str) -> None:
        if isinstance(value, Mapping | list):
            members = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in members:
                self.check(item, self._below(nodes, key), f"{where}/{key}")
        elif isinstance(value, str) and not is_web_url(value) and not is_data_url(value):
            self._check_text(value, nodes, where)

    def _check_text(self, value: str, nodes: Nodes, where: str) -> None:
        if any(self._takes_files(node) for node in nodes):
            raise BadInput(
                f"{where} is a file input, and its value is no address",
                hint="give a file of an earlier step, an http(s) address or a data: URL; a path would be "
                "read from the server's own disk",
            )
        is_text = bool(nodes) and all("type" in node or "enum" in node for node in nodes)
        if not is_text and _NAME_OF_A_FILE.match(value):
            raise BadInput(
                f"{where} could be the name of a file on the Cog server, and the server does not say that it "
                "is a text",
                hint="build the model with cog, or put its schema into .cog/openapi_schema.json, so that the "
                "server publishes it at /openapi.json",
            )

    def _takes_files(self, node: Mapping[str, Json]) -> bool:
        """Whether it is a file, or a list of files: one text in the place of a list may be taken for one."""
        members = self._members(node, 0) if "items" in node else ()
        return node.get("format") == "uri" or any(each.get("format") == "uri" for each in members)

    def _below(self, nodes: Nodes, key: str | int) -> Nodes:
        return [each for node in nodes for each in self._members(node, key)]

    def _members(self, node: Mapping[str, Json], key: str | int) -> Iterator[Mapping[str, Json]]:
        return self._alternatives(self._schema.child(node, key))

    def _alternatives(self, node: Mapping[str, Json], depth: int = _DEPTH) -> Iterator[Mapping[str, Json]]:
        """What a node stands for: its choices, and itself if it says anything besides."""
        parts = [part for key in ("anyOf", "oneOf", "allOf") for part in _listed(node.get(key))]
        if not parts or depth == 0 or "type" in node or "format" in node:
            yield node
        for part in parts if depth else ():
            yield from self._alternatives(self._schema.resolve(part), depth - 1)


def _listed(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()
