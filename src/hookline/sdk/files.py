"""References to files. Bytes never travel in a run's record; references do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["File", "is_file"]

_OPTIONAL = ("name", "mime", "bytes", "sha256", "etag", "version", "connection")


@dataclass(frozen=True, slots=True)
class File:
    """A file that is kept somewhere, as steps pass it along.

    In JSON: ``{"$file": uri, "name": …, "mime": …, "bytes": …, "sha256": …}``.

    Attributes:
        uri: ``artifact:<sha256>`` in the artifact store, or an address that a connection can
            read, for example ``s3://bucket/key``. Never a path on this machine: a reference
            may come out of somebody else's JSON.
        name: File name without folders.
        mime: Media type.
        bytes: Size in bytes, None while unknown.
        sha256: Hex digest, None while unknown.
        etag: The store's version of the object, where it has one.
        version: The version of the object that is meant, where its store keeps several; the newest
            when None.
        connection: Name of the connection that reads `uri`, where one is needed.
    """

    uri: str
    name: str = "file"
    mime: str = "application/octet-stream"
    bytes: int | None = None
    sha256: str | None = None
    etag: str | None = field(default=None, compare=False)
    version: str | None = None
    connection: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The reference as it stands in a run's record."""
        given = ((key, getattr(self, key)) for key in _OPTIONAL)
        return {"$file": self.uri} | {key: value for key, value in given if value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> File:
        """Read a reference.

        Raises:
            ValueError: It is no file reference.
        """
        if not is_file(value):
            raise ValueError("not a file reference: an object with a text under $file is expected")
        return cls(value["$file"], **{key: value[key] for key in _OPTIONAL if value.get(key) is not None})

    @staticmethod
    def schema() -> dict[str, Any]:
        """JSON Schema of a reference."""
        return {
            "type": "object",
            "x-file": True,
            "properties": {
                "$file": {"type": "string", "description": "Where the bytes are."},
                "name": {"type": "string", "description": "File name."},
                "mime": {"type": "string", "description": "Media type."},
                "bytes": {"type": "integer", "description": "Size in bytes."},
                "sha256": {"type": "string", "description": "SHA-256, hexadecimal."},
                "etag": {"type": "string", "description": "The store's version of the object."},
                "version": {
                    "type": "string",
                    "description": "The version that is meant; the newest without.",
                },
                "connection": {"type": "string", "description": "Connection that reads it."},
            },
            "required": ["$file"],
            "additionalProperties": False,
        }


def is_file(value: object) -> bool:
    """Whether a JSON value is a file reference."""
    return isinstance(value, Mapping) and isinstance(value.get("$file"), str)
