"""The Flask application: hooks, callbacks, the API, pages and probes over one engine."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

import hookline
from hookline.engine.engine import Busy, Engine, EngineError
from hookline.engine.redaction import Secret
from hookline.store.port import StoreError

from .access import Access, protect
from .api import api
from .artifacts import artifacts
from .costs import costs
from .deciding import answers, deciding
from .forms import FormTokens, forms
from .front import HookFront
from .headers import SECURITY_HEADERS
from .hooks import Waiters, hooks
from .live import Places, live
from .pages import pages
from .presentation import present
from .probes import probes
from .problems import problem
from .routes import Route, install
from .schedules import schedules
from .starting import starting
from .triggers import triggers

__all__ = ["ROUTES", "create_app"]

log = logging.getLogger(__name__)

ROUTES: tuple[Route, ...] = (
    *hooks,
    *answers,
    *api,
    *costs,
    *schedules,
    *triggers,
    *live,
    *probes,
    *artifacts,
    *pages,
    *forms,
    *starting,
    *deciding,
)
"""Every address that is answered."""

_WEB = Path(hookline.__file__).parent / "web"


def create_app(engine: Engine, access: Access) -> Flask:
    """An application that answers for a started engine.

    Args:
        access: Who may ask; see `hookline.server.access`.
    """
    app = Flask("hookline", template_folder=str(_WEB / "templates"), static_folder=None)
    app.extensions["hookline"] = engine
    app.extensions["hookline.waiters"] = Waiters(engine.settings.integer("server_threads") // 2)
    app.extensions["hookline.places"] = Places(engine.settings.integer("live_views"))
    app.extensions["hookline.forms"] = FormTokens.of(engine)
    app.config["MAX_CONTENT_LENGTH"] = engine.settings.integer("max_body_bytes")
    if access.token is not None:
        engine.redactor.add(Secret("admin_token", access.token))
        # Behind a proxy, Host may be another name than the one people see.
        public = urlsplit(engine.base_url).netloc.lower()
        access = dataclasses.replace(access, hosts=access.hosts | {public})
    install(app, ROUTES)
    present(app)
    protect(app, access)
    app.register_error_handler(EngineError, _engine_error)
    app.register_error_handler(StoreError, _store_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _fault)

    @app.after_request
    def secure(response: Response) -> Response:
        headers = response.headers
        for name, value in SECURITY_HEADERS:
            if name not in headers:
                headers[name] = value
        if response.mimetype == "application/problem+json" and _is_page():
            return _as_page(response)
        return response

    waiters: Waiters = app.extensions["hookline.waiters"]
    app.wsgi_app = HookFront(app.wsgi_app, engine, waiters, access)  # type: ignore[method-assign]
    return app


def _is_page() -> bool:
    """Whether a person is looking, to whom an error is shown as a page."""
    is_ours = not request.path.startswith(("/api/", "/hooks/", "/callbacks/", "/answers/"))
    return is_ours and "text/html" in request.headers.get("Accept", "")


def _as_page(response: Response) -> Response:
    document = json.loads(response.get_data())
    response.set_data(render_template("problem.html", problem=document))
    response.mimetype = "text/html"
    return response


def _engine_error(error: EngineError) -> Response:
    retry_after = error.retry_after if isinstance(error, Busy) else None
    return problem(error.status, error.code, error.message, hint=error.hint, retry_after=retry_after)


def _store_error(error: StoreError) -> Response:
    log.warning("%s: %s", error.code, error)
    return problem(503, error.code, "the database cannot be used just now", retry_after=5)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    response = problem(status, f"S{status}", error.description or error.name)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _fault(error: Exception) -> Response:
    log.error("S500: a fault while answering", exc_info=error)
    return problem(500, "S500", "a fault in Hookline; the log says more")
