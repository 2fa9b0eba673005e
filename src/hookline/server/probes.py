"""What supervisors and monitors ask: ``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

import json

from flask import Response, current_app

from hookline.engine.engine import Engine

from .metrics import METRICS_TYPE, metrics_text
from .problems import problem
from .routes import Answer, Routes
from .schemas import YES, record

__all__ = ["probes"]

probes = Routes()

_OK = record({"ok": YES})


def _engine() -> Engine:
    engine: Engine = current_app.extensions["hookline"]
    return engine


@probes.get("/healthz", permission="open", answers={200: Answer("The process lives.", _OK)})
def healthz() -> Response:
    """Whether the process lives."""
    return Response(json.dumps({"ok": True}), mimetype="application/json")


@probes.get("/readyz", permission="open", answers={200: Answer("Events can be taken in.", _OK)})
def readyz() -> Response:
    """Whether events can be taken in."""
    health = _engine().health()
    if health.ok:
        return Response(json.dumps({"ok": True}), mimetype="application/json")
    # The reason names files of this machine: it is for the log, not for whoever asks.
    return problem(503, "S101", "nothing can be stored just now", retry_after=5)


@probes.get(
    "/metrics", permission="read", answers={200: Answer("Prometheus' text format.", None, "text/plain")}
)
def metrics() -> Response:
    """Figures of this process in Prometheus' text format."""
    return Response(metrics_text(_engine()), content_type=METRICS_TYPE)
