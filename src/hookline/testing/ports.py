"""Loopback addresses and free ports for servers that tests start."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

__all__ = ["LOOPBACK", "free_port", "is_loopback_host", "is_loopback_url", "require_loopback"]

LOOPBACK = "127.0.0.1"


def free_port(host: str = LOOPBACK) -> int:
    """A TCP port nobody listens on right now.

    Only for programs that must be told their port. Another process may take it before the program binds
    it, so start such programs through `hookline.testing.processes.start_on_free_port`, which tries again.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def is_loopback_host(host: str) -> bool:
    """Whether `host` is this machine, decided from the text alone: no name is ever resolved."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_loopback_url(url: str) -> bool:
    """Whether `url` is an ``http`` or ``https`` address of this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and is_loopback_host(parts.hostname or "")


def require_loopback(host: str) -> str:
    """Return `host` when it is a loopback address.

    Raises:
        ValueError: It is not. Stand-ins hold test tokens and take orders from anybody who reaches them.
    """
    if not is_loopback_host(host):
        raise ValueError(f"stand-ins listen on loopback only, not on {host!r}; use 127.0.0.1")
    return host
