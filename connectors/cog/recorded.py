"""What a Cog server answered (0.23.1, its schema shortened), for the example."""

from __future__ import annotations

from typing import Any

__all__ = ["FINISHED", "FINISHED_RESULT", "READY", "SCHEMA"]

READY: dict[str, Any] = {
    "status": "READY",
    "setup": {
        "started_at": "2026-11-18T11:00:00.527534759+00:00",
        "completed_at": "2026-11-18T11:00:00.941961023+00:00",
        "status": "succeeded",
        "logs": "",
    },
    "version": {
        "coglet": "0.23.1",
        "git_sha": "9b9f6339",
        "build_time": "2026-10-20T14:46:36Z",
        "python_sdk": "0.23.1",
        "python": "3.11.7",
    },
}

SCHEMA: dict[str, Any] = {
    "openapi": "3.0.2",
    "info": {"title": "Cog", "version": "0.1.0"},
    "components": {
        "schemas": {
            "Input": {
                "type": "object",
                "title": "Input",
                "required": ["text"],
                "properties": {"text": {"type": "string", "title": "Text", "x-order": 0}},
            },
            "Output": {"type": "string", "title": "Output"},
        }
    },
}

FINISHED: dict[str, Any] = {
    "id": "hlf9d7620a279d7023198ab625f97f3e",
    "logs": "got 'hello'\n",
    "metrics": {"chars": 5, "predict_time": 0.0077},
    "output": "HELLO",
    "status": "succeeded",
}

FINISHED_RESULT: dict[str, Any] = {
    "status": "succeeded",
    "provider": "cog",
    "provider_job_id": "hlf9d7620a279d7023198ab625f97f3e",
    "model_reference": "acme/shout",
    "output_type": "text",
    "output_text": "HELLO",
    "files": [],
    "output": "HELLO",
    "error_type": None,
    "error": None,
    "latency_ms": 0,
    "cost_usd": 0.00000173,
    "attempts": 1,
    "cached": False,
    "created_at": "2026-03-01T12:00:00.000Z",
    "completed_at": "2026-03-01T12:00:00.000Z",
}
