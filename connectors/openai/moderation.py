"""``POST /v1/moderations`` (https://platform.openai.com/docs/api-reference/moderations)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from hookline.sdk import BadInput, Http, MalformedOutput, raise_for_status
from hookline.sdk.moderation import Assessment, Finding, Image

__all__ = ["PINNED", "OpenAI"]

Json = Any

PINNED: Final = "omni-moderation-2024-09-26"
MAX_IMAGE_BYTES = 20_000_000
TIMEOUT = 30.0
MAX_ANSWER = 1_000_000

_CATEGORIES: Final = {
    "harassment": "harassment",
    "harassment/threatening": "harassment_threat",
    "hate": "hate",
    "hate/threatening": "hate",
    "illicit": "illicit",
    "illicit/violent": "illicit",
    "self-harm": "self_harm",
    "self-harm/intent": "self_harm",
    "self-harm/instructions": "self_harm",
    "sexual": "sexual",
    "sexual/minors": "sexual_minors",
    "violence": "violence",
    "violence/graphic": "violence_graphic",
}
"""Categories of the omni models. Every one of them is in every answer."""

_OF_IMAGES: Final = frozenset(
    {
        "self-harm",
        "self-harm/intent",
        "self-harm/instructions",
        "sexual",
        "violence",
        "violence/graphic",
    }
)
"""Categories for which pictures are scored; the others are 0 for a picture, which says nothing."""

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class OpenAI:
    """A client; a provider of ``moderation.check``.

    Args:
        model: Model of moderation.
    """

    moderates = ("text", "image")

    def __init__(self, http: Http, model: str) -> None:
        self._http = http
        self._model = model

    async def moderate(self, *, text: str | None = None, image: Image | None = None) -> Assessment:
        """Assess a text, a picture, or a text with its picture.

        Raises:
            ActionError: There is no answer, or not one of the documented form.
        """
        given: list[Json] = [] if text is None else [{"type": "text", "text": text}]
        if image is not None:
            mime = _mime(image.content)
            if mime is None:
                return Assessment(unsupported="OpenAI examines PNG, JPEG, GIF and WebP pictures")
            if len(image.content) > MAX_IMAGE_BYTES:
                return Assessment(unsupported=f"the picture is larger than {MAX_IMAGE_BYTES} bytes")
            address = f"data:{mime};base64,{base64.b64encode(image.content).decode()}"
            given.append({"type": "image_url", "image_url": {"url": address}})
        if not given:
            raise BadInput("there is neither a text nor a picture")
        answer = await self._http.request(
            "POST",
            "moderations",
            json={"model": self._model, "input": given},
            timeout=TIMEOUT,
            max_bytes=MAX_ANSWER,
        )
        raise_for_status(answer, effect="read", service="OpenAI")
        kinds = {kind for kind, part in (("text", text), ("image", image)) if part is not None}
        return _read(answer.json(), kinds)


def _read(body: Json, kinds: set[str]) -> Assessment:
    results = body.get("results") if isinstance(body, Mapping) else None
    if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], Mapping):
        raise MalformedOutput("OpenAI's answer does not hold one result")
    result = results[0]
    scores, applied = result.get("category_scores"), result.get("category_applied_input_types")
    flagged = result.get("flagged")
    if not isinstance(scores, Mapping) or not isinstance(flagged, bool):
        raise MalformedOutput("OpenAI's answer holds no scores")
    missing = sorted(set(_CATEGORIES) - set(scores))
    if missing:
        raise MalformedOutput(f"OpenAI's answer says nothing about {missing[0]}")
    findings = [_finding(name, score, applied, kinds) for name, score in scores.items()]
    return Assessment(
        findings,
        flagged=flagged,
        model=str(body.get("model") or ""),
        request_id=str(body.get("id") or ""),
    )


def _finding(name: str, score: Json, applied: Json, kinds: set[str]) -> Finding:
    # A category that is not in our table was added since: what it covers is not known, so it counts.
    able = kinds if name in _OF_IMAGES or name not in _CATEGORIES else kinds - {"image"}
    told = applied.get(name) if isinstance(applied, Mapping) else None
    looked = able & set(told) if isinstance(told, list) and all(isinstance(t, str) for t in told) else able
    return Finding(
        _CATEGORIES.get(name, "other"),
        score,
        evaluated=bool(looked),
        provider_name=name,
        applied_to=tuple(sorted(looked)),
    )


def _mime(content: bytes) -> str | None:
    """What the bytes are, whatever they are declared as."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _MAGIC if content.startswith(magic)), None)
