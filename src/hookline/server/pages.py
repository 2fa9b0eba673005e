"""The pages."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from hookline.engine.engine import Engine
from hookline.store.port import RunFilter

from .access import permission

__all__ = ["pages"]

pages = Blueprint("pages", __name__)


@pages.get("/")
@permission("read")
def runs() -> Response:
    """Runs, newest first."""
    engine: Engine = current_app.extensions["hookline"]
    page = engine.store.runs(RunFilter(), 50, None)
    return Response(
        "\n".join(f"{row.id} {row.workflow} {row.status}" for row in page.rows), mimetype="text/plain"
    )
