"""One boto3 client, made when it is first needed and shared by a bounded pool of threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from .errors import EXPIRED, code_of, translate

__all__ = ["Session", "Settings"]

AddressingStyle = Literal["auto", "path", "virtual"]

WORKERS = 16
"""Requests of one connection at the same time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach a store.

    Attributes:
        endpoint_url: Address of an S3-compatible store; ``""`` for AWS itself.
        access_key_id: ``""`` leaves it to boto3's own chain: environment, shared file, instance role.
    """

    endpoint_url: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    addressing_style: AddressingStyle = "auto"


class Session:
    """Calls of a boto3 S3 client out of coroutines."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client: Any = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3")

    async def call(self, what: str, work: Callable[[Any], Any]) -> Any:
        """Run `work` with the client in a thread.

        Args:
            what: What is being done, for messages.

        Raises:
            ActionError: What boto3 raised, translated.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._perform, what, work)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _perform(self, what: str, work: Callable[[Any], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        renewed = False
        while True:
            try:
                client = self._opened()
                return work(client)
            except (BotoCoreError, ClientError, HTTPError, OSError) as error:
                if code_of(error) in EXPIRED and not renewed and not self.settings.access_key_id:
                    # An instance's role has new credentials by now; a session that was configured has not.
                    renewed = True
                    self._forget(client)
                    continue
                raise translate(error, what) from error

    def _opened(self) -> Any:
        # Making a client takes a good part of a second and is not thread-safe; the client is.
        with self._lock:
            if self._client is None:
                self._client = _make(self.settings)
            return self._client

    def _forget(self, client: Any) -> None:
        with self._lock:
            if self._client is client:
                self._client = None


@lru_cache(maxsize=1)
def _descriptions() -> Any:
    from botocore.loaders import create_loader

    return create_loader()


def _make(settings: Settings) -> Any:
    import boto3
    import botocore.session
    from botocore.config import Config

    custom = bool(settings.endpoint_url)
    style = settings.addressing_style
    if style == "auto":
        # boto3's own "auto" presigns for the global host, which answers with a redirect that breaks the
        # signature; "virtual" is regional, and falls back to the path for names with full stops.
        style = "path" if custom else "virtual"
    # Checksums in trailers came with boto3 1.36; R2, B2 and older MinIO refuse them.
    checksums = "when_required" if custom else "when_supported"
    config = Config(
        s3={"addressing_style": style},
        signature_version="s3v4",
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=5,
        read_timeout=30,
        max_pool_connections=WORKERS,
        tcp_keepalive=True,
        # What the connection says is all there is; AWS_ENDPOINT_URL of the environment stays out.
        ignore_configured_endpoint_urls=True,
    )
    # The descriptions of the service are large; all connections read the same ones.
    common = botocore.session.get_session()
    common.register_component("data_loader", _descriptions())
    session = boto3.session.Session(
        botocore_session=common,
        aws_access_key_id=settings.access_key_id or None,
        aws_secret_access_key=settings.secret_access_key or None,
        aws_session_token=settings.session_token or None,
        region_name=settings.region or None,
    )
    return session.client(
        "s3",
        region_name=session.region_name or "us-east-1",
        endpoint_url=settings.endpoint_url or None,
        config=config,
    )
