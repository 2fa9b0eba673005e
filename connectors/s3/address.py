"""Addresses of objects: ``s3://bucket/key``, the key exactly as it is, without any escaping."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hookline.sdk import BadInput

__all__ = ["Address"]

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)
_MAX_KEY = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object is.

    Attributes:
        bucket: Name of the bucket.
        key: The object's key; ``?``, ``#`` and ``%`` in it mean themselves.
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Read ``s3://bucket/key``.

        Raises:
            BadInput: It is no such address.
        """
        scheme, separator, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not separator or not _BUCKET.fullmatch(bucket) or not key:
            raise BadInput(f"{uri[:200]!r} is not the address of an object", hint="write s3://bucket/key")
        try:
            encoded = key.encode("utf-8")
        except UnicodeEncodeError:
            raise BadInput(f"{uri[:200]!r} is not valid text") from None
        if len(encoded) > _MAX_KEY or "\0" in key:
            raise BadInput(f"the key of {uri[:200]!r} is longer than 1024 bytes or contains NUL")
        return cls(bucket, key)

    @classmethod
    def parse_folder(cls, uri: str) -> Address:
        """Read ``s3://bucket/folder/``; the key is ``""`` for the whole bucket.

        Raises:
            BadInput: It is no such address.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not key:
            return cls(cls.parse(f"s3://{bucket}/-" if uri.startswith("s3://") else uri).bucket, "")
        return cls.parse(uri if uri.endswith("/") else f"{uri}/")

    @property
    def uri(self) -> str:
        """The address as text."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The key's last part."""
        return self.key.rstrip("/").rpartition("/")[2] or "file"
