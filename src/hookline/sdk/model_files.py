"""Files that come out of a model, and what a model says of its input and output.

A model gives files back as addresses or as ``data:`` URLs, anywhere inside its output. Here they become
references to copies in the artifact store, before the provider deletes them. How files go in is in
`hookline.sdk.model_inputs`.

Nothing here performs IO by itself: downloading is given.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from .clients import Files
from .errors import MalformedOutput
from .files import File, is_file

__all__ = [
    "Archived",
    "ModelSchema",
    "archive",
    "data_url",
    "is_data_url",
    "is_web_url",
    "read_data_url",
    "web_urls",
]

Json = Any
Download = Callable[[str, str], Awaitable[File]]
"""``download(url, name)``: copy an address into the artifact store."""

MAX_FILES = 1000
"""Most files of one output: above it the output is taken for a mistake."""

_DATA_URL = re.compile(
    r"data:(?P<mime>[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,\s]*)*(?P<base64>;base64)?,", re.ASCII | re.IGNORECASE
)
_WEB_URL = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)
_EXTENSIONS: Mapping[str, str] = {
    "application/json": "json",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/webp": "webp",
    "text/csv": "csv",
    "text/plain": "txt",
    "video/mp4": "mp4",
    "video/webm": "webm",
}


def is_web_url(value: object) -> bool:
    """Whether a value is one ``http`` or ``https`` address and nothing else."""
    return isinstance(value, str) and _WEB_URL.fullmatch(value) is not None


def is_data_url(value: object) -> bool:
    """Whether a value is a ``data:`` URL with its content."""
    return isinstance(value, str) and _DATA_URL.match(value) is not None


def data_url(content: bytes, mime: str) -> str:
    """Bytes as a ``data:`` URL (RFC 2397)."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def read_data_url(url: str) -> tuple[str, bytes]:
    """Media type and bytes of a ``data:`` URL.

    Raises:
        MalformedOutput: It is none, or its base64 is broken.
    """
    head = _DATA_URL.match(url)
    if head is None:
        raise MalformedOutput("the output holds something that begins like a data: URL and is none")
    mime = head["mime"] or "text/plain"
    body = url[head.end() :]
    if not head["base64"]:
        return mime, unquote_to_bytes(body)
    try:
        return mime, base64.b64decode(unquote(body), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedOutput("the output holds a data: URL whose base64 is broken") from error


class ModelSchema:
    """What a model's own OpenAPI document says of its input and output.

    Args:
        document: The document that Cog makes, with ``Input`` and ``Output`` in ``components.schemas``.

    Attributes:
        input, output: Their schemas, empty when nothing is known.
    """

    def __init__(self, document: Mapping[str, Json]) -> None:
        components = document.get("components")
        schemas = components.get("schemas") if isinstance(components, Mapping) else None
        self._schemas: Mapping[str, Json] = schemas if isinstance(schemas, Mapping) else {}
        self.input = self.resolve(self._schemas.get("Input"))
        self.output = self.resolve(self._schemas.get("Output"))

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the inputs whose values must not be shown, and are not given back."""
        properties = self.input.get("properties")
        return frozenset(
            str(name)
            for name, node in (properties.items() if isinstance(properties, Mapping) else ())
            if _is_secret(node) or _is_secret(self.resolve(node))
        )

    @property
    def concatenates(self) -> bool:
        """Whether the output is a text that comes in pieces."""
        return self.output.get("x-cog-array-display") == "concatenate"

    @property
    def is_list(self) -> bool:
        """Whether the output is a list of separate values, not a stream."""
        return self.output.get("type") == "array" and self.output.get("x-cog-array-type") != "iterator"

    @property
    def gives_files(self) -> bool:
        """Whether the output may hold files."""
        return self._holds_files(self.output, 8)

    def for_output(self) -> dict[str, Json]:
        """The part of the document that says what the output is: small enough to be kept with an attempt."""
        kept: dict[str, Json] = {}
        waiting = ["Output"]
        while waiting:
            name = waiting.pop()
            if name in self._schemas and name not in kept:
                kept[name] = self._schemas[name]
                waiting += _referred(kept[name])
        return {"components": {"schemas": kept}}

    def _holds_files(self, node: Mapping[str, Json], depth: int) -> bool:
        if node.get("format") == "uri":
            return True
        properties = node.get("properties")
        members = list(properties.values()) if isinstance(properties, Mapping) else []
        choices = node.get("anyOf")
        members += choices if isinstance(choices, list) else []
        members += [node.get("items"), node.get("additionalProperties")]
        return depth > 0 and any(self._holds_files(self.resolve(each), depth - 1) for each in members)

    def resolve(self, node: Json, depth: int = 8) -> Mapping[str, Json]:
        """A schema with its reference followed; empty when nothing is known."""
        if not isinstance(node, Mapping) or depth == 0:
            return {}
        reference = node.get("$ref")
        if isinstance(reference, str):
            return self.resolve(self._schemas.get(reference.rpartition("/")[2]), depth - 1)
        parts = node.get("allOf")
        if isinstance(parts, list) and len(parts) == 1:
            return self.resolve(parts[0], depth - 1)
        return node

    def child(self, node: Mapping[str, Json], key: str | int) -> Mapping[str, Json]:
        """The schema of a member of a value that has the schema `node`."""
        if isinstance(key, int):
            return self.resolve(node.get("items"))
        properties = node.get("properties")
        if isinstance(properties, Mapping) and key in properties:
            return self.resolve(properties[key])
        return self.resolve(node.get("additionalProperties"))


def _is_secret(node: Json) -> bool:
    return isinstance(node, Mapping) and (
        node.get("x-cog-secret") is True or node.get("format") == "password"
    )


def _referred(node: Json) -> list[str]:
    """Names of the schemas that a schema refers to."""
    members = list(node.values()) if isinstance(node, Mapping) else node if isinstance(node, list) else []
    names = [name for each in members for name in _referred(each)]
    reference = node.get("$ref") if isinstance(node, Mapping) else None
    return [*names, reference.rpartition("/")[2]] if isinstance(reference, str) else names


@dataclass(slots=True)
class Archived:
    """An output whose files are kept.

    Attributes:
        value: The output with references in the place of addresses.
        files: The references, in the order of the output.
        text: The output as text, None when it is none.
    """

    value: Json
    files: list[File] = field(default_factory=list)
    text: str | None = None

    @property
    def only_files(self) -> bool:
        """Whether the output holds files and nothing else."""
        return _only_files(self.value)


async def archive(
    output: Json,
    *,
    files: Files,
    download: Download,
    schema: ModelSchema | None,
    addresses: Literal["unless_text", "if_declared"],
) -> Archived:
    """Copy every file of an output into the artifact store.

    Args:
        output: As the provider gives it.
        download: Called once per address.
        schema: What the model says of its output, None when it is not known.
        addresses: When a web address is a file: ``unless_text`` unless the schema calls it plain
            text, ``if_declared`` only if the schema calls it a file. ``data:`` URLs always are.

    Raises:
        MalformedOutput: A ``data:`` URL is broken, a file is no address, or there are more than
            `MAX_FILES` files.
        ActionError: What `download` raises.
    """
    walk = _Walk(files, download, schema, addresses)
    value = await walk.visit(output, schema.output if schema else {})
    value, text = _as_text(value, schema)
    return Archived(value, walk.found, text)


def web_urls(output: Json) -> list[str]:
    """Every web address that stands alone in an output."""
    if isinstance(output, str):
        return [output] if is_web_url(output) else []
    if isinstance(output, Mapping):
        return [url for item in output.values() for url in web_urls(item)]
    if isinstance(output, list):
        return [url for item in output for url in web_urls(item)]
    return []


class _Walk:
    def __init__(
        self,
        files: Files,
        download: Download,
        schema: ModelSchema | None,
        addresses: Literal["unless_text", "if_declared"],
    ) -> None:
        self.found: list[File] = []
        self._files = files
        self._download = download
        self._schema = schema
        self._addresses = addresses
        self._kept: dict[str, File] = {}

    async def visit(self, value: Json, node: Mapping[str, Json]) -> Json:
        if isinstance(value, str):
            if is_data_url(value):
                return await self._keep(value, self._save)
            if is_web_url(value) and self._is_file(node):
                return await self._keep(value, self._fetch)
            if node.get("format") == "uri":
                # A Cog server may name a path on its own disk; as a text it would pass for a result.
                raise MalformedOutput(
                    "the output holds something that is no address where the model's schema promises a file",
                    hint="for a Cog server: start it with --upload-url, or use a newer one",
                )
            return value
        if isinstance(value, Mapping):
            return {key: await self.visit(item, self._child(node, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [await self.visit(item, self._child(node, place)) for place, item in enumerate(value)]
        return value

    def _child(self, node: Mapping[str, Json], key: str | int) -> Mapping[str, Json]:
        return self._schema.child(node, key) if self._schema else {}

    def _is_file(self, node: Mapping[str, Json]) -> bool:
        if node.get("format") == "uri":
            return True
        return self._addresses == "unless_text" and node.get("type") != "string"

    async def _keep(self, url: str, keep: Callable[[str], Awaitable[File]]) -> Json:
        if len(self.found) >= MAX_FILES:
            raise MalformedOutput(f"the output holds more than {MAX_FILES} files")
        if url not in self._kept:
            self._kept[url] = await keep(url)
        self.found.append(self._kept[url])
        return self._kept[url].to_json()

    async def _save(self, url: str) -> File:
        mime, content = read_data_url(url)
        name = f"output-{len(self.found)}.{_EXTENSIONS.get(mime, 'bin')}"
        return await self._files.save(content, name=name, mime=mime)

    async def _fetch(self, url: str) -> File:
        return await self._download(url, _name_in(url) or f"output-{len(self.found)}")


def _name_in(url: str) -> str:
    try:
        name = unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""
    return "" if name in (".", "..") else "".join(c for c in name if c.isprintable() and c != "\\")[:200]


def _as_text(value: Json, schema: ModelSchema | None) -> tuple[Json, str | None]:
    """The value, joined if it is a text in pieces, and its text."""
    if isinstance(value, str):
        return value, value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return value, None
    if schema is not None and schema.concatenates:
        joined = "".join(value)
        return joined, joined
    if not value:
        return value, None
    # A list of separate texts reads as lines; what may be a stream has its own spaces and line ends.
    return value, ("\n" if schema is not None and schema.is_list else "").join(value)


def _only_files(value: Json) -> bool:
    if is_file(value):
        return True
    items: Sequence[Json] = list(value.values()) if isinstance(value, Mapping) else value
    return isinstance(items, list) and bool(items) and all(_only_files(item) for item in items)
