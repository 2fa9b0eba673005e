"""Senders that try an address out before they use it, and what each wants to hear.

Sources: Meta (https://developers.facebook.com/docs/graph-api/webhooks/getting-started), Microsoft Graph
(https://learn.microsoft.com/graph/change-notifications-delivery-webhooks), Dropbox
(https://www.dropbox.com/developers/reference/webhooks), X
(https://docs.x.com/x-api/webhooks/quickstart), Zoom (https://developers.zoom.us/docs/api/webhooks).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from hookline.sdk import HookReply, HookRequest

from .refusals import no_secret, unauthenticated, unreadable

__all__ = ["Handshake", "answer_signed", "answer_unsigned"]

Handshake = Literal["none", "meta", "microsoft_graph", "dropbox", "x", "zoom"]

# What is given back is text/plain, and still nothing that a browser could take for a page.
_TOKEN = re.compile(r"[A-Za-z0-9 ._~:;,+/=!()|-]{1,1024}", re.ASCII)
# What X has signed is signed with the key of its events: it must not be able to be an event.
_X_TOKEN = re.compile(r"[A-Za-z0-9_=.-]{1,256}", re.ASCII)


def answer_unsigned(
    kind: str, request: HookRequest, secrets: Sequence[str], verify_token: str
) -> HookReply | None:
    """The answer to a question that carries no signature; None when the request asks none.

    Raises:
        HookRefused: It asks in a way that is not answered.
    """
    query = request.query
    if request.method == "GET" and kind == "meta" and query.get("hub.mode") == "subscribe":
        if not verify_token:
            raise no_secret("the connection has no verify_token, which Meta's question is checked with")
        if not hmac.compare_digest(_digest(query.get("hub.verify_token", "")), _digest(verify_token)):
            raise unauthenticated("the verify token is wrong")
        return _plain(query.get("hub.challenge", ""))
    if request.method == "GET" and kind == "dropbox" and "challenge" in query:
        return _plain(query["challenge"])
    if request.method == "POST" and kind == "microsoft_graph" and "validationToken" in query:
        return _plain(query["validationToken"])
    if request.method == "GET" and kind == "x" and "crc_token" in query:
        if not _X_TOKEN.fullmatch(query["crc_token"]):
            raise unreadable("the token is not one that is answered")
        if not secrets:
            raise no_secret("the connection holds no secret")
        mac = hmac.digest(secrets[0].encode(), query["crc_token"].encode(), "sha256")
        return _json({"response_token": f"sha256={base64.b64encode(mac).decode()}"})
    return None


def answer_signed(kind: str, body: Any, secrets: Sequence[str]) -> HookReply | None:
    """The answer to a question that was signed like an event; None when it is an event."""
    if kind != "zoom" or not isinstance(body, dict) or body.get("event") != "endpoint.url_validation":
        return None
    payload = body.get("payload")
    token = payload.get("plainToken") if isinstance(payload, dict) else None
    if not isinstance(token, str) or not secrets:
        raise unreadable("the question holds no plainToken")
    mac = hmac.digest(secrets[0].encode(), token.encode(), "sha256")
    return _json({"plainToken": token, "encryptedToken": mac.hex()})


def _plain(token: str) -> HookReply:
    if not _TOKEN.fullmatch(token):
        raise unreadable("the token is not one that is answered")
    return HookReply(body=token.encode())


def _json(document: Any) -> HookReply:
    return HookReply(body=json.dumps(document).encode(), content_type="application/json")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
