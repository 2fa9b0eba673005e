"""The Flask application: hooks, callbacks, the API, pages and probes over one engine."""

from __future__ import annotations

import logging

from flask import Flask, Response, json
from werkzeug.exceptions import HTTPException

from hookline.engine.engine import Busy, Engine, EngineError
from hookline.store.port import StoreError

from .access import Access, permission, protect
from .api import api
from .hooks import hooks
from .metrics import metrics_text
from .pages import pages
from .problems import problem

__all__ = ["create_app"]

log = logging.getLogger(__name__)

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
}


def create_app(engine: Engine, access: Access) -> Flask:
    """An application that answers for a started engine.

    Args:
        access: Who may ask; see `hookline.server.access`.
    """
    app = Flask("hookline", template_folder=None, static_folder=None)
    app.extensions["hookline"] = engine
    app.config["MAX_CONTENT_LENGTH"] = engine.settings.integer("max_body_bytes")
    app.register_blueprint(hooks)
    app.register_blueprint(api)
    app.register_blueprint(pages)
    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/readyz", view_func=readyz)
    app.add_url_rule("/metrics", view_func=metrics)
    protect(app, access)
    app.register_error_handler(EngineError, _engine_error)
    app.register_error_handler(StoreError, _store_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)

    @app.after_request
    def secure(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _engine() -> Engine:
    from flask import current_app

    engine: Engine = current_app.extensions["hookline"]
    return engine


@permission("open")
def healthz() -> Response:
    """Whether the process lives."""
    return Response(json.dumps({"ok": True}), mimetype="application/json")


@permission("open")
def readyz() -> Response:
    """Whether events can be taken in."""
    health = _engine().health()
    if health.ok:
        return Response(json.dumps({"ok": True}), mimetype="application/json")
    return problem(503, "S101", "nothing can be stored just now", hint=health.reason, retry_after=5)


@permission("read")
def metrics() -> Response:
    """Figures in Prometheus' text format."""
    return Response(metrics_text(_engine()), mimetype="text/plain; version=0.0.4")


def _engine_error(error: EngineError) -> Response:
    retry_after = error.retry_after if isinstance(error, Busy) else None
    return problem(error.status, error.code, error.message, hint=error.hint, retry_after=retry_after)


def _store_error(error: StoreError) -> Response:
    return problem(503, error.code, str(error), retry_after=5)


def _http_error(error: HTTPException) -> Response:
    return problem(error.code or 500, f"S{error.code or 500}", error.description or error.name)


def _fault(error: Exception) -> Response:
    log.error("S500: a fault while answering", exc_info=error)
    return problem(500, "S500", "a fault in Hookline; the log says more")
