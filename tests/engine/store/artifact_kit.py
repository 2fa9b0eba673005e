"""Artifact stores of both kinds, with a way to look behind them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from hookline.store.artifacts import Artifacts, ArtifactStore
from hookline.store.s3_artifacts import S3Artifacts, S3Place
from hookline.testing.s3 import S3Server

__all__ = ["Kit", "digest", "folder_kit", "s3_client", "s3_kit"]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Kit:
    """A store, and what is kept where.

    Attributes:
        again: Another opening of the same store.
        contents: Where contents lie as files, named by their digest.
        scratch: Where nothing may be left over.
        forget: Lose what is only cached.
    """

    again: Callable[[], Artifacts]
    contents: Path
    scratch: Path
    forget: Callable[[], None]
    store: Artifacts = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.again()

    def kept(self) -> list[str]:
        """Every file, temporary ones and marks included."""
        left = [path for path in self.scratch.iterdir() if path.is_file()] if self.scratch.exists() else []
        return sorted(path.name for path in [*self.contents.rglob("*"), *left] if path.is_file())

    def grow_old(self, sha256: str, seconds: float) -> None:
        """Have a content kept that long ago."""
        then = time.time() - seconds
        os.utime(self.contents / sha256[:2] / sha256, (then, then))

    def damage(self, sha256: str, content: bytes) -> None:
        """Put other bytes under a name."""
        self.forget()
        (self.contents / sha256[:2] / sha256).write_bytes(content)


def folder_kit(folder: Path) -> Kit:
    """A store in a folder."""
    return Kit(lambda: ArtifactStore(folder), folder, folder / "none", lambda: None)


def s3_client(server: S3Server) -> Any:
    """A boto3 client for a server."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
    )


def s3_kit(server: S3Server, client: Any, bucket: str, cache: Path, **given: Any) -> Kit:
    """A store in a bucket of a real server."""
    server.create_bucket(bucket)

    def forget() -> None:
        for folder in cache.iterdir():
            if folder.name != "tmp":
                shutil.rmtree(folder)

    def again() -> Artifacts:
        return S3Artifacts(client, S3Place.parse(f"s3://{bucket}/some/where"), cache, **given)

    return Kit(again, server.root / bucket / "some" / "where" / "content", cache / "tmp", forget)
