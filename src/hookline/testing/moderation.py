"""OpenAI's moderation and Azure AI Content Safety, played on loopback: strict about what they are sent.

::

    with ModerationServer() as server:
        server.scores["violence"] = 0.9
        OPENAI_BASE_URL=server.origin + "/v1", AZURE_CONTENT_SAFETY_ENDPOINT=server.origin
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from hookline.testing.httpd import Answer, HttpServer, Request, Response

__all__ = ["AZURE", "OMNI", "ModerationServer"]

Json = Any

OMNI: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""Categories of OpenAI's omni models."""

AZURE: Final = ("Hate", "SelfHarm", "Sexual", "Violence")
"""Categories of Azure."""

_OF_IMAGES: Final = frozenset((*OMNI[6:10], *OMNI[11:]))
_MODELS: Final = {
    "omni-moderation-latest": "omni-moderation-2024-09-26",
    "omni-moderation-2024-09-26": "omni-moderation-2024-09-26",
}
_PICTURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_MAX_OPENAI_IMAGE = 20_000_000
_MAX_AZURE_IMAGE = 4_000_000
_MAX_AZURE_TEXT = 10_000


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ModerationServer:
    """Plays both services. Use it as a context manager.

    Args:
        key: The credential that both take.

    Attributes:
        scores: What is found in everything, by OpenAI's names; the rest is close to 0.
        severities: What is found in everything, by Azure's names; the rest is 0.
        instead: Answers every request in place of the services, when set.
        received: The bodies of all requests that were understood.
    """

    def __init__(self, key: str = "test-key") -> None:
        self._key = key
        self._server = HttpServer(name="moderation")
        self.scores: dict[str, float] = {}
        self.severities: dict[str, int] = {}
        self.instead: Answer | None = None
        self.received: list[Json] = []

    @property
    def origin(self) -> str:
        """``http://host:port``."""
        return self._server.origin

    def __enter__(self) -> Self:
        self._server.start(self._answer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Answer:
        if self.instead is not None:
            return self.instead
        try:
            if request.method != "POST":
                raise _Refused(405, "only POST")
            if request.path == "/v1/moderations":
                if request.header("Authorization") != f"Bearer {self._key}":
                    raise _Refused(401, "Incorrect API key provided")
                return Response.of(200, self._openai(_body(request)))
            if request.path in ("/contentsafety/text:analyze", "/contentsafety/image:analyze"):
                if request.header("Ocp-Apim-Subscription-Key") != self._key:
                    raise _Refused(401, "Access denied due to invalid subscription key")
                if request.query.get("api-version") != "2024-09-01":
                    raise _Refused(404, "Resource not found")
                is_text = request.path.endswith("text:analyze")
                return Response.of(200, self._azure(_body(request), is_text=is_text))
            raise _Refused(404, "no such path")
        except _Refused as refused:
            return Response.of(refused.status, {"error": {"message": str(refused), "code": "refused"}})

    def _openai(self, body: Mapping[str, Json]) -> Json:
        _only(body, {"model", "input"})
        if body.get("model") not in _MODELS:
            raise _Refused(404, "The model does not exist")
        given = body.get("input")
        parts = [{"type": "text", "text": given}] if isinstance(given, str) else given
        if not isinstance(parts, list) or not parts:
            raise _Refused(400, "'input' is required")
        kinds = [_openai_part(part) for part in parts]
        if kinds.count("image") > 1:
            raise _Refused(400, "one image at a time")
        self.received.append(body)
        scores = {name: self.scores.get(name, 0.000_01) for name in OMNI}
        applied = {
            name: [kind for kind in dict.fromkeys(kinds) if kind == "text" or name in _OF_IMAGES]
            for name in OMNI
        }
        for name in OMNI:
            if not applied[name]:
                scores[name] = 0
        found = {name: score >= 0.5 for name, score in scores.items()}
        result = {
            "flagged": any(found.values()),
            "categories": found,
            "category_scores": scores,
            "category_applied_input_types": applied,
        }
        return {"id": "modr-1", "model": _MODELS[body["model"]], "results": [result]}

    def _azure(self, body: Mapping[str, Json], *, is_text: bool) -> Json:
        if is_text:
            _only(body, {"text", "categories", "blocklistNames", "haltOnBlocklistHit", "outputType"})
            text = body.get("text")
            if not isinstance(text, str) or not 0 < len(text) <= _MAX_AZURE_TEXT:
                raise _Refused(400, "text has 1 to 10000 characters")
            levels = {"FourSeverityLevels", "EightSeverityLevels"}
        else:
            _only(body, {"image", "categories", "outputType"})
            image = body.get("image")
            if not isinstance(image, Mapping) or set(image) != {"content"}:
                raise _Refused(400, "image holds content")
            _check_picture(image["content"], _MAX_AZURE_IMAGE)
            levels = {"FourSeverityLevels"}
        if body.get("outputType", "FourSeverityLevels") not in levels:
            raise _Refused(400, "outputType is not supported")
        self.received.append(body)
        found = [{"category": name, "severity": self.severities.get(name, 0)} for name in AZURE]
        answer: dict[str, Json] = {"categoriesAnalysis": found}
        return answer | ({"blocklistsMatch": []} if is_text else {})


def _body(request: Request) -> Mapping[str, Json]:
    if (request.header("Content-Type") or "").partition(";")[0] != "application/json":
        raise _Refused(415, "application/json only")
    try:
        body = request.json()
    except ValueError as error:
        raise _Refused(400, "that is not JSON") from error
    if not isinstance(body, Mapping):
        raise _Refused(400, "that is no object")
    return body


def _only(body: Mapping[str, Json], known: set[str]) -> None:
    unknown = sorted(set(body) - known)
    if unknown:
        raise _Refused(400, f"Unknown parameter: '{unknown[0]}'")


def _openai_part(part: Json) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text" and set(part) == {"type", "text"}:
        if isinstance(part["text"], str):
            return "text"
    elif isinstance(part, Mapping) and part.get("type") == "image_url" and set(part) == {"type", "image_url"}:
        address = part["image_url"].get("url") if isinstance(part["image_url"], Mapping) else None
        if isinstance(address, str) and address.startswith("data:image/"):
            head, _, content = address.partition(";base64,")
            if head in ("data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp"):
                _check_picture(content, _MAX_OPENAI_IMAGE)
                return "image"
        elif isinstance(address, str) and address.startswith("https://"):
            return "image"
    raise _Refused(400, "Invalid type for 'input'")


def _check_picture(content: Json, largest: int) -> None:
    try:
        decoded = base64.b64decode(content, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise _Refused(400, "the image is not base64") from error
    if len(decoded) > largest or not decoded.startswith(_PICTURES):
        raise _Refused(400, "the image is too large, or none")
