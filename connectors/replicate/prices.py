"""What a prediction probably cost. Replicate's API names no price, so this is an estimate.

Time-billed models cost ``metrics.predict_time`` times the price of their hardware, which the API
does not tell for a public model: the step names it. Official models are billed per output; private
models and deployments for the whole time their instances are up, so for them it is a lower bound.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from .records import Remote

__all__ = ["HARDWARE", "estimate"]


def _read(path: Path) -> Mapping[str, float]:
    prices = json.loads(path.read_text("utf-8"))["hardware_per_second"]
    return MappingProxyType({sku: float(price) for sku, price in prices.items()})


HARDWARE = _read(Path(__file__).with_name("prices.json"))
"""US dollars per second of each hardware, as published on the day the file names."""


def estimate(remote: Remote, hardware: str | None) -> float | None:
    """US dollars, None when the hardware, its price or the time is not known.

    A prediction that was aborted before it started is free; one that failed or was stopped while it
    ran is billed for the time it ran.
    """
    if remote.status == "aborted":
        return 0.0
    price = HARDWARE.get(hardware or "")
    if price is None or remote.predict_seconds is None:
        return None
    return round(remote.predict_seconds * price, 8)
