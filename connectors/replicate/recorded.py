"""Answers of the API, recorded and with identifiers changed, that several examples use."""

from __future__ import annotations

from typing import Any

__all__ = [
    "DEPLOYMENT",
    "FILE",
    "FINISHED",
    "FINISHED_RESULT",
    "HELLO_VERSION",
    "MODEL",
    "TRAINER_VERSION",
    "TRAINING",
    "VERSION",
    "page_of",
]

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

VERSION: dict[str, Any] = {
    "id": HELLO_VERSION,
    "created_at": "2022-04-26T19:29:04.418669Z",
    "cog_version": "0.3.0",
    "openapi_schema": {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "components": {
            "schemas": {
                "Input": {
                    "type": "object",
                    "title": "Input",
                    "required": ["text"],
                    "properties": {
                        "text": {
                            "type": "string",
                            "title": "Text",
                            "x-order": 0,
                            "description": "Text to prefix with 'hello '",
                        }
                    },
                },
                "Output": {"type": "string", "title": "Output"},
            }
        },
    },
}

MODEL: dict[str, Any] = {
    "url": "https://replicate.com/replicate/hello-world",
    "owner": "replicate",
    "name": "hello-world",
    "description": "A tiny model that says hello",
    "visibility": "public",
    "is_official": False,
    "github_url": "https://github.com/replicate/cog-examples",
    "paper_url": None,
    "license_url": None,
    "run_count": 12345,
    "cover_image_url": None,
    "default_example": None,
    "latest_version": VERSION,
}


def page_of(*results: Any) -> dict[str, Any]:
    """A list's only page."""
    return {"next": None, "previous": None, "results": list(results)}


DEPLOYMENT: dict[str, Any] = {
    "owner": "acme",
    "name": "hello",
    "current_release": {
        "number": 1,
        "model": "replicate/hello-world",
        "version": HELLO_VERSION,
        "created_at": "2026-02-15T16:32:57.018467Z",
        "created_by": {"type": "organization", "username": "acme", "name": "Acme Corp, Inc."},
        "configuration": {"hardware": "cpu", "min_instances": 0, "max_instances": 1},
    },
}

FILE: dict[str, Any] = {
    "id": "cneqzikepnug6xezperrr4z55o",
    "name": "cat.png",
    "etag": "a3f5c1",
    "content_type": "image/png",
    "size": 70,
    "checksums": {"sha256": "60ac57240ec65de3c2d7b1e7e7c2ed2bd9b6a7a1f1d2c7b0a1fcbbde1b9e4f10"},
    "metadata": {},
    "created_at": "2026-11-18T11:06:40.120Z",
    "expires_at": "2026-11-19T11:06:40.120Z",
    "urls": {"get": "https://api.replicate.com/v1/files/cneqzikepnug6xezperrr4z55o"},
}

TRAINING: dict[str, Any] = {
    "id": "zz4ibbonubfz7carwiefibzgga",
    "model": "acme/trainer",
    "version": HELLO_VERSION,
    "input": {"input_images": "https://example.com/images.zip", "trigger_word": "TOK"},
    "logs": "",
    "output": {"version": f"acme/tuned:{'ab' * 32}", "weights": "https://replicate.delivery/x/weights.tar"},
    "error": None,
    "status": "succeeded",
    "created_at": "2026-11-18T11:06:40.120Z",
    "started_at": "2026-11-18T11:06:42.120Z",
    "completed_at": "2026-11-18T11:26:42.120Z",
    "metrics": {"predict_time": 1200.0},
    "urls": {
        "get": "https://api.replicate.com/v1/predictions/zz4ibbonubfz7carwiefibzgga",
        "cancel": "https://api.replicate.com/v1/predictions/zz4ibbonubfz7carwiefibzgga/cancel",
    },
}

TRAINER_VERSION: dict[str, Any] = {
    **VERSION,
    "openapi_schema": {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "components": {
            "schemas": {
                "TrainingInput": {
                    "type": "object",
                    "title": "TrainingInput",
                    "required": ["input_images"],
                    "properties": {
                        "input_images": {
                            "type": "string",
                            "format": "uri",
                            "x-order": 0,
                            "description": "A ZIP file of images",
                        },
                        "trigger_word": {
                            "type": "string",
                            "default": "TOK",
                            "x-order": 1,
                            "description": "The word that stands for what is trained",
                        },
                    },
                },
                "TrainingOutput": {"type": "object", "title": "TrainingOutput"},
            }
        },
    },
}
