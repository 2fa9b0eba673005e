"""``DetectModerationLabels``: labels of a picture, with a confidence of 0 to 100.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectModerationLabels.html
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    MalformedOutput,
    RateLimited,
    Unavailable,
)
from hookline.sdk.moderation import Assessment, Finding, Image

__all__ = ["Rekognition", "Settings"]

Json = Any

MAX_IMAGE_BYTES = 5_000_000
"""Bytes of a picture that is sent, rather than read from S3."""

_CATEGORIES: Final = {
    "Explicit": "sexual",
    "Non-Explicit Nudity of Intimate parts and Kissing": "nudity_suggestive",
    "Swimwear or Underwear": "nudity_suggestive",
    "Violence": "violence",
    "Graphic Violence": "violence_graphic",
    "Visually Disturbing": "violence_graphic",
    "Drugs & Tobacco": "weapons_drugs",
    "Alcohol": "other",
    "Rude Gestures": "profanity",
    "Gambling": "other",
    "Hate Symbols": "hate",
}
"""Labels of the taxonomy of version 7 that decide for themselves and everything below them."""

_AUTHENTICATION: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)
_BUSY: Final = frozenset(
    {"LimitExceededException", "ProvisionedThroughputExceededException", "ThrottlingException"}
)
_UNSUPPORTED: Final = {
    "ImageTooLargeException": "the picture is larger than Rekognition takes",
    "InvalidImageFormatException": "Rekognition examines JPEG and PNG pictures",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach Rekognition.

    Attributes:
        access_key_id: ``""`` leaves it to boto3's own chain.
        endpoint_url: ``""`` for AWS itself.
    """

    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    endpoint_url: str = ""


class Rekognition:
    """A client; a provider of ``moderation.check`` for pictures."""

    moderates = ("image",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None
        self._lock = threading.Lock()

    async def moderate(self, *, text: str | None = None, image: Image | None = None) -> Assessment:
        """Assess a picture.

        Raises:
            ActionError: There is no answer, or not one of the documented form.
        """
        if image is None or text is not None:
            raise BadInput("Rekognition examines pictures only")
        if not image.content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
            return Assessment(unsupported=_UNSUPPORTED["InvalidImageFormatException"])
        if len(image.content) > MAX_IMAGE_BYTES:
            return Assessment(unsupported=f"the picture is larger than {MAX_IMAGE_BYTES} bytes")
        return await asyncio.to_thread(self._detect, image.content)

    def _detect(self, content: bytes) -> Assessment:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            # The default leaves out what is below 50, where a policy may have its thresholds.
            answer = self._opened().detect_moderation_labels(Image={"Bytes": content}, MinConfidence=0)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _UNSUPPORTED:
                return Assessment(unsupported=_UNSUPPORTED[code])
            raise _translated(code) from error
        except (BotoCoreError, OSError) as error:
            raise Unavailable(f"Rekognition cannot be asked ({type(error).__name__})") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise MalformedOutput("Rekognition's answer cannot be read") from error
        return _read(answer)

    def _opened(self) -> Any:
        # Making a client takes a good part of a second and is not thread-safe; the client is.
        with self._lock:
            if self._client is None:
                self._client = _make(self._settings)
            return self._client


def _read(answer: Json) -> Assessment:
    labels, version = answer.get("ModerationLabels"), answer.get("ModerationModelVersion")
    # Nothing found is an empty list and a model's version; an answer without them says nothing.
    if not isinstance(labels, list) or not isinstance(version, str) or not version:
        raise MalformedOutput("Rekognition's answer holds no labels or no version of the model")
    found: dict[str, tuple[float, str]] = {}
    for label in labels:
        name, confidence = label.get("Name"), label.get("Confidence")
        if not isinstance(name, str) or not name or isinstance(confidence, bool):
            raise MalformedOutput("Rekognition gave a label without a name or a confidence")
        if not isinstance(confidence, int | float) or not 0 <= confidence <= 100:
            raise MalformedOutput("Rekognition gave a confidence that is not from 0 to 100")
        parent = label.get("ParentName")
        found[name] = (confidence / 100, parent if isinstance(parent, str) else "")
    findings = [
        Finding(_category(name, found), score, provider_name=name, applied_to=("image",))
        for name, (score, _) in found.items()
    ]
    named = {each.name for each in findings}
    findings += [
        Finding(category, 0.0, applied_to=("image",))
        for category in dict.fromkeys(_CATEGORIES.values())
        if category not in named
    ]
    # The service judges nothing itself; its own default of what to tell is 50.
    flagged = any(each.score >= 0.5 for each in findings)
    return Assessment(findings, flagged=flagged, model=f"rekognition-moderation-{version}")


def _category(name: str, found: Mapping[str, tuple[float, str]]) -> str:
    """The category of a label or of the nearest one above it; ``other`` for what is not known."""
    seen: set[str] = set()
    while name and name not in seen:
        if name in _CATEGORIES:
            return _CATEGORIES[name]
        seen.add(name)
        name = found[name][1] if name in found else ""
    return "other"


def _translated(code: str) -> ActionError:
    if code in _AUTHENTICATION:
        return AuthenticationFailed(
            f"Rekognition refuses the credential ({code})",
            hint="it needs the permission rekognition:DetectModerationLabels",
        )
    if code in _BUSY:
        return RateLimited(f"Rekognition is asked too often ({code})")
    if code in ("InternalServerError", "ServiceUnavailable") or code.isdecimal():
        return Unavailable(f"Rekognition failed ({code})")
    return BadInput(f"Rekognition refuses the picture ({code})")


def _make(settings: Settings) -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(
        aws_access_key_id=settings.access_key_id or None,
        aws_secret_access_key=settings.secret_access_key or None,
        aws_session_token=settings.session_token or None,
        region_name=settings.region or None,
    )
    return session.client(
        "rekognition",
        region_name=session.region_name or "us-east-1",
        endpoint_url=settings.endpoint_url or None,
        config=Config(
            retries={"mode": "standard", "max_attempts": 2},
            connect_timeout=5,
            read_timeout=30,
            # What the connection says is all there is; variables of the environment stay out.
            ignore_configured_endpoint_urls=True,
        ),
    )
