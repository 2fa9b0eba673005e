"""`/decide/<token>`: a person's own page of an approval; `/answers/<connection>`: what services bring back.

Looking decides nothing, however often and by whomever an address is opened: mail scanners open every
link. A decision is a POST with the form's own token. Who somebody is says the secret in the address.
"""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, current_app, render_template, request

from hookline.engine import documents
from hookline.engine.engine import Engine, EngineError
from hookline.sdk import HookRequest

from .artifacts import artifact_of, download, small_picture
from .forms import checked_engine, form_done, form_values
from .hooks import Unreadable, headers_of, query_of, raw_body, taken, told
from .presentation import references
from .routes import Answer, Routes

__all__ = ["answers", "deciding"]

deciding = Routes(is_listed=False)
answers = Routes()

_PAGE = {200: Answer("A page.", None, "text/html")}


def _engine() -> Engine:
    engine: Engine = current_app.extensions["hookline"]
    return engine


def _private(response: Response) -> Response:
    """The address is a secret: it goes into no cache, no index, and no other site's log.

    The referrer stays within this site, as everywhere here. Without any, a browser would send the form
    with ``Origin: null``, as a page of another site might.
    """
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@deciding.get("/decide/<token>", permission="open", answers=_PAGE, problems=(404,))
def decide_page(token: str) -> Response:
    """What is asked, for the person whose address this is. Looking decides nothing."""
    seat = _engine().approvals.seat(token)
    page = render_template(
        "decide.html",
        approval=documents.approval_document(seat.approval),
        person=seat.person,
        decision=seat.decision,
        may_decide=seat.may_decide,
        address=f"/decide/{token}",
    )
    return _private(Response(page, mimetype="text/html"))


@deciding.post(
    "/decide/<token>",
    permission="open",
    answers={303: Answer("Recorded; look at the page again.", None, "text/html")},
    problems=(403, 404, 409, 422),
)
def decide_link(token: str) -> Response:
    """Decide as the person whose address this is."""
    approvals = _engine().approvals
    schema = approvals.seat(token).approval.data.get("form")
    checked_engine()
    decision = request.form.get("decision", "")
    approvals.decide_by_link(
        token,
        decision,
        comment=request.form.get("comment", ""),
        form=form_values(schema) if isinstance(schema, dict) and decision == "approved" else None,
        seen=request.form.get("sha256", ""),
    )
    return _private(form_done(f"/decide/{token}"))


@deciding.get(
    "/decide/<token>/files/<sha256>",
    permission="open",
    answers={200: Answer("The bytes.", None, "application/octet-stream")},
    problems=(404,),
)
def decide_file(token: str, sha256: str) -> Response:
    """A file that is shown with the question."""
    return _private(download(_of_question(token, sha256)))


@deciding.get(
    "/decide/<token>/files/<sha256>/thumbnail",
    permission="open",
    answers={200: Answer("A small picture.", None, "image/jpeg")},
    problems=(404,),
)
def decide_thumbnail(token: str, sha256: str) -> Response:
    """A picture that is shown with the question, small."""
    return _private(small_picture(_of_question(token, sha256)))


def _of_question(token: str, sha256: str) -> str:
    """A digest, when the question shows that very file; nothing else can be read with this address."""
    approval = _engine().approvals.seat(token).approval
    if sha256 not in map(artifact_of, references(approval.data.get("show"))):
        raise EngineError("there is no such file", code="S404", status=404)
    return sha256


@answers.post(
    "/answers/<connection>",
    permission="open",
    answers={200: Answer("Taken; what the service wants to hear.", None, "text/plain")},
    problems=(400, 401, 404, 411, 413),
    body_types=("application/json", "application/x-www-form-urlencoded"),
)
def answer(connection: str) -> Response:
    """What somebody answered in a service: a click on a button, verified by the service's signature."""
    body = raw_body()
    if isinstance(body, Unreadable):
        return body.problem()
    engine = _engine()
    hook_request = HookRequest(
        method=request.method,
        path=connection,
        headers=headers_of(request.environ),
        query=query_of(request.environ),
        body=body,
        received_at=datetime.fromtimestamp(engine.clock(), UTC),
        remote_addr=request.remote_addr or "",
    )
    reply = taken(lambda: told(engine.receive_answer(connection, hook_request)))
    return Response(reply.body, reply.status, headers=list(reply.headers))
