"""boto3 clients of the services around S3, with the connection's own credentials."""

from __future__ import annotations

import threading
from typing import Any

from .session import Settings

__all__ = ["Services"]


class Services:
    """Clients for SQS, made when they are first needed and shared.

    Args:
        sqs_endpoint_url: Address of SQS; ``""`` for AWS itself.
    """

    def __init__(self, settings: Settings, sqs_endpoint_url: str = "") -> None:
        self.settings = settings
        self.sqs_endpoint_url = sqs_endpoint_url
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    @property
    def has_queues(self) -> bool:
        """Whether there is an SQS to speak of: AWS has one, another store only where it is named."""
        return not self.settings.endpoint_url or bool(self.sqs_endpoint_url)

    def client(self, service: str, region: str = "") -> Any:
        """The client of a service in a region; the connection's own region when empty."""
        with self._lock:
            made = self._clients.get((service, region))
            if made is None:
                made = self._clients[(service, region)] = self._make(service, region)
            return made

    def close(self) -> None:
        """Let go of connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _make(self, service: str, region: str) -> Any:
        import boto3
        from botocore.config import Config

        given = self.settings
        session = boto3.session.Session(
            aws_access_key_id=given.access_key_id or None,
            aws_secret_access_key=given.secret_access_key or None,
            aws_session_token=given.session_token or None,
            region_name=region or given.region or None,
        )
        config = Config(
            retries={"mode": "standard", "max_attempts": 3},
            connect_timeout=5,
            # Longer than SQS holds a request that finds nothing.
            read_timeout=35,
            tcp_keepalive=True,
            ignore_configured_endpoint_urls=True,
        )
        return session.client(
            service,
            region_name=session.region_name or "us-east-1",
            endpoint_url=self.sqs_endpoint_url or None,
            config=config,
        )
