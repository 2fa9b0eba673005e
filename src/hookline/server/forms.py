"""What buttons send: POST only, with a token that a page of another site cannot know."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, redirect, request

from hookline.core.document import strict_json
from hookline.engine.engine import Engine, EngineError

from .access import acting_user
from .routes import Answer, Routes

__all__ = [
    "FormTokens",
    "checked_engine",
    "choice_text",
    "field_kind",
    "form_done",
    "form_value",
    "form_values",
    "forms",
]

forms = Routes(is_listed=False)

Json = Any

TOKEN_SECONDS = 12 * 3600
"""How long a page's buttons work, at least; at most twice as long."""

_DONE = {303: Answer("Done; look at the page again.", None, "text/html")}


@dataclass(frozen=True, slots=True)
class FormTokens:
    """Tokens of forms, one for each address that a form is sent to.

    They are signed with a key of the installation's own, so they need no session and no cookie, and
    work on whichever process the form arrives at.
    """

    key: bytes
    engine: Engine

    @classmethod
    def of(cls, engine: Engine) -> FormTokens:
        """The tokens of an installation."""
        text = engine.store.setting("form_key", lambda: secrets.token_urlsafe(32))
        return cls(hashlib.sha256(f"hookline forms {text}".encode()).digest(), engine)

    def token(self, action: str) -> str:
        """The token of a form that is sent to this path."""
        return self._sign(action, self._period())

    def is_valid(self, action: str, token: str) -> bool:
        """Whether a token was made for this path, not too long ago."""
        now = self._period()
        return any(
            hmac.compare_digest(self._sign(action, period).encode(), token.encode("utf-8", "replace"))
            for period in (now, now - 1)
        )

    def _period(self) -> int:
        return int(self.engine.clock() // TOKEN_SECONDS)

    def _sign(self, action: str, period: int) -> str:
        return hmac.digest(self.key, f"{period} {action}".encode(), "sha256").hex()


def checked_engine() -> Engine:
    """The engine, once the form has shown that it comes from a page of ours.

    Raises:
        EngineError: S706, it has not.
    """
    tokens: FormTokens = current_app.extensions["hookline.forms"]
    if not tokens.is_valid(request.path, request.form.get("form_token", "")):
        raise EngineError(
            "this form is too old or does not come from here",
            code="S706",
            status=403,
            hint="go back, load the page again, and press the button once more",
        )
    return tokens.engine


def form_done(path: str) -> Response:
    """The answer to a form: look at this page."""
    response = redirect(path, 303)
    assert isinstance(response, Response)
    return response


def _by() -> str:
    return acting_user(request, "a person at the page")


@forms.post("/runs/<run_id>/cancel", permission="run", answers=_DONE, problems=(404, 409))
def cancel_form(run_id: str) -> Response:
    """Ask a run to stop."""
    checked_engine().cancel(run_id, by=_by())
    return form_done(f"/runs/{run_id}")


@forms.post("/runs/<run_id>/replay", permission="run", answers=_DONE, problems=(404, 409, 422))
def replay_form(run_id: str) -> Response:
    """Run again, as a new run."""
    accepted = checked_engine().replay_run(run_id, version=_version())
    return form_done(f"/runs/{accepted.run_id}")


@forms.post("/events/<event_id>/replay", permission="run", answers=_DONE, problems=(404, 409, 422))
def replay_event_form(event_id: str) -> Response:
    """Run an event's workflow again."""
    accepted = checked_engine().replays.event(event_id, version=_version())
    return form_done(f"/runs/{accepted.run_id}")


@forms.post("/runs/<run_id>/resume", permission="run", answers=_DONE, problems=(404, 409))
def resume_form(run_id: str) -> Response:
    """Go on with a failed or canceled run."""
    checked_engine().resume(run_id, version=_version(), by=_by())
    return form_done(f"/runs/{run_id}")


def _version() -> str:
    return "latest" if request.form.get("version") == "latest" else "original"


@forms.post("/approvals/<approval_id>", permission="run", answers=_DONE, problems=(403, 404, 409, 422))
def decide_form(approval_id: str) -> Response:
    """Decide on an approval as the operator."""
    engine = checked_engine()
    approval = engine.store.approval(approval_id)
    decision = request.form.get("decision", "")
    schema = approval.data.get("form") if approval is not None and isinstance(approval.data, dict) else None
    engine.decide(
        approval_id,
        decision,
        by=acting_user(request, ""),
        comment=request.form.get("comment", "")[:10_000],
        form=form_values(schema) if isinstance(schema, dict) and decision == "approved" else None,
        seen=request.form.get("sha256"),
    )
    return form_done(f"/approvals/{approval_id}")


def form_values(schema: Mapping[str, Json]) -> dict[str, Json]:
    """What was filled in, by the JSON Schema of an object; fields that were left empty are left out.

    Raises:
        EngineError: S707, a text is not of its field's type.
    """
    values = {}
    for name, field in schema.get("properties", {}).items():
        if field_kind(field) == "boolean":
            values[name] = request.form.get(f"form.{name}") is not None
            continue
        value = form_value(field, request.form.get(f"form.{name}"))
        if value is not None:
            values[name] = value
    return values


def field_kind(schema: Json) -> str:
    """How a field is filled in: ``choice``, ``boolean``, ``integer``, ``number``, ``string`` or ``json``."""
    if not isinstance(schema, dict):
        return "json"
    if isinstance(schema.get("enum"), list):
        return "choice"
    kind = schema.get("type", "string")
    return kind if kind in ("boolean", "integer", "number", "string") else "json"


def choice_text(choice: Json) -> str:
    """A value of an ``enum`` as the form shows and sends it."""
    return choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)


def form_value(schema: Json, text: str | None) -> Json:
    """What a field's text means, by its JSON Schema; None when it was left empty.

    Raises:
        EngineError: S707, the text is not of the field's type.
    """
    kind = field_kind(schema)
    if text is None or text == "":
        return None
    if kind == "choice":
        # A text that is none of them is left for the schema to refuse.
        return next((choice for choice in schema["enum"] if choice_text(choice) == text), text)
    if kind == "string":
        return text
    try:
        if kind == "integer":
            return int(text)
        return _finite(text) if kind == "number" else strict_json(text.encode())
    except ValueError as error:
        name = "JSON" if kind == "json" else kind
        raise EngineError(f"{text[:80]!r} is not a value of type {name}", code="S707", status=422) from error


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
