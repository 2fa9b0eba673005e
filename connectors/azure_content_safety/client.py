"""``text:analyze`` and ``image:analyze``.

https://learn.microsoft.com/rest/api/contentsafety/text-operations/analyze-text
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hookline.sdk import BadInput, Http, MalformedOutput, raise_for_status
from hookline.sdk.moderation import Assessment, Finding, Image

__all__ = ["ContentSafety"]

Json = Any

MAX_CHARACTERS = 10_000
MAX_IMAGE_BYTES = 4_000_000
TIMEOUT = 30.0
MAX_ANSWER = 1_000_000

_CATEGORIES: Final = {"Hate": "hate", "SelfHarm": "self_harm", "Sexual": "sexual", "Violence": "violence"}
_WORST = 7


class ContentSafety:
    """A client; a provider of ``moderation.check``.

    Severities, 0 to 7, are given as scores: severity / 7. Pictures have the severities 0, 2, 4 and 6 only.

    Args:
        api_version: Version of the API, a date.
        blocklists: Names of lists that texts are compared with.
    """

    moderates = ("text", "image")

    def __init__(self, http: Http, api_version: str, blocklists: Sequence[str] = ()) -> None:
        self._http = http
        self._version = api_version
        self._blocklists = list(blocklists)

    async def moderate(self, *, text: str | None = None, image: Image | None = None) -> Assessment:
        """Assess a text, a picture, or one after the other.

        Raises:
            ActionError: There is no answer, or not one of the documented form.
        """
        if text is None and image is None:
            raise BadInput("there is neither a text nor a picture")
        if text is not None and len(text) > MAX_CHARACTERS:
            return Assessment(unsupported=f"the text has more than {MAX_CHARACTERS} characters")
        if image is not None and len(image.content) > MAX_IMAGE_BYTES:
            return Assessment(unsupported=f"the picture is larger than {MAX_IMAGE_BYTES} bytes")
        findings: list[Finding] = []
        if text is not None:
            findings += await self._text(text)
        if image is not None:
            findings += await self._image(image)
        # Azure judges nothing itself; any severity at all is what it found.
        return Assessment(
            findings,
            flagged=any(each.score > 0 for each in findings),
            model=f"content-safety {self._version}",
        )

    async def _text(self, text: str) -> list[Finding]:
        sent: dict[str, Json] = {"text": text, "outputType": "EightSeverityLevels"}
        if self._blocklists:
            sent |= {"blocklistNames": self._blocklists, "haltOnBlocklistHit": False}
        body = await self._ask("text:analyze", sent)
        matches = body.get("blocklistsMatch") or []
        if not isinstance(matches, list):
            raise MalformedOutput("Azure's answer holds no list of matches")
        # The list is named and not the word: a verdict must not repeat what it flags.
        names = sorted(
            {str(match.get("blocklistName", "")) for match in matches if isinstance(match, Mapping)}
        )
        listed = Finding(
            "other",
            1.0 if matches else 0.0,
            "label_only",
            evaluated=bool(self._blocklists),
            provider_name=", ".join(["blocklist", *names]),
            applied_to=("text",),
        )
        return [*_severities(body, "text"), listed]

    async def _image(self, image: Image) -> list[Finding]:
        content = base64.b64encode(image.content).decode()
        body = await self._ask(
            "image:analyze", {"image": {"content": content}, "outputType": "FourSeverityLevels"}
        )
        return _severities(body, "image")

    async def _ask(self, path: str, sent: Json) -> Mapping[str, Json]:
        answer = await self._http.request(
            "POST",
            # Not below a base that ends with it: "text:analyze" alone reads as an address of the scheme text.
            f"contentsafety/{path}",
            params={"api-version": self._version},
            json=sent,
            timeout=TIMEOUT,
            max_bytes=MAX_ANSWER,
        )
        raise_for_status(answer, effect="read", service="Azure")
        body = answer.json()
        if not isinstance(body, Mapping):
            raise MalformedOutput("Azure's answer is no object")
        return body


def _severities(body: Mapping[str, Json], kind: str) -> list[Finding]:
    found = body.get("categoriesAnalysis")
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise MalformedOutput("Azure's answer holds no severities")
    severities = {each.get("category"): each.get("severity") for each in found}
    missing = sorted(set(_CATEGORIES) - set(severities))
    if missing:
        raise MalformedOutput(f"Azure's answer says nothing about {missing[0]}")
    findings = []
    for name, severity in severities.items():
        if isinstance(severity, bool) or not isinstance(severity, int) or not 0 <= severity <= _WORST:
            raise MalformedOutput("Azure gave a severity that is not from 0 to 7")
        findings.append(
            Finding(
                _CATEGORIES.get(name, "other"),
                severity / _WORST,
                "severity",
                provider_name=str(name),
                applied_to=(kind,),
            )
        )
    return findings
