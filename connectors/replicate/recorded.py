"""Answers of the API, recorded and with identifiers changed, that several examples use."""

from __future__ import annotations

from typing import Any

__all__ = ["FINISHED", "FINISHED_RESULT", "HELLO_VERSION"]

HELLO_VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"

FINISHED: dict[str, Any] = {
    "id": "gm3qorzdhgbfurvjtvhg6dckhu",
    "model": "replicate/hello-world",
    "version": HELLO_VERSION,
    "input": {"text": "Alice"},
    "output": "hello Alice",
    "status": "succeeded",
    "error": None,
    "logs": "",
    "data_removed": False,
    "created_at": "2026-11-18T11:06:40.120Z",
    "started_at": "2026-11-18T11:06:40.132Z",
    "completed_at": "2026-11-18T11:06:40.145Z",
    "metrics": {"predict_time": 0.012683, "total_time": 0.025507},
    "urls": {
        "get": "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu",
        "cancel": "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu/cancel",
        "web": "https://replicate.com/p/gm3qorzdhgbfurvjtvhg6dckhu",
    },
}

FINISHED_RESULT: dict[str, Any] = {
    "status": "succeeded",
    "provider": "replicate",
    "provider_job_id": "gm3qorzdhgbfurvjtvhg6dckhu",
    "model_reference": f"replicate/hello-world:{HELLO_VERSION}",
    "output_type": "text",
    "output_text": "hello Alice",
    "files": [],
    "output": "hello Alice",
    "error_type": None,
    "error": None,
    "latency_ms": 25,
    "cost_usd": 0.00000127,
    "attempts": 1,
    "cached": False,
    "created_at": "2026-11-18T11:06:40.120Z",
    "completed_at": "2026-11-18T11:06:40.145Z",
}
"""What `replicate.run` makes of it."""
