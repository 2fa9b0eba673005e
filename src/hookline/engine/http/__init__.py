"""Outgoing HTTP under the operator's rules.

`GuardedClient` checks where a request goes at the moment it is dialled, keeps credentials at their
own origin, and bounds time and bytes. `docs/explanation/outbound-requests.md` says why.
"""

from __future__ import annotations

from .client import GuardedClient
from .codes import HTTP_CODES
from .errors import BadResponse, ConnectFailed, HttpError, Phase, RefusedByPolicy, SentUnknown
from .headers import Headers
from .messages import Credential, DownloadResult, HttpResponse
from .policy import Guard, Policy, is_public
from .pool import PoolTransport, Resolver
from .retry_after import parse_retry_after
from .stream import StreamResponse
from .transport import Progress, Transport, WireFailure, WireRequest, WireResponse
from .urls import Origin, Url, parse_url

__all__ = [
    "HTTP_CODES",
    "BadResponse",
    "ConnectFailed",
    "Credential",
    "DownloadResult",
    "Guard",
    "GuardedClient",
    "Headers",
    "HttpError",
    "HttpResponse",
    "Origin",
    "Phase",
    "Policy",
    "PoolTransport",
    "Progress",
    "RefusedByPolicy",
    "Resolver",
    "SentUnknown",
    "StreamResponse",
    "Transport",
    "Url",
    "WireFailure",
    "WireRequest",
    "WireResponse",
    "is_public",
    "parse_retry_after",
    "parse_url",
]
