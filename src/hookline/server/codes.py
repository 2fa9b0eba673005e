"""Stable codes of the HTTP server: ``S4xx`` and ``S5xx`` are HTTP statuses, ``S6xx`` and ``S7xx`` our own."""

from __future__ import annotations

from hookline.core.code import Code

__all__ = ["SERVER_CODES"]

_FIX = "Correct the request as the message says; /api/v1/openapi.json describes every one."

SERVER_CODES: tuple[Code, ...] = (
    Code(
        "S400",
        "The request is not HTTP as it should be",
        "The request line, a header, the length or the chunks of a request cannot be read. The connection "
        "is closed.",
        "Correct the client, or the proxy between it and Hookline.",
    ),
    Code(
        "S404",
        "There is nothing at this address",
        "No route has this address, or the file asked for is not kept.",
        "Compare the address with the reference of the HTTP API.",
    ),
    Code(
        "S405",
        "This address does not take this method",
        "Addresses that change something take POST only, the others GET only; Allow says which.",
        "Use the method that the header Allow names.",
    ),
    Code(
        "S413",
        "The request is too large",
        "A form is larger than max_body_bytes allows.",
        "Send less, or raise HOOKLINE_MAX_BODY_BYTES.",
    ),
    Code(
        "S431",
        "The headers are too large",
        "The headers of a request are larger than 64 KB together.",
        "Send smaller headers; data belongs into the body.",
    ),
    Code(
        "S500",
        "A fault in the HTTP server",
        "Something in Hookline raised an error while answering. What was answered with 2xx before is safe.",
        "Report it with the traceback from the log.",
    ),
    Code(
        "S501",
        "A transfer encoding is not understood",
        "The request uses another Transfer-Encoding than chunked.",
        "Send the body with a Content-Length.",
    ),
    Code("S601", "A page's size cannot be used", "limit is not a number from 1 to 500.", _FIX),
    Code(
        "S602",
        "A cursor cannot be used",
        "The cursor was not given by this list.",
        "Take it from next of the page before, or leave it out to begin anew.",
    ),
    Code("S603", "A time cannot be used", "since or until is no RFC 3339 time with a zone.", _FIX),
    Code("S604", "The body is no JSON object", "The body of a request to the API cannot be read.", _FIX),
    Code("S605", "A filter cannot be used", "A filter's value is not one of those it can have.", _FIX),
    Code("S606", "The body does not fit", "The body breaks the schema of this request.", _FIX),
    Code(
        "S607",
        "A place in a history cannot be used",
        "after, or the header Last-Event-ID, is not the number of a history entry.",
        "Take it from the id of an event of the stream, or leave it out to begin at the start.",
    ),
    Code(
        "S608",
        "Too many watch runs live",
        "Each live view of a run holds a thread, and as many as live_views allows are taken.",
        "Close a page that shows an open run, try again later, or raise HOOKLINE_LIVE_VIEWS. Runs go on "
        "without being watched.",
    ),
    Code(
        "S611",
        "A length is needed",
        "The body came in chunks. A request to a hook says with Content-Length how long its body is, so that "
        "a cut one is known as such.",
        "Send a Content-Length.",
    ),
    Code(
        "S612",
        "The body is too large",
        "The body is larger than max_body_bytes allows. Nothing of it was kept.",
        "Send less, or raise HOOKLINE_MAX_BODY_BYTES.",
    ),
    Code(
        "S613",
        "The body ended too early",
        "The connection was closed before as many bytes had come as Content-Length says.",
        "Send it again.",
    ),
    Code(
        "S701",
        "This server answers to its own address only",
        "hookline dev needs no login, so it refuses requests for any other name than its own: a web page "
        "could otherwise make a name lead here and read the answers.",
        "Open the address that hookline dev has printed, or use hookline serve.",
    ),
    Code(
        "S702",
        "A request from another web page",
        "The browser says that a page of another site made it send this request.",
        "Use Hookline's own pages. Behind a proxy, set HOOKLINE_BASE_URL to the address people see.",
    ),
    Code(
        "S703",
        "An access token is needed",
        "Everything but hooks, callbacks and the probes asks for the admin token.",
        "Send Authorization: Bearer <token>, or give the token as the password when the browser asks.",
    ),
    Code(
        "S704",
        "The access token is not valid",
        "The token sent is not the installation's.",
        "Compare it with HOOKLINE_ADMIN_TOKEN of the server.",
    ),
    Code(
        "S705",
        "An address without a rule",
        "The address exists and nobody has said who may use it, so nobody may.",
        "Report it: every route declares a permission.",
    ),
    Code(
        "S706",
        "A form is too old or comes from elsewhere",
        "A button's form carries a token of the page it stands on, good for that button and for half a day.",
        "Load the page again, then press the button.",
    ),
    Code(
        "S707",
        "A field of a form cannot be used",
        "What was typed into a field is not of the type that the workflow asks for.",
        "Correct the field.",
    ),
)
"""Every code of the server."""
