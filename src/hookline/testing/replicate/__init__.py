"""A strict stand-in for Replicate's HTTP API, for tests and for the demonstration.

    with ReplicateStandIn() as server:
        body = {"version": server.version_of("hookline/echo"), "input": {"text": "hello"}}
        headers = {"Authorization": f"Bearer {server.token}"}
        httpx.post(f"{server.base_url}/v1/predictions", json=body, headers=headers)

What it does and does not do is told in ``docs/reference/stand-ins.md``.
"""

from __future__ import annotations

from hookline.testing.clock import ManualClock, SystemClock
from hookline.testing.replicate.catalog import Model, openapi_schema
from hookline.testing.replicate.cog_backend import CogUnavailableError
from hookline.testing.replicate.fault_names import FAULTS
from hookline.testing.replicate.plans import FileValue
from hookline.testing.replicate.records import Creation, Delivery, Prediction
from hookline.testing.replicate.server import DEFAULT_TOKEN, ReplicateStandIn, TokenLeakError
from hookline.testing.replicate.signing import sign
from hookline.testing.replicate.substitutes import substitute

__all__ = [
    "DEFAULT_TOKEN",
    "FAULTS",
    "CogUnavailableError",
    "Creation",
    "Delivery",
    "FileValue",
    "ManualClock",
    "Model",
    "Prediction",
    "ReplicateStandIn",
    "SystemClock",
    "TokenLeakError",
    "openapi_schema",
    "sign",
    "substitute",
]
